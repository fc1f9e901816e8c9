"""The description of a failed call: the place, the item and the cause."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Most characters of the text of an item in a failure; a longer text is cut.
LONGEST_ITEM = 200


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
    except Exception as error:  # noqa: BLE001 - a broken __repr__ must not hide the cause
        text = f"<{type(item).__name__} whose repr raises {type(error).__name__}>"
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_ITEM else f"{text[: LONGEST_ITEM - 3]}..."


def root_cause(error: BaseException) -> str:
    """Return type and message of ``error`` and of the errors that caused it."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if error.__cause__ is not None:
        text = f"{text} (from {root_cause(error.__cause__)})"
    return text
