import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.taper import taper, taper_s


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_is_half_a_hann_window_at_each_side(dtype):
    x = np.ones((2, 101), dtype)
    y = taper(x, 10, 20)
    hann = scipy.signal.windows.hann
    assert np.allclose(y[0, :10], hann(20, sym=False)[:10], atol=1e-7)
    assert np.allclose(y[0, -20:][::-1], hann(40, sym=False)[:20], atol=1e-7)
    assert (y[:, 10:-20] == 1).all()
    assert y.dtype == dtype
    assert (x == 1).all()


def test_longer_than_half_the_record_is_a_full_hann():
    y = taper(np.ones(10), 1000)
    assert np.allclose(y[:5], y[:4:-1])
    assert y[0] == y[-1] == 0
    assert np.allclose(y[:5], np.sin(np.pi * np.arange(5) / 10) ** 2)
    assert np.allclose(taper(np.ones(9), 100, 0)[-1], np.sin(np.pi * 8 / 18) ** 2)


def test_odd_inputs():
    assert taper(np.empty(0), 5).shape == (0,)
    assert taper([3.0], 0) == 3
    assert taper([3.0], 5) == 0
    assert np.isnan(taper([np.nan] * 3, 1)).all()
    assert taper_s(np.ones(100), 1.0, 20.0)[20] == 1
    for bad in (-1, 1.5):
        with pytest.raises(ParameterError, match="n_left"):
            taper([1.0], bad)
    with pytest.raises(ParameterError, match="0 s"):
        taper_s([1.0], -1, 1)
    with pytest.raises(ParameterError, match="rate_hz"):
        taper_s([1.0], 1, 0)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 50), st.integers(0, 60), st.integers(0, 60))
def test_weights_are_between_zero_and_one(n, left, right):
    y = taper(np.ones(n), left, right)
    assert ((y >= 0) & (y <= 1)).all()
    assert np.allclose(y[::-1], taper(np.ones(n), right, left), atol=1e-12) or (
        left + right > n  # the share of an odd record is rounded to one side
    )
