"""The streams of a plan: one queue of parcels for all workers, or for one instance."""

from __future__ import annotations

from dataclasses import dataclass

from dispel4py.core import GenericPE
from dispel4py.grouping import SHUFFLE
from dispel4py.plan import InstanceSpec, Plan, Route

#: The queue of the process that gathers the results.
RESULTS = "results"


@dataclass(frozen=True)
class Stream:
    """The items that wait for a PE without state, or for one instance of another PE.

    Attributes
    ----------
    name : str
        Name of its queue.
    spec : InstanceSpec
        The instance, or the first instance of a PE without state.
    is_shared : bool
        Whether any number of workers may work on the stream at the same time.
    is_source : bool
        Whether its items are inputs of the run.
    feeders : tuple of str
        The streams whose work sends items to this stream.
    into : tuple of str
        The streams that its work sends items to, and `RESULTS`.
    """

    name: str
    spec: InstanceSpec
    is_shared: bool
    is_source: bool
    feeders: tuple[str, ...]
    into: tuple[str, ...]


def streams_of(plan: Plan) -> dict[str, Stream]:
    """Return the streams of a plan by name, the deepest in the graph first."""
    names = stream_names(plan)
    fed_by: dict[str, set[str]] = {name: set() for name in names.values()}
    into: dict[str, set[str]] = {name: set() for name in names.values()}
    for route in plan.routes:
        for source in route.sources:
            for destination in route.destinations:
                fed_by[names[destination]].add(names[source])
                into[names[source]].add(names[destination])
    streams = {}
    for spec in sorted(plan.instances, key=lambda s: (-s.depth, -s.index)):
        name = names[spec.index]
        if name not in streams:
            own = plan.instances_of(spec.pe_index)
            shared = name == str(spec.pe_index)
            streams[name] = Stream(
                name,
                own[0] if shared else spec,
                shared,
                not fed_by[name],
                tuple(sorted(fed_by[name])),
                (*sorted(into[name]), RESULTS),
            )
    return streams


def stream_names(plan: Plan) -> dict[int, str]:
    """Return the name of the stream of each instance, by the index of the instance."""
    return {
        spec.index: str(spec.pe_index)
        if is_shared(plan, spec.pe_index)
        else f"{spec.pe_index}.{spec.number}"
        for spec in plan.instances
    }


def is_shared(plan: Plan, pe_index: int) -> bool:
    """Return whether any worker may work on any item of a PE.

    Parameters
    ----------
    plan : Plan
    pe_index : int
        The PE.
    """
    pe, cls = plan.pes[pe_index], type(plan.pes[pe_index])
    routes = [route for route in plan.routes if route.destination_pe == pe_index]
    has_end = (
        cls.postprocess is not GenericPE.postprocess
        or cls._postprocess is not GenericPE._postprocess
    )
    return (
        bool(routes)
        and plan.is_stateless(pe_index)
        and not pe.single
        and not has_end
        and all(route.grouping.kind == SHUFFLE for route in routes)
    )


def targets_of(plan: Plan, route: Route) -> dict[str, int]:
    """Return the streams that an item may take along a route, with their instances.

    Parameters
    ----------
    plan : Plan
    route : Route
    """
    names, targets = stream_names(plan), dict[str, int]()
    for index in route.destinations:
        targets.setdefault(names[index], index)
    return targets
