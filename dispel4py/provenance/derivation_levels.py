"""Which products have ancestors or descendants in a set, for all products at once.

Products stand in levels: the parents of a product are on lower levels. So one pass
through the levels finds all ancestors, or all descendants, of any number of products.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dispel4py.clock import call_if_longer
from dispel4py.provenance.conditions import ANCESTOR
from dispel4py.provenance.derivation_arrays import read_derivations
from dispel4py.provenance.kept_arrays import Arrays, keep, kept
from dispel4py.provenance.store import PATIENCE_S, Store

__all__ = ["Derivations", "derivations"]

Mask = NDArray[np.bool_]
Places = NDArray[np.intp]


@dataclass
class _Level:
    """The derivations of the products of a level.

    Attributes
    ----------
    pairs : ndarray, shape (2, n)
        Products and parents.
    ranges : ndarray, shape (3, n)
        Products, and begin and end of their parents in ``parents``.
    parents : ndarray
    linked : ndarray
        The products that derive from earlier products of their instance, these earlier
        products, and one place without a product, the last.
    earlier : ndarray
        For each of them the place of its earlier product in ``linked``.
    """

    pairs: Places
    ranges: Places
    parents: Places
    linked: Places
    earlier: Places

    def find_children(self, reached: Mask, found: Mask) -> None:
        """Mark the products of the level with an ancestor among those reached."""
        child, parent = self.pairs
        _mark(child[reached[parent]], reached, found)
        if self.ranges.size:
            child, low, high = self.ranges
            n_before = np.concatenate([[0], np.cumsum(reached[self.parents])])
            _mark(child[n_before[high] > n_before[low]], reached, found)
        if len(self.linked) > 1:
            later = _later(self.earlier, reached[self.linked])
            _mark(self.linked[later], reached, found)

    def find_parents(self, reached: Mask, found: Mask) -> None:
        """Mark the ancestors of the products of the level that are reached."""
        if len(self.linked) > 1:
            before = _before(self.earlier, reached[self.linked])
            _mark(self.linked[before], reached, found)
        child, parent = self.pairs
        _mark(parent[reached[child]], reached, found)
        if self.ranges.size:
            _, low, high = self.ranges[:, reached[self.ranges[0]]]
            size = len(self.parents) + 1
            n_open = np.bincount(low, minlength=size)
            n_open -= np.bincount(high, minlength=size)
            _mark(self.parents[np.cumsum(n_open[:-1]) > 0], reached, found)


def _mark(products: Places, *masks: Mask) -> None:
    for mask in masks:
        mask[products] = True


def _later(earlier: Places, marked: Mask) -> Mask:
    """Return which places have a marked place before them, by any number of steps.

    Each round takes twice as many steps as the one before.
    """
    found = marked[earlier]
    for _ in range(len(earlier).bit_length()):
        found |= found[earlier]
        earlier = earlier[earlier]
    return found


def _before(earlier: Places, marked: Mask) -> Mask:
    """Return which places have a marked place after them, by any number of steps."""
    found = np.zeros(len(earlier), bool)
    found[earlier[marked]] = True
    for _ in range(len(earlier).bit_length()):
        found[earlier[found]] = True
        earlier = earlier[earlier]
    found[-1] = False
    return found


@dataclass
class Derivations:
    """The derivations of all runs.

    Attributes
    ----------
    state : list of tuple
        The runs, and how many bytes of records each of them had.
    levels : list of _Level
    has_cycle : bool
        Whether products of a level may have parents on the same level.
    """

    state: list[tuple[int, int]]
    levels: list[_Level]
    has_cycle: bool

    def related(self, kind: str, products: Mask) -> Mask:
        """Return for each product whether one of its relatives is among some products.

        Parameters
        ----------
        kind : str
            ``ancestor`` or ``descendant``: which relatives.
        products : ndarray of bool
            By their numbers in the store.

        Returns
        -------
        ndarray of bool
        """
        reached, found = products.copy(), np.zeros(len(products), bool)
        if not products.any():
            return found
        while True:
            n_found = np.count_nonzero(found) if self.has_cycle else 0
            for level in self.levels if kind == ANCESTOR else reversed(self.levels):
                if kind == ANCESTOR:
                    level.find_children(reached, found)
                else:
                    level.find_parents(reached, found)
            if not self.has_cycle or np.count_nonzero(found) == n_found:
                return found


def derivations(store: Store) -> Derivations:
    """Return the derivations of all runs of a store; those of changed runs are read.

    Parameters
    ----------
    store : Store
    """
    state = [
        (int(run), int(n_bytes))
        for run, n_bytes in store.rows(
            "SELECT run, sum(position) FROM segment GROUP BY run ORDER BY run"
        )
    ]
    known: Derivations | None = store.arrays.get("derivations")
    if known is not None and known.state == state:
        return known
    text = "first search by ancestors: reading the derivations"
    with call_if_longer(PATIENCE_S, store.tell, text):
        runs = [_of_run(store, run, n_bytes) for run, n_bytes in state]
    has_cycle = any(bool(run["has_cycle"].any()) for run in runs)
    known = Derivations(state, _joined(runs), has_cycle)
    store.arrays["derivations"] = known
    return known


def _of_run(store: Store, run: int, n_bytes: int) -> Arrays:
    name = f"derivations {run}"
    row = kept(store, name)
    if row is not None and row[0] == n_bytes:
        return row[1]
    arrays = read_derivations(store.database, run)
    keep(store, name, n_bytes, arrays)
    return arrays


def _joined(runs: list[Arrays]) -> list[_Level]:
    """Return the levels of all runs."""
    names = ("pairs", "ranges", "links")
    ends = [
        int(run[f"{name}_levels"].max(initial=-1)) for run in runs for name in names
    ]
    starts = np.cumsum([0, *(len(run["parents"]) for run in runs)])
    parents = _places([run["parents"] for run in runs], 0)
    levels = []
    for level in range(1 + int(max(ends, default=-1))):
        pairs, ranges, links = (
            [_of_level(run, name, level) for run in runs] for name in names
        )
        for part, start in zip(ranges, starts, strict=False):
            part[1:] += start
        long = _places(ranges, 3)
        window = slice(long[1].min(initial=len(parents)), long[2].max(initial=0))
        long[1:] -= window.start
        linked, earlier = _linked(_places(links, 2))
        levels.append(_Level(_places(pairs, 2), long, parents[window], linked, earlier))
    return levels


def _of_level(run: Arrays, name: str, level: int) -> Places:
    low, high = np.searchsorted(run[f"{name}_levels"], [level, level + 1])
    return run[name][:, low:high].astype(np.intp)


def _places(parts: Iterable[Places], n_rows: int) -> Places:
    """Return arrays side by side; with ``n_rows``, each has as many rows."""
    none = np.zeros((n_rows, 0) if n_rows else 0, np.intp)
    return np.concatenate([none, *parts], axis=-1)


def _linked(links: Places) -> tuple[Places, Places]:
    """Return the products in links, and the place of the earlier product of each."""
    linked = np.unique(links)
    earlier = np.full(len(linked) + 1, len(linked))
    child, parent = np.searchsorted(linked, links)
    earlier[child] = parent
    return np.append(linked, 0), earlier
