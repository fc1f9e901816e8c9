"""Measurements of the engine alone: end of a run, observers, balance of work."""

from __future__ import annotations

import time

from benchmarks.engine.chain import Increment, Source
from benchmarks.engine.tails import measure as measure_tails
from dispel4py.base import IterativePE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

#: Goals.
LONGEST_END_S = 0.1
LONGEST_WATCH_US = 0.5
LARGEST_RATIO = 1.2


class Stamp(IterativePE):
    """Returns the time at which an item arrived."""

    def _process(self, data: object) -> float:
        return time.monotonic()


class CallCounter:
    """Counts calls."""

    n = 0

    def called(self, call: object) -> None:
        """Count one call."""
        self.n += 1


class ProgressListener:
    """Listens to progress, as the table of the command does."""

    def progress(self, counts: object) -> None:
        """Ignore the counts."""


def _chain(kind: str, n: int, last: IterativePE) -> WorkflowGraph:
    graph, source = WorkflowGraph(), Source(kind, n)
    first, second = Increment(), Increment()
    graph.connect(source, "output", first, "input")
    graph.connect(first, "output", second, "input")
    graph.connect(second, "output", last, "input")
    return graph


def ends(rounds: int = 3) -> dict[str, float]:
    """Return the largest time in seconds from the last item to the end of `run`."""
    results = {}
    for mapping, kind, n in (
        ("simple", "small", 20_000),
        ("multi", "small", 20_000),
        ("multi", "array", 300),
    ):
        late = []
        for _ in range(rounds):
            last = Stamp()
            graph = _chain(kind, n, last)
            processes = None if mapping == "simple" else 4
            result = run(graph, mapping=mapping, processes=processes)
            late.append(time.monotonic() - max(result.output(last.id)))
        results[f"{mapping}, {kind}: from the last item to the end, s"] = max(late)
    return results


def observers(rounds: int = 9, n: int = 50_000) -> dict[str, float]:
    """Return the cost of observers, in microseconds per item and PE.

    The run is in one process and never waits, so the processor time is measured: other
    programs delay it less. The least of the rounds is taken, as in `timeit`.
    """
    seconds: dict[str, list[float]] = {"off": [], "progress": [], "every call": []}
    watching: dict[str, list[object]] = {
        "off": [],
        "progress": [ProgressListener()],
        "every call": [CallCounter()],
    }
    n_calls = 3 * n + 1
    for _ in range(rounds):
        for how, members in watching.items():
            graph = _chain("small", n, Stamp())
            began = time.process_time()
            run(graph, observers=members)
            seconds[how].append(time.process_time() - began)
    off = min(seconds["off"])
    return {
        f"observer of {how}: us per item and PE": 1e6
        * (min(seconds[how]) - off)
        / n_calls
        for how in ("progress", "every call")
    }


def measure() -> dict[str, dict[str, float]]:
    """Measure all cases."""
    return {
        "ends": ends(),
        "observers": observers(),
        "heavy-tailed costs, time over ideal time": measure_tails(),
    }


def show(results: dict[str, dict[str, float]]) -> None:
    """Print the results and the goals."""
    goals = zip(results, (LONGEST_END_S, LONGEST_WATCH_US, LARGEST_RATIO), strict=True)
    for name, goal in goals:
        print(f"\n{name}")
        for what, value in results[name].items():
            print(f"  {what:55}{value:>8.3f}")
        most = max(results[name].values())
        verdict = "met" if most <= goal else "NOT met"
        print(f"  goal: at most {goal:g}; is {most:.3f}: {verdict}")
