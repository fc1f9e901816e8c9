import tracemalloc

import numpy as np
import pytest
import scipy.signal
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import resample as r
from seismo_pes.signal.errors import ParameterError

RATES = [(40, 4), (40, 20), (100, 20), (50, 40), (20, 25), (1, 3), (40, 25), (7, 3)]


@pytest.mark.parametrize(("rate_in", "rate_out"), RATES)
def test_passband_is_flat_and_the_first_sample_keeps_its_time(rate_in, rate_out):
    n = 400 * rate_in
    nyquist = min(rate_in, rate_out) / 2
    for part in (0.05, 0.5, 0.8):
        w = 2 * np.pi * part * nyquist
        x = np.cos(w * np.arange(n) / rate_in + 0.3)
        y = r.resample(x, rate_in, rate_out)
        assert y.size == -(-n * rate_out // rate_in)
        wanted = np.cos(w * np.arange(y.size) / rate_out + 0.3)
        inner = slice(40 * y.size // 400, -40 * y.size // 400)
        assert np.abs(y - wanted)[inner].max() < 1e-4  # documented: 0.01 %


@pytest.mark.parametrize("factor", [2, 5, 10])
def test_aliases_are_below_minus_90_db(factor):
    n = 60_000
    for part in (1.001, 1.2, 1.5, 2.0, 2.7):
        hz = part / (2 * factor)
        if hz >= 0.5:
            continue
        x = np.cos(2 * np.pi * hz * np.arange(n))
        y = r.decimate(x, factor)
        margin = 200
        assert np.abs(y[margin:-margin]).max() < 10 ** (-90 / 20)


@pytest.mark.parametrize("shape", [(1,), (2, 3, 329), (3, 330), (331,), (2, 40_000)])
@pytest.mark.parametrize(
    ("p", "q"), [(1, 2), (1, 5), (1, 100), (2, 5), (4, 5), (3, 1), (5, 3), (40, 37)]
)
def test_equals_polyphase_filtering(p, q, shape):
    x = np.random.default_rng(5).standard_normal(shape)
    taps = scipy.signal.firwin(
        2 * 33 * max(p, q) + 1, 0.9 / max(p, q), window=("kaiser", 10.06)
    )
    wanted = scipy.signal.resample_poly(x, p, q, axis=-1, window=taps)
    y = r.resample(x, q, p)
    assert y.shape == wanted.shape
    assert np.abs(y - wanted).max() < 1e-12


@pytest.mark.parametrize(("p", "q"), [(1, 400), (400, 1), (501, 500), (9999, 10_000)])
def test_ratios_of_large_terms_give_the_same_by_transforms(p, q):
    x = np.random.default_rng(5).standard_normal(3 * max(q, 4000))
    taps = scipy.signal.firwin(
        2 * 33 * max(p, q) + 1, 0.9 / max(p, q), window=("kaiser", 10.06)
    )
    wanted = scipy.signal.resample_poly(x, p, q, window=taps)
    y = r.resample(x, q, p)
    # The spectrum is cut where the filter is at -100 dB; that is the difference.
    assert np.abs(y - wanted).max() < 3e-5


def test_samples_that_are_not_finite_affect_only_neighbours():
    x = np.ones((2, 20_000))
    x[1, 10_000] = np.inf
    y = r.resample(x, 100, 20)
    assert np.isfinite(y[0]).all()
    assert not np.isfinite(y[1, 1967:2034]).any()
    assert np.isfinite(y[1, :1900]).all()
    assert np.isfinite(y[1, 2100:]).all()


@pytest.mark.parametrize(
    ("rate_in", "rate_out"), [(99.99, 100.0), (100.0, 99.99), (100.0, 18.18)]
)
@pytest.mark.parametrize("n", [5, 200_003])
def test_odd_ratios_cost_no_more_than_others(rate_in, rate_out, n):
    w = 2 * np.pi * 3.0
    x = np.cos(w * np.arange(n) / rate_in)
    tracemalloc.start()
    try:
        y = r.resample(x, rate_in, rate_out)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    wanted = np.cos(w * np.arange(y.size) / rate_out)
    assert y.size == -(-n * round(100 * rate_out) // round(100 * rate_in))
    assert np.abs(y - wanted)[200:-200].max(initial=0.0) < 1e-4
    # the filter at 10,000 times the lower rate, and a dozen copies of the record
    assert peak < 100e6


@pytest.mark.parametrize("n", [1, 2, 3, 10, 997])
@pytest.mark.parametrize(("p", "q"), [(1, 10), (3, 7), (5, 2)])
def test_length_type_and_input(n, p, q):
    x = np.ones((2, n), np.float32)
    y = r.resample(x, q, p)
    assert y.shape == (2, -(-n * p // q))
    assert y.dtype == np.float32
    assert (x == 1).all()


def test_float32_follows_float64():
    x = np.random.default_rng(6).standard_normal(14_400)
    y = r.resample(x.astype(np.float32), 40, 4)
    assert np.abs(y - r.resample(x, 40, 4)).max() < 3e-6


def test_odd_inputs_and_mistakes():
    assert r.resample(np.empty((3, 0)), 2, 1).shape == (3, 0)
    assert np.isnan(r.resample([np.nan, 1.0, 2.0], 2, 1)).any()
    x = np.arange(5.0)
    y = r.resample(x, 7.5, 7.5)
    assert np.array_equal(x, y)
    assert not np.shares_memory(x, y)
    with pytest.raises(ParameterError, match="ratio p/q"):
        r.resample(x, 100.0, 99.99973)
    with pytest.raises(ParameterError, match="rate_out_hz"):
        r.resample(x, 1, 0)
    with pytest.raises(ParameterError, match="factor"):
        r.decimate(x, 0)
    with pytest.raises(ParameterError, match="n_out"):
        r.resample_fourier(x, 0)
    with pytest.raises(ParameterError, match="leave the record"):
        r.interpolate_lanczos(x, 1.0, 1.0, 5)
    with pytest.raises(ParameterError, match="half_width"):
        r.interpolate_lanczos(x, 0.0, 1.0, 5, half_width=1)


@pytest.mark.parametrize("n", [16, 17])
@pytest.mark.parametrize("n_out", [8, 9, 16, 17, 31, 32])
def test_fourier_equals_scipy(n, n_out):
    x = np.random.default_rng(n).standard_normal((2, n))
    wanted = scipy.signal.resample(x, n_out, axis=-1)
    assert np.allclose(r.resample_fourier(x, n_out), wanted, atol=1e-12)


def test_lanczos_interpolates_a_band_limited_wave():
    t = np.arange(3000)
    w = 2 * np.pi * 0.8 * 0.5  # 80 % of Nyquist
    x = np.sin(w * t)
    y = r.interpolate_lanczos(x, 40.0 + 1 / 3, 0.9999973, 2900)
    wanted = np.sin(w * (40 + 1 / 3 + 0.9999973 * np.arange(2900)))
    assert np.abs(y - wanted).max() < 2e-3
    assert np.allclose(r.interpolate_lanczos(np.full(9, 4.0), 0.5, 1, 8), 4)
    assert np.allclose(r.interpolate_lanczos(x, 7, 1, 100), x[7:107], atol=1e-13)


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 2**32 - 1), st.sampled_from(RATES), st.floats(-5, 5))
def test_is_linear_and_moves_with_the_record(seed, rates, factor):
    rate_in, rate_out = rates
    x, y = np.random.default_rng(seed).standard_normal((2, 210))
    z = r.resample(x + factor * y, *rates)
    parts = r.resample(x, *rates) + factor * r.resample(y, *rates)
    assert np.allclose(z, parts, rtol=0, atol=1e-12)
    unit = np.gcd(rate_in, rate_out)
    shift_in, shift_out = rate_in // unit, rate_out // unit
    later = np.concatenate([np.zeros(shift_in), x])
    moved = r.resample(later, *rates)[shift_out:]
    # The length of the transform differs, the filter does not.
    assert np.allclose(moved, r.resample(x, *rates), rtol=0, atol=3e-4)
