import numpy as np
import pytest

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.time_axis import Axis, resampling

AXES = [
    (Axis(0.0, 0.1, 900), Axis(3.03, 0.1, 700)),
    (Axis(-2.0, 0.05, 2000), Axis(1.0, 0.125, 600)),
    (Axis(0.0, 0.0123, 6000), Axis(5.0, 0.25, 200)),
    (Axis(0.0, 0.25, 400), Axis(10.01, 0.1, 600)),
]


@pytest.mark.parametrize(("old", "new"), AXES)
def test_a_sine_keeps_its_phase_at_any_ratio(old, new):
    omega = 2 * np.pi * 0.3 / max(old.delta_s, new.delta_s)  # 0.6 of Nyquist
    times = [axis.start_s + np.arange(axis.n) * axis.delta_s for axis in (old, new)]
    window = np.exp(-(((times[0] - times[0].mean()) / (0.2 * np.ptp(times[0]))) ** 6))
    y = resampling(old, new).apply(np.sin(omega * times[0]) * window)
    middle = slice(new.n * 2 // 5, new.n * 3 // 5)
    expected = np.sin(omega * times[1]) * np.exp(
        -(((times[1] - times[0].mean()) / (0.2 * np.ptp(times[0]))) ** 6)
    )
    # the error of the interpolating function in its pass band
    np.testing.assert_allclose(y[middle], expected[middle], rtol=0, atol=2e-4)


def test_frequencies_above_the_new_nyquist_are_removed():
    old, new = Axis(0.0, 0.01, 20_000), Axis(0.0, 0.07, 2800)
    x = np.sin(2 * np.pi * 8.0 * np.arange(old.n) * old.delta_s)  # Nyquist: 7.14 Hz
    y = resampling(old, new).apply(x)
    assert np.abs(y[200:-200]).max() < 2e-4


@pytest.mark.parametrize(("old", "new"), AXES)
def test_the_transpose_is_exact(old, new):
    random = np.random.default_rng(3)
    x, y = random.standard_normal(old.n), random.standard_normal(new.n)
    map_ = resampling(old, new)
    assert y @ map_.apply(x) == pytest.approx(map_.transpose(y) @ x, rel=1e-10)


def test_equal_axes_keep_every_sample():
    x = np.random.default_rng(4).standard_normal(100)
    map_ = resampling(Axis(1.0, 0.1, 100), Axis(1.5, 0.1, 110))
    assert map_.is_identity
    y = map_.apply(x)
    np.testing.assert_array_equal(y[:95], x[5:])
    np.testing.assert_array_equal(y[95:], 0)


def test_axes_without_samples_are_refused():
    with pytest.raises(ParameterError):
        resampling(Axis(0.0, 0.1, 0), Axis(0.0, 0.1, 5))
