"""The journal of a live run: its files are bounded, and a full disk is named."""

from __future__ import annotations

import pytest

from dispel4py.errors import Dispel4pyError
from xcorr_app.live import journal
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput


def test_files_of_months_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(journal, "FILE_BYTES", 1000)
    for start in range(3):  # a restart continues the files
        log = journal.open_journal(tmp_path)
        for number in range(100):
            log.info("window %d of start %d", number, start)
        journal.close_journal(log)
    paths = sorted(tmp_path.iterdir())
    assert [p.name for p in paths] == [
        "journal.log",
        *(f"journal.log.{k}" for k in range(1, 5)),
    ]
    assert all(path.stat().st_size <= 1000 for path in paths)
    assert paths[0].read_text().endswith("window 99 of start 2\n")
    # the files are in order, without a gap
    lines = [line for path in paths[:0:-1] for line in path.read_text().splitlines()]
    lines += paths[0].read_text().splitlines()
    numbers = [int(line.split()[2]) for line in lines]
    assert numbers == (3 * list(range(100)))[-len(numbers) :]


def test_a_full_disk_ends_the_run_which_continues_afterwards(
    archive, config, batch, tmp_path, assert_equal_to
):
    out = tmp_path / "out"
    middle_ns = (19783 * 86400 + 23 * 3600 + 600) * 10**9  # not the end of a window
    run_live(config(out), ReplayInput(str(archive), end_ns=middle_ns), 60.0, Alerts())
    path = out / "live" / journal.NAME
    path.unlink()
    path.symlink_to("/dev/full")
    with pytest.raises((Dispel4pyError, OSError), match=r"disk is full|No space"):
        run_live(config(out), ReplayInput(str(archive)), 60.0, Alerts())
    path.unlink()
    run_live(config(out), ReplayInput(str(archive)), 60.0, Alerts())
    assert_equal_to(batch, out)
