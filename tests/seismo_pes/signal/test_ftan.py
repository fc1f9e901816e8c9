import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.ftan import ftan
from seismo_pes.signal.ftan_image import ftan_image

RATE, DISTANCE = 10.0, 250.0
PERIODS = np.geomspace(3, 30, 25)
F = np.fft.rfftfreq(8192, 1 / RATE)


def phase_velocity(f):
    return 2.8 + 0.9 * np.exp(-f / 0.12)


def wave(shift=np.pi / 4, distance=DISTANCE):
    """A dispersive wave of known velocities: cos(w t - k x + shift), summed."""
    k = 2 * np.pi * F / phase_velocity(F)
    envelope = np.exp(-((np.log(np.maximum(F, 1e-9) / 0.15) / 1.2) ** 2))
    return np.fft.irfft(envelope * np.exp(1j * (shift - k * distance)), 8192)


def group_velocity(f):
    w = 2 * np.pi * F[1:]
    return np.interp(f, F[1:], np.gradient(w, w / phase_velocity(F[1:])))


@pytest.mark.parametrize("shift", [np.pi / 4, -np.pi / 4, 0.0])
def test_group_and_phase_velocity_of_a_known_medium(shift):
    x = wave(shift)
    before = x.copy()
    result = ftan(x, RATE, DISTANCE, PERIODS, (1.5, 4.5), 3.7, phase_shift_rad=shift)
    f = 1 / result.instantaneous_period_s
    assert np.array_equal(result.period_s, np.sort(PERIODS)[::-1])
    assert np.abs(result.instantaneous_period_s / result.period_s - 1).max() < 0.2
    # The remaining error is from the curvature of the dispersion inside a filter.
    assert np.abs(result.group_km_s / group_velocity(f) - 1).max() < 0.006
    assert np.abs(result.phase_km_s / phase_velocity(f) - 1).max() < 0.001
    assert result.snr.min() > 30
    assert np.array_equal(x, before)


def test_a_reference_at_every_period_gives_the_same():
    first = ftan(wave(), RATE, DISTANCE, PERIODS, (1.5, 4.5), 3.7)
    references = phase_velocity(1 / PERIODS) * 1.02
    each = ftan(wave(), RATE, DISTANCE, PERIODS, (1.5, 4.5), references)
    assert np.allclose(first.phase_km_s, each.phase_km_s)
    none = ftan(wave(), RATE, DISTANCE, PERIODS, (1.5, 4.5))
    assert np.isnan(none.phase_km_s).all()
    assert np.allclose(none.group_km_s, first.group_km_s)


def test_no_arrival_is_no_pick():
    t = np.arange(4000) / RATE
    late = np.exp(-(((t - 390) / 5) ** 2)) * np.cos(2 * np.pi * t / 6)
    result = ftan(late, RATE, 300.0, [6.0], (1.0, 5.0), 3.0)
    assert np.isnan(result.group_km_s).all()
    silent = ftan(np.zeros(4000), RATE, 300.0, [6.0, 9.0], (1.0, 5.0), 3.0)
    assert np.isnan(silent.group_km_s).all()
    assert np.isnan(silent.phase_km_s).all()


@settings(deadline=None, max_examples=10)
@given(st.floats(1e-6, 1e6))
def test_does_not_depend_on_the_unit(factor):
    first = ftan(wave(), RATE, DISTANCE, PERIODS[::6], (1.5, 4.5), 3.7)
    other = ftan(factor * wave(), RATE, DISTANCE, PERIODS[::6], (1.5, 4.5), 3.7)
    assert np.allclose(first.group_km_s, other.group_km_s)
    assert np.allclose(first.phase_km_s, other.phase_km_s)
    assert np.allclose(first.snr, other.snr)


def test_wrong_parameters_are_named():
    x = wave()
    for call, name in [
        (lambda: ftan(x[:500], RATE, DISTANCE, [9.0]), "ends before"),
        (lambda: ftan(x, RATE, -1, [9.0]), "distance_km"),
        (lambda: ftan(x, RATE, DISTANCE, [0.2]), "period_s"),
        (lambda: ftan(x, RATE, DISTANCE, [9.0], (5, 1)), "velocity_km_s"),
        (lambda: ftan(x, RATE, DISTANCE, [9.0], alpha=0), "alpha"),
        (lambda: ftan(x, RATE, DISTANCE, [9.0], (1.5, 4), [1, 2]), "reference_km_s"),
        (lambda: ftan(x * np.nan, RATE, DISTANCE, [9.0]), "finite"),
        (lambda: ftan(x, RATE, 0.1, [9.0]), "fewer than 4"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()


def test_the_picks_are_the_ridge_of_the_image():
    velocity = np.linspace(1.5, 4.5, 1201)
    image = ftan_image(wave(), RATE, DISTANCE, PERIODS, velocity)
    assert image.shape == (len(PERIODS), len(velocity))
    ridge = velocity[np.nanargmax(image, axis=1)]
    result = ftan(wave(), RATE, DISTANCE, PERIODS, (1.5, 4.5))
    # samples of 0.1 s are 0.4 % of the time that the fastest waves take
    assert np.abs(ridge / result.group_km_s[::-1] - 1).max() < 0.005
    np.testing.assert_allclose(image.max(axis=1), result.amplitude[::-1], rtol=1e-3)
    np.testing.assert_allclose(
        ftan_image(7 * wave(), RATE, DISTANCE, PERIODS, velocity), 7 * image
    )
    short = ftan_image(wave()[:1000], RATE, DISTANCE, PERIODS, velocity)
    assert np.isnan(short[:, velocity < DISTANCE / 99.95]).all()


def test_an_image_of_nothing_is_refused():
    for x, period in (([], 5.0), ([1.0, 2.0], 0.0), (np.ones((2, 3)), 5.0)):
        with pytest.raises(ParameterError, match="ftan_image"):
            ftan_image(x, RATE, DISTANCE, [period], [3.0])
