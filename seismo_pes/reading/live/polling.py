"""Live channels of a data centre that is asked again and again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from dispel4py.errors import Dispel4pyError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.reading.fetching.remote import fetch
from seismo_pes.reading.live.clock import SteadyClock
from seismo_pes.reading.live.growing import arrival_of, require_channels
from seismo_pes.reading.live.ordering import STAGE
from seismo_pes.reading.live.record import Record
from seismo_pes.reading.live.source import LiveSource
from seismo_pes.reading.seedlink.decoding import split_records

__all__ = ["PollDataCentre"]

# Longest time of one request: a channel that is days behind catches up in steps.
LONGEST_NS = 3600 * NS
# Gaps that were given up are asked for again after this time, seconds; those of the
# last days, and the newest ones of each channel.
GAPS_EVERY_S = 1800.0
GAPS_NS = 3 * DAY_NS
MOST_GAPS = 10


class PollDataCentre(LiveSource):
    """Ask a data centre (FDSN dataselect) for new data of channels, again and again.

    Each request begins at the end of the contiguous data of its channel, so that data
    that come late to the data centre are got, too. Gaps that were given up are asked
    for again from time to time; their data are late, and listed as such. Requests are
    made one after the other, in a thread. A request that fails is reported, and made
    again the next time, also if the data centre does not answer at a restart.

    Ports
    -----
    output : LivePiece
        New samples, in order for each channel; and for each channel its state, every
        ``tick_s``.
    skipped : Skipped
        Requests that failed, and records that were late or damaged.
    health : ChannelHealth
        Latency, gaps and level of each channel, see `LiveSource`.

    Parameters
    ----------
    provider : str
        ``fdsn://PROVIDER``, see `open_archive`.
    channel_ids : sequence of str
        ``NET.STA.LOC.CHA``, without wildcards.
    state : str, optional
        Folder of the checkpoint, see `LiveSource`.
    start_ns, end_ns : int, optional
        Only data of this time, nanoseconds since 1970; by default from now on, without
        end.
    every_s : float
        Time between two rounds of requests, seconds.
    hold_s, idle_s, tick_s : float
        See `LiveSource`; ``idle_s`` should be several times ``every_s``.

    Raises
    ------
    ParameterError
        If a channel id has wildcards, or the provider is not ``fdsn://``.
    """

    def __init__(
        self,
        provider: str,
        channel_ids: Sequence[str],
        state: str | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        every_s: float = 60.0,
        hold_s: float = 150.0,
        idle_s: float = 600.0,
        tick_s: float = 1.0,
    ) -> None:
        super().__init__(
            *(channel_ids, start_ns, end_ns, hold_s, idle_s, tick_s), state=state
        )
        require_channels(channel_ids)
        if not provider.startswith(("fdsn://", "fdsn+https://")):
            raise ParameterError(f"{provider}: not fdsn://PROVIDER")
        if not every_s > 0:
            raise ParameterError(f"every_s must be positive, not {every_s}")
        self.provider, self.every_s = provider.rstrip("/"), every_s
        self._thread: ThreadPoolExecutor | None = None
        self._answers: list[tuple[str, Future[bytes]]] = []
        self._reached_ns: dict[str, int] = {}  # ends of the last requests

    def _begin(self) -> None:
        self._clock = SteadyClock()
        if self.start_ns is None:
            self.start_ns = self._clock.now_ns()
        self._thread = ThreadPoolExecutor(1)
        self._next_round_s = self._clock.monotonic_s()
        self._next_gaps_s = self._next_round_s + GAPS_EVERY_S
        super()._begin()

    def _now_ns(self) -> int:
        return self._clock.now_ns()

    def _arrivals(self) -> Iterator[Record | Skipped]:
        while self._answers and self._answers[0][1].done():
            channel_id, answer = self._answers.pop(0)
            try:
                records, _, n_damaged = split_records(answer.result())
            except Dispel4pyError as error:
                yield Skipped(STAGE, channel_id, str(error))
                continue
            if n_damaged:
                yield Skipped(STAGE, channel_id, f"{n_damaged} bytes are no record")
            for record in records:
                yield from arrival_of(record, channel_id, channel_id, self._clock)
        self._is_over = not self._answers and self._has_ended()
        if not self._answers and self._clock.monotonic_s() >= self._next_round_s:
            self._ask()

    def _ask(self) -> None:
        """Begin a round of requests."""
        now_ns = self._now_ns()
        until_ns = now_ns if self.end_ns is None else min(now_ns, self.end_ns)
        for order in self._orders.values():
            start_ns = order.watermark_ns or self.start_ns or 0
            if start_ns >= until_ns:
                continue
            # without new data the next request also reaches behind the gap
            reached_ns = max(start_ns, self._reached_ns.get(order.channel_id, 0))
            end_ns = min(until_ns, reached_ns + LONGEST_NS)
            self._reached_ns[order.channel_id] = end_ns
            self._ask_for(order.channel_id, start_ns, end_ns)
        is_behind = any(end_ns < until_ns for end_ns in self._reached_ns.values())
        wait_s = 0.0 if is_behind else self.every_s
        now_s = self._clock.monotonic_s()
        self._next_round_s = now_s + wait_s
        if now_s >= self._next_gaps_s:
            self._next_gaps_s = now_s + GAPS_EVERY_S
            for order in self._orders.values():
                for start_ns, end_ns in order.gaps_after(now_ns - GAPS_NS)[-MOST_GAPS:]:
                    self._ask_for(order.channel_id, start_ns, end_ns)

    def _ask_for(self, channel_id: str, start_ns: int, end_ns: int) -> None:
        assert self._thread is not None
        url = f"{self.provider}/{channel_id}/{start_ns}/{end_ns}"
        self._answers.append((channel_id, self._thread.submit(fetch, url)))

    def teardown(self) -> None:
        """End the requests."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
