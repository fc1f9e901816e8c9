"""Options that are declared once: dataclass field, command line, TOML key, docs.

A field made by :func:`option` carries an :class:`Option` in its metadata. From a
dataclass of such fields this module makes argparse arguments, reads and writes
TOML, and converts what a user wrote, with one message whatever the way it came.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError, suggest

Values = dict[str, Any]

_NUMBER_WORDS = {2: "two numbers", 4: "four numbers"}


@dataclass(frozen=True)
class Option:
    """What is known of one option beside its name, type and default."""

    table: str
    kind: str  # text, choice, number, count, numbers, texts, time, flag
    help: str
    metavar: str | tuple[str, ...] = "TEXT"
    choices: tuple[str, ...] = ()
    short: str = ""
    otherwise: str = ""  # what an unset value means, where the default is None
    example: str = ""  # TOML value shown where the default is None


def option(table: str, kind: str, help: str, default: Any = None, **kw: Any) -> Any:
    """Declare a dataclass field that is an option as well."""
    return dataclasses.field(
        default=default, metadata={"option": Option(table, kind, help, **kw)}
    )


def options_of(cls: Any) -> dict[str, Option]:
    """Return the options of a dataclass by name, in order of declaration."""
    return {f.name: f.metadata["option"] for f in dataclasses.fields(cls)}


def flag(name: str) -> str:
    """Spell an option as on the command line: ``max_lag_s`` is ``--max-lag-s``."""
    return "--" + name.replace("_", "-")


# ---------------------------------------------------------------- conversion


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
        If the value is not of the option's kind.
    """
    if value is None:
        return None
    converters = {
        "text": _text,
        "choice": _choice,
        "number": _number,
        "count": _count,
        "numbers": _numbers,
        "texts": _texts,
        "time": _time,
        "flag": _flag,
    }
    return converters[opt.kind](opt, value, label)


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


def _count(opt: Option, value: Any, label: str) -> int:
    number = _number(opt, value, label)
    if number != int(number) or number < 1:
        raise ParameterError(f"{label}: {value!r} is not a whole number, 1 or more")
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


def _texts(opt: Option, value: Any, label: str) -> tuple[str, ...]:
    many = [value] if isinstance(value, str) else value
    if not isinstance(many, list | tuple) or not all(isinstance(v, str) for v in many):
        raise ParameterError(f"{label}: {value!r} is not a list of {opt.metavar}")
    words = [word for one in many for word in one.replace(",", " ").split()]
    if not words:
        raise ParameterError(f"{label}: the list is empty")
    return tuple(words)


def _flag(opt: Option, value: Any, label: str) -> bool:
    if not isinstance(value, bool):
        raise ParameterError(f"{label}: {value!r} is not true or false")
    return value


def _time(opt: Option, value: Any, label: str) -> str:
    try:
        return format_time(parse_time(value))
    except ValueError as problem:
        raise ParameterError(f"{label}: {problem}") from None


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


# -------------------------------------------------------------- command line


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaints are one line."""

    def error(self, message: str) -> Any:
        """Raise the complaint as :class:`ParameterError`."""
        raise ParameterError(message.removeprefix("argument "))

    def parse(self, argv: list[str]) -> argparse.Namespace:
        """Parse; an unknown option is named with the one probably meant."""
        found, unknown = self.parse_known_args(argv)
        if unknown:
            raise ParameterError(self._unknown(unknown[0]))
        return found

    def _unknown(self, word: str) -> str:
        if not word.startswith("-"):
            return f"{word!r} is not expected here (see {self.prog} --help)"
        word = word.split("=")[0]
        known = [name for action in self._actions for name in action.option_strings]
        close = difflib.get_close_matches(word, known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"see {self.prog} --help"
        return f"unknown option {word}: {hint}"


def add_arguments(parser: argparse.ArgumentParser, cls: Any, titles: Values) -> None:
    """Add every option of a dataclass to a parser, one group per table.

    Only options that are given appear in the result: what is absent is left to the
    file and to the default.
    """
    groups = {table: parser.add_argument_group(t) for table, t in titles.items()}
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    for name, opt in options_of(cls).items():
        names = [name_ for name_ in (opt.short, flag(name)) if name_]
        kw: Values = {"dest": name, "default": argparse.SUPPRESS}
        kw["help"] = _argument_help(opt, defaults[name]).replace("%", "%%")
        if opt.kind == "flag":
            kw["action"] = argparse.BooleanOptionalAction
        elif opt.kind == "numbers":
            kw |= {"nargs": len(opt.metavar), "metavar": opt.metavar}
        elif opt.kind == "texts":
            kw |= {"nargs": "+", "metavar": opt.metavar}
        elif opt.kind == "choice":
            kw["metavar"] = "|".join(opt.choices)
        else:
            kw["metavar"] = opt.metavar
        groups[opt.table].add_argument(*names, **kw)


def _argument_help(opt: Option, default: Any) -> str:
    said = default_text(opt, default)
    return f"{opt.help} ({said})" if said else opt.help


def default_text(opt: Option, default: Any) -> str:
    """Say in words what holds when the option is not given."""
    if default is None:
        return f"default: {opt.otherwise}" if opt.otherwise else ""
    if opt.kind == "flag":
        return "default: on" if default else ""
    if opt.kind in ("numbers", "texts"):
        return f"default: {' '.join(str(one) for one in default)}"
    return f"default: {default:g}" if opt.kind == "number" else f"default: {default}"


# ---------------------------------------------------------------------- TOML


def read_toml(cls: Any, path: str | Path) -> Values:
    """Read the options that a TOML file sets.

    Raises
    ------
    ParameterError
        If the file cannot be read, or has a key or table that is none of ours.
    """
    import tomllib

    try:
        content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as problem:
        raise ParameterError(
            f"--config {path}: {problem.strerror or problem}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ParameterError(f"--config {path}: not TOML: {problem}") from None
    options = options_of(cls)
    values: Values = {}
    for table, keys in content.items():
        _check_table(options, path, table, keys)
        for key, value in keys.items():
            _check_key(options, path, table, key)
            values[key] = convert(options[key], value, f"{path}: [{table}] {key}")
    return values


def _check_table(options: dict[str, Option], path: Any, table: str, keys: Any) -> None:
    tables = {opt.table for opt in options.values()}
    if table in options and not isinstance(keys, dict):
        home = options[table].table
        raise ParameterError(f"{path}: {table!r} belongs under the table [{home}]")
    if table not in tables:
        raise ParameterError(
            f"{path}: unknown table [{table}]: {suggest(table, tables)}"
        )
    if not isinstance(keys, dict):
        raise ParameterError(f"{path}: {table!r} is a table: write [{table}]")


def _check_key(options: dict[str, Option], path: Any, table: str, key: str) -> None:
    if key not in options:
        here = [name for name, opt in options.items() if opt.table == table]
        near = here if difflib.get_close_matches(key, here) else list(options)
        raise ParameterError(
            f"{path}: [{table}] unknown key {key!r}: {suggest(key, near)}"
        )
    if options[key].table != table:
        home = options[key].table
        raise ParameterError(f"{path}: {key!r} belongs under [{home}], not [{table}]")


def write_toml(cls: Any, titles: Values, values: Mapping[str, Any]) -> str:
    """Write a commented TOML file of all options.

    An option without a value (here and by default) is written as a comment, with
    an example.
    """
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    lines = []
    for table, title in titles.items():
        lines += ["", f"[{table}]", f"# {title}"]
        for name, opt in options_of(cls).items():
            if opt.table == table:
                lines += ["", *_toml_lines(name, opt, defaults[name], values)]
    return "\n".join(lines[1:]) + "\n"


def _toml_lines(
    name: str, opt: Option, default: Any, values: Mapping[str, Any]
) -> list[str]:
    import textwrap

    about = _argument_help(opt, default)
    if opt.choices:
        about += f"; choices: {', '.join(opt.choices)}"
    lines = textwrap.wrap(about, 78, initial_indent="# ", subsequent_indent="# ")
    value = values.get(name, default)
    if value is None:
        return [*lines, f"# {name} = {opt.example}"]
    return [*lines, f"{name} = {_toml_value(value)}"]


def _toml_value(value: Any) -> str:
    import json

    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(one) for one in value)}]"
    # JSON's strings, numbers and booleans are TOML's
    return json.dumps(value, ensure_ascii=False)
