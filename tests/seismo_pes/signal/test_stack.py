import numpy as np
import pytest

from seismo_pes.signal import stack
from seismo_pes.signal.errors import ParameterError


def test_linear_is_the_mean_of_those_in_use():
    x = np.random.default_rng(1).standard_normal((3, 5, 7)).astype(np.float32)
    use = np.array([True, False, True, True, False])
    assert np.allclose(stack.linear(x), x.mean(axis=1), atol=1e-7)
    assert np.allclose(stack.linear(x, use), x[:, use].mean(axis=1), atol=1e-7)
    assert stack.linear(x).dtype == np.float32
    assert (stack.linear(x, ~(use | True)) == 0).all()
    with pytest.raises(ParameterError, match="axis of windows"):
        stack.linear([1.0])
    with pytest.raises(ParameterError, match="does not fit"):
        stack.linear(x, use[:2])
