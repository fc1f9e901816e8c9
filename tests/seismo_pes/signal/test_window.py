from fractions import Fraction
from math import ceil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.window import WindowGrid, cut, lag_axis_s, n_lags

SECOND = 10**9
DAY = 86_400


def test_half_hours_of_a_day():
    grid = WindowGrid(1_600_000_000 * SECOND, 1800 * SECOND, 1800 * SECOND)
    windows = grid.windows_between(grid.origin_ns, grid.origin_ns + DAY * SECOND)
    assert windows == range(48)
    assert grid.first_sample(47, 20.0) == 47 * 36_000
    assert grid.stop_sample(47, 20.0) == 48 * 36_000
    assert grid.n_samples(20.0) == 36_000
    assert grid.start_ns(1) == grid.origin_ns + 1800 * SECOND


def test_windows_are_wholly_inside():
    grid = WindowGrid(0, 100, 30)
    assert grid.windows_between(0, 99) == range(0)
    assert grid.windows_between(0, 100) == range(1)
    assert grid.windows_between(1, 131) == range(1, 2)
    assert grid.windows_between(-500, 160) == range(3)
    assert len(grid.windows_between(50, 60)) == 0


@settings(deadline=None, max_examples=30)
@given(
    st.integers(0, 10**6),
    st.integers(1, 10**13),
    st.integers(1, 10**13),
    st.sampled_from([1.0, 20.0, 0.1, 1 / 3, 99.7, 12.5, 1000.0, 31.25]),
)
def test_samples_by_exact_fractions(k, length, step, rate):
    grid = WindowGrid(0, length, step)
    exact = exact_rate(rate)
    slack = Fraction(1, 10**6)
    first = ceil(Fraction(k * step, SECOND) * exact - slack)
    assert grid.first_sample(k, rate) == first
    stop = ceil(Fraction(k * step + length, SECOND) * exact - slack)
    n_max = ceil(Fraction(length, SECOND) * exact - slack)
    assert grid.stop_sample(k, rate) == min(stop, first + n_max)
    ks = np.array([0, k, k + 1])
    firsts = grid.first_sample(ks, rate)
    assert firsts.tolist() == [grid.first_sample(int(i), rate) for i in ks]
    assert firsts.dtype == np.int64
    stops = grid.stop_sample(ks, rate)
    assert stops.tolist() == [grid.stop_sample(int(i), rate) for i in ks]


def test_a_step_that_is_no_whole_sample():
    # 12.5 Hz, 1 s: 12 or 13 samples by turns, and none is lost or used twice.
    grid = WindowGrid(0, SECOND, SECOND)
    x = np.arange(1.0, 126.0)
    data, covered, n = cut(x, 0, grid, 12.5, range(10))
    assert covered.all()
    assert n.tolist() == [13, 12] * 5
    assert data.shape == (10, 13)
    kept = np.concatenate([row[:m] for row, m in zip(data, n, strict=True)])
    assert np.array_equal(kept, x)
    assert (data[1, 12:] == 0).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_cut_marks_windows_that_are_not_covered(dtype):
    grid = WindowGrid(0, 10 * SECOND, 5 * SECOND)
    x = np.arange(100, 142).astype(dtype)
    before = x.copy()
    out = cut(x, 100, grid, 1.0, range(18, 30))
    assert out.covered.tolist() == [
        k * 5 >= 100 and k * 5 + 10 <= 142 for k in range(18, 30)
    ]
    for row, k in enumerate(range(18, 30)):
        wanted = np.arange(5 * k, 5 * k + 10) if out.covered[row] else np.zeros(10)
        assert np.array_equal(out.data[row], wanted)
    assert (out.n_samples == 10).all()
    assert out.data.dtype == (np.float64 if dtype == np.int32 else dtype)
    out.data[:] = -1
    assert np.array_equal(x, before)


def test_cut_takes_components_and_nothing():
    grid = WindowGrid(0, 2 * SECOND, 2 * SECOND)
    x = np.arange(12.0).reshape(3, 4)
    data, covered, _ = cut(x, 0, grid, 1.0, range(2))
    assert np.array_equal(data, x.reshape(3, 2, 2))
    assert covered.all()
    assert cut(x, 0, grid, 1.0, range(0)).data.shape == (3, 0, 2)
    assert not cut(np.empty(0), 0, grid, 1.0, range(2)).covered.any()
    with pytest.raises(ParameterError, match="no sample"):
        cut(x, 0, WindowGrid(0, 1, SECOND), 1e-3, range(1))


def test_lag_axis_is_symmetric_and_exact():
    lags = lag_axis_s(120.0, 20.0)
    assert lags.size == 4801
    assert lags[2400] == 0
    assert np.array_equal(lags, -lags[::-1])
    assert lags[-1] == 120.0
    assert n_lags(0.3, 10.0) == 3  # 0.3 * 10 is just below 3 in binary
    assert n_lags(0.29, 10.0) == 2
    assert n_lags(0.0, 10.0) == 0


def test_wrong_parameters_are_named():
    for call, name in [
        (lambda: WindowGrid(0, 0, 1), "length_ns"),
        (lambda: WindowGrid(0, 1, -1), "step_ns"),
        (lambda: WindowGrid(0, 1, 1).first_sample(0, 0.0), "rate_hz"),
        (lambda: lag_axis_s(-1, 1), "max_lag_s"),
        (lambda: lag_axis_s(float("nan"), 1), "max_lag_s"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()
