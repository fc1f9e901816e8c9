import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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


records = hnp.arrays(np.float64, (2, 21), elements=st.floats(-1e3, 1e3))


@settings(deadline=None, max_examples=30)
@given(records)
def test_the_other_way_round_sides_change_places(c):
    first, second = sides(c), sides(c[:, ::-1])
    assert np.array_equal(first.causal, second.acausal)
    assert np.array_equal(first.symmetric, second.symmetric)
    assert np.allclose(first.causal + first.acausal, 2 * first.symmetric)


@settings(deadline=None, max_examples=30)
@given(records, st.floats(1e-3, 1e3))
def test_signal_to_noise_does_not_depend_on_the_unit(c, factor):
    c = c + 0.1 * np.cos(np.arange(21))  # no noise at all is another case
    first, second = (signal_to_noise(x, 2.0, (0, 2), (3, 5)) for x in (c, factor * c))
    assert np.allclose(first, second, rtol=1e-9, equal_nan=True)
