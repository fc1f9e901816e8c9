"""The components of an instrument, brought together."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Any

from dispel4py.core import GenericPE
from seismo_pes.items.waveforms import Waveforms

__all__ = ["GatherComponents", "instrument"]

Key = tuple[str, int]  # instrument, period


def instrument(channel_id: str) -> str:
    """Return what the components of an instrument share of their ids.

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

    For elements that work across components: orientation, whitening and
    normalisation that keep the ratios between them.

    Ports
    -----
    input : Waveforms
        Of one channel each; those of one instrument and period go to one instance.
    output : Waveforms
        All components, ordered by channel id, as soon as the last one has arrived.
        Instruments of which a channel failed leave at the end, incomplete.

    Parameters
    ----------
    expected : mapping of (str, int) to int
        How many channels each instrument (see `instrument`) has in each period.
    """

    def __init__(self, expected: Mapping[Key, int]) -> None:
        super().__init__()
        self.expected = dict(expected)
        self._waiting: dict[Key, list[Waveforms]] = {}
        self._add_input("input", grouping=_instance, tuple_type=Waveforms)
        self._add_output("output", tuple_type=Waveforms)

    def process(self, inputs: dict[str, Any]) -> dict[str, Any] | None:
        """Take one channel."""
        item: Waveforms = inputs["input"]
        key = _key(item)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(item)
        if len(waiting) < self.expected.get(key, 1):
            return None
        return {"output": _together(self._waiting.pop(key))}

    def postprocess(self) -> None:
        """Emit what stayed incomplete."""
        for key in sorted(self._waiting):
            self.write("output", _together(self._waiting.pop(key)))


def _together(items: list[Waveforms]) -> Waveforms:
    channels = [channel for item in items for channel in item.channels]
    return Waveforms(tuple(sorted(channels, key=lambda c: c.span.channel_id)))
