import numpy as np
import pytest

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.folding import sides, signal_to_noise


def test_sides():
    c = np.array([[1.0, 2.0, 3.0, 4.0, 5.0]], np.float32)
    causal, acausal, symmetric = sides(c)
    assert causal.tolist() == [[3, 4, 5]]
    assert acausal.tolist() == [[3, 2, 1]]
    assert symmetric.tolist() == [[3, 3, 3]]
    assert symmetric.dtype == np.float32
    with pytest.raises(ParameterError, match="odd"):
        sides(np.ones(4))


def test_signal_to_noise():
    lag = np.arange(-50, 51) / 10
    c = np.where(np.abs(lag) < 2, 3 * np.sin(np.pi * lag), np.cos(20 * np.pi * lag))
    ratio = signal_to_noise(c, 10.0, (0, 1.9), (3, 5))
    assert abs(ratio - 3) < 1e-12
    assert signal_to_noise(np.zeros(5), 1, (0, 1), (2, 2)) == 0
    assert signal_to_noise([0, 0, 1.0, 0, 0], 1, (0, 1), (2, 2)) == np.inf
    assert np.isnan(signal_to_noise([0, np.nan, 1.0, 0, 1], 1, (0, 1), (2, 2)))
    with pytest.raises(ParameterError, match="noise_s"):
        signal_to_noise(c, 10, (0, 1), (6, 7))
