"""The summary of a run: items, busy and waiting time, bytes, memory; text and JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from dispel4py.result import RunResult, bytes_sent

#: Largest number of failures in the text; a longer list would hide the summary.
SHOWN_FAILURES = 20


def as_dict(result: RunResult) -> dict[str, Any]:
    """Return the summary of a run, ready for JSON."""
    return {
        "seconds": result.seconds,
        "n_processes": result.n_processes,
        "pes": {
            pe: {"in": n_in, "out": n_out} | _totals_of_pe(result, pe)
            for pe, (n_in, n_out) in result.counts.items()
        },
        "bytes_sent": bytes_sent(result.processes),
        "n_failures": result.n_failures,
        "failures": [failure.summary for failure in result.failures],
        "processes": [asdict(report) for report in result.processes],
    }


def _totals_of_pe(result: RunResult, pe_id: str) -> dict[str, Any]:
    reports = [i for p in result.processes for i in p.instances if i.pe_id == pe_id]
    busy = [i.busy_s for i in reports if i.busy_s is not None]
    return {
        "instances": len(reports),
        "failed": sum(i.n_failed for i in reports),
        "busy_s": sum(busy) if busy else None,
    }


def as_text(result: RunResult) -> str:
    """Return the summary of a run as tables."""
    record = as_dict(result)
    rows = [["PE", "instances", "in", "out", "failed", "busy s"]]
    for pe, work in record["pes"].items():
        busy = "" if work["busy_s"] is None else f"{work['busy_s']:.2f}"
        numbers = (work["instances"], work["in"], work["out"], work["failed"])
        rows.append([pe, *map(str, numbers), busy])
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    text = _table(rows)
    rows = [["process", "seconds", "waiting s", "memory MB"]]
    for report in result.processes:
        values = (report.seconds, report.waiting_s, report.peak_memory_mb)
        rows.append([str(report.process), *(f"{v:.2f}" for v in values[:2])])
        rows[-1].append(f"{values[2]:.0f}")
    if len(rows) > 2:
        text += "\n\n" + _table(rows)
    if record["bytes_sent"]:
        rows = [["edge", "sent MB"]]
        rows += [[edge, f"{n / 1e6:.3f}"] for edge, n in record["bytes_sent"].items()]
        text += "\n\n" + _table(rows)
    plural = "process" if result.n_processes == 1 else "processes"
    lines = [f"{text}\n\n{result.seconds:.2f} s, {result.n_processes} {plural}"]
    return "\n".join([*lines, *_restart_lines(result), *_skip_lines(result)])


def brief(result: RunResult) -> str:
    """Return items in and out, the time, and the skipped items."""
    rows = [["PE", "in", "out"]]
    rows += [[pe, str(n), str(out)] for pe, (n, out) in result.counts.items()]
    plural = "process" if result.n_processes == 1 else "processes"
    lines = [_table(rows), f"{result.seconds:.2f} s, {result.n_processes} {plural}"]
    return "\n".join([*lines, *_restart_lines(result), *_skip_lines(result)])


def _restart_lines(result: RunResult) -> list[str]:
    restarts = {p.process: p.restarts for p in result.processes if p.restarts}
    lines = [f"process {k} was started again, {n} x" for k, n in restarts.items()]
    if lines:
        lines.append(
            "(its counts are sums over all its starts, as far as they were reported; "
            "items that it received twice count twice)"
        )
    return lines


def _skip_lines(result: RunResult) -> list[str]:
    if not result.n_failures:
        return []
    lines = [f"skipped: {result.n_failures}"]
    lines += [f"  {failure.summary}" for failure in result.failures[:SHOWN_FAILURES]]
    more = result.n_failures - min(len(result.failures), SHOWN_FAILURES)
    return [*lines, f"  ... and {more} more"] if more else lines


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
