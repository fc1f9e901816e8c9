"""Changes within the search and far beyond it, by all methods: right or rejected."""

import numpy as np
import pytest

from seismo_pes import measuring as dvv
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring.velocity_search import Search, align
from seismo_pes.signal.filter import bandpass
from seismo_pes.signal.stretching import stretch

RATE_HZ, MAX_DVV = 10.0, 0.02
LAG_S = np.arange(-700, 701) / RATE_HZ
LAGS = {"low_s": 10.0, "high_s": 60.0, "max_dvv": MAX_DVV}
SIZES = np.array([0.001, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1])
TRUTH = np.concatenate([-SIZES[::-1], [0.0], SIZES])
IDS = "XX.AAA..HHZ", "XX.BBB..HHZ"
BANDS = {"wide": (0.3, 1.5), "narrow": (0.7, 1.1)}
METHODS = ["stretching", "mwcs", "wcc", "dtw", "wcs", "wts"]


def waves(rng, band_hz):
    """Return a function of the lag: different codas on the two sides."""
    f = rng.uniform(*band_hz, 80)
    phases = rng.uniform(0, 2 * np.pi, (2, 80, 1))

    def at(lag_s):
        sides = (np.cos(2 * np.pi * np.outer(f, abs(lag_s)) + p).sum(0) for p in phases)
        return np.where(lag_s < 0, *sides) / np.sqrt(40)

    return at


def changed(band_hz, noise, truth=TRUTH, seed=4):
    """Return correlations with true changes and noise, and their reference."""
    rng = np.random.default_rng(seed)
    coda, decay = waves(rng, band_hz), np.exp(-np.abs(LAG_S) / 40)
    rows = np.array([coda(LAG_S * (1 + change)) for change in truth])
    rows += noise * np.array([waves(rng, band_hz)(LAG_S) for _ in truth])
    return (
        Correlation.of(*IDS, rows * decay, RATE_HZ),
        Correlation.of(*IDS, coda(LAG_S) * decay, RATE_HZ),
    )


def measure(method, band_hz, series, reference):
    low_hz, high_hz = band_hz
    window_s = 4 / (high_hz - low_hz)
    windows = {"window_s": window_s, "step_s": window_s / 4}
    options = LAGS | {"reference": reference}
    f = np.geomspace(low_hz * 1.1, high_hz / 1.1, 3)
    if method == "stretching":
        return dvv.stretch_windows(series, band_hz=band_hz, **options)
    if method == "mwcs":
        return dvv.mwcs(series, *band_hz, **windows, **options)
    if method == "wcc":
        return dvv.cross_correlate_windows(
            series, max_delay_s=1.2, **windows, **options
        )
    if method == "dtw":
        return dvv.warp(series, max_delay_s=0.8, oversample=2, **options)
    function = dvv.wavelet if method == "wcs" else dvv.wavelet_stretch_windows
    return function(series, f, **options)


@pytest.mark.parametrize("noise", [0.0, 0.3])
@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("method", METHODS)
def test_a_change_is_right_or_has_no_value(method, band, noise):
    """True changes of both signs, up to five times the largest change of the search."""
    changes = measure(method, BANDS[band], *changed(BANDS[band], noise))
    n = len(TRUTH)
    value, error, at_edge = (
        x.reshape(n, -1) for x in (changes.dvv, changes.error, changes.at_edge)
    )
    inside = np.abs(TRUTH) < MAX_DVV
    assert np.isnan(value[~inside]).all()
    np.testing.assert_array_equal(np.isnan(value), at_edge)
    np.testing.assert_array_equal(np.isnan(value), np.isnan(error))
    # low frequencies have few independent samples: some changes are not measured
    assert np.isfinite(value[inside]).mean() > (0.9 if value.shape[1] > 1 else 0.99)
    off = np.abs(value - TRUTH[:, None])[inside]
    # wavelets measure a band whose phases differ: 5 % of the change
    part = 0.05 if method == "wcs" else 0.003
    limit = 5 * error[inside] + 3e-5 + part * np.abs(TRUTH[inside])[:, None]
    known = np.isfinite(off)
    assert (off[known] < limit[known]).all()


@pytest.mark.parametrize("method", METHODS)
def test_records_of_other_waves_have_no_value(method):
    band_hz = BANDS["wide"]
    _, reference = changed(band_hz, 0.0)
    others = [changed(band_hz, 0.0, [0.0], seed)[1].data for seed in range(10, 30)]
    series = Correlation.of(*IDS, np.array(others), RATE_HZ)
    changes = measure(method, band_hz, series, reference)
    assert np.isnan(changes.dvv).all()
    assert changes.at_edge.all()


@pytest.mark.parametrize("decay_s", [1e9, 20.0])
@pytest.mark.parametrize("band_hz", [(0.3, 1.5), (0.6, 1.0)])
def test_independent_records_fit_by_chance_as_often_as_stated(
    band_hz, decay_s, monkeypatch
):
    """With a limit of 10 % instead of 0.1 %, a tenth of independent records fits."""
    monkeypatch.setattr("seismo_pes.signal.stretching.MOST_CHANCE", 0.1)
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((240, 3000))
    noise = bandpass(noise, RATE_HZ, *band_hz)[:, 500 : 500 + len(LAG_S)]
    noise *= np.exp(-np.abs(LAG_S) / decay_s)
    found = [
        np.isfinite(stretch(group[0], group[1:], LAG_S, 10.0, 60.0).dvv)
        for group in noise.reshape(6, 40, -1)
    ]
    # about a tenth of them would have the best coefficient at an end of the search
    assert 0.03 < np.mean(found) < 0.15


def test_mwcs_and_wcc_have_no_bias_by_windows_at_equal_lags():
    """Tapers at equal times, instead of equal lags, make delays 1 and 2 % too small."""
    truth = np.linspace(-0.005, 0.005, 11)
    series, reference = changed((0.2, 1.0), 0.0, truth)
    for method in ("mwcs", "wcc", "dtw"):
        changes = measure(method, (0.2, 1.0), series, reference)
        slope = np.polyfit(truth, changes.dvv, 1)[0]
        assert abs(slope - 1) < 2e-3


@pytest.mark.parametrize("method", ["mwcs", "wcc", "dtw", "stretching"])
def test_error_bars_contain_the_truth_in_two_thirds_of_cases(method):
    truth = np.linspace(-0.005, 0.005, 30)
    inside = []
    for seed in range(1 if method == "dtw" else 4):
        series, reference = changed((0.3, 1.5), 0.3, truth, seed)
        changes = measure(method, (0.3, 1.5), series, reference)
        inside.append(np.abs(changes.dvv - truth) < changes.error)
    # 30 or 120 records; those of a pair share the reference
    assert 0.5 < np.mean(inside) < 0.87


def test_rows_are_stretched_back():
    truth = np.array([-0.015, 0.004])
    series, reference = changed((0.3, 1.5), 0.0, truth)
    aligned = align(series, reference.data, Search(**LAGS))
    inside = np.abs(LAG_S) < 0.98 * LAG_S[-1]
    scale = np.abs(reference.data).max()
    for row in aligned.rows:
        # the decay of the coda is stretched, too: 1.5 % of 70 / 40
        np.testing.assert_allclose(
            row[inside], reference.data[inside], atol=0.03 * scale
        )
    np.testing.assert_allclose(aligned.last_s, [70 * 0.985, 70], rtol=1e-4)
    silent = Correlation.of(*IDS, np.zeros((1, len(LAG_S))), RATE_HZ)
    changes = measure("mwcs", (0.3, 1.5), silent, reference)
    assert np.isnan(changes.dvv).all()
