"""Skipped items, in a file from which they can be run again.

A dead-letter file is a sequence of pickles of `DeadLetter`, one for each failure, each
after a line that says what it is. Loading a pickle runs the code that is in it, so
files of other users, and files that others may change, are refused.
"""

from __future__ import annotations

import os
import pickle
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from dispel4py.errors import InputError
from dispel4py.failure import Failure

_HEAD = b"a dead letter of dispel4py, version 1\n"


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
    """Add one letter to a file, in one write; a new file is for this user only.

    Parameters
    ----------
    path : path
    letter : DeadLetter
    """
    with open(path, "ab", buffering=0, opener=_open_private) as file:
        file.write(_HEAD + pickle.dumps(letter, 5))


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read_letters(path: str | Path) -> list[DeadLetter]:
    """Return the letters of a file, in the order of writing.

    Raises
    ------
    InputError
        If the file does not exist, belongs to another user, can be changed by others,
        or is not a dead-letter file. An incomplete last letter, written by a run that
        was killed, is ignored.
    """
    return list(_letters(path))


def _letters(path: str | Path) -> Iterator[DeadLetter]:
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed below
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    with file:
        _check_owner(path, file)
        n = 0
        while head := file.read(len(_HEAD)):
            if head != _HEAD:
                if n and _HEAD.startswith(head):
                    return
                raise InputError(f"{path} is not a dead-letter file")
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


def _check_owner(path: str | Path, file: BinaryIO) -> None:
    """Refuse a file into which another user may have written."""
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise InputError(f"{path} is not a file")
    if status.st_uid != os.geteuid():
        raise InputError(
            f"{path} belongs to another user: reading dead letters runs code that is "
            "in them; copy the file if you trust it"
        )
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise InputError(
            f"{path} can be changed by others: reading dead letters runs code that is "
            "in them; if you trust it: chmod go-w"
        )


def pickle_item(item: Any) -> bytes | None:
    """Pickle an item for a letter; None if it cannot be pickled."""
    try:
        return pickle.dumps(item, 5)
    except Exception:  # noqa: BLE001 - pickling runs code of the item's class
        return None
