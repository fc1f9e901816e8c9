"""A parser with messages of one line, and the exit statuses of a command."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from dispel4py.errors import Dispel4pyError, ParameterError, RunError, UserError
from dispel4py.failure import Failure
from dispel4py.mappings import place
from dispel4py.terminal import Terminated

__all__ = ["Parser", "exit_status", "report_failures", "report_line"]


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
    try:
        return command()
    except SystemExit as end:  # raised by --help and --version
        return int(end.code or 0)
    except Terminated:
        return report_line(program, "terminated", 128 + signal.SIGTERM)
    except KeyboardInterrupt as stop:  # its text says how to continue a run
        text = ": ".join(["interrupted", *map(str, stop.args)])
        return report_line(program, text, 128 + signal.SIGINT)
    except BrokenPipeError:
        # the reader has closed the pipe; Python must not flush into it at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except UserError as mistake:
        return report_line(program, f"error: {mistake}", 2)
    except RunError as error:
        return report_failures(program, error, one_line)
    except Dispel4pyError as problem:
        return report_line(program, f"error: {problem}", 1)
    except OSError as problem:
        if problem.filename is None:
            raise
        text = f"error: {problem.filename}: {problem.strerror}"
        return report_line(program, text, 1)


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
        sys.stderr.write(f"{program}: {text}\n")
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
            sys.stderr.write(failure.traceback.rstrip() + "\n")
    for failure in error.failures:
        sys.stderr.write(f"{program}: error: {failure.summary}\n")
    return 1
