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
    """Run a single PE on some items, with preprocess and postprocess.

    Parameters
    ----------
    pe : GenericPE
        The PE. It is not copied, so its state can be examined afterwards.
    items
        One call of ``process`` for each item. For a PE without inputs: the dicts of its
        calls; without items it is called once with ``{}``.
    port : str, optional
        The input; the first one by default.

    Returns
    -------
    dict
        ``{output port: [items]}`` of all outputs.

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
        As for `dispel4py.run.run`.
    processes : int
        Number of workers.
    on_error : str
        As for `dispel4py.run.run`.
    observers : iterable
        See `dispel4py.observe`.
    simulation : Simulation, optional
        The clock of the run, with the seed for the order of events and the delay of
        frames. A PE that sleeps in virtual time calls its method `sleep`.

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
    ...         for minute in range(3):
    ...             self.clock.sleep(60)
    ...             self.write("output", minute)
    >>> clock, graph, last = Simulation(), WorkflowGraph(), IterativePE()
    >>> last._process = lambda minute: minute
    >>> graph.connect(Slow(clock), "output", last, "input")
    >>> result = simulate(graph, simulation=clock)
    >>> result.output(last.id), round(clock.now() / 60)
    ([0, 1, 2], 3)
    """
    clock = simulation or Simulation()
    plan = make_plan(graph, processes)
    notifier = Observers(observers)
    notifier.notify("started", plan)
    source_inputs = assign_inputs(plan, inputs)
    result = clock.execute(plan, source_inputs, notifier, Options(on_error))
    notifier.notify("finished", result)
    return result
