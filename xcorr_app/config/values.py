"""What a user wrote, on the command line or in TOML, turned into values of options."""

from __future__ import annotations

import ast
import difflib
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError

__all__ = ["KINDS", "Option", "convert", "format_time", "parse_time", "time_ns"]

_NUMBER_WORDS = {2: "two numbers", 4: "four numbers"}
_NUMBER = r"(\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?)"
_BAND = re.compile(rf"{_NUMBER}-{_NUMBER}")


@dataclass(frozen=True)
class Option:
    """What is known of one option beside its name, type and default.

    Attributes
    ----------
    table : str
        Table of the TOML file, and group of the help.
    kind : str
        One of `KINDS`.
    help : str
        What it does, with its unit.
    metavar : str or tuple of str
        What stands for its values; of ``numbers`` one name for each.
    choices : tuple of str
        Of ``choice`` and ``choices``.
    short : str
        A second spelling, ``-n``.
    otherwise : str
        What an unset value means, where the default is None.
    example : str
        TOML value shown where the default is None.
    above, least : float, optional
        Numbers must be above the one, and not below the other.
    rare : bool
        Left out of the short help.
    """

    table: str
    kind: str
    help: str
    metavar: str | tuple[str, ...] = "TEXT"
    choices: tuple[str, ...] = ()
    short: str = ""
    otherwise: str = ""
    example: str = ""
    above: float | None = None
    least: float | None = None
    rare: bool = False


def convert(opt: Option, value: Any, label: str) -> Any:
    """Turn what a user wrote into the value of an option.

    Parameters
    ----------
    opt
        The option.
    value
        Text or list of texts (command line), or a TOML or Python value.
    label
        How to call the option in a message, e.g. ``--window-s``.

    Raises
    ------
    ParameterError
        If the value is not of the option's kind, or out of its range.
    """
    return None if value is None else KINDS[opt.kind](opt, value, label)


def _text(opt: Option, value: Any, label: str) -> str:
    if not isinstance(value, str | Path) or not str(value).strip():
        raise ParameterError(f"{label}: {value!r} is not a {opt.metavar}")
    return str(value)


def _choice(opt: Option, value: Any, label: str) -> str:
    known = {choice.lower(): choice for choice in opt.choices}
    if not isinstance(value, str) or value.lower() not in known:
        close = difflib.get_close_matches(str(value).lower(), known, n=1)
        guess = f" (did you mean {known[close[0]]!r}?)" if close else ""
        choices = ", ".join(opt.choices)
        raise ParameterError(f"{label}: {value!r} is not one of {choices}{guess}")
    return known[value.lower()]


def _choices(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    words = _texts(opt, value, label)
    return tuple(dict.fromkeys(_choice(opt, word, label) for word in words))


def _number(opt: Option, value: Any, label: str) -> float:
    try:
        if isinstance(value, bool):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError):
        raise ParameterError(f"{label}: {value!r} is not a number") from None
    if not math.isfinite(number):
        raise ParameterError(f"{label}: {value!r} is not a finite number")
    return number


def _number_in_range(opt: Option, value: Any, label: str) -> float:
    number = _number(opt, value, label)
    if opt.above is not None and number <= opt.above:
        raise ParameterError(f"{label} {number:g}: must be above {opt.above:g}")
    if opt.least is not None and number < opt.least:
        raise ParameterError(f"{label} {number:g}: must be {opt.least:g} or more")
    return number


def _count(opt: Option, value: Any, label: str) -> int:
    number = _number(opt, value, label)
    least = 1 if opt.least is None else round(opt.least)
    if number != int(number) or number < least:
        raise ParameterError(
            f"{label}: {value!r} is not a whole number, {least} or more"
        )
    return int(number)


def _numbers(opt: Option, value: Any, label: str) -> tuple[float, ...]:
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, list | tuple) or len(value) != len(opt.metavar):
        what = _NUMBER_WORDS[len(opt.metavar)]
        raise ParameterError(
            f"{label}: {value!r} is not {what}: {' '.join(opt.metavar)}"
        )
    return tuple(_number(opt, one, label) for one in value)


def _bands(opt: Option, value: Any, label: str) -> tuple[tuple[float, ...], ...]:
    """Return pairs of numbers, written ``0.1-0.5 0.5-1`` or as a list of lists."""
    if isinstance(value, str):
        value = [value]
    if not isinstance(value, list | tuple) or not value:
        raise ParameterError(f"{label}: {value!r} is not a list of bands, 0.1-0.5")
    words: list[Any] = []
    for one in value:
        words += one.replace(",", " ").split() if isinstance(one, str) else [one]
    bands = []
    for word in words:
        found = _BAND.fullmatch(word) if isinstance(word, str) else None
        pair = found.groups() if found else word
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ParameterError(f"{label}: {word!r} is not a band: write 0.1-0.5")
        bands.append(tuple(_number(opt, one, label) for one in pair))
    return tuple(bands)


def _texts(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    many = [value] if isinstance(value, str) else value
    if not isinstance(many, list | tuple) or not all(isinstance(v, str) for v in many):
        raise ParameterError(f"{label}: {value!r} is not a list of {opt.metavar}")
    words = [word for one in many for word in one.replace(",", " ").split()]
    if not words:
        raise ParameterError(f"{label}: the list is empty")
    return tuple(words)


def _paths(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    """Return texts as they are: paths may have spaces and commas."""
    many = [value] if isinstance(value, str | Path) else value
    if not isinstance(many, list | tuple):
        raise ParameterError(f"{label}: {value!r} is not a list of {opt.metavar}")
    if not many:
        raise ParameterError(f"{label}: the list is empty")
    return tuple(_text(opt, one, label) for one in many)


def _crosses(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    """Return ``A x B`` pairs, each a text, however they were spaced."""
    words = _texts(opt, value, label)
    crosses = [words[k : k + 3] for k in range(0, len(words), 3)]
    if not all(len(one) == 3 and one[1] in ("x", "X") for one in crosses):
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
        if not (name.isidentifier() and equals and text):
            raise ParameterError(f"{label}: {name + equals + text!r} is not NAME=VALUE")
    return {name: _literal(text) for name, _, text in pairs}


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _chain(opt: Option, value: Any, label: str) -> str:
    """Return one text of a chain, given as such or as a list of its steps."""
    many = _paths(opt, value, label)
    return ", ".join(text.strip().strip(",").strip() for text in many)


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
    "number": _number_in_range,
    "count": _count,
    "numbers": _numbers,
    "bands": _bands,
    "texts": _texts,
    "paths": _paths,
    "crosses": _crosses,
    "settings": _settings,
    "chain": _chain,
    "time": _time,
    "flag": _flag,
}


# --------------------------------------------------------------------- times


def parse_time(value: Any) -> datetime:
    """Read a time; without an offset it is UTC.

    >>> parse_time("2022-01-02T12:00").isoformat()
    '2022-01-02T12:00:00+00:00'
    >>> parse_time("2022-137").date().isoformat()
    '2022-05-17'
    """
    if isinstance(value, date):  # a TOML date or time
        value = value.isoformat()
    text = str(value).strip()
    julian = re.fullmatch(r"(\d{4})-(\d{3})(?:[T ](.+))?", text)
    try:
        if julian:
            year, day, clock = julian.groups()
            moment = datetime.fromisoformat(f"{year}-01-01T{clock or '00:00'}")
            moment += timedelta(days=int(day) - 1)
            if int(day) < 1 or moment.year != int(year):
                raise ValueError
        else:
            moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"{value!r} is not a time: write 2022-01-02, 2022-01-02T12:00 or "
            "2022-137 (day of the year), in UTC"
        ) from None
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def format_time(moment: datetime) -> str:
    """Write a time in UTC as ISO 8601 with a final Z."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def time_ns(text: str) -> int:
    """Return nanoseconds since 1970 UTC of a time.

    >>> time_ns("1970-01-02")
    86400000000000
    """
    since = parse_time(text) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since // timedelta(microseconds=1)) * 1000
