"""Substacks: every window is in one substack, and names are in the order of time."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dispel4py.errors import ParameterError
from seismo_pes.correlating.substacks import Substacks, period_name, window_name

NS = 10**9
DAY = 19129  # 2022-05-17


@given(
    st.sampled_from(["window", "hour", "day"]),
    st.sets(st.integers(0, 86_399), max_size=40),
)
def test_every_window_is_in_one_period(unit: str, seconds: set[int]) -> None:
    starts = (DAY * 86_400 + np.array(sorted(seconds), np.int64)) * NS
    parts = Substacks(unit).split(DAY, starts)
    inside = [k for _, part in parts for k in range(len(starts))[part]]
    assert inside == list(range(len(starts)))
    names = [name for name, _ in parts]
    assert names == sorted(set(names))
    assert all(name.startswith("2022-05-17") for name in names)
    for name, part in parts:
        assert all(window_name(int(t)).startswith(name) for t in starts[part])


def test_groups_have_the_number_of_their_first_period() -> None:
    substacks = Substacks.of_groups([[DAY, DAY + 1], [DAY + 5]])
    assert [substacks.key(DAY + k) for k in (0, 1, 5)] == [DAY, DAY, DAY + 5]
    assert substacks.members(DAY + 1) == [DAY, DAY + 1]
    starts = np.arange(3) * NS
    assert substacks.split(DAY + 1, starts) == [(".2022-05-17", slice(0, 3))]
    assert Substacks("day").members(DAY) == [DAY]


def test_one_group_is_everything() -> None:
    substacks = Substacks.of_groups([[DAY, DAY + 1]])
    assert substacks.split(DAY, np.zeros(1, np.int64))[0][0] == "all"
    assert pickle.loads(pickle.dumps(substacks)) == substacks


def test_no_windows_no_substacks() -> None:
    assert Substacks("hour").split(DAY, np.empty(0, np.int64)) == []


def test_days_and_windows_have_different_names() -> None:
    assert period_name(DAY) == "2022-05-17"
    assert window_name(DAY * 86_400 * NS + 250_000_000) == "2022-05-17T00:00:00.25"


@pytest.mark.parametrize(
    ("unit", "groups"), [("week", {}), ("group", {}), ("day", {0: (0, "all")})]
)
def test_invalid_substacks_are_refused(unit, groups) -> None:
    with pytest.raises(ParameterError):
        Substacks(unit, groups)
