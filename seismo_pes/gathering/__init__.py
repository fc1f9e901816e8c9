"""Items that wait for other channels or other times, and the end of the wait.

Pieces and channels that belong together enter, in any order; complete periods,
instruments and streams leave. Windows and periods close in `closing`, by time.
"""

from seismo_pes.gathering.closing import Closing, Coverage
from seismo_pes.gathering.components import GatherComponents, instrument
from seismo_pes.gathering.pieces import GatherPeriods
from seismo_pes.gathering.streams import Gather

__all__ = [
    "Closing",
    "Coverage",
    "Gather",
    "GatherComponents",
    "GatherPeriods",
    "instrument",
]
