"""Reading files in a separate process, because a damaged file may crash the reader.

Each process of a run has at most one such reading process. It is started at the first
file that needs it, as a new interpreter, so that it works with MPI and with threads. It
is started again after a crash. Processor time and memory for one file are limited. The
time on the clock is not limited while the reader reads, computes, or waits for a disk:
a slow disk is no damage. A file whose reader has died is not read a second time, unless
it has changed.
"""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import pickle
import resource
import signal
import struct
import subprocess
import sys
import threading
import time
import warnings
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import IO, Any

from obspy import Stream

from dispel4py.errors import DataError
from seismo_pes.library_warnings import record_warnings
from seismo_pes.python_program import start_python
from seismo_pes.reading.formats.plugins import read_as_any
from seismo_pes.regular_file import ReadFailed, is_failed_read, read_error

__all__ = ["read_in_process", "serve"]

logger = logging.getLogger(__name__)

PROGRAM = "from seismo_pes.reading.formats.reading_process import serve; serve()"
READY = b"R"
LENGTH = struct.Struct(">Q")
# Processor time for a file in seconds, and per megabyte of the file: far more than the
# slowest reader needs for an intact file.
LIMIT_S = 10.0
LIMIT_S_PER_MB = 2.0
# Memory for a file, in bytes, and per byte of the file.
LIMIT_BYTES = 512 << 20
LIMIT_BYTES_PER_BYTE = 32


# Seconds between two looks at a reader that has not answered yet.
LOOK_S = 1.0
# Seconds after which a user is informed that a file takes long; each further message
# comes after so many times the seconds of the last.
REPORT_S, REPORT_FACTOR = 5.0, 4.0
# Seconds after which a reader that neither reads nor computes nor waits for a disk is
# ended. File systems that fetch a file from a tape need minutes for the first byte.
IDLE_S = 1800.0
IDLE = f"its reader got no data for {IDLE_S / 60:.0f} minutes"


class ReaderDied(Exception):
    """The process ended while it read a file."""


class ReaderMissing(Exception):
    """The process does not start."""


class ReaderIdle(Exception):
    """The process has neither read nor computed for a long time."""


def read_in_process(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> Stream:
    """Read a file of any format in another process; see `plugins.read_as_any`.

    Parameters
    ----------
    path, file_format, headonly
        See `waveform_files.read_file`.
    selection
        Its ``start_ns``, ``end_ns`` and ``channel_id``.

    Raises
    ------
    DataError
        If the file cannot be read, or its reader crashes, or needs too much time or
        memory.
    """
    request = (path, file_format, headonly, selection)
    state = _state(path)
    if (death := _deaths.get(path)) is not None and death.concerns(state, headonly):
        raise DataError(f"{path}: {death.cause}")
    answer = _process().read((_limits(state[0]), request))
    if answer.get("died"):
        _deaths[path] = _Death(state, headonly, answer["error"])
    for message in answer.get("warnings", ()):
        warnings.warn(message, stacklevel=2)
    if "error" in answer:
        kind = ReadFailed if answer.get("failed") else DataError
        raise kind(f"{path}: {answer['error']}")
    stream: Stream = answer["stream"]
    return stream


@dataclass(frozen=True)
class _Death:
    """A reader has died at a file, as its headers alone or all of it were read."""

    state: tuple[int, int]
    headonly: bool
    cause: str

    def concerns(self, state: tuple[int, int], headonly: bool) -> bool:
        """Return whether reading an unchanged file would end in the same way."""
        return self.state == state and (self.headonly or not headonly)


_deaths: dict[str, _Death] = {}


def _state(path: str) -> tuple[int, int]:
    """Return size and time of the last change of a file."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise read_error(path, error) from error
    return status.st_size, status.st_mtime_ns


def _limits(size: int) -> tuple[float, int]:
    """Return the limits for a file: seconds of processor time, bytes of memory."""
    seconds = LIMIT_S + LIMIT_S_PER_MB * size / 1e6
    return seconds, LIMIT_BYTES + LIMIT_BYTES_PER_BYTE * size


class _ReadingProcess:
    """The connection to the reading process."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def read(self, request: tuple[Any, ...]) -> dict[str, Any]:
        """Send a request and return its answer, or the cause of a crash."""
        with self._lock:
            try:
                process = self._process or self._start()
            except (ReaderMissing, OSError) as error:  # it says nothing about the file
                return {"error": f"its reader does not start: {error}", "failed": True}
            try:
                _send(process.stdin, pickle.dumps(request, 5))
                self._wait(process, request)
                answer: dict[str, Any] = pickle.loads(_receive(process.stdout))
            except ReaderIdle:
                self._end(at_once=True)
                return {"error": IDLE, "failed": True}
            except (ReaderDied, OSError):
                (limit_s, _), _ = request
                cause = _cause_of_death(self._end(), limit_s)
                return {"error": cause, "died": True}
            except BaseException:  # the answer to this request must not be read later
                self._end()
                raise
            return answer

    @staticmethod
    def _wait(process: subprocess.Popen[bytes], request: tuple[Any, ...]) -> None:
        """Wait for the answer to a request.

        Raises
        ------
        ReaderIdle
            If the reader neither reads nor computes nor waits for a disk for too long.
        """
        patience = _Patience(process.pid, request[1][0])
        while not wait([process.stdout], LOOK_S):  # type: ignore[list-item]
            patience.look()

    def close(self) -> None:
        """End the process."""
        if self._process is not None and self.owner == os.getpid():
            self._end()

    def _start(self) -> subprocess.Popen[bytes]:
        process = start_python(PROGRAM, stderr=subprocess.DEVNULL)
        self._process = process
        assert process.stdout is not None
        if process.stdout.read(1) != READY:
            status = self._end()
            raise ReaderMissing(f"exit status {status}")
        return process

    def _end(self, at_once: bool = False) -> int:
        process, self._process = self._process, None
        assert process is not None
        if at_once:
            process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        try:
            return process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class _Patience:
    """Watches a reader: a user is informed, and an idle reader is noticed.

    Parameters
    ----------
    pid : int
        The process of the reader.
    path : str
        The file.
    """

    def __init__(self, pid: int, path: str) -> None:
        self._pid, self._path = pid, path
        self._began = self._looked = time.monotonic()
        self._report_s = REPORT_S
        self._work: Any = None
        self._idle_s = 0.0

    def look(self) -> None:
        """Look at the reader.

        Raises
        ------
        ReaderIdle
            If it has been idle for `IDLE_S`.
        """
        now = time.monotonic()
        # longer if this process was suspended, perhaps with the reader
        elapsed_s = min(now - self._looked, 2 * LOOK_S)
        self._looked = now
        if now - self._began > self._report_s:
            seconds = now - self._began
            logger.warning("%s: is being read for %.0f s", self._path, seconds)
            self._report_s *= REPORT_FACTOR
        work = _work_of(self._pid)
        is_idle = work is not None and work == self._work
        self._work = work
        self._idle_s = self._idle_s + elapsed_s if is_idle else 0.0
        if self._idle_s > IDLE_S:
            raise ReaderIdle


def _work_of(pid: int) -> tuple[str, ...] | None:
    """Return processor time and bytes read so far; None if it waits for a disk."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        n_read = Path(f"/proc/{pid}/io").read_text().split()[1]
    except OSError:  # it has ended, or the system has no such files
        return None
    return None if fields[0] == "D" else (*fields[11:13], n_read)


_own: _ReadingProcess | None = None


def _process() -> _ReadingProcess:
    """Return the reading process of this process; a forked process gets its own."""
    global _own
    if _own is None or _own.owner != os.getpid():
        _own = _ReadingProcess()
        atexit.register(_own.close)
    return _own


def _cause_of_death(status: int, limit_s: float) -> str:
    if status == -signal.SIGXCPU:
        return (
            f"its reader does not finish in {limit_s:.0f} s of processor time; the "
            "file is damaged"
        )
    if status < 0:
        name = signal.Signals(-status).name
        return f"its reader crashed ({name}); the file is damaged"
    return f"its reader ended with status {status}; the file is damaged"


def _send(pipe: IO[bytes] | None, content: bytes) -> None:
    assert pipe is not None
    pipe.write(LENGTH.pack(len(content)))
    pipe.write(content)
    pipe.flush()


def _receive(pipe: IO[bytes] | None) -> bytes:
    assert pipe is not None
    head = pipe.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise ReaderDied
    (size,) = LENGTH.unpack(head)
    content = pipe.read(size)
    if len(content) < size:
        raise ReaderDied
    return content


# -- the other process ----------------------------------------------------------------


def serve() -> None:
    """Answer requests from standard input, until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # it ends with its input
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a reader that prints must not write between the answers
    answers.write(READY)
    answers.flush()
    while True:
        try:
            request = pickle.loads(_receive(sys.stdin.buffer))
        except ReaderDied:
            return
        limits, file = request
        _lower_limits(*limits)
        _send(answers, pickle.dumps(_answer(*file), 5))


def _answer(
    path: str, file_format: str, headonly: bool, selection: dict[str, Any]
) -> dict[str, Any]:
    with record_warnings() as caught:
        try:
            answer = {"stream": read_as_any(path, file_format, headonly, selection)}
        except MemoryError:
            answer = {"error": "its reader needs too much memory; the file is damaged"}
        except Exception as error:  # noqa: BLE001 - readers raise anything
            text = " ".join(str(error).removeprefix(f"{path}: ").split())
            if isinstance(error, OSError) and error.strerror:
                text = error.strerror
            elif not isinstance(error, DataError):
                name = type(error).__name__
                text = f"{name}: {text}" if text else name
            answer = {
                "error": text[:200],
                "failed": is_failed_read(error),
            }
    return {**answer, "warnings": [str(warning.message) for warning in caught]}


def _lower_limits(seconds: float, n_bytes: int) -> None:
    """Limit time and memory for a file; beyond the time the process is killed."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)
    _lower(resource.RLIMIT_AS, _address_space() + n_bytes)


def _lower(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(kind, (value, hard))


def _address_space() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    return pages * resource.getpagesize()
