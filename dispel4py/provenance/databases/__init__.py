"""The databases that can hold a store: SQLite and PostgreSQL.

Both get the same SQL, written by hand. What differs is in the class of each: the types
of columns, how a term is read from JSON, and how many rows are written or read at once.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from dispel4py.errors import ParameterError
from dispel4py.provenance.databases.base import Database
from dispel4py.provenance.databases.postgresql import PostgreSQL
from dispel4py.provenance.databases.sqlite import SQLite

__all__ = ["Database", "PostgreSQL", "SQLite", "open_database"]


def open_database(place: str | Path) -> Database:
    """Open a database; a file that does not exist is made.

    Parameters
    ----------
    place : str or Path
        A file of SQLite, or ``postgresql://...``.

    Raises
    ------
    ParameterError
        If it cannot be opened.
    """
    text = str(place)
    if text.startswith(("postgresql://", "postgres://")):
        return PostgreSQL(text)
    if "://" in text:
        raise ParameterError(f"--db {text}: use a file, or postgresql://...")
    try:
        return SQLite(Path(place))
    except sqlite3.Error as error:
        raise ParameterError(
            f"--db {text}: {error} (a deleted store is made again from the records)"
        ) from None
