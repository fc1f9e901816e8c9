"""SQLite: a store in a file, the default."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dispel4py.provenance.databases.base import Database

__all__ = ["SQLite"]

#: Seconds to wait for another process that writes into the same database.
LONGEST_WAIT_S = 120


class SQLite(Database):
    """A database in a file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    sqlite3.Error
        If the file cannot be opened, or is no database.
    """

    json_type, bytes_type, clustered = "TEXT", "BLOB", "WITHOUT ROWID"
    errors = (sqlite3.Error,)
    conflict = sqlite3.IntegrityError

    def __init__(self, path: Path) -> None:
        connection = sqlite3.connect(
            path, timeout=LONGEST_WAIT_S, isolation_level=None, cached_statements=300
        )
        super().__init__(connection)
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            # no write-ahead log: it needs memory that all processes share, which
            # network file systems do not have
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA cache_size = -64000")
            connection.execute("SELECT name FROM sqlite_master LIMIT 1")
            failed.pop_all()

    def integers(self, sql: str, n_columns: int) -> NDArray[np.int64]:
        """Return the rows of a query for integers, as an array."""
        values = chain.from_iterable(self.execute(sql))
        return np.fromiter(values, np.int64).reshape(-1, n_columns).T

    def begin(self) -> None:
        """Begin a transaction in which only this process writes."""
        self.execute("BEGIN IMMEDIATE")

    def member(self, column: str, path: Sequence[str]) -> str:
        """Return the SQL of a member of JSON, as JSON text."""
        names = ".".join(f'"{name}"' for name in path).replace("'", "''")
        # two paths give an array of JSON, as ``->`` gives JSON only from SQLite 3.38 on
        both = f"json_extract({column}, '$.{names}', '$[0]')"
        return f"substr({both}, 2, length({both}) - {len('[,null]')})"

    def has_table(self, name: str) -> bool:
        """Return whether there is a table of this name."""
        sql = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?"
        return self.value(sql, [name]) is not None
