"""The values of options: the user's text becomes a value of the right kind."""

from __future__ import annotations

import ast
import difflib
import math
import os
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.mappings import REGISTRY, available
from seismo_pes.application.options import Option
from seismo_pes.application.times import format_time, parse_time

__all__ = ["KINDS", "convert"]

# Placeholders of options whose text is a path; ~ in them is the home folder, also where
# no shell has replaced it.
PATHS = ("ARCHIVE", "DEST", "DIR", "FILE", "FOLDER", "OUT", "PATH")
# The smallest (except 0) and the largest plausible number, by unit.
LIMITS = {
    "s": (1e-9, 3.2e9),  # a hundred years
    "h": (1e-12, 9e5),
    "Hz": (1e-9, 1e7),
    "km": (1e-6, 1e5),
    "km/s": (1e-6, 1e4),
    "dB": (1e-6, 1e4),
    "GB": (1e-6, 1e6),
    "%": (1e-9, 1e6),
    "octaves": (1e-6, 100.0),
    "counts": (1e-12, 1e18),
    "": (1e-15, 1e15),
}
NUMBER_WORDS = {2: "two numbers", 4: "four numbers"}
NUMBER = r"(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
BAND = re.compile(rf"{NUMBER}-{NUMBER}")


def convert(opt: Option, value: Any, label: str) -> Any:
    """Convert the user's text into the value of an option.

    Parameters
    ----------
    opt : Option
    value : object
        Text or list of texts (command line), or a TOML or Python value.
    label : str
        Name of the option in a message, such as ``--window-s``.

    Raises
    ------
    ParameterError
        If the value is not of the option's kind, or out of its range.

    Examples
    --------
    >>> length = Option("windows", "number", help="length", above=0)
    >>> convert(length, "900", "--window-s")
    900.0
    """
    if value is None:
        return None
    converted = KINDS[opt.kind](opt, value, label)
    return converted if opt.parse is None else opt.parse(converted, label)


def _text(opt: Option, value: Any, label: str) -> str:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ParameterError(f"{label}: {value!r} is not a {opt.placeholder}")
    if opt.placeholder in PATHS:
        return os.path.expanduser(value)
    return str(value)


def _choice(opt: Option, value: Any, label: str) -> str:
    known = {choice.lower(): choice for choice in opt.choices}
    if not isinstance(value, str) or value.lower() not in known:
        close = difflib.get_close_matches(str(value).lower(), known, n=1)
        guess = f" (did you mean {known[close[0]]!r}?)" if close else ""
        choices = ", ".join(opt.choices)
        raise ParameterError(f"{label}: {value!r} is not one of {choices}{guess}")
    return known[value.lower()]


def _mapping(opt: Option, value: Any, label: str) -> str:
    """Return the name of a mapping, also of a mapping of another package."""
    if str(value).lower() in REGISTRY:
        return _choice(opt, value, label)
    return _choice(replace(opt, choices=tuple(available())), value, label)


def _choices(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    words = _texts(opt, value, label)
    return tuple(dict.fromkeys(_choice(opt, word, label) for word in words))


def _finite(value: Any, label: str, expected: str = "a number") -> float:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except TypeError:
        raise ParameterError(f"{label}: {value!r} is not a number") from None
    except ValueError:
        raise ParameterError(f"{label}: {value!r} is not {expected}") from None
    if not math.isfinite(number):
        raise ParameterError(f"{label}: {value!r} is not a finite number")
    return number


def _bounded(opt: Option, value: Any, label: str, expected: str = "a number") -> float:
    """Return a finite number that is plausible in its unit."""
    number = _finite(value, label, expected)
    smallest, largest = LIMITS.get(opt.unit, LIMITS[""])
    unit = f" {opt.unit}" if opt.unit else ""
    if abs(number) > largest:
        raise ParameterError(f"{label} {number:g}: must be at most {largest:g}{unit}")
    if 0 < abs(number) < smallest:
        raise ParameterError(f"{label} {number:g}: must be at least {smallest:g}{unit}")
    return number


def _number(opt: Option, value: Any, label: str) -> float:
    number = _bounded(opt, value, label)
    if opt.above is not None and number <= opt.above:
        raise ParameterError(f"{label} {number:g}: must be above {opt.above:g}")
    if opt.least is not None and number < opt.least:
        raise ParameterError(f"{label} {number:g}: must be {opt.least:g} or more")
    return number


def _count(opt: Option, value: Any, label: str) -> int:
    least = 1 if opt.least is None else round(opt.least)
    expected = f"a whole number, {least} or more"
    number = _bounded(opt, value, label, expected)
    if number != int(number) or number < least:
        raise ParameterError(f"{label}: {value!r} is not {expected}")
    return int(number)


def _numbers(opt: Option, value: Any, label: str) -> tuple[float, ...]:
    """Return one number for each placeholder; for a single one, any number of them."""
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list | tuple) or not value:
        raise ParameterError(f"{label}: {value!r} is not a list of numbers")
    names = opt.placeholder
    if not isinstance(names, str) and len(value) != len(names):
        raise ParameterError(
            f"{label}: {value!r} is not {NUMBER_WORDS[len(names)]}: {' '.join(names)}"
        )
    return tuple(_bounded(opt, word, label) for word in value)


def _band(opt: Option, value: Any, label: str) -> tuple[float, ...]:
    low, high = _numbers(opt, value, label)
    return _checked_band(opt, low, high, f"{label} {low:g} {high:g}")


def _checked_band(
    opt: Option, low: float, high: float, label: str
) -> tuple[float, float]:
    if not 0 < low < high:
        raise ParameterError(f"{label}: must be 0 < LO < HI, in {opt.unit}")
    return low, high


def _range(opt: Option, value: Any, label: str) -> tuple[float, ...]:
    low, high = _numbers(opt, value, label)
    label = f"{label} {low:g} {high:g}"
    if opt.least is not None and low < opt.least:
        raise ParameterError(f"{label}: LO must be {opt.least:g} or more")
    if low >= high:
        raise ParameterError(f"{label}: must be LO < HI")
    return low, high


def _bands(opt: Option, value: Any, label: str) -> tuple[tuple[float, ...], ...]:
    """Return pairs of numbers, written ``0.1-0.5 0.5-1`` or as a list of lists.

    Two numbers are one band.
    """
    if isinstance(value, str) or _is_pair(value):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ParameterError(f"{label}: {value!r} is not a list of bands, 0.1-0.5")
    words: list[Any] = []
    for entry in value:
        is_text = isinstance(entry, str)
        words += entry.replace(",", " ").split() if is_text else [entry]
    bands = []
    for word in words:
        pair = (band_of_text(word) if isinstance(word, str) else None) or word
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ParameterError(f"{label}: {word!r} is not a band: write 0.1-0.5")
        low, high = (_bounded(opt, edge, label) for edge in pair)
        bands.append(_checked_band(opt, low, high, f"{label} {low:g}-{high:g}"))
    return tuple(bands)


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(edge, int | float) for edge in value)
    )


def band_of_text(text: str) -> tuple[float, float] | None:
    """Return the numbers of a band; None if the text is not a band.

    >>> band_of_text("0.5-10"), band_of_text("cc_time")
    ((0.5, 10.0), None)
    """
    match = BAND.fullmatch(text)
    return (float(match[1]), float(match[2])) if match else None


def _texts(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list | tuple) or not all(
        isinstance(entry, str) for entry in entries
    ):
        raise ParameterError(f"{label}: {value!r} is not a list of {opt.placeholder}")
    words = [word for entry in entries for word in entry.replace(",", " ").split()]
    if not words:
        raise ParameterError(f"{label}: the list is empty")
    return tuple(words)


def _pair(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    """Return two texts, unchanged."""
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ParameterError(f"{label}: {value!r} is not a pair")
    return tuple(_text(opt, entry, label) for entry in value)


def _pairs(opt: Option, value: Any, label: str) -> tuple[tuple[str, ...], ...]:
    """Return any number of pairs."""
    return tuple(_pair(opt, entry, label) for entry in value)


def _paths(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    """Return texts unchanged: paths may have spaces and commas."""
    entries = [value] if isinstance(value, str | Path) else value
    if not isinstance(entries, list | tuple):
        raise ParameterError(f"{label}: {value!r} is not a list of {opt.placeholder}")
    if not entries:
        raise ParameterError(f"{label}: the list is empty")
    return tuple(_text(opt, entry, label) for entry in entries)


def _crosses(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    """Return ``A x B`` pairs, each a text, with any spaces between the parts."""
    words = _texts(opt, value, label)
    crosses = [words[k : k + 3] for k in range(0, len(words), 3)]
    if not all(len(cross) == 3 and cross[1] in ("x", "X") for cross in crosses):
        raise ParameterError(
            f"{label}: {' '.join(words)!r} is not of the form 'CI x AZ'"
        )
    return tuple(f"{first} x {second}" for first, _, second in crosses)


def _settings(opt: Option, value: Any, label: str) -> dict[str, Any]:
    """Return names and values, written ``power=2 width=3`` or as a TOML table."""
    if isinstance(value, dict):
        return dict(value)
    pairs = [word.partition("=") for word in _texts(opt, value, label)]
    for name, equals, text in pairs:
        if not (name and equals and text):
            raise ParameterError(f"{label}: {name + equals + text!r} is not NAME=VALUE")
    return {name: _literal(text) for name, _, text in pairs}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _chain(opt: Option, value: Any, label: str) -> str:
    """Return a chain as one text, given as one text or as the list of its steps."""
    steps = _paths(opt, value, label)
    return ", ".join(text.strip().strip(",").strip() for text in steps)


def _flag(opt: Option, value: Any, label: str) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"{label}: {value!r} is not true or false")
    return value


def _time(opt: Option, value: Any, label: str) -> str:
    try:
        return format_time(parse_time(value))
    except ValueError as problem:
        raise ParameterError(f"{label}: {problem}") from None


KINDS: dict[str, Callable[[Option, Any, str], Any]] = {
    "text": _text,
    "choice": _choice,
    "choices": _choices,
    "mapping": _mapping,
    "number": _number,
    "count": _count,
    "numbers": _numbers,
    "band": _band,
    "range": _range,
    "bands": _bands,
    "texts": _texts,
    "pair": _pair,
    "pairs": _pairs,
    "paths": _paths,
    "crosses": _crosses,
    "settings": _settings,
    "chain": _chain,
    "time": _time,
    "flag": _flag,
}
