"""Runs without a pair or a window: exit status 1, and one line with the cause."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy import UTCDateTime
from obspy.core.inventory import Inventory, Network, Station

from dispel4py.errors import ParameterError
from seismo_pes.application.skipped import read_skipped
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.signal.window import WindowGrid
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store
from xcorr_app.planning.periods import far_times, window_periods

HALF_PAST = DAY + 2.5 * 3600


@pytest.fixture(params=["simple", "multi"])
def run(request, tmp_path: Path) -> Callable[..., int]:
    """Run the command on the folder ``data``."""

    def run_command(*options: str) -> int:
        (tmp_path / "stations.txt").write_text("XX *")
        words = ["--stations", str(tmp_path / "stations.txt"), "--quiet"]
        words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
        words += ["--window-s", "3600", "--max-lag-s", "20"]
        if request.param == "multi":
            words += ["--mapping", "multi", "-n", "2"]
        return cli.main([*words, *options])

    return run_command


def error_of(capsys) -> str:
    message: str = capsys.readouterr().err
    assert message.count("\n") == 1
    return message


def test_windows_that_start_at_other_times_name_a_start(
    run, write_trace, rng, capsys, tmp_path: Path
) -> None:
    for station in ("AAA", "BBB"):
        write_trace(station, rng.standard_normal(3600), HALF_PAST, 1.0)
    assert run() == 1
    message = error_of(capsys)
    assert "windows start at full hours" in message
    assert "02:30:00-03:30:00 contains no window" in message
    assert "give --start 2024-03-01T02:30:00" in message
    assert run("--start", "2024-03-01T02:30:00", "--force") == 0
    with store.open(tmp_path / "out") as results:
        (pair,) = results.correlations(stack="all")
    assert pair.n_windows == 1


def test_short_pieces_are_named(run, write_trace, rng, capsys) -> None:
    for station in ("AAA", "BBB"):
        write_trace(station, rng.standard_normal(3000), DAY, 1.0)
        write_trace(station, rng.standard_normal(1500), DAY + 3100, 1.0)
    assert run() == 1
    text = "longest piece without a gap: 3000 s; a window has 3600 s"
    assert text in error_of(capsys)


def test_an_inventory_of_other_channels(
    run, write_trace, rng, capsys, tmp_path: Path
) -> None:
    for station in ("AAA", "BBB", "CCC", "DDD"):
        write_trace(station, rng.standard_normal(7200), DAY, 1.0)
    network = Network("XX", [Station("ZZZ", 1.0, 2.0, 0.0)])
    Inventory([network], "test").write(str(tmp_path / "other.xml"), "STATIONXML")
    assert run("--inventory", str(tmp_path / "other.xml"), "--response", "VEL") == 1
    assert "the inventory has none of the 4 channels" in error_of(capsys)


def test_flat_records_are_named(run, write_trace, capsys) -> None:
    for station in ("AAA", "BBB"):
        write_trace(station, np.zeros(7200), DAY, 1.0)
    assert run() == 1
    assert "all windows are flat or rejected" in error_of(capsys)


def test_records_of_different_times(run, write_trace, rng, capsys) -> None:
    write_trace("AAA", rng.standard_normal(3600), DAY, 1.0)
    write_trace("BBB", rng.standard_normal(3600), DAY + 7200, 1.0)
    assert run() == 1
    assert "no two channels have a window in common" in error_of(capsys)


@pytest.mark.parametrize(
    ("stations", "options", "words"),
    [
        ("AAA", [], "the only channel is XX.AAA..HHZ, which has no pairs"),
        ("AAA BBB", ["--pairs", "single-station"], "no pair is left of 1 by --pairs"),
        ("AAA BBB", ["--networks", "YY x YY"], "no pair is left of 1 by --networks"),
    ],
)
def test_no_pair_is_told(
    run, write_trace, rng, capsys, tmp_path: Path, stations, options, words
) -> None:
    for station in stations.split():
        write_trace(station, rng.standard_normal(7200), DAY, 1.0)
    assert run(*options) == 1
    assert words in error_of(capsys)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--channels", "HNU"], "02:00:00.000000Z (--channels HHZ)"),
        (["--start", "2030-01-01"], "they have XX.AAA..HHZ from 2024-03-01T00:00:00"),
    ],
)
def test_data_of_other_channels_and_times_are_named(
    run, write_trace, rng, capsys, options, words
) -> None:
    write_trace("AAA", rng.standard_normal(7200), DAY, 1.0)
    assert run(*options) == 2
    assert words in error_of(capsys)


@pytest.mark.parametrize("line", ["XX A nan nan", "XX A 10N 20E", "XX A 10 20E"])
def test_lines_that_were_meant_as_coordinates_are_refused(
    run, write_trace, rng, capsys, tmp_path: Path, line: str
) -> None:
    write_trace("A", rng.standard_normal(7200), DAY, 1.0)
    (tmp_path / "list.txt").write_text(f"XX B\n{line}\n")
    assert run("--stations", str(tmp_path / "list.txt")) == 2
    assert "list.txt:2: " in error_of(capsys)


@pytest.mark.parametrize("name", ["{year}", "a{b", "results {1}"])
def test_folders_may_have_braces(
    run, write_trace, rng, tmp_path: Path, name: str
) -> None:
    for station in ("AAA", "BBB"):
        write_trace(station, rng.standard_normal(7200), DAY, 1.0)
    (tmp_path / "data").rename(tmp_path / name)
    for data in (tmp_path / name, tmp_path / name / "*.mseed"):
        assert run("--data", str(data), "--force") == 0


def test_the_home_folder_in_a_file_of_options(
    write_trace, rng, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    for station in ("AAA", "BBB"):
        write_trace(station, rng.standard_normal(7200), DAY, 1.0)
    (tmp_path / "list.txt").write_text("XX *")
    lines = ["[input]", 'stations = "~/list.txt"', 'data = ["~/data"]', "[output]"]
    (tmp_path / "run.toml").write_text("\n".join([*lines, 'out = "~/out"', ""]))
    assert cli.main(["--config", str(tmp_path / "run.toml"), "--quiet"]) == 0
    assert (tmp_path / "out").is_dir()


# -- years -----------------------------------------------------------------------------


def test_a_year_far_away_gets_a_remark_and_costs_no_time(
    run, write_trace, rng, tmp_path: Path
) -> None:
    for station in ("AAA", "BBB"):
        write_trace(station, rng.standard_normal(7200), DAY, 1.0)
    far = UTCDateTime(2062, 3, 1)
    write_trace("AAA", rng.standard_normal(3600), far, 1.0)
    began = sum(os.times()[:4])  # of the processors; a busy machine does not add to it
    assert run("--substack", "day") == 0
    assert sum(os.times()[:4]) - began < 15
    (row,) = [row for row in read_skipped(tmp_path / "out") if row[0] == "select"]
    assert row[1] == "data of 2062-03-01 to 2062-03-01"
    assert "years away" in row[2]
    with store.open(tmp_path / "out") as results:
        assert "all" in results.stacks


def test_only_days_near_data_are_planned() -> None:
    windows = WindowGrid(0, 600 * NS, 600 * NS)
    late = 30_000 * DAY_NS
    times = [(3600 * NS, 7200 * NS), (late, late + 3600 * NS)]
    whole = window_periods(windows, late + DAY_NS, "archive")
    near = window_periods(windows, late + DAY_NS, "archive", times)
    assert set(near) <= {0, 29_999, 30_000}
    assert near == {day: whole[day] for day in near}
    assert far_times(times) == [times[1]]
    assert far_times(times[:1]) == []


def test_a_time_without_windows_is_refused() -> None:
    windows = WindowGrid(0, 7200 * NS, 7200 * NS)
    with pytest.raises(ParameterError, match="no window of --window-s 7200"):
        window_periods(windows, 3600 * NS, "archive", [(0, 3600 * NS)])
