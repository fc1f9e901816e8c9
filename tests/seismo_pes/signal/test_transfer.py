from unittest import mock

import numpy as np
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import transfer as module
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.transfer import apply, transfer


def plain(x, bins, modulus):
    """The same by one transform of the padded record."""
    n_fft = 2 * (len(bins) - 1)
    spectrum = scipy.fft.rfft(x, n_fft) * bins
    if modulus:
        spectrum[-1] = abs(spectrum[-1])
    return scipy.fft.irfft(spectrum, n_fft)[: len(x)]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.sampled_from([1, 16, 200]),
    st.integers(0, 1000),
    st.booleans(),
)
def test_equals_the_padded_transform(n, n_samples, short, seed, modulus):
    rng = np.random.default_rng(seed)
    bins = rng.standard_normal(n + 1) + 1j * rng.standard_normal(n + 1)
    bins[0] = bins[0].real
    x = rng.standard_normal(min(n, n_samples))
    with mock.patch.object(module, "_SHORT", short):
        result = apply(x, transfer(bins), modulus)
    assert np.allclose(result, plain(x, bins, modulus), rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [172_800, 3**7 * 64, 2 * 65_537])
def test_equals_the_padded_transform_of_long_records(n):
    rng = np.random.default_rng(n)
    bins = rng.standard_normal(n + 1) + 1j * rng.standard_normal(n + 1)
    bins[0] = bins[0].real
    output = transfer(bins)
    assert output.odd
    assert output.nbytes == pytest.approx(16 * n, rel=1e-3)
    for n_samples in (n, n - 777):
        x = rng.standard_normal(n_samples)
        result = apply(x, output, nyquist_modulus=True)
        expected = plain(x, bins, modulus=True)
        assert np.allclose(result, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("n", [1000, 1001])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_delay_does_not_wrap_around(n, dtype):
    # an even delay: at Nyquist its transfer function is 1
    bins = np.exp(-2j * np.pi * np.arange(n + 1) * 300 / (2 * n))
    x = np.random.default_rng(1).standard_normal(n).astype(dtype)
    result = apply(x, transfer(bins))
    assert result.dtype == dtype
    # the phases of the bins, some hundred turns, have lost three digits
    atol = 1e4 * np.finfo(dtype).eps
    assert np.allclose(result[300:], x[:-300], rtol=0, atol=atol)
    assert np.abs(result[:300]).max() < atol


def test_mistakes():
    for bins in (np.ones(1), np.ones((2, 2))):
        with pytest.raises(ParameterError, match="bins"):
            transfer(bins)
    with pytest.raises(ParameterError, match="fit 4 samples"):
        apply(np.ones(5), transfer(np.ones(5)))
    with pytest.raises(ParameterError, match="fit"):
        apply(np.ones((2, 3)), transfer(np.ones(5)))
