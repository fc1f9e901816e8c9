"""Leftovers of a worker process: its files, and the processes that its PEs started.

A worker ends without the clean-up of the interpreter, so this module writes the content
of its open files. It also ends the processes that PEs have started, so that none
remains after the run.
"""

from __future__ import annotations

import contextlib
import gc
import io
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.files import list_folder

#: Seconds between two searches for processes.
_SEARCH_SECONDS = 1.0
_WRITERS = (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)


def flush_files(pes: Iterable[GenericPE]) -> None:
    """Write the buffered content of the files that PEs have as attributes."""
    for pe in pes:
        _flush(vars(pe).values())


def clear_up(pes: Iterable[GenericPE]) -> None:
    """End executors and programs of PEs, and write the content of all open files.

    The files are written when all threads have ended.

    Parameters
    ----------
    pes : iterable of GenericPE
        The PEs; they may have opened files before the worker was forked.
    """
    pes = list(pes)

    _shut_down_executors()
    _kill_programs()

    def flush() -> None:
        here = {threading.current_thread(), threading.main_thread()}
        for thread in set(threading.enumerate()) - here:
            if not thread.daemon:
                thread.join()
        flush_files(pes)
        _flush(gc.get_objects())

    others = [t for t in threading.enumerate() if not t.daemon]
    if others == [threading.main_thread()]:
        flush()
    else:  # the main thread must continue, as threads may wait for it
        threading.Thread(target=flush, name="dispel4py-files").start()


def end_attributes(pes: Iterable[GenericPE]) -> None:
    """End executors and programs that PEs have as attributes, and write their files.

    For a process that is the program of a user, whose other programs go on.

    Parameters
    ----------
    pes : iterable of GenericPE
        PEs that are torn down.
    """
    from concurrent.futures import Executor

    for pe in pes:
        for value in vars(pe).values():
            if isinstance(value, Executor):
                value.shutdown()
            elif isinstance(value, subprocess.Popen) and value.poll() is None:
                value.kill()
                value.wait()
        _flush(vars(pe).values())


def flush_open_files() -> None:
    """Write the buffered content of all open files."""
    _flush(gc.get_objects())


def _shut_down_executors() -> None:
    """Shut down pools that PEs keep; multiprocessing would wait for their processes."""
    if "concurrent.futures" not in sys.modules:
        return
    from concurrent.futures import Executor

    for item in gc.get_objects():
        if isinstance(item, Executor):
            item.shutdown()


def _kill_programs() -> None:
    """Kill programs that PEs have started and not ended."""
    children = Descendants()
    children.search([os.getpid()])
    # multiprocessing waits for its own processes
    children.kill(but={process.pid for process in multiprocessing.active_children()})


def _flush(objects: Iterable[Any]) -> None:
    for item in objects:
        if isinstance(item, _WRITERS):
            with contextlib.suppress(Exception):  # closed, or the disk is full
                item.flush()


class Descendants:
    """The processes that the workers of a run have started."""

    def __init__(self) -> None:
        self._found: set[tuple[int, str]] = set()
        self._search_at = 0.0

    def search(self, workers: Iterable[int], at_once: bool = False) -> None:
        """Note the descendants of workers.

        Parameters
        ----------
        workers : iterable of int
            Their process ids.
        at_once : bool
            Whether to search even if the last search was a short time ago.
        """
        now = time.monotonic()
        if now < self._search_at and not at_once:
            return
        self._search_at = now + _SEARCH_SECONDS
        waiting = list(workers)
        while waiting:
            for child in _children(waiting.pop()):
                if (identity := _identity(child)) is not None:
                    self._found.add(identity)
                    waiting.append(child)

    def kill(self, but: Collection[int | None] = ()) -> None:
        """Kill the noted processes that still exist.

        Parameters
        ----------
        but : collection of int
            Processes to keep.
        """
        for pid, start in self._found:
            if pid not in but and _identity(pid) == (pid, start):
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)


def _children(pid: int) -> list[int]:
    children: list[int] = []
    folder = Path(f"/proc/{pid}/task")
    with contextlib.suppress(OSError):  # it has ended, or no file can be opened
        for thread in list_folder(folder)[0]:
            with contextlib.suppress(OSError):
                text = (folder / thread / "children").read_text()
                children += map(int, text.split())
    return children


def _identity(pid: int) -> tuple[int, str] | None:
    """Return a process id and the start of the process; None if it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    # the tracker of multiprocessing ends by itself, when it has cleaned up
    if fields[0] == "Z" or b"resource_tracker" in command:
        return None
    return pid, fields[19]
