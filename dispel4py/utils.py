"""Functions of dispel4py 1.x, for workflows that import them from this module."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

from dispel4py import loading
from dispel4py.errors import InputError
from dispel4py.grouping import stable_hash
from dispel4py.workflow_graph import WorkflowGraph


def load_graph(graph_source: str, attr: str | None = None) -> WorkflowGraph:
    """Return the graph of a module or file, as `dispel4py.loading.load_graph` does.

    Parameters
    ----------
    graph_source : str
    attr : str, optional
        The variable that holds the graph.
    """
    return loading.load_graph(graph_source, attr)


def loadGraph(module_name: str, attr: str | None = None) -> WorkflowGraph:
    """Return the graph of a module.

    Parameters
    ----------
    module_name : str
    attr : str, optional
        The variable that holds the graph.
    """
    return findWorkflowGraph(importlib.import_module(module_name), attr)


def loadGraphFromFile(
    module_name: str, path: str, attr: str | None = None
) -> WorkflowGraph:
    """Run a Python file as a module, and return the graph in it.

    Parameters
    ----------
    module_name : str
    path : str
    attr : str, optional
        The variable that holds the graph.

    Raises
    ------
    InputError
        If the file is not a Python file, or has no such graph.
    """
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return findWorkflowGraph(module, attr)


def findWorkflowGraph(mod: ModuleType, attr: str | None = None) -> WorkflowGraph:
    """Return the graph called ``attr``, or the only one in a module.

    A composite, that is a graph with outer ports, is not counted.

    Parameters
    ----------
    mod : module
    attr : str, optional

    Raises
    ------
    InputError
        If there is no such graph, or several.
    """
    graphs = {n: g for n, g in vars(mod).items() if isinstance(g, WorkflowGraph)}
    if attr is not None:
        if attr not in graphs:
            raise InputError(f"{mod.__name__} has no workflow graph {attr!r}")
        return graphs[attr]
    whole = [g for g in graphs.values() if not (g.inputmappings or g.outputmappings)]
    if not whole or any(graph is not whole[0] for graph in whole):
        names = ", ".join(graphs) or "none"
        raise InputError(f"{mod.__name__} must have one workflow graph, has: {names}")
    return whole[0]


def make_hash(o: Any) -> int:
    """Return a hash that is equal in every process and on every host.

    >>> make_hash({"a": [1, 2]}) == make_hash({"a": [1, 2]})
    True
    """
    return stable_hash(o)


def total_size(
    o: Any,
    handlers: Mapping[type, Callable[[Any], Iterable[Any]]] | None = None,
    verbose: bool = False,
) -> int:
    """Return the approximate size of an object and its contents, in bytes.

    Parameters
    ----------
    o : object
        The contents of dicts, lists, tuples, sets and deques count.
    handlers : dict
        For other containers: class to a function that returns the contents.
    verbose : bool
        Without effect.

    Returns
    -------
    int
    """
    known: dict[type, Callable[[Any], Iterable[Any]]] = {
        dict: lambda d: (part for pair in d.items() for part in pair),
        **dict.fromkeys((list, tuple, set, frozenset, deque), iter),
        **(handlers or {}),
    }
    seen: dict[int, Any] = {}
    todo, total = [o], 0
    while todo:
        part = todo.pop()
        if id(part) in seen:
            continue
        seen[id(part)] = part
        total += sys.getsizeof(part, sys.getsizeof(0))
        for cls, contents in known.items():
            if isinstance(part, cls):
                todo.extend(contents(part))
                break
    return total
