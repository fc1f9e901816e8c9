"""Options that are declared once: dataclass field, command line, TOML key, docs.

A field made by :func:`option` carries an :class:`Option` in its metadata. From a
dataclass of such fields this module makes argparse arguments, reads and writes
TOML, and converts what a user wrote, with one message whatever the way it came.
"""

from __future__ import annotations

import argparse
import dataclasses
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError, suggest
from xcorr_app.config.values import Option, convert, format_time, parse_time, time_ns

__all__ = [
    "Formatter",
    "Option",
    "Parser",
    "add_arguments",
    "convert",
    "default_text",
    "flag",
    "format_time",
    "option",
    "options_of",
    "parse_time",
    "read_toml",
    "time_ns",
    "write_toml",
]

Values = dict[str, Any]
# kinds of options that take one or more words
MANY = ("texts", "paths", "choices", "bands", "crosses", "settings")
LONGEST_METAVAR = 40


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


# -------------------------------------------------------------- command line


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help whose lines do not break within a word such as ``--max-lag-s``."""

    def _split_lines(self, text: str, width: int) -> list[str]:
        import textwrap

        return textwrap.wrap(text, width, break_on_hyphens=False)


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


def add_arguments(
    parser: argparse.ArgumentParser, cls: Any, titles: Values, every: bool = True
) -> None:
    """Add every option of a dataclass to a parser, one group per table.

    Only options that are given appear in the result: what is absent is left to the
    file and to the default. The help has the rare ones only if it is to have
    ``every`` option.
    """
    groups = {table: parser.add_argument_group(t) for table, t in titles.items()}
    defaults = {f.name: f.default for f in dataclasses.fields(cls)}
    for name, opt in options_of(cls).items():
        names = [name_ for name_ in (opt.short, flag(name)) if name_]
        said = _argument_help(opt, defaults[name])
        unsaid = [c for c in opt.choices if c not in opt.help]
        if unsaid and "|".join(opt.choices) != _metavar(opt):
            said = f"{', '.join(opt.choices)}: {said}"
        said = said.replace("%", "%%")
        kw: Values = {"dest": name, "default": argparse.SUPPRESS}
        kw["help"] = said if every or not opt.rare else argparse.SUPPRESS
        groups[opt.table].add_argument(*names, **kw, **_argument_values(opt))
        if opt.kind == "flag":  # its opposite goes without saying
            no = {"help": argparse.SUPPRESS, "action": "store_false"}
            groups[opt.table].add_argument(f"--no-{flag(name)[2:]}", **(kw | no))


def _argument_values(opt: Option) -> Values:
    if opt.kind == "flag":
        return {"action": "store_true"}
    if opt.kind == "numbers":
        return {"nargs": len(opt.metavar), "metavar": opt.metavar}
    if opt.kind in MANY:
        return {"nargs": "+", "metavar": opt.metavar}
    return {"metavar": _metavar(opt)}


def _metavar(opt: Option) -> str | tuple[str, ...]:
    listed = "|".join(opt.choices)
    # long lists are in the help, where they wrap
    if opt.kind == "choice" and len(listed) <= LONGEST_METAVAR:
        return listed
    return opt.metavar


def _argument_help(opt: Option, default: Any) -> str:
    said = default_text(opt, default)
    return f"{opt.help} ({said})" if said else opt.help


def default_text(opt: Option, default: Any) -> str:
    """Say in words what holds when the option is not given."""
    if default is None:
        return f"default: {opt.otherwise}" if opt.otherwise else ""
    if opt.kind == "flag":
        return "default: on" if default else ""
    if opt.kind in MANY or opt.kind == "numbers":
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
    lines = textwrap.wrap(
        about,
        78,
        initial_indent="# ",
        subsequent_indent="# ",
        break_on_hyphens=False,
    )
    value = values.get(name, default)
    if value is None:
        return [*lines, f"# {name} = {opt.example}"]
    return [*lines, f"{name} = {_toml_value(value)}"]


def _toml_value(value: Any) -> str:
    import json

    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(one) for one in value)}]"
    if isinstance(value, dict):
        pairs = (f"{name} = {_toml_value(one)}" for name, one in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON's strings, numbers and booleans are TOML's
    return json.dumps(value, ensure_ascii=False)
