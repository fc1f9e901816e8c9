"""PostgreSQL: a store on a server."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from dispel4py.errors import MappingUnavailable, ParameterError
from dispel4py.provenance.databases.base import Database

__all__ = ["PostgreSQL"]


class PostgreSQL(Database):
    """A database on a server.

    Parameters
    ----------
    url : str
        ``postgresql://user@host/database``.

    Raises
    ------
    MappingUnavailable
        If psycopg is not installed.
    ParameterError
        If there is no connection.
    """

    json_type, bytes_type, clustered = "JSON", "BYTEA", ""
    collation = ' COLLATE "C"'

    def __init__(self, url: str) -> None:
        try:
            import psycopg
            from psycopg.types.json import set_json_loads
            from psycopg.types.numeric import Int8Dumper
        except ImportError:
            raise MappingUnavailable(
                "--db postgresql:// needs psycopg: pip install "
                "'dispel4py-seismo[postgresql]'"
            ) from None
        try:
            connection = psycopg.connect(url, autocommit=True)
        except psycopg.OperationalError as error:
            reason = " ".join(str(error).split())
            raise ParameterError(f"--db: no connection: {reason}") from None
        set_json_loads(orjson.loads, connection)
        self.errors, self.conflict = (psycopg.Error,), psycopg.IntegrityError
        connection.execute("SET jit = off")  # it takes longer than our questions
        # a plan of the joins of a question takes longer than the question
        connection.prepare_threshold = 0
        super().__init__(connection)
        # otherwise the size of each integer is part of a statement, which has a plan of
        # its own for each combination of sizes
        connection.adapters.register_dumper(int, Int8Dumper)
        # the types of values that `load` sends: JSON is text already
        types = connection.adapters.types
        self._sent_as = {types["json"].oid: types["text"].oid}

    def execute(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Run a statement and return its cursor."""
        return self.connection.execute(_for_psycopg(sql), values)

    def rows(
        self, sql: str, values: Sequence[Any] = (), binary: bool = False
    ) -> list[Any]:
        """Return all rows of a query."""
        cursor = self.connection.execute(_for_psycopg(sql), values, binary=binary)
        return list(cursor.fetchall())

    def load(self, table: str, columns: Sequence[str], rows: Iterable[Any]) -> None:
        """Add many rows to a table."""
        names = ", ".join(columns)
        described = self.execute(f"SELECT {names} FROM {table} LIMIT 0").description
        types = [column.type_code for column in described]
        sql = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
        with self.connection.cursor() as cursor, cursor.copy(sql) as copy:
            copy.set_types([self._sent_as.get(type_, type_) for type_ in types])
            for row in rows:
                copy.write_row(row)

    def integers(self, sql: str, n_columns: int) -> NDArray[np.int64]:
        """Return the rows of a query for integers, as an array."""
        with (
            self.connection.cursor() as cursor,
            cursor.copy(f"COPY ({sql}) TO STDOUT") as copy,
        ):
            text = b"".join(copy)
        values = np.fromstring(text, np.int64, sep=" ")
        return values.reshape(-1, n_columns).T

    def begin(self) -> None:
        """Begin a transaction in which only this process writes."""
        self.execute("BEGIN")
        self.execute("SELECT pg_advisory_xact_lock(20140614)")

    def note_sizes(self) -> None:
        """Let the database count its rows, as far as its plans depend on them."""
        self.execute("ANALYZE")

    def member(self, column: str, path: Sequence[str]) -> str:
        """Return the SQL of a member of JSON, as JSON text."""
        names = ", ".join("'" + name.replace("'", "''") + "'" for name in path)
        return f"({column} #> ARRAY[{names}])::text"

    def has_table(self, name: str) -> bool:
        """Return whether there is a table of this name."""
        # to_regclass() may not know yet what another process has just made
        sql = "SELECT 1 FROM pg_class WHERE relname = ? AND pg_table_is_visible(oid)"
        return self.value(sql, [name]) is not None


@lru_cache(maxsize=300)
def _for_psycopg(sql: str) -> str:
    """Replace each ``?`` that is outside quotes by the placeholder of psycopg."""
    parts = re.split(r"('(?:[^']|'')*'|\"[^\"]*\")", sql.replace("%", "%%"))
    return "".join(
        part if k % 2 else part.replace("?", "%s") for k, part in enumerate(parts)
    )
