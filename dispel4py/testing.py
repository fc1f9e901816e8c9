"""Test a PE alone: feed it items, look at what it writes."""

from __future__ import annotations

from typing import Any

from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["feed"]


def feed(pe: GenericPE, *items: Any, port: str | None = None) -> dict[str, list[Any]]:
    """Give items to a PE as a run would, life cycle included.

    Parameters
    ----------
    pe : GenericPE
        The PE; it is used as it is, so its state can be looked at afterwards.
    items
        One call of ``process`` each. For a PE without inputs: the dicts it is called
        with (none: one call with ``{}``).
    port : str, optional
        The input; the first one by default.

    Returns
    -------
    dict
        ``{output port: [items]}``, every output present.

    Raises
    ------
    RunError
        If the PE raises.

    Examples
    --------
    >>> from dispel4py.base import SimpleFunctionPE
    >>> feed(SimpleFunctionPE(abs), -1, 2)
    {'output': [1, 2]}
    """
    graph = WorkflowGraph()
    graph.add(pe)
    ports = list(pe.inputconnections)
    calls: list[Any] = list(items)
    if ports:
        calls = [{port or ports[0]: item} for item in items]
    result = run(graph, {pe: calls if calls or ports else 1})
    return {name: result.output(pe.id, name) for name in pe.outputconnections}
