"""The values of a term of all products, as an array of integers.

Each product has the place of its value in the sorted list of all different values. So a
comparison with a number or a text is a range of integers.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from dispel4py.clock import call_if_longer
from dispel4py.errors import ParameterError, suggest
from dispel4py.provenance.conditions import Compare, Has, Match, OneOf, kind_of
from dispel4py.provenance.kept_arrays import keep, kept
from dispel4py.provenance.marks import MARK_COLUMNS
from dispel4py.provenance.store import PATIENCE_S, Store

__all__ = ["Column", "column", "instances"]

Mask = NDArray[np.bool_]
Integers = NDArray[np.int64]

#: Columns of a product, by their names after ``product.``.
_PRODUCT_COLUMNS = (*("port", "type", "location", "format", "size", "sha256", "made"),)
#: The kinds of values, in the order of the sorted list.
_KINDS = ("number", "text", "boolean")
_KIND_OF = {int: 0, float: 0, str: 1, bool: 2}
_NO_KIND = 3
#: Below this all integers are exact as floating-point numbers.
_EXACT = 2**53
#: Products whose values are read at once: some tens of megabytes.
_AT_ONCE = 100_000
#: New products from which on the longer column is kept: fewer are read in milliseconds.
_WORTH_KEEPING = 1000
_NONE, _OTHER = -1, -2


@dataclass
class Column:
    """The values of a term.

    Attributes
    ----------
    places : ndarray of int32
        For each product the place of its value in the list of all values; negative
        without a value, and for a value of another kind. Place 0 is of no product.
    values : dict
        For each kind the different values, sorted. The list of all values has the
        numbers, then the texts, then the booleans.
    revision : int
        The state of the tables that all values are of; 0 if values never change.
    """

    places: NDArray[np.int32] = field(
        default_factory=lambda: np.full(1, _NONE, np.int32)
    )
    values: dict[str, list[Any]] = field(
        default_factory=lambda: {kind: [] for kind in _KINDS}
    )
    revision: int = 0

    def holds(self, leaf: Compare | OneOf | Match | Has) -> Mask:
        """Return for each product whether a condition on the term holds.

        Parameters
        ----------
        leaf : Compare, OneOf, Match or Has

        Returns
        -------
        ndarray of bool
        """
        if isinstance(leaf, Has):
            has_value: Mask = self.places != _NONE
            return has_value
        starts = dict(zip(_KINDS, self._starts(), strict=False))
        if isinstance(leaf, Match):
            first = starts["text"]
            return self._at([range(first + k, first + k + 1) for k in self._fits(leaf)])
        values = leaf.values if isinstance(leaf, OneOf) else (leaf.value,)
        sign = "=" if isinstance(leaf, OneOf) else leaf.operator
        ranges = []
        for value in values:
            kind = str(kind_of(value))
            if kind in starts:
                first = starts[kind]
                for part in _ranges(self.values[kind], sign, value):
                    ranges.append(range(first + part.start, first + part.stop))
        return self._at(ranges)

    def _starts(self) -> list[int]:
        """Return where the values of each kind begin, and where the last one ends."""
        lengths = [len(self.values[kind]) for kind in _KINDS]
        return [0, *accumulate(lengths)]

    def _at(self, ranges: list[range]) -> Mask:
        """Return for each product whether its place is in a range."""
        ranges = [part for part in ranges if part]
        if not ranges:
            return np.zeros(len(self.places), bool)
        if len(ranges) == 1:
            return self._in_range(*ranges)
        wanted = np.zeros(self._starts()[-1] + 2, bool)  # the last two: no place
        for part in ranges:
            wanted[part.start : part.stop] = True
        return np.take(wanted, self.places, mode="wrap")

    def _in_range(self, part: range) -> Mask:
        """Return for each product whether its place is in a range, by few passes."""
        if part.start == 0:  # without a sign, negative places are beyond every range
            return self.places.view(np.uint32) < part.stop
        mask: Mask = self.places >= part.start
        if part.stop < self._starts()[-1]:
            mask &= self.places < part.stop
        return mask

    def _fits(self, leaf: Match) -> list[int]:
        """Return which texts match a pattern: their places in the list of texts."""
        texts, prefix = self.values["text"], leaf.prefix
        first = bisect_left(texts, prefix)
        last = bisect_left(texts, True, first, key=lambda t: not t.startswith(prefix))
        literal = leaf.longest_literal
        return [
            k
            for k, text in enumerate(texts[first:last], first)
            if literal in text and leaf.holds({leaf.name: text})
        ]

    def extended(self, numbers: list[int], values: list[Any], size: int) -> Column:
        """Return a column with more products.

        Parameters
        ----------
        numbers : list of int
            New products; those without a value are left out.
        values : list
            Their values.
        size : int
            The length of the array: the highest number of a product, and one.
        """
        types = np.array([_KIND_OF.get(type(value), _NO_KIND) for value in values])
        of, start = np.array(numbers, np.int64), 0
        places = np.full(size, _NONE, np.int32)
        places[of[types == _NO_KIND]] = _OTHER
        merged, moved = {}, []  # moved: the new place of each old value
        for k, kind in enumerate(_KINDS):
            of_kind = np.flatnonzero(types == k)
            different, which = _different([values[j] for j in of_kind])
            joined, old_places, new_places = _joined(self.values[kind], different)
            places[of[of_kind]] = start + new_places[which]
            moved.append(start + old_places)
            merged[kind] = joined
            start += len(joined)
        table = np.concatenate([*moved, [_OTHER, _NONE]])
        places[: len(self.places)] = table[self.places]
        return Column(places, merged, self.revision)


def _different(values: list[Any]) -> tuple[list[Any], Integers]:
    """Return the different values of one kind, sorted, and which of them each is."""
    are_numbers = values and not isinstance(values[0], str | bool)
    if are_numbers and -_EXACT < min(values) <= max(values) < _EXACT:
        array, which = np.unique(np.array(values, float), return_inverse=True)
        return array.tolist(), which
    different = sorted(set(values))
    place = {value: k for k, value in enumerate(different)}
    return different, np.array([place[value] for value in values], np.int64)


def _joined(old: list[Any], new: list[Any]) -> tuple[list[Any], Integers, Integers]:
    """Return two sorted lists as one, and the places of the values of both in it."""
    if not old:
        return new, np.arange(0), np.arange(len(new))
    at = [bisect_left(old, value) for value in new]
    added = [(k, v) for k, v in zip(at, new, strict=True) if old[k : k + 1] != [v]]
    joined = sorted([*old, *(value for _, value in added)])
    inserted, places = np.array([k for k, _ in added]), np.arange(len(old))
    places += np.searchsorted(inserted, places, side="right")
    return joined, places, np.array([bisect_left(joined, v) for v in new], np.int64)


def _ranges(values: list[Any], sign: str, value: Any) -> list[range]:
    """Return where in a sorted list the values for which a comparison holds are."""
    low, high = bisect_left(values, value), bisect_right(values, value)
    below, equal, above = range(low), range(low, high), range(high, len(values))
    return {
        "=": [equal],
        "!=": [below, above],
        "<": [below],
        "<=": [range(high)],
        ">": [above],
        ">=": [range(low, len(values))],
    }[sign]


def column(store: Store, name: str, highest: int) -> Column:
    """Return the values of a term.

    Parameters
    ----------
    store : Store
    name : str
        The name of a term; ``product.type`` and others for the columns of a product.
    highest : int
        The highest number of a product.

    Raises
    ------
    ParameterError
        If there is no such column of a product.
    """
    key = f"column {name}"
    found: Column | None = store.arrays.get(key)
    if found is None:
        found = _kept_column(store, key)
    # the times of products are added later, when their calls end
    revision = (
        int(store.value("SELECT sum(position) FROM segment") or 0)
        if name == "product.made"
        else 0
    )
    if found.revision != revision:
        found = Column(revision=revision)
    n_known = len(found.places) - 1
    if n_known < highest:
        text = f"first search by {name}: reading its values"
        with call_if_longer(PATIENCE_S, store.tell, text):
            new = _read(store, name, n_known, highest)
            found = found.extended(*new, highest + 1)
            if highest - n_known > _WORTH_KEEPING:
                _keep_column(store, key, found)
    store.arrays[key] = found
    return found


def _kept_column(store: Store, key: str) -> Column:
    row = kept(store, key)
    if row is None:
        return Column()
    revision, arrays = row
    return Column(arrays["places"], orjson.loads(arrays["values"].tobytes()), revision)


def _keep_column(store: Store, key: str, found: Column) -> None:
    values = np.frombuffer(orjson.dumps(found.values), np.uint8)
    keep(store, key, found.revision, {"places": found.places, "values": values})


def _read(
    store: Store, name: str, first: int, last: int
) -> tuple[list[int], list[Any]]:
    """Return products ``first + 1`` to ``last`` that have a value, and the values."""
    column = name.removeprefix("product.")
    is_json = column == name
    if not is_json and column not in _PRODUCT_COLUMNS:
        known = [*_PRODUCT_COLUMNS, *MARK_COLUMNS]
        raise ParameterError(f"product.{column}: {suggest(column, known)}")
    value = store.database.member("terms", (name,)) if is_json else column
    numbers: list[int] = []
    values: list[Any] = []
    for start in range(first, last, _AT_ONCE):
        rows = store.rows(
            f"SELECT n, {value} FROM product WHERE n > ? AND n <= ?",
            [start, min(start + _AT_ONCE, last)],
        )
        missing = (None, "null") if is_json else (None,)
        rows = [row for row in rows if row[1] not in missing]
        numbers += [n for n, _ in rows]
        some = [value for _, value in rows]
        values += orjson.loads(f"[{','.join(some)}]") if is_json else some
    return numbers, values


def instances(store: Store, highest: int) -> Integers:
    """Return the instance that made each product; 0 for the place 0.

    Parameters
    ----------
    store : Store
    highest : int
        The highest number of a product.
    """
    name = "instances"
    found = store.arrays.get(name)
    if found is None:
        row = kept(store, name)
        found = np.zeros(1, np.int64) if row is None else row[1]["instances"]
    n_known = len(found) - 1
    if n_known < highest:
        sql = f"SELECT n, instance FROM product WHERE n > {n_known} AND n <= {highest}"
        numbers, new = store.database.integers(sql, 2)
        longer = np.zeros(highest + 1, np.int64)
        longer[: n_known + 1] = found
        longer[numbers] = new
        found = longer
        if highest - n_known > _WORTH_KEEPING:
            keep(store, name, highest, {"instances": found})
    store.arrays[name] = found
    return found
