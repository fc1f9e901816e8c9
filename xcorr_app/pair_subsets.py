"""Subsets of the pairs of a run, by names or by components, to measure or to plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dispel4py.errors import ParameterError
from xcorr_app.store import Store

__all__ = ["USUAL", "chosen_pairs", "components_of", "of_components", "usable_pairs"]

USUAL = "ZZ"


def components_of(store: Store, indices: np.ndarray) -> np.ndarray:
    """Return the components of pairs, the last letters of their channels: ``ZZ``."""
    last = np.array([name[-1:] for name in store.channels["id"].tolist()], "U1")
    first, second = (last[store.pairs[side][indices]] for side in ("first", "second"))
    return np.char.add(first, second)


def of_components(
    store: Store, indices: np.ndarray, components: str | None, usual: str = USUAL
) -> np.ndarray:
    """Return which pairs are of two components.

    Parameters
    ----------
    store
        Open results.
    indices
        Rows of its pairs.
    components
        For example ``ZZ``; by default ``usual``, or all where there are none of these.
    usual
        "" for all.

    Raises
    ------
    ParameterError
        If there are none.
    """
    there = components_of(store, indices)
    wanted = usual if components is None and usual in there else components
    if wanted is None:
        return indices
    if wanted not in there:
        known = ", ".join(np.unique(there).tolist())
        raise ParameterError(f"--components {wanted}: there are {known}")
    return indices[there == wanted]


def usable_pairs(
    store: Store, stack: str | None, components: str | None = None
) -> np.ndarray:
    """Return which pairs of two channels have windows.

    Raises
    ------
    ParameterError
        If there are none.
    """
    windows = store.windows(stack)
    some = (windows["part"] >= 0) & (windows["n_windows"] > 0)
    usable = np.flatnonzero(some & (store.pairs["first"] != store.pairs["second"]))
    if not len(usable):
        raise ParameterError(f"{store.path}: no pair of two channels has windows")
    return of_components(store, usable, components)


def component_note(store: Store, chosen: np.ndarray) -> list[str]:
    """Return a remark if other components are left out."""
    there = np.unique(components_of(store, chosen)).tolist()
    every = np.unique(components_of(store, np.arange(len(store))))
    return [there[0]] if len(there) == 1 < len(every) else []


def chosen_pairs(
    store: Store,
    pairs: Sequence[Sequence[str]],
    stack: str | None,
    components: str | None = None,
    usual: str = "",
) -> np.ndarray:
    """Return which pairs are meant: those named, or all that a stack has.

    Parameters
    ----------
    store
        Open results.
    pairs
        Names of two channels each.
    stack
        Name of the stack.
    components, usual
        Of those that are not named, as of `of_components`.

    Raises
    ------
    ParameterError
        If there are none.
    """
    if pairs:
        found = [store.pair_index(*pair) for pair in pairs]
        return np.array(sorted(set(found)), np.int64)
    chosen = np.flatnonzero(store.windows(stack)["n_windows"] > 0)
    if not len(chosen):
        raise ParameterError(f"{store.path}: no pair has windows")
    return of_components(store, chosen, components, usual)
