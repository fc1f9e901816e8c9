"""Gaps, flat runs and clipped peaks against counting by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.gaps import (
    clipped_runs,
    flat_runs,
    interpolate_gaps,
    runs_of,
    widened,
)

PRIME = 1009
NAN = np.nan


def runs_by_hand(mask) -> list[list[int]]:
    result, at = [], 0
    for value, group in itertools.groupby(mask):
        n = len(list(group))
        result += [[at, at + n]] if value else []
        at += n
    return result


@given(hnp.arrays(bool, st.integers(0, 30)))
def test_runs_are_those_counted_by_hand(mask) -> None:
    assert runs_of(mask).tolist() == runs_by_hand(mask)


@given(hnp.arrays(np.int8, st.integers(0, 30), elements=st.integers(0, 2)))
def test_flat_runs_are_those_counted_by_hand(x) -> None:
    for shortest in (2, 3, 5, 8):
        expected, at = [], 0
        for value, group in itertools.groupby(x):
            n = len(list(group))
            expected += [[at, at + n, int(value)]] if n >= shortest else []
            at += n
        assert flat_runs(x, shortest).tolist() == [run[:2] for run in expected]
        zeros = [run[:2] for run in expected if run[2] == 0]
        assert flat_runs(x, shortest, value=0).tolist() == zeros


@pytest.mark.parametrize("shortest", [31, 32, 33, 100, 333])
def test_long_flat_runs_are_found_wherever_they_are(shortest) -> None:
    rng = np.random.default_rng(shortest)
    for n in (shortest - 1, shortest, shortest + 1, 3 * shortest):
        for start in rng.integers(0, 2000, 20).tolist():
            x = rng.integers(-2, 3, 3000)  # many samples are equal by chance
            x[start - 1 : start + n + 1] = 8
            x[start : start + n] = 7
            expected = [[start, start + n]] if n >= shortest else []
            assert flat_runs(x, shortest).tolist() == expected
    assert flat_runs(np.full(shortest, 3), shortest).tolist() == [[0, shortest]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_line_is_restored_where_gaps_are_short(dtype) -> None:
    x = (0.5 * np.arange(PRIME)).astype(dtype)
    y = np.stack([x, x])
    y[0, 100:110] = NAN
    y[1, 200:211] = NAN
    before = y.copy()
    out = interpolate_gaps(y, 10)
    assert out.dtype == dtype
    np.testing.assert_allclose(out[0], x, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(out[1]), np.isnan(y[1]))
    np.testing.assert_array_equal(y, before)


def test_the_ends_of_a_record_are_no_gaps() -> None:
    out = interpolate_gaps([NAN, 1.0, NAN, 3.0, NAN], 5)
    np.testing.assert_array_equal(out, [NAN, 1, 2, 3, NAN])


@pytest.mark.parametrize("x", [[], [1.0], [NAN], [NAN, NAN]])
def test_nothing_to_interpolate_between(x) -> None:
    np.testing.assert_array_equal(interpolate_gaps(x, 3), x)


@given(
    hnp.arrays(np.float64, 40, elements=st.one_of(st.just(NAN), st.floats(-1e6, 1e6))),
    st.integers(0, 10),
)
def test_interpolation_stays_between_its_neighbours(x, most) -> None:
    out = interpolate_gaps(x, most)
    known = ~np.isnan(x)
    np.testing.assert_array_equal(out[known], x[known])
    if known.any():
        margin = 1e-6
        assert np.nanmax(out) <= np.nanmax(x) + margin
        assert np.nanmin(out) >= np.nanmin(x) - margin
    for start, stop in runs_by_hand(~known):
        filled = start > 0 and stop < 40 and stop - start <= most
        assert np.isnan(out[start:stop]).any() != filled


def test_nan_is_never_flat() -> None:
    assert flat_runs([NAN, NAN, NAN, 1.0, 1.0], 2).tolist() == [[3, 5]]
    assert flat_runs(np.full(PRIME, 3), 2).tolist() == [[0, PRIME]]
    assert flat_runs([], 2).tolist() == []
    assert flat_runs([1.0], 2).tolist() == []


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_a_clipped_sine_is_found_where_it_is_cut(dtype) -> None:
    sine = 1000 * np.sin(2 * np.pi * np.arange(PRIME) / 100 + 0.1)
    limit = 800
    x = sine.clip(-limit, limit).astype(dtype)
    expected = runs_by_hand(np.abs(sine) >= limit)
    expected = [run for run in expected if run[1] - run[0] >= 3]
    before = x.copy()
    assert clipped_runs(x).tolist() == expected
    assert clipped_runs(x, level=limit).tolist() == expected
    np.testing.assert_array_equal(x, before)
    assert clipped_runs(sine).tolist() == []


def test_clipping_on_one_side_and_near_the_limit() -> None:
    x = np.array([0.0, 10.0, 9.99, 10.0, 1.0, -3.0, 0.0])
    assert clipped_runs(x).tolist() == []
    assert clipped_runs(x, tolerance=0.01).tolist() == [[1, 4]]


def test_a_constant_is_not_clipped_and_int_limits_do_not_overflow() -> None:
    assert clipped_runs(np.full(10, 5)).tolist() == []
    x = np.array([0, -(2**31), -(2**31), -(2**31), 0], dtype=np.int32)
    assert clipped_runs(x, level=2**31 - 1).tolist() == [[1, 4]]
    assert clipped_runs([]).tolist() == []
    assert clipped_runs([1.0], level=1.0, shortest=1).tolist() == [[0, 1]]
    assert clipped_runs([NAN, 2.0, 2.0, 2.0, NAN, 0.0]).tolist() == [[1, 4]]


@given(st.lists(st.tuples(st.integers(0, 19), st.integers(1, 5))), st.integers(0, 4))
def test_widened_runs_cover_the_original_runs(pairs, more) -> None:
    mask = np.zeros(20, bool)
    for start, n in pairs:
        mask[start : start + n] = True
    wide = np.zeros(20, bool)
    for start, stop in widened(runs_of(mask), more, 20).tolist():
        wide[start:stop] = True
    near = [mask[max(0, i - more) : i + more + 1].any() for i in range(20)]
    assert wide.tolist() == near


@pytest.mark.parametrize(
    "call",
    [
        lambda: interpolate_gaps([1.0], -1),
        lambda: flat_runs([1, 2], 1),
        lambda: flat_runs([[1, 2]], 2),
        lambda: clipped_runs([1, 2], shortest=0),
        lambda: clipped_runs([1, 2], level=0),
        lambda: clipped_runs([1, 2], tolerance=0.6),
        lambda: runs_of([[True]]),
    ],
)
def test_parameters_out_of_range(call) -> None:
    with pytest.raises(ParameterError):
        call()
