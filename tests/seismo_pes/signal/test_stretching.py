import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.stretching import stretch

LAG = np.arange(-1200, 1201) / 20


def coda(at, seed=1):
    rng = np.random.default_rng(seed)
    f = np.linspace(0.5, 2, 150)
    phase = rng.uniform(0, 2 * np.pi, 150)
    return np.cos(2 * np.pi * f * at[:, None] + phase).sum(axis=1)


@settings(deadline=None, max_examples=15)
@given(st.floats(-0.015, 0.015))
def test_finds_the_true_change(dvv):
    result = stretch(coda(LAG), coda(LAG * (1 + dvv)), LAG, 10, 50)
    # The step is 1e-4; the parabola makes it a hundred times finer.
    assert abs(result.dvv - dvv) < 2e-6
    assert result.coefficient > 0.9999


def test_many_currents_at_once_and_each_side():
    changes = np.array([[0.001, -0.004], [0.0, 0.01]])
    currents = np.array([[coda(LAG * (1 + d)) for d in row] for row in changes])
    before = currents.copy()
    for side in ("both", "causal", "acausal"):
        result = stretch(coda(LAG), currents, LAG, 10, 50, side=side)
        assert result.dvv.shape == (2, 2)
        assert np.abs(result.dvv - changes).max() < 1e-5
    assert np.array_equal(currents, before)
    assert abs(result.unstretched[1, 0] - 1) < 1e-9
    first = stretch(coda(LAG), currents[0, 1], LAG, 10, 50, side="acausal")
    assert abs(first.dvv - result.dvv[0, 1]) < 1e-12


def test_causal_side_is_blind_to_the_other():
    current = coda(LAG * 1.003)
    current[LAG < 0] = np.random.default_rng(2).standard_normal((LAG < 0).sum())
    result = stretch(coda(LAG), current, LAG, 10, 50, side="causal")
    assert abs(result.dvv - 0.003) < 1e-5


def test_error_of_weaver_and_its_size():
    rng = np.random.default_rng(3)
    reference = coda(LAG)
    f = np.linspace(0.5, 2, 150)
    values = []
    for _ in range(40):
        phase = rng.uniform(0, 2 * np.pi, 150)
        noise = np.cos(2 * np.pi * f * LAG[:, None] + phase).sum(axis=1)
        values.append(reference + 0.5 * noise)
    result = stretch(reference, values, LAG, 10, 50, side="causal", band_hz=(0.5, 2.0))
    c = result.coefficient
    omega = 2 * np.pi * 1.25
    wanted = np.sqrt(1 - c**2) / (2 * c)
    wanted *= np.sqrt(6 * np.sqrt(np.pi / 2) / 1.5 / omega**2 / (50**3 - 10**3))
    assert np.allclose(result.error, wanted)
    assert 0.4 < result.error.mean() / result.dvv.std() < 2.5
    assert np.isnan(stretch(reference, reference, LAG, 10, 50).error)


def test_silence_has_no_change():
    x = coda(LAG)
    result = stretch(x, np.stack([0 * x, x]), LAG, 10, 50)
    assert np.isnan(result.dvv[0])
    assert abs(result.dvv[1]) < 1e-7
    assert np.isnan(stretch(0 * x, x, LAG, 10, 50).dvv)


def test_wrong_parameters_are_named():
    x = coda(LAG)
    for call, name in [
        (lambda: stretch(x, x[1:], LAG, 1, 2), "do not fit"),
        (lambda: stretch(x, x, LAG[::-1], 1, 2), "rise"),
        (lambda: stretch(x, x * np.nan, LAG, 1, 2), "finite"),
        (lambda: stretch(x, x, LAG, 2, 1), "low_s"),
        (lambda: stretch(x, x, LAG, 100, 101), "fewer than 4"),
        (lambda: stretch(x, x, LAG, 1, 2, max_dvv=1), "max_dvv"),
        (lambda: stretch(x, x, LAG, 1, 2, n_steps=10), "n_steps"),
        (lambda: stretch(x, x, LAG, 1, 2, side="left"), "side"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()
