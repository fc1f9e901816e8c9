"""The description of a failed call: where it happened, on which item, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

#: Characters of an item's text in a failure; a longer text is cut.
LONGEST_ITEM = 200


@dataclass(frozen=True)
class Failure:
    """What failed, where, on what, and why.

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
        on = ""
        if self.port is not None:
            on = f" on input {self.port!r} = {self.item}"
        elif self.item:
            on = f" on {self.item}"
        return f"{where} failed in {self.phase}{on}: {self.cause}"

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
    """Return type and message of ``error``, and of what it was raised from."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if error.__cause__ is not None:
        text = f"{text} (from {root_cause(error.__cause__)})"
    return text
