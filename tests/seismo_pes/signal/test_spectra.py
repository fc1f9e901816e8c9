import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.spectra import (
    energy,
    energy_of_spectrum,
    fft_length,
    rfft_windows,
)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 10**6), st.integers(0, 10**5))
def test_fft_length_has_room_and_small_factors(n, lags):
    n_fft = fft_length(n, lags)
    least = max(n + lags, 2 * lags + 1)
    assert least <= n_fft <= 1.5 * least + 2
    rest = n_fft
    for prime in (2, 3, 5):
        while rest % prime == 0:
            rest //= prime
    assert rest == 1


@pytest.mark.parametrize(("real", "kind"), [("f4", "c8"), ("f8", "c16"), ("i4", "c16")])
def test_spectra_of_padded_windows(real, kind):
    x = np.random.default_rng(1).integers(-9, 9, (2, 3, 37)).astype(real)
    before = x.copy()
    s = rfft_windows(x, 50)
    assert s.dtype == kind
    assert np.allclose(s, np.fft.rfft(x, 50), atol=1e-4)
    part = rfft_windows(x, 50, slice(3, 11))
    assert np.array_equal(part, s[..., 3:11])
    assert part.base is None
    assert np.array_equal(x, before)


def test_odd_inputs():
    assert rfft_windows(np.empty((0, 5), "f4"), 8, slice(1, 3)).shape == (0, 2)
    assert rfft_windows(np.empty((2, 0)), 8).shape == (2, 5)
    assert energy(np.empty((2, 0))).tolist() == [0, 0]
    with pytest.raises(ParameterError, match="n_fft"):
        rfft_windows(np.ones(9), 8)
    with pytest.raises(ParameterError, match="do not fit"):
        energy_of_spectrum(np.ones(3, complex), 8)
    with pytest.raises(ParameterError, match="n_samples"):
        fft_length(0, 1)


def test_energy_is_accumulated_in_float64():
    x = np.full(3_000_000, 0.1, np.float32)
    assert abs(energy(x) / (3e6 * float(np.float32(0.1)) ** 2) - 1) < 1e-12


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 30), st.integers(0, 2**32 - 1))
def test_parseval(n, extra, seed):
    x = np.random.default_rng(seed).standard_normal((2, n))
    n_fft = max(2, n + extra)
    s = np.fft.rfft(x, n_fft)
    assert np.allclose(energy_of_spectrum(s, n_fft), energy(x), rtol=1e-12)
    half = s.shape[-1] // 2
    parts = energy_of_spectrum(s[:, :half], n_fft, slice(0, half))
    parts = parts + energy_of_spectrum(s[:, half:], n_fft, slice(half, None))
    assert np.allclose(parts, energy(x), rtol=1e-12)
