"""From preprocessed traces to correlations of all wanted pairs.

Segments of each channel enter; rows of correlations leave, one for each pair, band and
period. The data pass through `spectra`, `pairs` and `tiles`.
"""

from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.spectra.window_spectra import WindowSpectra
from seismo_pes.correlating.tiles.blocks import Tiles
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.correlating.tiles.streams import (
    Correlate,
    correlate_pair,
    correlate_stream,
)
from seismo_pes.items.tiles import Spectra

__all__ = [
    "Correlate",
    "CorrelateTiles",
    "PairSelection",
    "Spectra",
    "SpectraSettings",
    "Tiles",
    "WindowSpectra",
    "correlate_pair",
    "correlate_stream",
]
