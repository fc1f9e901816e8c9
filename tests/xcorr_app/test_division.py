"""The division of a run, and the bound of its memory: counted, and measured."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import obspy
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import Channel
from seismo_pes.signal.window import WindowGrid
from tests.xcorr_app.conftest import DAY
from xcorr_app import store
from xcorr_app.planning import division
from xcorr_app.planning.division import (
    Division,
    Group,
    divide,
    extend,
    pairs_of_tiles,
    rounds_of,
)
from xcorr_app.planning.memory import (
    GB,
    MB,
    Load,
    Resources,
    available_bytes,
    check_pairs,
    shares,
)
from xcorr_app.planning.pairs import ChosenPairs
from xcorr_app.running.work import needed_tiles

DAY_NS = 86_400 * 10**9


def plan(ids, n_days=1, substack="none", rotation=None, first_day=100, rate_hz=1.0):
    """The parts of a plan that its division needs."""
    grid = WindowGrid(first_day * DAY_NS, 3600 * 10**9, 3600 * 10**9)
    days = range(first_day, first_day + n_days)
    result = (
        {i for item in rotation.rotated.values() for i in item[1:]} if rotation else ()
    )
    spans = [
        ChannelSpan(id_, day * DAY_NS, (day + 1) * DAY_NS, (f"{id_}.{day}",), day)
        for day in days
        for k, id_ in enumerate(ids)
        if k not in result
    ]
    config = SimpleNamespace(substack=substack, mapping="multi", recorded_hz=None)
    channels = [Channel(id_, 0.0, float(k), 0.0) for k, id_ in enumerate(ids)]
    selection = PairSelection(ids)
    pairs = ChosenPairs(channels, selection, rotation, ids, 0, 0, [])
    return SimpleNamespace(
        config=config,
        channels=channels,
        settings=SpectraSettings(grid, rate_hz, 100.0),
        spans=spans,
        pairs=pairs,
    )


def stations(n, components="Z"):
    return [f"XX.S{k:04d}..HH{c}" for k in range(n) for c in components]


def test_blocks_are_ranges_that_hold_every_channel_once():
    result = divide(plan(stations(100)), Resources(2, 8 * GB))
    assert result.blocks[0][0] == 0
    assert result.blocks[-1][1] == 100
    for (_, stop), (first, _) in zip(result.blocks, result.blocks[1:], strict=False):
        assert stop == first
    assert Division.from_dict(result.to_dict()) == result


@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_instruments_are_not_cut(n):
    ids = stations(n, "ENZ")
    result = divide(plan(ids), Resources(2, 8 * GB))
    assert all(first % 3 == stop % 3 == 0 for first, stop in result.blocks)
    assert sum(stop - first for first, stop in result.blocks) == len(ids)


def test_rotated_channels_are_in_no_block():
    ids = [*stations(2, "ENZ"), "XX.S0000..HHR", "XX.S0000..HHT"]
    rotation = SimpleNamespace(
        rotated=dict.fromkeys((0, 1, 2), (2, 6, 7)),
        pairs=lambda i, j, selection: SimpleNamespace(wanted=np.zeros((0, 3, 3))),
    )
    result = divide(plan(ids, rotation=rotation), Resources(1, 8 * GB))
    assert result.block_of(5) >= 0
    assert result.block_of(6) == result.block_of(7) == -1


def test_less_memory_makes_smaller_blocks():
    loads = [
        divide(plan(stations(200), rate_hz=50.0), Resources(2, m * GB)) for m in (16, 2)
    ]
    sizes = [max(stop - first for first, stop in load.blocks) for load in loads]
    assert sizes[1] < sizes[0]


def test_one_group_if_its_sums_fit_else_days():
    small = divide(plan(stations(10), 30), Resources(1, 4 * GB))
    assert small.groups == (Group("all", tuple(range(100, 130))),)
    assert not small.derives
    assert small.sums_up
    days = divide(plan(stations(10), 3, substack="day"), Resources(1, 4 * GB))
    assert (days.unit, days.groups) == ("day", ())
    assert days.derives
    assert not days.sums_up


def test_long_runs_write_rows_regularly(monkeypatch):
    monkeypatch.setattr(division, "CHECKPOINT_S", 5.0)
    result = divide(plan(stations(10), 300), Resources(1, 4 * GB))
    assert len(result.groups) > 3
    assert [s for group in result.groups for s in group.periods] == list(
        range(100, 400)
    )
    assert result.groups[0].name == ".1970-04-11"
    assert result.substacks.key(101) == 100


def test_growing_only_adds():
    ids = stations(20)
    old = divide(plan(ids, 5), Resources(2, 4 * GB))
    new = extend(old, plan([*ids, *stations(25)[20:]], 8), 20, Resources(2, 4 * GB))
    assert new.blocks[: len(old.blocks)] == old.blocks
    assert new.blocks[len(old.blocks)][0] == 20
    assert new.blocks[-1][1] == 25
    assert new.groups == (*old.groups, Group(".1970-04-16", (105, 106, 107)))
    assert extend(old, plan(ids, 5), 20, Resources(2, 4 * GB)) == old


def test_needed_tiles_are_those_of_unfinished_groups():
    run_plan = plan(stations(4), 4)
    blocks = ((0, 2), (2, 4))
    result = Division(
        blocks, "group", (Group(".a", (100, 101)), Group(".b", (102, 103)))
    )
    places = pairs_of_tiles(run_plan.pairs, result.blocks)
    assert places == {(0, 0): 1, (0, 1): 4, (1, 1): 1}
    finished = {(0, 0, 100), (0, 1, 100), (1, 1, 100), (0, 1, 102)}
    needed = needed_tiles(run_plan, result, places, finished)
    left = frozenset({(0, 0), (1, 1)})
    assert needed == {102: left, 103: left}


def test_rounds_hold_their_share_and_everything_once():
    run_plan = plan(stations(60), 3)
    result = divide(run_plan, Resources(1, 4 * GB))
    pairs, load = pairs_of_tiles(run_plan.pairs, result.blocks), Load.of(run_plan)
    needed = needed_tiles(run_plan, result, pairs)
    most = sum(pairs.values()) * load.sums // 4
    rounds = rounds_of(needed, result, pairs, load, most)
    assert 4 <= len(rounds) <= 6
    seen = []
    for part in rounds:
        places = part[100]
        assert part == dict.fromkeys((100, 101, 102), places)
        assert sum(pairs[p] for p in places) * load.sums <= 1.3 * most
        seen += places
    assert sorted(seen) == sorted(pairs)
    assert rounds_of({}, result, pairs, load, most) == []


def test_shares_add_up_to_no_more_than_there_is():
    load = Load(trace=7 * MB, spectrum=10 * MB, row=40_004, sums=80_008)
    for processes in (1, 2, 8):
        for sums in (0, GB, 100 * GB):
            memory = 8 * GB
            result = shares(Resources(processes, memory), load, sums)
            under_way = 2 * 4 * processes * result.block
            held = result.gather + result.sums + under_way + processes * load.process
            assert held <= memory
            assert processes * result.restack <= memory


def test_too_little_memory_is_refused():
    load = Load(trace=7 * MB, spectrum=10 * MB, row=40_004, sums=80_008)
    with pytest.raises(ParameterError, match=r"--memory-gb 0.5: 4 processes .*fewer"):
        shares(Resources(4, GB // 2), load)
    with pytest.raises(ParameterError, match=r"0.3: .* 4,000,000 pairs needs 0.36 GB"):
        check_pairs(Resources(1, 3 * GB // 10), 4_000_000)
    check_pairs(Resources(1, 3 * GB // 10), 3_000_000)
    assert 0 < available_bytes() < 2**50


# -- measured ----------------------------------------------------------------------


def peak_bytes(words: list[str]) -> int:
    """Run the command; return the largest memory of its processes together.

    Pages that several of them share count once (PSS).
    """
    command = [sys.executable, "-m", "xcorr_app", *words, "--quiet"]
    most = 0
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            most = max(most, sum(map(resident_bytes, family(process.pid))))
            time.sleep(0.05)
    assert process.returncode == 0
    return most


def family(pid: int) -> list[int]:
    result = [pid]
    for process in result:  # grows in the loop
        for path in Path(f"/proc/{process}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                result += map(int, path.read_text().split())
    return result


def resident_bytes(pid: int) -> int:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        if result := re.search(r"^Pss: +(\d+) kB$", text, re.MULTILINE):
            return int(result[1]) * 1024
    return 0


@pytest.fixture(scope="module")
def network(tmp_path_factory) -> Path:
    """A day of 28 channels: spectra of 190 MB, and the same size in blocks."""
    folder = tmp_path_factory.mktemp("network")
    rng = np.random.default_rng(1)
    noise = rng.integers(-999, 999, 432_000).astype("i4")
    for k in range(28):
        header = {"network": "XX", "station": f"S{k:02d}", "channel": "HHZ"}
        header |= {"sampling_rate": 5.0, "starttime": DAY}
        trace = obspy.Trace(np.roll(noise, 1000 * k), header)
        trace.write(str(folder / f"S{k:02d}.mseed"), "MSEED")
    return folder


@pytest.mark.parametrize("mapping", ["simple", "multi", "mpi"])
def test_the_bound_is_kept(network, tmp_path, mapping):
    """Besides the work on one channel 80 MB are allowed, a fifth of the data."""
    if mapping == "mpi":
        pytest.importorskip("mpi4py")
    processes = 1 if mapping == "simple" else 2
    memory = processes * LOAD.process + 80 * MB
    (tmp_path / "few.txt").write_text("XX S00\nXX S01\n")
    (tmp_path / "all.txt").write_text("XX *\n")
    words = ["--data", str(network), "--window-s", "3600", "--step-s", "900"]
    words += ["--max-lag-s", "60", "--memory-gb", f"{memory / GB:.3f}"]
    words += ["--mapping", mapping]
    words += ["-n", "2"] if processes > 1 else []
    peaks = []
    for name in ("few", "all"):
        more = ["--stations", str(tmp_path / f"{name}.txt")]
        peaks.append(peak_bytes([*words, *more, "--out", str(tmp_path / name)]))
    # two channels take the program and the work on a channel, but hardly any on tiles
    assert peaks[1] - peaks[0] < 80 * MB + processes * 100 * MB
    with store.open(tmp_path / "all") as results:
        assert len(results) == 28 * 27 // 2


LOAD = Load(trace=3_456_000, spectrum=93 * 9001 * 8, row=0, sums=0)
