"""Count, sum, smallest, largest, mean and standard deviation of streams.

Items are sequences of numbers; ``indexes`` are the positions of the numbers to use.
Results are written at the end of the stream. The functions ``parallel_...`` return a
composite of two PEs: the first may have many instances, the second joins their results.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from dispel4py.core import GROUPING, GenericPE
from dispel4py.workflow_graph import WorkflowGraph

INPUT_NAME = "input"
OUTPUT_NAME = "output"


class _Aggregate(GenericPE):
    """A PE with one input and one output."""

    INPUT_NAME = INPUT_NAME
    OUTPUT_NAME = OUTPUT_NAME
    grouping: str | None = None

    def __init__(self) -> None:
        super().__init__()
        self._add_input(INPUT_NAME, grouping=self.grouping)
        self._add_output(OUTPUT_NAME)


class AggregatePE(_Aggregate):
    """Computes one value for each index, and writes the values at the end.

    Parameters
    ----------
    indexes : sequence of int
        Positions of the numbers in an item.
    """

    def __init__(self, indexes: Sequence[int] = (0,)) -> None:
        super().__init__()
        self.indexes = list(indexes)
        self.value: list[Any] = [0] * len(self.indexes)

    def _process(self, inputs: Any) -> None:
        item = inputs[INPUT_NAME]
        self.value = [
            self._combine(value, item[index])
            for value, index in zip(self.value, self.indexes, strict=True)
        ]

    def _combine(self, value: Any, part: Any) -> Any:
        """Override: return the new value, made of the old value and a number."""
        return value

    def _postprocess(self) -> None:
        self.write(OUTPUT_NAME, self.value)


class ContinuousReducePE(AggregatePE):
    """Writes its values after each item: override ``_process(item)``."""

    def process(self, inputs: dict[str, Any]) -> None:
        """Work on one item."""
        self._process(inputs[INPUT_NAME])
        self.write(OUTPUT_NAME, list(self.value))

    def _postprocess(self) -> None:
        """Write nothing more."""


class CountPE(AggregatePE):
    """Counts items."""

    def __init__(self) -> None:
        super().__init__([0])

    def _process(self, inputs: Any) -> None:
        self.value = [self.value[0] + 1]


class SumPE(AggregatePE):
    """Adds the numbers."""

    def _combine(self, value: Any, part: Any) -> Any:
        return value + part


class _Extreme(AggregatePE):
    """Finds the smallest or largest values; None if there is no item."""

    def __init__(self, indexes: Sequence[int] = (0,)) -> None:
        super().__init__(indexes)
        self.value = [None] * len(self.indexes)

    def _combine(self, value: Any, part: Any) -> Any:
        if value is None or part is None:
            return part if value is None else value
        return self._better(value, part)

    def _better(self, value: Any, part: Any) -> Any:
        raise NotImplementedError


class MinPE(_Extreme):
    """Finds the smallest values."""

    def _better(self, value: Any, part: Any) -> Any:
        return min(value, part)


class MaxPE(_Extreme):
    """Finds the largest values."""

    def _better(self, value: Any, part: Any) -> Any:
        return max(value, part)


class AverageParallelPE(_Aggregate):
    """Writes mean, count and sum of the items of one instance, if there are any."""

    def __init__(self, index: int = 0) -> None:
        super().__init__()
        self.index = index
        self.sum: Any = 0
        self.count = 0

    def _process(self, inputs: Any) -> None:
        self.sum += inputs[INPUT_NAME][self.index]
        self.count += 1

    def _postprocess(self) -> None:
        if self.count:
            mean = float(self.sum) / self.count
            self.write(OUTPUT_NAME, [mean, self.count, self.sum])


class AverageReducePE(AverageParallelPE):
    """Joins the results of the instances of `AverageParallelPE`."""

    grouping = "global"

    def __init__(self) -> None:
        super().__init__()

    def _process(self, inputs: Any) -> None:
        _, count, total = inputs[INPUT_NAME]
        self.count += count
        self.sum += total


class StdDevPE(_Aggregate):
    """Writes standard deviation (n - 1), count, sum, sum of squares of an instance."""

    def __init__(self, index: int = 0) -> None:
        super().__init__()
        self.index = index
        self.sum: Any = 0
        self.sum_squared: Any = 0
        self.count = 0

    def _process(self, inputs: Any) -> None:
        value = inputs[INPUT_NAME][self.index]
        self.sum += value
        self.sum_squared += value * value
        self.count += 1

    def _std_dev(self) -> float:
        if self.count < 2:
            return math.nan
        n = self.count
        spread = n * self.sum_squared - self.sum * self.sum
        return math.sqrt(max(0.0, spread / (n * (n - 1))))

    def _postprocess(self) -> None:
        if self.count:
            result = (self._std_dev(), self.count, self.sum, self.sum_squared)
            self.write(OUTPUT_NAME, result)


class StdDevReducePE(StdDevPE):
    """Mean, standard deviation, count and sum from the results of `StdDevPE` instances.

    In dispel4py 1.2.1 count and sum have the same positions in the result, and the
    first number has no meaning.
    """

    grouping = "global"

    def __init__(self) -> None:
        super().__init__()

    def _process(self, inputs: Any) -> None:
        _, count, total, squared = inputs[INPUT_NAME]
        self.count += count
        self.sum += total
        self.sum_squared += squared

    def _postprocess(self) -> None:
        if self.count:
            result = (self.sum / self.count, self._std_dev(), self.count, self.sum)
            self.write(OUTPUT_NAME, result)


def parallel_aggregate(instPE: GenericPE, reducePE: GenericPE) -> WorkflowGraph:
    """Return a composite of a PE with many instances and a PE that joins their results.

    Both have an ``input`` and an ``output``, and so has the composite.
    """
    composite = WorkflowGraph()
    reducePE.inputconnections[INPUT_NAME][GROUPING] = "global"
    reducePE.numprocesses = 1
    composite.connect(instPE, OUTPUT_NAME, reducePE, INPUT_NAME)
    composite.inputmappings = {INPUT_NAME: (instPE, INPUT_NAME)}
    composite.outputmappings = {OUTPUT_NAME: (reducePE, OUTPUT_NAME)}
    return composite


def parallel_count() -> WorkflowGraph:
    """Return a composite that counts items: ``[n]``."""
    total = SumPE([0])
    total.name = "CountReduce"
    return parallel_aggregate(CountPE(), total)


def parallel_sum(indexes: Sequence[int] = (0,)) -> WorkflowGraph:
    """Return a composite that writes the sum for each index."""
    return parallel_aggregate(SumPE(indexes), SumPE(range(len(indexes))))


def parallel_min(indexes: Sequence[int] = (0,)) -> WorkflowGraph:
    """Return a composite that writes the smallest value for each index."""
    return parallel_aggregate(MinPE(indexes), MinPE(range(len(indexes))))


def parallel_max(indexes: Sequence[int] = (0,)) -> WorkflowGraph:
    """Return a composite that writes the largest value for each index."""
    return parallel_aggregate(MaxPE(indexes), MaxPE(range(len(indexes))))


def parallel_avg(index: int = 0) -> WorkflowGraph:
    """Return a composite that writes ``[mean, count, sum]``."""
    return parallel_aggregate(AverageParallelPE(index), AverageReducePE())


def parallel_std_dev(index: int = 0) -> WorkflowGraph:
    """Return a composite that writes mean, standard deviation, count and sum."""
    return parallel_aggregate(StdDevPE(index), StdDevReducePE())


parallelCount = parallel_count
parallelSum = parallel_sum
parallelMin = parallel_min
parallelMax = parallel_max
parallelAvg = parallel_avg
parallelStdDev = parallel_std_dev
