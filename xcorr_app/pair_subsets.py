"""Subsets of the pairs of a run, by names or by components, to measure or to plot."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dispel4py.errors import ParameterError
from xcorr_app.store import Store

__all__ = [
    "USUAL",
    "chosen_pairs",
    "component_note",
    "components_of",
    "of_components",
    "shown_components",
    "usable_pairs",
]

USUAL = "ZZ"


def components_of(store: Store, indices: np.ndarray) -> np.ndarray:
    """Return the components of pairs, the last letters of their channels: ``ZZ``."""
    last = np.array([name[-1:] for name in store.channels["id"].tolist()], "U1")
    first, second = (last[store.pairs[side][indices]] for side in ("first", "second"))
    return np.char.add(first, second)


def of_components(
    store: Store, indices: np.ndarray, components: str | None, usual: str = USUAL
) -> np.ndarray:
    """Return the pairs of two components.

    Parameters
    ----------
    store
        Open results.
    indices
        Rows of its pairs.
    components
        For example ``ZZ``. By default ``usual``, or all components if no pair has
        these.
    usual
        Usual components; "" for all.

    Raises
    ------
    ParameterError
        If there are no such pairs.
    """
    present = components_of(store, indices)
    wanted = usual if components is None and usual in present else components
    if wanted is None:
        return indices
    if wanted not in present:
        known = ", ".join(np.unique(present).tolist())
        raise ParameterError(f"--components {wanted}: the run has {known}")
    return indices[present == wanted]


def usable_pairs(
    store: Store, stack: str | None, components: str | None = None
) -> np.ndarray:
    """Return the pairs of two channels that have windows.

    Raises
    ------
    ParameterError
        If no pair has windows.
    """
    windows = store.windows(stack)
    has_windows = (windows["part"] >= 0) & (windows["n_windows"] > 0)
    usable = np.flatnonzero(
        has_windows & (store.pairs["first"] != store.pairs["second"])
    )
    if not len(usable):
        raise ParameterError(f"{store.path}: no pair of two channels has windows")
    return of_components(store, usable, components)


def component_note(store: Store, chosen: np.ndarray) -> list[str]:
    """Return the components of the chosen pairs, if the run has several."""
    components = np.unique(components_of(store, chosen)).tolist()
    all_components = np.unique(components_of(store, np.arange(len(store))))
    if len(all_components) == 1:
        return []
    return components if len(components) == 1 else [f"{len(components)} components"]


def shown_components(
    store: Store, components: str | None, usual: str = USUAL
) -> tuple[str, str]:
    """Return the components of what a command shows, and how they were chosen.

    Both are empty for a run of one pair of components; the second is empty if the
    user has chosen.

    Parameters
    ----------
    store
        Open results.
    components
        Chosen components; None: ``usual``, or all if the run does not have these.
    usual
        Usual components; "" for all.
    """
    present = np.unique(components_of(store, np.arange(len(store)))).tolist()
    if len(present) < 2:
        return "", ""
    if components is not None:
        return components, ""
    if usual in present:
        return usual, f"components {usual} of {len(present)}; --components chooses"
    return "", f"all {len(present)} components together; --components chooses"


def chosen_pairs(
    store: Store,
    pairs: Sequence[Sequence[str]],
    stacks: Sequence[str],
    components: str | None = None,
    usual: str = "",
) -> np.ndarray:
    """Return the named pairs, or all pairs of some stacks if none is named.

    Parameters
    ----------
    store
        Open results.
    pairs
        Names of two channels each.
    stacks
        Names of the stacks; a pair has windows in one of them.
    components, usual
        Components, if no pairs are named; see `of_components`.

    Raises
    ------
    ParameterError
        If there is no such pair.
    """
    if pairs:
        indices = {store.pair_index(*pair) for pair in pairs}
        return np.array(sorted(indices), np.int64)
    has_windows = np.zeros(len(store), bool)
    for name in stacks:
        has_windows |= store.windows(name)["n_windows"] > 0
    chosen = np.flatnonzero(has_windows)
    if not len(chosen):
        raise ParameterError(f"{store.path}: no pair has windows")
    return of_components(store, chosen, components, usual)
