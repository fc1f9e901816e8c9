"""Shifts by a part of a sample against waves that are known everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.shift import phase_shift

PRIME = 1009
N = np.arange(PRIME)


@pytest.mark.parametrize("shift", [-1.0, -0.37, 0.1, 0.5, 1.0])
@pytest.mark.parametrize("omega", [0.05, 0.5, 1.5, 2.5])
def test_a_wave_moves(omega, shift) -> None:
    moved = phase_shift(np.sin(omega * N + 0.4), shift)
    error = np.abs(moved - np.sin(omega * (N + shift) + 0.4))
    # errors from the ends, see the docstring
    assert error[20:-20].max() < 3e-3
    assert error[100:-100].max() < 2e-4


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_lines_are_exact_and_the_type_stays(dtype) -> None:
    x = (3 * N + 2).astype(dtype)
    before = x.copy()
    moved = phase_shift(np.stack([x, -x]), 0.25)
    assert moved.dtype == dtype
    np.testing.assert_allclose(moved[0], x + 0.75, rtol=1e-6)
    np.testing.assert_allclose(moved[1], -x - 0.75, rtol=1e-6)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("x", [[], [5.0], [1.0, 1.0], np.full(PRIME, 7.0)])
def test_short_and_constant_records(x) -> None:
    np.testing.assert_allclose(phase_shift(x, 0.3), x, rtol=1e-12)


def test_nan_spreads_over_its_record_only() -> None:
    x = np.stack([np.sin(N), np.sin(N)])
    x[0, 10] = np.nan
    moved = phase_shift(x, 0.3)
    assert np.isnan(moved[0]).all()
    assert np.isfinite(moved[1]).all()


def test_no_shift_is_a_copy() -> None:
    x = np.sin(N)
    moved = phase_shift(x, 0.0)
    np.testing.assert_array_equal(moved, x)
    assert not np.shares_memory(moved, x)


@given(st.floats(-1, 1), st.floats(-1, 1), st.integers(3, 200))
def test_a_shift_is_linear_and_reversible(shift, factor, n) -> None:
    rng = np.random.default_rng(n)
    x, y = rng.normal(size=(2, n))
    both = phase_shift(x + factor * y, shift)
    apart = phase_shift(x, shift) + factor * phase_shift(y, shift)
    np.testing.assert_allclose(both, apart, atol=1e-9)
    smooth = np.sin(0.2 * np.arange(300))
    back = phase_shift(phase_shift(smooth, shift), -shift)
    np.testing.assert_allclose(back[30:-30], smooth[30:-30], atol=1e-4)


@pytest.mark.parametrize("shift", [1.01, -2.0, float("nan")])
def test_larger_shifts_are_refused(shift) -> None:
    with pytest.raises(ParameterError, match="from -1 to 1"):
        phase_shift([1.0, 2.0], shift)
