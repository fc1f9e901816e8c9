"""Files given by name: lists from files and pipes, not devices; failed reads."""

from __future__ import annotations

import os
import threading

import h5py
import numpy as np
import pytest
from obspy import Stream, Trace

from dispel4py.errors import DataError, ParameterError
from seismo_pes import regular_file
from seismo_pes.hdf5_input import open_hdf5
from seismo_pes.metadata.stations import read_station_list
from seismo_pes.reading.archives.measured_rates import record_times
from seismo_pes.reading.formats.solver_text import read_solver_text
from seismo_pes.regular_file import ReadFailed, read_text


def test_a_pipe_of_a_shell_is_read_to_its_end():
    receive, send = os.pipe()

    def write():
        os.write(send, b"XX AAA\n")
        os.close(send)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert read_text(f"/dev/fd/{receive}") == "XX AAA\n"
    finally:
        writer.join()
        os.close(receive)


def test_the_mark_of_utf_8_is_left_out(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbfXX AAA\n")
    assert read_text(path) == "XX AAA\n"


@pytest.mark.parametrize(
    ("name", "reason"), [("/dev/zero", "is a device"), ("pipe", "is a named pipe")]
)
def test_a_station_list_is_a_file(tmp_path, name, reason):
    path = tmp_path / name
    if name == "pipe":
        os.mkfifo(path)
    with pytest.raises(ParameterError, match=reason):
        read_station_list(path)


def test_a_list_of_endless_size_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(regular_file, "MAX_TEXT_BYTES", 10)
    path = tmp_path / "list.txt"
    path.write_text("XX AAA\n" * 10)
    with pytest.raises(ParameterError, match="MiB of text"):
        read_station_list(path)


def enter_hdf5(path):
    with open_hdf5(path):
        raise AssertionError("there is no such file")


def read_times(path):
    trace = Trace(np.zeros(1))
    trace.stats._format = "MSEED"
    record_times(str(path), Stream([trace]))


@pytest.mark.parametrize("read", [enter_hdf5, read_times, read_solver_text])
def test_a_link_to_itself_is_no_file_that_may_be_readable_later(tmp_path, read):
    path = tmp_path / "XX.AAA.BXZ.semd"
    with pytest.raises(ReadFailed, match=f"^{path}: No such file or directory$"):
        read(path)
    path.symlink_to(path)
    with pytest.raises(DataError, match=f"^{path}: Too many levels") as failure:
        read(path)
    assert not isinstance(failure.value, ReadFailed)


def test_a_file_that_becomes_shorter_while_it_is_read_is_a_failed_read(tmp_path):
    path = tmp_path / "day.h5"
    with h5py.File(path, "w") as file:
        file["waveform"] = np.ones(100_000)

    def read():
        with open_hdf5(path) as file:
            os.truncate(path, 500_000)
            return file["waveform"][:]

    with pytest.raises(ReadFailed, match=f"^{path}: became shorter while it was read$"):
        read()


@pytest.mark.parametrize("size", [0, 1, 7, 8, 95, 515, 4000])
def test_a_damaged_hdf5_file_is_no_failed_read(tmp_path, size):
    path = tmp_path / "day.h5"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["waveform"] = np.ones(1000)
    os.truncate(path, size)
    with pytest.raises(OSError, match=r"Unable|unable") as failure, open_hdf5(path):
        pass
    assert not isinstance(failure.value, ReadFailed)
