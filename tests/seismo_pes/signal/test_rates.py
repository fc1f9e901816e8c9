from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.resample import rate_ratio
from seismo_pes.signal.window import WindowGrid


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 300), st.sampled_from(["f4", "f8"]))
def test_fractions_are_found_again(p, q, kind):
    exact = Fraction(p, q)
    if kind == "f4" and max(exact.numerator, exact.denominator) > 1000:
        return  # single precision does not distinguish them
    if kind == "f8":
        assert exact_rate(p / q) == exact
    elif exact.denominator == 1 or exact.numerator == 1:
        assert exact_rate(float(np.float32(p / q))) == exact


@settings(max_examples=100, deadline=None)
@given(st.floats(1e-6, 1e5))
def test_no_rate_moves_by_more_than_a_millionth(rate_hz):
    assert abs(float(exact_rate(rate_hz)) / rate_hz - 1) < 1.1e-6


@pytest.mark.parametrize("rate_hz", [0.0, -1.0, np.nan, np.inf, 9e-7, 1e-300])
def test_invalid_rates_are_refused(rate_hz):
    with pytest.raises(ParameterError, match="rate_hz"):
        exact_rate(rate_hz)


@pytest.mark.parametrize("rate_hz", [1 / 3, 100.00000223, 0.1, 99.7, 18.18, 1e-6])
def test_windows_and_ratios_go_by_the_same_rule(rate_hz):
    grid = WindowGrid(0, 10**15, 10**15)
    n = exact_rate(rate_hz) * 10**6
    assert abs(grid.n_samples(rate_hz) - n) <= 1
    assert rate_ratio(rate_hz, float(exact_rate(rate_hz))) == 1
