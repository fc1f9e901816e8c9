"""A file that could not be read is no missing file: its day is computed later."""

from __future__ import annotations

import errno
import functools
import os

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from seismo_pes.application.skipped import read_skipped
from seismo_pes.reading.archives import header_index, measured_rates, scan_pool
from seismo_pes.reading.formats import waveform_files
from seismo_pes.regular_file import open_regular
from xcorr_app import cli, store

DAY_S = 86_400
STATIONS = ("AAA", "BBB", "CCC")
START = UTCDateTime(2024, 3, 1)
WORDS = ["--window-s", "3600", "--max-lag-s", "20", "--substack", "day", "--quiet"]


def sds(folder):
    """Two days of three stations at 1 Hz; return the words that name them."""
    rng = np.random.default_rng(3)
    for station in STATIONS:
        for day in range(2):
            start = START + day * DAY_S
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            trace = Trace(
                (1000 * rng.standard_normal(DAY_S)).astype("i4"),
                {**header, "starttime": start},
            )
            path = folder / f"2024/XX/{station}/HHZ.D"
            path.mkdir(parents=True, exist_ok=True)
            name = f"XX.{station}..HHZ.D.2024.{start.julday:03d}"
            trace.write(str(path / name), "MSEED")
    (folder / "stations.txt").write_text("".join(f"XX {s} 10 20\n" for s in STATIONS))
    return ["--stations", str(folder / "stations.txt"), "--data", str(folder)]


def correlations(out):
    with store.open(out) as results:
        return {
            (stack, c.first, c.second): (c.n_windows, np.array(c.data))
            for stack in results.stacks
            for c in results.correlations(stack)
        }


def in_order(correlations):
    """Return correlations whose pairs are in the order of their names.

    A station that is added to a run is the second of its pairs.
    """
    ordered = {}
    for (stack, first, second), (n_windows, data) in correlations.items():
        if first > second:
            first, second, data = second, first, data[::-1]
        ordered[stack, first, second] = n_windows, data
    return ordered


@pytest.fixture
def unsearchable(monkeypatch):
    """Return a function that lets files fail already in the search for data."""
    read = waveform_files.read_at_once

    def breaks(part):
        def fail(path, *more):
            if part in path:
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return read(path, *more)

        monkeypatch.setattr(waveform_files, "read_at_once", fail)
        return monkeypatch

    return breaks


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """One file cannot be read, although it is there and its header can be read."""
    bad = "XX.BBB..HHZ.D.2024.062"
    read = waveform_files.read_at_once

    def fail(path, file_format, headonly, selection):
        if path.endswith(bad) and not headonly:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return read(path, file_format, headonly, selection)

    monkeypatch.setattr(waveform_files, "read_at_once", fail)
    return monkeypatch


@pytest.mark.parametrize("option", ["--resume", "--update"])
@pytest.mark.parametrize("mapping", [["simple"], ["multi", "-n", "4"]])
def test_a_failed_read_is_tried_again(tmp_path, broken, mapping, option, capsys):
    data = sds(tmp_path)
    words = [*data, *WORDS, "--mapping", *mapping]
    out = str(tmp_path / "out")
    assert cli.main([*words, "--out", out]) == 3
    error = capsys.readouterr().err
    assert "done, but 1 input could not be read: --resume tries again" in error
    (row,) = [row for row in read_skipped(out) if row[0] == "input"]
    assert row[1].endswith("XX.BBB..HHZ.D.2024.062")
    assert os.strerror(errno.EIO) in row[2]
    partial = correlations(out)
    assert ("2024-03-02", "XX.AAA..HHZ", "XX.BBB..HHZ") not in partial

    assert cli.main([*words, "--out", out, option]) == 3  # still broken
    broken.undo()
    assert cli.main([*words, "--out", out, option]) == 0
    assert not [row for row in read_skipped(out) if row[0] == "input"]

    whole = str(tmp_path / "whole")
    assert cli.main([*words, "--out", whole]) == 0
    expected, result = correlations(whole), correlations(out)
    assert result.keys() == expected.keys()
    for key, (n_windows, data_row) in expected.items():
        assert result[key][0] == n_windows
        np.testing.assert_array_equal(result[key][1], data_row)
    assert cli.main([*words, "--out", out, option]) == 0  # nothing is left to do


def test_a_run_that_could_read_nothing_is_tried_again(tmp_path, monkeypatch, capsys):
    """A disk may be away for a while: this is no run without data."""
    read = waveform_files.read_at_once

    def fail(path, file_format, headonly, selection):
        if not headonly:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return read(path, file_format, headonly, selection)

    words = [*sds(tmp_path), *WORDS, "--out", str(tmp_path / "out")]
    with monkeypatch.context() as broken:
        broken.setattr(waveform_files, "read_at_once", fail)
        assert cli.main(words) == 3
    error = capsys.readouterr().err
    assert "done, but 6 inputs could not be read: --resume tries again" in error
    assert cli.main([*words, "--resume"]) == 0
    assert len(correlations(tmp_path / "out")) == 3 * 3  # stacks and pairs


@pytest.mark.parametrize(
    "data",
    [
        "",
        "2024",
        "*/XX/*/*/*",
        "**/*.D.2024.*",
        "{year}/{network}/{station}/HHZ.D/"
        "{network}.{station}.{location}.{channel}.D.{year}.{julday}",
    ],
    ids=["SDS", "any folder", "pattern", "any depth", "placeholders"],
)
def test_a_folder_that_cannot_be_listed_is_tried_again(
    tmp_path, monkeypatch, data, capsys
):
    """A folder of a station; without it, its files would seem to be missing."""
    words = [*sds(tmp_path), *WORDS]
    words[words.index("--data") + 1] = str(tmp_path / data)
    out, whole = str(tmp_path / "out"), str(tmp_path / "whole")
    assert cli.main([*words, "--out", whole]) == 0
    scan, closed = os.scandir, str(tmp_path / "2024/XX/BBB")

    def fail(folder):
        if str(folder).startswith(closed):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))
        return scan(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", fail)
        assert cli.main([*words, "--out", out]) == 3
    assert "1 input could not be read: --resume tries again" in capsys.readouterr().err
    (row,) = [row for row in read_skipped(out) if row[0] == "input"]
    assert row[1].startswith(closed)
    assert cli.main([*words, "--out", out, "--resume"]) == 0
    assert not [row for row in read_skipped(out) if row[0] == "input"]
    expected, result = in_order(correlations(whole)), in_order(correlations(out))
    assert result.keys() == expected.keys()
    for key, (n_windows, data_row) in expected.items():
        assert result[key][0] == n_windows
        np.testing.assert_allclose(result[key][1], data_row, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("option", ["--resume", "--update"])
@pytest.mark.parametrize(
    "part",
    ["BBB..HHZ.D.2024.062", "BBB..HHZ.D.2024", "D.2024.062"],
    ids=["a day of a station", "a station", "a day of all stations"],
)
def test_a_failure_in_the_search_for_data_is_tried_again(
    tmp_path, unsearchable, part, option, capsys
):
    """What was not found at the start is part of the run when it can be read."""
    words = [*sds(tmp_path), *WORDS]
    # a folder of any names: the headers of all files are read in the search for data
    words[words.index("--data") + 1] = str(tmp_path / "2024")
    out, whole = str(tmp_path / "out"), str(tmp_path / "whole")
    broken = unsearchable(part)
    assert cli.main([*words, "--out", out]) == 3
    assert "could not be read: --resume tries again" in capsys.readouterr().err
    assert cli.main([*words, "--out", out, option]) == 3  # still broken
    broken.undo()
    assert cli.main([*words, "--out", out, option]) == 0
    assert not [row for row in read_skipped(out) if row[0] == "input"]
    assert cli.main([*words, "--out", whole]) == 0
    expected, result = in_order(correlations(whole)), in_order(correlations(out))
    assert result.keys() == expected.keys()
    for key, (n_windows, data_row) in expected.items():
        assert result[key][0] == n_windows
        np.testing.assert_allclose(result[key][1], data_row, rtol=1e-5, atol=1e-7)
    assert cli.main([*words, "--out", out, option]) == 0  # nothing is left to do


HANGS = """
import time
from seismo_pes.reading.archives import scan_pool
def scan_file(path):
    if path.endswith("BBB..HHZ.D.2024.062"):
        time.sleep(600)
    return real(path)
real, scan_pool.scan_file = scan_pool.scan_file, scan_file
scan_pool.serve()
"""


def test_headers_that_take_too_long_are_tried_again(tmp_path, monkeypatch, capsys):
    words = [*sds(tmp_path), *WORDS]
    words[words.index("--data") + 1] = str(tmp_path / "2024")
    out, whole = str(tmp_path / "out"), str(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(scan_pool, "PROGRAM", HANGS)
        scan = functools.partial(scan_pool.scan_many, processes=2, limit_s=2.0)
        patch.setattr(header_index, "scan_many", lambda paths, _: scan(paths))
        assert cli.main([*words, "--out", out]) == 3
    assert "1 input could not be read: --resume tries again" in capsys.readouterr().err
    (row,) = [row for row in read_skipped(out) if row[0] == "input"]
    assert row[1].endswith("BBB..HHZ.D.2024.062")
    assert row[2] == "reading its headers took more than 2 s"
    assert cli.main([*words, "--out", out, "--resume"]) == 0
    assert not [row for row in read_skipped(out) if row[0] == "input"]
    assert cli.main([*words, "--out", whole]) == 0
    expected, result = correlations(whole), correlations(out)
    assert result.keys() == expected.keys()
    for key, (n_windows, data_row) in expected.items():
        assert result[key][0] == n_windows
        np.testing.assert_array_equal(result[key][1], data_row)


@pytest.mark.parametrize("read", ["headers", "time stamps"])
def test_a_scan_tells_what_could_not_be_read(
    tmp_path, unsearchable, read, monkeypatch, capsys
):
    sds(tmp_path)
    words = ["scan", "--data", str(tmp_path / "2024"), "--quiet"]
    words += ["--output", str(tmp_path / "days.png")]
    name = "BBB..HHZ.D.2024.062"

    def fail(path):
        if path.endswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return open_regular(path)

    broken = unsearchable(name) if read == "headers" else monkeypatch
    if read == "time stamps":
        broken.setattr(measured_rates, "open_regular", fail)
    assert cli.main(words) == 3
    out, err = capsys.readouterr()
    (remark,) = [line for line in out.splitlines() if os.strerror(errno.EIO) in line]
    assert name in remark
    assert err.endswith("1 input could not be read: the same command tries again\n")
    broken.undo()
    assert cli.main(words) == 0


@pytest.mark.parametrize("folder", ["parts", "account"])
def test_earlier_results_that_cannot_be_removed_are_not_mixed_with_new_ones(
    tmp_path, monkeypatch, capsys, folder
):
    words = [*sds(tmp_path / "archive"), "--out", str(tmp_path / "out"), *WORDS]
    assert cli.main([*words, "--end", "2024-03-02"]) == 0
    stay = {path.name for path in (tmp_path / "out" / folder).iterdir()}
    remove = os.unlink

    def fail(path, *args, **kwargs):
        if str(path) in stay:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        remove(path, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", fail)
        assert cli.main([*words, "--force"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert str(tmp_path / "out") in line
    assert "Input/output error" in line
    assert cli.main([*words, "--force"]) == 0
    whole = tmp_path / "whole"
    assert cli.main([*words, "--out", str(whole)]) == 0
    account = (tmp_path / "out" / "account.tsv").read_text()
    assert account == (whole / "account.tsv").read_text()
