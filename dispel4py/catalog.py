"""A catalog of the PEs of a package: their ports, parameters and documentation.

No PE is instantiated: the ports are read from the source, the kind of their items and
the meaning of parameters from the docstrings (numpydoc, with a section ``Ports``).
"""

from __future__ import annotations

import importlib
import inspect
import json
import logging
import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from types import ModuleType
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError

__all__ = [
    "Entry",
    "Parameter",
    "Port",
    "as_json",
    "as_text",
    "describe",
    "find_pes",
    "sections",
]

logger = logging.getLogger(__name__)

_PORT = re.compile(r'_add_(input|output)\(\s*(?:"([^"]+)"|\'([^\']+)\'|self\.(\w+))')
_HEADING = re.compile(r"^(\w[\w ]*)\n-{3,} *\n", re.MULTILINE)


@dataclass(frozen=True)
class Port:
    """A port: its name, ``input`` or ``output``, its items, and its description."""

    name: str
    direction: str
    items: str
    about: str


@dataclass(frozen=True)
class Parameter:
    """A parameter: its name, type, default (None if it must be given) and meaning."""

    name: str
    type: str
    default: str | None
    about: str


@dataclass(frozen=True)
class Entry:
    """A PE class: its name and module, its summary, its ports and parameters."""

    name: str
    module: str
    summary: str
    ports: tuple[Port, ...]
    parameters: tuple[Parameter, ...]


def find_pes(package: str) -> list[Entry]:
    """Describe every public PE class of a package, module by module.

    Parameters
    ----------
    package : str
        Dotted name of a package or module. A module that needs a package that is not
        installed is left out, with a warning.

    Raises
    ------
    ParameterError
        If the package is not installed.

    Examples
    --------
    >>> [entry.name for entry in find_pes("dispel4py.examples.statistics")]
    ['RandomNumbers', 'PartialSums', 'Statistics']
    """
    entries: dict[type, Entry] = {}
    for module in _modules(package):
        for name, member in vars(module).items():
            public = inspect.isclass(member) and not name.startswith("_")
            if public and _is_pe(member) and member.__module__ == module.__name__:
                entries.setdefault(member, describe(member))
    return list(entries.values())


def _is_pe(member: type) -> bool:
    return issubclass(member, GenericPE) and member is not GenericPE


def _modules(package: str) -> Iterator[ModuleType]:
    try:
        top = importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name is None or not package.startswith(error.name):
            raise
        raise ParameterError(f"no package {package!r} is installed") from None
    yield top
    for entry in pkgutil.walk_packages(getattr(top, "__path__", []), f"{package}."):
        if any(part.startswith("_") for part in entry.name.split(".")):
            continue
        try:
            yield importlib.import_module(entry.name)
        except ModuleNotFoundError as error:
            logger.warning("%s is left out: it needs %s", entry.name, error.name)


def describe(element: type) -> Entry:
    """Describe one PE class.

    Examples
    --------
    >>> from dispel4py.base import IterativePE
    >>> describe(IterativePE).ports[0]
    Port(name='input', direction='input', items='', about='')
    """
    doc = inspect.cleandoc(element.__doc__ or "")
    summary = " ".join(doc.partition("\n\n")[0].split())
    return Entry(
        element.__name__,
        element.__module__,
        summary,
        tuple(_ports(element)),
        tuple(_parameters(element)),
    )


def sections(doc: str) -> dict[str, dict[str, tuple[str, str]]]:
    """Return the sections of a numpydoc docstring: section, name, (type, text).

    Examples
    --------
    >>> sections('''Sum.
    ...
    ... Parameters
    ... ----------
    ... a, b : float
    ...     Metres.
    ... ''')
    {'Parameters': {'a': ('float', 'Metres.'), 'b': ('float', 'Metres.')}}
    """
    parts = _HEADING.split(inspect.cleandoc(doc))
    return {
        title: _definitions(text)
        for title, text in zip(parts[1::2], parts[2::2], strict=True)
    }


def _definitions(text: str) -> dict[str, tuple[str, str]]:
    definitions: dict[str, tuple[str, str]] = {}
    names: list[str] = []
    for line in text.splitlines():
        if line and not line[0].isspace():
            head, _, kind = line.partition(" : ")
            names = [name.strip() for name in head.split(",")]
            definitions |= {name: (kind.strip(), "") for name in names}
        else:
            for name in names:
                kind, text_so_far = definitions[name]
                definitions[name] = (kind, f"{text_so_far} {line.strip()}".strip())
    return definitions


def _section(element: type, section: str) -> dict[str, tuple[str, str]]:
    """Collect a section of a class and its bases; the class itself comes first."""
    definitions: dict[str, tuple[str, str]] = {}
    for base in element.__mro__:
        for doc in (base.__dict__.get("__doc__"), _init_of(base).__doc__):
            for name, text in sections(doc or "").get(section, {}).items():
                definitions.setdefault(name, text)
    return definitions


def _init_of(base: type) -> Any:
    return base.__dict__.get("__init__")


def _ports(element: type) -> Iterator[Port]:
    texts = _section(element, "Ports")
    known: dict[str, str] = {}
    for base in element.__mro__:
        if base in (GenericPE, object):
            continue
        for direction, *names in _ports_in_source(base):
            name = names[0] or names[1] or str(getattr(element, names[2], names[2]))
            known.setdefault(name, direction)
    for direction in ("input", "output"):
        for name in known:
            if known[name] == direction:
                yield Port(name, direction, *texts.get(name, ("", "")))


@cache
def _ports_in_source(base: type) -> list[Any]:
    """Return the matches of `_PORT`: Python parses a whole module to find a class."""
    try:
        return _PORT.findall(inspect.getsource(base))
    except (OSError, TypeError):  # a class that a function made: its base has the ports
        return []


def _parameters(element: type) -> Iterator[Parameter]:
    texts = _section(element, "Parameters")
    for parameter in inspect.signature(element).parameters.values():
        if parameter.name == "numprocesses":  # every PE has it
            continue
        name = str(parameter).partition(":")[0].partition("=")[0].strip()
        kind, about = texts.get(name, texts.get(parameter.name, ("", "")))
        if not kind and parameter.annotation is not parameter.empty:
            kind = inspect.formatannotation(parameter.annotation).strip("'")
        default = None
        if name.startswith("*"):
            default = ""
        elif parameter.default is not parameter.empty:
            default = _format_default(parameter.default)
        yield Parameter(name, kind, default, about)


def _format_default(default: Any) -> str:
    return f"{default:.6g}" if isinstance(default, float) else repr(default)


# -- showing ------------------------------------------------------------------------


def as_json(entries: Sequence[Entry]) -> str:
    """Return the entries as a JSON list of objects."""
    return json.dumps([asdict(entry) for entry in entries], indent=1)


def as_text(entries: Sequence[Entry]) -> str:
    """Return the entries as text for a terminal, by module."""
    lines: list[str] = []
    module = ""
    for entry in entries:
        if entry.module != module:
            module = entry.module
            lines += ["", module]
        lines.append(f"  {entry.name}: {entry.summary}")
        rows = [(f"{p.direction} {p.name}", p.items) for p in entry.ports]
        rows += [(_with_default(p), p.about) for p in entry.parameters]
        lines += [f"    {head:28}  {text}".rstrip() for head, text in rows]
    return "\n".join(lines[1:])


def _with_default(parameter: Parameter) -> str:
    return parameter.name + (f" = {parameter.default}" if parameter.default else "")
