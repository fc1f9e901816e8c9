"""Scan many files in processes of their own.

A process that dies or hangs over a file is replaced, and the file is reported. The
processes are started afresh, not forked, and talk by lines of JSON, so that this works
inside MPI, in threads, and in scripts without a main guard.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import astuple
from typing import Any

from seismo_pes.items.skipped import Skipped
from seismo_pes.reading.archives.scan import FileEntry, scan_file

__all__ = ["Found", "decode", "encode", "processors", "scan_many", "serve"]

logger = logging.getLogger(__name__)

Found = tuple[list[FileEntry], list[Skipped]]
TRIAL_S = 1.0  # of scanning here, which tells how long the rest will take
WORTH_IT_S = 5.0  # of what is left: processes take a second or two to start
MOST = 8
LIMIT_S = 120.0
READY = "ready\n"
PROGRAM = "from seismo_pes.reading.archives.scan_pool import serve; serve()"


def scan_many(
    paths: Sequence[str], processes: int | None = None, limit_s: float = LIMIT_S
) -> Iterator[tuple[str, Found]]:
    """Scan files, in processes of their own if there are many.

    Parameters
    ----------
    paths : sequence of str
        The files.
    processes : int, optional
        How many; by default one for each processor, up to 8, where the first files
        show that all will take more than some seconds. 1: in this process.
    limit_s : float
        A file that takes longer is given up.

    Yields
    ------
    path, found
        What `scan_file` returns, in any order.
    """
    left = deque(paths)
    began = time.perf_counter()
    while left and processes in (None, 1):
        path = left.popleft()
        yield path, scan_file(path)
        spent_s = time.perf_counter() - began
        left_s = spent_s / (len(paths) - len(left)) * len(left)
        if processes is None and spent_s > TRIAL_S and left_s > WORTH_IT_S:
            processes = processors()
    if left and processes is not None:
        yield from _in_processes(list(left), min(processes, len(left)), limit_s)


def _in_processes(
    paths: Sequence[str], n_processes: int, limit_s: float
) -> Iterator[tuple[str, Found]]:
    todo: queue.SimpleQueue[str] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[str, Found]] = queue.SimpleQueue()
    for path in paths:
        todo.put(path)
    workers = [_Worker(limit_s) for _ in range(n_processes)]
    threads = [
        threading.Thread(target=_drain, args=(worker, todo, done), daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in paths:
            yield done.get()
    finally:
        _empty(todo)
        for worker in workers:
            worker.break_off()  # nothing to break off if all is done
        for thread in threads:
            thread.join()


def processors() -> int:
    """Return the processors that this process may use, at most 8."""
    try:
        return min(MOST, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on this system
        return min(MOST, os.cpu_count() or 1)


def encode(found: Found) -> str:
    """Return what was found in a file as one line of JSON."""
    return json.dumps([[astuple(item) for item in part] for part in found])


def decode(line: str) -> Found:
    """Return what `encode` was given."""
    entries, skipped = json.loads(line)
    return [FileEntry(*e) for e in entries], [Skipped(*s) for s in skipped]


def serve() -> None:
    """Answer paths on standard input by what is found, until it is closed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a reader that prints must not spoil the answers
    answers.write(READY)
    answers.flush()
    for line in sys.stdin:
        answers.write(encode(scan_file(json.loads(line))) + "\n")
        answers.flush()


def _drain(worker: _Worker, todo: Any, done: Any) -> None:
    with closing(worker):
        while True:
            try:
                path = todo.get_nowait()
            except queue.Empty:
                return
            try:
                found = worker.scan(path)
            except Exception as error:  # noqa: BLE001 - a missing answer would hang
                problem = Skipped("scan", path, f"could not be scanned: {error}")
                found = [], [problem]
            done.put((path, found))


def _empty(todo: Any) -> None:
    try:
        while True:
            todo.get_nowait()
    except queue.Empty:
        return


class _Worker:
    """A process that scans, started when it is needed; one thread uses it."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[str] | None = None
        self._broken_off = False

    def scan(self, path: str) -> Found:
        process = self._process or self._start()
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        timer = threading.Timer(self._limit_s, give_up)
        timer.daemon = True
        timer.start()
        line = _answer(process, path)
        timer.cancel()
        if line.endswith("\n"):
            return decode(line)
        reason = f"reading it ended the reading process (exit status {self.close()})"
        if late.is_set():
            reason = f"given up: reading its headers took more than {self._limit_s:g} s"
        return [], [Skipped("scan", path, reason)]

    def close(self) -> int | None:
        """Let the process end, and return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
        except OSError:
            logger.debug("a scanning process had gone")
        code = process.wait()
        process.stdout.close()
        return code

    def break_off(self) -> None:
        """End the process at once; called from another thread."""
        self._broken_off = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> subprocess.Popen[str]:
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        process = self._process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
            text=True,
        )
        if self._broken_off:
            process.kill()
        assert process.stdout is not None
        if process.stdout.readline() != READY:
            raise RuntimeError(f"no scanning process: exit status {self.close()}")
        return process


def _answer(process: subprocess.Popen[str], path: str) -> str:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(path) + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except OSError:
        return ""
