"""A parser with messages of one line, and the exit statuses of a command."""

from __future__ import annotations

import argparse
import re
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from dispel4py.errors import Dispel4pyError, ParameterError, RunError, UserError
from dispel4py.failure import Failure, explained_by
from dispel4py.mappings import place
from dispel4py.terminal import (
    OUTPUT,
    Terminated,
    discard_output,
    is_output,
    printable,
    printable_line,
    standard_streams,
)

__all__ = ["Parser", "exit_status", "report_failures", "report_line"]


#: The cause of a failure that is an error of standard output.
OUTPUT_ERROR = re.compile(rf"(?P<kind>\w+): \[Errno \d+\] (?P<reason>.*): '{OUTPUT}'")


class Parser(argparse.ArgumentParser):
    """An argument parser that raises a mistake of the user as an exception."""

    def error(self, message: str) -> NoReturn:
        """Raise the message of argparse, with a hint at the help.

        Raises
        ------
        ParameterError
            Always.
        """
        raise ParameterError(f"{message}; see {self.prog} --help")


def exit_status(
    program: str,
    command: Callable[[], int],
    one_line: Callable[[Failure], str] | None = None,
) -> int:
    """Run a command, report an error in one line, and return the exit status.

    Without an error, the command returns its status itself. The status is 1 if a run or
    a file failed, 2 after a mistake of the user, 130 after Ctrl-C, 143 after SIGTERM,
    141 if the reader of the output has closed it. Any other exception is a fault of
    the program and is not caught.

    Parameters
    ----------
    program : str
        Name of the program, which begins the line.
    command : callable
        Does the work, and returns an exit status.
    one_line : callable, optional
        Returns a line that explains a failure without its traceback, or "".
    """
    with standard_streams(), explained_by(one_line):
        return _exit_status(program, command, one_line)


def _exit_status(
    program: str,
    command: Callable[[], int],
    one_line: Callable[[Failure], str] | None,
) -> int:
    try:
        try:
            status = command()
        except SystemExit as end:  # raised by --help and --version
            status = int(end.code or 0)
        sys.stdout.flush()
        return status
    except Terminated as stop:
        return report_line(program, "terminated", 128 + stop.signum)
    except KeyboardInterrupt as stop:  # its text says how to continue a run
        text = ": ".join(["interrupted", *map(str, stop.args)])
        return report_line(program, text, 128 + signal.SIGINT)
    except BrokenPipeError:
        discard_output()
        return 128 + signal.SIGPIPE
    except UserError as mistake:
        return report_line(program, f"error: {mistake}", mistake.exit_status)
    except RunError as error:
        if lost := _lost_output(error):
            discard_output()
            if lost["kind"] == BrokenPipeError.__name__:
                return 128 + signal.SIGPIPE
            return report_line(program, f"error: {OUTPUT}: {lost['reason']}", 1)
        return report_failures(program, error, one_line)
    except Dispel4pyError as problem:
        return report_line(program, f"error: {problem}", 1)
    except MemoryError as problem:
        text = f"error: not enough memory: {problem}".removesuffix(": ")
        return report_line(program, text, 1)
    except OSError as problem:
        if problem.errno is None:
            raise
        if is_output(problem):
            discard_output()
        place = "" if problem.filename is None else f"{problem.filename}: "
        text = f"error: {place}{problem.strerror}"
        return report_line(program, text, 1)


def _lost_output(error: RunError) -> re.Match[str] | None:
    """Return the error of standard output that ended a run, as PEs may print."""
    causes = (OUTPUT_ERROR.match(failure.cause) for failure in error.failures)
    return next(filter(None, causes), None)


def report_line(program: str, text: str, status: int) -> int:
    """Write one line to standard error, and return the exit status.

    If a launcher started several processes, only the first of them writes.

    Parameters
    ----------
    program : str
        Name of the program, which begins the line.
    text : str
        The text after the name.
    status : int
        The exit status.
    """
    if place().rank == 0:
        sys.stderr.write(printable_line(f"{program}: {text}") + "\n")
    return status


def report_failures(
    program: str,
    error: RunError,
    one_line: Callable[[Failure], str] | None = None,
) -> int:
    """Write the failures of a run to standard error, and return the exit status.

    Parameters
    ----------
    program, one_line
        As for `exit_status`.
    error : RunError
        The error that ended the run.
    """
    for failure in error.failures:
        text = one_line(failure) if one_line is not None else ""
        if text:
            return report_line(program, f"error: {text}", 1)
    for failure in error.failures:
        if failure.traceback:
            sys.stderr.write(printable(failure.traceback.rstrip()) + "\n")
    for failure in error.failures:
        sys.stderr.write(printable_line(f"{program}: error: {failure.summary}") + "\n")
    return 1
