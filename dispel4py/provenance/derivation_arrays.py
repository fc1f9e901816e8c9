"""The derivations of a run, from the tables of the store, as arrays.

A product was derived from the items that some calls of its instance got. The items are
listed in the order of the calls. So a product has a range of this list, also a stack of
a million items.
"""

from __future__ import annotations

from collections import defaultdict
from graphlib import CycleError, TopologicalSorter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dispel4py.provenance.databases import Database
from dispel4py.provenance.kept_arrays import Arrays

__all__ = ["read_derivations"]

Integers = NDArray[np.int64]

#: If a product has a range with this number of parents or fewer, each is one pair.
_FEW_PARENTS = 8

_OF_RUN = "FROM instance s JOIN {table} x ON x.instance = s.n WHERE s.run = {run}"
_PRODUCTS = (
    "SELECT x.n, x.instance, x.number, x.since, "
    f"CASE WHEN x.key IS NULL THEN 1 ELSE 0 END {_OF_RUN}"
)
_CALLS = (
    f"SELECT x.instance, x.number, x.channel, x.item {_OF_RUN} AND x.item IS NOT NULL"
)
_ITEMS = (
    "SELECT i.channel, i.number, i.product FROM channel x "
    "JOIN item i ON i.channel = x.n WHERE x.run = {run}"
)
_CALL_KEYS = f"SELECT x.instance, x.key, x.number {_OF_RUN}"
# A part of a product has the keys, calls and links of its owner.
_PRODUCT_KEYS = (
    "SELECT p.n, x.instance, x.key, p.since, p.number FROM instance s "
    "JOIN product_key x ON x.instance = s.n JOIN product p ON p.{column} = x.product "
    "WHERE s.run = {run} AND p.key IS NOT NULL"
)
_PRODUCT_CALLS = (
    "SELECT p.n, x.instance, x.number FROM instance s "
    "JOIN product_call x ON x.instance = s.n JOIN product p ON p.{column} = x.product "
    "WHERE s.run = {run}"
)
_LINKS = (
    "SELECT o.n, p.n FROM instance s JOIN link x ON x.instance = s.n "
    "JOIN product p ON p.instance = x.instance AND p.number = x.number "
    "AND p.port = x.port AND p.k = x.k JOIN product o ON o.{column} = x.child "
    "WHERE s.run = {run}"
)


class _Ordered(NamedTuple):
    """Pairs of integers, such as instances and numbers of calls, in ascending order.

    Attributes
    ----------
    order : ndarray
        The order of the pairs as they were given.
    keys : ndarray
        One integer for each pair.
    numbers : ndarray
        The different second integers.
    """

    order: Integers
    keys: Integers
    numbers: Integers

    @classmethod
    def of(cls, groups: Integers, numbers: Integers) -> _Ordered:
        different = np.unique(numbers)
        keys = groups * (len(different) + 1) + np.searchsorted(different, numbers)
        order = np.argsort(keys, kind="stable")
        return cls(order, keys[order], different)

    def first_after(self, groups: Integers, numbers: Integers) -> Integers:
        """Return the places of the first pairs of groups with a number above others."""
        rank = np.searchsorted(self.numbers, numbers, side="right")
        return np.searchsorted(self.keys, groups * (len(self.numbers) + 1) + rank)

    def ranges(self, groups: Integers, numbers: Integers) -> tuple[Integers, Integers]:
        """Return where equal pairs begin and end."""
        return (
            self.first_after(groups, numbers - 1),
            self.first_after(groups, numbers),
        )


def _expanded(low: Integers, high: Integers) -> Integers:
    """Return all integers of ranges, one range after the other.

    >>> _expanded(np.array([3, 8]), np.array([5, 9])).tolist()
    [3, 4, 8]
    """
    lengths = high - low
    first = np.cumsum(lengths) - lengths
    return np.repeat(low - first, lengths) + np.arange(lengths.sum())


class _Parents:
    """The items that calls got, in the order of the calls.

    Attributes
    ----------
    calls : _Ordered
        Instances and numbers of the calls.
    products : ndarray
        The products of the items.
    starts : ndarray
        Where the products of each call begin; and the end.
    """

    def __init__(self, calls: Integers, items: Integers) -> None:
        instances, numbers, channels, item_numbers = calls
        self.calls = _Ordered.of(instances, numbers)
        ordered = _Ordered.of(items[0], items[1])
        order = self.calls.order
        low, high = ordered.ranges(channels[order], item_numbers[order])
        self.products = items[2][ordered.order][_expanded(low, high)]
        self.starts = np.concatenate([[0], np.cumsum(high - low)])
        self.instances = np.repeat(instances[order], high - low)


def read_derivations(database: Database, run: int) -> Arrays:
    """Return the derivations of a run.

    Parameters
    ----------
    database : Database
    run : int
        The run, by its number in the store.

    Returns
    -------
    mapping of str to ndarray
        ``pairs``: products and parents. ``ranges``: products, and the begin and end of
        their parents in ``parents``. ``links``: products, and the earlier product of
        their instance that they derive from; each has at most one. ``pairs_levels``,
        ``ranges_levels`` and ``links_levels``: the level of each product, ascending;
        its parents have lower levels, except those of links, and unless ``has_cycle``.
    """

    def read(sql: str, n_columns: int, **names: str) -> Integers:
        return database.integers(sql.format(run=int(run), **names), n_columns)

    def read_both(sql: str, n_columns: int) -> Integers:
        parts = [read(sql, n_columns, column=column) for column in ("n", "owner")]
        return np.concatenate(parts, axis=1)

    parents = _Parents(read(_CALLS, 4, table="call"), read(_ITEMS, 3))
    n, instances, numbers, since, is_without_key = read(_PRODUCTS, 5, table="product")
    chosen = is_without_key == 1
    low = parents.calls.first_after(instances[chosen], since[chosen])
    high = parents.calls.first_after(instances[chosen], numbers[chosen])
    ranges = [np.stack([n[chosen], parents.starts[low], parents.starts[high]])]
    child, of, number = read_both(_PRODUCT_CALLS, 3)
    low, high = parents.calls.ranges(of, number)
    ranges.append(np.stack([child, parents.starts[low], parents.starts[high]]))
    more, keyed = _by_key(database, run, parents, len(parents.products))
    links = read_both(_LINKS, 2)
    all_parents = np.concatenate([parents.products, more])
    levels = _levels(n, instances, parents)
    return _arrays(np.concatenate([*ranges, keyed], axis=1), all_parents, links, levels)


def _by_key(
    database: Database, run: int, parents: _Parents, offset: int
) -> tuple[Integers, Integers]:
    """Return the parents in the order of the keys of calls, and ranges of them."""
    groups: defaultdict[tuple[int, str], int] = defaultdict(lambda: len(groups))
    sql = _CALL_KEYS.format(table="call_key", run=int(run))
    rows = database.rows(sql)
    call_groups = _integers([(groups[i, key], i, n) for i, key, n in rows], 3)
    rows = [
        (n, groups[i, key], since, number)
        for column in ("n", "owner")
        for n, i, key, since, number in database.rows(
            _PRODUCT_KEYS.format(column=column, run=int(run))
        )
    ]
    child, group, since, number = _integers(rows, 4)
    ordered = _Ordered.of(call_groups[0], call_groups[2])
    _, instances, numbers = call_groups[:, ordered.order]
    low, high = parents.calls.ranges(instances, numbers)
    low, high = parents.starts[low], parents.starts[high]
    starts = offset + np.concatenate([[0], np.cumsum(high - low)])
    first = starts[ordered.first_after(group, since)]
    last = starts[ordered.first_after(group, number)]
    return parents.products[_expanded(low, high)], np.stack([child, first, last])


def _integers(rows: list[Any], n_columns: int) -> Integers:
    return np.array(rows, np.int64).reshape(-1, n_columns).T


def _levels(n: Integers, instances: Integers, parents: _Parents) -> Integers | None:
    """Return the level of each product, by its number; None if there is a cycle.

    The parents of a product have lower levels, or are earlier products of its instance.
    """
    size = 1 + max(n.max(initial=0), parents.products.max(initial=0))
    instance_of = np.zeros(size, np.int64)
    instance_of[n] = instances
    # the last instance may have calls with parents, and no products
    width = 1 + max(int(i.max(initial=0)) for i in (instance_of, parents.instances))
    edges = np.unique(parents.instances * width + instance_of[parents.products])
    before: defaultdict[int, list[int]] = defaultdict(list)
    for edge in edges.tolist():
        before[edge // width].append(edge % width)
    level_of = np.zeros(width, np.int64)
    try:
        for instance in TopologicalSorter(before).static_order():
            levels = [level_of[k] for k in before.get(instance, ())]
            level_of[instance] = 1 + max(levels, default=-1)
    except CycleError:  # in damaged records only: graphs have no cycles
        return None
    return level_of[instance_of]


def _arrays(
    ranges: Integers, parents: Integers, links: Integers, levels: Integers | None
) -> Arrays:
    is_short = ranges[2] - ranges[1] <= _FEW_PARENTS
    few = ranges[:, is_short]
    pairs = np.stack(
        [np.repeat(few[0], few[2] - few[1]), parents[_expanded(few[1], few[2])]]
    )
    long = ranges[:, ~is_short]
    arrays = {"parents": parents if long.size else parents[:0]}
    for name, rows in {"pairs": pairs, "ranges": long, "links": links}.items():
        level = np.zeros(rows.shape[1], np.int64) if levels is None else levels[rows[0]]
        order = np.lexsort((rows[0], level))
        arrays |= {name: rows[:, order], f"{name}_levels": level[order]}
    arrays["has_cycle"] = np.array([levels is None], np.int64)
    if max(map(_largest, arrays.values())) < 2**31:
        return {name: array.astype(np.int32) for name, array in arrays.items()}
    return arrays


def _largest(array: Integers) -> int:
    return int(array.max(initial=0))
