"""The record of a run: its graph, its configuration, software, host and user."""

from __future__ import annotations

import contextlib
import dataclasses
import getpass
import hashlib
import importlib.metadata
import inspect
import itertools
import os
import platform
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from dispel4py.plan import Plan
from dispel4py.provenance.bounds import bounded_name, bounded_value
from dispel4py.provenance.files import file_record
from dispel4py.provenance.model import FORMAT

__all__ = ["Provenance", "provenance_options", "run_record"]

#: Distributions whose versions are recorded if they are imported.
SOFTWARE = ("dispel4py-seismo", "numpy", "scipy", "obspy", "h5py", "mpi4py")
#: Depth of a configuration in tables; what is deeper becomes a text.
DEEPEST = 4
#: Entries of a table or list of a configuration that are recorded. An application has
#: about a hundred options; parameters of elements may be tables of all channels.
MOST_ENTRIES = 1000
#: Entries of a set: a set of channels or tiles is no option of a user.
MOST_OF_A_SET = 20
#: Characters of a text of a configuration: the longest path of Linux.
LONGEST_TEXT = 4096
#: Attributes that every PE has.
_COMMON = frozenset(vars(GenericPE()))


@dataclass(frozen=True)
class Provenance:
    """Where and how the provenance of a run is recorded.

    Attributes
    ----------
    folder : str or Path
        The records of each run get a folder of their own in it.
    capture : path or mapping, optional
        Which terms are stored, see `dispel4py.provenance.selection.read_selection`.
    name : str
        Name of the workflow; by default the names of its sources.
    configuration : mapping
        Options of the run.
    files : sequence of path
        Files that the run reads besides those of its elements, such as metadata.
    names : sequence of str
        Elements that only other graphs of the application have; ``capture`` may have
        rules for them, too.
    package : str
        The package of an application. Its module ``recorded_run`` has a function
        ``reload``, which returns the graph of a recorded run, so that products can be
        made again; see `dispel4py.provenance.recorded_workflow`.
    """

    folder: str | Path
    capture: str | Path | Mapping[str, Any] | None = None
    name: str = ""
    configuration: Mapping[str, Any] = field(default_factory=dict)
    files: Sequence[str | Path] = ()
    names: Sequence[str] = ()
    package: str = ""


def provenance_options(
    folder: str | Path | None, capture: str | Path | None, **known: Any
) -> Provenance | None:
    """Return the settings for the options ``--provenance`` and ``--capture``.

    Parameters
    ----------
    folder, capture : path, optional
        The values of the options.
    **known : Any
        Other fields of `Provenance`.

    Returns
    -------
    Provenance or None
        None if there is no folder: nothing is recorded then.

    Raises
    ------
    ParameterError
        If there is no folder, and a selection.
    """
    if folder is None:
        if capture is not None:
            raise ParameterError("--capture needs --provenance DIR")
        return None
    return Provenance(folder, capture, **known)


def run_record(
    run_id: str, plan: Plan, settings: Provenance, mapping: str
) -> dict[str, Any]:
    """Return the first record of a run.

    Parameters
    ----------
    run_id : str
    plan : Plan
    settings : Provenance
    mapping : str
    """
    sources = ", ".join(plan.pes[k].name for k in plan.roots())
    return {
        "kind": "run",
        "format": FORMAT,
        "run": run_id,
        "name": bounded_value(settings.name or sources),
        "began": time.time(),
        "host": socket.gethostname(),
        "user": _user(),
        "pid": os.getpid(),
        "folder": _clean(os.getcwd()),
        "command": [_clean(word) for word in sys.argv],
        "mapping": mapping,
        "processes": plan.n_processes,
        "versions": _versions(plan),
        "configuration": _plain(settings.configuration),
        "package": settings.package,
        "files": [file_record(os.fspath(path)) for path in settings.files],
        "pes": [_pe_record(plan, k) for k in range(len(plan.pes))],
        "edges": [
            {
                "source": plan.pes[route.source_pe].id,
                "output": route.output,
                "destination": plan.pes[route.destination_pe].id,
                "input": route.input,
                "grouping": route.grouping.kind,
            }
            for route in plan.routes
        ],
    }


def _pe_record(plan: Plan, k: int) -> dict[str, Any]:
    pe = plan.pes[k]
    kind = type(pe)
    source, text = _source(pe)
    return {
        "pe": pe.id,
        "name": bounded_value(pe.name),
        "class": f"{kind.__module__}.{kind.__qualname__}",
        "source": source,
        "sha256": hashlib.sha256(text.encode("utf-8", "replace")).hexdigest(),
        "parameters": _plain(
            {n: v for n, v in vars(pe).items() if n not in _COMMON and n[0] != "_"}
        ),
        "inputs": list(pe.inputconnections),
        "outputs": list(pe.outputconnections),
        "instances": len(plan.instances_of(k)),
        "derives": str(pe.derives),
    }


def _source(pe: GenericPE) -> tuple[str, str]:
    """Return the file of a PE, and its code: of its class and of its function."""
    functions = [getattr(type(pe), "function", None), getattr(pe, "compute_fn", None)]
    path, parts = "", []
    for thing in (type(pe), *functions):
        with contextlib.suppress(OSError, TypeError):
            parts.append(inspect.getsource(thing))  # type: ignore[arg-type]
            path = path or inspect.getsourcefile(thing) or ""  # type: ignore[arg-type]
    return _clean(path), "\n".join(parts)


def _versions(plan: Plan) -> dict[str, str]:
    versions = {"python": platform.python_version()}
    modules = {type(pe).__module__.partition(".")[0] for pe in plan.pes}
    for name in (*SOFTWARE, *sorted(modules - {"dispel4py", "__main__"})):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError, ValueError):
            versions[name] = importlib.metadata.version(name)
    return versions


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name, as in some containers
        return str(os.getuid())


def _plain(value: Any, depth: int = 0) -> Any:
    """Return tables and lists of bounded values."""
    if isinstance(value, Mapping) and depth < DEEPEST:
        entries = itertools.islice(value.items(), MOST_ENTRIES)
        return {bounded_name(name): _plain(entry, depth + 1) for name, entry in entries}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = (entry.name for entry in dataclasses.fields(value))
        return _plain({name: getattr(value, name, None) for name in fields}, depth)
    if isinstance(value, list | tuple) and depth < DEEPEST:
        return [_plain(entry, depth + 1) for entry in value[:MOST_ENTRIES]]
    if isinstance(value, set | frozenset) and depth < DEEPEST:
        ordered = sorted(value, key=repr)
        shown = [_plain(entry, depth + 1) for entry in ordered[:MOST_OF_A_SET]]
        return [*shown, "..."] if len(ordered) > MOST_OF_A_SET else shown
    if isinstance(value, str | os.PathLike) and type(text := os.fspath(value)) is str:
        return _clean(text[:LONGEST_TEXT])
    return bounded_value(value)


def _clean(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
