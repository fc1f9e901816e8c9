"""Observed and synthetic records of a station, from files to one axis of time.

The names of the files of a station (`StationFiles`) enter; `ComparedRecords` leave,
with the samples of both sides and the traces that cannot be compared. `ReadPair` reads,
`PreprocessPair` applies the chain of this library and `VercePreprocess` that of the
VERCE platform.
"""

from seismo_pes.comparing.pair_settings import PairSettings
from seismo_pes.comparing.preprocess import PreprocessPair
from seismo_pes.comparing.reading import ReadPair
from seismo_pes.comparing.synthetic_side import for_displacement
from seismo_pes.comparing.verce import VercePreprocess

__all__ = [
    "PairSettings",
    "PreprocessPair",
    "ReadPair",
    "VercePreprocess",
    "for_displacement",
]
