"""Items of very unequal cost: how far a run's end is from an ideal balance.

The costs are drawn from a Pareto distribution and slept, so that the number of cores
does not matter. Ideal is the sum of the costs over the instances, or the largest of
them if it is more.
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
    """Gives the costs."""

    def __init__(self, costs: list[float]) -> None:
        super().__init__()
        self.costs = costs

    def _process(self, inputs: object) -> None:
        for cost_s in self.costs:
            self.write("output", cost_s)


class Sleep(ConsumerPE):
    """Takes as long as an item says."""

    def _process(self, data: float) -> None:
        time.sleep(data)


def drawn(seed: int) -> list[float]:
    """Return costs in seconds."""
    generator = random.Random(seed)
    return [
        min(SCALE_S * generator.paretovariate(SHAPE), LONGEST_S) for _ in range(N_ITEMS)
    ]


def ratio(seed: int, n_instances: int) -> float:
    """Return time of one run over the ideal time; start and end are in it."""
    costs = drawn(seed)
    graph, work = WorkflowGraph(), Sleep()
    work.numprocesses = n_instances
    graph.connect(Costs(costs), "output", work, "input")
    began = time.perf_counter()
    run(graph, mapping="multi", processes=n_instances + 1)
    seconds = time.perf_counter() - began
    return seconds / max(sum(costs) / n_instances, max(costs))


def measure(seeds: range = range(3)) -> dict[str, float]:
    """Return the median and the largest ratio for 2, 3 and 4 instances."""
    found = {}
    for n_instances in (2, 3, 4):
        ratios = [ratio(seed, n_instances) for seed in seeds]
        found[f"{n_instances} instances, median"] = median(ratios)
        found[f"{n_instances} instances, most"] = max(ratios)
    return found
