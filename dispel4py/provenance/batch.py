"""Records of a segment become rows of the store."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispel4py.provenance.model import FORMAT, Line
from dispel4py.provenance.storable import (
    clean_text,
    json_text,
    key_json,
    key_texts,
    whole,
)
from dispel4py.provenance.store import Store

__all__ = ["Batch"]

_log = logging.getLogger(__name__)

_COLUMNS = {
    "call": (
        *("instance", "number", "began", "ended", "phase", "port", "channel", "item"),
        *("outcome", "attempts", "error"),
    ),
    "product": (
        *("n", "instance", "number", "port", "k", "since", "key", "type", "location"),
        *("format", "size", "sha256", "made", "terms", "owner"),
    ),
    "product_key": ("instance", "key", "number", "product"),
    "call_key": ("instance", "key", "number"),
    "item": ("channel", "number", "product"),
    "product_call": ("product", "instance", "number"),
    "note": ("run", "made", "content"),
    "link": ("child", "instance", "number", "port", "k"),
    "reading": ("product", "file"),
    "failure": (
        *("run", "pe", "instance", "process", "phase", "port", "error", "made"),
    ),
    "remark": ("run", "product", "kind", "verdict", "note", "author", "made"),
}


class _Texts(dict[Any, str | None]):
    """Texts as `clean_text` returns them: the same texts come again and again."""

    def __missing__(self, value: Any) -> str | None:
        text = self[value] = clean_text(value)
        return text


class Batch:
    """The rows of consecutive records of one segment.

    Parameters
    ----------
    store : Store
    folder : Path
        The folder of the run.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.rows: dict[str, list[Any]] = {table: [] for table in _COLUMNS}
        self.run = self._number_of("run", {"id": folder.name})
        store.database.execute(
            "UPDATE run SET folder = ? WHERE n = ?",
            [str(folder.absolute()), self.run],
        )
        self._next_product = self._highest("product") + 1
        self._channels: dict[str, int] = {}
        self._instances: dict[Any, int] = {}
        self._files: dict[str, int] = {}
        self._text = _Texts().__getitem__
        self._spans: dict[int, int] = {}
        self._without_item: list[tuple[int, int]] = []
        self._takers: dict[str, Callable[[dict[str, Any]], None]] = {
            "call": self._take_call,
            "products": self._take_products,
            "earlier": self._take_earlier,
            "file": self._take_file,
            "run": self._take_run,
            "process": self._take_process,
            "failure": self._take_failure,
            "note": self._take_note,
            "process_end": self._take_process_end,
            "end": self._take_end,
            "mark": self._take_remark,
            "purge": self._take_remark,
        }
        self._segment = ""

    def take(self, segment: str, lines: list[Line]) -> int:
        """Make rows of lines; return the number of lines that have no record.

        Parameters
        ----------
        segment : str
            The name of the file.
        lines : list of Line
        """
        self._segment = segment
        self.store.database.execute(
            "INSERT INTO segment (run, name, position, n_cut) VALUES (?, ?, 0, 0) "
            "ON CONFLICT DO NOTHING",
            [self.run, segment],
        )
        n_cut = 0
        for record, _ in lines:
            if record is None:  # a line that was cut
                n_cut += 1
                continue
            try:
                self._takers[record["kind"]](record)
            except (AttributeError, KeyError, TypeError, ValueError):
                n_cut += 1  # it lacks some of its keys
        self.store.database.execute(
            "UPDATE segment SET position = ?, n_cut = n_cut + ? "
            "WHERE run = ? AND name = ?",
            [lines[-1].end, n_cut, self.run, segment],
        )
        return n_cut

    def write(self) -> None:
        """Add the rows to the store."""
        for table, rows in self.rows.items():
            if rows:
                self.store.database.load(table, _COLUMNS[table], rows)
        for instance, span in self._spans.items():
            self.store.database.execute(
                "UPDATE instance SET span = ? WHERE n = ? AND span < ?",
                [span, instance, span],
            )
        for instance, number in self._without_item:
            # its products that were written before its end
            self.store.database.execute(
                "UPDATE product SET since = -1, made = coalesce(made, (SELECT ended "
                "FROM call WHERE instance = ? AND number = ?)) WHERE instance = ? "
                "AND number = ? AND since = number - 1",
                [instance, number, instance, number],
            )

    # ------------------------------------------------------- hot: calls, products

    def _take_call(self, record: dict[str, Any]) -> None:
        get = record.get
        instance, number = self._instance(record["i"]), int(record["n"])
        began, ended = record["t"]
        port = channel = item = None
        got = get("got")
        if got:
            port, name = got
            path, _, end = name.rpartition(".")
            channel, item = self._channels.get(path) or self._channel(path), int(end)
        else:
            self._without_item.append((instance, number))
            self._spans[instance] = max(number + 1, self._spans.get(instance, 1))
        error = get("error")
        if "key" in record:
            self.rows["call_key"] += [
                (instance, key, number) for key in key_texts(record["key"])
            ]
        # without an item of its own, a product derives from all items so far
        since = number - 1 if got else -1
        products = [
            self._product(instance, number, since, ended, out) for out in get("out", ())
        ]
        self.rows["call"].append(
            (
                *(instance, number, began, ended, self._text(get("phase"))),
                *(self._text(port), channel, item),
                *(self._text(get("outcome")), whole(get("attempts", 1))),
                None if error is None else json_text(error),
            )
        )
        self._add(products)

    def _take_products(self, record: dict[str, Any]) -> None:
        instance = self._instance(record["i"])
        number, made = int(record["n"]), record.get("time")
        self._add(
            [
                self._product(instance, number, number - 1, made, out)
                for out in record.get("out", ())
            ]
        )

    def _product(
        self,
        instance: int,
        number: int,
        since: int,
        made: float | None,
        out: dict[str, Any],
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        get, text = out.get, self._text
        terms = get("terms")
        row = (
            *(instance, number, text(out["port"]), int(get("k", 0))),
            *(int(get("since", since)), key_json(get("key")), text(get("type"))),
            *(text(get("location")), text(get("format")), whole(get("size"))),
            *(text(get("sha256")), made, None if terms is None else json_text(terms)),
        )
        return row, out

    def _add(self, products: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        for row, out in products:
            n = self._next_product
            self._next_product += 1
            self.rows["product"].append((n, *row, None))
            span = row[1] - row[4]
            if span > self._spans.get(row[0], 1):
                self._spans[row[0]] = span
            if "key" in out:
                self.rows["product_key"] += [
                    (row[0], key, row[1], n) for key in key_texts(out["key"])
                ]
            for name in out.get("items", ()):
                path, _, end = name.rpartition(".")
                channel = self._channels.get(path) or self._channel(path)
                self.rows["item"].append((channel, int(end), n))
            if "previous" in out:
                self._add_link(n, row[0], out["previous"])
            for number in out.get("calls", ()):
                self.rows["product_call"].append((n, row[0], int(number)))
            for path in out.get("files", ()):
                self.rows["reading"].append((n, self._file(path)))
            if "parts" in out:
                self._add_parts(n, row, out["parts"])

    def _add_parts(
        self, owner: int, row: tuple[Any, ...], parts: dict[str, list[Any]]
    ) -> None:
        """Add the parts of a product, which have the same ancestors."""
        instance, number, port, k, since, key, *_, made, _ = row
        for j, values in enumerate(list(zip(*parts.values(), strict=True))):
            part = (instance, number, f"{port}[{k}]", j, since, key, "part")
            terms = json_text(dict(zip(parts, values, strict=True)))
            self.rows["product"].append(
                (self._next_product, *part, *(None,) * 4, made, terms, owner)
            )
            self._next_product += 1

    def _add_link(self, n: int, instance: int, previous: str) -> None:
        """Add the earlier product of the instance that a product derives from."""
        number, _, rest = previous.partition("/")
        port, _, k = rest.rpartition("/")
        self.rows["link"].append((n, instance, int(number), port, int(k)))

    # ------------------------------------------------------------- other records

    def _take_earlier(self, record: dict[str, Any]) -> None:
        self.store.database.execute(
            "INSERT INTO earlier_calls (instance, past) VALUES (?, ?) "
            "ON CONFLICT DO NOTHING",
            [self._instance(record["i"]), int(record["past"])],
        )

    def _check_format(self, record: dict[str, Any]) -> None:
        if record.get("format", FORMAT) > FORMAT:
            _log.warning(
                "%s: written by a later version (format %s); what only that version "
                "knows is not read",
                *(self._segment, record["format"]),
            )

    def _take_run(self, record: dict[str, Any]) -> None:
        self._check_format(record)
        get = record.get
        database = self.store.database
        database.execute(
            "UPDATE run SET name = ?, began = ?, host = ?, owner = ?, mapping = ?, "
            "processes = ?, document = ? WHERE n = ?",
            [
                *(self._text(get("name")), get("began"), self._text(get("host"))),
                *(
                    self._text(get("user")),
                    self._text(get("mapping")),
                    get("processes"),
                ),
                *(json_text(record), self.run),
            ],
        )
        for pe in get("pes", ()):
            n = self._number_of("pe", {"run": self.run, "id": pe["pe"]})
            database.execute(
                "UPDATE pe SET name = ?, class = ?, document = ? WHERE n = ?",
                [
                    self._text(pe.get("name")),
                    self._text(pe.get("class")),
                    json_text(pe),
                    n,
                ],
            )
        for file in get("files", ()):
            self._take_file(file)

    def _take_process(self, record: dict[str, Any]) -> None:
        self._check_format(record)
        for number, (pe, k) in record["instances"].items():
            self.store.database.execute(
                "UPDATE instance SET number = ?, "
                "process = CASE WHEN coalesce(process, ?) = ? THEN ? ELSE -1 END, "
                "host = CASE WHEN coalesce(host, ?) = ? THEN ? ELSE '' END "
                "WHERE n = ?",
                [
                    *(int(number), *[record["process"]] * 3),
                    *[self._text(record.get("host")) or ""] * 3,
                    self._instance_of(pe, k),
                ],
            )
        self._update_segment("began = ?", [record.get("began")])

    def _take_process_end(self, record: dict[str, Any]) -> None:
        self._update_segment(
            "ended = ?, n_lost = ?, n_undescribed = ?",
            [record.get("ended"), record.get("lost", 0), record.get("undescribed", 0)],
        )

    def _update_segment(self, change: str, values: list[Any]) -> None:
        self.store.database.execute(
            f"UPDATE segment SET {change} WHERE run = ? AND name = ?",
            [*values, self.run, self._segment],
        )

    def _take_end(self, record: dict[str, Any]) -> None:
        self.store.database.execute(
            "UPDATE run SET ended = ?, outcome = ?, n_failures = ? WHERE n = ?",
            [
                *(record.get("ended"), self._text(record.get("outcome"))),
                *(record.get("n_failures"), self.run),
            ],
        )

    def _take_file(self, record: dict[str, Any]) -> None:
        self.store.database.execute(
            "UPDATE file SET size = ?, modified = ?, sha256 = ? WHERE n = ?",
            [
                *(whole(record.get("size")), record.get("modified")),
                *(self._text(record.get("sha256")), self._file(record["path"])),
            ],
        )

    def _take_failure(self, record: dict[str, Any]) -> None:
        get = record.get
        self.rows["failure"].append(
            (
                *(self.run, self._text(get("pe")), get("instance"), get("process")),
                *(
                    self._text(get("phase")),
                    self._text(get("port")),
                    json_text(get("error")),
                ),
                get("time"),
            )
        )

    def _take_note(self, record: dict[str, Any]) -> None:
        content = json_text(record.get("content"))
        self.rows["note"].append((self.run, record.get("time"), content))

    def _take_remark(self, record: dict[str, Any]) -> None:
        get = record.get
        self.rows["remark"].append(
            (
                *(self.run, self._text(record["product"]), record["kind"]),
                *(
                    self._text(get("verdict")),
                    self._text(get("note")),
                    self._text(get("author")),
                ),
                get("time"),
            )
        )

    # ------------------------------------------------------- texts and numbers

    def _highest(self, table: str) -> int:
        return int(self.store.value(f"SELECT max(n) FROM {table}") or 0)

    def _number_of(self, table: str, key: dict[str, Any]) -> int:
        """Return the number of the row with a key; a missing row is added."""
        values = [clean_text(v) if isinstance(v, str) else v for v in key.values()]
        test = " AND ".join(f"{name} = ?" for name in key)
        n = self.store.value(f"SELECT n FROM {table} WHERE {test}", values)
        if n is None:
            n = self._highest(table) + 1
            names = ", ".join(("n", *key))
            marks = ", ".join("?" * (len(key) + 1))
            self.store.database.execute(
                f"INSERT INTO {table} ({names}) VALUES ({marks})", [n, *values]
            )
        return int(n)

    def _channel(self, path: str) -> int:
        source, route, destination = map(int, path.split("."))
        key = {"run": self.run, "source": source, "route": route}
        n = self._number_of("channel", {**key, "destination": destination})
        self._channels[path] = n
        return n

    def _instance(self, number: Any) -> int:
        """Return the instance with a number in the plan."""
        n = self._instances.get(number)
        if n is None:
            n = self.store.value(
                "SELECT n FROM instance WHERE run = ? AND number = ?",
                [self.run, int(number)],
            )
            if n is None:  # the line that names it was cut
                n = self._instance_of("unknown", int(number))
            self._instances[number] = n
        return int(n)

    def _instance_of(self, pe: str, k: int) -> int:
        return self._number_of("instance", {"run": self.run, "pe": pe, "k": k})

    def _file(self, path: str) -> int:
        if not isinstance(path, str):
            raise TypeError(f"{path!r} is no path")
        if path not in self._files:
            self._files[path] = self._number_of("file", {"run": self.run, "path": path})
        return self._files[path]
