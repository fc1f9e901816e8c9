"""The terms that describe an item, by its class: provenance stores and searches them.

A package registers a function for each of its classes of items::

    from dispel4py.description import describe

    @describe.register
    def _of_trace(trace: Trace) -> dict[str, Any]:
        return {"station": trace.stats.station, "peak": lambda: abs(trace.data).max()}

A value is a number, a text, a bool, or None; or a function without arguments for a
value that takes time: it is called only if the value is wanted. Some names have a
meaning in provenance:

- ``location``, ``format``: the file that the item was written to, and its format;
- ``sha256``: its digest, if it is known; with "" it is not computed;
- ``files``: the files that it was read from, a sequence of paths;
- ``parts``: a function that returns a table of the parts of a large item, such as the
  pairs of a tile: for each term a list with the values of all parts.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

__all__ = ["describe"]


@functools.singledispatch
def describe(item: Any) -> dict[str, Any]:
    """Return the terms of an item; none for a class that nobody registered.

    Parameters
    ----------
    item : object
        The item. It is not changed.

    Examples
    --------
    >>> describe(2.5), describe(object())
    ({'value': 2.5}, {})
    """
    return {}


@describe.register(int)
@describe.register(float)
@describe.register(str)
@describe.register(bool)
@describe.register(np.number)
def _value(item: Any) -> dict[str, Any]:
    return {"value": item}


@describe.register(np.ndarray)
def _array(item: Any) -> dict[str, Any]:
    return {"shape": "x".join(map(str, item.shape)), "dtype": str(item.dtype)}


@describe.register(Mapping)
def _entries(item: Any) -> dict[str, Any]:
    simple = (int, float, str, bool, np.number)
    return {
        name: value
        for name, value in item.items()
        if isinstance(name, str) and isinstance(value, simple)
    }
