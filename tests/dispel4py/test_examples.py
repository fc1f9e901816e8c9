"""The examples give the documented results under every mapping."""

import math
from collections import Counter
from importlib import import_module

import pytest

from dispel4py.run import run

PLACES = pytest.mark.parametrize(
    ("mapping", "processes"), [("simple", 1), ("multi", 2), ("multi", 5)]
)


def outputs(name, inputs, mapping, processes):
    graph = import_module(f"dispel4py.examples.{name}").graph
    return run(graph, inputs, mapping=mapping, processes=processes)


@PLACES
def test_squares(mapping, processes):
    result = outputs("squares", 10, mapping, processes)
    assert sorted(result.output("PE_square1")) == [n * n for n in range(1, 11)]


@PLACES
def test_word_count(mapping, processes):
    result = outputs("word_count", None, mapping, processes)
    counted = result.output("Count2")
    assert len(counted) == len(dict(counted))  # each word in one place
    assert Counter(dict(counted)).most_common(2) == [("the", 7), ("sea", 3)]


@PLACES
def test_word_count_of_a_text(mapping, processes):
    inputs = {"Lines": [{"input": "to be or not to be"}]}
    result = outputs("word_count", inputs, mapping, processes)
    assert dict(result.output("Count2")) == {"to": 2, "be": 2, "or": 1, "not": 1}


@PLACES
def test_statistics(mapping, processes):
    result = outputs("statistics", 4, mapping, processes)
    (mean,) = result.output("Statistics2", "mean")
    (spread,) = result.output("Statistics2", "standard_deviation")
    # 4000 numbers: the mean is good to 2 / sqrt(4000) = 0.03; five times that
    assert math.isclose(mean, 5.0, abs_tol=0.16)
    assert math.isclose(spread, 2.0, abs_tol=0.12)


@PLACES
def test_split_merge(mapping, processes):
    result = outputs("split_merge", 4, mapping, processes)
    (output,) = (ports["output"] for ports in result.outputs.values())
    assert sorted(output) == [
        "halved: 101",
        "halved: 102",
        "unchanged: 1",
        "unchanged: 3",
    ]
