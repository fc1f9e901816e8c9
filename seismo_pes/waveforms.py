"""What the elements hand on before spectra: a span of a channel and its traces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from obspy import Stream

if TYPE_CHECKING:
    from seismo_pes.archive import ChannelSpan

__all__ = ["Waveforms"]


@dataclass(frozen=True, eq=False)
class Waveforms:
    """The traces of one channel in one span of time; there may be none.

    Attributes
    ----------
    span : ChannelSpan
        What was asked for.
    stream : obspy.Stream
        What there is.
    flat : tuple of (int, int)
        Where the data as recorded do not change over a long time: a dead channel, or
        a gap filled with zeros. Start and end in nanoseconds since 1970.
    """

    span: ChannelSpan
    stream: Stream
    flat: tuple[tuple[int, int], ...] = ()

    def with_stream(self, stream: Stream) -> Waveforms:
        """Return the same span with other traces."""
        return replace(self, stream=stream)
