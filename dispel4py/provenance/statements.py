"""The statements of W3C PROV about runs and products.

A product and a file are entities, a call is an activity, a PE is a software agent that
acts for the user. Statements are made one after the other, so the memory does not grow
with their number.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from dispel4py.provenance.closure import parent_calls
from dispel4py.provenance.lineage import derivations
from dispel4py.provenance.products import get_products, in_parts, load_json
from dispel4py.provenance.store import Store

__all__ = ["NAMESPACES", "Element", "Relation", "Selection", "statements", "timestamp"]

#: Prefixes of names; d4p names runs, calls and products, term the terms of products.
NAMESPACES = {
    "d4p": "urn:dispel4py:provenance:",
    "term": "urn:dispel4py:term:",
    "file": "file:///",
    "user": "urn:dispel4py:user:",
}
_AT_ONCE = 500


class Element(NamedTuple):
    """An entity, activity or agent: its name, times (activities only), attributes."""

    kind: str
    name: str
    times: tuple[float | None, float | None]
    attributes: list[tuple[str, Any]]


class Relation(NamedTuple):
    """A statement about two elements, in the order of PROV-N."""

    kind: str
    first: str
    second: str


class Selection(NamedTuple):
    """What is exported: runs, by numbers and ids, and products, by numbers.

    With ``whole``, all calls of the runs belong to it, else those of the products.
    """

    runs: dict[int, str]
    numbers: Sequence[int]
    whole: bool


def qualified(prefix: str, local: str) -> str:
    """Return a qualified name; characters that PROV-N does not allow are escaped.

    Parameters
    ----------
    prefix : str
        One of `NAMESPACES`.
    local : str
        The name in this namespace.

    >>> qualified("d4p", "R/My PE/0")
    'd4p:R/My%20PE/0'
    """
    return f"{prefix}:{quote(local, safe='/-_.~')}"


def file_name(path: str) -> str:
    """Return the qualified name of a file.

    >>> file_name("/data/a b"), file_name("s3://bucket/a")
    ('file:data/a%20b', 'd4p:file/s3%3A//bucket/a')
    """
    if path.startswith("/"):
        return qualified("file", path.lstrip("/"))
    return qualified("d4p", f"file/{path}")


def timestamp(seconds: float | None) -> str | None:
    """Return a time as ISO 8601 in UTC.

    >>> timestamp(0.5), timestamp(None)
    ('1970-01-01T00:00:00.500000+00:00', None)
    """
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


def statements(store: Store, selection: Selection) -> Iterator[Element | Relation]:
    """Yield elements and relations, those of one kind after each other.

    Parameters
    ----------
    store : Store
    selection : Selection
    """
    yield from _entities(store, selection)
    yield from _activities(store, selection)
    yield from _agents(store, selection)
    for kind, pairs in (
        ("wasGeneratedBy", _generations(store, selection)),
        ("used", _usages(store, selection)),
        ("wasDerivedFrom", _derivations(store, selection)),
        ("wasAssociatedWith", _associations(store, selection)),
        ("actedOnBehalfOf", _delegations(store, selection)),
    ):
        for first, second in pairs:
            yield Relation(kind, first, second)


def _parts(selection: Selection) -> Iterator[Sequence[int]]:
    numbers = selection.numbers
    for k in range(0, len(numbers), _AT_ONCE):
        yield numbers[k : k + _AT_ONCE]


def _entities(store: Store, selection: Selection) -> Iterator[Element]:
    for part in _parts(selection):
        for product in get_products(store, part):
            attributes = [
                (f"d4p:{name}", product[name])
                for name in (
                    *("port", "type", "location", "format", "size", "sha256"),
                    *("mark", "note", "purged"),
                )
                if product.get(name) is not None
            ]
            attributes += [
                (qualified("term", name), _simple(value))
                for name, value in sorted(product["terms"].items())
                if value is not None
            ]
            name = qualified("d4p", product["id"])
            yield Element("entity", name, (None, None), attributes)
    for path, size, modified, sha256 in _files(store, selection):
        values = {"size": size, "sha256": sha256, "modified": timestamp(modified)}
        attributes = [(f"d4p:{k}", v) for k, v in values.items() if v is not None]
        yield Element("entity", file_name(path), (None, None), attributes)


def _simple(value: Any) -> Any:
    return value if isinstance(value, str | int | float) else _text(value)


def _text(value: Any) -> str:
    """Return JSON that is the same from all databases, which keep no order of keys."""
    return json.dumps(value, sort_keys=True)


def _files(store: Store, selection: Selection) -> list[Any]:
    """Return the files that the products were read from."""
    found: dict[str, Any] = {}
    for marks, part in in_parts(list(selection.numbers)):
        for row in store.rows(
            "SELECT file.path, file.size, file.modified, file.sha256 FROM reading "
            f"JOIN file ON file.n = reading.file WHERE reading.product IN ({marks})",
            part,
        ):
            found[row[0]] = row
    return list(found.values())


_CALLS = """
SELECT {names} FROM call c JOIN instance ON instance.n = c.instance {where}
"""
_CALL_ID = (
    "instance.run, instance.pe || '/' || CAST(instance.k AS TEXT) || '/' || "
    "CAST(c.number AS TEXT)"
)


def _calls(
    store: Store, selection: Selection, names: str, join: str = ""
) -> Iterator[Any]:
    """Yield columns of the calls of a selection, each call once."""
    if selection.whole:
        for run in selection.runs:
            sql = _CALLS.format(names=names, where=f"{join} WHERE instance.run = ?")
            yield from store.database.execute(sql, [run])
        return
    seen: set[Any] = set()
    for marks, part in in_parts(list(selection.numbers)):
        joins = f"JOIN instance ON instance.n = c.instance {join}"
        own = "JOIN call c ON c.instance = p.instance AND c.number = p.number"
        sql = parent_calls(names, joins, f"p.n IN ({marks})")
        sql += f" UNION SELECT {names} FROM product p {own} {joins} "
        sql += f"WHERE p.n IN ({marks})"
        for row in store.rows(sql, part * 4):
            if tuple(row) not in seen:
                seen.add(tuple(row))
                yield row


def _activities(store: Store, selection: Selection) -> Iterator[Element]:
    for n, run in selection.runs.items():
        row = store.rows(
            "SELECT name, began, ended, outcome, host, mapping, document "
            "FROM run WHERE n = ?",
            [n],
        )[0]
        labels = ("name", "outcome", "host", "mapping")
        values = dict(zip(labels, (row[0], *row[3:6]), strict=True))
        document = load_json(row[6]) or {}
        for name in ("configuration", "versions", "command"):
            if document.get(name):
                values[name] = _text(document[name])
        attributes = [(f"d4p:{k}", v) for k, v in values.items() if v is not None]
        yield Element("activity", qualified("d4p", run), (row[1], row[2]), attributes)
    names = f"{_CALL_ID}, c.began, c.ended, c.phase, c.outcome, c.attempts, "
    names += "CAST(c.error AS TEXT)"
    for run_n, call, began, ended, phase, outcome, attempts, error in _calls(
        store, selection, names
    ):
        values = {"phase": phase, "outcome": outcome}
        values["error"] = None if error is None else _text(load_json(error))
        attributes = [(f"d4p:{k}", v) for k, v in values.items() if v is not None]
        if attempts not in (None, 1):
            attributes.append(("d4p:attempts", attempts))
        name = qualified("d4p", f"{selection.runs[run_n]}/{call}")
        yield Element("activity", name, (began, ended), attributes)


def _agents(store: Store, selection: Selection) -> Iterator[Element]:
    for owner in sorted(set(_owners(store, selection).values())):
        name = qualified("user", owner)
        yield Element("agent", name, (None, None), [("prov:type", "prov:Person")])
    for run, pe, class_, document in _pes(store, selection):
        details = load_json(document) or {}
        attributes: list[tuple[str, Any]] = [("prov:type", "prov:SoftwareAgent")]
        attributes += [("d4p:class", class_)] if class_ else []
        if details.get("sha256"):
            attributes.append(("d4p:sha256", details["sha256"]))
        if details.get("parameters"):
            attributes.append(("d4p:parameters", _text(details["parameters"])))
        yield Element("agent", _pe_name(run, pe), (None, None), attributes)


def _pe_name(run: str, pe: str) -> str:
    return qualified("d4p", f"{run}/{pe}")


def _owners(store: Store, selection: Selection) -> dict[int, str]:
    owners = dict(store.rows("SELECT n, owner FROM run"))
    return {n: owners[n] or "unknown" for n in selection.runs}


def _pes(store: Store, selection: Selection) -> Iterator[tuple[str, str, Any, Any]]:
    """Yield the PEs of the runs that have instances: run, PE, class, description."""
    for n, run in selection.runs.items():
        for pe, class_, document in store.rows(
            "SELECT DISTINCT instance.pe, pe.class, CAST(pe.document AS TEXT) "
            "FROM instance LEFT JOIN pe ON pe.run = instance.run "
            "AND pe.id = instance.pe WHERE instance.run = ? ORDER BY instance.pe",
            [n],
        ):
            yield run, pe, class_, document


def _generations(store: Store, selection: Selection) -> Iterator[tuple[str, str]]:
    for part in _parts(selection):
        for product in get_products(store, part):
            call = _call_of(product)
            yield qualified("d4p", product["id"]), qualified("d4p", call)


def _call_of(product: dict[str, Any]) -> str:
    """Return the id of the call that sent a product."""
    without_k = product["id"].rpartition("/")[0]
    return str(without_k[: -len(product["port"]) - 1])


def _usages(store: Store, selection: Selection) -> Iterator[tuple[str, str]]:
    join = (
        "JOIN item i ON i.channel = c.channel AND i.number = c.item "
        "JOIN product q ON q.n = i.product JOIN instance s ON s.n = q.instance"
    )
    product = (
        "s.pe || '/' || CAST(s.k AS TEXT) || '/' || CAST(q.number AS TEXT) || '/' || "
        "q.port || '/' || CAST(q.k AS TEXT)"
    )
    for run_n, call, used in _calls(store, selection, f"{_CALL_ID}, {product}", join):
        run = selection.runs[run_n]
        yield qualified("d4p", f"{run}/{call}"), qualified("d4p", f"{run}/{used}")
    sql = """SELECT instance.run, instance.pe, instance.k, p.number, file.path
      FROM reading JOIN file ON file.n = reading.file
      JOIN product p ON p.n = reading.product
      JOIN instance ON instance.n = p.instance WHERE reading.product IN ({marks})"""
    for marks, part in in_parts(list(selection.numbers)):
        for run_n, pe, k, n, path in store.rows(sql.format(marks=marks), part):
            call = f"{selection.runs[run_n]}/{pe}/{k}/{n}"
            yield qualified("d4p", call), file_name(path)


def _derivations(store: Store, selection: Selection) -> Iterator[tuple[str, str]]:
    for part in _parts(selection):
        pairs = derivations(store, part)
        names = _names(store, {n for pair in pairs for n in pair})
        for child, parent in pairs:
            yield names[child], names[parent]
        for marks, some in in_parts(list(part)):
            sql = (
                "SELECT reading.product, file.path FROM reading JOIN file "
                f"ON file.n = reading.file WHERE reading.product IN ({marks})"
            )
            rows = store.rows(sql, some)
            names = _names(store, {n for n, _ in rows})
            for n, path in rows:
                yield names[n], file_name(path)


def _names(store: Store, numbers: Iterable[int]) -> dict[int, str]:
    ordered = sorted(numbers)
    found = get_products(store, ordered)
    return {
        n: qualified("d4p", product["id"])
        for n, product in zip(ordered, found, strict=True)
    }


def _associations(store: Store, selection: Selection) -> Iterator[tuple[str, str]]:
    owners = _owners(store, selection)
    for n, run in selection.runs.items():
        yield qualified("d4p", run), qualified("user", owners[n])
    for run_n, call, pe in _calls(store, selection, f"{_CALL_ID}, instance.pe"):
        run = selection.runs[run_n]
        yield qualified("d4p", f"{run}/{call}"), _pe_name(run, pe)


def _delegations(store: Store, selection: Selection) -> Iterator[tuple[str, str]]:
    owners = _owners(store, selection)
    ids = {run: n for n, run in selection.runs.items()}
    for run, pe, _, _ in _pes(store, selection):
        yield _pe_name(run, pe), qualified("user", owners[ids[run]])
