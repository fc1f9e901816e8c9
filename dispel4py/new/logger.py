"""The logs of PEs on standard output, as users of these paths expect them."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
from collections.abc import Iterator
from typing import Any

logger = logging.getLogger("dispel4py.new")

_PE_LOG = "dispel4py.pe"


def tell(text: str) -> None:
    """Write one line to standard output."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def simple_logger(self: Any, msg: object) -> None:
    """Write a message of a PE; as a method of the PE it is its ``log``."""
    tell(f"{self.id} (rank {getattr(self, 'rank', 0)}): {msg}")


simpleLogger = simple_logger


def print_stack_trace() -> None:
    """Write the stack of the caller."""
    for frame in traceback.extract_stack()[:-1]:
        tell(f"{frame.name} in {frame.filename}, line {frame.lineno}")


class _ToStandardOutput(logging.Handler):
    """Writes the messages of `GenericPE.log`."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        try:
            pe_id, rank, message = record.args  # type: ignore[misc]
            tell(f"{pe_id} (rank {rank}): {message}")
        except Exception:  # noqa: BLE001 - the rule for handlers: never raise
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

    If the logs have a handler already, there is no observer.
    """
    log = logging.getLogger(_PE_LOG)
    if log.isEnabledFor(logging.INFO) and log.hasHandlers():
        yield []
        return
    before = log.level, log.propagate
    try:
        yield [PELogs()]
    finally:
        log.setLevel(before[0])
        log.propagate = before[1]
        for handler in list(log.handlers):
            if isinstance(handler, _ToStandardOutput):
                log.removeHandler(handler)
