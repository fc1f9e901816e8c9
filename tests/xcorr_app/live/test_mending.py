"""Late data put right from the archive: the stacks are those of a batch run."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from obspy import read

from seismo_pes.items.intervals import union
from seismo_pes.items.skipped import Skipped
from tests.xcorr_app.live.conftest import GAP_S, HOURS, RATE_HZ, START
from xcorr_app.cli import main
from xcorr_app.live import late, mending
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.late import MISSING_FILE, read_late
from xcorr_app.live.mending import mend
from xcorr_app.live.running_stack import RunningStack
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput

LATE_S = (3000, 4200), (9000, 9100)  # before and after midnight


@pytest.fixture(scope="module")
def incomplete(archive, tmp_path_factory) -> Path:
    """The archive as it was live: some data of the first station are missing."""
    folder = tmp_path_factory.mktemp("incomplete")
    for path in archive.iterdir():
        shutil.copy(path, folder)
    stream = read(str(archive / "AAA.mseed"))
    start = stream[0].stats.starttime
    for a, b in LATE_S:
        stream = stream.slice(endtime=start + a) + stream.slice(start + b)
    stream.write(str(folder / "AAA.mseed"), "MSEED")
    return folder


def live_run(config, incomplete: Path, out: Path) -> list[tuple[str, int, int]]:
    """Run live without the data of LATE_S; return what the run lists as missing."""
    run_live(config(out), ReplayInput(str(incomplete)), 60.0, Alerts())
    return read_late(out / "live", MISSING_FILE)


def seconds(listed: list[tuple[str, int, int]]) -> dict[str, list[tuple[float, float]]]:
    """Return the times of each channel, seconds after the start of the data."""
    times: dict[str, list[tuple[int, int]]] = {}
    for channel, start_ns, end_ns in listed:
        times.setdefault(channel[3], []).append((start_ns, end_ns))
    return {
        name: [tuple((t - START.ns) / 1e9 for t in part) for part in union(parts)]
        for name, parts in times.items()
    }


def test_mended_stacks_equal_those_of_a_batch_run(
    archive, incomplete, config, batch, tmp_path, assert_equal_to
):
    out = tmp_path / "out"
    missing = seconds(live_run(config, incomplete, out))
    before, *gaps, after = missing["A"]
    delta_s = 1 / RATE_HZ  # a sample at both ends of each gap is there
    assert gaps == [(a + delta_s, b) for a, b in LATE_S]
    # no channel has data before the first window, and after the last one
    assert missing == {
        "A": [before, *gaps, after],
        "B": [before, (GAP_S[0] + delta_s, GAP_S[1]), after],
        "C": [before, after],
    }
    assert (before[1], after[0]) == (0, 3600 * HOURS)
    with pytest.raises(AssertionError):
        assert_equal_to(batch, out)
    source = ReplayInput(str(incomplete))
    mended = mend(config(out), source, str(archive), 60.0)
    assert mended.days == ("2024-03-01", "2024-03-02")
    assert (mended.refused, mended.n_late) == ((), 2)
    assert_equal_to(batch, out)
    left = read_late(out / "live", MISSING_FILE)
    assert seconds(left) == missing | {"A": [before, after]}
    text = str(mend(config(out), source, str(archive), 60.0))
    assert text.startswith(
        "No late data.\nThe archive does not have these data, either"
    )
    lacking_s = after[1] - after[0] - before[0] + GAP_S[1] - GAP_S[0] - delta_s
    assert f"XX.BBB..HHZ {lacking_s:g} s" in text
    # the live run goes on after it
    run_live(config(out), ReplayInput(str(archive)), 60.0, Alerts())
    assert_equal_to(batch, out)


@pytest.mark.parametrize("seed", [1, 2])
def test_any_gaps_are_mended(seed, archive, config, batch, tmp_path, assert_equal_to):
    """From shorter than a window to hours, also of all stations at the same time."""
    chance, data = random.Random(seed), tmp_path / "data"
    data.mkdir()
    for path in archive.iterdir():
        stream = read(str(path))
        for _ in range(chance.randint(1, 4)):
            begin = START + chance.uniform(0, 3600 * HOURS)
            length_s = 10 ** chance.uniform(0, 4)
            stream = stream.slice(endtime=begin) + stream.slice(begin + length_s)
        stream.write(str(data / path.name), "MSEED")
    out, source = tmp_path / "out", ReplayInput(str(data))
    run_live(config(out), source, chance.choice([20.0, 600.0]), Alerts())
    with pytest.raises(AssertionError):
        assert_equal_to(batch, out)
    assert mend(config(out), source, str(archive), 60.0).refused == ()
    assert_equal_to(batch, out)


@pytest.mark.parametrize("n_writes", [1, 2])
def test_mending_that_was_killed_is_done_again(
    n_writes, archive, incomplete, config, batch, tmp_path, assert_equal_to, monkeypatch
):
    out = tmp_path / "out"
    live_run(config, incomplete, out)
    write, done = RunningStack.write, []

    def killed(stack, path):
        if len(done) == n_writes:
            raise KeyboardInterrupt
        done.append(path)
        write(stack, path)

    source = ReplayInput(str(incomplete))
    with monkeypatch.context() as patch:
        patch.setattr(RunningStack, "write", killed)
        patch.setattr(mending, "forget_late", killed)
        with pytest.raises((KeyboardInterrupt, TypeError)):
            mend(config(out), source, str(archive), 60.0)
    mend(config(out), source, str(archive), 60.0)
    assert_equal_to(batch, out)


def test_an_archive_with_less_data_changes_nothing(
    archive, incomplete, config, batch, tmp_path, assert_equal_to, capsys
):
    out = tmp_path / "out"
    run_live(config(out), ReplayInput(str(archive)), 60.0, Alerts())
    live_run(config, incomplete, tmp_path / "other")
    shutil.copy(tmp_path / "other" / "live" / MISSING_FILE, out / "live")
    late_ns = START.ns + 3600 * 10**9, START.ns + 9000 * 10**9
    for a in late_ns:  # of these the archive has some seconds
        entry = Skipped("live", "XX.AAA..HHZ", "late", 1, a, a + 601 * 10**9)
        late.note_late(out / "live", entry)
    before = read_late(out / "live")
    mended = mend(config(out), ReplayInput(str(archive)), str(incomplete), 60.0)
    assert mended.days == ()
    assert mended.refused == ("2024-03-01", "2024-03-02")
    assert "Not changed" in str(mended)
    assert read_late(out / "live") == before
    assert_equal_to(batch, out)


def test_a_folder_without_a_live_run(archive, tmp_path, capsys):
    words = ["--replay", str(archive), "--pair", "A", "B", "--mend"]
    assert main(["live", "--out", str(tmp_path), *words]) == 1
    assert "has no live run" in capsys.readouterr().err


def test_a_long_list_becomes_one_of_days(tmp_path, monkeypatch):
    """A channel that is always late does not fill the disk."""
    monkeypatch.setattr(late, "MOST_BYTES", 2000)
    hour_ns = 3600 * 10**9
    begin_ns = 20_000 * 24 * hour_ns
    for hour in range(100):
        for channel in ("XX.AAA..HHZ", "XX.BBB..HHZ"):
            start_ns = begin_ns + hour * hour_ns
            late.note_late(
                tmp_path, Skipped("live", channel, "late", 5, start_ns, start_ns + 7)
            )
    assert (tmp_path / late.LATE_FILE).stat().st_size < 3000
    last_ns: dict[tuple[str, int], int] = {}
    for channel, start_ns, end_ns in read_late(tmp_path):
        hour = (end_ns - 7 - begin_ns) // hour_ns
        key = channel, start_ns // (24 * hour_ns)
        last_ns[key] = max(last_ns.get(key, 0), hour)
    assert sorted(last_ns.values()) == sorted([23, 47, 71, 95, 99] * 2)
