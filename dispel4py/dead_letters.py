"""Skipped items, in a file from which they can be run again.

A dead-letter file is a sequence of pickles of `DeadLetter`, one for each failure.
It holds the items themselves: read only files that you trust, as with any pickle.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dispel4py.errors import InputError
from dispel4py.failure import Failure


@dataclass(frozen=True)
class DeadLetter:
    """One item that was skipped because a PE failed on it.

    Attributes
    ----------
    failure : Failure
        The place and the cause.
    content : bytes or None
        The pickled item, or for a source the pickled dict of its call; None if it
        cannot be pickled.
    """

    failure: Failure
    content: bytes | None

    def item(self) -> Any:
        """Return the item.

        Raises
        ------
        InputError
            If the item could not be pickled.
        """
        if self.content is None:
            raise InputError(
                f"the item of {self.failure.pe_id} could not be pickled: "
                f"{self.failure.item}"
            )
        return pickle.loads(self.content)


def append_letter(path: str | Path, letter: DeadLetter) -> None:
    """Add one letter to a file, in one write.

    Parameters
    ----------
    path : path
    letter : DeadLetter
    """
    with open(path, "ab", buffering=0) as file:
        file.write(pickle.dumps(letter, 5))


def read_letters(path: str | Path) -> list[DeadLetter]:
    """Return the letters of a file, in the order of writing.

    Raises
    ------
    InputError
        If the file does not exist, or is not a dead-letter file. An incomplete last
        letter, written by a run that was killed, is ignored.
    """
    return list(_letters(path))


def _letters(path: str | Path) -> Iterator[DeadLetter]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    n = 0
    with file:
        while True:
            try:
                letter = pickle.load(file)
            except (EOFError, pickle.UnpicklingError, AttributeError) as error:
                if isinstance(error, EOFError) or n:
                    return
                raise InputError(f"{path} is not a dead-letter file") from error
            if not isinstance(letter, DeadLetter):
                raise InputError(f"{path} is not a dead-letter file")
            n += 1
            yield letter


def pickle_item(item: Any) -> bytes | None:
    """Pickle an item for a letter; None if it cannot be pickled."""
    try:
        return pickle.dumps(item, 5)
    except Exception:  # noqa: BLE001 - pickling runs code of the item's class
        return None
