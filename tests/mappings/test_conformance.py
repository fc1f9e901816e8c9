"""Every mapping gives the same: the graphs of `graphs.py`, and random ones."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

import graphs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from programs import HERE, environment, require_mpi
from random_graphs import given_by, random_graphs

SPAWNED = (
    "composite",
    "group_by_string",
    "unpicklable_state_made_in_preprocess",
    "arrays_of_every_kind",
    "failures_are_listed",
)
PLACES = [(mapping, n) for mapping in ("multi", "mpi") for n in (1, 2, 5)]
RUNS = [
    pytest.param(mapping, n, name, id=f"{mapping}-{n}-{name}")
    for mapping, n in PLACES
    for name, case in graphs.CASES.items()
    if n <= case.at_most
]


@cache
def under_simple(name: str) -> dict[str, Any]:
    found = graphs.outcome(name, mapping="simple")
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", [name for name, case in graphs.CASES.items() if case.expected is not None]
)
def test_simple_gives_what_is_expected(name):
    case = graphs.CASES[name]
    expected = {
        port: [graphs.freeze(item) for item in items]
        for port, items in case.expected.items()
    }
    if case.view is not graphs.sequences:
        expected = {port: sorted(items) for port, items in expected.items()}
    found = under_simple(name)["view"]
    assert {port: found.get(port) for port in expected} == expected


@pytest.mark.timeout(240)  # the first of each place waits for all cases there
@pytest.mark.parametrize(("mapping", "n", "name"), RUNS)
def test_every_mapping_gives_the_same(mapping, n, name, outcomes):
    found = outcomes(mapping, n)
    assert name in found, found[""]
    assert found[name] == under_simple(name)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("mapping", "n"), PLACES)
def test_every_mapping_ends_well(mapping, n, outcomes):
    assert outcomes(mapping, n)[""].startswith("exit 0\n")


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.parametrize("name", SPAWNED)
def test_workers_that_are_not_forked(name, method):
    found = graphs.outcome(name, mapping="multi", processes=3, start_method=method)
    assert found == under_simple(name)


# --------------------------------------------------------------- random graphs


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(random_graphs())
def test_random_graphs(layout):
    expected = given_by(layout)
    found = given_by(layout, mapping="multi", processes=layout["processes"])
    assert found == expected


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
