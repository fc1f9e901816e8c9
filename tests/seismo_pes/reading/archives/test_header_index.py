"""The index of headers: created once, in parallel, and updated."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from contextlib import closing

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from obspy import Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.reading.archives import header_index as index_module
from seismo_pes.reading.archives.header_index import index_file, scan_indexed
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.archives.scan import FileEntry, scan_file
from seismo_pes.reading.archives.scan_pool import decode, encode, scan_many
from seismo_pes.reading.formats import waveform_files

START = UTCDateTime(2024, 1, 1)


def write(path, n=100, station="AAA") -> None:
    header = {"network": "XX", "station": station, "channel": "HHZ", "starttime": START}
    Trace(np.arange(n, dtype=np.int32), header).write(str(path), "MSEED")
    settle(path)


def settle(path, age_s=100.0) -> None:
    """Set the modification time of a file to some time ago."""
    then = time.time() - age_s
    os.utime(path, (then, then))


@pytest.fixture
def folder(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    for i in range(5):
        write(data / f"file{i}", station=f"S{i}")
    (data / "bad").write_text("no waveform\n" * 20)
    settle(data / "bad")
    return data


@pytest.fixture
def opened(monkeypatch):
    names: list[str] = []

    def counting(paths, processes=None):
        names.extend(os.path.basename(path) for path in paths)
        return scan_many(paths, processes)

    monkeypatch.setattr(index_module, "scan_many", counting)
    return names


def scan(folder, index):
    skipped: list[Skipped] = []
    entries = scan_indexed(sorted(folder.iterdir()), skipped, index)
    return entries, skipped


def test_a_file_is_opened_once(folder, tmp_path, opened) -> None:
    first = scan(folder, tmp_path / "index")
    assert len(opened) == 6
    assert len(first[0]) == 5
    assert [s.what for s in first[1]] == [str(folder / "bad")]
    opened.clear()
    assert repr(scan(folder, tmp_path / "index")) == repr(first)  # NaN equals NaN
    assert opened == []


def test_changed_new_and_missing_files_are_noticed(folder, tmp_path, opened) -> None:
    scan(folder, tmp_path / "index")
    opened.clear()
    write(folder / "file0", n=200, station="S0")  # another size
    write(folder / "file1", station="NEW")  # the same size
    settle(folder / "file1", 50.0)
    write(folder / "file9", station="S9")
    (folder / "file2").unlink()
    entries, _ = scan(folder, tmp_path / "index")
    assert sorted(opened) == ["file0", "file1", "file9"]
    stations = {e.channel_id.split(".")[1] for e in entries}
    assert stations == {"S0", "NEW", "S3", "S4", "S9"}
    with sqlite3.connect(tmp_path / "index") as database:
        (n,) = database.execute("SELECT COUNT(*) FROM file").fetchone()
    database.close()
    assert n == 6


def test_a_file_that_was_just_modified_is_scanned_again(
    folder, tmp_path, opened
) -> None:
    os.utime(folder / "file3")
    scan(folder, tmp_path / "index")
    opened.clear()
    scan(folder, tmp_path / "index")
    assert opened == ["file3"]


def test_another_version_of_a_reader_scans_all_files_again(
    folder, tmp_path, opened, monkeypatch
) -> None:
    scan(folder, tmp_path / "index")
    opened.clear()
    monkeypatch.setattr(index_module, "_readers", lambda: "others")
    scan(folder, tmp_path / "index")
    assert len(opened) == 6


def test_a_broken_index_is_replaced(folder, tmp_path, opened, caplog) -> None:
    path = tmp_path / "index"
    path.write_bytes(b"no database at all, but long enough to be read as one" * 50)
    assert len(scan(folder, path)[0]) == 5
    assert "replaced by a new one" in caplog.text
    opened.clear()
    scan(folder, path)
    assert opened == []


def test_a_failed_read_is_not_kept(folder, tmp_path, monkeypatch) -> None:
    """Permissions may change, and neither size nor time of the file."""
    (folder / "bad").unlink()
    index, name = tmp_path / "index", str(folder / "file0")
    read = waveform_files.read_at_once

    def fail(path, *more):
        if path == name:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return read(path, *more)

    with monkeypatch.context() as patch:
        patch.setattr(waveform_files, "read_at_once", fail)
        entries, skipped = scan(folder, index)
    assert len(entries) == 4
    assert [(entry.stage, entry.what) for entry in skipped] == [("input", name)]
    entries, skipped = scan(folder, index)
    assert len(entries) == 5
    assert not skipped


def test_a_damaged_row_is_scanned_again(folder, tmp_path, opened) -> None:
    first = scan(folder, tmp_path / "index")
    opened.clear()
    with closing(sqlite3.connect(tmp_path / "index")) as database, database:
        database.execute("UPDATE file SET headers = replace(headers, '0', '1')")
    assert repr(scan(folder, tmp_path / "index")) == repr(first)
    assert len(opened) == 6


def test_files_are_scanned_if_the_index_cannot_be_written(
    folder, tmp_path, caplog
) -> None:
    (tmp_path / "file").touch()
    entries, _ = scan(folder, tmp_path / "file" / "index")
    assert len(entries) == 5
    assert "scanning without it" in caplog.text


def test_where_the_index_is_kept(folder, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    data = str(folder)
    assert index_file("none", data, 10**6) is None
    assert index_file("auto", data, 10) is None
    index_path = index_file("auto", data, 1000)
    assert index_path is not None
    assert index_path.parent == tmp_path / "cache" / "dispel4py-seismo"
    assert index_file("auto", data + "2", 1000) != index_path
    assert index_file("beside", data, 10).parent == folder
    assert index_file("beside", data + "/*.sac", 10) == index_file(
        "auto", data + "/*.sac", 1000
    )
    assert index_file(tmp_path / "mine", data, 10) == tmp_path / "mine"
    with pytest.raises(ParameterError, match="no such folder"):
        index_file(tmp_path / "gone" / "mine", data, 10)


def test_an_archive_uses_its_index(folder, opened) -> None:
    for expected in (6, 0):
        opened.clear()
        archive = open_archive(folder, index="beside")
        assert len(opened) == expected
        assert len(archive.channels()) == 5
        assert [s.what for s in archive.skipped] == [str(folder / "bad")]


# -- scanning in other processes ----------------------------------------------------


def test_scans_in_processes_are_the_same(folder) -> None:
    paths = [str(path) for path in sorted(folder.iterdir())]
    scans = dict(scan_many(paths, processes=2))
    assert repr([scans[p] for p in paths]) == repr([scan_file(p) for p in paths])


def test_a_file_that_crashes_or_hangs_its_reader_is_reported(
    folder, monkeypatch
) -> None:
    program = """
import os, time
from seismo_pes.reading.archives import scan_pool
def scan_file(path):
    if path.endswith("file1"):
        os.abort()
    if path.endswith("file2"):
        time.sleep(60)
    if path.endswith("file3"):
        print("a reader that talks")
    return real(path)
real, scan_pool.scan_file = scan_pool.scan_file, scan_file
scan_pool.serve()
"""
    monkeypatch.setattr("seismo_pes.reading.archives.scan_pool.PROGRAM", program)
    paths = [str(folder / f"file{i}") for i in range(5)]
    scans = dict(scan_many(paths, processes=2, limit_s=3.0))
    assert len(scans) == 5
    assert [len(scans[p][0]) for p in paths] == [1, 0, 0, 1, 1]
    (killed,), (slow,) = scans[paths[1]][1], scans[paths[2]][1]
    assert "the reading process ended" in killed.reason
    assert killed.reason.endswith("(exit status -6)")
    assert "more than 3 s" in slow.reason


def test_slow_scans_move_to_processes(folder, monkeypatch) -> None:
    monkeypatch.setattr("seismo_pes.reading.archives.scan_pool.TRIAL_S", 0.0)
    monkeypatch.setattr("seismo_pes.reading.archives.scan_pool.MIN_REMAINING_S", 0.0)
    monkeypatch.setattr("seismo_pes.reading.archives.scan_pool.processors", lambda: 2)
    paths = [str(path) for path in sorted(folder.iterdir())]
    here = []
    monkeypatch.setattr(
        "seismo_pes.reading.archives.scan_pool.scan_file",
        lambda path: here.append(path) or ([], []),
    )
    scans = dict(scan_many(paths))
    assert here == paths[:1]
    assert scans.keys() == set(paths)
    assert sum(len(entries) for entries, _ in scans.values()) >= 4


def test_a_scan_can_be_stopped(folder) -> None:
    paths = [str(path) for path in sorted(folder.iterdir())]
    scanning = scan_many(paths, processes=2)
    next(scanning)
    scanning.close()


names = st.text(st.characters(codec="utf-8"), max_size=20)


@given(
    st.lists(
        st.builds(FileEntry, names, names, names, st.integers(), st.integers()),
        max_size=3,
    ),
    st.lists(st.builds(Skipped, names, names, names), max_size=3),
)
@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
def test_encoded_scans_are_decoded(entries, skipped) -> None:
    line = encode((entries, skipped))
    assert "\n" not in line
    assert repr(decode(line)) == repr((entries, skipped))
