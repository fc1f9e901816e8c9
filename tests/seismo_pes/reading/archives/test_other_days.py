"""Files in an archive with records of other days than their names state."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.items.skipped import FAILED_READ
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern
from seismo_pes.reading.archives import sds
from seismo_pes.reading.archives.archive import Archive
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.archives.several import open_archives
from seismo_pes.reading.formats.mseed2 import read_first_and_last
from seismo_pes.reading.spans import read_span

ID = "XX.AAA..LHZ"
FIRST = UTCDateTime(2024, 3, 1)
N = 86400
PATTERNS = [StationPattern("XX", "AAA")]


def day_file(root: Path, name: int, *days: float, n: int = N) -> Path:
    """Write a file with the name of one day and records of some days."""
    traces = []
    for day in days:
        header = {"network": "XX", "station": "AAA", "channel": "LHZ"}
        data = (round(day) + np.arange(n) // N).astype(np.int32)
        traces.append(Trace(data, header | {"starttime": FIRST + day * 86400}))
    day_name = (FIRST + name * 86400).strftime("%Y.%j")
    path = root / "2024" / "XX" / "AAA" / "LHZ.D" / f"{ID}.D.{day_name}"
    path.parent.mkdir(parents=True, exist_ok=True)
    Stream(traces).write(str(path), "MSEED")
    return path


def open_sds(root: Path) -> Archive:
    return open_archive(root)


def open_pattern(root: Path) -> Archive:
    names = "{network}.{station}.{location}.{channel}.D.{year}.{julday}"
    return open_archive(
        f"{root}/{{year}}/{{network}}/{{station}}/{{channel}}.D/{names}"
    )


def open_two(root: Path) -> Archive:
    other = root.parent / "other"
    day_file(other, 40, 40)
    return open_archives([str(root), str(other)])


def samples(archive: Archive, days: range) -> dict[int, int]:
    """Return the number of samples of each day that a run reads."""
    start_ns, end_ns = (FIRST.ns + day * DAY_NS for day in (days.start, days.stop))
    archive.channels(PATTERNS, start_ns, end_ns)
    periods = [(FIRST.ns + d * DAY_NS, FIRST.ns + (d + 1) * DAY_NS) for d in days]
    found = {}
    for span in archive.spans([ID], periods):
        stream, _ = read_span(span)
        day = days.start + span.period
        data = np.concatenate([trace.data for trace in stream] or [np.zeros(0)])
        assert set(data.astype(int)) <= {day}
        found[day] = len(data)
    return {day: n for day, n in found.items() if n}


@pytest.mark.parametrize("opened", [open_sds, open_pattern, open_two])
def test_records_of_another_day_are_used_where_they_belong(opened, tmp_path) -> None:
    root = tmp_path / "sds"
    day_file(root, 0, 2)  # the wrong day of the year
    path = day_file(root, 1, 1)
    assert samples(opened(root), range(4)) == {1: N, 2: N}
    only = opened(root)
    assert samples(only, range(2, 3)) == {2: N}  # outside the day of its name
    (row,) = only.skipped
    assert row.what.endswith("XX.AAA..LHZ.D.2024.061 (2024-03-03)")
    assert row.reason.startswith("has records of other days than its name states")
    assert path.name not in row.what


@pytest.mark.parametrize("opened", [open_sds, open_pattern, open_two])
def test_a_file_whose_times_cannot_be_read_is_tried_again(
    opened, tmp_path, monkeypatch
) -> None:
    root = tmp_path / "sds"
    path = day_file(root, 0, 2)
    day_file(root, 1, 1)

    def fail(name: str) -> tuple[int, int] | None:
        if name == str(path):
            raise OSError(errno.EIO, os.strerror(errno.EIO), name)
        return read_first_and_last(name)

    with monkeypatch.context() as patch:
        patch.setattr(sds, "read_first_and_last", fail)
        archive = opened(root)
        assert samples(archive, range(4)) == {1: N}
    assert (FAILED_READ, str(path)) in [
        (row.stage, row.what) for row in archive.skipped
    ]
    assert samples(opened(root), range(4)) == {1: N, 2: N}


def test_files_of_several_days(tmp_path) -> None:
    """A file with the name of its first day, and a file with two distant days."""
    day_file(tmp_path, 0, 0, n=3 * N)
    day_file(tmp_path, 5, 5, 30)
    archive = open_sds(tmp_path)
    assert samples(archive, range(32)) == {0: N, 1: N, 2: N, 5: N, 30: N}
    assert [row.what.partition(" (")[2] for row in archive.skipped] == [
        "2024-03-01 to 2024-03-03)",
        "2024-03-06, 2024-03-31)",
    ]
    # the cost of planning depends on the data, not on the days between them
    assert samples(open_sds(tmp_path), range(1, 3)) == {1: N, 2: N}


def test_days_of_local_time(tmp_path) -> None:
    for day in range(3):
        day_file(tmp_path, day, day + 1 / 3)
    archive = open_sds(tmp_path)
    periods = [(FIRST.ns + d * DAY_NS, FIRST.ns + (d + 1) * DAY_NS) for d in range(4)]
    archive.channels(PATTERNS)
    counts = [
        sum(trace.stats.npts for trace in read_span(span)[0])
        for span in archive.spans([ID], periods)
    ]
    assert counts == [N * 2 // 3, N, N, N // 3]
    assert len(archive.skipped) == 3


def test_the_first_seconds_of_the_next_day_are_usual(tmp_path) -> None:
    day_file(tmp_path, 0, 0.0005)
    day_file(tmp_path, 1, 1.0005)
    archive = open_sds(tmp_path)
    archive.channels(PATTERNS)
    assert archive.skipped == []


@pytest.mark.parametrize("content", [b"", b"no waveforms " * 1000])
def test_files_that_are_no_waveforms_keep_the_time_of_their_name(
    content: bytes, tmp_path
) -> None:
    day_file(tmp_path, 0, 0).write_bytes(content)
    archive = open_sds(tmp_path)
    ((_, info),) = archive.channels(PATTERNS).items()
    assert (info.start_ns, info.end_ns) == (FIRST.ns, FIRST.ns + DAY_NS)
