"""TOML files of options: each option is a key, and its help a comment."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError, suggest
from seismo_pes.application.options import Option, defaults_of, help_text, options_of
from seismo_pes.application.values import convert
from seismo_pes.regular_file import read_text

__all__ = ["read_toml", "write_toml"]

COMMENT_WIDTH = 78  # characters of a comment, for terminals of 80 columns


def read_toml(cls: Any, path: str | Path) -> dict[str, Any]:
    """Read the options that a TOML file sets.

    Parameters
    ----------
    cls : type
        A dataclass of options.
    path : str or Path

    Raises
    ------
    ParameterError
        If the file cannot be read, or has a key or table that is not an option.
    """
    import tomllib

    try:
        content = tomllib.loads(read_text(path))
    except OSError as problem:
        raise ParameterError(
            f"--config {path}: {problem.strerror or problem}"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ParameterError(f"--config {path}: not TOML: {problem}") from None
    options = options_of(cls)
    values: dict[str, Any] = {}
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
        neighbours = [name for name, opt in options.items() if opt.table == table]
        near = difflib.get_close_matches(key, neighbours)
        known = neighbours if near else list(options)
        raise ParameterError(
            f"{path}: [{table}] unknown key {key!r}: {suggest(key, known)}"
        )
    if options[key].table != table:
        home = options[key].table
        raise ParameterError(f"{path}: {key!r} belongs under [{home}], not [{table}]")


def write_toml(
    cls: Any, titles: Mapping[str, str], values: Mapping[str, Any] | None = None
) -> str:
    """Write a TOML file of all options, each with its help as a comment.

    An option without a value (here and by default) is written as a comment, with
    an example.

    Parameters
    ----------
    cls : type
        A dataclass of options.
    titles : mapping of str to str
        The tables in their order, each with its title.
    values : mapping of str to object, optional
        Values; of other options the default is written.
    """
    defaults = defaults_of(cls)
    lines = []
    for table, title in titles.items():
        lines += ["", f"[{table}]", f"# {title}"]
        for name, opt in options_of(cls).items():
            if opt.table == table:
                lines += ["", *_lines_of(name, opt, defaults[name], values or {})]
    return "\n".join(lines[1:]) + "\n"


def _lines_of(
    name: str, opt: Option, default: Any, values: Mapping[str, Any]
) -> list[str]:
    import textwrap

    about = help_text(opt, default)
    if opt.choices:
        about += f"; choices: {', '.join(opt.choices)}"
    lines = textwrap.wrap(
        about,
        COMMENT_WIDTH,
        initial_indent="# ",
        subsequent_indent="# ",
        break_on_hyphens=False,
    )
    value = values.get(name, default)
    if value is not None:
        return [*lines, f"{name} = {_toml_value(value)}"]
    has_fill = opt.fill is not None and not callable(opt.fill)
    example = _toml_value(opt.fill) if has_fill else opt.example
    return [*lines, f"# {name} = {example}"]


def _toml_value(value: Any) -> str:
    import json

    if isinstance(value, list | tuple):
        return f"[{', '.join(_toml_value(entry) for entry in value)}]"
    if isinstance(value, dict):
        pairs = (f"{_key(name)} = {_toml_value(x)}" for name, x in value.items())
        return f"{{ {', '.join(pairs)} }}"
    # JSON's strings, numbers and booleans are TOML's
    return json.dumps(value, ensure_ascii=False)


def _key(name: str) -> str:
    """Return a key of TOML, in quotation marks if it needs them.

    >>> _key("min_cc"), _key("Z:4-20")
    ('min_cc', '"Z:4-20"')
    """
    import json

    is_bare = name.isascii() and name.replace("-", "_").isidentifier()
    return name if is_bare else json.dumps(name, ensure_ascii=False)
