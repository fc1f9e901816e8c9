"""The surroundings of a command: its logs, and the signals that end it."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import signal
import sys
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn, TextIO

#: A character that may control a terminal; a page with pictures has a million others.
_UNUSUAL = re.compile(r"[^ -~\n\t]")


def printable(text: str) -> str:
    """Return a text without characters that control a terminal.

    Names of files and contents of headers may have characters that control a terminal,
    change the direction of writing, or cannot be encoded; these become escape
    sequences.

    >>> printable("day\\x1b[2J.mseed")
    'day\\\\x1b[2J.mseed'
    """
    return _UNUSUAL.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    if character.isprintable():
        return character
    return character.encode("unicode_escape").decode()


def printable_line(text: str) -> str:
    """Return a text as `printable` does, with escape sequences for line breaks, too.

    A name with a line break in it could otherwise look like another message.

    >>> printable_line("day\\nINFO: done")
    'day\\\\nINFO: done'
    """
    return printable(text).replace("\n", "\\n").replace("\t", "\\t")


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


class _Printable(logging.Formatter):
    """Shows characters that control a terminal as escape sequences."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable_line(super().formatMessage(record))

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))  # with a traceback, in lines


def start_logging(level: str, pes: bool = False) -> None:
    """Log to standard error.

    Parameters
    ----------
    level : str
        The lowest level that is shown.
    pes : bool
        Also show the messages that PEs log with `pe.log`.
    """
    root = logging.getLogger()
    lowest = min(logging.INFO, _number(level)) if pes else logging.NOTSET
    logging.getLogger("dispel4py.pe").setLevel(lowest)
    root.setLevel(level.upper())
    if not any(isinstance(handler, _StandardError) for handler in root.handlers):
        handler = _StandardError()
        handler.setFormatter(_Printable("%(levelname)s %(name)s: %(message)s"))
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
    """A signal as an exception: as after Ctrl-C, a run ends all its processes."""

    #: The signal: SIGTERM, or SIGHUP after the terminal was closed.
    signum: int = signal.SIGTERM


def _terminate(signum: int, frame: Any) -> NoReturn:
    stop = Terminated()
    stop.signum = signum
    raise stop


#: Signals that end a program.
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def unwind_at_sigterm() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into `Terminated` within this context.

    A signal that is ignored, as by ``nohup``, is still ignored.
    """
    handlers: dict[int, Any] = {}
    try:
        for signum in _ENDING_SIGNALS:
            if signal.getsignal(signum) is not signal.SIG_IGN:
                handlers[signum] = signal.signal(signum, _terminate)
    except ValueError:  # not the main thread
        yield
        return
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


class CtrlC(KeyboardInterrupt):
    """The signal SIGINT, where it differs from an exception that a PE raises."""


def _interrupt(signum: int, frame: Any) -> NoReturn:
    raise CtrlC


@contextlib.contextmanager
def ctrl_c_differs() -> Iterator[bool]:
    """Turn SIGINT into `CtrlC`; a `KeyboardInterrupt` then comes from a PE.

    Yields
    ------
    bool
        False if the program has its own handler of the signal, which stays.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield False
        return
    try:
        signal.signal(signal.SIGINT, _interrupt)
    except ValueError:  # not the main thread
        yield False
        return
    try:
        yield True
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def end_after_clean_up() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end this program after the context has cleaned up.

    If the program has its own handler of SIGTERM, this does nothing.
    """
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return
    try:
        with unwind_at_sigterm():
            yield
    except Terminated as stop:
        os.kill(os.getpid(), stop.signum)
        raise


@contextlib.contextmanager
def note_interrupts(pending: list[BaseException]) -> Iterator[None]:
    """Note exceptions of the handlers of signals, as a PE may catch them.

    Parameters
    ----------
    pending : list of BaseException
        Gets the exceptions.
    """
    replaced: dict[int, Any] = {}

    def note(signum: int, frame: Any) -> None:
        try:
            replaced[signum](signum, frame)
        except BaseException as error:
            pending.append(error)
            raise

    try:
        for signum in _USER_SIGNALS:
            handler = signal.getsignal(signum)
            if callable(handler):
                replaced[signum] = handler
                signal.signal(signum, note)
    except ValueError:  # not the main thread
        replaced.clear()
    try:
        yield
    finally:
        for number, handler in replaced.items():
            if signal.getsignal(number) is note:
                signal.signal(number, handler)


_USER_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def delay_signals(numbers: Sequence[int]) -> Iterator[bool]:
    """Let signals of this program wait until the end of the context.

    Programs that are started in the context do not inherit this. Outside the main
    thread, which alone is interrupted by signals, nothing waits, and False is given.

    Parameters
    ----------
    numbers : sequence of int
        The signals.
    """
    received: list[int] = []
    try:
        handlers = {
            n: signal.signal(n, lambda n, _: received.append(n)) for n in numbers
        }
    except ValueError:  # not the main thread
        yield False
        return
    try:
        yield True
    finally:
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in received:
            signal.raise_signal(number)


@contextlib.contextmanager
def hold_signals(numbers: Sequence[int] = _USER_SIGNALS) -> Iterator[None]:
    """Delay Ctrl-C, SIGTERM and SIGHUP while processes are started.

    A signal raises an exception, and Python loses an exception that is raised in its
    callbacks at a fork. The new processes delay the signals, too, until they call
    `set_worker_signals`. Otherwise Ctrl-C would print a traceback for each process.
    """
    with delay_signals(numbers) as waits:
        if not waits:
            yield
            return
        blocked = signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def set_worker_signals(unwinds: bool = False) -> None:
    """Ignore Ctrl-C and SIGHUP, which the parent handles, and end at SIGTERM.

    Parameters
    ----------
    unwinds : bool
        Raise `Terminated` at SIGTERM, as there is work to do before the end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, _terminate if unwinds else signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _USER_SIGNALS)


#: The file in an error of standard output.
OUTPUT = "standard output"


class _Output:
    """A stream whose errors say that they are those of standard output.

    The first error is raised again by `flush`, as libraries may catch it.

    Parameters
    ----------
    stream : TextIO
        The stream.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._error: OSError | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Write a text."""
        try:
            return self._stream.write(text)
        except OSError as error:
            raise self._noted(error) from None

    def flush(self) -> None:
        """Write what is held back."""
        if self._error is not None:
            raise self._error
        try:
            self._stream.flush()
        except OSError as error:
            raise self._noted(error) from None

    def _noted(self, error: OSError) -> OSError:
        error.filename = OUTPUT
        self._error = error
        return error


def is_output(error: OSError) -> bool:
    """Return whether an error is that of standard output.

    Parameters
    ----------
    error : OSError
    """
    return bool(error.filename == OUTPUT)


def discard_output() -> None:
    """Lose what standard output still holds: its reader or its disk is gone.

    Otherwise Python would write it at its end, and report another error.
    """
    nothing = os.open(os.devnull, os.O_WRONLY)
    with contextlib.suppress(OSError, ValueError):  # a stream without a file
        os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)


@contextlib.contextmanager
def standard_streams() -> Iterator[None]:
    """Open standard streams that the caller has closed; what they get is lost.

    Otherwise the next file would get the number of standard error, and would get the
    messages of libraries. An error of standard output says that it is one.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:  # the lowest free number is used
            os.open(os.devnull, os.O_RDWR)
    with contextlib.ExitStack() as replaced, open(os.devnull, "w") as nothing:
        if sys.stdout is None:
            replaced.enter_context(contextlib.redirect_stdout(nothing))
        named: Any = _Output(sys.stdout)
        replaced.enter_context(contextlib.redirect_stdout(named))
        if sys.stderr is None:
            replaced.enter_context(contextlib.redirect_stderr(nothing))
        yield
