"""Records of a segment become rows of the store."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from dispel4py.provenance.model import FORMAT, Line
from dispel4py.provenance.row_numbers import RowNumbers
from dispel4py.provenance.storable import (
    clean_text,
    integer,
    json_text,
    key_texts,
    real,
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

    Attributes
    ----------
    n_records, n_cut : int
        Lines that were taken, and lines without a record.
    end : int
        Byte of the segment after the last line.
    """

    def __init__(self, store: Store, folder: Path) -> None:
        self.store = store
        self.rows: dict[str, list[Any]] = {table: [] for table in _COLUMNS}
        numbers = RowNumbers(store.database, folder.name)
        self.run = numbers.run
        self._instance, self._file = numbers.instance, numbers.file
        self._item, self._number_of = numbers.item, numbers.of
        store.database.execute(
            "UPDATE run SET folder = ? WHERE n = ?",
            [str(folder.absolute()), self.run],
        )
        self._next_product = numbers.highest("product") + 1
        self._text = _Texts().__getitem__
        self._spans: dict[int, int] = {}
        self._without_item: list[tuple[int, int]] = []
        self._segment = ""
        self.n_records = self.n_cut = self.end = 0

    def take(self, segment: str, lines: Iterable[Line]) -> None:
        """Make rows of lines.

        Parameters
        ----------
        segment : str
            The name of the file.
        lines : iterable of Line
            At least one.
        """
        self._segment = segment
        self.store.database.execute(
            "INSERT INTO segment (run, name, position, n_cut) VALUES (?, ?, 0, 0) "
            "ON CONFLICT DO NOTHING",
            [self.run, segment],
        )
        for record, end in lines:
            self.end = end
            if record is None:  # a line that was cut
                self.n_cut += 1
                continue
            try:
                _TAKERS[record["kind"]](self, record)
                self.n_records += 1
            except (AttributeError, KeyError, OverflowError, TypeError, ValueError):
                self.n_cut += 1  # it lacks some of its keys, or has others
        self.store.database.execute(
            "UPDATE segment SET position = ?, n_cut = n_cut + ? "
            "WHERE run = ? AND name = ?",
            [self.end, self.n_cut, self.run, segment],
        )

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
        get, text = record.get, self._text
        instance, number = self._instance(record["i"]), integer(record["n"])
        began, ended = record["t"]
        began, ended = float(began), float(ended)
        port = channel = item = None
        since = number - 1
        got = get("got")
        if got:
            port, name = got
            channel, item = self._item(name)
        else:
            since = -1  # a product derives from all items so far
            self._without_item.append((instance, number))
            self._spans[instance] = max(number + 1, self._spans.get(instance, 1))
        if "key" in record:
            self.rows["call_key"] += [
                (instance, key, number) for key in key_texts(record["key"])
            ]
        outs = get("out", ())
        products = [self._product(instance, number, since, ended, out) for out in outs]
        error, attempts = get("error"), get("attempts")
        self.rows["call"].append(
            (
                instance,
                number,
                began,
                ended,
                text(get("phase")),
                text(port),
                channel,
                item,
                text(get("outcome")),
                1 if attempts is None else whole(attempts),
                None if error is None else json_text(error),
            )
        )
        self._add(products)

    def _take_products(self, record: dict[str, Any]) -> None:
        instance, number = self._instance(record["i"]), integer(record["n"])
        made = real(record.get("time"))
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
        """Return the row of a product, without its number, and the product."""
        get, text = out.get, self._text
        key, terms = get("key"), get("terms")
        row = (
            instance,
            number,
            text(str(out["port"])),
            integer(out["k"]) if "k" in out else 0,
            integer(out["since"]) if "since" in out else since,
            None if key is None else json_text(key),
            text(get("type")),
            text(get("location")),
            text(get("format")),
            whole(out["size"]) if "size" in out else None,
            text(get("sha256")),
            made,
            None if terms is None else json_text(terms),
            None,
        )
        return row, out

    def _add(self, products: list[tuple[tuple[Any, ...], dict[str, Any]]]) -> None:
        for row, out in products:
            n = self._next_product
            self._next_product = n + 1
            self.rows["product"].append((n, *row))
            span = row[1] - row[4]
            if span > self._spans.get(row[0], 1):
                self._spans[row[0]] = span
            if "key" in out:
                self.rows["product_key"] += [
                    (row[0], key, row[1], n) for key in key_texts(out["key"])
                ]
            for name in out.get("items", ()):
                channel, number = self._item(name)
                self.rows["item"].append((channel, number, n))
            if "previous" in out:
                self._add_link(n, row[0], out["previous"])
            for number in out.get("calls", ()):
                self.rows["product_call"].append((n, row[0], integer(number)))
            for path in out.get("files", ()):
                self.rows["reading"].append((n, self._file(path)))
            if "parts" in out:
                self._add_parts(n, row, out["parts"])

    def _add_parts(
        self, owner: int, row: tuple[Any, ...], parts: dict[str, list[Any]]
    ) -> None:
        """Add the parts of a product, which have the same ancestors."""
        instance, number, port, k, since, key, *_, made, _, _ = row
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
        self.rows["link"].append((n, instance, integer(number), port, integer(k)))

    # ------------------------------------------------------------- other records

    def _take_earlier(self, record: dict[str, Any]) -> None:
        self.store.database.execute(
            "INSERT INTO earlier_calls (instance, past) VALUES (?, ?) "
            "ON CONFLICT DO NOTHING",
            [self._instance(record["i"]), integer(record["past"])],
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
        get, text = record.get, self._text
        database = self.store.database
        database.execute(
            "UPDATE run SET name = ?, began = ?, host = ?, owner = ?, mapping = ?, "
            "processes = ?, document = ? WHERE n = ?",
            [
                text(get("name")),
                real(get("began")),
                text(get("host")),
                text(get("user")),
                text(get("mapping")),
                whole(get("processes")),
                json_text(record),
                self.run,
            ],
        )
        for pe in get("pes", ()):
            n = self._number_of("pe", {"run": self.run, "id": str(pe["pe"])})
            database.execute(
                "UPDATE pe SET name = ?, class = ?, document = ? WHERE n = ?",
                [text(pe.get("name")), text(pe.get("class")), json_text(pe), n],
            )
        for file in get("files", ()):
            self._take_file(file)

    def _take_process(self, record: dict[str, Any]) -> None:
        self._check_format(record)
        process, host = whole(record["process"]), self._text(record.get("host")) or ""
        for number, (pe, k) in record["instances"].items():
            key = {"run": self.run, "pe": str(pe), "k": integer(k)}
            n = self._number_of("instance", key)
            self.store.database.execute(
                "UPDATE instance SET number = ?, "
                "process = CASE WHEN coalesce(process, ?) = ? THEN ? ELSE -1 END, "
                "host = CASE WHEN coalesce(host, ?) = ? THEN ? ELSE '' END "
                "WHERE n = ?",
                [integer(number), *[process] * 3, *[host] * 3, n],
            )
        self._update_segment("began = ?", [real(record.get("began"))])

    def _take_process_end(self, record: dict[str, Any]) -> None:
        lost, undescribed = record.get("lost", 0), record.get("undescribed", 0)
        self._update_segment(
            "ended = ?, n_lost = ?, n_undescribed = ?",
            [real(record.get("ended")), whole(lost), whole(undescribed)],
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
                real(record.get("ended")),
                self._text(record.get("outcome")),
                whole(record.get("n_failures")),
                self.run,
            ],
        )

    def _take_file(self, record: dict[str, Any]) -> None:
        self.store.database.execute(
            "UPDATE file SET size = ?, modified = ?, sha256 = ? WHERE n = ?",
            [
                whole(record.get("size")),
                real(record.get("modified")),
                self._text(record.get("sha256")),
                self._file(record["path"]),
            ],
        )

    def _take_failure(self, record: dict[str, Any]) -> None:
        get, text = record.get, self._text
        self.rows["failure"].append(
            (
                self.run,
                text(get("pe")),
                whole(get("instance")),
                whole(get("process")),
                text(get("phase")),
                text(get("port")),
                json_text(get("error")),
                real(get("time")),
            )
        )

    def _take_note(self, record: dict[str, Any]) -> None:
        content = json_text(record.get("content"))
        self.rows["note"].append((self.run, real(record.get("time")), content))

    def _take_remark(self, record: dict[str, Any]) -> None:
        get, text = record.get, self._text
        self.rows["remark"].append(
            (
                self.run,
                text(str(record["product"])),
                record["kind"],
                text(get("verdict")),
                text(get("note")),
                text(get("author")),
                real(get("time")),
            )
        )


#: What takes each kind of record. A batch must not refer to itself, as bound methods
#: would: its memory is freed without a search for cycles.
_TAKERS: dict[Any, Callable[[Batch, dict[str, Any]], None]] = {
    "call": Batch._take_call,
    "products": Batch._take_products,
    "earlier": Batch._take_earlier,
    "file": Batch._take_file,
    "run": Batch._take_run,
    "process": Batch._take_process,
    "failure": Batch._take_failure,
    "note": Batch._take_note,
    "process_end": Batch._take_process_end,
    "end": Batch._take_end,
    "mark": Batch._take_remark,
    "purge": Batch._take_remark,
}
