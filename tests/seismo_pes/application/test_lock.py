import dataclasses
import errno
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time

import pytest

from dispel4py.errors import ParameterError
from seismo_pes.application import lock as locks
from seismo_pes.application.lock import (
    LOCK_FILE,
    FolderLost,
    Holder,
    Locked,
    RunLock,
)

DEAD_PID = 2**22 + 1  # larger than any process number of Linux


def leave(out, age_s=0.0, **changes):
    """Write the lock of a run that ended without removing it."""
    out.mkdir(exist_ok=True)
    holder = dataclasses.replace(Holder.here(), **changes)
    path = out / LOCK_FILE
    path.write_text(json.dumps(dataclasses.asdict(holder)))
    os.utime(path, (time.time() - age_s,) * 2)
    return holder


def is_taken_over(out):
    with RunLock(out) as lock:
        try:
            lock.take()
        except Locked:
            return False
        return True


def test_a_second_run_is_refused_with_the_name_of_the_holder(tmp_path):
    with RunLock(tmp_path) as first, RunLock(tmp_path) as second:
        first.take()
        with pytest.raises(Locked, match=f"process {os.getpid()} since 20") as refused:
            second.take()
        assert str(tmp_path / LOCK_FILE) in str(refused.value)
        assert "\n" not in str(refused.value)
        second.release()
        assert (tmp_path / LOCK_FILE).exists(), (
            "a run without the lock does not release it"
        )
    assert list(tmp_path.iterdir()) == []
    assert is_taken_over(tmp_path)


def test_the_lock_is_released_when_the_run_fails(tmp_path):
    def fail():
        with RunLock(tmp_path) as lock:
            lock.take()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_made_and_a_file_refused(tmp_path):
    assert is_taken_over(tmp_path / "a" / "b")
    (tmp_path / "file").touch()
    with pytest.raises(ParameterError, match="need a folder"):
        RunLock(tmp_path / "file").take()


@pytest.mark.parametrize(
    ("changes", "age_s", "gone"),
    [
        ({"pid": DEAD_PID}, 0, True),
        ({"pid": os.getppid(), "born": "1"}, 0, True),
        ({}, 10_000, False),
        ({"host": "elsewhere"}, 10, False),
        ({"host": "elsewhere"}, 10_000, True),
        ({"boot": "another"}, 10, False),
        ({"boot": "another"}, 10_000, True),
    ],
    ids=[
        "a process that is gone",
        "its number has another process now",
        "alive but slow",
        "another host, alive",
        "another host, silent",
        "before a restart, just now",
        "before a restart",
    ],
)
def test_abandoned_locks_are_known(tmp_path, changes, age_s, gone):
    leave(tmp_path, age_s, **changes)
    assert is_taken_over(tmp_path) is gone


@pytest.mark.parametrize("text", ["", "{", '{"host": 1}'])
def test_a_damaged_lock_holds_until_it_is_old(tmp_path, text):
    path = tmp_path / LOCK_FILE
    path.write_text(text)
    assert not is_taken_over(tmp_path)
    os.utime(path, (0, 0))
    assert is_taken_over(tmp_path)


def test_a_killed_process_leaves_a_lock_that_is_taken_over(tmp_path, caplog):
    program = (
        "import os, signal, sys; from seismo_pes.application.lock import RunLock\n"
        "RunLock(sys.argv[1]).take(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert (tmp_path / LOCK_FILE).exists()
    assert is_taken_over(tmp_path)
    assert "took over the lock of a run that did not end" in caplog.text


def test_the_holder_keeps_the_lock_fresh(tmp_path):
    with RunLock(tmp_path, heartbeat_s=0.02) as lock:
        lock.take()
        os.utime(tmp_path / LOCK_FILE, (0, 0))
        deadline = time.monotonic() + 60
        while (
            tmp_path / LOCK_FILE
        ).stat().st_mtime < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        assert (tmp_path / LOCK_FILE).stat().st_mtime > 1


def test_a_single_run_of_many_takes_over(tmp_path):
    leave(tmp_path, pid=DEAD_PID)
    taken, barrier = [], threading.Barrier(8)

    def race():
        lock = RunLock(tmp_path)
        barrier.wait()
        try:
            lock.take()
        except Locked:
            return
        taken.append(lock)

    threads = [threading.Thread(target=race) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken) == 1
    taken[0].release()
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_links(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(locks.os, "link", refuse)
    with RunLock(tmp_path) as lock:
        lock.take()
        assert not is_taken_over(tmp_path)


def test_a_full_disk_leaves_no_cut_lock(tmp_path):
    source, target = tmp_path / "draft", tmp_path / LOCK_FILE
    source.write_text("0123456789")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5, hard))
    try:
        with pytest.raises(OSError, match="too large"):
            locks._create(source, target)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    with pytest.raises(FileNotFoundError):
        locks._create(tmp_path / "absent", target)
    assert list(tmp_path.iterdir()) == [source]


def test_a_run_may_wait_for_the_end_of_another_run(tmp_path):
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    first.take()
    ending = threading.Timer(0.2, first.release)
    ending.start()
    second.take(wait_s=20)
    ending.join()
    assert second.path.is_file()
    second.release()


# -- strangers in a shared folder --------------------------------------------------


def link(path):
    path.symlink_to(path.parent.parent / "theirs")


def fifo(path):
    os.mkfifo(path)


def folder(path):
    path.mkdir()


@pytest.mark.parametrize("name", [LOCK_FILE, f".{LOCK_FILE}.takeover"])
@pytest.mark.parametrize("make", [link, fifo, folder], ids=lambda make: make.__name__)
def test_what_is_no_file_is_neither_followed_nor_opened_nor_removed(
    tmp_path, make, name
):
    theirs = tmp_path / "theirs"
    theirs.write_text(json.dumps(dataclasses.asdict(Holder.here())))
    os.utime(theirs, (1e9, 1e9))
    out = tmp_path / "out"
    leave(out, pid=DEAD_PID)  # to be taken over
    path = out / name
    path.unlink(missing_ok=True)
    make(path)
    with RunLock(out) as lock, pytest.raises(Locked, match="remove it") as refused:
        lock.take()
    assert str(path) in str(refused.value)
    assert os.path.lexists(path)
    assert theirs.stat().st_mtime == 1e9


@pytest.mark.parametrize(
    "change",
    [
        {"pid": 0}, {"pid": -1}, {"pid": 2**40}, {"pid": "7"}, {"pid": True},
        {"host": 3}, {"since": ["x"]}, {"born": None},
    ],
    ids=str,
)  # fmt: skip
def test_a_lock_with_other_values_holds_until_it_is_old(tmp_path, change):
    holder = {**dataclasses.asdict(Holder.here()), **change}
    (tmp_path / LOCK_FILE).write_text(json.dumps(holder))
    assert not is_taken_over(tmp_path)
    os.utime(tmp_path / LOCK_FILE, (time.time() - 10_000,) * 2)
    assert is_taken_over(tmp_path)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00\x1b[2J", b"[" * 100_000])
@pytest.mark.parametrize("size", [0, 1 << 30])
def test_binary_and_huge_locks_hold_until_they_are_old(tmp_path, content, size):
    path = tmp_path / LOCK_FILE
    path.write_bytes(content)
    if size:
        os.truncate(path, size)
    with RunLock(tmp_path) as lock, pytest.raises(Locked, match="remove the file"):
        lock.take()
    os.utime(path, (time.time() - 10_000,) * 2)
    assert is_taken_over(tmp_path)


def test_an_abandoned_take_over_of_another_host_ends_when_it_is_old(tmp_path):
    holder = leave(tmp_path, pid=DEAD_PID)
    guard = tmp_path / f".{LOCK_FILE}.takeover"
    other = dataclasses.replace(holder, host="other", boot="other")
    guard.write_text(json.dumps(dataclasses.asdict(other)))
    os.utime(guard, (time.time() - 10_000,) * 2)
    assert is_taken_over(tmp_path)


def test_a_lock_of_another_user_is_respected(tmp_path, monkeypatch):
    leave(tmp_path, pid=1, born="")

    def denied(*args):
        raise PermissionError

    monkeypatch.setattr(locks.os, "kill", denied)
    assert not is_taken_over(tmp_path)


def test_a_lock_that_cannot_be_looked_at_is_not_taken_for_lost(tmp_path, monkeypatch):
    with RunLock(tmp_path) as lock:
        lock.take()
        with monkeypatch.context() as patch:
            for name in ("lstat", "stat", "open"):
                patch.setattr(os, name, fail)
            lock.check()
        lock.path.unlink()
        with pytest.raises(FolderLost):
            lock.check()
        lock.path.touch()


def fail(path, *args, **kwargs):
    raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))


def rename(out):
    out.rename(out.with_name("elsewhere"))


def remove(out):
    shutil.rmtree(out)


def replace(out):
    rename(out)
    leave(out)


@pytest.mark.parametrize("change", [rename, remove, replace])
def test_a_folder_that_is_moved_or_removed_is_noticed(tmp_path, change):
    out = tmp_path / "out"

    def work():
        with RunLock(out) as lock:
            lock.take()
            lock.check()
            change(out)
            (out / "parts" / "x").write_text("")  # its error is not the cause

    with pytest.raises(FolderLost, match="moved or removed") as lost:
        work()
    assert str(out) in str(lost.value)
