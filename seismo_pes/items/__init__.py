"""The items that travel between elements: traces, waveforms, tiles, correlations.

Each module defines one kind of item. Items enter an element of another room, and items
leave it.
"""

import seismo_pes.items.descriptions  # noqa: F401 - registers the terms of items
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.live import ChannelHealth, LivePiece
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelSpan, ChannelTraces, Waveforms

__all__ = [
    "ChannelHealth",
    "ChannelSpan",
    "ChannelTraces",
    "Correlation",
    "LivePiece",
    "Skipped",
    "Waveforms",
]
