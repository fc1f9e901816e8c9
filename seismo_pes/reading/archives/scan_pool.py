"""Scanning many files in parallel processes.

If a process crashes or hangs while it reads a file, the process is replaced and the
file is reported. The processes are started as new interpreters, not forked, and
exchange lines of JSON: so this works inside MPI, in threads, and in scripts without a
main guard.
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

from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.python_program import start_python
from seismo_pes.reading.archives.scan import FileEntry, scan_file

__all__ = ["Scan", "decode", "encode", "processors", "scan_many", "serve"]

logger = logging.getLogger(__name__)

Scan = tuple[list[FileEntry], list[Skipped]]  # what `scan_file` returns
# Seconds of scanning in this process, after which the remaining time is estimated.
TRIAL_S = 1.0
# Processes are started if more than these seconds remain; starting takes one or two.
MIN_REMAINING_S = 5.0
MAX_PROCESSES = 8  # more do not help: the disk or the network is the limit
LIMIT_S = 120.0  # seconds for the headers of one file before its process is killed
READY = "ready\n"
PROGRAM = "from seismo_pes.reading.archives.scan_pool import serve; serve()"


def scan_many(
    paths: Sequence[str], processes: int | None = None, limit_s: float = LIMIT_S
) -> Iterator[tuple[str, Scan]]:
    """Scan files, in parallel processes if there are many.

    Parameters
    ----------
    paths : sequence of str
        The files.
    processes : int, optional
        How many processes; 1: only this one. By default, files are scanned in this
        process for a second; if more than 5 s remain by then, one process for each
        processor is started, 8 at most.
    limit_s : float
        Time limit for one file, seconds. A file that takes longer is reported as
        unreadable.

    Yields
    ------
    path, scan
        The file and what `scan_file` returns for it, in any order.
    """
    remaining = deque(paths)
    start = time.perf_counter()
    while remaining and processes in (None, 1):
        path = remaining.popleft()
        yield path, scan_file(path)
        elapsed_s = time.perf_counter() - start
        remaining_s = elapsed_s / (len(paths) - len(remaining)) * len(remaining)
        if processes is None and elapsed_s > TRIAL_S and remaining_s > MIN_REMAINING_S:
            processes = processors()
    if remaining and processes is not None:
        n_processes = min(processes, len(remaining))
        yield from _scan_in_processes(list(remaining), n_processes, limit_s)


def _scan_in_processes(
    paths: Sequence[str], n_processes: int, limit_s: float
) -> Iterator[tuple[str, Scan]]:
    files: queue.SimpleQueue[str] = queue.SimpleQueue()
    scans: queue.SimpleQueue[tuple[str, Scan]] = queue.SimpleQueue()
    for path in paths:
        files.put(path)
    workers = [_Worker(limit_s) for _ in range(n_processes)]
    threads = [
        threading.Thread(target=_scan_files, args=(worker, files, scans), daemon=True)
        for worker in workers
    ]
    for thread in threads:
        thread.start()
    try:
        for _ in paths:
            yield scans.get()
    finally:
        _clear(files)
        for worker in workers:
            worker.kill()  # without effect if its work is finished
        for thread in threads:
            thread.join()


def processors() -> int:
    """Return how many processors this process may use, at most 8."""
    try:
        return min(MAX_PROCESSES, len(os.sched_getaffinity(0)))
    except AttributeError:  # not on this operating system
        return min(MAX_PROCESSES, os.cpu_count() or 1)


def encode(scan: Scan) -> str:
    """Return the scan of a file as one line of JSON."""
    return json.dumps([[astuple(item) for item in part] for part in scan])


def decode(line: str) -> Scan:
    """Return the scan that `encode` has written."""
    entries, skipped = json.loads(line)
    return [FileEntry(*e) for e in entries], [Skipped(*s) for s in skipped]


def serve() -> None:
    """Read paths from standard input and write the scan of each, until it is closed."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a reader that prints must not write between the answers
    answers.write(READY)
    answers.flush()
    for line in sys.stdin:
        answers.write(encode(scan_file(json.loads(line))) + "\n")
        answers.flush()


def _scan_files(worker: _Worker, files: Any, scans: Any) -> None:
    """Scan files of a queue by one worker until the queue is empty."""
    with closing(worker):
        while True:
            try:
                path = files.get_nowait()
            except queue.Empty:
                return
            try:
                scan = worker.scan(path)
            except Exception as error:  # noqa: BLE001 - the reader waits for an answer
                reason = f"could not be scanned: {error}"  # no defect of the file
                scan = [], [Skipped(FAILED_READ, path, reason)]
            scans.put((path, scan))


def _clear(files: Any) -> None:
    try:
        while True:
            files.get_nowait()
    except queue.Empty:
        return


class _Worker:
    """A process that scans files; it is started at the first file and after a crash.

    One thread calls `scan` and `close`; `kill` may be called by another.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._process: subprocess.Popen[str] | None = None
        self._killed = False

    def scan(self, path: str) -> Scan:
        process = self._process or self._start()
        timed_out = threading.Event()

        def stop() -> None:
            timed_out.set()
            process.kill()

        timer = threading.Timer(self._limit_s, stop)
        timer.daemon = True
        timer.start()
        line = _request_scan(process, path)
        timer.cancel()
        if line.endswith("\n"):
            return decode(line)
        reason = (
            f"the reading process ended while reading it (exit status {self.close()})"
        )
        if timed_out.is_set():  # perhaps the disk is slow: later it may be read
            reason = f"reading its headers took more than {self._limit_s:g} s"
            return [], [Skipped(FAILED_READ, path, reason)]
        return [], [Skipped("scan", path, reason)]

    def close(self) -> int | None:
        """Let the process finish and return its exit status."""
        process, self._process = self._process, None
        if process is None:
            return None
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.close()
        except OSError:
            logger.debug("a scanning process had ended before it was closed")
        code = process.wait()
        process.stdout.close()
        return code

    def kill(self) -> None:
        """Kill the process, or the one that is just being started."""
        self._killed = True
        process = self._process
        if process is not None:
            process.kill()

    def _start(self) -> subprocess.Popen[str]:
        process = self._process = start_python(PROGRAM, text=True)
        if self._killed:
            process.kill()
        assert process.stdout is not None
        if process.stdout.readline() != READY:
            raise RuntimeError(
                f"a scanning process does not start: exit status {self.close()}"
            )
        return process


def _request_scan(process: subprocess.Popen[str], path: str) -> str:
    """Send a path to a scanning process; return its answer, empty if it has ended."""
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(json.dumps(path) + "\n")
        process.stdin.flush()
        return process.stdout.readline()
    except OSError:
        return ""
