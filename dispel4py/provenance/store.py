"""The store: the records of all runs of a folder, in a database.

The segments of a folder (see `dispel4py.provenance.model`) are the truth; the store is
made from them, and can be deleted and made again. Derivations are not stored one by
one: a product has the range of calls that it was derived from, a call the item that it
got, and an item the products that were sent under its name. So a stack of a million
items is one row.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.lineage import PROCESSES
from dispel4py.provenance.databases import Database, SQLite, open_database
from dispel4py.provenance.model import CALLS_PER_START
from dispel4py.provenance.record_folder import check_exists

__all__ = ["PROCESS_OF_CALL", "Store", "open_store"]

#: Name of the database in the folder of provenance.
DATABASE = "provenance.db"
VERSION = 4
#: The user is told of arrays that take longer to read than this, in seconds.
PATIENCE_S = 1.0
#: The process of a call ``c`` of an ``instance``. An instance that several processes
#: had has the process -1, and the numbers of its calls say which process made them.
PROCESS_OF_CALL = (
    f"CASE WHEN instance.process = -1 THEN c.number / {CALLS_PER_START} % {PROCESSES} "
    "ELSE instance.process END"
)

_TABLES = """
CREATE TABLE store (version {int});
CREATE TABLE run (n {int} PRIMARY KEY, id TEXT UNIQUE NOT NULL, folder TEXT, name TEXT,
  began {real}, ended {real}, outcome TEXT, host TEXT, owner TEXT, mapping TEXT,
  processes {int}, n_failures {int}, document {json});
CREATE TABLE pe (n {int} PRIMARY KEY, run {int} NOT NULL, id TEXT NOT NULL, name TEXT,
  class TEXT, document {json}, UNIQUE (run, id));
CREATE TABLE instance (n {int} PRIMARY KEY, run {int} NOT NULL, pe TEXT NOT NULL,
  k {int} NOT NULL, number {int}, process {int}, host TEXT,
  span {int} NOT NULL DEFAULT 1, UNIQUE (run, pe, k));
CREATE TABLE segment (run {int} NOT NULL, name TEXT NOT NULL, position {int} NOT NULL,
  n_cut {int} NOT NULL, began {real}, ended {real}, n_lost {int}, n_undescribed {int},
  PRIMARY KEY (run, name));
CREATE TABLE channel (n {int} PRIMARY KEY, run {int} NOT NULL, source {int} NOT NULL,
  route {int} NOT NULL, destination {int} NOT NULL,
  UNIQUE (run, source, route, destination));
CREATE TABLE call (instance {int} NOT NULL, number {int} NOT NULL, began {real},
  ended {real}, phase TEXT, port TEXT, channel {int}, item {int}, outcome TEXT,
  attempts {int}, error {json},
  PRIMARY KEY (instance, number)) {clustered};
CREATE INDEX call_item ON call (channel, item);
CREATE INDEX call_outcome ON call (instance) WHERE outcome IS NOT NULL;
CREATE TABLE product (n {int} PRIMARY KEY, instance {int} NOT NULL,
  number {int} NOT NULL, port TEXT NOT NULL, k {int} NOT NULL, since {int} NOT NULL,
  key TEXT, owner {int}, type TEXT, location TEXT, format TEXT, size {int},
  sha256 TEXT, made {real}, terms {json});
CREATE UNIQUE INDEX product_id ON product (instance, number, port, k);
CREATE INDEX product_span ON product (instance, number) WHERE since < number - 1;
CREATE INDEX product_location ON product (location) WHERE location IS NOT NULL;
CREATE INDEX product_owner ON product (owner) WHERE owner IS NOT NULL;
CREATE TABLE product_key (instance {int} NOT NULL, key TEXT NOT NULL,
  number {int} NOT NULL, product {int} NOT NULL,
  PRIMARY KEY (instance, key, number, product)) {clustered};
CREATE INDEX product_key_product ON product_key (product);
CREATE TABLE call_key (instance {int} NOT NULL, key TEXT NOT NULL,
  number {int} NOT NULL, PRIMARY KEY (instance, key, number)) {clustered};
CREATE INDEX call_key_call ON call_key (instance, number);
CREATE TABLE product_call (product {int} NOT NULL, instance {int} NOT NULL,
  number {int} NOT NULL, PRIMARY KEY (product, number)) {clustered};
CREATE INDEX product_call_call ON product_call (instance, number);
CREATE TABLE item (channel {int} NOT NULL, number {int} NOT NULL,
  product {int} NOT NULL, PRIMARY KEY (channel, number, product)) {clustered};
CREATE INDEX item_product ON item (product);
CREATE TABLE link (child {int} NOT NULL, instance {int} NOT NULL, number {int} NOT NULL,
  port TEXT NOT NULL, k {int} NOT NULL);
CREATE INDEX link_child ON link (child);
CREATE INDEX link_parent ON link (instance, number, port, k);
CREATE TABLE earlier_calls (instance {int} NOT NULL, past {int} NOT NULL,
  PRIMARY KEY (instance, past)) {clustered};
CREATE TABLE file (n {int} PRIMARY KEY, run {int} NOT NULL, path TEXT NOT NULL,
  size {int}, modified {real}, sha256 TEXT, UNIQUE (run, path));
CREATE INDEX file_path ON file (path);
CREATE TABLE reading (product {int} NOT NULL, file {int} NOT NULL);
CREATE INDEX reading_product ON reading (product);
CREATE INDEX reading_file ON reading (file);
CREATE TABLE failure (run {int} NOT NULL, pe TEXT, instance {int}, process {int},
  phase TEXT, port TEXT, error {json}, made {real});
CREATE TABLE note (run {int} NOT NULL, made {real}, content {json});
CREATE TABLE remark (run {int} NOT NULL, product TEXT NOT NULL, kind TEXT NOT NULL,
  verdict TEXT, note TEXT, author TEXT, made {real});
CREATE INDEX remark_product ON remark (run, product);
CREATE TABLE kept_array (name TEXT NOT NULL, part {int} NOT NULL,
  revision {int} NOT NULL, content {bytes}, PRIMARY KEY (name, part));
"""


class OtherVersion(ParameterError):
    """The database was made by another version of this program."""


class Store:
    """The records of the runs of a folder.

    Parameters
    ----------
    database : Database
    folder : Path or None
        The folder of provenance; None if only the database is given.

    Attributes
    ----------
    database : Database
    folder : Path or None
    tell : callable
        Called with a line of text if a question takes long; it does nothing by default.
    arrays : dict
        The arrays that searches have read, see `dispel4py.provenance.search`.

    Raises
    ------
    OtherVersion
        If the database was made by another version.
    ParameterError
        If it cannot be written.
    """

    def __init__(self, database: Database, folder: Path | None = None) -> None:
        self.database, self.folder = database, folder
        self.tell: Callable[[str], None] = lambda text: None
        self.arrays: dict[str, Any] = {}
        try:
            if not database.has_table("store"):
                self._create()
            version = database.value("SELECT version FROM store")
        except database.errors as error:
            reason = " ".join(str(error).split())
            raise ParameterError(
                f"the store of provenance: {reason}; delete it, and it is made again "
                "from the records, or use --db for another place"
            ) from error
        if version != VERSION:
            database.close()
            raise OtherVersion(
                f"the database has version {version}, and this program makes version "
                f"{VERSION}: delete it, and it is made again from the records"
            )

    def _create(self) -> None:
        database = self.database
        is_file = isinstance(database, SQLite)
        kinds = {
            "int": "INTEGER" if is_file else "BIGINT",
            "real": "REAL" if is_file else "DOUBLE PRECISION",
            "json": database.json_type,
            "bytes": database.bytes_type,
            "clustered": database.clustered,
        }
        with database.transaction():
            if database.has_table("store"):  # another process has made it now
                return
            for statement in _TABLES.format(**kinds).split(";"):
                if statement.strip():
                    text = re.sub(r"\bTEXT\b", f"TEXT{database.collation}", statement)
                    database.execute(text)
            database.execute("INSERT INTO store VALUES (?)", [VERSION])

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return all rows of a query.

        Parameters
        ----------
        sql : str
        values : sequence
        """
        return self.database.rows(sql, values)

    def value(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """Return the first value of the first row of a query; None without a row.

        Parameters
        ----------
        sql : str
        values : sequence
        """
        return self.database.value(sql, values)

    def close(self) -> None:
        """Close the database."""
        self.database.close()


def open_store(folder: str | Path | None, place: str | Path | None = None) -> Store:
    """Open the store of a folder of provenance.

    Parameters
    ----------
    folder : str, Path or None
        The folder of ``--provenance``.
    place : str or Path, optional
        The database: a file, or ``postgresql://...``; by default a file in the folder.

    Raises
    ------
    ParameterError
        If there is no such folder, or the database cannot be opened.
    """
    if folder is not None:
        check_exists(folder)
    if place is not None:
        return Store(open_database(place), None if folder is None else Path(folder))
    if folder is None:
        raise ParameterError("give a folder of provenance, or --db")
    path = Path(folder) / DATABASE
    try:
        return Store(open_database(path), Path(folder))
    except OtherVersion:
        path.unlink()  # it has nothing that the records do not have
        return Store(open_database(path), Path(folder))
