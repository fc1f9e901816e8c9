"""The numbers in files, and the difference of two sets of numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["relative_difference", "values_of_file"]


def relative_difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the L2 norm of a difference over the norm of the first array.

    Parameters
    ----------
    first, second : numpy.ndarray
        NaN in the same places of both are equal.

    Returns
    -------
    float
        0.0 if all bits are equal; infinity if the shapes differ.

    Examples
    --------
    >>> relative_difference(np.array([3.0, 4.0]), np.array([3.0, 4.5]))
    0.1
    >>> relative_difference(np.zeros(2), np.zeros(3))
    inf
    """
    if first.shape != second.shape:
        return math.inf
    if first.dtype == second.dtype and first.tobytes() == second.tobytes():
        return 0.0
    a, b = (np.asarray(array, np.float64) for array in (first, second))
    known = ~(np.isnan(a) & np.isnan(b))
    apart = float(np.linalg.norm((a - b)[known]))
    norm = float(np.linalg.norm(a[known]))
    return apart / norm if norm else (math.inf if apart else 0.0)


def values_of_file(path: str | Path) -> np.ndarray | None:
    """Return the numbers in a file: of text in columns, JSON, ``.npy`` or ``.npz``.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    numpy.ndarray or None
        float64, one axis; None for another format.
    """
    path = Path(path)
    try:
        if path.suffix in (".npy", ".npz"):
            return _of_arrays(np.load(path, allow_pickle=False))
        if path.suffix == ".json":
            return np.array(list(_numbers(json.loads(path.read_text("utf-8")))))
        return np.loadtxt(path, ndmin=1).reshape(-1)
    except (OSError, ValueError):
        return None


def _of_arrays(content: Any) -> np.ndarray:
    if isinstance(content, np.ndarray):
        return np.asarray(content, np.float64).reshape(-1)
    with content:
        arrays = [content[name] for name in content.files]
    numbers = [array.reshape(-1) for array in arrays if array.dtype.kind in "biuf"]
    return np.concatenate([np.zeros(0), *numbers])


def _numbers(value: Any) -> Iterator[float]:
    """Yield the numbers of a value of JSON, in their order."""
    if isinstance(value, dict):
        for member in value.values():
            yield from _numbers(member)
    elif isinstance(value, list):
        for member in value:
            yield from _numbers(member)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield float(value)
