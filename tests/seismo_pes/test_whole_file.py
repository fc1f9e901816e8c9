"""Files that are complete under their names, or absent."""

import errno
import os
import sys

import pytest

from seismo_pes import whole_file as module
from seismo_pes.full_disk import name_errors, system_error
from seismo_pes.whole_file import sync_folder, whole_file
from tests.unseen import fail_to_sync


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_a_failure_leaves_the_earlier_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("earlier")

    def write():
        with whole_file(path) as temporary:
            temporary.write_text("part")
            raise OSError(errno.ENOSPC, "full")

    with pytest.raises(OSError, match="No space left") as raised:
        write()
    assert raised.value.filename == str(path)
    assert contents(tmp_path) == {"a.txt": "earlier"}


@pytest.mark.parametrize("call", ["fsync", "rename"])
def test_a_file_that_cannot_be_synced_or_renamed_has_no_name(
    tmp_path, monkeypatch, call
):
    def fail(*args, **kwargs):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module.os, call, fail)
    with pytest.raises(OSError, match="Input/output") as raised:  # noqa: SIM117
        with whole_file(tmp_path / "a.txt") as temporary:
            temporary.write_text("text")
    assert raised.value.filename == str(tmp_path / "a.txt")
    assert contents(tmp_path) == {}


def test_a_strangers_link_or_pipe_is_not_written_to(tmp_path):
    theirs, folder = tmp_path / "theirs", tmp_path / "out"
    theirs.write_text("theirs")
    folder.mkdir()
    (folder / ".a.txt.tmp").symlink_to(theirs)
    os.mkfifo(folder / ".b.txt.tmp")
    for name in ("a.txt", "b.txt"):
        with whole_file(folder / name) as temporary:
            temporary.write_text("ours")
    assert theirs.read_text() == "theirs"
    assert contents(folder) == {"a.txt": "ours", "b.txt": "ours"}


class WritesAtItsEnd:
    """As a dataset of HDF5, whose data are written when it is no longer used."""

    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error


def test_an_error_that_python_only_prints_is_raised(tmp_path, monkeypatch):
    text = "Can't decrement id ref count (errno = 28, error message = '...')"

    def write():
        with whole_file(tmp_path / "a.h5") as temporary:
            temporary.write_text("part")
            WritesAtItsEnd(RuntimeError(text))

    with pytest.raises(OSError, match="No space left") as raised:
        write()
    assert raised.value.filename == str(tmp_path / "a.h5")
    assert contents(tmp_path) == {}
    others = []
    monkeypatch.setattr(sys, "unraisablehook", others.append)
    with whole_file(tmp_path / "a.h5") as temporary:
        temporary.write_text("text")
        WritesAtItsEnd(ValueError("no error of the disk"))
    assert len(others) == 1
    assert contents(tmp_path) == {"a.h5": "text"}


def test_errors_have_the_name_of_the_innermost_file():
    def fail(error):
        with name_errors("outer.h5", ".outer.h5.tmp"):
            raise error

    hdf5 = "file read failed: filename = 'x.h5', file descriptor = 4, errno = 5, error"
    cases = [
        (OSError(errno.EIO, "text"), "outer.h5"),
        (OSError(errno.EIO, "text", ".outer.h5.tmp"), "outer.h5"),
        (KeyError("errno = 5, error message = '...'"), "outer.h5"),
    ]
    for error, name in cases:
        with pytest.raises(OSError, match="Input/output") as raised:
            fail(error)
        assert raised.value.filename == name
    assert system_error(KeyError(hdf5)).filename == "x.h5"
    for error in (OSError(errno.EIO, "text", "inner"), KeyError("no"), OSError("no")):
        with pytest.raises(type(error)) as raised:
            fail(error)
        assert raised.value is error


def test_a_folder_that_cannot_be_synced_is_named(tmp_path, monkeypatch):
    fail_to_sync(monkeypatch)
    with pytest.raises(OSError, match="Input/output error") as failure:
        sync_folder(tmp_path)
    assert failure.value.filename == str(tmp_path)
