"""The layout of a graph on processes, equal in every process that computes it."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral, Real

from dispel4py.core import GROUPING, GenericPE
from dispel4py.cost import costs_of
from dispel4py.errors import GraphError, ParameterError, PlanError
from dispel4py.grouping import GLOBAL, SHUFFLE, Grouping
from dispel4py.layout import (
    Demand,
    Placement,
    distribute,
    estimate_loads,
    partition_demand,
    place_separately,
    place_together,
)
from dispel4py.workflow_graph import Connection, WorkflowGraph

#: PEs share processes only if the expected time without sharing is longer by this
#: factor: measured costs are rough.
_SHARING_GAIN = 1.1


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
            spec.pe_index in fed and self._is_stateless(spec.pe_index)
            for spec in self.in_process(process)
        )

    def _is_stateless(self, pe_index: int) -> bool:
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
    layout = _Layout(graph, n_processes, graph.costs if costs is None else costs)
    placement = layout.place()
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
        routes=layout.routes(instances_of_pe, placement),
        notes=tuple(layout.notes),
        seconds=tuple(layout.expected(placement)) if layout.measured else (),
    )


class _Layout:
    def __init__(
        self, graph: WorkflowGraph, n: int, costs: Mapping[str, float] | None
    ) -> None:
        self.graph, self.n = graph, n
        self.pes = graph.sorted_pes()
        self.notes: list[str] = []
        self.measured = costs is not None
        self.number = {id(pe): k for k, pe in enumerate(self.pes)}
        self.edges: list[Connection] = graph.connections
        self.groupings = [_grouping(edge) for edge in self.edges]
        self.ends = [
            (self.number[id(e.source)], self.number[id(e.destination)])
            for e in self.edges
        ]
        self.depths = self._depths()
        if costs is None:
            weights = [_weight(pe) for pe in self.pes]
        else:
            weights, notes = costs_of(self.pes, costs)
            self.notes.extend(notes)
        self.limit_reasons = [self._limit_reason(k) for k in range(len(self.pes))]
        self.demands = [
            _demand(*given)
            for given in zip(self.pes, self.limit_reasons, weights, strict=True)
        ]

    def _depths(self) -> list[int]:
        depths = [0] * len(self.pes)
        for source, destination in sorted(self.ends):
            depths[destination] = max(depths[destination], depths[source] + 1)
        return depths

    def _limit_reason(self, k: int) -> str:
        """Return why PE k cannot have more instances than it declares, or ""."""
        pairs = zip(self.ends, self.groupings, strict=True)
        groupings = [grouping for (_, sink), grouping in pairs if sink == k]
        if getattr(self.pes[k], "single", False):
            return "single"
        if not groupings:
            return "source"
        return GLOBAL if all(g.kind == GLOBAL for g in groupings) else ""

    # -- placing ---------------------------------------------------------------

    def place(self) -> Placement:
        """Return the processes of each PE, one entry per instance."""
        groups = self._partitions()
        if groups is not None:
            return self._place_partitions(groups)
        shared = place_together(self.demands, range(self.n))
        if self.n < len(self.pes):
            self.notes.append(
                f"{_plural(self.n, 'process')} for {len(self.pes)} PEs: they share"
            )
            return shared
        separate = place_separately(distribute(self.demands, self.n))
        if self.measured:
            separate_s, shared_s = (
                max(self.expected(separate)),
                max(self.expected(shared)),
            )
            if separate_s > _SHARING_GAIN * shared_s:
                self.notes.append(
                    "PEs share processes: expected to end after "
                    f"{_seconds(shared_s)}, not {_seconds(separate_s)}"
                )
                return shared
        return separate

    def expected(self, placement: Placement) -> list[float]:
        """Return the expected work of each process."""
        weights = [demand.weight for demand in self.demands]
        return estimate_loads(placement, weights, self.n)

    def _partitions(self) -> list[tuple[list[int], int | None]] | None:
        """Return the PEs and the declared size of each partition, or None."""
        partitions = [list(members) for members in self.graph.partitions or ()]
        if not any(partitions):
            return None
        sizes = _partition_sizes(self.graph.numprocesses, len(partitions))
        groups: list[tuple[list[int], int | None]] = []
        seen: set[int] = set()
        for members, size in zip(partitions, sizes, strict=True):
            for pe in members:
                k = self.number.get(id(pe))
                if k is None:
                    raise PlanError(
                        f"the partitions name {pe!r}, which is not in the graph"
                    )
                if k in seen:
                    raise PlanError(f"{pe.id} is in two partitions")
                seen.add(k)
            if members:
                groups.append((sorted(self.number[id(pe)] for pe in members), size))
        others = [k for k in range(len(self.pes)) if k not in seen]
        return [*groups, (others, None)] if others else groups

    def _place_partitions(
        self, groups: list[tuple[list[int], int | None]]
    ) -> Placement:
        if self.n < len(groups):
            self.notes.append(
                f"{_plural(self.n, 'process')} for {len(groups)} partitions: "
                "all PEs share"
            )
            return place_together(self.demands, range(self.n))
        members = [[self.demands[k] for k in group] for group, _ in groups]
        demands = [
            partition_demand(inside, size)
            for inside, (_, size) in zip(members, groups, strict=True)
        ]
        processes: dict[int, list[int]] = {}
        shares = place_separately(distribute(demands, self.n))
        for inside, (group, _), share in zip(members, groups, shares, strict=True):
            processes |= zip(group, place_together(inside, share), strict=True)
        return [processes[k] for k in range(len(self.pes))]

    def note_shortages(self, placement: Placement) -> None:
        """Note PEs with fewer instances than they ask for, and idle processes."""
        for k, demand in enumerate(self.demands):
            if len(placement[k]) < demand.wanted and self.n > 1:
                self.notes.append(
                    f"{self.pes[k].id} asks for {demand.wanted} instances and has "
                    f"{len(placement[k])}"
                )
        idle = self.n - len(
            {process for processes in placement for process in processes}
        )
        if idle:
            reasons: dict[str, list[str]] = {}
            for k, reason in enumerate(self.limit_reasons):
                if reason:
                    reasons.setdefault(reason, []).append(self.pes[k].id)
            text = "; ".join(f"{r}: {', '.join(ids)}" for r, ids in reasons.items())
            self.notes.append(
                f"{_plural(idle, 'process')} of {self.n} without work: no PE can "
                f"have more instances ({text})"
            )

    # -- routes ----------------------------------------------------------------

    def routes(
        self, instances_of_pe: Sequence[tuple[int, ...]], placement: Placement
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
                zip(self.edges, self.groupings, self.ends, strict=True)
            )
        )


def _grouping(edge: Connection) -> Grouping:
    if edge.source is edge.destination:
        raise GraphError(f"{edge.source.id} is connected to itself")
    port = edge.destination.inputconnections[edge.input]
    where = f"input {edge.input!r} of {edge.destination.id}"
    return Grouping.of(port.get(GROUPING), where)


def _demand(pe: GenericPE, reason: str, weight: float) -> Demand:
    declared = pe.numprocesses
    if not isinstance(declared, Integral) or declared < 1:
        raise PlanError(f"{pe.id}: numprocesses must be 1 or more, not {declared!r}")
    if not reason:
        return Demand(int(declared), None, weight)
    wanted = int(declared) if reason == "source" else 1
    return Demand(wanted, wanted, weight)


def _weight(pe: GenericPE) -> float:
    weight = getattr(pe, "process_weight", 1.0)
    if isinstance(weight, Real) and 0.0 < float(weight) < math.inf:
        return float(weight)
    raise PlanError(f"{pe.id}: process_weight must be above 0, not {weight!r}")


def _partition_sizes(
    declared: Sequence[int] | None, n_partitions: int
) -> Sequence[int | None]:
    if not declared:
        return [None] * n_partitions
    if len(declared) != n_partitions:
        raise PlanError(
            f"graph.numprocesses has {_plural(len(declared), 'number')} "
            f"for {_plural(n_partitions, 'partition')}"
        )
    if min(declared) < 1:
        raise PlanError("each partition needs one process or more")
    return declared


def _plural(n: int, noun: str) -> str:
    if n == 1:
        return f"1 {noun}"
    return f"{n} {noun}es" if noun.endswith("s") else f"{n} {noun}s"


def _seconds(seconds: float) -> str:
    return f"{seconds:.3g} s"
