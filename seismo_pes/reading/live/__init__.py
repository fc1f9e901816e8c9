"""Live data: records as they arrive, put in order for each channel.

Packets of a server, polled data, files that grow and a replayed archive enter;
`LivePiece` items leave. `ordering` puts the records of a channel in order, `source` is
the element that all sources share, and each kind of source has a module of its own.
`checkpoint` is how far the results are on disk: there the next run begins.
"""

from seismo_pes.reading.live.checkpoint import (
    CHECKPOINT,
    read_checkpoint,
    write_checkpoint,
)
from seismo_pes.reading.live.growing import FollowFiles
from seismo_pes.reading.live.polling import PollDataCentre
from seismo_pes.reading.live.replay import Replay
from seismo_pes.reading.live.seedlink import LiveSeedLink
from seismo_pes.reading.live.source import LiveSource

__all__ = [
    "CHECKPOINT",
    "FollowFiles",
    "LiveSeedLink",
    "LiveSource",
    "PollDataCentre",
    "Replay",
    "read_checkpoint",
    "write_checkpoint",
]
