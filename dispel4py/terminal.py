"""The surroundings of a command: its logs, and the signals that end it."""

from __future__ import annotations

import contextlib
import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO


class _StandardError(logging.StreamHandler[TextIO]):
    """Log to whatever standard error is now: a progress display may own it."""

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
    told = min(logging.INFO, _number(level)) if pes else logging.NOTSET
    logging.getLogger("dispel4py.pe").setLevel(told)
    root.setLevel(level.upper())
    if not any(isinstance(one, _StandardError) for one in root.handlers):
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
    """Turn SIGTERM into `Terminated` for a while."""

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
    """Let Ctrl-C and SIGTERM wait while processes are started.

    An exception that a signal raised where Python calls back at a fork would be lost.
    The new processes hold the two as well, until they call `signals_of_a_worker`:
    Ctrl-C would be a traceback of each that has not come so far.
    """
    came: list[int] = []
    try:
        before = {n: signal.signal(n, lambda n, _: came.append(n)) for n in numbers}
    except ValueError:  # not the main thread, which alone is interrupted
        yield
        return
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
    try:
        yield
    finally:
        for held, handler in before.items():
            signal.signal(held, signal.SIG_DFL if handler is None else handler)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number in came:
            signal.raise_signal(number)


def signals_of_a_worker() -> None:
    """Leave Ctrl-C to the parent, end at SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _HELD)
