"""Numbers of the rows of a run in the store; a missing row is added."""

from __future__ import annotations

from typing import Any

from dispel4py.provenance.databases import Database
from dispel4py.provenance.storable import clean_text, integer

__all__ = ["RowNumbers"]


class RowNumbers:
    """Numbers of rows of a run: its instances, its channels and its files.

    Parameters
    ----------
    database : Database
        In a transaction in which no other process writes.
    run : str
        The id of the run.

    Attributes
    ----------
    run : int
        The number of the run.
    """

    def __init__(self, database: Database, run: str) -> None:
        self._database = database
        self._channels: dict[str, int] = {}
        self._instances: dict[Any, int] = {}
        self._files: dict[str, int] = {}
        self.run = self.of("run", {"id": run})

    def highest(self, table: str) -> int:
        """Return the highest number of a row of a table; 0 without rows.

        Parameters
        ----------
        table : str
        """
        return int(self._database.value(f"SELECT max(n) FROM {table}") or 0)

    def of(self, table: str, key: dict[str, Any]) -> int:
        """Return the number of the row with a key; a missing row is added.

        Parameters
        ----------
        table : str
        key : dict
            Columns and their values.
        """
        values = [clean_text(v) if isinstance(v, str) else v for v in key.values()]
        test = " AND ".join(f"{name} = ?" for name in key)
        n = self._database.value(f"SELECT n FROM {table} WHERE {test}", values)
        if n is None:
            n = self.highest(table) + 1
            names = ", ".join(("n", *key))
            marks = ", ".join("?" * (len(key) + 1))
            self._database.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})", [n, *values]
            )
        return int(n)

    def item(self, name: str) -> tuple[int, int]:
        """Return the channel of an item, and the number of the item in it.

        Parameters
        ----------
        name : str
            ``source.route.destination.number``.
        """
        path, _, number = name.rpartition(".")
        return self._channels.get(path) or self._channel(path), integer(number)

    def _channel(self, path: str) -> int:
        source, route, destination = map(integer, path.split("."))
        key = {"run": self.run, "source": source, "route": route}
        n = self.of("channel", {**key, "destination": destination})
        self._channels[path] = n
        return n

    def instance(self, number: Any) -> int:
        """Return the instance with a number in the plan.

        Parameters
        ----------
        number : int
        """
        n = self._instances.get(number)
        if n is None:
            n = self._database.value(
                "SELECT n FROM instance WHERE run = ? AND number = ?",
                [self.run, integer(number)],
            )
            if n is None:  # the line that names it was cut
                key = {"run": self.run, "pe": "unknown", "k": integer(number)}
                n = self.of("instance", key)
            self._instances[number] = n
        return int(n)

    def file(self, path: str) -> int:
        """Return the number of a file that the run read.

        Parameters
        ----------
        path : str

        Raises
        ------
        TypeError
            If it is no text.
        """
        if not isinstance(path, str):
            raise TypeError(f"{path!r} is no path")
        if path not in self._files:
            self._files[path] = self.of("file", {"run": self.run, "path": path})
        return self._files[path]
