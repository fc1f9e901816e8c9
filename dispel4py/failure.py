"""The description of a failed call: the place, the item and the cause."""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from dispel4py.terminal import printable

#: Largest number of characters of the text of an item in a failure; a longer text is
#: cut.
LONGEST_ITEM = 200
#: Largest number of characters of the text of an error; a longer text is cut.
_LONGEST_CAUSE = 2000
#: Most causes of an error that are named, and most members of a group of errors.
_MOST_CAUSES = 8


@dataclass(frozen=True)
class Failure:
    """A failed call: its place, its item and the cause.

    Attributes
    ----------
    pe_id : str
        The PE, or "" if a whole process failed outside its PEs.
    instance, process : int
        Which instance of the PE, in which process.
    phase : str
        The method: ``process``, ``preprocess``, ``postprocess``; or ``worker``.
    port : str or None
        The input port.
    item : str
        The item, as text, shortened.
    cause : str
        Type and message of the error at the root.
    traceback : str
        The full traceback, or "".
    """

    pe_id: str
    instance: int
    process: int
    phase: str
    port: str | None
    item: str
    cause: str
    traceback: str = ""

    @property
    def summary(self) -> str:
        """One line that names PE, instance, process, input and cause."""
        where = f"{self.pe_id} (instance {self.instance}, process {self.process})"
        if not self.pe_id:
            where = f"process {self.process}"
        item = ""
        if self.port is not None:
            item = f" on input {self.port!r} = {self.item}"
        elif self.item:
            item = f" on {self.item}"
        return f"{where} failed in {self.phase}{item}: {self.cause}"

    def __str__(self) -> str:
        return self.summary


def describe(item: Any) -> str:
    """Return a short text for ``item`` that never fails."""
    try:
        text = repr(item)
    except BaseException as error:  # noqa: BLE001 - a broken __repr__ must not hide the cause
        text = f"<{type(item).__name__} whose repr raises {type(error).__name__}>"
    return _one_line(text, LONGEST_ITEM)


def _one_line(text: str, longest: int) -> str:
    """Return a text without line breaks and characters that control a terminal."""
    text = " ".join(text[: 2 * longest].split())
    if len(text) > longest:
        text = f"{text[: longest - 3]}..."
    return printable(text)


def traceback_text(error: BaseException) -> str:
    """Return the traceback of an error, printable and not longer than its frames need.

    Parameters
    ----------
    error : BaseException
        The error.
    """
    lines = traceback.format_exception(error)
    return printable("".join(line[:_LONGEST_CAUSE] for line in lines))


def root_cause(error: BaseException) -> str:
    """Return type and message of ``error`` and of the errors that caused it.

    The text is one line, and never fails.

    >>> root_cause(ExceptionGroup("two", [ValueError("a\\nb"), KeyError("c")]))
    "ExceptionGroup: two (2 sub-exceptions) [ValueError: a b; KeyError: 'c']"
    """
    return _cause_text(error, ())


def _cause_text(error: BaseException, outer: tuple[BaseException, ...]) -> str:
    """Return the text for one error; ``outer`` are the errors that it has caused."""
    try:
        message = _one_line(str(error), _LONGEST_CAUSE)
    except BaseException as fault:  # noqa: BLE001 - a broken __str__ must not hide the cause
        message = f"<its text raises {type(fault).__name__}>"
    text = f"{type(error).__name__}: {message}" if message else type(error).__name__
    outer = (*outer, error)
    if isinstance(error, BaseExceptionGroup):
        members = [e for e in error.exceptions if e not in outer][:_MOST_CAUSES]
        text = f"{text} [{'; '.join(_cause_text(e, outer) for e in members)}]"
    cause = error.__cause__
    if cause is not None and cause not in outer and len(outer) < _MOST_CAUSES:
        text = f"{text} (from {_cause_text(cause, outer)})"
    return text


_explain: ContextVar[Callable[[Failure], str] | None] = ContextVar(
    "explain", default=None
)


@contextlib.contextmanager
def explained_by(explain: Callable[[Failure], str] | None) -> Iterator[None]:
    """Let a function explain failures that a process of the run reports itself.

    Parameters
    ----------
    explain : callable or None
        Returns a line that explains a failure without its traceback, or "".
    """
    token = _explain.set(explain)
    try:
        yield
    finally:
        _explain.reset(token)


def explanation(failure: Failure) -> str:
    """Return the line that explains a failure to users; "" if there is none.

    Parameters
    ----------
    failure : Failure
    """
    explain = _explain.get()
    return "" if explain is None else explain(failure)
