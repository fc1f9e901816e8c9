"""The element that all live sources share: records in, pieces in order out."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from dispel4py.base import ProducerPE
from dispel4py.errors import ParameterError
from seismo_pes.items.live import ChannelHealth, LivePiece
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS, nanoseconds
from seismo_pes.reading.live.checkpoint import read_checkpoint
from seismo_pes.reading.live.health import HealthMeter
from seismo_pes.reading.live.ordering import ChannelOrder, Rules
from seismo_pes.reading.live.record import Record

__all__ = ["LiveSource"]

# Time between two reports of the health of a channel.
HEALTH_NS = 60 * NS


class LiveSource(ProducerPE):
    """A source of live data: the part that all sources share.

    A source is called again and again, and returns after each call, so that the other
    elements of its process can work. A subclass says what has arrived, in `_arrivals`.

    Ports
    -----
    output : LivePiece
        New samples, in order for each channel; and for each channel its state, every
        ``tick_s`` of the clock of the source.
    skipped : Skipped
        Records that were late, wrong or refused.
    health : ChannelHealth
        Latency, gaps and level of each channel, every minute of the clock, or every
        ``tick_s`` if it is longer.

    Parameters
    ----------
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``; wildcards where the source allows them. A channel without
        wildcards has a state from the beginning, also without data.
    start_ns, end_ns : int, optional
        Only samples from the start to before the end, nanoseconds since 1970.
    hold_s : float
        How long records beyond a gap wait for the missing ones, seconds.
    idle_s : float
        A channel without a record for this time is idle, seconds.
    tick_s : float
        Time between two states of a channel, seconds.
    poll_s : float
        Time between two calls while nothing arrives, seconds.
    state : str, optional
        Folder of the checkpoint, see `write_checkpoint`. The data begin there, if there
        is one, instead of at ``start_ns``.

    Raises
    ------
    ParameterError
        If there is no channel, or a time is not positive and finite.
    """

    single = True
    stateful = True

    def __init__(
        self,
        channel_ids: Sequence[str],
        start_ns: int | None = None,
        end_ns: int | None = None,
        hold_s: float = 150.0,
        idle_s: float = 300.0,
        tick_s: float = 1.0,
        poll_s: float = 0.1,
        state: str | None = None,
    ) -> None:
        super().__init__()
        if not channel_ids:
            raise ParameterError(f"{type(self).__name__}: at least one channel")
        times = {"hold_s": hold_s, "idle_s": idle_s, "tick_s": tick_s, "poll_s": poll_s}
        for name, value in times.items():
            if not 0 < value < float("inf"):
                raise ParameterError(f"{name} must be positive and finite, not {value}")
        self._add_output(self.OUTPUT_NAME, tuple_type=LivePiece)
        self._add_output("skipped", tuple_type=Skipped)
        self._add_output("health", tuple_type=ChannelHealth)
        self.channel_ids = tuple(channel_ids)
        self.start_ns, self.end_ns = start_ns, end_ns
        self.rules = Rules(hold_s, idle_s)
        self.tick_s, self.poll_s, self.state = tick_s, poll_s, state
        self._orders: dict[str, ChannelOrder] = {}
        self._meters: dict[str, HealthMeter] = {}
        self._next_tick_ns: int | None = None
        self._next_health_ns = 0
        self._is_over = False
        self.checkpoint_ns: int | None = None

    # ------------------------------------------------------------ for subclasses

    @abstractmethod
    def _now_ns(self) -> int:
        """Return the time of the clock of the source, nanoseconds since 1970."""

    @abstractmethod
    def _arrivals(self) -> Iterable[Record | Skipped]:
        """Return what has arrived since the last call; set ``_is_over`` at the end."""

    def _start_of(self, channel_id: str) -> int | None:
        """Return the time at which the data of a channel are to begin."""
        return self.start_ns

    def _has_ended(self) -> bool:
        """Return whether all channels that are not idle have come to the end."""
        now_ns = self._now_ns()
        if self.end_ns is None or now_ns < self.end_ns:
            return False
        return all(
            order.is_idle(now_ns) or order.has_reached(self.end_ns)
            for order in self._orders.values()
        )

    def _wait_s(self) -> float:
        """Return the time to the next call, seconds."""
        return self.poll_s

    # ------------------------------------------------------------------- calls

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Send what has arrived, and ask for the next call."""
        if self._next_tick_ns is None:
            self._continue()
            self._begin()
        for arrival in self._arrivals():
            if isinstance(arrival, Skipped):
                yield {"skipped": arrival}
                continue
            yield from self._tick(arrival.arrived_ns)
            if self.end_ns is not None and arrival.end_ns > self.end_ns:
                n = arrival.index_at(self.end_ns)
                if not n:
                    continue
                arrival = arrival.part(0, n)
            order = self._order(arrival.trace.id, arrival.arrived_ns)
            self._meters[order.channel_id].arrived(arrival)
            records, skipped = order.take(arrival)
            yield from self._sent(order, arrival.arrived_ns, records, skipped)
            if not records:  # it waits for others, and the channel is not idle
                yield {self.OUTPUT_NAME: _state(order, arrival.arrived_ns)}
        if self._is_over:
            yield from self._finish()
        else:
            yield from self._tick(self._now_ns())
            self.call_again(self._wait_s())

    def _continue(self) -> None:
        """Begin at the checkpoint, if there is one."""
        self.checkpoint_ns = None if self.state is None else read_checkpoint(self.state)
        if self.checkpoint_ns is not None:
            self.start_ns = self.checkpoint_ns

    def _begin(self) -> None:
        now_ns = self._now_ns()
        self._next_tick_ns, self._next_health_ns = now_ns, now_ns + HEALTH_NS
        for channel_id in self.channel_ids:
            if not set(channel_id) & set("?*["):
                self._order(channel_id, now_ns)

    def _order(self, channel_id: str, clock_ns: int) -> ChannelOrder:
        order = self._orders.get(channel_id)
        if order is None:
            start_ns = self._start_of(channel_id)
            order = ChannelOrder(channel_id, self.rules, clock_ns, start_ns)
            self._orders[channel_id] = order
            self._meters[channel_id] = HealthMeter(channel_id)
        return order

    def _tick(self, clock_ns: int) -> Iterator[dict[str, Any]]:
        """Send the state of each channel at each tick up to a time."""
        assert self._next_tick_ns is not None
        while self._next_tick_ns <= clock_ns:
            at_ns = self._next_tick_ns
            for order in self._orders.values():
                yield from self._sent(order, at_ns, *order.advance(at_ns))
                yield {self.OUTPUT_NAME: _state(order, at_ns)}
                self._meters[order.channel_id].look(at_ns, order.heard_ns)
            if at_ns >= self._next_health_ns:
                yield from self._health(at_ns)
            self._next_tick_ns += nanoseconds(self.tick_s)

    def _finish(self) -> Iterator[dict[str, Any]]:
        now_ns = self._now_ns()
        for order in self._orders.values():
            yield from self._sent(order, now_ns, *order.finish())
            yield {self.OUTPUT_NAME: _state(order, now_ns)}
        yield from self._health(now_ns)

    def _health(self, clock_ns: int) -> Iterator[dict[str, Any]]:
        self._next_health_ns = clock_ns + HEALTH_NS
        for channel_id, meter in self._meters.items():
            report = meter.report(clock_ns, self._orders[channel_id].counts)
            yield {"health": report}

    def _sent(
        self,
        order: ChannelOrder,
        clock_ns: int,
        records: Iterable[Record],
        skipped: Iterable[Skipped],
    ) -> Iterator[dict[str, Any]]:
        for item in skipped:
            yield {"skipped": item}
        for record in records:
            self._meters[order.channel_id].used(record)
            piece = LivePiece(
                order.channel_id,
                clock_ns,
                record.end_ns,
                trace=record.trace,
                arrived_ns=record.arrived_ns,
                arrived_s=record.arrived_s,
            )
            yield {self.OUTPUT_NAME: piece}


def _state(order: ChannelOrder, clock_ns: int) -> LivePiece:
    is_idle = order.is_idle(clock_ns)
    return LivePiece(
        *(order.channel_id, clock_ns, order.watermark_ns, is_idle),
        arrived_ns=order.arrived_ns,
    )
