"""The surroundings of a command: its logs, and the signals that end it."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO


class _StandardError(logging.StreamHandler[TextIO]):
    """Logs to the present standard error, which a progress display may replace."""

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
    """An observer that starts logging in workers, also in those that were not forked.

    Parameters
    ----------
    level : str
    pes : bool
        As `start_logging` has them.
    """

    def __init__(self, level: str, pes: bool = False) -> None:
        self.level, self.pes = level, pes

    def worker_started(self, plan: Any, process: int) -> None:
        """Log from now on."""
        start_logging(self.level, self.pes)


class Terminated(KeyboardInterrupt):
    """SIGTERM: unwinds the stack as Ctrl-C does, so that no process is left behind."""


@contextlib.contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Turn SIGTERM into `Terminated` within this context."""

    def terminate(signum: int, frame: Any) -> NoReturn:
        raise Terminated

    try:
        before = signal.signal(signal.SIGTERM, terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


_HELD = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def signals_held(numbers: Sequence[int] = _HELD) -> Iterator[None]:
    """Hold Ctrl-C and SIGTERM back while processes are started.

    A signal raises an exception, and Python loses exceptions in its callbacks at a
    fork. The new processes hold the signals back as well, until they call
    `signals_of_a_worker`: before that, Ctrl-C would be a traceback of each process.
    """
    received: list[int] = []
    try:
        before = {n: signal.signal(n, lambda n, _: received.append(n)) for n in numbers}
    except ValueError:  # not the main thread: only that one is interrupted
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in received:
            signal.raise_signal(number)


def signals_of_a_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and end at SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
