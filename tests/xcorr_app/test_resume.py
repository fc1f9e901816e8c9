"""An interrupted run is resumed with equal results; an update adds new data."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import obspy
import pytest

from seismo_pes.writing import correlation_writer as write
from seismo_pes.writing.part_files import read_layout
from tests.draws import each_once
from tests.unseen import hide
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store
from xcorr_app.planning import division
from xcorr_app.results.run_parts import finished_tiles
from xcorr_app.results.runfile import new_session, read_run, write_run

STATIONS = ("AAA", "BBB", "CCC", "DDD")
N_DAYS = 3
RATE_HZ = 5.0
COMMON = ["--window-s", "60", "--max-lag-s", "8", "--quiet"]
DAYS = [*COMMON, "--substack", "day", "--moving-s", "172800", "--uncertainty"]


def record(folder: Path, station: str, day: int, seed: int | None = None) -> None:
    """Write a quarter of an hour of a station's noise, part of it common to all."""
    common = np.random.default_rng(day).standard_normal(4600)
    own = np.random.default_rng(seed or [day, *station.encode()])
    data = common[:4500] + own.standard_normal(4500)
    header = {"network": "XX", "station": station, "channel": "HHZ"}
    header |= {"sampling_rate": RATE_HZ, "starttime": DAY + 86400 * day}
    folder.mkdir(exist_ok=True)
    name = folder / f"{station}.{day}.mseed"
    obspy.Trace(data.astype("f4"), header).write(str(name), "MSEED")


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("network")
    for station in STATIONS:
        for day in range(N_DAYS):
            record(folder / "data", station, day)
    return folder / "data"


@pytest.fixture
def words(tmp_path: Path, network: Path) -> Callable[..., list[str]]:
    """Return the words of a command that writes to a folder of this test."""

    def make(out: str, *options: str, data: Path = network) -> list[str]:
        listing = tmp_path / "stations.txt"
        if not listing.exists():
            listing.write_text("XX *\n")
        words = ["--stations", str(listing), "--data", str(data)]
        return [*words, "--out", str(tmp_path / out), *options]

    return make


@pytest.fixture(scope="module")
def whole(tmp_path_factory, network: Path) -> Path:
    """The results of an uninterrupted run."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "stations.txt").write_text("XX *\n")
    words = ["--stations", str(folder / "stations.txt"), "--data", str(network)]
    assert cli.main([*words, "--out", str(folder / "out"), *DAYS]) == 0
    return folder / "out"


def check_same(first: Path, second: Path) -> None:
    """Assert that two runs have the same bytes."""
    with store.open(first) as a, store.open(second) as b:
        assert b.complete
        assert a.stacks == b.stacks
        assert a.pairs.tobytes() == b.pairs.tobytes()
        for name in a.stacks:
            for field in ("n_windows", "start_ns", "end_ns"):
                before, after = a.windows(name)[field], b.windows(name)[field]
                np.testing.assert_array_equal(before, after)
            blocks = zip(a.blocks(name), b.blocks(name), strict=True)
            for (rows, data), (rows_after, data_after) in blocks:
                np.testing.assert_array_equal(rows, rows_after)
                np.testing.assert_array_equal(data, data_after)


def check_close(first: Path, second: Path) -> None:
    """Assert that two runs have the same rows up to rounding, in any order."""
    with store.open(first) as a, store.open(second) as b:
        assert a.stacks == b.stacks
        assert len(a) == len(b)
        for name in a.stacks:
            for c in a.correlations(name):
                d = b.get(c.first, c.second, name)
                assert (c.n_windows, c.start_ns, c.end_ns) == (
                    (d.n_windows, d.start_ns, d.end_ns)
                )
                # the standard deviation is that of 200 equal draws
                scale = 1e-6 * np.abs(c.data).max()
                np.testing.assert_allclose(c.data, d.data, rtol=0, atol=scale)


# -- interrupted within the process: quick, at many points -------------------------


class Broken(BaseException):
    """An exception that ends a run at once, like a signal."""


def break_off(
    monkeypatch: pytest.MonkeyPatch, after: int, error: type[BaseException] | OSError
) -> None:
    """End the run at the batch after a number of batches."""
    count = [0]
    whole_write = write.CorrelationWriter.write

    def broken(self, rows):
        count[0] += 1
        if count[0] > after:
            raise error
        whole_write(self, rows)

    monkeypatch.setattr(write.CorrelationWriter, "write", broken)


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("after", "error", "status"),
    [
        (0, KeyboardInterrupt, 130),
        (7, KeyboardInterrupt, 130),
        (17, FULL, 1),
        (19, KeyboardInterrupt, 130),  # the second phase has begun
        (28, FULL, 1),
        (41, KeyboardInterrupt, 130),
    ],
)
def test_a_run_continues_after_an_interrupt_or_a_full_disk(
    tmp_path, words, whole, monkeypatch, after, error, status, capsys
):
    out = tmp_path / "out"
    with monkeypatch.context() as during:
        break_off(during, after, error)
        assert cli.main(words("out", *DAYS)) == status
    (line,) = capsys.readouterr().err.splitlines()
    if status == 130:
        assert line == f"xcorr-app: interrupted: {out}: --resume continues it"
    else:
        assert "the disk is full" in line
    assert cli.main(words("out", *DAYS, "--resume")) == 0
    check_same(whole, out)
    run = read_run(out)
    assert [session.how for session in run.sessions] == ["start", "resume"]


def test_only_missing_tiles_are_computed(tmp_path, words, monkeypatch, capsys):
    options = [word for word in DAYS if word != "--quiet"]
    with monkeypatch.context() as during:
        break_off(during, 7, KeyboardInterrupt)
        assert cli.main(words("out", *options)) == 130
    done = len(finished_tiles(tmp_path / "out"))
    assert done == 7
    with monkeypatch.context() as during:
        read = count_reads(during)
        assert cli.main(words("out", *options, "--resume")) == 0
    assert (
        f"resume: {18 - done} blocks of correlations computed, {done} kept"
        in capsys.readouterr().out
    )
    assert len(read) == len(STATIONS) * (N_DAYS - 1)  # the first day was complete
    with monkeypatch.context() as during:
        read = count_reads(during)
        assert cli.main(words("out", *options, "--resume")) == 0
    assert (
        "resume: 0 blocks of correlations computed, 18 kept" in capsys.readouterr().out
    )
    assert not read


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    from seismo_pes.reading.spans import ReadWaveforms

    read: list[str] = []
    process = ReadWaveforms.process

    def counted(self, inputs):
        read.append(inputs["input"].channel_id)
        return process(self, inputs)

    monkeypatch.setattr(ReadWaveforms, "process", counted)
    return read


@pytest.mark.parametrize("after", [3, 14, 22])
@pytest.mark.parametrize("length", [0.0, 1e9], ids=["groups", "one group"])
def test_without_substacks(tmp_path, words, monkeypatch, after, length):
    """Groups of days, or all days in one."""
    monkeypatch.setattr(division, "CHECKPOINT_S", length)
    monkeypatch.setattr(division, "CHECKPOINT_PART", 1e9)
    options = [*COMMON, "--pairs", "cross", "auto"]
    assert cli.main(words("whole", *options)) == 0
    with monkeypatch.context() as during:
        break_off(during, after, KeyboardInterrupt)
        status = cli.main(words("out", *options))
        assert status == (130 if length == 0 or after < 10 else 0)
    assert cli.main(words("out", *options, "--resume")) == 0
    check_same(tmp_path / "whole", tmp_path / "out")
    with store.open(tmp_path / "out") as results:
        assert results.stacks == ("all",)
        assert len(results) == 10


def test_sums_that_do_not_fit_are_made_in_rounds(tmp_path, words, monkeypatch):
    from xcorr_app.running import work

    assert cli.main(words("whole", *COMMON)) == 0

    def tight(needed, result, pairs, load, sums):
        return division.rounds_of(needed, result, pairs, load, 2 * load.sums)

    monkeypatch.setattr(work, "rounds_of", tight)
    with monkeypatch.context() as during:
        break_off(during, 3, KeyboardInterrupt)
        read = count_reads(during)
        assert cli.main(words("out", *COMMON)) == 130
    assert len(read) == 2 * len(STATIONS) * N_DAYS  # the second of three rounds
    assert cli.main(words("out", *COMMON, "--resume")) == 0
    check_same(tmp_path / "whole", tmp_path / "out")


# -- real kills --------------------------------------------------------------------

SLOW = """
import sys, time
from seismo_pes.writing import correlation_writer as write
whole = write.CorrelationWriter.write
def slow(self, rows):
    whole(self, rows)
    time.sleep(0.05)
write.CorrelationWriter.write = slow
from xcorr_app.cli import main
if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
"""


def start_slowly(tmp_path: Path, words: list[str], n: int) -> subprocess.Popen:
    """Start a run; return when it has finished ``n`` tiles or some more."""
    script = tmp_path / "slow.py"
    script.write_text(SLOW)
    process = subprocess.Popen(
        [sys.executable, str(script), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    out = Path(words[words.index("--out") + 1])
    deadline = time.monotonic() + 60
    while not (out / "run.json").exists() or len(finished_tiles(out)) < n:
        assert time.monotonic() < deadline
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    return process


def descendants(pid: int) -> list[int]:
    results = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            results += [int(child), *descendants(int(child))]
    return results


@pytest.mark.parametrize(
    ("mapping", "which", "n"),
    [
        (["--mapping", "simple"], "all", 5),
        (["--mapping", "multi", "-n", "2"], "one", 8),
        (["--mapping", "multi", "-n", "2"], "all", 20),  # in the second phase
        (["--mapping", "mpi", "-n", "2"], "one", 12),
    ],
    ids=["simple", "multi-one", "multi-all", "mpi-one"],
)
def test_killed_and_resumed(tmp_path, words, whole, mapping, which, n):
    if "mpi" in mapping:
        pytest.importorskip("mpi4py")
    out = tmp_path / "out"
    process = start_slowly(tmp_path, words("out", *DAYS, *mapping), n)
    if which == "all":
        for pid in [process.pid, *descendants(process.pid)]:
            os.kill(pid, signal.SIGKILL)
    else:
        workers = [p for p in descendants(process.pid) if not descendants(p)]
        os.kill(random.Random(n).choice(workers), signal.SIGKILL)
    process.communicate(timeout=60)
    assert process.returncode != 0
    damage_like_a_power_failure(out)
    assert cli.main(words("out", *DAYS, "--resume")) == 0
    check_same(whole, out)
    assert all(read_layout(path).sealed for path in (out / "parts").glob("*.h5"))


def damage_like_a_power_failure(out: Path) -> None:
    """Lose the end of the parts that were written last, and a row in the midst."""
    for path in (out / "parts").glob("part-*.h5"):
        layout = read_layout(path)
        if layout.sealed:
            continue
        with open(path, "r+b") as file:
            file.seek(layout.data_offset + 2 * layout.row_bytes)
            file.write(bytes(layout.row_bytes))
        size = layout.data_offset + 4 * layout.row_bytes - 3
        os.truncate(path, min(size, path.stat().st_size))


@pytest.mark.parametrize(
    ("mapping", "how"),
    each_once(["simple", "multi -n 2", "mpi -n 2"], ["--resume", "--update"]),
)
def test_a_run_without_work_left(tmp_path, whole, capsys, mapping, how):
    if "mpi" in mapping:
        pytest.importorskip("mpi4py")
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    given = ["--out", str(out), "--mapping", *mapping.split(), how]
    assert cli.main(given) == 0
    assert capsys.readouterr().err == ""
    check_same(whole, out)
    assert read_run(out).session == 2
    assert not list(out.glob(".*.tmp"))


def test_results_of_a_run_that_has_not_ended(tmp_path, words, monkeypatch, capsys):
    out, dest = str(tmp_path / "out"), str(tmp_path / "dest.npz")
    with monkeypatch.context() as during:
        break_off(during, 9, KeyboardInterrupt)
        assert cli.main(words("out", *DAYS)) == 130
    capsys.readouterr()
    commands = [["export", out, dest, "--format", "npz"], ["plot", out], ["dvv", out]]
    for command in [*commands, ["disp", out], ["clocks", out]]:
        assert cli.main(command) == 1
        line = one_line(capsys)
        assert "--resume" in line
        assert "--unfinished" in line
    stack = ["--stack", "2024-03-01", "--unfinished"]
    assert cli.main([*commands[0], *stack]) == 0
    assert Path(dest).exists()
    assert cli.main(["info", out, "--stack", "2024-03-01"]) == 0
    assert "not complete" in capsys.readouterr().out


def test_an_update_that_was_killed_before_its_first_row(tmp_path, whole):
    out = tmp_path / "out"
    shutil.copytree(whole, out)
    write_run(out, new_session(read_run(out), "update"))
    with store.open(out) as results:
        assert not results.complete
    assert cli.main(["--out", str(out), "--resume"]) == 0
    check_same(whole, out)


# -- what may not be resumed -------------------------------------------------------


def one_line(capsys) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_existing_folder_is_refused_and_the_ways_out_are_named(
    tmp_path, words, capsys
):
    assert cli.main(words("out", *COMMON)) == 0
    assert cli.main(words("out", *COMMON)) == 2
    line = one_line(capsys)
    for option in ("--resume", "--update", "--force"):
        assert option in line
    assert cli.main(words("other", *COMMON, "--resume")) == 2
    assert "no run was started" in one_line(capsys)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize("how", [[], ["--resume"], ["--update"]])
def test_a_record_that_cannot_be_looked_at_is_not_taken_for_none(
    tmp_path, words, capsys, monkeypatch, how
):
    assert cli.main(words("out", *COMMON)) == 0
    record = tmp_path / "out" / "run.json"
    with monkeypatch.context() as patch:
        hide(patch, [record])
        assert cli.main(words("out", *COMMON, *how)) == 1
    line = f"xcorr-app: error: {record}: Input/output error"
    assert one_line(capsys).startswith(line)
    with store.open(tmp_path / "out") as results:
        assert results.complete


@pytest.mark.parametrize("how", ["--resume", "--update"])
@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--max-lag-s", "7"], "--max-lag-s 7"),
        (["--whiten", "band", "--whiten-hz", "0.5", "2"], "--whiten"),
        (["--substack", "day"], "--substack day"),
        (["--start", "2024-03-01"], "--start 2024-03-01"),
    ],
)
def test_another_configuration_is_refused(words, capsys, options, named, how):
    assert cli.main(words("out", *COMMON)) == 0
    assert cli.main(words("out", *COMMON, *options, how)) == 2
    assert named in one_line(capsys)


def test_options_of_the_execution_may_differ(tmp_path, words, monkeypatch, whole):
    with monkeypatch.context() as during:
        break_off(during, 9, KeyboardInterrupt)
        assert cli.main(words("out", *DAYS)) == 130
    options = ["--mapping", "multi", "-n", "2", "--memory-gb", "3", "--on-error"]
    assert cli.main(words("out", *DAYS, *options, "skip", "--resume")) == 0
    check_same(whole, tmp_path / "out")


def test_data_that_changed_meanwhile(tmp_path, words, capsys):
    data = tmp_path / "data"
    for station in STATIONS[:2]:
        for day in range(2):
            record(data, station, day)
    assert cli.main(words("out", *COMMON, data=data)) == 0
    record(data, "AAA", 2)
    assert cli.main(words("out", *COMMON, "--resume", data=data)) == 2
    assert "2024-03-03" in one_line(capsys)
    (data / "AAA.2.mseed").unlink()
    record(data, "BBB", 0, seed=99)
    assert cli.main(words("out", *COMMON, "--resume", data=data)) == 2
    assert "2024-03-01" in one_line(capsys)
    record(data, "NEW", 0)
    assert cli.main(words("out", *COMMON, "--resume", data=data)) == 2
    assert "XX.NEW..HHZ" in one_line(capsys)


# -- update ------------------------------------------------------------------------


def made_and_kept(capsys) -> tuple[int, int]:
    lines = capsys.readouterr().out.splitlines()
    (line,) = [line for line in lines if "blocks of correlations computed" in line]
    result, kept = line.split(": ")[1].split(";")[0].split(", ")
    return int(result.split()[0]), int(kept.split()[0])


@pytest.mark.parametrize("options", [DAYS, COMMON], ids=["days", "all"])
def test_new_days_and_stations(tmp_path, words, capsys, options):
    options = [word for word in options if word != "--quiet"]
    data = tmp_path / "data"
    for station in ("BBB", "CCC", "DDD"):
        for day in range(2):
            record(data, station, day)
    assert cli.main(words("out", *options, data=data)) == 0
    run_id = read_run(tmp_path / "out").run_id
    for station in ("BBB", "CCC", "DDD"):
        record(data, station, 2)
    assert cli.main(words("out", *options, "--update", data=data)) == 0
    assert made_and_kept(capsys) == (3, 6)
    assert cli.main(words("days", *options, data=data)) == 0
    check_close(tmp_path / "days", tmp_path / "out")
    for day in range(3):  # a station that comes first by name
        record(data, "AAA", day)
    assert cli.main(words("out", *options, "--update", data=data)) == 0
    assert made_and_kept(capsys) == (9, 9)
    assert cli.main(words("all", *options, data=data)) == 0
    check_close(tmp_path / "all", tmp_path / "out")
    run = read_run(tmp_path / "out")
    assert run.run_id == run_id
    assert [session.how for session in run.sessions] == ["start", "update", "update"]
    assert cli.main(words("out", *options, "--update", data=data)) == 0
    assert made_and_kept(capsys) == (0, 18)
    check_close(tmp_path / "all", tmp_path / "out")


@pytest.mark.parametrize("options", [DAYS, COMMON], ids=["days", "all"])
def test_data_that_changed_are_correlated_again(
    tmp_path, words, monkeypatch, capsys, options
):
    options = [word for word in options if word != "--quiet"]
    data = tmp_path / "data"
    for station in ("AAA", "BBB", "CCC"):
        for day in range(2):
            record(data, station, day)
    assert cli.main(words("out", *options, data=data)) == 0
    record(data, "BBB", 1, seed=5)
    (data / "CCC.0.mseed").unlink()
    with monkeypatch.context() as during:
        break_off(during, 1, KeyboardInterrupt)
        assert cli.main(words("out", *options, "--update", data=data)) == 130
    capsys.readouterr()
    assert cli.main(words("out", *options, "--resume", data=data)) == 0
    result, kept = made_and_kept(capsys)
    assert result + kept == 6
    assert result < 6
    assert cli.main(words("scratch", *options, data=data)) == 0
    check_close(tmp_path / "scratch", tmp_path / "out")


def test_a_later_end(tmp_path, words, network, capsys):
    until = ["--end", "2024-03-02"]
    assert cli.main(words("out", *DAYS, *until)) == 0
    later = ["--end", "2024-03-04"]
    assert cli.main(words("out", *DAYS, *later, "--update")) == 0
    assert cli.main(words("scratch", *DAYS, *later)) == 0
    check_close(tmp_path / "scratch", tmp_path / "out")
    assert cli.main(words("out", *DAYS, *until, "--update")) == 2
    assert "--end 2024-03-02" in one_line(capsys)


def test_missing_stations_are_refused(tmp_path, words, capsys):
    listing = tmp_path / "stations.txt"
    listing.write_text("XX AAA\nXX BBB\nXX CCC\n")
    assert cli.main(words("out", *COMMON)) == 0
    listing.write_text("XX AAA\nXX BBB\n")
    assert cli.main(words("out", *COMMON, "--update")) == 2
    assert "XX.CCC..HHZ" in one_line(capsys)


# -- components, bands -------------------------------------------------------------


def test_rotated_bands_are_resumed_and_updated(tmp_path, words, monkeypatch):
    """Rotated components stand between channels of stations that came later."""
    data = tmp_path / "data"
    data.mkdir()

    def write_instrument(station: str, day: int) -> None:
        for component in "ENZ":
            rng = np.random.default_rng([day, *station.encode(), ord(component)])
            header = {"network": "XX", "station": station, "sampling_rate": RATE_HZ}
            header |= {"channel": f"HH{component}", "starttime": DAY + 86400 * day}
            trace = obspy.Trace(rng.standard_normal(4500).astype("f4"), header)
            name = data / f"{station}.{component}.{day}.mseed"
            trace.write(str(name), "MSEED")

    for station in ("BBB", "CCC"):
        for day in range(2):
            write_instrument(station, day)
    places = "XX AAA 10.0 20.0\nXX BBB 10.5 20.1\nXX CCC 10.1 20.9\n"
    (tmp_path / "stations.txt").write_text(places)
    options = [*COMMON, "--components", "ZRT", "--bands-hz", "0.2-0.5", "0.5-1"]
    options += ["--substack", "day"]
    assert cli.main(words("whole", *options, data=data)) == 0
    with monkeypatch.context() as during:
        break_off(during, 5, KeyboardInterrupt)
        assert cli.main(words("out", *options, data=data)) == 130
    assert cli.main(words("out", *options, "--resume", data=data)) == 0
    check_same(tmp_path / "whole", tmp_path / "out")
    for day in range(2):
        write_instrument("AAA", day)
    write_instrument("BBB", 2)
    write_instrument("CCC", 2)
    assert cli.main(words("out", *options, "--update", data=data)) == 0
    assert cli.main(words("scratch", *options, data=data)) == 0
    with store.open(tmp_path / "out") as results:
        assert results.bands == ("0.2-0.5Hz", "0.5-1Hz")
        assert len(results.get("XX.CCC..HHR", "XX.AAA..HHT").data) == 81
    check_close(tmp_path / "scratch", tmp_path / "out")
