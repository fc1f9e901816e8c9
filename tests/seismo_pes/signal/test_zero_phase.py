import numpy as np
import pytest
from scipy import signal

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.zero_phase import symmetric_bandpass

RATE_HZ = 20.0


def test_it_is_a_butterworth_filter_forward_and_backward():
    x = np.random.default_rng(1).standard_normal(4000)
    sos = signal.butter(4, [0.5, 2.0], "bandpass", fs=RATE_HZ, output="sos")
    padded = np.pad(x, 4000)
    expected = signal.sosfilt(sos, signal.sosfilt(sos, padded)[::-1])[::-1]
    y = symmetric_bandpass(x, RATE_HZ, 0.5, 2.0, 4)
    # the same response; both have zeros around the record, of finite length
    np.testing.assert_allclose(y, expected[4000:8000], rtol=0, atol=1e-9)


def test_it_is_its_own_transpose():
    x, y = np.random.default_rng(2).standard_normal((2, 777))
    left = y @ symmetric_bandpass(x, RATE_HZ, 0.1, 3.0)
    right = x @ symmetric_bandpass(y, RATE_HZ, 0.1, 3.0)
    assert left == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("band", [(0.0, 1.0), (2.0, 1.0), (1.0, 10.0)])
def test_other_corners_are_refused(band):
    with pytest.raises(ParameterError):
        symmetric_bandpass(np.ones(10), RATE_HZ, *band)
