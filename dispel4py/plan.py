"""The layout of a graph on processes, equal in every process that computes it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError, PlanError
from dispel4py.grouping import SHUFFLE, Grouping
from dispel4py.layout import Placement
from dispel4py.placing import Layout
from dispel4py.workflow_graph import WorkflowGraph


@dataclass(frozen=True)
class InstanceSpec:
    """One instance of a PE in the plan.

    Attributes
    ----------
    index : int
        Its place among all instances of the plan.
    pe_index : int
        Its PE, as index into `Plan.pes`.
    pe_id : str
        The ``id`` of its PE.
    number : int
        Its place among the instances of its PE.
    process : int
        The process that runs it.
    depth : int
        Longest distance of its PE from a source.
    """

    index: int
    pe_index: int
    pe_id: str
    number: int
    process: int
    depth: int


@dataclass(frozen=True)
class Route:
    """One edge of the graph, between the instances of its two PEs.

    Attributes
    ----------
    index : int
        Its place among all routes of the plan.
    sources, destinations : tuple of int
        Instances, by index.
    stays_local : bool
        Whether each item stays in its process: both PEs have the same processes, and
        there is no grouping.
    """

    index: int
    source_pe: int
    output: str
    destination_pe: int
    input: str
    grouping: Grouping
    sources: tuple[int, ...]
    destinations: tuple[int, ...]
    stays_local: bool


@dataclass(frozen=True)
class Plan:
    """The instances of each PE, the process of each instance, and the routes of items.

    Attributes
    ----------
    pes : tuple of GenericPE
        Sources first.
    n_processes : int
        Processes, also those without instances.
    instances : tuple of InstanceSpec
    routes : tuple of Route
    notes : tuple of str
        Facts about the layout that may surprise the user, one line each.
    seconds : tuple of float
        Expected work of each process; empty if no costs are known.
    """

    pes: tuple[GenericPE, ...]
    n_processes: int
    instances: tuple[InstanceSpec, ...]
    routes: tuple[Route, ...]
    notes: tuple[str, ...] = ()
    seconds: tuple[float, ...] = ()

    def instances_of(self, pe_index: int) -> list[InstanceSpec]:
        """Return the instances of one PE."""
        return [i for i in self.instances if i.pe_index == pe_index]

    def in_process(self, process: int) -> list[InstanceSpec]:
        """Return the instances that one process runs, sources first."""
        specs = [i for i in self.instances if i.process == process]
        return sorted(specs, key=lambda i: (i.depth, i.index))

    def pes_in_process(self, process: int) -> dict[int, GenericPE]:
        """Return a PE for each instance of a process; no two instances share one."""
        pes: dict[int, GenericPE] = {}
        used: set[int] = set()
        for spec in self.in_process(process):
            pe = self.pes[spec.pe_index]
            pes[spec.index] = copy.deepcopy(pe) if spec.pe_index in used else pe
            used.add(spec.pe_index)
        return pes

    def roots(self) -> list[int]:
        """Return the sources, by index: PEs without a connected input."""
        fed = {route.destination_pe for route in self.routes}
        return [k for k in range(len(self.pes)) if k not in fed]

    def is_restartable(self, process: int) -> bool:
        """Return whether a process can be started again, as its PEs have no state.

        A PE declares this by ``stateful = False``. Otherwise it has no state if it does
        not override ``postprocess`` and has no grouping. Sources always have state.
        """
        fed = {route.destination_pe for route in self.routes}
        return all(
            spec.pe_index in fed and self.is_stateless(spec.pe_index)
            for spec in self.in_process(process)
        )

    def is_stateless(self, pe_index: int) -> bool:
        """Return whether a PE that other PEs feed has no state.

        Parameters
        ----------
        pe_index : int
            The PE.
        """
        pe = self.pes[pe_index]
        stateful = getattr(pe, "stateful", None)
        if stateful is not None:
            return not stateful
        cls = type(pe)
        return (
            cls.postprocess is GenericPE.postprocess
            and cls._postprocess is GenericPE._postprocess
            and all(
                route.grouping.kind == SHUFFLE
                for route in self.routes
                if route.destination_pe == pe_index
            )
        )

    def unconnected_outputs(self, pe_index: int) -> list[str]:
        """Return the outputs of a PE without a connection: their items are results."""
        used = {r.output for r in self.routes if r.source_pe == pe_index}
        return [o for o in self.pes[pe_index].outputconnections if o not in used]


def make_plan(
    graph: WorkflowGraph,
    n_processes: int = 1,
    costs: Mapping[str, float] | None = None,
    compat: bool = False,
    apart: bool = False,
) -> Plan:
    """Lay ``graph`` out on ``n_processes`` processes.

    With at least as many processes as PEs, and without declared partitions, each PE
    gets processes of its own. A PE that declares a ``numprocesses`` above 1 gets this
    number. The other PEs divide the remaining processes in proportion to their
    ``process_weight`` (1 unless the PE sets it), so that no process is without work. A
    source has the number of instances that it declares. A PE has one instance if
    ``single`` is set, or if all its inputs are grouped ``'global'``.

    With fewer processes than PEs, or within a declared partition, PEs share processes:
    a PE has an instance in every process, unless its number of instances is limited.

    If ``costs`` are given, they are the weights, and PEs also share processes if the
    run is then expected to end sooner.

    Parameters
    ----------
    graph : WorkflowGraph
        Needs at least one PE and no cycle.
    n_processes : int
        At least 1.
    costs : dict, optional
        Seconds of work by PE id or name (see `dispel4py.cost`); ``graph.costs`` if not
        given.
    compat : bool
        Give each PE as many instances as dispel4py 1.2.1; ``costs`` have no effect.
    apart : bool
        The engine that runs the PEs divides the cores itself: so each PE has
        ``n_processes`` instances, unless their number is limited, and each instance is
        a process of its own.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError, GraphError, ParameterError
        If the graph, its partitions or the number of processes is invalid.
    """
    if n_processes < 1:
        raise ParameterError(
            f"the number of processes must be 1 or more, not {n_processes}"
        )
    layout = Layout(graph, n_processes, graph.costs if costs is None else costs)
    if apart:
        placement = layout.place_apart()
        n_processes = sum(map(len, placement))
    else:
        placement = layout.place_as_1x() if compat else layout.place()
        layout.note_shortages(placement)
    instances: list[InstanceSpec] = []
    instances_of_pe: list[tuple[int, ...]] = []
    for k, processes in enumerate(placement):
        first = len(instances)
        instances.extend(
            InstanceSpec(first + m, k, layout.pes[k].id, m, process, layout.depths[k])
            for m, process in enumerate(processes)
        )
        instances_of_pe.append(tuple(range(first, len(instances))))
    return Plan(
        pes=tuple(layout.pes),
        n_processes=n_processes,
        instances=tuple(instances),
        routes=_routes(layout, instances_of_pe, placement),
        notes=tuple(layout.notes),
        seconds=tuple(layout.expected(placement)) if layout.measured else (),
    )


def plan_again(
    graph: WorkflowGraph,
    n_processes: int,
    costs: Mapping[str, float] | None = None,
    compat: bool = False,
    apart: bool = False,
) -> Plan:
    """Return the plan of an earlier run, from the number of processes that it had.

    Parameters
    ----------
    graph : WorkflowGraph
        The same graph.
    n_processes : int
        `Plan.n_processes` of that run; with ``apart`` the number of all instances.
    costs, compat, apart
        As for `make_plan`.

    Raises
    ------
    PlanError
        If the graph does not have such a plan.

    Examples
    --------
    >>> from dispel4py.examples.word_count import graph
    >>> plan_again(graph, make_plan(graph, 4, apart=True).n_processes,
    ...            apart=True) == make_plan(graph, 4, apart=True)
    True
    """
    if not apart:
        return make_plan(graph, n_processes, costs, compat)
    for n in range(1, n_processes + 1):  # more for each PE give more in total
        plan = make_plan(graph, n, costs, compat, apart)
        if plan.n_processes == n_processes:
            return plan
    raise PlanError(f"the graph has no layout with {n_processes} instances")


def _routes(
    layout: Layout, instances_of_pe: Sequence[tuple[int, ...]], placement: Placement
) -> tuple[Route, ...]:
    return tuple(
        Route(
            index=index,
            source_pe=source,
            output=edge.output,
            destination_pe=sink,
            input=edge.input,
            grouping=grouping,
            sources=instances_of_pe[source],
            destinations=instances_of_pe[sink],
            stays_local=placement[source] == placement[sink]
            and grouping.kind == SHUFFLE,
        )
        for index, (edge, grouping, (source, sink)) in enumerate(
            zip(layout.edges, layout.groupings, layout.ends, strict=True)
        )
    )
