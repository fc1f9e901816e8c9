"""Records that mislead a correlation are remarked, with channel and time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from seismo_pes.application.skipped import read_skipped
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store

HOUR = 3600


@pytest.fixture(params=["simple", "multi"])
def remarks(request, tmp_path: Path) -> Callable[..., list[list[str]]]:
    """Correlate the folder ``data`` in windows of one hour; return the remarks."""

    def run(*options: str) -> list[list[str]]:
        (tmp_path / "stations.txt").write_text("XX *")
        words = ["--stations", str(tmp_path / "stations.txt"), "--quiet", "--force"]
        words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
        words += ["--window-s", "3600", "--max-lag-s", "20", *options]
        if request.param == "multi":
            words += ["--mapping", "multi", "-n", "2"]
        assert cli.main(words) == 0
        return [row for row in read_skipped(tmp_path / "out") if row[0] == "quality"]

    return run


def two_days(write_trace, rng, change: Callable[[np.ndarray], None]) -> None:
    """Write AAA and BBB at 1 Hz in daily files, of which AAA is changed."""
    for station in ("AAA", "BBB"):
        data = rng.standard_normal(48 * HOUR) * 100
        if station == "AAA":
            change(data)
        for day in range(2):
            part = data[day * 24 * HOUR : (day + 1) * 24 * HOUR]
            write_trace(station, part, DAY + day * 86_400, 1.0)


def test_windows_with_flat_parts_are_remarked(
    remarks, write_trace, rng, tmp_path: Path
) -> None:
    def fill_gaps(data: np.ndarray) -> None:
        data[5 * HOUR + 600 : 6 * HOUR - 600] = 0  # 40 minutes
        data[23 * HOUR + 1800 : 24 * HOUR + 1800] = 0  # across midnight
        data[30 * HOUR : 30 * HOUR + 600] = 0  # less than a quarter of a window

    two_days(write_trace, rng, fill_gaps)
    ((_, channel, reason, count, times),) = remarks()
    assert channel == "XX.AAA..HHZ"
    assert reason.startswith("flat parts of a quarter of a window or longer")
    assert count == "3"  # the part across midnight is in two days
    assert "2024-03-01T05:10:00" in times
    assert "2024-03-01T23:30:00" in times
    rows = remarks("--drop-flat-s", "900")
    assert rows
    assert all(row[2].endswith("s flat, removed") for row in rows)
    with store.open(tmp_path / "out") as results:
        (pair,) = results.correlations(stack="all")
    assert pair.n_windows == 45


def test_jumps_of_the_level_are_remarked(remarks, write_trace, rng) -> None:
    def jump(data: np.ndarray) -> None:
        data[8 * HOUR + 1234 :] += 1000
        data[33 * HOUR + 99 :] -= 700
        data += 1e-3 * np.arange(len(data))  # a drift is no jump
        data[20 * HOUR : 20 * HOUR + 60] += 5000  # nor is a transient

    two_days(write_trace, rng, jump)
    ((_, channel, reason, count, times),) = remarks()
    assert channel == "XX.AAA..HHZ"
    assert reason.startswith("the level jumps by more than the amplitude")
    assert count == "2"
    assert "2024-03-01T08:20:34" in times
    assert "2024-03-02T09:01:39" in times


def test_clean_records_have_no_remark(remarks, write_trace, rng) -> None:
    two_days(write_trace, rng, lambda data: None)
    assert remarks() == []
