"""Where products come from, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from dispel4py.lineage import INPUTS
from dispel4py.provenance.closure import closure, parent_calls
from dispel4py.provenance.model import CALLS_PER_START
from dispel4py.provenance.products import get_products, in_parts
from dispel4py.provenance.store import Store

__all__ = ["Lineage", "derivations", "lineage", "lost_calls", "lost_items", "relatives"]

_PARENTS = parent_calls(
    "p.n, i.product, ch.source, c.channel, c.item, c.port",
    "JOIN channel ch ON ch.n = c.channel "
    "LEFT JOIN item i ON i.channel = c.channel AND i.number = c.item",
    "p.n IN ({marks})",
)
_LINKS = """
SELECT o.n, p.n, instance.pe, instance.k, l.number, l.port, l.k
FROM product o JOIN link l ON l.child = coalesce(o.owner, o.n)
JOIN instance ON instance.n = l.instance LEFT JOIN product p
ON p.instance = l.instance AND p.number = l.number AND p.port = l.port AND p.k = l.k
WHERE o.n IN ({marks})
"""
_UNENDED = """
SELECT p.n FROM product p LEFT JOIN call c
ON c.instance = p.instance AND c.number = p.number
WHERE c.instance IS NULL AND p.n IN ({marks})
"""
# Calls by which a product was derived, of which a process may have lost the records.
_EARLIER = """
SELECT p.n, p.instance, p.since, p.number, e.past
FROM product p JOIN earlier_calls e ON e.instance = p.instance AND e.past > p.since + 1
WHERE p.since < p.number - 1 AND p.n IN ({marks})
"""
_UNKNOWN_CALLS = """
SELECT o.n FROM product o JOIN product_call l
ON l.product = coalesce(o.owner, o.n) LEFT JOIN call c
ON c.instance = l.instance AND c.number = l.number
WHERE c.instance IS NULL AND o.n IN ({marks})
"""
_FILES = """
SELECT reading.product, file.path, file.size, file.modified, file.sha256
FROM reading JOIN file ON file.n = reading.file WHERE reading.product IN ({marks})
"""


@dataclass
class Lineage:
    """Products, and how they derive from each other.

    Attributes
    ----------
    products : list of dict
        See `dispel4py.provenance.products.get_products`; each with ``level``, the
        number of steps if a largest depth was given.
    derivations : list of tuple
        Ids of derived products, and of the products they were derived from.
    inputs : list of tuple
        Ids of products, and the number of the input of the run that they come from.
    files : list of tuple
        Ids of products, and the files that they were read from, as dicts.
    lost : list of tuple
        Ids of products, and the reason why one of their parents is unknown.
    """

    products: list[dict[str, Any]] = field(default_factory=list)
    derivations: list[tuple[str, str]] = field(default_factory=list)
    inputs: list[tuple[str, int]] = field(default_factory=list)
    files: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    lost: list[tuple[str, str]] = field(default_factory=list)


def relatives(
    store: Store,
    kind: str,
    numbers: Sequence[int],
    deepest: int | None = None,
    most: int | None = None,
) -> list[tuple[int, int]]:
    """Return the ancestors or descendants of products, each once, with their level.

    Parameters
    ----------
    store : Store
    kind : str
        ``ancestor`` or ``descendant``.
    numbers : sequence of int
        Products, by their numbers in the store.
    deepest : int, optional
        Largest number of steps. Without it, all levels are 1.
    most : int, optional
        Largest number of relatives.

    Returns
    -------
    list of tuple
        Number of a product, and its level.
    """
    levels: dict[int, int] = {}
    for marks, part in in_parts(numbers):
        seeds = f"SELECT n FROM product WHERE n IN ({marks})"
        sql = closure(store.database, kind, seeds, deepest)
        limit = "" if most is None else f" LIMIT {int(most)}"
        rows = store.rows(
            f"{sql}SELECT n, level FROM relative WHERE level > 0{limit}", part
        )
        for n, level in rows:
            levels[n] = min(level, levels.get(n, level))
    return sorted(levels.items(), key=lambda pair: (pair[1], pair[0]))[:most]


def derivations(store: Store, numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Return (product, parent) for all parents of products, by numbers in the store.

    Parameters
    ----------
    store : Store
    numbers : sequence of int
    """
    pairs: dict[tuple[int, int], None] = {}
    for marks, part in in_parts(numbers):
        for child, parent, *_ in store.rows(_PARENTS.format(marks=marks), part * 3):
            if parent is not None:
                pairs[child, parent] = None
        for child, parent, *_ in store.rows(_LINKS.format(marks=marks), part):
            if parent is not None:
                pairs[child, parent] = None
    return list(pairs)


def lineage(
    store: Store, numbers: Sequence[int], levels: dict[int, int] | None = None
) -> Lineage:
    """Return products, and what is known about where they come from.

    Parameters
    ----------
    store : Store
    numbers : sequence of int
        Products, by their numbers in the store.
    levels : dict, optional
        The level of each product.
    """
    found = get_products(store, numbers)
    ids = {n: product["id"] for n, product in zip(numbers, found, strict=True)}
    if levels is not None:
        for n, product in zip(numbers, found, strict=True):
            product["level"] = levels.get(n, 0)
    result = Lineage(found)
    pairs = [pair for pair in derivations(store, numbers) if pair[1] in ids]
    result.derivations = [(ids[child], ids[parent]) for child, parent in pairs]
    for marks, part in in_parts(numbers):
        _add_unknown(store, marks, part, ids, result)
        for n, *file in store.rows(_FILES.format(marks=marks), part):
            names = ("path", "size", "modified", "sha256")
            result.files.append((ids[n], dict(zip(names, file, strict=True))))
    return result


def _add_unknown(
    store: Store, marks: str, part: list[Any], ids: dict[int, str], result: Lineage
) -> None:
    """Add the inputs of the run, and the parents that no record has."""
    for n, parent, source, _, item, port in store.rows(
        _PARENTS.format(marks=marks), part * 3
    ):
        if source == INPUTS:
            result.inputs.append((ids[n], item))
        elif parent is None:
            result.lost.append((ids[n], f"the item that its call got on {port}"))
    for n, parent, *address in store.rows(_LINKS.format(marks=marks), part):
        if parent is None:
            result.lost.append((ids[n], "/".join(map(str, address))))
    for n, instance, since, number, past in store.rows(
        _EARLIER.format(marks=marks), part
    ):
        first = max(since + 1, _first_call(past))
        missing = _n_missing(store, instance, first, min(past, number + 1))
        if missing:
            text = f"the items of {missing} calls that were lost"
            result.lost.append((ids[n], text))
    for (n,) in store.rows(_UNKNOWN_CALLS.format(marks=marks), part):
        result.lost.append((ids[n], "the item of a call that was lost"))
    for (n,) in store.rows(_UNENDED.format(marks=marks), part):
        result.lost.append((ids[n], "the item of the call that did not end"))


def lost_items(store: Store, run: int) -> int:
    """Return how many items a run has of which no record of their sender is known.

    Parameters
    ----------
    store : Store
    run : int
        The run, by its number in the store.
    """
    n = store.value(
        "SELECT count(*) FROM call c JOIN channel ch ON ch.n = c.channel "
        "WHERE ch.run = ? AND ch.source <> ? AND NOT EXISTS "
        "(SELECT 1 FROM item i WHERE i.channel = c.channel AND i.number = c.item)",
        [run, INPUTS],
    )
    return int(n)


def lost_calls(store: Store, run: int) -> int:
    """Return how many calls a run has whose records were lost with their process.

    Parameters
    ----------
    store : Store
    run : int
        The run, by its number in the store.
    """
    rows = store.rows(
        "SELECT e.instance, e.past FROM earlier_calls e "
        "JOIN instance s ON s.n = e.instance WHERE s.run = ?",
        [run],
    )
    return sum(_n_missing(store, i, _first_call(past), past) for i, past in rows)


def _first_call(past: int) -> int:
    """Return the first call of the process that made the calls before a number."""
    return past // CALLS_PER_START * CALLS_PER_START


def _n_missing(store: Store, instance: int, first: int, past: int) -> int:
    """Return how many calls of an instance, from a first one on, have no record."""
    n_known = store.value(
        "SELECT count(*) FROM call WHERE instance = ? AND number >= ? AND number < ?",
        [instance, first, past],
    )
    return max(0, past - first - int(n_known))
