"""A plan as text and as JSON."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from dispel4py.draw.scene import grouping_text
from dispel4py.plan import Plan, Route


def plan_text(plan: Plan) -> str:
    """Return tables of processes, PEs and routes, and the notes of the plan.

    Processes with the same instances are on one line.

    >>> from dispel4py.base import IterativePE, ProducerPE
    >>> from dispel4py.plan import make_plan
    >>> from dispel4py.workflow_graph import WorkflowGraph
    >>> graph = WorkflowGraph()
    >>> graph.connect(ProducerPE(), "output", IterativePE(), "input")
    >>> print(plan_text(make_plan(graph, 3)))
    process  runs
    0        ProducerPE0
    1-2      IterativePE1
    <BLANKLINE>
    PE            instances  processes
    ProducerPE0           1  0
    IterativePE1          2  1-2
    <BLANKLINE>
    from                to                  grouping  channels
    ProducerPE0.output  IterativePE1.input  shuffle   1 x 2
    """
    parts = [_process_table(plan), _pe_table(plan)]
    if plan.routes:
        parts.append(_route_table(plan))
    if plan.notes:
        parts.append("\n".join(f"note: {note}" for note in plan.notes))
    return "\n\n".join(parts)


def plan_record(plan: Plan) -> dict[str, Any]:
    """Return a plan, ready for JSON.

    Keys: ``n_processes``; ``processes``, each with its instances (PE id and number)
    and, if costs are known, expected seconds; ``pes``, each with its processes and
    the PEs that share some of these processes; ``routes``; ``notes``.
    """
    ids = [pe.id for pe in plan.pes]
    return {
        "n_processes": plan.n_processes,
        "processes": [
            {
                "process": process,
                "instances": [
                    {"pe": i.pe_id, "number": i.number}
                    for i in plan.in_process(process)
                ],
            }
            | ({"expected_s": plan.seconds[process]} if plan.seconds else {})
            for process in range(plan.n_processes)
        ],
        "pes": [
            {
                "pe": ids[k],
                "name": plan.pes[k].name,
                "processes": _processes_of(plan, k),
                "shares_with": _shares_with(plan, k),
            }
            for k in range(len(plan.pes))
        ],
        "routes": [
            {
                "from": ids[route.source_pe],
                "output": route.output,
                "to": ids[route.destination_pe],
                "input": route.input,
                "grouping": _grouping(route),
                "stays_local": route.stays_local,
            }
            for route in plan.routes
        ],
        "notes": list(plan.notes),
    }


def _process_table(plan: Plan) -> str:
    rows: list[tuple[list[int], str, str]] = []
    for process in range(plan.n_processes):
        names = ", ".join(i.pe_id for i in plan.in_process(process)) or "nothing"
        seconds = f"{plan.seconds[process]:.3g}" if plan.seconds else ""
        if rows and rows[-1][1:] == (names, seconds):
            rows[-1][0].append(process)
        else:
            rows.append(([process], names, seconds))
    table = [["process", "expected s", "runs"]]
    table += [[ranges(processes), seconds, names] for processes, names, seconds in rows]
    if not plan.seconds:
        table = [[row[0], row[2]] for row in table]
    return _table(table, right=(1,) if plan.seconds else ())


def _pe_table(plan: Plan) -> str:
    table = [["PE", "instances", "processes"]]
    for k, pe in enumerate(plan.pes):
        processes = _processes_of(plan, k)
        table.append([pe.id, str(len(processes)), ranges(processes)])
    return _table(table, right=(1,))


def _route_table(plan: Plan) -> str:
    table = [["from", "to", "grouping", "channels"]]
    for route in sorted(plan.routes, key=lambda route: route.source_pe):
        source, destination = plan.pes[route.source_pe], plan.pes[route.destination_pe]
        channels = f"{len(route.sources)} x {len(route.destinations)}"
        table.append(
            [
                f"{source.id}.{route.output}",
                f"{destination.id}.{route.input}",
                _grouping(route),
                "inside each process" if route.stays_local else channels,
            ]
        )
    return _table(table)


def _grouping(route: Route) -> str:
    return grouping_text(route.grouping) or route.grouping.kind


def _processes_of(plan: Plan, k: int) -> list[int]:
    return [instance.process for instance in plan.instances_of(k)]


def _shares_with(plan: Plan, k: int) -> list[str]:
    processes = set(_processes_of(plan, k))
    return [
        pe.id
        for other, pe in enumerate(plan.pes)
        if other != k and processes & set(_processes_of(plan, other))
    ]


def ranges(numbers: list[int]) -> str:
    """Write ascending numbers as ranges.

    >>> ranges([0, 1, 2, 5, 7, 8])
    '0-2, 5, 7-8'
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][1] + 1:
            runs[-1][1] = number
        else:
            runs.append([number, number])
    return ", ".join(f"{a}-{b}" if b > a else str(a) for a, b in runs)


def _table(rows: list[list[str]], right: Collection[int] = ()) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(w) if k in right else cell.ljust(w)
            for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
