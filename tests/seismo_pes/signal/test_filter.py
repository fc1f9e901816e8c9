import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy.signal import filter as reference

from seismo_pes.signal import filter as f
from seismo_pes.signal.errors import ParameterError


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize("n", [1, 997, 4000])
def test_equals_obspy_below_nyquist(zero_phase, n):
    x = np.random.default_rng(n).standard_normal(n).cumsum()
    options = {"corners": 3, "zerophase": zero_phase}
    pairs = [
        (f.bandpass(x, 20, 0.1, 2, 3, zero_phase), ("bandpass", 0.1, 2)),
        (f.bandstop(x, 20, 0.1, 2, 3, zero_phase), ("bandstop", 0.1, 2)),
        (f.lowpass(x, 20, 2, 3, zero_phase), ("lowpass", 2)),
        (f.highpass(x, 20, 0.5, 3, zero_phase), ("highpass", 0.5)),
    ]
    for y, (name, *corners) in pairs:
        wanted = getattr(reference, name)(x, *corners, 20, **options)
        assert np.abs(y - wanted).max() < 1e-9 * max(1, np.abs(wanted).max())


CORNERS_HZ = {
    "lowpass": [(1e-3,), (3.0,), (9.99,)],
    "highpass": [(1e-3,), (3.0,), (9.99,)],
    "bandpass": [(0.1, 2.0), (1e-4, 1e-3), (0.5, 0.52), (0.01, 8.0), (8.0, 9.5)],
    "bandstop": [(0.1, 2.0), (1e-4, 1e-3), (0.5, 0.52), (0.01, 8.0), (8.0, 9.5)],
}


@pytest.mark.parametrize("kind", CORNERS_HZ)
@pytest.mark.parametrize("order", [1, 2, 3, 4, 7, 20])
def test_half_of_the_power_passes_at_the_corners(kind, order):
    for corners_hz in CORNERS_HZ[kind]:
        sections = f.butterworth(kind, corners_hz, 20.0, order)
        _, response = scipy.signal.sosfreqz(sections, corners_hz, fs=20.0)
        # rounding of poles 1e-4 beside the unit circle
        np.testing.assert_allclose(np.abs(response), np.sqrt(0.5), rtol=1e-6)


def test_float32_is_accurate_in_a_narrow_band():
    x = np.random.default_rng(2).standard_normal(40 * 3600)
    wanted = f.bandpass(x, 40, 0.01, 1)
    y = f.bandpass(x.astype(np.float32), 40, 0.01, 1)
    assert y.dtype == np.float32
    assert np.abs(y - wanted).max() < 1e-5 * np.abs(wanted).max()


def test_batch_equals_rows_and_input_stays():
    x = np.random.default_rng(3).standard_normal((2, 3, 500))
    before = x.copy()
    y = f.bandpass(x, 10, 0.5, 2)
    assert np.array_equal(x, before)
    assert y.flags.c_contiguous
    assert np.allclose(y[1, 2], f.bandpass(x[1, 2], 10, 0.5, 2), atol=1e-14)


def test_amplitude_response_is_squared_butterworth():
    t = np.arange(20_000) / 10
    for hz in (0.3, 0.5, 0.8):
        y = f.lowpass(np.cos(2 * np.pi * hz * t), 10, 0.5, corners=4)
        # Bilinear transform: the analogue frequency ratio is one of tangents.
        ratio = np.tan(np.pi * hz / 10) / np.tan(np.pi * 0.5 / 10)
        assert abs(np.abs(y[5000:15000]).max() - 1 / (1 + ratio**8)) < 2e-3


@pytest.mark.parametrize("corner", [5.0, 6.0, 0.0, -1.0, float("nan")])
def test_corner_outside_nyquist_raises(corner):
    x = np.zeros(10)
    for call in (
        lambda: f.bandpass(x, 10, 0.1, corner),
        lambda: f.bandpass(x, 10, corner, 4),
        lambda: f.bandstop(x, 10, 0.1, corner),
        lambda: f.lowpass(x, 10, corner),
        lambda: f.highpass(x, 10, corner),
    ):
        with pytest.raises(ParameterError, match="Nyquist"):
            call()


def test_other_mistakes_and_odd_inputs():
    with pytest.raises(ParameterError, match="below high_hz"):
        f.bandpass([1.0], 10, 2, 1)
    with pytest.raises(ParameterError, match="corners"):
        f.lowpass([1.0], 10, 1, corners=0)
    with pytest.raises(ParameterError, match="rate_hz"):
        f.lowpass([1.0], -10, 1)
    assert f.lowpass(np.empty((2, 0)), 10, 1).shape == (2, 0)
    assert f.lowpass([1, 2], 10, 1).dtype == np.float64
    assert np.isnan(f.lowpass([1.0, np.nan, 1.0], 10, 1)).any()
    assert (f.bandpass(np.zeros(50), 10, 1, 2) == 0).all()


@settings(deadline=None, max_examples=30)
@given(st.floats(-10, 10), st.integers(0, 2**32 - 1))
def test_is_linear_and_commutes_with_time_reversal(factor, seed):
    x, y = np.random.default_rng(seed).standard_normal((2, 300))
    left = f.bandpass(x + factor * y, 10, 0.5, 2)
    right = f.bandpass(x, 10, 0.5, 2) + factor * f.bandpass(y, 10, 0.5, 2)
    assert np.allclose(left, right, rtol=0, atol=1e-11)
    middle = np.zeros(2001)
    middle[1000] = 1.0
    pulse = f.bandpass(middle, 10, 0.5, 2)
    assert np.allclose(pulse, pulse[::-1], rtol=0, atol=1e-12)
