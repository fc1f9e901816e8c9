"""Write the tables in docs/ from the code: options, elements, figures.

Run as ``make docs``. A test fails if a page and the code differ.
"""

import dataclasses
import importlib
import inspect
import itertools
import pkgutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import misfit_app.commands
import misfit_app.config
import seismo_pes.signal
import xcorr_app.commands
import xcorr_app.config
from benchmarks import tables
from dispel4py import schedulers
from dispel4py.catalog import Entry, Parameter, find_pes
from dispel4py.declaration import options_of as declared_options
from seismo_pes.application.options import (
    MANY,
    Option,
    default_text,
    defaults_of,
    flag,
    options_of,
)
from seismo_pes.signal.misfits import MEASURES, Settings, settings_of
from seismo_pes.signal.windowing import PickerSettings, StageSettings
from xcorr_app.commands.batch_job import JobOptions
from xcorr_app.config.live import LIVE_TABLES, LiveOptions

DOCS = Path(__file__).resolve().parent.parent / "docs"


def option_tables(config: type, tables: Mapping[str, str]) -> str:
    """Return one table of options for each table of a TOML file."""
    defaults = defaults_of(config)
    parts = []
    for table, title in tables.items():
        rows = [
            (
                _format_option(name, opt),
                _default(opt, defaults[name]),
                opt.unit,
                opt.help,
            )
            for name, opt in options_of(config).items()
            if opt.table == table
        ]
        head = ("option", "default", "unit", "meaning")
        parts.append(f"### `[{table}]` {title}\n\n{_table(head, rows)}")
    return "\n".join(parts)


def command_tables(commands: Mapping[str, type]) -> str:
    """Return the table of the commands beside ``run``, and their options."""
    rows = []
    for command, cls in commands.items():
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


def live_table() -> str:
    """Return the table of the options that only a live run has."""
    return option_tables(LiveOptions, {"live": LIVE_TABLES["live"]})


def job_table(options: type, choose: bool = True) -> str:
    """Return the table of the options of a job of a scheduler."""
    flags = [f"`{flag(name)}`" for name in schedulers.SCHEDULERS]
    text = "write a script that runs the command as a job of this scheduler"
    rows = [(", ".join(flags), text)] if choose else []
    for name, declaration in declared_options(options).items():
        metavar = declaration.metavar or "|".join(declaration.choices)
        rows.append((f"`{flag(name)} {metavar}`".replace(" `", "`"), declaration.help))
    return _table(("option", "meaning"), rows)


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


def measure_table() -> str:
    """Return the table of the measures of misfit."""
    rows = [
        (
            f"`{name}`",
            kind.summary,
            kind.unit,
            "two" if kind.is_double else "one",
            ", ".join(kind.conventions),
        )
        for name, kind in MEASURES.items()
    ]
    return _table(("measure", "chi", "unit", "stations", "conventions"), rows)


def measure_option_table() -> str:
    """Return the table of the options of the measures, each with its measures."""
    measures: dict[tuple[str, ...], list[str]] = {}
    for name, kind in MEASURES.items():
        for row in _setting_rows(kind.settings):
            measures.setdefault(row, []).append(f"`{name}`")
    rows = [(*row, ", ".join(names)) for row, names in measures.items()]
    return _table(("option", "default", "unit", "meaning", "measures"), rows)


def setting_table(settings: type[Settings]) -> Callable[[], str]:
    """Return a function that writes the table of the options of a picker."""
    head = ("option", "default", "unit", "meaning")
    return lambda: _table(head, list(_setting_rows(settings)))


def _setting_rows(settings: type[Settings]) -> Iterator[tuple[str, ...]]:
    for field in dataclasses.fields(settings):
        opt = settings_of(settings)[field.name]
        default = "" if field.default is None else f"`{field.default}`"
        values = f" ({' or '.join(opt.choices)})" if opt.choices else ""
        yield f"`{field.name}`", default, opt.unit, opt.help + values


def figures(make: Callable[[], tables.Table]) -> Callable[[], str]:
    """Return a function that writes a table of stored benchmark results."""
    return lambda: _table(*make())


PAGES: dict[str, dict[str, Callable[[], str]]] = {
    "xcorr-app.md": {
        "commands": partial(command_tables, xcorr_app.commands.OPTIONS),
        "options": partial(
            option_tables, xcorr_app.config.Config, xcorr_app.config.TABLES
        ),
        "job": partial(job_table, JobOptions),
        "live": live_table,
    },
    "live.md": {
        "live": live_table,
        "cost": figures(tables.live),
        "machine": tables.machine_of_live,
    },
    "misfit-app.md": {
        "commands": partial(command_tables, misfit_app.commands.OPTIONS),
        "options": partial(
            option_tables, misfit_app.config.Config, misfit_app.config.TABLES
        ),
        "job": partial(job_table, schedulers.JobOptions),
    },
    "cluster.md": {"job": partial(job_table, schedulers.JobOptions, False)},
    "mappings.md": {
        "mappings": figures(tables.mappings),
        "machine": tables.machine_of_mappings,
    },
    "pes.md": {"pes": element_entries},
    "elements.md": {"elements": element_table, "functions": function_tables},
    "misfits.md": {
        "measures": measure_table,
        "measure_options": measure_option_table,
        "picker_options": setting_table(PickerSettings),
        "stage_options": setting_table(StageSettings),
    },
    "benchmarks.md": {
        make.__name__: figures(make)
        for make in (
            tables.headline,
            tables.peers,
            tables.dvv,
            tables.measures,
            tables.misfit,
            tables.engine,
            tables.elements,
            tables.provenance,
        )
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
