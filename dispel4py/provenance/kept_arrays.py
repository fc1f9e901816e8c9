"""Arrays that are kept in the store, so that the next command has them."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dispel4py.provenance.store import Store

__all__ = ["Arrays", "keep", "kept"]

Arrays = Mapping[str, NDArray[Any]]

#: Bytes of a row: both databases hold more, but take as much memory again to send it.
_PART = 2**24


def _row_name(name: str) -> str:
    """Return a name of limited length: names of terms may be too long for an index."""
    return hashlib.sha256(name.encode()).hexdigest()[:32]


def keep(store: Store, name: str, revision: int, arrays: Arrays) -> None:
    """Write arrays into the store, in place of others of the name.

    Parameters
    ----------
    store : Store
    name : str
    revision : int
        The state of the tables that they were made from.
    arrays : mapping of str to ndarray
    """
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    content, row = file.getvalue(), _row_name(name)
    with store.database.transaction():
        store.database.execute("DELETE FROM kept_array WHERE name = ?", [row])
        for k, start in enumerate(range(0, len(content), _PART)):
            store.database.execute(
                "INSERT INTO kept_array (name, part, revision, content) "
                "VALUES (?, ?, ?, ?)",
                [row, k, revision, content[start : start + _PART]],
            )


def kept(store: Store, name: str) -> tuple[int, Arrays] | None:
    """Return the revision and the arrays of a name; None if there are none.

    Parameters
    ----------
    store : Store
    name : str
    """
    rows = store.database.rows(
        "SELECT revision, content FROM kept_array WHERE name = ? ORDER BY part",
        [_row_name(name)],
        binary=True,
    )
    if not rows:
        return None
    content = b"".join(content for _, content in rows)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return int(rows[0][0]), dict(arrays)
