"""A connection to the database of a store, of either kind."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Database"]


class Database:
    """A connection to a database."""

    #: Types of columns of JSON and of bytes, and what follows the columns of a table
    #: without other rows.
    json_type: str
    bytes_type: str
    clustered: str
    #: A text column, as it is compared and sorted: by the numbers of its characters.
    collation = ""
    #: What the database raises.
    errors: tuple[type[Exception], ...]
    #: What it raises for a row with the key of another row.
    conflict: type[Exception]

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement and return its cursor.

        Parameters
        ----------
        sql : str
            With ``?`` for each value.
        values : sequence
        """
        return self.connection.execute(sql, values)

    def rows(
        self, sql: str, values: Sequence[Any] = (), binary: bool = False
    ) -> list[Any]:
        """Return all rows of a query.

        Parameters
        ----------
        sql : str
        values : sequence
        binary : bool
            Whether the rows have many bytes: then a server sends them as they are.
        """
        return list(self.execute(sql, values).fetchall())

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Return the first value of the first row; None without a row.

        Parameters
        ----------
        sql : str
        values : sequence
        """
        row = self.execute(sql, values).fetchone()
        return None if row is None else row[0]

    def integers(self, sql: str, n_columns: int) -> NDArray[np.int64]:
        """Return the rows of a query for integers, as an array.

        Parameters
        ----------
        sql : str
            A query without values; no integer may be missing.
        n_columns : int

        Returns
        -------
        ndarray of int64, shape (n_columns, n_rows)
        """
        raise NotImplementedError

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
        """Add many rows to a table.

        Parameters
        ----------
        table : str
        columns : sequence of str
        rows : iterable of tuple
        """
        marks = ", ".join("?" * len(columns))
        self.connection.executemany(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows
        )

    def begin(self) -> None:
        """Begin a transaction in which only this process writes."""
        raise NotImplementedError

    def commit(self) -> None:
        """End the transaction."""
        self.connection.commit()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Begin a transaction, and end it; after an exception it is undone."""
        self.begin()
        try:
            yield
        except BaseException:
            self.rollback()
            raise
        self.commit()

    def note_sizes(self) -> None:
        """Let the database count its rows, as far as its plans depend on them."""

    def rollback(self) -> None:
        """Undo the transaction."""
        self.connection.rollback()

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def member(self, column: str, path: Sequence[str]) -> str:
        """Return the SQL of a member of JSON, as JSON text.

        Parameters
        ----------
        column : str
            The column of JSON.
        path : sequence of str
            The names that lead to the member.
        """
        raise NotImplementedError

    def has_table(self, name: str) -> bool:
        """Return whether there is a table of this name."""
        raise NotImplementedError
