"""Cases of instances and partitions: where elements run."""

from __future__ import annotations

import threading
from typing import Any

from dispel4py.base import (
    IterativePE,
)
from dispel4py.testing.conformance.cases import case
from dispel4py.testing.conformance.elements import (
    Add,
    Gather,
    Pass,
    Range,
    chain,
    instances,
)


@case({"Add2.output": list(range(2, 22))})
def numprocesses() -> Any:
    return chain(Range(), instances(Add(), 2), instances(Add(), 3)), None


@case({"Add3.output": list(range(3, 23))})
def partitions() -> Any:
    pes = [Range(), Add(), Add(), Add()]
    graph = chain(*pes)
    graph.partitions = [pes[:2], pes[2:]]
    return graph, None


@case({"Add3.output": list(range(3, 23))})
def partitions_with_sizes() -> Any:
    pes = [Range(), Add(), Add(), Add()]
    graph = chain(*pes)
    graph.partitions = [[pes[0], pes[3]], [pes[1], pes[2]]]
    graph.numprocesses = [2, 2]
    return graph, None


@case({"Gather3.output": [("all", sorted(map(str, range(1, 21))))]})
def partition_with_grouping_inside() -> Any:
    pes = [Range(), Add(), Pass(), Gather("global")]
    graph = chain(*pes)
    graph.partitions = [pes[:1], pes[1:]]
    return graph, None


class Locked(IterativePE):
    """Holds an object that cannot be pickled, made in `preprocess`."""

    def preprocess(self) -> None:
        self.lock = threading.Lock()
        self.scales = [lambda number: 2 * number]

    def _process(self, data: Any) -> Any:
        with self.lock:
            return self.scales[0](data)


@case({"Locked1.output": list(range(0, 40, 2))})
def unpicklable_state_made_in_preprocess() -> Any:
    return chain(Range(), instances(Locked(), 2)), None
