"""The latency of a slow stream: the time of an item to the next element.

A source writes an item every 50 ms, in one call, at once or after 3,000 quick items.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

N_QUICK = {"slow source": 0, "quick, then slow": 3000}
N_SLOW = 60
PAUSE_S = 0.05
#: Goal for the latency, in ms.
LONGEST_MS = 50.0


class Bursts(ProducerPE):
    """Writes the time: quickly at first, then with pauses."""

    def __init__(self, n_quick: int) -> None:
        super().__init__()
        self.n_quick = n_quick

    def _process(self, inputs: object) -> None:
        for _ in range(self.n_quick):
            self.write("output", time.time())
        for _ in range(N_SLOW):
            self.write("output", time.time())
            time.sleep(PAUSE_S)


class Age(IterativePE):
    """Returns the time at which an item was written, and its age in seconds."""

    def _process(self, data: float) -> tuple[float, float]:
        return data, time.time() - data


def ages_ms(mapping: str, kind: str) -> list[float]:
    """Return the ages of the slow items in ms, sorted; empty on ranks other than 0.

    Parameters
    ----------
    mapping : str
        ``multi``, or ``mpi`` within an MPI run.
    kind : str
        One of `N_QUICK`.
    """
    graph, age = WorkflowGraph(), Age()
    graph.connect(Bursts(N_QUICK[kind]), "output", age, "input")
    result = run(graph, mapping=mapping, processes=2)
    if not result.complete:
        return []
    slow = sorted(result.output(age.id))[N_QUICK[kind] :]
    return sorted(1e3 * seconds for _, seconds in slow)


def under_mpi(kind: str) -> list[float]:
    """Return the ages in an MPI run of two processes."""
    mpiexec = str(Path(sys.executable).with_name("mpiexec"))
    module = [sys.executable, "-m", "benchmarks.engine.latency", kind]
    command = [mpiexec, "-n", "2", *module]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    ages: list[float] = json.loads(done.stdout)
    return ages


def measure() -> dict[str, float]:
    """Return median and 99 % of the ages, in ms."""
    measured = {}
    for mapping in ("multi", "mpi"):
        for kind in N_QUICK:
            ages = under_mpi(kind) if mapping == "mpi" else ages_ms(mapping, kind)
            measured[f"{mapping}, {kind}: median, ms"] = median(ages)
            measured[f"{mapping}, {kind}: 99 %, ms"] = ages[int(0.99 * len(ages))]
    return measured


def show(measured: dict[str, float]) -> None:
    """Print the ages and the goal."""
    print("\nlatency of a slow stream")
    for what, value in measured.items():
        print(f"  {what:55}{value:>8.2f}")
    most = max(measured.values())
    verdict = "met" if most <= LONGEST_MS else "NOT met"
    print(f"  goal: at most {LONGEST_MS:g} ms; is {most:.1f} ms: {verdict}")


if __name__ == "__main__":
    ages = ages_ms("mpi", sys.argv[1])
    if ages:
        sys.stdout.write(json.dumps(ages))
