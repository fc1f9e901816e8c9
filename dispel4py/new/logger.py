"""The logs of PEs on standard output, as in dispel4py 1.x."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

logger = logging.getLogger("dispel4py.new")

_PE_LOG = "dispel4py.pe"


def write_line(text: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def simple_logger(self: Any, msg: object) -> None:
    """Write a message of a PE; it can replace the method ``log`` of a PE."""
    write_line(f"{self.id} (rank {getattr(self, 'rank', 0)}): {msg}")


simpleLogger = simple_logger


def print_stack_trace() -> None:
    """Write the stack of the caller."""
    for frame in traceback.extract_stack()[:-1]:
        write_line(f"{frame.name} in {frame.filename}, line {frame.lineno}")


class _ToStandardOutput(logging.Handler):
    """Writes the messages of `GenericPE.log`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            pe_id, rank, message = record.args  # type: ignore[misc]
            write_line(f"{pe_id} (rank {rank}): {message}")
        except Exception:  # noqa: BLE001 - a handler must never raise
            self.handleError(record)


class PELogs:
    """Shows the logs of PEs in this process and, as an observer, in each worker."""

    def worker_started(self, plan: Any, process: int) -> None:
        """Begin to show the logs in a worker."""
        log = logging.getLogger(_PE_LOG)
        if not any(isinstance(h, _ToStandardOutput) for h in log.handlers):
            log.addHandler(_ToStandardOutput())
            log.setLevel(logging.INFO)
            log.propagate = False


@contextlib.contextmanager
def pe_logs() -> Iterator[list[Any]]:
    """Yield the observers that show the logs of PEs, within this context.

    If the logs already have a handler, there is no observer.
    """
    log = logging.getLogger(_PE_LOG)
    if log.isEnabledFor(logging.INFO) and log.hasHandlers():
        yield []
        return
    level, propagate = log.level, log.propagate
    try:
        yield [PELogs()]
    finally:
        log.setLevel(level)
        log.propagate = propagate
        for handler in list(log.handlers):
            if isinstance(handler, _ToStandardOutput):
                log.removeHandler(handler)
