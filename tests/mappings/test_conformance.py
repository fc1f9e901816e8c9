"""All mappings give the same results, for the cases of `graphs` and random graphs."""

from __future__ import annotations

import json
import subprocess
import sys

import graphs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import HERE, environment, require_mpi
from random_graphs import given_by, random_graphs

from dispel4py.testing.conformance import STOPPED, under_simple
from tests.draws import each_once

SPAWNED = (
    "composite",
    "group_by_string",
    "unpicklable_state_made_in_preprocess",
    "arrays_of_every_kind",
    "failures_are_listed",
)
#: The cases run under MPI with two processes in test_provenance.py, with provenance.
PLACES = [("multi", 1), ("multi", 2), ("multi", 5), ("mpi", 1), ("mpi", 5)]
RUNS = [
    pytest.param(mapping, n, name, id=f"{mapping}-{n}-{name}")
    for mapping, n in PLACES
    for name, case in graphs.CASES.items()
    if n <= case.at_most
]


@pytest.mark.parametrize(
    "name", [name for name, case in graphs.CASES.items() if case.expected is not None]
)
def test_simple_gives_the_expected_results(name):
    case = graphs.CASES[name]
    expected = {
        port: [graphs.freeze(item) for item in items]
        for port, items in case.expected.items()
    }
    if case.view is not graphs.sequences:
        expected = {port: sorted(items) for port, items in expected.items()}
    result = under_simple(name)["view"]
    assert {port: result.get(port) for port in expected} == expected


@pytest.mark.parametrize(("mapping", "n", "name"), RUNS)
def test_every_mapping_gives_the_same_results(mapping, n, name, outcomes):
    result = outcomes(mapping, n)
    assert name in result, result[""]
    assert result[name] == under_simple(name)


@pytest.mark.parametrize(("mapping", "n"), PLACES)
def test_streams_are_stopped_early(mapping, n, outcomes):
    for name, (items, expected) in outcomes(mapping, n)[STOPPED].items():
        assert (name, items) == (name, expected)


@pytest.mark.parametrize(("mapping", "n"), PLACES)
def test_every_mapping_ends_well(mapping, n, outcomes):
    assert outcomes(mapping, n)[""].startswith("exit 0\n")


@pytest.mark.parametrize(("mapping", "n"), PLACES)
def test_w17_the_last_items_arrive(mapping, n, outcomes):
    """In older engines the message that ends a stream was sent, and not waited for."""
    view = outcomes(mapping, n)["postprocess_order"]["view"]
    assert view["c3.output"][-1] == "tuple('c', 4)"


@pytest.mark.parametrize(
    ("name", "method"), each_once(SPAWNED, ["spawn", "forkserver"])
)
def test_workers_that_are_not_forked(name, method):
    result = graphs.outcome(name, mapping="multi", processes=3, start_method=method)
    assert result == under_simple(name)


# --------------------------------------------------------------- random graphs


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random_graphs())
def test_random_graphs(layout):
    expected = given_by(layout)
    result = given_by(layout, mapping="multi", processes=layout["processes"])
    assert result == expected


@settings(
    max_examples=3,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(st.integers(2, 5), st.lists(random_graphs(), min_size=8, max_size=8))
def test_random_graphs_under_mpi(tmp_path, n, layouts):
    path = tmp_path / "layouts.json"
    path.write_text(json.dumps(layouts))
    program = str(HERE / "random_graphs.py")
    done = subprocess.run(
        [require_mpi(), "-n", str(n), sys.executable, program, str(path)],
        env=environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [given_by(layout) for layout in layouts]
