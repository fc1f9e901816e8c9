"""The terms of runs and elements, which all products of an instance have in common."""

from __future__ import annotations

from typing import Any

from dispel4py.provenance.conditions import Compare, Has, Match, OneOf
from dispel4py.provenance.products import load_json
from dispel4py.provenance.store import Store

__all__ = ["OF_INSTANCES", "instances_where"]

#: How the names of these terms begin.
OF_INSTANCES = ("run.", "pe.")
_RUN_COLUMNS = {
    **{name: f"run.{name}" for name in ("id", "name", "host", "mapping", "outcome")},
    **{name: f"run.{name}" for name in ("began", "ended", "processes")},
    "user": "run.owner",
}
_PE_COLUMNS = {
    "id": "instance.pe",
    "name": "pe.name",
    "class": "pe.class",
    "instance": "instance.k",
    "process": "instance.process",
    "host": "instance.host",
}
_INSTANCES = (
    "SELECT instance.n, {value} FROM instance JOIN run ON run.n = instance.run "
    "LEFT JOIN pe ON pe.run = instance.run AND pe.id = instance.pe"
)


def instances_where(store: Store, leaf: Compare | OneOf | Match | Has) -> set[int]:
    """Return the instances for which a condition on their run or element holds.

    Parameters
    ----------
    store : Store
    leaf : Compare, OneOf, Match or Has
        Its name begins with one of `OF_INSTANCES`. A name that is no column is an
        option of the run, or a parameter of the element.
    """
    kind, _, name = leaf.name.partition(".")
    columns = _RUN_COLUMNS if kind == "run" else _PE_COLUMNS
    is_json = name not in columns
    if is_json:
        path = (
            ("configuration", *name.split("."))
            if kind == "run"
            else ("parameters", name)
        )
        value = store.database.member(f"{kind}.document", path)
    else:
        value = columns[name]
    found = set()
    for n, content in store.rows(_INSTANCES.format(value=value)):
        term: Any = load_json(content) if is_json else content
        if leaf.holds({leaf.name: term}):
            found.add(n)
    return found
