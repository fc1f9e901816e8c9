"""Measured costs: the forms of a profile, and the PEs that get its seconds."""

import json

import pytest

from dispel4py.base import IterativePE
from dispel4py.cost import costs_of, read_costs
from dispel4py.errors import InputError, PlanError


@pytest.fixture
def profile(tmp_path):
    path = tmp_path / "profile.json"

    def write(content):
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path

    return write


def named(*names):
    pes = []
    for k, name in enumerate(names):
        pe = IterativePE()
        pe.name, pe.id = name, f"{name}{k}"
        pes.append(pe)
    return pes


def test_the_summary_of_a_run_is_a_profile(profile):
    summary = {
        "seconds": 2.0,
        "pes": {
            "Read0": {"in": 1, "out": 9, "busy_s": 1.5},
            "Sum1": {"in": 9, "out": 0, "busy_s": 3},
            "Idle2": {"in": 0, "out": 0, "busy_s": None},
        },
    }
    assert read_costs(profile(summary)) == {"Read0": 1.5, "Sum1": 3.0}


def test_seconds_written_by_hand_are_a_profile(profile):
    assert read_costs(profile({"Read": 1, "Sum": 0.5})) == {"Read": 1.0, "Sum": 0.5}


@pytest.mark.parametrize(
    ("content", "expected_message"),
    [
        ("{", "not JSON"),
        ([1, 2], "must be the summary"),
        ({}, "must be the summary"),
        ({"Read": "1 s"}, "'Read' has '1 s'"),
        ({"Read": -1}, "'Read' has -1"),
        ({"Read": True}, "'Read' has True"),
        ('{"Read": NaN}', "'Read' has nan"),
        ({"pes": {"Read": {"busy_s": None}}}, "no PE was timed"),
    ],
)
def test_an_invalid_profile_is_refused_in_one_line(profile, content, expected_message):
    with pytest.raises(InputError, match=expected_message) as caught:
        read_costs(profile(content))
    assert "profile.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_profile_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        read_costs(tmp_path / "none.json")


def test_ids_count_before_names_and_names_are_split():
    pes = named("Read", "Filter", "Filter")
    costs = {"Read0": 1.0, "Read": 9.0, "Filter": 4.0}
    assert costs_of(pes, costs) == ([1.0, 2.0, 2.0], [])


def test_names_that_do_not_match_are_reported():
    result, notes = costs_of(named("Read", "Sum"), {"Read0": 2.0, "Gone5": 1.0})
    assert result == [2.0, 2.0]
    assert notes == [
        "cost not measured, taken as the average: Sum1",
        "costs of PEs that are not in the graph: Gone5",
    ]


def test_costs_of_another_graph_are_refused():
    with pytest.raises(PlanError, match="did you mean 'Read0'"):
        costs_of(named("Read"), {"Raed0": 1.0})
    with pytest.raises(PlanError, match="not seconds"):
        costs_of(named("Read"), {"Read": float("inf")})
