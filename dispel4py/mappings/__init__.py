"""The mappings, found by name and imported only when used."""

from __future__ import annotations

import importlib

from dispel4py.errors import MappingUnavailable, suggest
from dispel4py.mappings.base import Mapping, Options

#: Name to ``module:class``. Other packages add theirs by the entry-point group
#: ``dispel4py.mappings``.
REGISTRY = {
    "simple": "dispel4py.mappings.simple:Simple",
    "multi": "dispel4py.mappings.multi:Multi",
    "mpi": "dispel4py.mappings.mpi:MPI",
}


def available() -> dict[str, str]:
    """Return name to ``module:class`` of every mapping that is known."""
    from importlib.metadata import entry_points  # slow to import, seldom needed

    found = {e.name: e.value for e in entry_points(group="dispel4py.mappings")}
    return found | REGISTRY


def get_mapping(name: str, options: Options) -> Mapping:
    """Return the mapping called ``name``.

    Raises
    ------
    MappingUnavailable
        If there is none of that name, or its module cannot be imported.
    """
    known = REGISTRY if name in REGISTRY else available()
    if name not in known:
        raise MappingUnavailable(f"unknown mapping {name!r}: {suggest(name, known)}")
    module, _, attribute = known[name].partition(":")
    try:
        cls: type[Mapping] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise MappingUnavailable(
            f"the mapping {name!r} needs {error.name}: "
            f"install it with 'pip install dispel4py-seismo[{name}]'"
        ) from error
    return cls(options)
