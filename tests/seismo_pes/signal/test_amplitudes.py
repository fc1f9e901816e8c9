import numpy as np
import pytest

from seismo_pes.signal.amplitudes import peak_and_rms
from seismo_pes.signal.errors import ParameterError


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", [1e-42, 1e-25, 1.0, 1e30])
@pytest.mark.parametrize("n", [1, 300, 10_001])
def test_values_of_float64(dtype, size, n):
    """Squares of these sizes would be 0 or infinite in float32."""
    draw = np.random.default_rng(n)
    x = (size * draw.standard_normal((40, n))).astype(dtype)
    peaks, rms = peak_and_rms(x)
    exact = x.astype(np.float64)
    assert peaks.tolist() == np.abs(exact).max(axis=1).tolist()
    # scaled by the reciprocal of the peak, then summed in the precision of the record
    largest_error = 8 * np.finfo(dtype).eps
    expected = size * np.sqrt(np.mean((exact / size) ** 2, axis=1))
    np.testing.assert_allclose(rms, expected, rtol=largest_error)


def test_a_record_alone_has_the_same_digits():
    """Products that are made again are compared to the last digits."""
    x = np.random.default_rng(1).standard_normal((30, 10_001), np.float32)
    together = np.array(peak_and_rms(x))
    alone = np.array([peak_and_rms(row) for row in x]).T
    assert alone.tolist() == together.tolist()


def test_difficult_records():
    x = np.array([[0.0, 0.0], [-2.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]], np.float32)
    kept = x.copy()
    peaks, rms = peak_and_rms(x)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(peaks, [0, 2, np.nan, np.inf])
    np.testing.assert_allclose(rms[:2], [0, np.sqrt(2)])
    assert not np.isfinite(rms[2:]).any()
    assert peak_and_rms(np.ones((2, 3, 4)))[0].shape == (2, 3)
    assert peak_and_rms(np.ones((0, 4)))[0].shape == (0,)
    with pytest.raises(ParameterError, match="complex"):
        peak_and_rms([1j])
    with pytest.raises(ParameterError, match="no samples"):
        peak_and_rms(np.ones((2, 0)))
