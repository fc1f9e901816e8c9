"""Answers as text for a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Characters of the terms of a product in a table.
_WIDEST = 60


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table, each column as wide as its widest text.

    Parameters
    ----------
    head : sequence of str
    rows : iterable of sequence

    >>> print(table(["pe", "calls"], [["Read", 3]]))
    pe    calls
    Read  3
    """
    cells = [list(head), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(
            f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def moment(seconds: Any) -> str:
    """Return a time in UTC.

    >>> moment(0), moment(None)
    ('1970-01-01 00:00:00', '-')
    """
    if not isinstance(seconds, int | float):
        return "-"
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def short_terms(terms: Any) -> str:
    """Return terms on one line, cut if they are long."""
    text = " ".join(f"{name}={_value(value)}" for name, value in (terms or {}).items())
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 3]}..."


#: Terms that say what an item is, in the order of a title.
_TITLE_TERMS = (
    *("event", "network", "station", "channel", "first", "second"),
    *("network_1", "station_1", "channel_1", "network_2", "station_2", "channel_2"),
    *("component", "measure", "stack", "start"),
)


def title(product: dict[str, Any]) -> str:
    """Return the title of a picture of a product.

    Parameters
    ----------
    product : dict
        See `dispel4py.provenance.products.get_products`.

    Examples
    --------
    >>> terms = {"n": 3, "station": "FMP", "start": "2015-04-06T00:00:00.000000Z"}
    >>> title({"pe": "Read0", "id": "R/Read0/0/1/output/0", "terms": terms})
    'Read0: FMP 2015-04-06T00:00:00'
    """
    terms = product["terms"]
    words = [str(terms[name]) for name in _TITLE_TERMS if terms.get(name) is not None]
    if not words and product.get("location"):
        words = [Path(product["location"]).name]
    words = [word.removesuffix(".000000Z") for word in words]
    what = " ".join(words) or product["id"].partition("/")[2]
    return f"{product['pe']}: {what}"


def _value(value: Any) -> str:
    if isinstance(value, str | int | float):
        return _cell(value)
    return json.dumps(value, ensure_ascii=False)


def runs(found: list[dict[str, Any]]) -> str:
    """Return a table of runs."""
    if not found:
        return "no runs"
    head = ("run", "name", "began (UTC)", "outcome", "mapping", "user", "products")
    return table(
        (*head, "failures"),
        (
            [
                *(run["id"], run["name"], moment(run["began"]), run["outcome"]),
                *(run["mapping"], run["user"], run["n_products"], run["n_failures"]),
            ]
            for run in found
        ),
    )


def run(found: dict[str, Any]) -> str:
    """Return what is known of a run."""
    lines = [
        f"run        {found['id']} ({found['name'] or 'without a name'})",
        f"began      {moment(found['began'])} UTC",
        f"ended      {moment(found['ended'])} UTC, {found['outcome']}",
        f"by         {found['user']} on {found['host']}, {found['mapping']}, "
        f"{_count(found['processes'], 'process', 'processes')}",
        f"command    {' '.join(map(str, found['command'] or ['-']))}",
    ]
    lost = (
        ("records_cut", "records could not be read"),
        ("records_not_written", "records could not be written"),
        ("items_not_described", "items could not be described"),
        ("items_lost_with_their_process", "items were lost with their process"),
        ("calls_lost_with_their_process", "calls were lost with their process"),
    )
    lines += [f"incomplete {found[key]} {text}" for key, text in lost if found[key]]
    head = ("pe", "instances", "calls", "busy s", "products", "bytes", "failed")
    rows = (
        [
            *(pe["pe"], pe["instances"], pe["n_calls"], round(pe["busy_s"], 3)),
            *(pe["n_products"], pe["bytes"], pe["n_failed"]),
        ]
        for pe in found["pes"]
    )
    lines += ["", table(head, rows)]
    if found["files"]:
        read = _count(len(found["files"]), "file was read", "files were read")
        lines += ["", f"{read}, such as:" if len(found["files"]) > 5 else f"{read}:"]
        lines += [f"  {file['path']}" for file in found["files"][:5]]
    return "\n".join(lines)


def _count(n: int, one: str, several: str) -> str:
    return f"{n} {one if n == 1 else several}"


def product(found: dict[str, Any]) -> str:
    """Return what is known of a product."""
    names = ("id", "type", "location", "format", "size", "sha256", "mark", "note")
    lines = [f"{name:9} {found[name]}" for name in names if found.get(name) is not None]
    lines.append(f"{'made':9} {moment(found.get('made'))} UTC")
    lines += [f"  {name} = {_value(v)}" for name, v in found["terms"].items()]
    if found.get("purged"):
        lines.append("its file was deleted by purge")
    lines += [f"from      {parent['id']}" for parent in found["parents"]]
    lines += [f"from file {file['path']}" for file in found["files"]]
    lines += [f"lost      {text}" for text in found["lost"]]
    return "\n".join(lines)


def products(found: list[dict[str, Any]]) -> str:
    """Return a table of products."""
    if not found:
        return "no products"
    rows = ([p["id"], p.get("mark", ""), short_terms(p["terms"])] for p in found)
    return table(("product", "mark", "terms"), rows)


def lineage(found: dict[str, Any], n_starts: int) -> str:
    """Return the relatives of products, which are the first of the list.

    Parameters
    ----------
    found : dict
        The answer to ``ancestors`` or ``descendants``.
    n_starts : int
        Number of products that the question named.
    """
    lines = [products(found["products"][:n_starts]), ""]
    others = found["products"][n_starts:]
    lines.append(products(others) if others else "no other products")
    for file in {file["path"]: file for file in found["files"]}.values():
        lines.append(f"file {file['path']}")
    if found["inputs"]:
        lines.append(f"inputs of the run: {len(found['inputs'])}")
    lines += [f"lost: {lost['parent']} of {lost['product']}" for lost in found["lost"]]
    return "\n".join(lines)


def errors(groups: list[dict[str, Any]]) -> str:
    """Return a table of failures."""
    if not groups:
        return "no failures"
    rows = (
        [g["n"], g["error"], g["pe"], g["station"], g["calls"][0], g["message"]]
        for g in groups
    )
    return table(("n", "error", "pe", "station", "first", "message"), rows)


def terms(found: list[dict[str, Any]]) -> str:
    """Return a table of terms."""
    if not found:
        return "no terms"
    rows = (
        [
            *(t["name"], t["kind"], t["n"], t.get("smallest"), t.get("largest")),
            ", ".join(t.get("values", ())),
        ]
        for t in found
    )
    return table(("term", "kind", "products", "smallest", "largest", "values"), rows)


def differences(found: dict[str, Any]) -> str:
    """Return what changed between two runs."""
    lines = [f"first run   {found['runs'][0]}", f"second run  {found['runs'][1]}"]
    for title in ("configuration", "versions", "files", "pes"):
        for name, (first, second) in found[title].items():
            lines.append(f"{title}: {name}: {_value(first)} -> {_value(second)}")
    changed = {
        pe: row
        for pe, row in found["products"].items()
        if row["only_first"] or row["only_second"]
    }
    for pe, row in changed.items():
        lines.append(
            f"products of {pe}: {row['n_first']} and {row['n_second']}, of which "
            f"{row['only_first']} and {row['only_second']} have no equal in the other"
        )
    lines.append(
        f"the first PE with different products is {found['first_pe']}"
        if found["first_pe"]
        else "all products are equal"
    )
    return "\n".join(lines)


def checked(files: list[dict[str, Any]]) -> str:
    """Return how many files are as recorded, and the names of the others."""
    states = [file["state"] for file in files]
    lines = [
        f"{file['state']}: {file['path']}"
        for file in files
        if file["state"] not in ("unchanged", "purged", "no checksum")
    ]
    counts = {state: states.count(state) for state in sorted(set(states))}
    summary = ", ".join(f"{n} {state}" for state, n in counts.items())
    if not files:
        return "no product has a file"
    return "\n".join([*lines, f"{_count(len(files), 'file', 'files')}: {summary}"])


def purged(found: dict[str, Any], dry_run: bool) -> str:
    """Return what was deleted, or would be.

    Parameters
    ----------
    found : dict
        See `dispel4py.provenance.remarks.purge`.
    dry_run : bool
    """
    n, size = len(found["files"]), found["bytes"]
    word = "would be deleted" if dry_run else "deleted"
    text = f"{n} files of {len(found['products'])} products {word}: {size} bytes"
    if found["kept"]:
        text += (
            f"; {len(found['kept'])} files are kept, as they have other products, too"
        )
    return text


def made_again(made: dict[str, Any]) -> str:
    """Return whether a product that was made again is equal to its record."""
    lines = [f"{made['n_calls']} calls of {', '.join(made['pes'])} were made again"]
    if made.get("failure"):
        lines.append(made["failure"])
    for name, (recorded, new) in made["differences"].items():
        lines.append(f"{name}: {_value(recorded)} was recorded, now {_value(new)}")
    if not made["equal"] and not made.get("failure"):
        lines.append(
            "(a PE whose products depend on its earlier calls must declare this by "
            "`derives`, or too few calls are made)"
        )
    verdict = "equal to its record" if made["equal"] else "different from its record"
    return "\n".join([*lines, f"{made['id']} is {verdict}"])


def failed_again(calls: list[dict[str, Any]]) -> str:
    """Return which calls failed again."""
    lines = [f"{call['id']}: {call['failure']}" for call in calls if call["failed"]]
    if not calls:
        return "no call has failed"
    n = len(lines)
    return "\n".join([*lines, f"{n} of {len(calls)} failed calls failed again"])
