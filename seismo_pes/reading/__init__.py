"""From files, data centres and live servers to waveforms.

The name of an archive (a folder, a pattern, a URL) and a list of stations enter; the
waveforms of each channel leave, span by span, with a list of the files that could not
be read.
"""

from seismo_pes.reading.archives.archive import Archive
from seismo_pes.reading.archives.availability import find_availability
from seismo_pes.reading.archives.opening import open_archive, select
from seismo_pes.reading.archives.several import open_archives
from seismo_pes.reading.formats.waveform_files import read_content, read_file
from seismo_pes.reading.live import (
    FollowFiles,
    LiveSeedLink,
    PollDataCentre,
    Replay,
    read_checkpoint,
    write_checkpoint,
)
from seismo_pes.reading.seedlink import ReadSeedLink
from seismo_pes.reading.spans import ReadWaveforms, read_span

__all__ = [
    "Archive",
    "FollowFiles",
    "LiveSeedLink",
    "PollDataCentre",
    "ReadSeedLink",
    "ReadWaveforms",
    "Replay",
    "find_availability",
    "open_archive",
    "open_archives",
    "read_checkpoint",
    "read_content",
    "read_file",
    "read_span",
    "select",
    "write_checkpoint",
]
