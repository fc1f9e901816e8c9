"""Velocity change and dispersion of correlations with a known truth."""

import pickle

import numpy as np
import pytest

from dispel4py.errors import DataError, ParameterError
from seismo_pes import measuring as dvv
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring.dispersion import Ftan, measure_dispersion
from seismo_pes.signal.filter import bandpass

RATE = 20.0
TRUTH = np.array([-0.003, -0.001, 0.0, 0.002, 0.004])
COMMON = {"low_s": 8.0, "high_s": 45.0}


def coda(lag_s):
    """A coda of 40 sines between 0.4 and 1.6 Hz, at any lag."""
    rng = np.random.default_rng(5)
    f, p = rng.uniform(0.4, 1.6, 40), rng.uniform(0, 2 * np.pi, 40)
    waves = np.cos(2 * np.pi * f[:, None] * lag_s + p[:, None]).sum(axis=0)
    return waves * np.exp(-np.abs(lag_s) / 40)


def series(dtype=np.float64):
    lag = np.arange(-60 * RATE, 60 * RATE + 1) / RATE
    rows = np.array([coda(lag * (1 + change)) for change in TRUTH]).astype(dtype)
    start = np.arange(len(TRUTH)) * 86_400_000_000_000
    return Correlation.of(
        "XX.AAA..HHZ",
        "XX.BBB..HHZ",
        rows,
        RATE,
        start_ns=start,
        end_ns=start + 86_400_000_000_000,
    )


def reference():
    c = series()
    return Correlation.of(c.first, c.second, c.data[2], RATE)


# Largest error of dv/v: the delays at 45 s of lag are up to 0.18 s.
METHODS = [
    (dvv.Stretch, COMMON | {"band_hz": (0.4, 1.6)}, 2e-5),
    (
        dvv.Mwcs,
        COMMON | {"low_hz": 0.4, "high_hz": 1.6, "window_s": 10.0, "step_s": 2.5},
        1.5e-4,
    ),
    (
        dvv.CrossCorrelateWindows,
        COMMON | {"window_s": 10.0, "step_s": 2.5, "max_delay_s": 0.5},
        1.5e-4,
    ),
    (dvv.Warp, COMMON | {"max_delay_s": 0.5, "max_strain": 0.05}, 4e-4),
]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("method", "options", "tolerance"), METHODS)
def test_known_change_is_found(method, options, tolerance, dtype):
    c = series(dtype)
    pe = pickle.loads(pickle.dumps(method(**options, reference=reference())))
    ((output),) = list(pe.process({"input": c}))
    changes = output["output"]
    assert changes.id == c.id
    assert changes.dvv.shape == changes.error.shape == (5,)
    assert np.abs(changes.dvv - TRUTH).max() < tolerance
    assert (changes.error >= 0).all()
    assert np.array_equal(changes.start_ns, c.start_ns)


@pytest.mark.parametrize("method", [dvv.wavelet, dvv.wavelet_stretch_windows])
def test_known_change_is_found_at_each_frequency(method):
    f = [0.6, 0.9, 1.2]
    changes = method(series(), f, **COMMON, reference=reference())
    assert changes.dvv.shape == changes.error.shape == changes.coherence.shape == (5, 3)
    assert changes.frequency_hz.tolist() == f
    assert np.median(np.abs(changes.dvv - TRUTH[:, None])) < 4e-4


HIGHER = {"low_hz": 2.0, "high_hz": 4.0}
SHORT = COMMON | {"window_s": 5.0, "step_s": 1.25}


@pytest.mark.parametrize(
    "method",
    [
        lambda c, r: dvv.stretch_windows(c, reference=r, **COMMON),
        lambda c, r: dvv.mwcs(c, reference=r, **HIGHER, **SHORT),
        lambda c, r: dvv.cross_correlate_windows(
            c, reference=r, max_delay_s=0.9, **SHORT
        ),
        lambda c, r: dvv.warp(c, reference=r, max_delay_s=0.9, **COMMON),
        lambda c, r: dvv.wavelet(c, [2.2, 3.0], reference=r, **COMMON),
        lambda c, r: dvv.wavelet_stretch_windows(c, [2.2, 3.0], reference=r, **COMMON),
    ],
    ids=["stretching", "mwcs", "wcc", "dtw", "wcs", "wts"],
)
def test_delays_of_many_periods_are_right_or_have_no_value(method):
    """At 45 s, 1.5 % is two periods of 3 Hz: windows find neighbouring cycles."""
    lag = np.arange(-60 * RATE, 60 * RATE + 1) / RATE
    truth = np.array([-0.024, -0.015, 0.0, 0.002, 0.015, 0.024])
    rng = np.random.default_rng(7)
    f, p = rng.uniform(2.0, 4.0, 60), rng.uniform(0, 2 * np.pi, 60)

    def waves(t):
        phase = 2 * np.pi * f[:, None] * t + p[:, None]
        return np.cos(phase).sum(axis=0) * np.exp(-np.abs(t) / 40)

    rows = np.array([waves(lag * (1 + change)) for change in truth])
    ids = "XX.AAA..HHZ", "XX.BBB..HHZ"
    changes = method(
        Correlation.of(*ids, rows, RATE), Correlation.of(*ids, waves(lag), RATE)
    )
    off = changes.dvv.reshape(len(truth), -1) - truth[:, None]
    usable = ~(changes.coherence < 0.5).reshape(off.shape)
    known = np.isfinite(off) & usable
    assert known[2:4].all()
    limit = np.broadcast_to(3e-4 + 0.05 * np.abs(truth)[:, None], off.shape)
    assert (np.abs(off[known]) < limit[known]).all()
    assert not known[[0, -1]].any()
    lost = ~np.isfinite(off)
    assert changes.at_edge.reshape(off.shape)[lost].all()
    assert np.isnan(changes.error.reshape(off.shape)[lost]).all()


NOISY = {"low_s": 5.0, "high_s": 28.0}
WINDOWS = NOISY | {"window_s": 6.0, "step_s": 1.5}


@pytest.mark.parametrize(
    "method",
    [
        lambda c, r: dvv.stretch_windows(c, reference=r, band_hz=(0.5, 2.0), **NOISY),
        lambda c, r: dvv.mwcs(c, reference=r, low_hz=0.5, high_hz=2.0, **WINDOWS),
        lambda c, r: dvv.cross_correlate_windows(
            c, reference=r, max_delay_s=1.0, **WINDOWS
        ),
        lambda c, r: dvv.warp(c, reference=r, max_delay_s=0.3, oversample=2, **NOISY),
        lambda c, r: dvv.wavelet(c, [0.7, 1.0, 1.5], reference=r, **NOISY),
        lambda c, r: dvv.wavelet_stretch_windows(
            c, [0.7, 1.0, 1.5], reference=r, **NOISY
        ),
    ],
    ids=["stretching", "mwcs", "wcc", "dtw", "wcs", "wts"],
)
def test_errors_agree_with_the_scatter_by_noise(method):
    rng = np.random.default_rng(1)
    lag = np.arange(-300, 301) / 10
    noise = bandpass(rng.standard_normal((41, 1001)), 10.0, 0.5, 2.0)[:, 200:-200]
    noise *= np.exp(-np.abs(lag) / 30) / noise.std()
    wave = Correlation.of("A", "B", noise[:1], 10.0)
    changes = method(Correlation.of("A", "B", noise[0] + 0.3 * noise[1:], 10.0), wave)
    # a standard deviation of forty draws is known to 11 %
    ratio = np.sqrt((changes.dvv**2).mean(axis=0)) / np.median(changes.error, axis=0)
    assert (np.atleast_1d(ratio) > 0.5).all()
    assert (np.atleast_1d(ratio) < 1.5).all()


def test_the_mean_is_the_reference_unless_given():
    changes = dvv.stretch_windows(series(), **COMMON)
    assert np.ptp(changes.dvv - TRUTH) < 5e-4


def test_a_single_stack_is_refused():
    pe = dvv.Stretch(**COMMON)
    ((output),) = list(pe.process({"input": reference()}))
    assert "moving stacks" in output["skipped"].reason
    short = Correlation.of("a", "b", np.zeros(5), RATE)
    with pytest.raises(DataError, match="other lags"):
        dvv.stretch_windows(series(), **COMMON, reference=short)


# -- dispersion ---------------------------------------------------------------------

PERIODS = [4.0, 6.0, 8.0, 10.0]
DISTANCE_KM = 200.0


def surface_wave():
    """Both sides of a dispersive wave: phase velocity 3 + 0.05 T km/s."""
    n, rate = 8192, 5.0
    f = np.fft.rfftfreq(n, 1 / rate)
    with np.errstate(divide="ignore"):
        c = 3.0 + 0.05 / np.maximum(f, 0.02)
    band = np.exp(-(((np.log(np.maximum(f, 1e-3)) - np.log(0.15)) / 0.6) ** 2))
    half = np.fft.irfft(band * np.exp(-2j * np.pi * f * DISTANCE_KM / c), n)[:1001]
    return np.concatenate([half[:0:-1], half]), rate


def truth(period):
    # 1/U = d(f / c) / df with c = 3 + 0.05 / f: f / c = f**2 / (3 f + 0.05)
    f = 1 / period
    slowness = (2 * f * (3 * f + 0.05) - 3 * f**2) / (3 * f + 0.05) ** 2
    return 1 / slowness, 3.0 + 0.05 * period


@pytest.mark.parametrize("side", ["symmetric", "causal", "acausal"])
def test_dispersion_of_a_known_wave(side):
    data, rate = surface_wave()
    c = Correlation.of("a", "b", data, rate, distance_km=DISTANCE_KM)
    curve = measure_dispersion(
        c,
        PERIODS,
        (2.0, 4.5),
        side=side,
        reference_km_s=3.5,
        phase_shift_rad=0.0,
    )
    for k, period in enumerate(curve.picks.instantaneous_period_s):
        group, phase = truth(period)
        assert abs(curve.picks.group_km_s[k] / group - 1) < 0.02
        assert abs(curve.picks.phase_km_s[k] / phase - 1) < 0.01


def test_dispersion_element_reports_missing_values():
    data, rate = surface_wave()
    pe = Ftan(period_s=PERIODS, velocity_km_s=(2.0, 4.5))
    ((output),) = list(pe.process({"input": Correlation.of("a", "b", data, rate)}))
    assert "distance_km" in output["skipped"].reason
    known = Correlation.of("a", "b", data, rate, distance_km=DISTANCE_KM)
    ((output),) = list(pe.process({"input": known}))
    assert output["output"].id == "a_b"
    with pytest.raises(ParameterError, match="symmetric"):
        measure_dispersion(known, PERIODS, side="left")
    cut = Correlation.of("a", "b", data, rate, first_lag=5, distance_km=DISTANCE_KM)
    with pytest.raises(DataError, match="lags"):
        measure_dispersion(cut, PERIODS)
