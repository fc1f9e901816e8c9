"""The estimate before a run: its counts equal the counts of the run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from xcorr_app import cli, store
from xcorr_app.config import Config
from xcorr_app.estimating.estimate import estimate

SHORT = ["--window-s", "60", "--max-lag-s", "5"]


@pytest.fixture
def words(write_trace, rng, tmp_path):
    for station in ("AAA", "BBB", "CCC"):
        for day in range(2):
            from tests.xcorr_app.conftest import DAY

            data = rng.standard_normal(7200).astype("f4")
            write_trace(station, data, DAY + 86400 * day)
    listing = tmp_path / "stations.txt"
    listing.write_text("XX *\n")
    words = ["--stations", str(listing), "--data", str(tmp_path / "data")]
    return [*words, "--out", str(tmp_path / "out"), *SHORT]


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--substack", "day", "--moving-s", "86400", "--uncertainty"],
        ["--substack", "window", "--stack", "robust"],
        ["--bands-hz", "0.5-1", "1-2", "--pairs", "cross", "auto"],
        ["--window-stack", "robust", "--mapping", "multi", "-n", "2"],
        ["--kind", "pcc2", "--substack", "hour"],
    ],
    ids=["all", "days", "windows", "bands", "robust", "pcc2"],
)
def test_counts_are_those_of_the_run(words, tmp_path, capsys, options):
    assert cli.main([*words, *options, "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    result = dict(line.split("  ", 1) for line in text.splitlines())
    result = {name.strip(): value.strip() for name, value in result.items()}
    assert cli.main([*words, *options, "--quiet"]) == 0
    with store.open(tmp_path / "out") as results:
        n_rows = sum(
            int((results.windows(s)["part"] >= 0).sum()) for s in results.stacks
        )
        assert int(result["pairs"]) == len(results)
    at_most = int(result["correlations"].split()[0].replace(",", ""))
    if "window" in options or "hour" in options:  # as if the days were full
        assert at_most > n_rows
    else:
        assert at_most == n_rows
    assert result["days"] == "2"
    assert re.fullmatch(r"about \d+ s", result["time"])
    assert re.match(r"about \d+ MB in \d process", result["memory"])


def test_the_remaining_work_of_a_run(words, tmp_path, capsys):
    assert cli.main([*words, "--substack", "day", "--quiet"]) == 0
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*"))
    assert cli.main([*words, "--substack", "day", "--update", "--dry-run"]) == 0
    text = capsys.readouterr().out
    assert re.search(r"^correlations +0 ", text, re.MULTILINE)
    after = sorted(path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*"))
    assert before == after


def test_one_line(words, tmp_path):
    config = Config(
        stations=words[1],
        data=words[3],
        out=str(tmp_path / "x"),
        window_s=60,
        max_lag_s=5,
    )
    line = estimate(config).line()
    assert "3 pairs, 2 days" in line
    assert "\n" not in line
    assert not Path(config.out).exists()


def test_too_little_memory_is_reported(words, capsys):
    assert cli.main([*words, "--memory-gb", "0.1", "--dry-run"]) == 2
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert "--memory-gb 0.1" in line
    assert re.search(r"need 0\.\d+ GB: give that much$", line.strip())
