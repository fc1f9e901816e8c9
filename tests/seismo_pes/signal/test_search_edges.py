"""Searches with bounds: inside they find the known change, at the edge no value."""

import numpy as np
import pytest

from seismo_pes.signal.delays import parabolic_peak, velocity_change, windowed_delays
from seismo_pes.signal.ftan import ftan
from seismo_pes.signal.mwcs import mwcs_delays
from seismo_pes.signal.stretching import stretch
from seismo_pes.signal.wavelet import (
    wavelet_delays,
    wavelet_stretch,
    wavelet_velocity_change,
)

RATE_HZ = 20.0
LAG_S = np.arange(-60 * RATE_HZ, 60 * RATE_HZ + 1) / RATE_HZ
LOW_S, HIGH_S = 8.0, 45.0
FREQUENCIES_HZ = [0.6, 0.9, 1.2]


def coda(lag_s):
    """Return a coda of 40 sines between 0.4 and 1.6 Hz, at any lag."""
    rng = np.random.default_rng(5)
    f, p = rng.uniform(0.4, 1.6, 40), rng.uniform(0, 2 * np.pi, 40)
    waves = np.cos(2 * np.pi * f[:, None] * lag_s + p[:, None]).sum(axis=0)
    return waves * np.exp(-np.abs(lag_s) / 40)


def changed(dvv):
    return coda(LAG_S * (1 + dvv))


@pytest.mark.parametrize("dvv", [-0.025, 0.025, 0.04])
def test_stretching_beyond_the_search_has_no_value(dvv):
    result = stretch(coda(LAG_S), changed(dvv), LAG_S, LOW_S, HIGH_S, max_dvv=0.02)
    assert np.isnan(result.dvv)
    assert np.isnan(result.error)
    assert result.at_edge or result.coefficient < 0.5
    inside = stretch(coda(LAG_S), changed(dvv), LAG_S, LOW_S, HIGH_S, max_dvv=0.06)
    assert not inside.at_edge
    assert abs(inside.dvv - dvv) < 1e-4


@pytest.mark.parametrize("dvv", [-0.022, 0.022])
def test_stretching_of_wavelets_beyond_the_search_has_no_value(dvv):
    records = coda(LAG_S), changed(dvv), LAG_S, FREQUENCIES_HZ, LOW_S, HIGH_S
    result = wavelet_stretch(*records, max_dvv=0.02)
    assert result.at_edge.all()
    assert np.isnan(result.dvv).all()


def test_a_silent_record_is_not_at_the_edge():
    result = stretch(coda(LAG_S), 0 * LAG_S, LAG_S, LOW_S, HIGH_S)
    assert np.isnan(result.dvv)
    assert not result.at_edge


def test_windows_whose_delay_leaves_the_search_are_marked():
    dvv, max_delay_s = 0.01, 0.2
    result = windowed_delays(
        coda(LAG_S), changed(dvv), RATE_HZ, 10.0, 2.5, max_delay_s, LAG_S[0]
    )
    delay_s = np.abs(result.lag_s * dvv)
    outside = (delay_s > 1.2 * max_delay_s) & (delay_s < 1.8 * max_delay_s)
    assert outside.sum() >= 10
    assert result.at_edge[outside].mean() > 0.9
    assert np.isnan(result.delay_s[result.at_edge]).all()
    assert not result.at_edge[delay_s < 0.8 * max_delay_s].any()


def test_cross_spectra_mark_delays_of_half_a_period():
    """The search of MWCS ends at half a period of the low corner: 1 s at 0.5 Hz."""
    delay_s = 1.0
    x = coda(LAG_S), coda(LAG_S - delay_s)
    result = mwcs_delays(*x, RATE_HZ, 0.5, 1.5, 10.0, 2.5, LAG_S[0])
    assert np.isnan(result.delay_s[result.at_edge]).all()
    middle = np.abs(result.lag_s) < 40
    assert result.at_edge[middle].mean() > 0.5
    small = mwcs_delays(
        coda(LAG_S), coda(LAG_S - 0.6), RATE_HZ, 0.5, 1.5, 10.0, 2.5, LAG_S[0]
    )
    assert not small.at_edge[middle].any()
    assert np.abs(small.delay_s[middle] - 0.6).max() < 0.02


@pytest.mark.parametrize("dvv", [-0.015, -0.004, 0.0, 0.015, 0.018])
def test_wavelet_phases_do_not_wrap(dvv):
    """At 45 s, 1.5 % is 0.68 s: more than half a period at 0.9 and 1.2 Hz."""
    delays = wavelet_delays(coda(LAG_S), changed(dvv), RATE_HZ, FREQUENCIES_HZ)
    changes = wavelet_velocity_change(delays, LAG_S, LOW_S, HIGH_S)
    for change in changes:
        assert not change.at_edge
        # phases of neighbouring sines in the band of a wavelet differ: 5 % of dv/v
        assert abs(change.dvv - dvv) < 1e-4 + 0.05 * abs(dvv)


@pytest.mark.parametrize("dvv", [-0.025, 0.025])
def test_wavelet_phases_beyond_the_search_have_no_value(dvv):
    delays = wavelet_delays(coda(LAG_S), changed(dvv), RATE_HZ, FREQUENCIES_HZ)
    for change in wavelet_velocity_change(delays, LAG_S, LOW_S, HIGH_S, max_dvv=0.02):
        assert change.at_edge
        assert np.isnan(change.dvv)


@pytest.mark.parametrize(("velocity_km_s", "is_inside"), [(3.0, True), (5.5, False)])
def test_a_group_faster_than_the_search_has_no_pick(velocity_km_s, is_inside):
    distance_km, t = 300.0, np.arange(4000) / 10
    arrival_s = distance_km / velocity_km_s
    wave = np.cos(2 * np.pi * (t - arrival_s) / 5)
    x = wave * np.exp(-(((t - arrival_s) / 8) ** 2))
    result = ftan(x, 10.0, distance_km, [5.0], (2.0, 4.5))
    assert result.at_edge[0] == (not is_inside)
    assert np.isfinite(result.group_km_s[0]) == is_inside


def test_the_peak_of_a_row_says_whether_it_is_at_an_end():
    rows = np.array([[3.0, 2, 1], [1.0, 2, 3], [1.0, 2, 1]])
    assert parabolic_peak(rows)[2].tolist() == [True, True, False]


# -- accuracy ----------------------------------------------------------------------


def plain_mwcs(reference, current, low_hz, high_hz, window_s, step_s, n_half=5):
    """Delays as MSNoise computes them (Clarke et al. 2011): four-fold power of two."""
    n, step = round(window_s * RATE_HZ), round(step_s * RATE_HZ)
    n_fft = int(2 ** (np.ceil(np.log2(n)) + 2))
    edge = int(0.85 * n / 2)
    taper = np.ones(n)
    taper[:edge] = 0.5 * (1 - np.cos(np.pi * np.arange(edge) / edge))
    taper[-edge:] = taper[:edge][::-1]
    f = np.arange(n_fft // 2 + 1) * RATE_HZ / n_fft
    band = (f >= low_hz) & (f <= high_hz)
    kernel = np.hanning(2 * n_half + 1) / np.hanning(2 * n_half + 1).sum()

    def smooth(x):
        return np.convolve(np.pad(x, n_half, mode="edge"), kernel, "valid")

    rows = []
    for first in range(0, len(reference) - n + 1, step):
        a, b = (x[first : first + n] for x in (reference, current))
        a, b = (np.fft.rfft((x - x.mean()) * taper, n_fft) for x in (a, b))
        cross = smooth(a * b.conj())
        power = smooth(np.abs(a) ** 2) * smooth(np.abs(b) ** 2)
        c = np.minimum((np.abs(cross) / np.sqrt(power))[band], 0.99)
        phase, omega = np.unwrap(np.angle(cross[band])), 2 * np.pi * f[band]
        w = c**2 / (1 - c**2) * np.sqrt(np.abs(cross[band]))
        spread = (w * omega**2).sum()
        delay = (w * omega * phase).sum() / spread
        scatter = ((phase - delay * omega) ** 2).sum() / (len(omega) - 1)
        error = np.sqrt(scatter * ((w * omega / spread) ** 2).sum())
        rows.append((LAG_S[0] + (first + n / 2) / RATE_HZ, delay, error))
    return np.array(rows).T


@pytest.mark.parametrize("noise", [0.02, 0.1, 0.3])
def test_mwcs_is_as_accurate_as_that_of_msnoise(noise):
    truth, ours, theirs = np.linspace(-2e-3, 2e-3, 11), [], []
    for seed, dvv in enumerate(truth):
        rng = np.random.default_rng(seed)
        f, p = rng.uniform(0.2, 1.0, (2, 60)) * [[1], [2 * np.pi]]
        decay = np.exp(-np.abs(LAG_S) / 30)

        def waves(lag_s, f=f, p=p):
            return np.cos(2 * np.pi * f[:, None] * lag_s + p[:, None]).sum(axis=0)

        q = rng.uniform(0, 2 * np.pi, 60)
        disturbance = noise * np.cos(2 * np.pi * f[:, None] * LAG_S + q[:, None]).sum(0)
        reference = waves(LAG_S) * decay
        current = (waves(LAG_S * (1 + dvv)) + disturbance) * decay
        settings = 0.2, 1.0, 10.0, 2.5
        d = mwcs_delays(reference, current, RATE_HZ, *settings, LAG_S[0])
        use = (np.abs(d.lag_s) > 5) & (np.abs(d.lag_s) < 50)
        change = velocity_change(d.lag_s[use], d.delay_s[use], d.error_s[use])
        ours.append(change.dvv - dvv)
        lag, delay, error = plain_mwcs(reference, current, *settings)
        use = (np.abs(lag) > 5) & (np.abs(lag) < 50)
        theirs.append(velocity_change(lag[use], delay[use], error[use]).dvv - dvv)
    rms_ours, rms_theirs = (np.sqrt(np.mean(np.square(x))) for x in (ours, theirs))
    assert rms_ours < 1.1 * rms_theirs
