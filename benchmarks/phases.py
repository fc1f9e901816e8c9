"""Run the application and measure how long each of its elements is busy.

    python -m benchmarks.phases OUT.json OPTIONS OF xcorr-app ...

Writes to OUT.json: seconds from start to end, and the busy seconds of each element in
each process.
"""

from __future__ import annotations

import json
import sys
import time
from functools import wraps
from pathlib import Path
from typing import Any


def main(argv: list[str]) -> int:
    """Run the application; return its exit status."""
    began = time.perf_counter()
    import xcorr_app.__main__  # noqa: F401 - it has the settings of the command
    from xcorr_app import cli, workflow

    reports: list[Any] = []
    run_graph = workflow.run_graph

    @wraps(run_graph)
    def run_measured(*args: Any, **options: Any) -> Any:
        result = run_graph(*args, **{**options, "measure": True})
        reports.append(result)
        return result

    workflow.run_graph = run_measured
    try:
        status = cli.main(argv[1:])
    finally:
        workflow.run_graph = run_graph
    seconds = time.perf_counter() - began
    if reports and reports[0].complete:
        phases = {"seconds": seconds, "busy_s": busy_s(reports)}
        Path(argv[0]).write_text(json.dumps(phases, indent=1))
    return status


def busy_s(results: list[Any]) -> dict[str, list[float]]:
    """Return the seconds of each element in each process, over all graphs."""
    busy: dict[str, list[float]] = {}
    n_processes = max(len(result.processes) for result in results)
    for result in results:
        for process, report in enumerate(result.processes):
            for instance in report.instances:
                name = instance.pe_id.rstrip("0123456789")
                row = busy.setdefault(name, [0.0] * n_processes)
                row[process] += instance.busy_s or 0.0
    return busy


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
