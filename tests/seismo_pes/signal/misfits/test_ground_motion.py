import numpy as np
import pytest
from scipy import signal

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.misfits import measure
from seismo_pes.signal.misfits.ground_motion import Oscillator, peak_motion

# A pulse of displacement with known velocity and acceleration: a Gaussian.
WIDTH_S, TIME_S = 1.5, 20.0137


def gaussian(t):
    return np.exp(-(((t - TIME_S) / WIDTH_S) ** 2))


def gaussian_velocity(t):
    return -2 * (t - TIME_S) / WIDTH_S**2 * gaussian(t)


def gaussian_acceleration(t):
    u = (t - TIME_S) / WIDTH_S
    return (4 * u**2 - 2) / WIDTH_S**2 * gaussian(t)


PULSES = {
    "displacement": gaussian,
    "velocity": gaussian_velocity,
    "acceleration": gaussian_acceleration,
}
PEAKS = {
    "displacement": 1.0,
    "velocity": np.sqrt(2) * np.exp(-0.5) / WIDTH_S,
    "acceleration": 2 / WIDTH_S**2,
}


@pytest.mark.parametrize("delta_s", [0.5, 0.1, 0.02])
@pytest.mark.parametrize("wanted", PULSES)
@pytest.mark.parametrize("motion", PULSES)
def test_peaks_of_a_gaussian_at_any_rate(motion, wanted, delta_s):
    """Derivatives and integrals are exact, and peaks lie between samples."""
    t = np.arange(0, 40, delta_s)
    peak = peak_motion(PULSES[motion](t), delta_s, motion, wanted)
    assert peak.size == pytest.approx(PEAKS[wanted], rel=1e-7)
    side = 0 if wanted != "velocity" else WIDTH_S / np.sqrt(2)
    assert abs(peak.time_s - TIME_S) == pytest.approx(side, abs=1e-6)


def test_peak_is_linear_in_the_record():
    """The row of the peak, times the record, is the peak."""
    t = np.arange(0, 40, 0.1)
    rng = np.random.default_rng(2)
    x = gaussian(t) + 0.1 * rng.standard_normal(t.size)
    for wanted in PULSES:
        for motion in PULSES:
            peak = peak_motion(x, 0.1, motion, wanted)
            assert peak.gradient @ x == pytest.approx(peak.size, rel=1e-9)
    oscillator = Oscillator(1.2, 0.05)
    peak = peak_motion(x, 0.1, "velocity", "acceleration", None, oscillator)
    assert peak.gradient @ x == pytest.approx(peak.size, rel=1e-9)


def test_an_untapered_record_has_the_peak_of_its_samples():
    """There is no overshoot at ends that are not zero."""
    t = np.arange(0, 40, 0.02)
    x = 3 + np.cos(2 * np.pi * t / 8)
    peak = peak_motion(x, 0.02, "velocity", "velocity")
    assert peak.size == pytest.approx(4, rel=1e-4)


def duhamel(t, period_s, damping, low, high, acceleration):
    """Return the response to a smooth acceleration by Duhamel's integral."""
    omega = 2 * np.pi / period_s
    damped = omega * np.sqrt(1 - damping**2)
    step = t[1] - t[0]
    impulse = np.exp(-damping * omega * t) * np.sin(damped * t) / damped
    x = signal.fftconvolve(acceleration(t), impulse)[: t.size] * step
    return omega**2 * np.abs(x[(t >= low) & (t <= high)]).max()


@pytest.mark.parametrize("period_s", [0.05, 0.3, 1.0, 4.0, 15.0])
@pytest.mark.parametrize("damping", [0.02, 0.05, 0.3])
@pytest.mark.parametrize("motion", PULSES)
def test_response_to_a_gaussian(period_s, damping, motion):
    """It equals Duhamel's integral at 5 Hz, for periods down to a quarter sample."""
    t = np.arange(0, 40, 0.2)
    peak = peak_motion(
        PULSES[motion](t),
        0.2,
        motion,
        "acceleration",
        None,
        Oscillator(period_s, damping),
    )
    # the sum of Duhamel's integral is right to (2 pi step / period)^2 / 12
    fine = np.arange(0, 60, min(5e-4, period_s / 500))
    expected = duhamel(fine, period_s, damping, 0, 60, gaussian_acceleration)
    assert peak.size == pytest.approx(expected, rel=1e-4)


def test_steady_state_of_an_oscillator():
    """Amplification at a frequency ratio r: 1 / sqrt((1 - r^2)^2 + (2 xi r)^2)."""
    t = np.arange(0, 400, 0.05)
    wave = np.sin(2 * np.pi * t / 2.0) * (1 - np.cos(2 * np.pi * t / 400)) / 2
    for period_s in (1.0, 2.0, 3.3):
        peak = peak_motion(
            wave, 0.05, "acceleration", "acceleration", None, Oscillator(period_s, 0.1)
        )
        r = period_s / 2.0
        expected = 1 / np.sqrt((1 - r**2) ** 2 + (0.2 * r) ** 2)
        assert peak.size == pytest.approx(expected, rel=2e-3)


def test_short_periods_tend_to_the_peak_acceleration():
    """At any sampling rate; without interpolation the error would be 50 % at 0.01 s."""
    for delta_s in (0.5, 0.1, 0.02):
        t = np.arange(0, 40, delta_s)
        x = gaussian_acceleration(t)
        oscillator = Oscillator(0.01, 0.05)
        kinds = "acceleration", "acceleration"
        peak = peak_motion(x, delta_s, *kinds, None, oscillator)
        assert peak.size == pytest.approx(PEAKS["acceleration"], rel=1e-3)


def test_response_spectra_do_not_depend_on_the_sampling():
    rng = np.random.default_rng(5)
    f, phase = rng.uniform(0.2, 4.0, 40), rng.uniform(0, 2 * np.pi, 40)

    def motion(t):
        waves = np.cos(2 * np.pi * f * t[:, None] + phase).sum(axis=1)
        return np.exp(-(((t - 20) / 4) ** 2)) * waves

    for period_s in (0.01, 0.1, 0.3, 1.0, 3.0):
        peaks = [
            peak_motion(
                motion(np.arange(0, 40, delta_s)),
                delta_s,
                "velocity",
                "acceleration",
                None,
                Oscillator(period_s, 0.05),
            ).size
            for delta_s in (0.1, 0.04, 0.01)
        ]
        assert np.ptp(peaks) < 1e-6 * max(peaks)


def test_free_vibration_after_the_record_counts():
    """If a record ends with its pulse, the oscillator continues to vibrate."""
    delta_s = 0.05
    t = np.arange(0, 24, delta_s)
    x = gaussian_acceleration(t)
    oscillator = Oscillator(20.0, 0.05)
    kinds = "acceleration", "acceleration"
    whole = peak_motion(x, delta_s, *kinds, None, oscillator)
    longer = np.concatenate((x, np.zeros(2000)))
    assert whole.size == pytest.approx(
        peak_motion(longer, delta_s, *kinds, None, oscillator).size, rel=1e-9
    )


@pytest.mark.parametrize("name", ["pgd", "pgv", "pga", "psa"])
def test_value_is_the_logarithm_of_the_ratio(name):
    t = np.arange(0, 40, 0.1)
    x = gaussian_velocity(t)
    row = measure(name, 2.5 * x, x, 0.1)
    assert row.value == pytest.approx(np.log(2.5), rel=1e-12)
    assert row.misfit == pytest.approx(0.5 * np.log(2.5) ** 2, rel=1e-12)
    ratio = row.quantities["observed"] / row.quantities["synthetic"]
    assert ratio == pytest.approx(2.5, rel=1e-12)
    low = measure(name, 0.4 * x, x, 0.1)
    assert low.value == pytest.approx(np.log(0.4), rel=1e-12)
    if name == "psa":
        assert row.quantities["period_s"] == 1.0
        assert row.quantities["damping"] == 0.05
    else:
        motions = {"pgd": "displacement", "pgv": "velocity", "pga": "acceleration"}
        assert row.quantities["synthetic"] == pytest.approx(
            PEAKS[motions[name]], rel=1e-7
        )


def test_the_peak_is_that_of_the_window():
    t = np.arange(0, 40, 0.1)
    x = gaussian(t) + 0.2 * np.exp(-((t - 30) ** 2))
    row = measure("pgv", x, 3 * x, 0.1, window_s=(26.0, 34.0), motion="velocity")
    assert row.quantities["observed"] == pytest.approx(0.2, rel=1e-6)
    assert row.quantities["observed_s"] == pytest.approx(30.0, abs=1e-3)


@pytest.mark.parametrize(
    "more",
    [{"damping": 0.0}, {"damping": 1.0}, {"period_s": 0.0}, {"motion": "strain"}],
)
def test_parameters_are_checked(more):
    t = np.arange(0, 40, 0.1)
    with pytest.raises(ParameterError, match=next(iter(more))):
        measure("psa", gaussian(t), gaussian(t), 0.1, **more)
