"""Test a PE alone, or a graph on several workers in virtual time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.mappings.memory import Simulation
from dispel4py.mappings.options import Options
from dispel4py.observe import Observers
from dispel4py.plan import make_plan
from dispel4py.result import RunResult
from dispel4py.run import assign_inputs, run
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["Simulation", "feed", "simulate"]


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


def simulate(
    graph: WorkflowGraph,
    inputs: Any = None,
    processes: int = 2,
    on_error: str = "stop",
    observers: Iterable[Any] = (),
    simulation: Simulation | None = None,
) -> RunResult:
    """Run a graph on several workers in this process, in virtual time.

    The same run has the same order of events every time.

    Parameters
    ----------
    graph : WorkflowGraph
    inputs : dict, int or iterable, optional
        As of `dispel4py.run.run`.
    processes : int
        How many workers.
    on_error : str
        As of `dispel4py.run.run`.
    observers : iterable
        See `dispel4py.observe`.
    simulation : Simulation, optional
        Has a seed for the order of events, and the time that frames take. It is the
        clock of the run: a PE that has it as an attribute sleeps by its `sleep`.

    Raises
    ------
    RunError
        If a PE fails.

    Examples
    --------
    >>> from dispel4py.base import IterativePE, ProducerPE
    >>> class Slow(ProducerPE):
    ...     def __init__(self, clock):
    ...         super().__init__()
    ...         self.clock = clock
    ...     def _process(self, inputs):
    ...         for hour in range(3):
    ...             self.clock.sleep(3600)
    ...             self.write("output", hour)
    >>> clock, graph, last = Simulation(), WorkflowGraph(), IterativePE()
    >>> last._process = lambda hour: hour
    >>> graph.connect(Slow(clock), "output", last, "input")
    >>> result = simulate(graph, simulation=clock)
    >>> result.output(last.id), round(clock.now() / 3600)
    ([0, 1, 2], 3)
    """
    clock = simulation or Simulation()
    plan = make_plan(graph, processes)
    watching = Observers(observers)
    watching.tell("started", plan)
    source_inputs = assign_inputs(plan, inputs)
    result = clock.execute(plan, source_inputs, watching, Options(on_error))
    watching.tell("finished", result)
    return result
