"""The products that satisfy a condition, a page at a time.

A condition is decided for all products at once, with a mask for each of its parts: for
a million products a comparison takes about a millisecond, and the ancestors take ten.
The masks come from arrays: columns of values (`dispel4py.provenance.columns`), and
derivations (`dispel4py.provenance.derivation_levels`). The arrays are made from the
tables when a search first needs them, kept in the store, and extended when there are
new records.

What a condition means is defined by ``holds`` in `dispel4py.provenance.conditions`.
"""

from __future__ import annotations

from functools import reduce
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from dispel4py.provenance.columns import column, instances
from dispel4py.provenance.conditions import (
    And,
    Compare,
    Expression,
    Has,
    Match,
    Not,
    OneOf,
    Or,
    Relative,
    names_in,
    walk,
)
from dispel4py.provenance.derivation_levels import Derivations, derivations
from dispel4py.provenance.expression import parse
from dispel4py.provenance.instance_terms import OF_INSTANCES, instances_where
from dispel4py.provenance.marks import MARK_COLUMNS, marks
from dispel4py.provenance.products import get_products
from dispel4py.provenance.store import Store

__all__ = ["Page", "matching", "missing_terms", "search"]

Mask = NDArray[np.bool_]

_EVERYTHING = And(())


class Page(NamedTuple):
    """A part of the results: products as dicts, and where the next part begins.

    ``next`` is None on the last page.
    """

    products: list[dict[str, Any]]
    next: int | None


def search(
    store: Store, text: str, limit: int = 50, offset: int = 0, sort: str | None = None
) -> Page:
    """Return a page of the products that satisfy a condition.

    The first search for a term reads its values, which takes some seconds for a million
    products; later searches are quick.

    Parameters
    ----------
    store : Store
    text : str
        See `dispel4py.provenance.expression`; "" for all products.
    limit, offset : int
        Size of the page, and number of products before it.
    sort : str, optional
        A term to sort by; ``-term`` for the largest first. Products without it are left
        out. Without ``sort`` the order is that in which the store got the products.

    Raises
    ------
    ParameterError
        If the text is no condition.
    """
    numbers = matching(store, text, limit + 1, offset, sort)
    more = offset + limit if len(numbers) > limit else None
    return Page(get_products(store, numbers[:limit]), more)


def matching(
    store: Store,
    text: str,
    limit: int | None = None,
    offset: int = 0,
    sort: str | None = None,
) -> list[int]:
    """Return the numbers in the store of the products that satisfy a condition.

    Parameters
    ----------
    store, text, offset, sort
        As for `search`.
    limit : int, optional
        Most products; all by default.
    """
    tree = parse(text) if text.strip() else _EVERYTHING
    products = _Products(store, tree)
    mask = products.mask(tree)
    mask[0] = False  # there is no product 0
    end = None if limit is None else offset + limit
    if sort:
        places = column(store, sort.removeprefix("-"), products.highest).places
        numbers = _in_order(mask, places, sort[0] == "-", end)
    else:
        numbers = np.flatnonzero(mask)
    return [int(n) for n in numbers[offset:end]]


def missing_terms(store: Store, text: str) -> list[str]:
    """Return the terms in a condition that no product has.

    Parameters
    ----------
    store : Store
    text : str
    """
    names = names_in(parse(text)) if text.strip() else set()
    highest = int(store.value("SELECT max(n) FROM product") or 0)
    return sorted(
        name
        for name in names
        if not name.startswith(("product.", *OF_INSTANCES))
        and not column(store, name, highest).holds(Has(name))[1:].any()
    )


def _in_order(
    mask: Mask, places: NDArray[np.int32], is_descending: bool, end: int | None
) -> NDArray[np.int64]:
    """Return the products of a mask in the order of their values, up to an end.

    Parameters
    ----------
    mask : ndarray of bool
    places : ndarray of int
        Where the value of each product is among all values; negative without a value.
    is_descending : bool
        Whether the largest value comes first; equal values are in the order of numbers.
    end : int or None
        Most products; None for all.
    """
    numbers = np.flatnonzero(mask & (places >= 0))
    keys = places[numbers].astype(np.int64) * (-1 if is_descending else 1)
    keys = keys * len(places) + numbers
    if end is not None and end < len(keys):
        first = np.argpartition(keys, end)[:end]
        numbers, keys = numbers[first], keys[first]
    return numbers[np.argsort(keys)]


class _Products:
    """All products of a store, and which of them satisfy a condition.

    Parameters
    ----------
    store : Store
    tree : Expression
        The condition, whose arrays are read.

    Attributes
    ----------
    highest : int
        The highest number of a product.
    """

    def __init__(self, store: Store, tree: Expression) -> None:
        self._store = store
        self._derivations: Derivations | None = None
        if any(isinstance(part, Relative) for part in walk(tree)):
            self._derivations = derivations(store)
        # after the derivations: they have no product that is newer
        self.highest = int(store.value("SELECT max(n) FROM product") or 0)

    def mask(self, tree: Expression) -> Mask:
        """Return for each product whether it satisfies a condition.

        Parameters
        ----------
        tree : Expression

        Returns
        -------
        ndarray of bool
            By the numbers of products; the place 0 has no meaning.
        """
        if isinstance(tree, And):
            if not tree.conditions:
                return np.ones(self.highest + 1, bool)
            return reduce(np.logical_and, map(self.mask, tree.conditions))
        if isinstance(tree, Or):
            return reduce(np.logical_or, map(self.mask, tree.conditions))
        if isinstance(tree, Not):
            return ~self.mask(tree.condition)
        if isinstance(tree, Relative):
            assert self._derivations is not None
            inner = self.mask(tree.condition)
            inner[0] = False
            return self._derivations.related(tree.kind, inner)
        return self._leaf(tree)

    def _leaf(self, leaf: Compare | OneOf | Match | Has) -> Mask:
        name = leaf.name.removeprefix("product.")
        if name != leaf.name and name in MARK_COLUMNS:
            mask = np.zeros(self.highest + 1, bool)
            texts = marks(self._store.database, name)
            mask[[n for n, text in texts.items() if leaf.holds({leaf.name: text})]] = (
                True
            )
            return mask
        if leaf.name.startswith(OF_INSTANCES):
            numbers = instances_where(self._store, leaf)
            made_by = instances(self._store, self.highest)
            is_chosen = np.zeros(1 + max([*numbers, int(made_by.max())]), bool)
            is_chosen[list(numbers)] = True
            return is_chosen[made_by]
        return column(self._store, leaf.name, self.highest).holds(leaf)
