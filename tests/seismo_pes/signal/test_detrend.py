import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import detrend as d
from seismo_pes.signal.errors import ParameterError

FUNCTIONS = {
    "demean": d.demean,
    "linear": d.detrend_linear,
    "polynomial": lambda x: d.detrend_polynomial(x, 3),
    "spline": lambda x: d.detrend_spline(x, 10),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_keeps_type_shape_and_input(name, dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal((3, 101)).astype(dtype)
    before = x.copy()
    y = FUNCTIONS[name](x)
    assert y.dtype == dtype
    assert y.shape == x.shape
    assert np.array_equal(x, before)
    assert not np.shares_memory(x, y)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_odd_inputs(name):
    f = FUNCTIONS[name]
    assert f(np.empty((2, 0))).shape == (2, 0)
    assert f([5.0]) == 0
    assert np.abs(f(np.full(50, 1e6))).max() < 1e-6
    assert f([1, 2, 3]).dtype == np.float64
    assert np.isnan(f([1.0, np.nan] * 20)).all()
    with pytest.raises(ParameterError, match="complex"):
        f([1j, 2])


@pytest.mark.parametrize("kind", ["demean", "linear"])
@pytest.mark.parametrize("n", [2, 3, 10, 997, 20_011])
def test_equals_scipy(kind, n):
    x = np.random.default_rng(n).standard_normal((4, n)).cumsum(-1)
    reference = scipy.signal.detrend(x, type="constant" if kind == "demean" else kind)
    # scipy solves the same least squares by SVD: rounding only.
    assert np.allclose(d.detrend(x, kind), reference, rtol=0, atol=1e-11)


def test_linear_keeps_float32_digits_on_a_large_offset():
    t = np.arange(100_003)
    signal = np.sin(0.01 * t)
    x = (1e4 + 0.01 * t + signal).astype(np.float32)
    wanted = d.detrend_linear(x.astype(np.float64))
    # The input itself is rounded to 1e-3; nothing may be added to that.
    assert np.abs(d.detrend_linear(x) - wanted).max() < 1e-6


def test_polynomial_equals_polyfit():
    rng = np.random.default_rng(3)
    x = rng.standard_normal((2, 211)).cumsum(-1)
    u = np.linspace(-1, 1, 211)
    for order in (0, 1, 4, 9):
        fits = [np.polynomial.polynomial.polyfit(u, row, order) for row in x]
        wanted = x - [np.polynomial.polynomial.polyval(u, c) for c in fits]
        assert np.allclose(d.detrend_polynomial(x, order), wanted, atol=1e-9)


def test_spline_removes_a_smooth_trend_and_keeps_the_noise():
    t = np.arange(2000.0)
    trend = 50 * np.sin(2 * np.pi * t / 1500)
    wave = np.sin(2 * np.pi * t / 7)
    y = d.detrend_spline(trend + wave, 200)
    assert np.abs(y - wave)[50:-50].max() < 0.2


def test_wrong_parameters_are_named():
    with pytest.raises(ParameterError, match="detrend must be one of"):
        d.detrend([1.0], "quadratic")
    with pytest.raises(ParameterError, match="order"):
        d.detrend_polynomial([1.0], 21)
    with pytest.raises(ParameterError, match="knot_spacing"):
        d.detrend_spline([1.0], 2, order=3)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.floats(-100, 100), st.floats(-100, 100), st.integers())
def test_a_line_changes_nothing(n, offset, slope, seed):
    x = np.random.default_rng(abs(seed)).standard_normal(n)
    line = offset + slope * np.arange(n)
    assert np.allclose(
        d.detrend_linear(x + line), d.detrend_linear(x), rtol=0, atol=1e-9
    )
    once = d.detrend_linear(x)
    assert np.allclose(d.detrend_linear(once), once, rtol=0, atol=1e-12)
