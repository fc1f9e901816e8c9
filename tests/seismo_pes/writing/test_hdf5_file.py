"""HDF5 files on a disk that fails: an exception after each failed write, no crash."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import resource
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from seismo_pes.writing.asdf import AsdfWriter
from seismo_pes.writing.hdf5_file import hdf5_file
from seismo_pes.writing.part_files import create_part, read_layout, seal_part


def write_columns(path: Path) -> None:
    with hdf5_file(path, track_order=True) as file:
        group = file.create_group("ledger")
        for number in range(20):
            group.create_dataset(f"column {number}", data=np.arange(300.0))


def add_a_column(path: Path) -> None:
    with hdf5_file(path) as file:
        file["first"] = np.arange(1000.0)
    with hdf5_file(path, "r+") as file:
        file["second"] = np.arange(1000.0)


def write_asdf(path: Path) -> None:
    with AsdfWriter(path) as file:
        for number in range(20):
            file.add_auxiliary(np.zeros(300), "Noise", f"A/B{number}", {"dt": 0.5})


def write_part(path: Path) -> None:
    create_part(path, rows=100, n_lags=201, dtype="<f4", about="a run")


@contextlib.contextmanager
def longest_file(n: int) -> Iterator[None]:
    """No file may be longer than n bytes: a write beyond it fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("write", [write_columns, add_a_column, write_asdf, write_part])
def test_a_failed_write_at_any_place_is_an_error(write, tmp_path):
    path = tmp_path / "file.h5"
    write(path)
    size = path.stat().st_size
    for limit in np.linspace(0, size - 1, 50).astype(int).tolist():
        path.unlink(missing_ok=True)
        with longest_file(limit), pytest.raises(OSError, match="too large") as caught:
            write(path)
        assert caught.value.errno == errno.EFBIG
    path.unlink(missing_ok=True)
    with longest_file(size):
        write(path)
    with h5py.File(path) as file:
        assert len(file) > 0


def test_a_part_stays_as_it_was_if_the_disk_fails_while_it_is_sealed(tmp_path):
    path = tmp_path / "part.h5"
    write_part(path)
    before = path.read_bytes()
    layout = read_layout(path)
    for limit in np.linspace(0, layout.data_offset, 50).astype(int).tolist():
        with longest_file(limit), pytest.raises(OSError, match="too large") as caught:
            seal_part(path, layout, 100)
        assert caught.value.filename == str(path)
        assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("call", ["fsync", "ftruncate"])
def test_a_part_that_cannot_be_sealed_is_named(call, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    path = tmp_path / "part.h5"
    write_part(path)
    layout = read_layout(path)
    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="Input/output error") as caught:
        seal_part(path, layout, 100)
    assert caught.value.filename == str(path)


def test_other_errors_pass(tmp_path):
    with pytest.raises(ZeroDivisionError), hdf5_file(tmp_path / "file.h5") as file:
        file["shift"] = 1 / 0
    with pytest.raises(FileNotFoundError), hdf5_file(tmp_path / "absent.h5", "r+"):
        pass


def test_a_system_that_returns_less_than_asked_is_asked_again(tmp_path, monkeypatch):
    """One read of Linux returns at most two gigabytes: the rest is not zero."""

    class Slow(io.FileIO):
        def readinto(self, buffer):
            return super().readinto(memoryview(buffer)[:1000])

    path = tmp_path / "file.h5"
    write_columns(path)
    monkeypatch.setattr(io, "FileIO", Slow)
    with hdf5_file(path, "r+") as file:
        for number in range(20):
            assert (file[f"ledger/column {number}"][:] == np.arange(300.0)).all()
