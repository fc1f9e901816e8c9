"""The register of the cases: graphs with their inputs and expected results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dispel4py.run import run
from dispel4py.testing.conformance.results import (
    multisets,
)
from dispel4py.workflow_graph import WorkflowGraph

Make = Callable[[], tuple[WorkflowGraph, Any]]


@dataclass(frozen=True)
class Case:
    """A graph and its expected results.

    Attributes
    ----------
    make : callable
        Returns a new graph and its inputs.
    expected : dict or None
        Items of unconnected outputs, by ``element.port``; None if `simple` decides.
    view : callable
        The part of the results that is the same under every mapping.
    counts : bool
        Whether the numbers of items do not depend on the number of instances.
    at_most : int
        Largest number of processes: more would only take time.
    options : dict
        Options of the run.
    """

    make: Make
    expected: dict[str, list[Any]] | None = None
    view: Callable[[Any], dict[str, list[str]]] = multisets
    counts: bool = True
    at_most: int = 100
    options: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def case(
    expected: dict[str, list[Any]] | None = None, **options: Any
) -> Callable[[Make], Make]:
    """Register the function below as a case; its name is that of the case.

    Parameters
    ----------
    expected : dict, optional
        Items of unconnected outputs, by ``element.port``.
    **options : object
        Other attributes of `Case`, and options of the run.
    """

    def register(make: Make) -> Make:
        named = {
            k: options.pop(k) for k in ("view", "counts", "at_most") if k in options
        }
        CASES[make.__name__] = Case(make, expected, options=options, **named)
        return make

    return register


def outcome(name: str, **how: Any) -> dict[str, Any] | None:
    """Run a case.

    Parameters
    ----------
    name : str
        The case.
    **how : object
        The mapping, its options, and the number of processes, as for `run`.

    Returns
    -------
    dict or None
        The results for comparison; None in a process without the whole result.
    """
    chosen = CASES[name]
    graph, inputs = chosen.make()
    result = run(graph, inputs, **chosen.options, **how)
    if not result.complete:
        return None
    return {
        "view": chosen.view(result),
        "counts": result.counts if chosen.counts else None,
        "n_failures": len(result.failures),
    }
