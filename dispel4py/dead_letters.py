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

    Raises
    ------
    OSError
        If the disk is full, for example; ``filename`` is the path.
    """
    left = memoryview(_HEAD + pickle.dumps(letter, 5))
    try:
        with open(path, "ab", buffering=0, opener=_open_private) as file:
            while left:  # a disk that is nearly full takes a part, without an error
                left = left[file.write(left) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def read_letters(path: str | Path) -> list[DeadLetter]:
    """Return the letters of a file, in the order of writing.

    Raises
    ------
    InputError
        If the file does not exist, belongs to another user, can be changed by others,
        or is not a dead-letter file. An incomplete letter, written by a run that was
        killed or on a full disk, is ignored.
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
            begin = file.tell()
            letter = _letter(file) if head == _HEAD else None
            if isinstance(letter, DeadLetter):
                n += 1
                yield letter
                continue
            if not _skip_to_next(file, begin - len(head) + 1):
                is_cut_head = n > 0 and head != _HEAD and _HEAD.startswith(head)
                if is_cut_head or (head == _HEAD and letter is None):
                    return
                raise InputError(f"{path} is not a dead-letter file")


def _letter(file: BinaryIO) -> Any:
    """Return the pickled object of a file; None if it is incomplete."""
    try:
        return pickle.load(file)
    except Exception:  # noqa: BLE001 - an incomplete pickle raises anything
        return None


def _skip_to_next(file: BinaryIO, begin: int) -> bool:
    """Go to the first letter after a place; return False if there is none."""
    file.seek(begin)
    for line in file:
        if line.endswith(_HEAD):
            file.seek(-len(_HEAD), os.SEEK_CUR)
            return True
    return False


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
