import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal._arrays import as_complex
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.whiten import band_weights, whiten, whiten_psd

COMPLEX = [np.complex64, np.complex128]


def noise(*shape, dtype=np.complex128, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).astype(dtype)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_spectra_of_either_precision_are_not_copied(dtype):
    spectrum = noise(3, 5, dtype=dtype)
    assert as_complex(spectrum, "spectrum") is spectrum
    assert as_complex(spectrum.real, "spectrum").dtype == dtype
    with pytest.raises(ParameterError, match="spectrum: a scalar"):
        as_complex(spectrum[0, 0], "spectrum")


def test_band_is_one_inside_and_hann_outside():
    n_fft, rate = 36_000, 20.0
    weights, bins = band_weights(n_fft, rate, 0.1, 2.0)
    f = np.fft.rfftfreq(n_fft, 1 / rate)
    inside = (f >= 0.1 - 1e-12) & (f <= 2.0 + 1e-12)
    assert (weights[inside] == 1).all()
    assert weights.dtype == np.float32
    below, above = 0.1 * 2 ** (-1 / 3), 2.0 * 2 ** (1 / 3)
    assert (weights[(f <= below) | (f >= above)] == 0).all()
    edge = (f > 2.0) & (f < above)
    flank = np.cos(np.pi / 2 * (f[edge] - 2) / (above - 2)) ** 2
    assert np.allclose(weights[edge], flank, atol=1e-6)
    assert (weights[bins] > 0).all()
    assert weights[bins].size == np.count_nonzero(weights)


def test_edges_stop_at_zero_and_nyquist():
    weights, bins = band_weights(100, 10.0, 0.0, 5.0)
    assert bins == slice(0, 51)
    assert (weights == 1).all()
    weights, _ = band_weights(1000, 1.0, 0.08, 0.4)
    assert weights[-1] < 1e-3
    assert weights[400] == 1


@pytest.mark.parametrize("band", [(2, 1), (1, 1), (-1, 2), (1, 5.1), (6, 7)])
def test_wrong_bands_raise(band):
    with pytest.raises(ParameterError, match="Nyquist"):
        band_weights(100, 10.0, *band)


def test_other_mistakes():
    with pytest.raises(ParameterError, match="between two bins"):
        band_weights(10, 10.0, 1.2, 1.3, taper_octaves=0)
    with pytest.raises(ParameterError, match="do not fit"):
        whiten(np.ones(4, complex), np.ones(3))
    with pytest.raises(ParameterError, match="smooth_bins"):
        whiten(np.ones(4, complex), np.ones(4), smooth_bins=-1)
    with pytest.raises(ParameterError, match="components"):
        whiten(np.ones(4, complex), np.ones(4), across_components=True)
    with pytest.raises(ParameterError, match="axis of windows"):
        whiten_psd(np.ones(4, complex), np.ones(4))


@pytest.mark.parametrize("dtype", COMPLEX)
def test_amplitude_is_the_weight_and_phase_stays(dtype):
    s = noise(3, 200, dtype=dtype)
    before = s.copy()
    weights = np.linspace(0, 1, 200).astype(s.real.dtype)
    w = whiten(s, weights)
    eps = np.finfo(s.real.dtype).eps
    assert w.dtype == dtype
    assert np.allclose(np.abs(w), weights, rtol=0, atol=4 * eps)
    assert np.allclose(w, weights * np.exp(1j * np.angle(s)), rtol=0, atol=8 * eps)
    assert np.array_equal(s, before)


@pytest.mark.parametrize("dtype", COMPLEX)
def test_silence_stays_silent(dtype):
    s = np.zeros((2, 5), dtype)
    s[1] = [1, 1e-30, 0, 1j, 2]
    for w in (whiten(s, np.ones(5)), whiten(s, np.ones(5), smooth_bins=1)):
        assert (w[0] == 0).all()
        assert np.isfinite(w).all()
    w = whiten(s, np.ones(5))
    assert np.allclose(w[1], [1, 0, 0, 1j, 1])
    assert whiten(np.empty((2, 0), dtype), np.ones(0)).shape == (2, 0)
    assert np.isnan(whiten(np.full((1, 3), np.nan, dtype), np.ones(3))).all()


def test_smoothing_divides_by_the_running_mean():
    s = noise(2, 60)
    w = whiten(s, np.ones(60), smooth_bins=3)
    magnitude = np.abs(s)
    for i in (0, 1, 30, 59):
        mean = magnitude[:, max(0, i - 3) : i + 4].mean(axis=1)
        assert np.allclose(w[:, i], s[:, i] / mean)


def test_components_keep_their_ratios():
    s = noise(3, 50)
    w = whiten(s, np.ones(50), across_components=True)
    assert np.allclose(w[0] / w[1], s[0] / s[1])
    assert np.allclose(np.abs(w).mean(axis=0), 1)


def test_psd_whitening_keeps_phases_and_flattens():
    colour = np.exp(-np.arange(400) / 100)
    s = noise(200, 400) * colour
    w = whiten_psd(s, np.ones(400), smooth_bins=10)
    assert np.allclose(np.angle(w), np.angle(s), atol=1e-12)
    power = (np.abs(w) ** 2).mean(axis=0)
    assert np.abs(power - 1).max() < 0.4
    assert np.allclose(w[3] / w[4], s[3] / s[4])


@settings(deadline=None, max_examples=30)
@given(st.floats(1e-6, 1e6), st.integers(0, 2**32 - 1))
def test_does_not_depend_on_the_units(factor, seed):
    s = noise(30, seed=seed)
    assert np.allclose(whiten(factor * s, np.ones(30)), whiten(s, np.ones(30)))
