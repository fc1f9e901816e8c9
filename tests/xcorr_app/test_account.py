"""The account of windows: it adds up, each loss has its cause, restarts keep it."""

from __future__ import annotations

import csv
import itertools
import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace

from seismo_pes.application.files import write_checked
from seismo_pes.application.skipped import read_skipped
from seismo_pes.items.account import CAUSES
from seismo_pes.items.times import NS
from seismo_pes.preprocessing.merge import Merge
from seismo_pes.writing.correlation_writer import CorrelationWriter
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store, workflow
from xcorr_app.config import Config
from xcorr_app.reporting.account import times_text
from xcorr_app.results.account import write_plan

DAY_S = 86_400
WINDOW_S, STEP_S = 1800, 900
STATIONS = ("AAA", "BBB", "CCC", "DDD")
N_DAYS = 2
WORDS = ["--window-s", str(WINDOW_S), "--step-s", str(STEP_S), "--max-lag-s", "20"]
SPIKE = 1e7
REJECT = ["--reject-rms", "0", "1e4"]


class Damaged:
    """An SDS archive at 1 Hz with damage that is known sample by sample."""

    def __init__(self, path, seed, n_days=N_DAYS):
        self.path, self.n_days = path, n_days
        self.rng = np.random.default_rng(seed)
        self.state = {
            (station, day): np.full(DAY_S, "ok", object)
            for station in STATIONS
            for day in range(n_days)
        }
        (path / "stations.txt").write_text("".join(f"XX {s} 10 20\n" for s in STATIONS))

    def damage(self):
        """Damage each channel and day but those of the first station at random."""
        for (station, _), state in self.state.items():
            if station == STATIONS[0]:
                continue
            chance = self.rng.random()
            if chance < 0.15:
                state[:] = "no file" if chance < 0.08 else "unreadable"
                continue
            for kind in ("gap", "flat", "rate", "spike", "begin", "end"):
                if self.rng.random() < 0.5:
                    self.apply(state, kind)

    def apply(self, state, kind):
        first = int(self.rng.integers(DAY_S))
        length = int(self.rng.choice([1, 7, 500, 3000, 9000]))
        if kind == "spike":
            if state[first] == "ok":
                state[first] = kind
        elif kind in ("begin", "end"):
            part = slice(0, first // 4) if kind == "begin" else slice(-first // 4, None)
            state[part] = "gap"
        else:
            part = state[first : first + length]
            part[part != "gap"] = kind

    def write(self, days=None):
        for (station, day), state in self.state.items():
            if days is None or day in days:
                self._write_day(station, day, state)

    def _write_day(self, station, day, state):
        start = DAY + day * DAY_S
        folder = self.path / f"data/{start.year}/XX/{station}/HHZ.D"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"XX.{station}..HHZ.D.{start.year}.{start.julday:03d}"
        if state[0] == "no file":
            return
        if state[0] == "unreadable":
            path.write_bytes(b"not a waveform " * 100)
            return
        data = self.rng.standard_normal(DAY_S).astype(np.float32) * 100
        data[state == "flat"] = 0
        data[state == "spike"] = SPIKE
        stream = Stream()
        kinds = np.where(state == "gap", 0, np.where(state == "rate", 1, 2))
        edges = [0, *(np.flatnonzero(np.diff(kinds)) + 1).tolist(), DAY_S]
        header = {"network": "XX", "station": station, "channel": "HHZ"}
        for low, high in itertools.pairwise(edges):
            rate_hz = {1: 2.0, 2: 1.0}.get(int(kinds[low]))
            if rate_hz is not None:
                own = {"starttime": start + low, "sampling_rate": rate_hz}
                part = np.repeat(data[low:high], int(rate_hz))
                stream.append(Trace(part, header | own))
        stream.write(str(path), "MSEED")

    def truth(self, station, day):
        """Return the cause of each window, "used" if it has none, "" if unsure."""
        whole = self.state[station, day]
        starts = range(0, DAY_S, STEP_S)
        rest = self.state.get((station, day + 1), np.full(DAY_S, "gap", object))
        # windows across midnight read the next day, too
        state = np.concatenate([whole, rest])
        last_day = day == self.n_days - 1
        causes = {}
        for start in starts:
            if last_day and start + WINDOW_S > DAY_S:
                continue
            causes[start] = _cause(state, start, whole)
        if whole[0] == "no file" and not last_day and rest[0] != "no file":
            # the windows across midnight need the file of the next day
            causes = dict.fromkeys(causes, "")
        if whole[0] != "unreadable" and not last_day and rest[0] == "unreadable":
            # the file of the next day may begin where the data of this one end
            last = np.flatnonzero(whole != "gap").max(initial=0)
            late = [s for s in causes if s + WINDOW_S > last and causes[s] == "gap"]
            causes |= dict.fromkeys(late, "")
        return causes

    def run(self, out="out", *more):
        words = ["--stations", str(self.path / "stations.txt"), *WORDS, *REJECT]
        words += ["--data", str(self.path / "data"), "--out", str(self.path / out)]
        return cli.main([*words, *more])


def _cause(state, start, whole):
    window = state[start : start + WINDOW_S]
    if whole[0] in ("no file", "unreadable"):
        return whole[0]
    counts = {
        "gap": int(np.isin(window, ["gap", "no file"]).sum()),  # that of the next day
        "rate": int((window == "rate").sum()),
        "unreadable": int((window == "unreadable").sum()),
    }
    if any(counts.values()):
        largest, second, _ = sorted(counts, key=lambda kind: -counts[kind])
        return "" if counts[largest] - counts[second] <= 2 else largest
    if (window == "flat").all():
        return "flat"
    return "rejected" if (window == "spike").any() else "used"


def rows_of(out):
    with open(out / "account.tsv", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))


def causes_of(rows):
    """Return the cause of each lost window of a channel and day, by its start."""
    causes = {}
    for row in rows:
        starts = []
        for interval in row["times"].split():
            low, high = (
                int(np.datetime64(t, "s").astype(int)) for t in interval.split("/")
            )
            starts += range(low, high - WINDOW_S + 1, STEP_S)
        causes[row["cause"]] = starts
    return causes


def assert_account(damaged, out):
    rows = rows_of(out)
    day_names = [str((DAY + k * DAY_S).date) for k in range(damaged.n_days)]
    seen = set()
    for station in STATIONS:
        for day, name in enumerate(day_names):
            own = [
                row
                for row in rows
                if row["channel"] == f"XX.{station}..HHZ" and row["day"] == name
            ]
            seen.update(map(id, own))
            truth = damaged.truth(station, day)
            possible = {int(row["possible"]) for row in own}
            used = {int(row["used"]) for row in own}
            assert possible == {len(truth)}
            assert used == {sum(cause == "used" for cause in truth.values())}
            lost = sum(int(row["lost"]) for row in own)
            assert used.pop() + lost == possible.pop()
            _assert_causes(own, truth, (DAY + day * DAY_S).ns // NS)
    assert len(seen) == len(rows)


def _assert_causes(rows, truth, day_s):
    gaps = {"gap", "begin or end", "no data"}
    for row in rows:
        if not row["cause"]:
            continue
        cause = "gap" if row["cause"] in gaps else row["cause"]
        matching = [s for s, true in truth.items() if true in (cause, "")]
        assert int(row["lost"]) <= len(matching)
        (starts,) = causes_of([row]).values()
        assert {day_s + start for start in matching} & set(starts)
    if "" in truth.values():
        return
    for cause in ("flat", "rejected", "no file", "unreadable"):
        n = sum(int(row["lost"]) for row in rows if row["cause"] == cause)
        assert n == sum(true == cause for true in truth.values()), cause


@pytest.mark.parametrize("seed", range(8))
def test_the_account_of_random_damage_adds_up(tmp_path, seed):
    damaged = Damaged(tmp_path, seed)
    damaged.damage()
    damaged.write()
    mapping = ["--mapping", "multi", "-n", "2"] if seed % 2 else []
    assert damaged.run("out", *mapping) == 0
    assert_account(damaged, tmp_path / "out")


def test_the_account_is_that_of_one_process_in_mpi(tmp_path):
    pytest.importorskip("mpi4py")
    damaged = Damaged(tmp_path, 3)
    damaged.damage()
    damaged.write()
    words = ["--stations", str(tmp_path / "stations.txt"), *WORDS, *REJECT]
    words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    command = [sys.executable, "-m", "xcorr_app", *words, "--mapping", "mpi", "-n", "2"]
    subprocess.run(command, check=True, capture_output=True, timeout=100)
    assert_account(damaged, tmp_path / "out")
    assert damaged.run("alone") == 0
    for name in ("account.tsv", "skipped.tsv"):
        in_mpi, alone = (
            (tmp_path / out / name).read_text() for out in ("out", "alone")
        )
        assert in_mpi == alone


@pytest.mark.parametrize("n_batches", [0, 1, 3])
def test_a_resumed_run_has_the_account_of_all_its_sessions(
    tmp_path, monkeypatch, n_batches
):
    damaged = Damaged(tmp_path, 5)
    damaged.damage()
    damaged.write()
    days = ["--substack", "day"]
    assert damaged.run("whole", *days) == 0
    whole_write, count = CorrelationWriter.write, itertools.count()

    def broken(self, rows):
        if next(count) >= n_batches:
            raise KeyboardInterrupt
        whole_write(self, rows)

    with monkeypatch.context() as patch:
        patch.setattr(CorrelationWriter, "write", broken)
        assert damaged.run("out", *days) == 130
    assert cli.main(["--out", str(tmp_path / "out"), "--resume"]) == 0
    for name in ("account.tsv", "skipped.tsv"):
        resumed, whole = (
            (tmp_path / out / name).read_text() for out in ("out", "whole")
        )
        assert resumed == whole
    assert len(list((tmp_path / "out" / "account").glob("0001-*.jsonl"))) == 1


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """A run of a damaged archive, and its result."""
    folder = tmp_path_factory.mktemp("ended")
    damaged = Damaged(folder, 5)
    damaged.damage()
    damaged.state["BBB", 1][:] = "no file"
    damaged.write()
    days = ["--substack", "day", "--mapping", "multi", "-n", "2"]
    assert damaged.run("out", *days) == 0
    return folder / "out"


def cut(journal, share):
    content = journal.read_bytes()
    journal.write_bytes(content[: int(share * len(content))])


def fill_with_zeros(journal, share):
    n_bytes = journal.stat().st_size
    cut(journal, share)
    os.truncate(journal, n_bytes)


def drop_tile(journal, share):
    lines = journal.read_text().splitlines(keepends=True)
    tiles = [line for line in lines if line.startswith('{"tile"')]
    assert tiles
    lines.remove(tiles[int(share * len(tiles))])
    journal.write_text("".join(lines))


def remove(journal, share):
    journal.unlink()


@pytest.mark.parametrize(
    ("lose", "share"),
    [(cut, 0.0), (cut, 0.6), (fill_with_zeros, 0.3), (drop_tile, 0.5), (remove, 0.0)],
)
@pytest.mark.parametrize("number", [0, 1])
def test_lines_that_a_power_failure_has_lost_are_written_again(
    ended, tmp_path, lose, share, number
):
    out = Path(shutil.copytree(ended, tmp_path / "out"))
    journals = sorted((out / "account").glob("0001-*.jsonl"))
    assert len(journals) == 2
    journals.sort(key=lambda path: path.read_text().count('"tile"'))
    # the second has tiles in any case, as half of them or more
    lose(journals[1 if lose is drop_tile else number], share)
    names = ("account.tsv", "skipped.tsv")
    for name in (*names, "correlations.h5", "account/sums.json"):
        (out / name).unlink()  # of the end of the session
    assert cli.main(["--out", str(out), "--resume", "--quiet"]) == 0
    assert len(list((out / "parts").iterdir())) > len(list((ended / "parts").iterdir()))
    for name in names:
        assert (out / name).read_bytes() == (ended / name).read_bytes()
    with store.open(out) as again, store.open(ended) as whole:
        for stack in whole.stacks:
            pairs = zip(
                again.correlations(stack), whole.correlations(stack), strict=True
            )
            for one, other in pairs:
                np.testing.assert_array_equal(one.data, other.data)
    assert cli.main(["check", str(out)]) == 0


def test_a_run_without_lost_lines_computes_no_tile_again(ended, tmp_path):
    out = Path(shutil.copytree(ended, tmp_path / "out"))
    for name in ("account.tsv", "correlations.h5", "account/sums.json"):
        (out / name).unlink()
    assert cli.main(["--out", str(out), "--resume", "--quiet"]) == 0
    assert len(list((out / "parts").iterdir())) == len(
        list((ended / "parts").iterdir())
    )
    assert (out / "account.tsv").read_bytes() == (ended / "account.tsv").read_bytes()


def test_a_run_of_an_earlier_version_is_not_computed_again(ended, tmp_path):
    out = Path(shutil.copytree(ended, tmp_path / "out"))
    for journal in (out / "account").glob("0001-*.jsonl"):
        lines = journal.read_text().splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith('{"tile"')]
        journal.write_text("".join(kept))
    write_plan(out, [])
    sums = out / "account" / "sums.json"
    values = json.loads(sums.read_text())
    del values["ended"], values["check"]
    write_checked(sums, values)
    assert cli.main(["--out", str(out), "--resume", "--quiet"]) == 0
    assert len(list((out / "parts").iterdir())) == len(
        list((ended / "parts").iterdir())
    )
    assert (out / "account.tsv").read_bytes() == (ended / "account.tsv").read_bytes()


def test_an_update_replaces_the_account_of_days_that_changed(tmp_path):
    damaged = Damaged(tmp_path, 1)
    damaged.state["BBB", 0][:] = "unreadable"
    damaged.state["CCC", 0][3000:9000] = "gap"
    damaged.state["CCC", 1][5000] = "spike"
    damaged.write(days=[0])
    days = ["--substack", "day"]
    assert damaged.run("out", *days) == 0
    assert any("BBB" in row[1] for row in read_skipped(tmp_path / "out"))
    damaged.state["BBB", 0][:] = "ok"  # the file is mended
    damaged.state["BBB", 0][:5000] = "gap"
    damaged.write()
    assert cli.main(["--out", str(tmp_path / "out"), "--update"]) == 0
    assert damaged.run("whole", *days) == 0
    assert_account(damaged, tmp_path / "out")
    for name in ("account.tsv", "skipped.tsv"):
        grown, whole = ((tmp_path / out / name).read_text() for out in ("out", "whole"))
        assert grown == whole
    assert not any("BBB" in row[1] for row in read_skipped(tmp_path / "out"))


def test_one_lost_window_is_seen_among_those_that_are_used(tmp_path, capsys):
    """A channel that keeps most of its windows still shows what it lost."""
    damaged = Damaged(tmp_path, 2, n_days=1)
    damaged.state["BBB", 0][7200] = "gap"
    assert_written(damaged)
    line = "windows of 4 channels on 1 day: 380 possible, 378 used, 2 lost (gap 2)"
    assert line in capsys.readouterr().out.splitlines()
    assert cli.main(["info", str(tmp_path / "out")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert (
        "windows of 4 channels on 1 day: 380 possible, 378 used, 2 lost (gap 2)"
        in lines
    )
    (line,) = [line for line in lines if line.startswith("XX.BBB..HHZ  ")][:1]
    assert line.split() == (
        ["XX.BBB..HHZ", "95", "93", "2", "gap", "2024-03-01", "01:45-02:30"]
    )
    assert cli.main(["info", str(tmp_path / "out"), "--json"]) == 0
    account = json.loads(capsys.readouterr().out)["account"]
    assert (account["n_possible"], account["n_used"]) == (380, 378)
    assert account["lost"] == {"gap": 2}
    (row,) = [row for row in account["channels"] if row["lost"]]
    times = ["2024-03-01T01:45:00/2024-03-01T02:30:00"]
    lost = [{"cause": "gap", "n_windows": 2, "times": times}]
    assert row == {
        "channel": "XX.BBB..HHZ",
        "day": "2024-03-01",
        "n_possible": 95,
        "n_used": 93,
        "lost": lost,
    }
    report = tmp_path / "report.html"
    words = ["report", str(tmp_path / "out"), "--output", str(report)]
    assert cli.main(words) == 0
    page = report.read_text()
    assert "380 possible, 378 used, 2 lost (gap 2)" in page
    assert "2024-03-01 01:45-02:30" in page


def assert_written(damaged):
    damaged.write()
    assert damaged.run() == 0
    assert_account(damaged, damaged.path / "out")


def test_channels_that_are_not_read_are_in_the_account(tmp_path):
    """A station without a file, a channel without a pair, a step that fails."""
    damaged = Damaged(tmp_path, 3, n_days=1)
    damaged.write()
    with open(tmp_path / "stations.txt", "a") as file:
        file.write("XX NONE 10 20\n")
    (tmp_path / "pairs.txt").write_text("XX.AAA XX.BBB\nXX.AAA XX.CCC\n")
    more = ["--pair-list", str(tmp_path / "pairs.txt")]
    assert damaged.run("out", *more) == 0
    rows = {row["channel"]: row for row in rows_of(tmp_path / "out")}
    causes = {name: (row["used"], row["cause"]) for name, row in rows.items()}
    assert causes == {
        "XX.AAA..HHZ": ("95", ""),
        "XX.BBB..HHZ": ("95", ""),
        "XX.CCC..HHZ": ("95", ""),
        "XX.DDD..HHZ": ("0", "no pair"),
        "XX.NONE.*.??Z": ("0", "no file"),
    }


def test_a_step_that_fails_is_in_the_account(tmp_path, monkeypatch):
    damaged = Damaged(tmp_path, 3, n_days=1)
    damaged.write()
    whole = Merge.process

    def fails(self, inputs):
        if inputs["input"].spans[0].channel_id == "XX.CCC..HHZ":
            raise ZeroDivisionError
        return whole(self, inputs)

    monkeypatch.setattr(Merge, "process", fails)
    assert damaged.run("out", "--on-error", "skip") == 0
    rows = {row["channel"]: row for row in rows_of(tmp_path / "out")}
    row = rows["XX.CCC..HHZ"]
    assert (row["possible"], row["used"], row["lost"]) == ("95", "0", "95")
    assert row["cause"] == "failed"
    assert rows["XX.DDD..HHZ"]["used"] == "95"


@pytest.mark.parametrize("mapping", [(), ("--mapping", "multi", "-n", "2")])
def test_losses_of_components_and_steps_have_their_causes(tmp_path, mapping):
    """One channel at twice the rate, and a step that refuses traces."""
    damaged = Damaged(tmp_path, 4, n_days=1)
    damaged.state["CCC", 0][:] = "rate"
    damaged.write()
    steps = "Demean(), Lowpass(corner_hz=0.6)"
    assert damaged.run("out", *mapping) == 0
    rows = {row["channel"]: row for row in rows_of(tmp_path / "out")}
    assert rows["XX.CCC..HHZ"]["cause"] == "rate"
    assert rows["XX.CCC..HHZ"]["lost"] == "95"
    assert damaged.run("steps", *mapping, "--steps", steps) == 1
    rows = {row["channel"]: row for row in rows_of(tmp_path / "steps")}
    assert {row["cause"] for row in rows.values()} == {"lowpass", "rate"}


def test_the_page_has_each_cause_with_its_meaning():
    page = Path(__file__).parents[2] / "docs" / "xcorr-app.md"
    text = page.read_text(encoding="utf-8")
    for cause, meaning in CAUSES.items():
        assert f"| {cause} | {meaning} |" in text


@pytest.mark.parametrize("mapping", [(), ("--mapping", "multi", "-n", "2")])
def test_windows_that_another_component_lacks(tmp_path, mapping):
    """Rotated components need all three: a gap of one costs the others the window."""
    rng = np.random.default_rng(8)
    (tmp_path / "data").mkdir()
    for station in ("AAA", "BBB"):
        for letter in "ZNE":
            header = {"network": "XX", "station": station, "channel": f"HH{letter}"}
            trace = Trace(rng.standard_normal(7200), header | {"starttime": DAY})
            stream = Stream([trace])
            if (station, letter) == ("AAA", "N"):
                stream = Stream([trace.slice(DAY, DAY + 3000), trace.slice(DAY + 3010)])
            stream.write(str(tmp_path / "data" / trace.id), "MSEED")
    (tmp_path / "stations.txt").write_text("XX AAA 10 20\nXX BBB 10.1 20.1\n")
    words = ["--stations", str(tmp_path / "stations.txt"), "--max-lag-s", "20"]
    words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    words += ["--components", "RR", "--window-s", "1800", *mapping]
    assert cli.main(words) == 0
    rows = {row["channel"]: row for row in rows_of(tmp_path / "out")}
    causes = {name[3:4] + name[-1]: row["cause"] for name, row in rows.items()}
    assert causes == {
        "AZ": "components",
        "AN": "gap",
        "AE": "components",
        "BZ": "",
        "BN": "",
        "BE": "",
    }
    assert {row["lost"] for row in rows.values()} == {"0", "1"}


def written(folder, station, *pieces):
    """Write traces at 1 Hz: their first second of the day, and their samples."""
    header = {"network": "XX", "station": station, "channel": "HHZ"}
    (folder / "data").mkdir(exist_ok=True)
    for k, (first, data) in enumerate(pieces):
        trace = Trace(np.asarray(data, np.float32), header | {"starttime": DAY + first})
        trace.write(str(folder / "data" / f"{station}.{k}.mseed"), "MSEED")


@pytest.mark.parametrize("mapping", [(), ("--mapping", "multi", "-n", "2")])
@pytest.mark.parametrize(
    ("options", "times"),
    [
        (("--drop-flat-s", "60"), {"flat": "2024-03-01 01:00-01:30"}),
        (
            ("--drop-clipped", "--clipped-level", "900"),
            {"clipped": "2024-03-01 02:00-02:30"},
        ),
        (("--overlaps", "drop"), {"overlap": "2024-03-01 03:00-03:30"}),
        (("--max-gap-s", "5"), {}),
        ((), {"gap": "2024-03-01 04:00-04:30"}),
    ],
)
def test_samples_that_an_option_removes_have_its_cause(
    tmp_path, options, times, mapping
):
    """One window each with flat, clipped, contradictory and missing samples."""
    n = 5 * 3600
    a, b = np.random.default_rng(9).standard_normal((2, n)) * 100
    b[3700:4000] = 7
    b[7300:7305] = 900
    gap = 4 * 3600 + 100
    if "--max-gap-s" not in options and options:
        pieces = [(0, b)]
    else:
        pieces = [(0, b[:gap]), (gap + 3, b[gap + 3 :])]
    if "--overlaps" in options:
        pieces.append((3 * 3600 + 500, b[3 * 3600 + 500 :][:100] + 1))
    written(tmp_path, "A", (0, a))
    written(tmp_path, "B", *pieces)
    (tmp_path / "stations.txt").write_text("XX * 10 20\n")
    words = ["--stations", str(tmp_path / "stations.txt"), "--max-lag-s", "20"]
    words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    assert cli.main([*words, "--window-s", "1800", *options, *mapping]) == 0
    with store.open(tmp_path / "out") as results:
        account = results.account()
        lost = [lost for row in account.windows for lost in row.lost]
        assert {row.cause: times_text(row.times) for row in lost} == times
        assert account.n_possible == account.n_used + len(times) == 20


def test_days_read_in_several_rounds_are_counted_once(tmp_path):
    """Little memory: each day is read again for each part of the pairs."""
    damaged = Damaged(tmp_path, 3)
    damaged.damage()
    damaged.write()
    assert damaged.run("whole") == 0
    config = Config.resolve(
        {
            "stations": str(tmp_path / "stations.txt"),
            "data": (str(tmp_path / "data"),),
            "out": str(tmp_path / "out"),
            "window_s": float(WINDOW_S),
            "step_s": float(STEP_S),
            "max_lag_s": 20.0,
            "reject_rms": (0.0, 1e4),
        }
    )
    halves = workflow.open_session

    def in_rounds(config, lock):
        work = halves(config, lock)
        (needed,) = work.rounds
        places = sorted(set().union(*needed.values()))
        rounds = [
            {period: frozenset({place}) & tiles for period, tiles in needed.items()}
            for place in places
        ]
        assert len(rounds) > 2
        return replace(work, rounds=rounds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workflow, "open_session", in_rounds)
        summary = workflow.run(config)
    assert_account(damaged, tmp_path / "out")
    assert summary.account.skipped
    with store.open(tmp_path / "whole") as results:
        assert results.account() == summary.account
