"""Items that wait for other channels or other times, and the end of the wait.

Pieces and channels that belong together enter, in any order; complete periods,
instruments and streams leave. Windows and periods close in `closing`, by time. What
does not fit into memory waits on disk, in `spool`.
"""

from seismo_pes.gathering.closing import Closing, Coverage
from seismo_pes.gathering.components import GatherComponents, instrument
from seismo_pes.gathering.periods import GatherPeriods
from seismo_pes.gathering.traces import Gather

__all__ = [
    "Closing",
    "Coverage",
    "Gather",
    "GatherComponents",
    "GatherPeriods",
    "instrument",
]
