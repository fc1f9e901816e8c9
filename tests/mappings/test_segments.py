"""Memory shared between processes."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from dispel4py.mappings import segments
from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.segments import Arena


@pytest.fixture
def folder():
    result = run_folder()
    yield result
    remove_folder(result)


@pytest.mark.parametrize("size", [1, 70_000, 5_000_001])
def test_buffers_arrive_and_the_segment_is_used_again(folder, size) -> None:
    sender, receiver = Arena(folder, 0), Arena(folder, 1)
    for k in range(5):
        first, second = os.urandom(size), bytes([k]) * 3
        path, sizes = sender.send([first, second])
        assert [bytes(b) for b in receiver.receive(path, sizes)] == [first, second]
    assert len(list(folder.iterdir())) == 1
    sender.close()
    receiver.close()


def test_a_segment_in_use_is_not_written_to(folder) -> None:
    sender, receiver = Arena(folder, 0), Arena(folder, 1)
    sent = [sender.send([bytes([k]) * 100_000]) for k in range(3)]
    for k, (path, sizes) in enumerate(sent):
        assert bytes(receiver.receive(path, sizes)[0]) == bytes([k]) * 100_000
    sender.close()
    receiver.close()


def test_a_receiver_that_keeps_many_arrays_gets_copies(folder, monkeypatch) -> None:
    """A process maps no more files than the system allows."""
    monkeypatch.setattr(segments, "_MOST_IN_USE", 4)
    sender, receiver = Arena(folder, 0), Arena(folder, 1)
    kept = [
        receiver.receive(*sender.send([bytes([k]) * 100_000]))[0] for k in range(20)
    ]
    assert [view.tobytes() for view in kept] == [
        bytes([k]) * 100_000 for k in range(20)
    ]
    assert not any(view.readonly for view in kept)
    assert len(list(folder.iterdir())) == 5
    sender.close()
    receiver.close()


def test_segments_that_are_kept_do_not_stand_in_the_way(folder, monkeypatch) -> None:
    """The sender examines only a few segments at a time, and finds free ones later."""
    monkeypatch.setattr(segments, "_MOST_TRIES", 2)
    sender, receiver = Arena(folder, 0), Arena(folder, 1)
    kept = [receiver.receive(*sender.send([b"x" * 9])) for _ in range(10)]
    for _ in range(100):
        path, sizes = sender.send([b"y" * 9])
        assert bytes(receiver.receive(path, sizes)[0]) == b"y" * 9
    assert len(kept) == 10
    assert len(list(folder.iterdir())) == 11
    sender.close()
    receiver.close()


def test_without_room_in_memory_a_file_on_disk_does(folder, monkeypatch) -> None:
    if folder.parent.name != "shm":
        pytest.skip("this system has no /dev/shm")
    original = segments.Segment.__init__

    def refuse(self, path: str, size: int = 0) -> None:
        if size and path.startswith("/dev/shm"):
            raise OSError(28, "No space left on device")
        original(self, path, size)

    monkeypatch.setattr(segments.Segment, "__init__", refuse)
    sender, receiver = Arena(folder, 0), Arena(folder, 1)
    path, sizes = sender.send([b"x" * 100_000])
    assert not path.startswith("/dev/shm")
    assert bytes(receiver.receive(path, sizes)[0]) == b"x" * 100_000
    sender.close()
    receiver.close()
    remove_folder(folder)
    assert not os.path.exists(path)


def test_files_of_a_killed_run_are_removed_by_the_next() -> None:
    code = "from dispel4py.mappings.folders import run_folder; print(run_folder())"
    left = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True
    ).stdout.strip()
    assert os.path.isdir(left)
    remove_folder(run_folder())
    assert not os.path.exists(left)


def test_a_folder_in_use_is_not_removed(tmp_path) -> None:
    """The watcher of an MPI run still reads the folder after its owner was killed."""
    code = (
        "import os, sys; from dispel4py.mappings.folders import run_folder; "
        "print(run_folder(), flush=True); os.fork() or sys.stdin.read()"
    )
    maker = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert maker.stdout is not None
    left = maker.stdout.readline().strip()
    maker.wait()
    try:
        remove_folder(run_folder())
        assert os.path.isdir(left)
    finally:
        maker.communicate("")
        while os.path.isdir(left):  # until the reader has ended as well
            remove_folder(run_folder())


def test_an_array_keeps_its_segment(folder) -> None:
    """An array that was derived from the received array keeps the segment, too."""
    import numpy as np

    from dispel4py.message import decode, encode

    sender, receiver = Arena(folder, 0), Arena(folder, 1)
    kept = []
    for k in range(4):
        head, large = encode({"x": np.full(20_000, k), "y": [np.full(9_000, -k)]})
        path, sizes = sender.send([head, *large])
        first, *rest = receiver.receive(path, sizes)
        item = decode(bytes(first), rest)
        del first, rest
        kept.append((item["x"][::2][5:], item["y"][0].reshape(90, 100).T))
        del item
    for k, (x, y) in enumerate(kept):
        assert (x == k).all()
        assert (y == -k).all()
        assert x.flags.writeable
    assert len(list(folder.iterdir())) == 4
    kept.clear()
    del x, y
    sender.send([head, *large])
    assert len(list(folder.iterdir())) == 4
    sender.close()
    receiver.close()
