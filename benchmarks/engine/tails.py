"""Items of very unequal cost: the time of a run relative to an ideal balance.

The costs are drawn from a Pareto distribution. The PE sleeps for this time, so that the
number of cores does not matter. The ideal time is the sum of the costs divided by the
number of instances, or the largest cost if that is longer.
"""

from __future__ import annotations

import random
import time
from statistics import median

from dispel4py.base import ConsumerPE, ProducerPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

N_ITEMS = 300
SHAPE = 1.5
SCALE_S = 0.003
LONGEST_S = 0.3


class Costs(ProducerPE):
    """Writes the costs."""

    def __init__(self, costs: list[float]) -> None:
        super().__init__()
        self.costs = costs

    def _process(self, inputs: object) -> None:
        for cost_s in self.costs:
            self.write("output", cost_s)


class Sleep(ConsumerPE):
    """Sleeps for the cost of an item."""

    def _process(self, data: float) -> None:
        time.sleep(data)


def draw_costs(seed: int) -> list[float]:
    """Return costs in seconds."""
    generator = random.Random(seed)
    return [
        min(SCALE_S * generator.paretovariate(SHAPE), LONGEST_S) for _ in range(N_ITEMS)
    ]


def ratio(seed: int, n_instances: int) -> float:
    """Return the time of a run, with start and end, divided by the ideal time."""
    costs = draw_costs(seed)
    graph, work = WorkflowGraph(), Sleep()
    work.numprocesses = n_instances
    graph.connect(Costs(costs), "output", work, "input")
    began = time.perf_counter()
    run(graph, mapping="multi", processes=n_instances + 1)
    seconds = time.perf_counter() - began
    return seconds / max(sum(costs) / n_instances, max(costs))


def measure(seeds: range = range(3)) -> dict[str, float]:
    """Return the median and the largest ratio for 2, 3 and 4 instances."""
    results = {}
    for n_instances in (2, 3, 4):
        ratios = [ratio(seed, n_instances) for seed in seeds]
        results[f"{n_instances} instances, median"] = median(ratios)
        results[f"{n_instances} instances, most"] = max(ratios)
    return results
