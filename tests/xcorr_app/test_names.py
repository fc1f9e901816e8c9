"""Files and folders whose names are no UTF-8 text, through the commands of a run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from xcorr_app.cli import main

NAME = os.fsdecode(b"\xff\x1b\n$\\frac$")


@pytest.fixture
def out(write_trace, rng, tmp_path) -> Path:
    """The results of a run, whose input and output have such names."""
    for station in "AB":
        write_trace(station, rng.normal(size=36_000), name=f"{station}{NAME}")
    (tmp_path / "data").rename(tmp_path / NAME)
    stations = tmp_path / "list.txt"
    stations.write_text("XX A 45.0 10.0 0\nXX B 45.1 10.0 0\n")
    out = tmp_path / f"out{NAME}"
    words = ["--stations", str(stations), "--data", str(tmp_path / NAME)]
    words += ["--window-s", "600", "--max-lag-s", "20", "--substack", "hour"]
    assert main([*words, "--out", str(out), "--quiet"]) == 0
    return out


def test_every_command_takes_any_name(out, capsys, tmp_path):
    commands = [
        ["run", "--resume", "--out", str(out)],
        ["info", str(out)],
        ["check", str(out)],
        ["report", str(out)],
        ["export", str(out), str(tmp_path / f"sac{NAME}"), "--format", "sac"],
        ["clocks", str(out), "--filter-hz", "0.5", "1"],
        ["scan", "--data", str(tmp_path / NAME), "--output", f"{out}/scan.png"],
    ]
    for words in commands:
        assert main([*words]) == 0, words
        shown = "".join(capsys.readouterr())
        assert all(line.isprintable() for line in shown.split("\n"))
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "out\\udcff\\x1b\n$\\frac$" in page
    table = (out / "clock_table.csv").read_text(encoding="utf-8").splitlines()
    assert "\\udcff\\x1b\\n$" in table[0]
    assert table[1] == "channel,time,offset_s"
