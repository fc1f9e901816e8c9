"""The mappings by name, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from dispel4py.errors import MappingUnavailable, ParameterError, suggest
from dispel4py.mappings.base import Mapping, Place
from dispel4py.mappings.options import option_names

#: Name to ``module:class``. Other packages add their mappings by the entry-point group
#: ``dispel4py.mappings``.
REGISTRY = {
    "simple": "dispel4py.mappings.simple:Simple",
    "multi": "dispel4py.mappings.multi:Multi",
    "mpi": "dispel4py.mappings.mpi:MPI",
    "spark": "dispel4py.mappings.spark:Spark",
    "redis": "dispel4py.mappings.redis:Redis",
    "storm": "dispel4py.mappings.storm:Storm",
    "dask": "dispel4py.mappings.dask:Dask",
}


def available() -> dict[str, str]:
    """Return ``module:class`` of every known mapping, by name."""
    from importlib.metadata import entry_points  # slow to import, seldom needed

    installed = {e.name: e.value for e in entry_points(group="dispel4py.mappings")}
    return REGISTRY | {k: v for k, v in installed.items() if k not in REGISTRY}


def mapping_class(name: str) -> type[Mapping]:
    """Return the class of the mapping called ``name``.

    Raises
    ------
    MappingUnavailable
        If no mapping has this name, or its module cannot be imported.
    """
    known = REGISTRY if name in REGISTRY else available()
    if name not in known:
        raise MappingUnavailable(f"unknown mapping {name!r}: {suggest(name, known)}")
    module, _, attribute = known[name].partition(":")
    try:
        cls: type[Mapping] = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise MappingUnavailable(
            f"the mapping {name!r} cannot be imported: {error}"
        ) from error
    return cls


def get_mapping(name: str, **values: Any) -> Mapping:
    """Return the mapping called ``name``, with options.

    Parameters
    ----------
    name : str
    **values : object
        Options of the mapping; missing options have their defaults.

    Raises
    ------
    MappingUnavailable
        If there is no such mapping.
    ParameterError
        If the mapping has no such option, or a value is invalid.
    """
    cls = mapping_class(name)
    known = option_names(cls.Options)
    for option in values:
        if option not in known:
            raise ParameterError(_refusal(option, name, known))
    return cls(cls.Options(**values))


def _refusal(option: str, name: str, known: list[str]) -> str:
    """Return the message about an option that the mapping ``name`` does not have."""
    owners = [
        repr(other)
        for other in REGISTRY
        if option in option_names(mapping_class(other).Options)
    ]
    if not owners:
        return (
            f"the mapping {name!r} has no option {option!r}: {suggest(option, known)}"
        )
    plural = "" if len(owners) == 1 else "s"
    return f"{option} works with the mapping{plural} {', '.join(owners)} only"


def place() -> Place:
    """Return the place of this process among the processes that a launcher started.

    Only the launchers of the mappings of this package are known. Without a launcher the
    process is the only process.

    >>> place().size
    1
    """
    for name in REGISTRY:
        joined = mapping_class(name).joined()
        if joined is not None:
            return joined
    return Place()
