"""Lists and tables of users come from files and pipes of a shell, not from devices."""

from __future__ import annotations

import os
import threading

import pytest

from dispel4py.errors import ParameterError
from seismo_pes import regular_file
from seismo_pes.metadata.stations import read_station_list
from seismo_pes.regular_file import read_text


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
