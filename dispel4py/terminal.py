"""The surroundings of a command: its logs, and the signals that end it."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO


class _StandardError(logging.StreamHandler[TextIO]):
    """Logs to the current `sys.stderr`, which a progress display may replace."""

    def __init__(self) -> None:
        logging.Handler.__init__(self)

    @property
    def stream(self) -> TextIO:
        return sys.stderr

    @stream.setter
    def stream(self, stream: TextIO) -> None:
        pass


def start_logging(level: str, pes: bool = False) -> None:
    """Log to standard error.

    Parameters
    ----------
    level : str
        The lowest level that is shown.
    pes : bool
        Show what PEs log by `pe.log`, too.
    """
    root = logging.getLogger()
    lowest = min(logging.INFO, _number(level)) if pes else logging.NOTSET
    logging.getLogger("dispel4py.pe").setLevel(lowest)
    root.setLevel(level.upper())
    if not any(isinstance(handler, _StandardError) for handler in root.handlers):
        handler = _StandardError()
        handler.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))
        root.addHandler(handler)


def _number(level: str) -> int:
    return logging.getLevelNamesMapping()[level.upper()]


class Logs:
    """An observer that starts logging in each worker, also in a spawned worker.

    Parameters
    ----------
    level : str
    pes : bool
        As for `start_logging`.
    """

    def __init__(self, level: str, pes: bool = False) -> None:
        self.level, self.pes = level, pes

    def worker_started(self, plan: Any, process: int) -> None:
        """Log from now on."""
        start_logging(self.level, self.pes)


class Terminated(KeyboardInterrupt):
    """SIGTERM as an exception: as after Ctrl-C, a run ends all its processes."""


@contextlib.contextmanager
def unwind_at_sigterm() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` within this context."""

    def terminate(signum: int, frame: Any) -> NoReturn:
        raise Terminated

    try:
        handler = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, handler)


_USER_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def hold_signals(numbers: Sequence[int] = _USER_SIGNALS) -> Iterator[None]:
    """Delay Ctrl-C and SIGTERM while processes are started.

    A signal raises an exception, and Python loses an exception that is raised in its
    callbacks at a fork. The new processes delay the signals, too, until they call
    `set_worker_signals`. Otherwise Ctrl-C would print a traceback for each process.
    """
    received: list[int] = []
    try:
        handlers = {
            n: signal.signal(n, lambda n, _: received.append(n)) for n in numbers
        }
    except ValueError:  # not the main thread: signals interrupt only the main thread
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in received:
            signal.raise_signal(number)


def set_worker_signals() -> None:
    """Ignore Ctrl-C, which the parent handles, and end at SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _USER_SIGNALS)
