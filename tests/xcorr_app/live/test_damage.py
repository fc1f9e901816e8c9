"""Damage of the state of a live run: one line, or the right correlations."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import shutil
from functools import partial
from pathlib import Path

import pytest
from obspy import UTCDateTime

from dispel4py.errors import DataError, Dispel4pyError
from seismo_pes.application.lock import LOCK_FILE
from seismo_pes.items.skipped import Skipped
from seismo_pes.reading.formats import waveform_files
from seismo_pes.reading.live import CHECKPOINT, write_checkpoint
from tests.unseen import fail_to_sync
from xcorr_app import cli
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.journal import close_journal, open_journal
from xcorr_app.live.late import (
    LATE_FILE,
    MISSING_FILE,
    note_late,
    note_missing,
    read_late,
)
from xcorr_app.live.result_folder import STACKS_FILE, ResultFolder
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ArchiveInput, ReplayInput
from xcorr_app.live.status import STATUS, VIEW

FILES = (STACKS_FILE, CHECKPOINT, LATE_FILE, STATUS, VIEW)
# What the next start of a run makes again, or does not need.
REPLACED = (STATUS, VIEW)


def flip(content: bytearray) -> None:
    content[len(content) // 2] ^= 1


def digit(content: bytearray) -> None:
    at = next(
        k for k in range(len(content) // 3, len(content)) if chr(content[k]) in "1379"
    )
    content[at] = ord("5")


def cut(content: bytearray) -> None:
    del content[len(content) // 2 :]


def empty(content: bytearray) -> None:
    content.clear()


@pytest.fixture(scope="module")
def ended(archive, config, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("live") / "out"
    run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    for _ in range(2):
        note_late(
            out / "live", Skipped("live", "XX.AAA..HHZ", "late", 1, 10**18, 10**18)
        )
    return out


@pytest.fixture
def out(ended, tmp_path) -> Path:
    return Path(shutil.copytree(ended, tmp_path / "out"))


def checked(out: Path, capsys, *more: str) -> tuple[int, str]:
    capsys.readouterr()
    status = cli.main(["check", str(out), *more])
    captured = capsys.readouterr()
    assert len(captured.err.splitlines()) <= 1
    return status, captured.out + captured.err


@pytest.mark.parametrize("name", FILES)
def test_damage_is_found_and_gives_one_line_or_the_right_correlations(
    name, out, archive, config, batch, capsys, assert_equal_to, monkeypatch
):
    assert checked(out, capsys)[0] == 0
    path = out / "live" / name
    content = path.read_bytes()
    for kind in (flip, digit, cut, empty):
        damaged = bytearray(content)
        kind(damaged)
        path.write_bytes(damaged)
        if name == LATE_FILE and kind in (cut, empty):
            continue  # as a killed process leaves it
        status, text = checked(out, capsys)
        assert (status, f"{path}: " in text) == (1, True)
    replay = ReplayInput(str(archive))
    path.write_bytes(content[: len(content) // 2])
    if name in (*REPLACED, LATE_FILE):
        run_live(config(out), replay, 600.0, Alerts())
        assert_equal_to(batch, out)
        return
    with pytest.raises(DataError) as caught:
        run_live(config(out), replay, 600.0, Alerts())
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    status, text = checked(out, capsys, "--repair")
    if name == STACKS_FILE:
        assert (status, "--force starts again" in text) == (1, True)
    else:
        assert status == 0
        run_live(config(out), replay, 600.0, Alerts())
        assert_equal_to(batch, out)


def test_the_state_of_another_run_is_refused(out, archive, config, tmp_path, capsys):
    other = tmp_path / "other"
    run_live(config(other), ReplayInput(str(archive)), 600.0, Alerts())
    stacks = out / "live" / STACKS_FILE
    own = stacks.read_bytes()
    shutil.copy(other / "live" / STACKS_FILE, stacks)
    status, text = checked(out, capsys)
    assert (status, f"{stacks}: belongs to another run" in text) == (1, True)
    stacks.unlink()  # the sums would begin again at the present data
    with pytest.raises(DataError, match="missing"):
        run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    stacks.write_bytes(own)
    write_checkpoint(out / "live", UTCDateTime(2030, 1, 1).ns)
    with pytest.raises(DataError, match="is later than the data"):
        run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())


def test_late_data_are_not_lost_by_an_incomplete_or_damaged_line(
    out, archive, config, capsys
):
    path, folder = out / "live" / LATE_FILE, out / "live"
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    note_late(folder, Skipped("live", "XX.BBB..HHZ", "late", 1, 7, 8))
    assert [entry[0] for entry in read_late(folder)] == ["XX.AAA..HHZ", "XX.BBB..HHZ"]
    path.write_bytes(whole.replace(b"AAA", b"AAB", 1))
    with pytest.raises(DataError, match="line 1 is damaged"):
        read_late(folder)
    assert "1 lines are lost" in checked(out, capsys, "--repair")[1]
    assert len(read_late(folder)) == 1


def test_the_list_of_channels_is_checked(tmp_path, monkeypatch):
    archive = ArchiveInput("somewhere")
    monkeypatch.setattr(archive, "_find", lambda *given: ({"XX.A..HHZ": 5.0}, 7))
    assert archive.channels(None, None, tmp_path) == ({"XX.A..HHZ": 5.0}, 7)
    (path,) = tmp_path.iterdir()
    path.write_text(path.read_text().replace("5.0", "9.0"))
    with pytest.raises(DataError, match="damaged: remove it, and the channels are"):
        archive.channels(None, None, tmp_path)


def test_a_list_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    fail_to_sync(monkeypatch)
    with pytest.raises(OSError, match="Input/output error") as failure:
        note_missing(tmp_path, [("XX.AAA..HHZ", 0, 1)])
    assert failure.value.filename == str(tmp_path / MISSING_FILE)


def test_a_journal_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "journal.log"
    path.symlink_to("/dev/full")
    journal = open_journal(tmp_path)
    for act in (partial(journal.info, "started"), partial(close_journal, journal)):
        with pytest.raises(OSError, match="No space") as failure:
            act()
        assert failure.value.filename == str(path)


def test_rows_that_cannot_be_written_name_their_part(
    archive, config, tmp_path, monkeypatch
):
    sync = os.fsync

    def fail(descriptor):  # of rows that are complete, not of a part that is made
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}"))
        is_read = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
        if path.name.startswith("part-") and is_read:
            raise OSError(errno.EIO, "Input/output error")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(Dispel4pyError, match=r"output error: '.*/parts/part-.*\.h5'"):
        run_live(config(tmp_path), ReplayInput(str(archive)), 60.0, Alerts())


def test_a_full_disk_ends_a_run_and_the_journal_is_printable(tmp_path):
    journal = open_journal(tmp_path)
    journal.info("%s", "a\nstation\x1b[2J")
    (handler,) = journal.handlers
    text = (tmp_path / "journal.log").read_text()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()

    handler.stream.close()
    handler.stream = full = open("/dev/full", "w")  # noqa: SIM115
    with pytest.raises(OSError, match="No space"):
        journal.info("a line")
    handler.stream = None
    with contextlib.suppress(OSError):
        full.close()
    close_journal(journal)


def test_a_file_that_cannot_be_read_is_added_by_mending(
    archive, batch, tmp_path, monkeypatch, capsys, assert_equal_to
):
    words = ["live", "--replay", str(archive), "--out", str(tmp_path / "out")]
    words += ["--stations", str(archive.parent / "list.txt"), "--quiet"]
    words += ["--detrend", "none", "--bandpass-hz", "0.1", "1", "--taper-s", "20"]
    words += ["--window-s", "900", "--max-lag-s", "30", "--substack", "hour"]
    read = waveform_files.read_at_once

    def fail(path, file_format, headonly, selection):
        if path.endswith("BBB.mseed") and (searches or not headonly):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return read(path, file_format, headonly, selection)

    with monkeypatch.context() as patch:
        patch.setattr(waveform_files, "read_at_once", fail)
        searches = True  # in the search for channels, which do not change later
        assert cli.main(words) == 1
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("BBB.mseed: OSError: Input/output error")
        searches = False
        assert cli.main(words) == 3
        (line,) = capsys.readouterr().err.splitlines()
        assert line.endswith("could not be read: --mend --data ARCHIVE adds its data")
    assert cli.main([*words, "--mend", "--data", str(archive)]) == 0
    assert_equal_to(batch, tmp_path / "out")


@pytest.mark.parametrize("change", ["rename", "remove"])
@pytest.mark.parametrize("n_written", [0, 3])
def test_a_folder_that_is_moved_or_removed_in_a_run(
    archive, config, batch, tmp_path, monkeypatch, assert_equal_to, change, n_written
):
    out, write, calls = tmp_path / "out", ResultFolder.write, itertools.count()

    def moved(self, *args):
        if next(calls) == n_written:
            if change == "rename":
                out.rename(tmp_path / "elsewhere")
            else:
                shutil.rmtree(out)
        write(self, *args)

    with monkeypatch.context() as during:
        during.setattr(ResultFolder, "write", moved)
        with pytest.raises(DataError, match=f"^{out}: was moved or removed"):
            run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    assert not out.exists()
    if change == "rename":
        (tmp_path / "elsewhere").rename(out)
        (out / LOCK_FILE).unlink()  # of this process, which has not ended
    run_live(config(out), ReplayInput(str(archive)), 600.0, Alerts())
    assert_equal_to(batch, out)
