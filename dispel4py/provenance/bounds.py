"""Terms of bounded size that can be written as JSON, from terms of any kind."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Collection, Mapping
from itertools import islice
from typing import Any

import numpy as np

from dispel4py.outputs import LONGEST_ITEM, shorten

__all__ = ["bounded_name", "bounded_table", "bounded_terms", "bounded_value"]

#: Largest number of terms of a product, and of characters of a name: more is not
#: searched by anybody, and a record stays below about 20 kB.
MOST_TERMS = 64
LONGEST_NAME = 64
#: Databases store integers of 64 bits.
LARGEST = 2**63 - 1

#: Names of terms that are stored as they are; most runs have some dozens.
_SIMPLE_NAMES: set[Any] = set()
MOST_NAMES = 10_000

_NESTED = (Mapping, list, tuple, set, frozenset, np.ndarray)


def bounded_terms(
    described: Mapping[Any, Any], wanted: Collection[str] | None = None
) -> dict[str, Any]:
    """Return terms that can be stored, for any terms.

    Parameters
    ----------
    described : mapping
        Names and values; a function is called for its value if its name is wanted.
    wanted : collection of str, optional
        The names; by default all whose value is not a function.

    Examples
    --------
    >>> bounded_terms({"snr": 7.5, "peak": lambda: 2, "rms": float("nan")})
    {'snr': 7.5, 'rms': None}
    >>> bounded_terms({"snr": 7.5, "peak": lambda: 2}, ["peak"])
    {'peak': 2}
    """
    terms: dict[str, Any] = {}
    for name, value in described.items():
        if wanted is not None and name not in wanted:
            continue
        kind = type(value)
        if kind is float:
            value = value if math.isfinite(value) else None
        elif kind is str:
            if len(value) > LONGEST_ITEM or not value.isascii():
                value = _text(value)
        elif kind is int:
            value = value if -LARGEST <= value <= LARGEST else _as_float(value)
        elif value is not None and kind is not bool:
            if callable(value):
                if wanted is None:
                    continue
                value = value()
            value = bounded_value(value)
        terms[name if name in _SIMPLE_NAMES else bounded_name(name)] = value
        if len(terms) == MOST_TERMS:
            break
    return terms


def bounded_table(table: Mapping[Any, Collection[Any]]) -> dict[str, list[Any]]:
    """Return a table of terms that can be stored: for each name a list of values.

    Parameters
    ----------
    table : mapping
        Names, and the values of all parts of an item.

    Raises
    ------
    ValueError
        If the lists have different lengths.

    Examples
    --------
    >>> bounded_table({"station": ["FMP", "CIA"], "snr": [7.5, float("inf")]})
    {'station': ['FMP', 'CIA'], 'snr': [7.5, None]}
    """
    columns = dict(islice(table.items(), MOST_TERMS))
    lengths = {str(name): len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"parts: the terms have different numbers of values {lengths}")
    return {
        bounded_name(name): _bounded_column(values) for name, values in columns.items()
    }


def _bounded_column(values: Collection[Any]) -> list[Any]:
    kinds = set(map(type, values))
    if kinds == {float}:
        return [value if math.isfinite(value) else None for value in values]
    if kinds == {str} or kinds == {int}:  # the same values come again and again
        known = {value: bounded_value(value) for value in set(values)}
        return [known[value] for value in values]
    return [bounded_value(value) for value in values]


def bounded_value(value: Any) -> Any:
    """Return a number, a text, a bool or None for a value of any type.

    Numbers that are not finite become None, other objects a short text.

    Parameters
    ----------
    value : object
        It is not changed.

    Examples
    --------
    >>> bounded_value(np.float32(0.5)), bounded_value(b"1234"), bounded_value([1, [2]])
    (0.5, '<4 bytes>', '[1, [2]]')
    """
    try:
        return _bounded(value)
    except Exception as error:  # noqa: BLE001 - an object of a user may do anything
        return f"<{type(value).__name__}: {type(error).__name__}>"


def _bounded(value: Any) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        small = -LARGEST <= value <= LARGEST
        return int(value) if small else _as_float(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    if isinstance(value, os.PathLike):
        return _text(os.fspath(value))
    if isinstance(value, _NESTED):
        return _text(shorten(value))
    as_text: Callable[[], Any] | None = getattr(value, "isoformat", None)
    if callable(as_text):
        return _text(str(as_text()))
    return f"<{type(value).__name__}>"


def _as_float(value: int) -> float | None:
    try:
        return float(value)
    except OverflowError:
        return None


def _text(text: str) -> str:
    """Return a text that is short and can be written in UTF-8."""
    if len(text) > LONGEST_ITEM:
        text = f"{text[: LONGEST_ITEM - 3]}..."
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def bounded_name(name: Any) -> str:
    """Return a name that can be stored, and remember names that are stored as is."""
    text = name if type(name) is str else str(bounded_value(name))
    stored = _text(text[:LONGEST_NAME])
    if stored == name and len(_SIMPLE_NAMES) < MOST_NAMES:
        _SIMPLE_NAMES.add(stored)
    return stored
