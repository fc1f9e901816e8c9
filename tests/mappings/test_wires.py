"""Connections between the processes of a run under Storm."""

from __future__ import annotations

import errno
import os
import socket

import pytest

from dispel4py.mappings.storm.wires import connect, listen, serve

KEY = b"the key of a run"


class Busy(socket.socket):
    """A listener whose process has at first too many open files."""

    n_refused = 0

    def accept(self):
        if self.n_refused < 2:
            self.n_refused += 1
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return super().accept()


@pytest.fixture
def address():
    def answer(connection):
        while True:
            connection.send(2 * connection.recv())

    with Busy(fileno=listen("127.0.0.1").detach()) as listener:
        serve(listener, KEY, "doubles", answer)
        yield listener.getsockname()


def test_processes_connect_although_no_file_could_be_opened_before(address):
    with connect(address, KEY) as first, connect(address, KEY) as second:
        first.send(1)
        second.send(21)
        assert (first.recv(), second.recv()) == (2, 42)


def test_another_key_is_refused_and_the_next_process_served(address):
    with pytest.raises(OSError, match="does not have the key"):
        connect(address, b"another key")
    with connect(address, KEY) as connection:
        connection.send(4)
        assert connection.recv() == 8
