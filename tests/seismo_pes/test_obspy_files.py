"""Every file that obspy is tested with goes through reading and the quality elements.

There is no crash and no hang, and no file is left out silently: a file has channels or
a reason, a channel has samples or a reason.
"""

from __future__ import annotations

import time
import warnings
from functools import cache
from pathlib import Path

import obspy
import pytest
from obspy import Stream, Trace

from dispel4py.core import GenericPE
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.measuring.quality_metrics import MeasureQuality
from seismo_pes.preprocessing import quality
from seismo_pes.preprocessing.clock_correction import CorrectClock
from seismo_pes.preprocessing.merge import Merge
from seismo_pes.preprocessing.overlaps import ResolveOverlaps
from seismo_pes.reading.archives.scan import FileEntry, may_be_waveform, scan_file
from seismo_pes.reading.spans import ReadWaveforms

PACKAGE = Path(obspy.__file__).parent
FILES = sorted(p for p in PACKAGE.rglob("tests/data/**/*") if p.is_file())
LONGEST_S = 200.0  # seconds for one file, two of a quiet machine: its reader hangs
MOST_SAMPLES = 20_000  # of a trace: some have millions, which only takes time

ELEMENTS = [
    quality.FillGaps(max_gap_s=1.0),
    quality.DropDuplicates(),
    quality.DropFlat(shortest_s=1.0),
    quality.DropClipped(),
    quality.DropTransients(k=10.0, window_s=5.0),
    quality.Despike(k=10.0, window_s=2.0),
    quality.AlignSamples(),
    quality.RestoreRate(rate_hz=10.0),
    ResolveOverlaps(),
    CorrectClock(table=()),
    MeasureQuality(window_s=20.0),
    Merge(origin_ns=0, flat_s=10.0),
]


@cache
def scanned(path: Path) -> tuple[list[FileEntry], list[Skipped]]:
    return scan_file(path)


def made_by(pe: GenericPE, item: object) -> dict[str, list]:
    result: dict[str, list] = {"output": [], "skipped": []}
    for output in pe.process({"input": item}):
        for port, value in output.items():
            result.setdefault(port, []).append(value)
    return result


def check_reason(first: Skipped, path: Path) -> None:
    """Check that a reason is one line that names the file."""
    assert first.reason
    assert "\n" not in first.reason
    assert len(first.reason) < 500, path
    assert "/tmp/" not in first.reason


def check_channel(entry: FileEntry, path: Path) -> bool:
    """Read a channel and pass it on; return whether it has samples."""
    files, formats = (entry.path,), (entry.file_format,)
    span = ChannelSpan(
        entry.channel_id, entry.start_ns, entry.end_ns, files, 0, formats
    )
    result = made_by(ReadWaveforms(), span)
    (item,) = result["output"]
    for element in result["skipped"]:
        check_reason(element, path)
    if not item.stream:
        assert result["skipped"], f"{path}: {entry.channel_id} is gone in silence"
        return False
    short = [Trace(t.data[:MOST_SAMPLES], t.stats.copy()) for t in item.stream]
    item = Waveforms.of(span, Stream(short))
    before = [trace.copy() for trace in short]
    for pe in ELEMENTS:
        result = made_by(pe, item)
        (output,) = result["output"]
        assert output.spans[0] == span
        assert output.stream or result["skipped"], (path, type(pe).__name__)
        for element in result["skipped"]:
            check_reason(element, path)
    for a, b in zip(before, short, strict=True):
        assert a.stats == b.stats
        assert a.data.tobytes() == b.data.tobytes()  # also where they are NaN
    return True


@pytest.mark.parametrize("part", range(4))
def test_every_file_passes_or_is_reported(part: int) -> None:
    n_read = 0
    for path in FILES[part::4]:
        began = time.monotonic()
        entries, problems = scanned(path)
        assert entries or problems, f"{path} is gone in silence"
        for item in problems:
            check_reason(item, path)
        assert all(e.end_ns > e.start_ns and e.rate_hz > 0 for e in entries), path
        n_read += sum([check_channel(entry, path) for entry in entries])
        assert time.monotonic() - began < LONGEST_S, path
    assert n_read > 80  # 460 in all, with obspy 1.5


def test_obspy_cannot_read_the_unreadable_files_either() -> None:
    candidates = [path for path in FILES if may_be_waveform(path)]
    unreadable = [path for path in candidates if not scanned(path)[0]]
    readable = set()
    for path in unreadable:
        if path.suffix == ".pickle":  # reading it executes its content
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                stream = obspy.read(str(path).replace("[", "[[]"))
            except Exception:
                continue
        if any(t.stats.npts and t.stats.sampling_rate > 0 for t in stream):
            readable.add(path.name)
    assert readable == {"test_encode.sac"}  # its codes are question marks
