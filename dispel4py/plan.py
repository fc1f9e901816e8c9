"""Lay a graph out on processes: the same plan in every process that computes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispel4py.core import GROUPING, GenericPE
from dispel4py.errors import GraphError, ParameterError, PlanError
from dispel4py.grouping import GLOBAL, SHUFFLE, Grouping
from dispel4py.workflow_graph import Connection, WorkflowGraph


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
        True where each item stays in the process it is in: both PEs share their
        processes and nothing in the grouping sends it elsewhere.
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
    """Which instance of which PE runs in which process, and where items go."""

    pes: tuple[GenericPE, ...]
    n_processes: int
    instances: tuple[InstanceSpec, ...]
    routes: tuple[Route, ...]

    def instances_of(self, pe_index: int) -> list[InstanceSpec]:
        """Return the instances of one PE."""
        return [i for i in self.instances if i.pe_index == pe_index]

    def in_process(self, process: int) -> list[InstanceSpec]:
        """Return the instances that one process runs, sources first."""
        mine = [i for i in self.instances if i.process == process]
        return sorted(mine, key=lambda i: (i.depth, i.index))

    def roots(self) -> list[int]:
        """Return the PEs, by index, that nothing feeds."""
        fed = {route.destination_pe for route in self.routes}
        return [k for k in range(len(self.pes)) if k not in fed]

    def unconnected_outputs(self, pe_index: int) -> list[str]:
        """Return the outputs of a PE that lead nowhere: they are results."""
        used = {r.output for r in self.routes if r.source_pe == pe_index}
        return [o for o in self.pes[pe_index].outputconnections if o not in used]


def make_plan(graph: WorkflowGraph, n_processes: int = 1) -> Plan:
    """Lay ``graph`` out on ``n_processes`` processes.

    With at least as many processes as PEs, and no partitions declared, each PE gets
    processes of its own: as many as it declares, and a share of the others. With
    fewer, or within a declared partition, PEs share processes: every PE has an
    instance in each process of its partition (a source, a PE with ``single`` set and
    one whose inputs are all grouped ``'global'`` have one instance).

    Parameters
    ----------
    graph : WorkflowGraph
        Needs at least one PE and no cycle.
    n_processes : int
        At least 1.

    Returns
    -------
    Plan

    Raises
    ------
    PlanError, GraphError, ParameterError
        If the graph, its partitions or the number of processes are impossible.
    """
    if n_processes < 1:
        raise ParameterError(
            f"the number of processes must be 1 or more, not {n_processes}"
        )
    pes = graph.sorted_pes()
    layout = _Layout(graph, pes, n_processes)
    placed = layout.place()
    instances: list[InstanceSpec] = []
    of_pe: list[tuple[int, ...]] = []
    for k, processes in enumerate(placed):
        first = len(instances)
        instances.extend(
            InstanceSpec(first + m, k, pes[k].id, m, process, layout.depths[k])
            for m, process in enumerate(processes)
        )
        of_pe.append(tuple(range(first, len(instances))))
    routes = tuple(
        layout.route(r, edge, of_pe, placed) for r, edge in enumerate(layout.edges)
    )
    return Plan(tuple(pes), n_processes, tuple(instances), routes)


class _Layout:
    def __init__(self, graph: WorkflowGraph, pes: list[GenericPE], n: int) -> None:
        self.graph, self.pes, self.n = graph, pes, n
        self.number = {id(pe): k for k, pe in enumerate(pes)}
        self.edges: list[Connection] = graph.connections
        self.groupings = [self._grouping(edge) for edge in self.edges]
        self.depths = self._depths()

    def _grouping(self, edge: Connection) -> Grouping:
        port = edge.destination.inputconnections[edge.input]
        where = f"input {edge.input!r} of {edge.destination.id}"
        return Grouping.of(port.get(GROUPING), where)

    def _depths(self) -> list[int]:
        depths = [0] * len(self.pes)
        for k in range(len(self.pes)):
            for edge in self.edges:
                if self.number[id(edge.source)] == k:
                    d = self.number[id(edge.destination)]
                    depths[d] = max(depths[d], depths[k] + 1)
        return depths

    def _wanted(self, k: int) -> int:
        """Return how many instances PE k asks for; 0 means a share."""
        pe = self.pes[k]
        declared = pe.numprocesses
        if not isinstance(declared, int) or declared < 1:
            raise PlanError(
                f"{pe.id}: numprocesses must be 1 or more, not {declared!r}"
            )
        into = [
            g
            for edge, g in zip(self.edges, self.groupings, strict=True)
            if edge.destination is pe
        ]
        if getattr(pe, "single", False):
            return 1
        if into and all(g.kind == GLOBAL for g in into):
            return 1
        if declared > 1 or not into:
            return declared
        return 0

    def place(self) -> list[list[int]]:
        """Return the processes of each PE, one entry per instance."""
        if self.graph.partitions:
            return self._place_partitions()
        if self.n < len(self.pes):
            everyone = list(range(len(self.pes)))
            return self._share(everyone, range(self.n), {})
        counts = self._counts()
        placed, first = [], 0
        for count in counts:
            placed.append(list(range(first, first + count)))
            first += count
        return placed

    def _counts(self) -> list[int]:
        """Share n processes out among at most n PEs, none left over if possible."""
        wanted = [self._wanted(k) for k in range(len(self.pes))]
        counts = [1] * len(wanted)
        left = self.n - len(counts)
        while left:
            short = [k for k, w in enumerate(wanted) if w > 1 and counts[k] < w]
            open_ended = [k for k, w in enumerate(wanted) if w == 0]
            if not short and not open_ended:
                break
            # the PE that is furthest from what it wants, or has the smallest share
            if short:
                k = min(short, key=lambda k: counts[k] / wanted[k])
            else:
                k = min(open_ended, key=lambda k: (counts[k], k))
            counts[k] += 1
            left -= 1
        return counts

    def _place_partitions(self) -> list[list[int]]:
        groups = self._partition_members()
        sizes = self._partition_sizes(groups)
        if sizes is None:
            return self._share(list(range(len(self.pes))), range(self.n), {})
        found: dict[int, list[int]] = {}
        first = 0
        for members, size in zip(groups, sizes, strict=True):
            self._share(members, range(first, first + size), found)
            first += size
        return [found[k] for k in range(len(self.pes))]

    def _partition_members(self) -> list[list[int]]:
        groups: list[list[int]] = []
        seen: set[int] = set()
        for partition in self.graph.partitions or ():
            members = []
            for pe in partition:
                k = self.number.get(id(pe))
                if k is None:
                    raise PlanError(
                        f"the partitions name {pe!r}, which is not in the graph"
                    )
                if k in seen:
                    raise PlanError(f"{pe.id} is in two partitions")
                seen.add(k)
                members.append(k)
            if members:
                groups.append(sorted(members))
        rest = [k for k in range(len(self.pes)) if k not in seen]
        return [*groups, rest] if rest else groups

    def _partition_sizes(self, groups: list[list[int]]) -> list[int] | None:
        """Processes per partition; None if there are too few to keep them apart."""
        if self.n < len(groups):
            return None
        declared = self.graph.numprocesses
        if declared and len(declared) == len(groups) and sum(declared) <= self.n:
            if min(declared) < 1:
                raise PlanError("each partition needs one process or more")
            return list(declared)
        sizes = [1] * len(groups)
        fixed = [all(self._wanted(k) == 1 for k in members) for members in groups]
        open_ended = [g for g, is_fixed in enumerate(fixed) if not is_fixed]
        for turn in range(self.n - len(groups) if open_ended else 0):
            sizes[open_ended[turn % len(open_ended)]] += 1
        return sizes

    def _share(
        self, members: Sequence[int], processes: range, found: dict[int, list[int]]
    ) -> list[list[int]]:
        """Give each PE one instance per process; those that want few are spread."""
        turn = 0
        for k in members:
            wanted = self._wanted(k)
            if wanted == 0 or wanted >= len(processes):
                found[k] = list(processes)
            else:
                found[k] = [
                    processes[(turn + m) % len(processes)] for m in range(wanted)
                ]
                turn += wanted
        return [found[k] for k in members]

    def route(
        self,
        index: int,
        edge: Connection,
        of_pe: list[tuple[int, ...]],
        placed: list[list[int]],
    ) -> Route:
        source, sink = self.number[id(edge.source)], self.number[id(edge.destination)]
        if source == sink:
            raise GraphError(f"{edge.source.id} is connected to itself")
        grouping = self.groupings[index]
        same = placed[source] == placed[sink]
        return Route(
            index=index,
            source_pe=source,
            output=edge.output,
            destination_pe=sink,
            input=edge.input,
            grouping=grouping,
            sources=of_pe[source],
            destinations=of_pe[sink],
            stays_local=same and grouping.kind == SHUFFLE,
        )
