"""Placing of PEs in processes: by declarations, costs, partitions, or as in 1.2.1."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real

from dispel4py.core import GROUPING, GenericPE
from dispel4py.cost import costs_of
from dispel4py.errors import GraphError, PlanError
from dispel4py.grouping import GLOBAL, Grouping
from dispel4py.layout import (
    Demand,
    Placement,
    distribute,
    estimate_loads,
    numbers_of_1x,
    partition_demand,
    place_separately,
    place_together,
)
from dispel4py.workflow_graph import Connection, WorkflowGraph

#: PEs share processes only if the expected time without sharing is longer by this
#: factor: measured costs are rough.
_SHARING_GAIN = 1.1


class Layout:
    """Chooses the processes of each PE.

    Parameters
    ----------
    graph : WorkflowGraph
    n : int
        Number of processes.
    costs : mapping, optional
        Seconds of work by PE id or name.
    """

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
                f"{_plural(self.n, 'process')} for {len(self.pes)} PEs: "
                "PEs share processes"
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
                    "PEs share processes, so the run is expected to take "
                    f"{_seconds(shared_s)} instead of {_seconds(separate_s)}"
                )
                return shared
        return separate

    def place_apart(self) -> Placement:
        """Return a process for each instance, as many instances as are allowed."""
        shared = place_together(self.demands, range(self.n))
        return place_separately([len(processes) for processes in shared])

    def place_as_1x(self) -> Placement:
        """Return the processes of each PE by the rule of dispel4py 1.2.1.

        If there are too few processes, the PEs are divided into the declared
        partitions, or into sources and other PEs. If there is only one process, all
        PEs share it.
        """
        everything = range(len(self.pes))
        placement = None
        if not self.graph.partitions:
            placement = self._place_units([([k], None) for k in everything])
        if placement is None:
            fed = {sink for _, sink in self.ends}
            default: list[tuple[list[int], int | None]] = [
                ([k for k in everything if k not in fed], None),
                ([k for k in everything if k in fed], None),
            ]
            placement = self._place_units(self._partitions() or default)
        return placement or place_together(self.demands, range(self.n))

    def _place_units(
        self, units: Sequence[tuple[list[int], int | None]]
    ) -> Placement | None:
        """Place partitions, or single PEs, by the rule of dispel4py 1.2.1."""
        units = [unit for unit in units if unit[0]]
        unit_of = {k: u for u, (members, _) in enumerate(units) for k in members}
        fed = {unit_of[b] for a, b in self.ends if unit_of[a] != unit_of[b]}
        declared = [
            size or (int(self.pes[members[0]].numprocesses) if len(members) == 1 else 1)
            for members, size in units
        ]
        are_sources = [u not in fed for u in range(len(units))]
        numbers = numbers_of_1x(declared, are_sources, self.n)
        if numbers is None:
            return None
        processes = place_separately(numbers)
        placement = [processes[unit_of[k]] for k in range(len(self.pes))]
        # further instances of these PEs would never get an item
        few = {
            k for k, why in enumerate(self.limit_reasons) if why in ("single", GLOBAL)
        }
        return [ps[:1] if k in few else ps for k, ps in enumerate(placement)]

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
                "all PEs share processes"
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
        """Note PEs with fewer instances than they declare, and idle processes."""
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
