"""Names in folders that all users share are not trusted."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from dispel4py.mappings import folders
from dispel4py.mappings.folders import lock, remove_files, remove_folder, run_folder

SHARED = Path("/dev/shm")


@pytest.fixture
def dead_pid() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def shared(tmp_path, monkeypatch):
    """A folder in place of the shared memory."""
    monkeypatch.setattr(folders, "_LONGEST_PATH", 1000)
    monkeypatch.setattr(
        folders,
        "Path",
        lambda *parts: Path(
            *(tmp_path if str(part) == "/dev/shm" else part for part in parts)
        ),
    )
    return tmp_path


def make_run_folder() -> None:
    """Make a folder and remove it; fail if this blocks."""
    thread = threading.Thread(target=lambda: remove_folder(run_folder()), daemon=True)
    thread.start()
    thread.join(10)
    assert not thread.is_alive()


def test_a_folder_of_a_killed_run_is_removed_with_its_segments(shared, dead_pid):
    old = shared / f"dispel4py-{dead_pid}-old"
    old.mkdir(mode=0o700)
    (old / "inbox-0").touch()
    segment = shared / f"{old.name}-segment-0-1"
    segment.touch()
    (old / "segment-0-1").symlink_to(segment)
    make_run_folder()
    assert list(shared.iterdir()) == []


def test_a_link_in_a_folder_never_removes_another_file(shared, dead_pid, tmp_path):
    old = shared / f"dispel4py-{dead_pid}-old"
    old.mkdir(mode=0o700)
    precious, folder = tmp_path / "precious", tmp_path / "folder"
    precious.write_text("data")
    folder.mkdir()
    (old / "segment-0-1").symlink_to(precious)
    (old / "segment-0-2").symlink_to(folder)
    also = tmp_path / f"{old.name}-segment-0-3"
    also.symlink_to(precious)  # the right name, but it is a link
    (old / "segment-0-3").symlink_to(also)
    make_run_folder()
    assert precious.read_text() == "data"
    assert folder.is_dir()
    assert also.is_symlink()
    assert not old.exists()


@pytest.mark.parametrize("kind", ["link", "pipe", "file", "writeable", "other user"])
def test_only_own_folders_are_opened(shared, dead_pid, kind, tmp_path, monkeypatch):
    name = shared / f"dispel4py-{dead_pid}-x"
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    (target / "content").touch()
    if kind == "link":
        name.symlink_to(target)
    elif kind == "pipe":
        os.mkfifo(name)
    elif kind == "file":
        name.touch()
    else:
        target.rename(name)
        target = name
        if kind == "writeable":
            name.chmod(0o777)
        else:
            monkeypatch.setattr(os, "getuid", lambda: os.stat(name).st_uid + 1)
            remove_folder(name)
            assert (name / "content").exists()
            return
    make_run_folder()
    assert os.path.lexists(name)
    assert (target / "content").exists()
    with pytest.raises(OSError, match=str(name)):
        lock(name)


def test_files_of_others_do_not_end_the_run(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    remove_files([str(folder), str(tmp_path / "missing")])
    assert folder.is_dir()
