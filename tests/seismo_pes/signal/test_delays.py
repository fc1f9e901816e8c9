import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.delays import (
    n_alike,
    parabolic_peak,
    velocity_change,
    window_starts,
    windowed_delays,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.filter import bandpass
from seismo_pes.signal.mwcs import mwcs_delays

RATE = 20.0


def coda(n=2401, seed=1, band=(0.5, 2.0)):
    """A band-limited random coda, and a function that gives it at any time."""
    rng = np.random.default_rng(seed)
    f = np.linspace(*band, 200)
    amplitude = np.hanning(202)[1:-1]
    phase = rng.uniform(0, 2 * np.pi, 200)
    t = (np.arange(n) - n // 2) / RATE

    def wave(at):
        return (amplitude * np.cos(2 * np.pi * f * at[:, None] + phase)).sum(axis=1)

    return t, wave


def delays_by(name, reference, current, first=0.0):
    if name == "mwcs":
        return mwcs_delays(reference, current, RATE, 0.6, 1.8, 10.0, 5.0, first)
    return windowed_delays(reference, current, RATE, 10.0, 5.0, 1.0, first)


@pytest.mark.parametrize("name", ["mwcs", "windows"])
@pytest.mark.parametrize("delay", [0.0, 0.013, -0.1, 0.2])
def test_a_shift_is_found_in_every_window(name, delay):
    t, wave = coda()
    result = delays_by(name, wave(t), wave(t - delay), t[0])
    # The windows of the two records contain different parts of the waves: the limit.
    assert np.abs(result.delay_s - delay).max() < 0.002 + 0.05 * abs(delay)
    assert result.coherence.min() > 0.9
    assert abs(result.lag_s[0] - (t[0] + 5 - 0.5 / RATE)) < 1e-9


@pytest.mark.parametrize("name", ["mwcs", "windows"])
@pytest.mark.parametrize("dvv", [0.001, -0.002])
def test_a_homogeneous_change_is_found(name, dvv):
    t, wave = coda()
    result = delays_by(name, wave(t), wave(t * (1 + dvv)), t[0])
    use = np.abs(result.lag_s) > 10
    change = velocity_change(
        result.lag_s[use], result.delay_s[use], result.error_s[use]
    )
    assert abs(change.dvv - dvv) < 0.03 * abs(dvv)
    assert change.n_used == use.sum()


@pytest.mark.parametrize("name", ["mwcs", "windows"])
def test_errors_have_the_size_of_the_scatter(name):
    t, wave = coda()
    reference = wave(t)
    rng = np.random.default_rng(2)
    rms = reference.std()
    deviations, errors = [], []
    for _ in range(25):
        noise = bandpass(rng.standard_normal(t.size), RATE, 0.6, 1.8)
        noise *= 0.3 * rms / noise.std()
        result = delays_by(name, reference, reference + noise)
        deviations.append(result.delay_s)
        errors.append(result.error_s)
    # Medians, because a rare skipped cycle is not part of a standard error.
    scatter = 1.4826 * np.median(np.abs(deviations))
    assert 0.5 < np.median(errors) / scatter < 2


@pytest.mark.parametrize("name", ["mwcs", "windows"])
def test_swapping_turns_the_sign_and_the_unit_does_not_matter(name):
    t, wave = coda()
    a, b = wave(t), wave(t - 0.05)
    result, swapped = delays_by(name, a, b), delays_by(name, b, a)
    assert np.allclose(result.delay_s, -swapped.delay_s, atol=1e-6)
    scaled = delays_by(name, 1e-9 * a, 1e6 * b)
    assert np.allclose(result.delay_s, scaled.delay_s, atol=1e-9)
    assert np.allclose(result.coherence, scaled.coherence, atol=1e-9)


@pytest.mark.parametrize("name", ["mwcs", "windows"])
def test_silent_windows_have_no_delay(name):
    t, wave = coda()
    a = wave(t)
    b = a.copy()
    b[:400] = 0
    before = a.copy()
    result = delays_by(name, a, b)
    assert np.isnan(result.delay_s[0])
    assert np.isfinite(result.delay_s[10:]).all()
    assert np.array_equal(a, before)
    assert np.isnan(delays_by(name, 0 * a, 0 * a).delay_s).all()
    b = a.copy()
    b[300] = np.nan
    result = delays_by(name, a, b)
    holds = [i for i in range(len(result.lag_s)) if 100 * i <= 300 < 100 * i + 200]
    assert np.flatnonzero(np.isnan(result.delay_s)).tolist() == holds


def test_fit_equals_weighted_least_squares():
    rng = np.random.default_rng(3)
    lag = rng.uniform(-50, 50, 40)
    error = rng.uniform(0.5, 2, 40) * 1e-3
    delay = 0.01 - 0.002 * lag + error * rng.standard_normal(40)
    fit, covariance = np.polyfit(lag, delay, 1, w=1 / error, cov="unscaled")
    change = velocity_change(lag, delay, error, through_origin=False)
    assert abs(change.dvv + fit[0]) < 1e-12
    residual = ((delay - np.polyval(fit, lag)) / error) ** 2
    factor = max(1.0, residual.sum() / 38)
    assert abs(change.error - np.sqrt(factor * covariance[0, 0])) < 1e-12
    relative = velocity_change(lag, delay, 5 * error, False, relative_errors=True)
    assert abs(relative.error - np.sqrt(residual.sum() / 38 * covariance[0, 0])) < 1e-12


def test_too_few_delays_give_nan():
    nan = float("nan")
    assert velocity_change([], []).n_used == 0
    assert np.isnan(velocity_change([1.0], [1.0]).dvv)
    assert np.isnan(velocity_change([0.0, 0.0], [1.0, 1.0]).dvv)
    change = velocity_change([1, 2, 3, 4], [1, nan, 3, 4], [1, 1, nan, 0])
    assert change.n_used == 1
    with pytest.raises(ParameterError, match="one length"):
        velocity_change([1.0], [1.0, 2.0])


@settings(deadline=None, max_examples=30)
@given(st.floats(-0.1, 0.1), st.floats(-5, 5))
def test_an_exact_line_gives_its_slope(dvv, clock):
    lag = np.array([-40.0, -20, -10, 15, 30])
    assert abs(velocity_change(lag, -dvv * lag).dvv - dvv) < 1e-12
    shifted = velocity_change(lag, clock - dvv * lag, through_origin=False)
    assert abs(shifted.dvv - dvv) < 1e-12


def test_parabola_and_windows():
    at = np.arange(9) - 3.3
    place, value, at_edge = parabolic_peak((5 - 0.5 * at**2)[None])
    assert abs(place[0] - 3.3) < 1e-12
    assert abs(value[0] - 5) < 1e-12
    assert not at_edge[0]
    assert parabolic_peak(np.array([[3.0, 2, 1]]))[0] == 0
    assert parabolic_peak(np.array([[1.0, 2, 3]]))[1] == 3
    size, starts = window_starts(100, 10.0, 2.0, 1.0)
    assert size == 20
    assert starts.tolist() == list(range(0, 81, 10))


def test_wrong_parameters_are_named():
    x = np.ones(200)
    for call, name in [
        (lambda: windowed_delays(x, x[1:], RATE, 2, 1, 0.5), "one length"),
        (lambda: windowed_delays(x, x, RATE, 20, 1, 0.5), "window_s"),
        (lambda: windowed_delays(x, x, RATE, 2, 0, 0.5), "step_s"),
        (lambda: windowed_delays(x, x, RATE, 2, 1, 1.0), "max_delay_s"),
        (lambda: mwcs_delays(x, x, RATE, 0.5, 10.5, 5, 1), "Nyquist"),
        (lambda: mwcs_delays(x, x, RATE, 0.5, 0.6, 5, 1), "narrower"),
        (lambda: mwcs_delays(x, x, RATE, 0.5, 5, 5, 1, 0, -1), "smooth_bins"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()


def test_dependent_neighbours_count_once():
    rng = np.random.default_rng(8)
    lag = np.linspace(10, 50, 400)
    slopes, errors = [], []
    for _ in range(100):
        smooth = np.convolve(rng.standard_normal(419), np.ones(20) / 20, "valid")
        change = velocity_change(lag, 0.01 * smooth, n_dependent=n_alike(smooth))
        slopes.append(change.dvv)
        errors.append(change.error)
    # the spread of a hundred slopes is known to 7 %; with dependent samples less well
    assert 0.8 < np.std(slopes) / np.mean(errors) < 1.4
    assert n_alike([]) == n_alike([1.0]) == n_alike(np.ones(9)) == 1.0
