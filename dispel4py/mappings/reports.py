"""Reports on the work of a process: its instances, and the bytes that it sent."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.plan import Plan
from dispel4py.result import InstanceReport


class Sent(Protocol):
    """The part of a channel that a report uses."""

    key: Key
    bytes_sent: int


def instance_reports(
    instances: Iterable[Instance], n_waiting: Mapping[int, int], measures: bool
) -> tuple[InstanceReport, ...]:
    """Return a report on each instance.

    Parameters
    ----------
    instances : iterable of Instance
        The instances of one process.
    n_waiting : mapping
        Instance (by index) to the number of batches that wait for it.
    measures : bool
        Whether their times are measured.
    """
    return tuple(
        InstanceReport(
            i.spec.pe_id,
            i.spec.number,
            i.n_in,
            i.n_out,
            i.n_failed,
            n_waiting[i.spec.index],
            i.busy_s if measures else None,
        )
        for i in instances
    )


def bytes_by_edge(plan: Plan, channels: Iterable[Sent]) -> dict[str, int]:
    """Return the number of bytes sent along each edge of the graph.

    Parameters
    ----------
    plan : Plan
        Has the names of the edges.
    channels : iterable of Sent
        The channels of one process.
    """
    sent: dict[str, int] = {}
    for channel in channels:
        if channel.bytes_sent:
            edge = _edge_name(plan, channel.key)
            sent[edge] = sent.get(edge, 0) + channel.bytes_sent
    return sent


def _edge_name(plan: Plan, key: Key) -> str:
    """Return the edge of the graph that a channel belongs to."""
    source = plan.instances[key.source]
    if key.destination == COLLECTOR:
        ports = list(plan.pes[source.pe_index].outputconnections)
        number = -1 - key.route
        port = ports[number] if number < len(ports) else "(not declared)"
        return f"{source.pe_id}.{port} -> result"
    route = plan.routes[key.route]
    sink = plan.instances[key.destination].pe_id
    return f"{source.pe_id}.{route.output} -> {sink}.{route.input}"
