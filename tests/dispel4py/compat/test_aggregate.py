"""Public behaviour of `dispel4py.new.aggregate`."""

import math
import statistics

import pytest
from users_pes import Numbers

from dispel4py.core import GenericPE
from dispel4py.new import aggregate
from dispel4py.workflow_graph import WorkflowGraph


class Rows(GenericPE):
    """Lists of numbers in one call."""

    def __init__(self, rows):
        GenericPE.__init__(self)
        self._add_output("output")
        self.rows = rows

    def _process(self, inputs):
        for row in self.rows:
            self.write("output", row)


def results(returned, composite, source=None, n=None):
    source = source or Numbers(1000)
    graph = WorkflowGraph()
    graph.connect(source, "output", composite, "input")
    graph.flatten()
    (result,) = returned(graph, {source.name: [{}]}, n).values()
    assert list(result) == ["output"]
    return result["output"]


several = pytest.mark.parametrize("n", [5])


@several
def test_sum(returned, n):
    assert results(returned, aggregate.parallelSum(), n=n) == [[499500]]


@several
def test_avg(returned, n):
    assert results(returned, aggregate.parallelAvg(), n=n) == [[499.5, 1000, 499500]]


@several
def test_std_dev(returned, n):
    ((mean, std_dev, count, total),) = results(
        returned, aggregate.parallelStdDev(), n=n
    )
    assert (mean, count, total) == (499.5, 1000, 499500)
    # sums of integers are exact: only the last root is rounded
    assert math.isclose(std_dev, statistics.stdev(range(1000)), rel_tol=1e-12)


@several
def test_count(returned, n):
    assert results(returned, aggregate.parallelCount(), n=n) == [[1000]]


@several
def test_min_max(returned, n):
    source = Numbers(1000)
    graph = WorkflowGraph()
    for composite in (aggregate.parallelMin(), aggregate.parallelMax()):
        graph.connect(source, "output", composite, "input")
    result = returned(graph, {source: 1}, n + 4)
    assert len(result) == 2
    for pe_id, ports in result.items():
        expected = 0 if pe_id.startswith("MinPE") else 999
        assert ports == {"output": [[expected]]}


class Added(aggregate.ContinuousReducePE):
    def _process(self, data):
        for i in self.indexes:
            self.value[i] += data[i]


def test_continuous_reduce(returned):
    source, added = Rows([[1], [2], [3]]), Added()
    graph = WorkflowGraph()
    graph.connect(source, "output", added, "input")
    assert returned(graph, {source: 1}) == {added.id: {"output": [[1], [3], [6]]}}


def test_other_parts_of_an_item(returned):
    rows = Rows([[7, -2, 5], [8, -4, 1]])
    assert results(returned, aggregate.parallelSum([2, 1]), rows) == [[6, -6]]
    assert results(returned, aggregate.parallelMax([1]), rows) == [[-2]]
    assert results(returned, aggregate.parallelAvg(1), rows) == [[-3.0, 2, -6]]


def test_instances_without_items(returned):
    first = Rows([[3]])
    assert results(returned, aggregate.parallelMin(), first, n=6) == [[3]]
    assert results(returned, aggregate.parallelAvg(), first, n=6) == [[3.0, 1, 3]]


def test_spellings():
    for name in ("count", "sum", "min", "max", "avg", "std_dev"):
        old = "parallel" + name.title().replace("_", "")
        assert getattr(aggregate, old) is getattr(aggregate, f"parallel_{name}")
