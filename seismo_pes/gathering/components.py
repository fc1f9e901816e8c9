"""The components of an instrument, gathered in one item."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dispel4py.core import GenericPE
from seismo_pes.gathering.closing import Closing, channels_of
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import nanoseconds
from seismo_pes.items.waveforms import Waveforms

__all__ = ["GatherComponents", "instrument"]

Key = tuple[str, int]  # instrument, period
LATE = "late: its period was closed without it"


def instrument(channel_id: str) -> str:
    """Return the part of the id that all components of an instrument share.

    Examples
    --------
    >>> instrument("CH.ZUR..HHZ")
    'CH.ZUR..HH'
    """
    return channel_id[:-1]


def _key(item: Waveforms) -> Key:
    span = item.spans[0]
    return instrument(span.channel_id), span.period


def _instance(item: Waveforms, n: int) -> int:
    """Send all components of an instrument and period to one instance."""
    name, period = _key(item)
    return zlib.crc32(f"{name} {period}".encode()) % n


class GatherComponents(GenericPE):
    """Put the components of an instrument into one item.

    For elements that need all components: orientation, and whitening or normalisation
    that keep the ratios between the components.

    Ports
    -----
    input : Waveforms
        Waveforms of one channel, complete over its span. Items of one instrument and
        period go to one instance.
    output : Waveforms
        All components, ordered by channel id, when the last component has arrived or
        the longest wait is over. Incomplete instruments are emitted at the end of the
        data.
    skipped : Skipped
        Components that arrive after their instrument was emitted.

    Parameters
    ----------
    channels : mapping of int to collection of str, or collection of str
        Ids of the channels that have data in each period, or in every period.
    max_wait_s : float, optional
        An instrument is emitted without a missing component when another channel is
        complete up to this time after the span; seconds of data time. By default it
        waits to the end of the data.
    """

    derives = "matching"

    def __init__(
        self,
        channels: Mapping[int, Collection[str]] | Collection[str],
        max_wait_s: float | None = None,
    ) -> None:
        super().__init__()
        self.channels, self.max_wait_s = channels, max_wait_s
        self._closing = Closing[Key](nanoseconds(max_wait_s))
        self._waiting: dict[Key, list[Waveforms]] = {}
        self._members: dict[int | None, dict[str, list[str]]] = {}
        self._add_input("input", grouping=_instance, tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)
        self._add_output("skipped", tuple_type=Skipped)

    def derivation_key(self, port: str, item: Any) -> str | None:
        """Return instrument and period of an item.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        if not isinstance(item, Waveforms):
            return None
        span = item.spans[0]
        return f"{instrument(span.channel_id)} in {span.period}"

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Take one channel; emit the instruments that are complete with it."""
        item: Waveforms = inputs["input"]
        key, (span,) = _key(item), item.spans
        members = self._of_period(span.period).get(key[0], ())
        if self._closing.open(key, span.start_ns, span.end_ns, members):
            self._waiting.setdefault(key, []).append(item)
            self._closing.add(span.channel_id, span.start_ns, span.end_ns)
        else:
            yield {"skipped": Skipped("gather", span.channel_id, LATE)}
        for complete in self._closing.ready():
            yield {"output": _combine(self._waiting.pop(complete))}

    def postprocess(self) -> None:
        """Emit incomplete instruments."""
        for key in self._closing.close_all():
            self.write("output", _combine(self._waiting.pop(key)))

    def _of_period(self, period: int) -> dict[str, list[str]]:
        """Return the channels of each instrument that has data in a period."""
        name = period if isinstance(self.channels, Mapping) else None
        if name not in self._members:
            instruments: dict[str, list[str]] = {}
            for channel_id in channels_of(self.channels, period):
                instruments.setdefault(instrument(channel_id), []).append(channel_id)
            self._members[name] = instruments
        return self._members[name]


def _combine(items: list[Waveforms]) -> Waveforms:
    channels = [channel for item in items for channel in item.channels]
    return Waveforms(tuple(sorted(channels, key=lambda c: c.span.channel_id)))
