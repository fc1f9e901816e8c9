"""Files with the content of large frames, as tuples of Storm are text.

The tuple has the path of the file, in shared memory where the system has it. A receiver
on the same host reads the file. A receiver on another host does not find it, and gets
it by a connection from the process that wrote it.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import threading
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from dispel4py.errors import Dispel4pyError
from dispel4py.mappings.folders import remove_folder, run_folder
from dispel4py.mappings.storm.frames import Content, read_content
from dispel4py.mappings.storm.wires import connect, listen, serve

#: A file: its path, and host and port of the process that wrote it.
Reference = list[Any]


class FrameLost(Dispel4pyError):
    """The content of a frame is gone, as the process that sent it has ended."""


class FrameFolder:
    """The files of one process, and a server for receivers on other hosts.

    Parameters
    ----------
    host : str
        Address by which other hosts reach this process.
    key : bytes
        The key of the run.
    """

    def __init__(self, host: str, key: bytes) -> None:
        self._host, self._key = host, key
        self._folder: Path | None = None
        self._port = self._n_files = 0
        self._listener: Any = None
        self._storing = threading.RLock()

    def store(self, chunks: Sequence[Any]) -> Reference | None:
        """Write a file; return None if there is no space for it.

        Parameters
        ----------
        chunks : sequence of buffers
            The content.
        """
        with self._storing:
            if self._folder is None:
                self._open()
            assert self._folder is not None
            path = self._folder / str(self._n_files)
            self._n_files += 1
            try:
                with open(path, "xb", buffering=0) as file:
                    for chunk in chunks:
                        _write_all(file, memoryview(chunk).cast("B"))
            except OSError as error:
                path.unlink(missing_ok=True)
                if error.errno != errno.ENOSPC:
                    raise
                return None
            return [str(path), self._host, self._port]

    def _open(self) -> None:
        self._folder = run_folder()
        self._listener = listen(self._host)
        self._port = self._listener.getsockname()[1]
        serve(self._listener, self._key, "frames", self._answer)

    def _answer(self, connection: Connection) -> None:
        """Send files to one receiver until it closes the connection."""
        folder = self._folder
        assert folder is not None
        while True:
            name, is_kept = connection.recv()
            path = folder / os.path.basename(name)
            try:
                content = path.read_bytes()
            except FileNotFoundError:
                content = b""
            if not is_kept:
                path.unlink(missing_ok=True)
            connection.send_bytes(content)

    def close(self) -> None:
        """Remove all files, and end the server, before this process ends.

        A thread that stores a file after this waits for the end of the process: without
        the folder it would report a failure.
        """
        self._storing.acquire()
        if self._listener is not None:
            self._listener.close()
        if self._folder is not None:
            remove_folder(self._folder)


def _write_all(file: Any, content: memoryview) -> None:
    while content:
        content = content[file.write(content) :]


class FileReader:
    """Reads the files of other processes, here or on other hosts.

    Parameters
    ----------
    key : bytes
        The key of the run.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._connections: dict[tuple[str, int], Connection] = {}

    def read(self, reference: Reference, is_kept: bool) -> Content:
        """Read a file.

        Parameters
        ----------
        reference : list
            The file.
        is_kept : bool
            Whether the sender may need the file again; otherwise it is removed.

        Raises
        ------
        FrameLost
            If it does not exist any more.
        """
        path = reference[0]
        try:
            with open(path, "rb") as file:
                content = read_content(file)
        except FileNotFoundError:
            return self._fetch(reference, is_kept)
        if not is_kept:
            remove(reference)
        return content

    def _fetch(self, reference: Reference, is_kept: bool) -> Content:
        path, address = reference[0], (reference[1], int(reference[2]))
        try:
            if address not in self._connections:
                self._connections[address] = connect(address, self._key)
            connection = self._connections[address]
            connection.send((path, is_kept))
            content = connection.recv_bytes()
        except (OSError, EOFError) as error:
            self._connections.pop(address, None)
            raise FrameLost(
                f"{address[0]}:{address[1]} does not answer: {error}"
            ) from error
        if not content:
            raise FrameLost(f"there is no {path} at {address[0]}:{address[1]}")
        return read_content(io.BytesIO(content))


def remove(reference: Reference) -> None:
    """Remove a file, if it is on this host."""
    with contextlib.suppress(OSError):
        os.unlink(reference[0])
