"""Write the tables in docs/ from the code: options of xcorr-app, elements, figures.

Run as ``make docs``. A test fails if a page and the code differ.
"""

import importlib
import inspect
import itertools
import pkgutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import seismo_pes.signal
from benchmarks import tables
from dispel4py.catalog import Entry, Parameter, find_pes
from seismo_pes.application.options import (
    MANY,
    Option,
    default_text,
    defaults_of,
    flag,
    options_of,
)
from xcorr_app.commands import OPTIONS
from xcorr_app.config import TABLES, Config

DOCS = Path(__file__).resolve().parent.parent / "docs"


def option_tables() -> str:
    """Return one table of options for each table of the TOML file."""
    defaults = defaults_of(Config)
    parts = []
    for table, title in TABLES.items():
        rows = [
            (
                _format_option(name, opt),
                _default(opt, defaults[name]),
                opt.unit,
                opt.help,
            )
            for name, opt in options_of(Config).items()
            if opt.table == table
        ]
        head = ("option", "default", "unit", "meaning")
        parts.append(f"### `[{table}]` {title}\n\n{_table(head, rows)}")
    return "\n".join(parts)


def command_tables() -> str:
    """Return the table of the commands beside ``run``, and their options."""
    rows = []
    for command, cls in OPTIONS.items():
        options, defaults = options_of(cls), defaults_of(cls)
        words = [
            f"[{opt.placeholder}]" if defaults[name] else f"{opt.placeholder}"
            for name, opt in options.items()
            if opt.positional
        ]
        spelled = f"`{' '.join([command, *words])}`"
        for name, opt in options.items():
            if opt.positional and opt.required:
                continue
            text = "" if opt.positional else _format_option(name, opt)
            default = _default(opt, defaults[name])
            rows.append((spelled, text, default, opt.unit, opt.help))
            spelled = ""
    return _table(("command", "option", "default", "unit", "meaning"), rows)


def element_table() -> str:
    """Return the table of processing elements."""
    rows = [
        (
            f"[`{pe.name}`](pes.md#{pe.name.lower()})",
            f"`{_import_path(pe)}`",
            pe.summary,
        )
        for pe in find_pes("seismo_pes")
    ]
    return _table(("element", "import it from", "what it does"), rows)


def _import_path(pe: Entry) -> str:
    """Return the shortest import path of an element: usually its room."""
    parts = pe.module.split(".")
    packages = [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return next(p for p in packages if hasattr(importlib.import_module(p), pe.name))


def element_entries() -> str:
    """Return an entry for each processing element: ports, parameters."""
    parts = []
    for path, group in itertools.groupby(find_pes("seismo_pes"), _import_path):
        parts.append(f"## `{path}`\n\n{_summarise(importlib.import_module(path))}\n")
        parts += [_entry(pe) for pe in group]
    return "\n".join(parts)


def _entry(pe: Entry) -> str:
    ports = [
        (f"`{port.name}`", port.direction, port.items, port.about) for port in pe.ports
    ]
    text = f"### {pe.name}\n\n{pe.summary}\n\n"
    picture = f"pictures/{pe.name.lower()}.png"  # by tools/draw_pes.py
    if (DOCS / picture).exists():
        text += f"![{pe.name}]({picture})\n\n"
    text += _table(("port", "", "items", ""), ports)
    parameters = [
        (f"`{p.name}`", p.type, _default_of(p), p.about) for p in pe.parameters
    ]
    if parameters:
        head = ("parameter", "type", "default", "meaning")
        text += f"\n{_table(head, parameters)}"
    return text


def _default_of(parameter: Parameter) -> str:
    if parameter.default is None:
        return "must be given"
    return f"`{parameter.default}`" if parameter.default else ""


def function_tables() -> str:
    """Return one table of functions for each module that computes on arrays."""
    parts = []
    for module in _modules(seismo_pes.signal):
        rows = [
            (f"`{name}`", _summarise(function))
            for name, function in _defined(module, inspect.isfunction)
        ]
        if rows:
            table = _table(("function", "what it does"), rows)
            parts.append(f"### `{module.__name__}`\n\n{_summarise(module)}\n\n{table}")
    return "\n".join(parts)


def figures(make: Callable[[], tables.Table]) -> Callable[[], str]:
    """Return a function that writes a table of stored benchmark results."""
    return lambda: _table(*make())


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "xcorr-app.md": {"commands": command_tables, "options": option_tables},
    "pes.md": {"pes": element_entries},
    "elements.md": {"elements": element_table, "functions": function_tables},
    "benchmarks.md": {
        make.__name__: figures(make)
        for make in (tables.headline, tables.peers, tables.engine, tables.elements)
    },
}


def with_tables(page: str, tables: dict[str, Callable[[], str]]) -> str:
    """Return the page with its tables written again."""
    for name, make in tables.items():
        begin = f"<!-- {name}: begin, written by `make docs` -->\n"
        end = f"<!-- {name}: end -->\n"
        before, _, remainder = page.partition(begin)
        _, _, after = remainder.partition(end)
        page = f"{before}{begin}\n{make()}\n{end}{after}"
    return page


def main() -> int:
    """Rewrite the pages."""
    for name, page_tables in PAGES.items():
        path = DOCS / name
        page = path.read_text(encoding="utf-8")
        path.write_text(with_tables(page, page_tables), encoding="utf-8")
    return 0


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n"
        for line in lines
    )


def _format_option(name: str, option: Option) -> str:
    values = ""
    if option.choices:
        values = " " + "|".join(option.choices)
    elif option.kind != "flag":
        words = option.placeholder
        if isinstance(words, str):
            words = (words, "...") if option.kind in MANY else (words,)
        values = " " + " ".join(words)
    text = f"`{flag(name)}{values}`"
    return f"`{option.short}`, {text}" if option.short else text


def _default(option: Option, default: object) -> str:
    if option.required:
        return "must be given"
    text = default_text(option, default)
    if not text:
        return "off" if option.kind == "flag" else "none"
    return text if option.otherwise else f"`{text}`"


def _modules(package: ModuleType) -> Iterator[ModuleType]:
    for entry in pkgutil.iter_modules(package.__path__):
        if not entry.ispkg and not entry.name.startswith("_"):
            yield importlib.import_module(f"{package.__name__}.{entry.name}")


def _defined(
    module: ModuleType, kind: Callable[[object], bool]
) -> Iterator[tuple[str, type]]:
    for name, member in vars(module).items():
        home = getattr(member, "__module__", None)
        if kind(member) and home == module.__name__ and not name.startswith("_"):
            yield name, member


def _summarise(member: object) -> str:
    return (inspect.getdoc(member) or "").partition("\n\n")[0].replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main())
