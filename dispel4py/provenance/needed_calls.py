"""The calls that must be made again for a product or for a failed call.

The records tell which calls a product was derived from, which items these calls got,
and which calls sent these items. An element that keeps items with different keys apart
is needed only for the keys of the product.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dispel4py.provenance.products import load_json
from dispel4py.provenance.store import Store

__all__ = ["CallId", "Needed", "Recorded", "Sent", "Series", "needed_calls"]

#: Whether an item that was sent with these terms is needed.
Keeps = Callable[[Mapping[str, Any]], bool]


class Series(NamedTuple):
    """Calls of an instance, one after the other: all, or those with some keys."""

    instance: int
    keys: tuple[str, ...] = ()


class CallId(NamedTuple):
    """A call: its instance and its number."""

    instance: int
    number: int


class Sent(NamedTuple):
    """A product, by the call that sent it.

    Attributes
    ----------
    series : Series
    number : int
        Number of the call.
    port : str
    key : str or None
        Its key as JSON; None in a series of all keys.
    k : int
        Its place among the items of the call with this port and key.
    """

    series: Series
    number: int
    port: str
    key: str | None
    k: int


@dataclass
class Recorded:
    """What is recorded of a call that is made again.

    Attributes
    ----------
    phase, port : str or None
    source, item : int or None
        The sender of the item that the call got, or `INPUTS`, and the item's number.
    parents : list of int
        Products with the name of this item, by their numbers in the store.
    """

    phase: str | None
    port: str | None
    source: int | None
    item: int | None
    parents: list[int] = field(default_factory=list)


@dataclass
class Needed:
    """Calls that must be made again.

    Attributes
    ----------
    calls : dict
        The calls of each series, by their numbers.
    sent : dict
        Where each needed product was sent, by its number in the store.
    """

    calls: dict[Series, dict[int, Recorded]] = field(default_factory=dict)
    sent: dict[int, Sent] = field(default_factory=dict)

    @property
    def n_calls(self) -> int:
        """Number of calls."""
        return sum(map(len, self.calls.values()))


_PRODUCT = """
SELECT instance, number, port, k, since, key, coalesce(owner, n) FROM product
WHERE n = ?
"""
_BEFORE = """
SELECT count(*) FROM product WHERE instance = ? AND number = ? AND port = ? AND k < ?
AND key = ?
"""
_CALLS = """
SELECT c.number, c.phase, c.port, ch.source, c.item, i.product, q.terms
FROM call c LEFT JOIN channel ch ON ch.n = c.channel
LEFT JOIN item i ON i.channel = c.channel AND i.number = c.item
LEFT JOIN product q ON q.n = i.product
WHERE c.instance = ? AND c.number > ? AND c.number <= ?
"""
_OF_KEYS = """
AND c.number IN (SELECT ck.number FROM call_key ck WHERE ck.instance = c.instance
AND ck.key IN ({marks}))
"""
_LINKED = """
SELECT p.n FROM link l JOIN product p ON p.instance = l.instance
AND p.number = l.number AND p.port = l.port AND p.k = l.k WHERE l.child = ?
"""


def needed_calls(
    store: Store,
    products: Iterable[int] = (),
    calls: Iterable[CallId] = (),
    by_key: bool = True,
    keeps: Keeps | None = None,
) -> Needed:
    """Return the calls that must be made again.

    Parameters
    ----------
    store : Store
    products : iterable of int
        Products, by their numbers in the store.
    calls : iterable of CallId
        Calls that failed.
    by_key : bool
        Whether calls with other keys than those of a product are left out.
    keeps : callable, optional
        Returns for the terms of an item whether it is needed; all by default.
    """
    search = _Search(store, by_key, keeps)
    for n in products:
        search.add_product(n)
    for call in calls:
        search.add_failed(call)
    search.add_ancestors()
    return search.needed


class _Search:
    """Goes from products to calls, and from calls to products."""

    def __init__(self, store: Store, by_key: bool, keeps: Keeps | None) -> None:
        self._store, self._by_key, self._keeps = store, by_key, keeps
        self.needed = Needed()
        self._waiting: list[int] = []

    def add_product(self, n: int) -> None:
        """Add a product; its calls are added later."""
        if n in self.needed.sent:
            return
        instance, number, port, k, _, key, owner = self._store.rows(_PRODUCT, [n])[0]
        if owner != n:
            self.add_product(owner)
            self.needed.sent[n] = self.needed.sent[owner]
            return
        keys = self._keys("product_key", "product = ?", [n]) if self._by_key else ()
        if keys:
            k = self._store.value(_BEFORE, [instance, number, port, k, key])
        else:
            key = None
        self.needed.sent[n] = Sent(Series(instance, keys), number, port, key, int(k))
        self._waiting.append(n)

    def add_failed(self, call: CallId) -> None:
        """Add a call that failed, with those that its element had to know of."""
        derives = self._store.value(
            "SELECT pe.document FROM instance JOIN pe ON pe.run = instance.run "
            "AND pe.id = instance.pe WHERE instance.n = ?",
            [call.instance],
        )
        is_plain = (load_json(derives) or {}).get("derives", "each") == "each"
        where = "instance = ? AND number = ?"
        keys: tuple[str, ...] = ()
        if self._by_key and not is_plain:
            keys = self._keys("call_key", where, list(call))
        since = call.number - 1 if is_plain else -1
        self._add_calls(Series(call.instance, keys), since, call.number)

    def _keys(self, table: str, where: str, values: list[int]) -> tuple[str, ...]:
        rows = self._store.rows(f"SELECT key FROM {table} WHERE {where}", values)
        return tuple(sorted(key for (key,) in rows))

    def add_ancestors(self) -> None:
        """Add the calls of all products, and the products that these calls got."""
        while self._waiting:
            n = self._waiting.pop()
            series, number, *_ = self.needed.sent[n]
            since = self._store.value("SELECT since FROM product WHERE n = ?", [n])
            self._add_calls(series, since, number)
            sql = "SELECT number FROM product_call WHERE product = ?"
            for (other,) in self._store.rows(sql, [n]):  # calls that were named
                self._add_calls(series, other - 1, other)
            for (linked,) in self._store.rows(_LINKED, [n]):
                self.add_product(linked)

    def _add_calls(self, series: Series, since: int, last: int) -> None:
        """Add the calls of a range, as far as they belong to a series."""
        calls = self.needed.calls.setdefault(series, {})
        sql, values = _CALLS, [series.instance, since, last]
        if series.keys:
            sql += _OF_KEYS.format(marks=", ".join("?" * len(series.keys)))
        for number, phase, port, source, item, parent, terms in self._store.rows(
            sql, [*values, *series.keys]
        ):
            if parent is not None and self._is_left_out(terms):
                continue
            call = calls.setdefault(number, Recorded(phase, port, source, item))
            if parent is not None and parent not in call.parents:
                call.parents.append(parent)
                self.add_product(parent)

    def _is_left_out(self, terms: Any) -> bool:
        return self._keeps is not None and not self._keeps(load_json(terms) or {})
