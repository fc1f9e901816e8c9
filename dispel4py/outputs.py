"""The outputs of a run as text of bounded length; a check of files before a run."""

from __future__ import annotations

import os
import reprlib
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.files import exists, is_folder
from dispel4py.result import RunResult

#: Largest number of items of an output, and of characters of an item, on a terminal.
SHOWN_ITEMS = 20
LONGEST_ITEM = 200


def outputs_text(result: RunResult) -> str:
    """Return the items of the unconnected outputs, a list for each output."""
    lines = []
    for pe_id, ports in result.outputs.items():
        for port, items in ports.items():
            if not items:
                continue
            plural = "" if len(items) == 1 else "s"
            lines.append(f"{pe_id}.{port}: {len(items)} item{plural}")
            lines += [f"  {shorten(item)}" for item in items[:SHOWN_ITEMS]]
            if len(items) > SHOWN_ITEMS:
                lines.append(f"  ... and {len(items) - SHOWN_ITEMS} more")
    return "\n".join(lines)


def check_can_be_written(option: str, path: str | Path | None) -> None:
    """Check, before a run, that a file can be written after it.

    Parameters
    ----------
    option : str
        The option that names the file, for the message.
    path : path or None
        None: nothing is checked.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """
    if path is None:
        return
    path = Path(path)
    if is_folder(path):
        raise ParameterError(f"{option} {path}: it is a folder, give a file")
    if not is_folder(path.parent):
        raise ParameterError(f"{option} {path}: there is no folder {path.parent}")
    if not os.access(path if exists(path) else path.parent, os.W_OK):
        raise ParameterError(f"{option} {path}: no permission to write it")


class _Short(reprlib.Repr):
    """Represents any item by a text of bounded length; no item raises an error."""

    def __init__(self) -> None:
        super().__init__()
        self.maxstring = self.maxother = self.maxlong = LONGEST_ITEM
        self.maxlist = self.maxtuple = self.maxdict = self.maxset = 10

    def repr_ndarray(self, array: Any, level: int) -> str:
        """Return type and shape of an array, and its first values."""
        first = ", ".join(map(str, array.ravel()[:4].tolist()))
        more = ", ..." if array.size > 4 else ""
        return f"<{array.dtype} array {array.shape}: {first}{more}>"


def shorten(item: Any) -> str:
    """Return ``item`` as one line of bounded length.

    >>> shorten(list(range(1000)))
    '[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...]'
    """
    text = " ".join(_Short().repr(item).split())
    return text if len(text) <= LONGEST_ITEM else f"{text[: LONGEST_ITEM - 3]}..."
