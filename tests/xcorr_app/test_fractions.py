"""Samples between those of the grid: lags are right to a hundredth of a sample."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from obspy import Trace

from seismo_pes.correlating import correlate_pair
from seismo_pes.signal.filter import lowpass
from seismo_pes.signal.resample import interpolate_lanczos
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store

RATE_HZ = 1.0
WINDOWS, WINDOW_S = 12, 3600
#: True time that the noise takes to each station, seconds.
TRAVEL_S = {"A": 0.0, "B": 3.25, "C": 5.6}


@pytest.fixture(scope="module")
def noise():
    """Noise of 0.2 of the Nyquist frequency, at four times the rate of the records."""
    rng = np.random.default_rng(11)
    data = rng.standard_normal(4 * (WINDOWS * WINDOW_S + 400))
    return lowpass(data, 4 * RATE_HZ, 0.1, corners=8)


@pytest.fixture
def record(noise, write_trace):
    """Write the record of a station whose first sample is late by some seconds."""

    def write(station, late_s, seconds=WINDOWS * WINDOW_S, **names):
        data = recorded(noise, station, late_s, seconds)
        write_trace(station, data, DAY + late_s, RATE_HZ, **names)

    return write


def recorded(noise, station, late_s, seconds):
    first = 4 * (100.0 + late_s - TRAVEL_S[station])
    return interpolate_lanczos(noise, first, 4.0, round(seconds * RATE_HZ), 40)


def run(folder, name, stations, *options):
    """Correlate the stations; return lag and number of windows of each pair."""
    listing = folder / f"{name}.txt"
    listing.write_text("".join(f"XX {station} 0.0 0.0\n" for station in stations))
    out = folder / name
    words = ["--stations", str(listing), "--data", str(folder / "data"), "--quiet"]
    words += ["--out", str(out), "--window-s", str(WINDOW_S), "--max-lag-s", "30"]
    assert cli.main([*words, *options]) == 0
    return pairs_of(out)


def pairs_of(out):
    with store.open(out) as results:
        return {
            c.first.split(".")[1] + c.second.split(".")[1]: (
                peak_s(np.asarray(c.data, float), c.lags_s),
                int(c.n_windows),
                np.array(c.data),
            )
            for c in results
        }


def peak_s(data, lags_s):
    """Return the lag of the peak, on a curve through the samples around it."""
    k = int(np.argmax(data))
    fine = np.linspace(-1, 1, 2001)
    near = np.arange(max(0, k - 40), min(len(data), k + 41))
    curve = np.sinc(k + fine[:, None] - near) @ data[near]
    return lags_s[k] + fine[np.argmax(curve)] * (lags_s[1] - lags_s[0])


def true_lag_s(pair):
    return TRAVEL_S[pair[1]] - TRAVEL_S[pair[0]]


PLAIN = ("--whiten", "none", "--time-norm", "none", "--detrend", "none")


@pytest.mark.parametrize(
    ("late_a_s", "late_b_s"), [(0.499, 0.501), (0.1, 0.9), (-0.3, 0.3), (0.25, 0.0)]
)
@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_pair_does_not_depend_on_other_stations(
    tmp_path, record, late_a_s, late_b_s, mapping
):
    record("A", late_a_s)
    record("B", late_b_s)
    record("C", 0.0)
    options = [*PLAIN, "--mapping", mapping]
    options += ["-n", "2"] if mapping == "multi" else []
    alone = run(tmp_path, "alone", "AB", *options)
    together = run(tmp_path, "together", "ABC", *options)
    assert np.array_equal(alone["AB"][2], together["AB"][2])
    for pair, (lag_s, n_windows, _) in together.items():
        assert n_windows == WINDOWS
        assert abs(lag_s - true_lag_s(pair)) < 0.01
    lags_s = {pair: lag_s for pair, (lag_s, _, _) in together.items()}
    assert abs(lags_s["AB"] + lags_s["BC"] - lags_s["AC"]) < 0.01


OPTIONS = {
    "whitened": ["--whiten", "band", "--whiten-hz", "0.02", "0.09"],
    "psd": ["--whiten", "psd", "--whiten-hz", "0.02", "0.09"],
    "bands": ["--bands-hz", "0.02-0.09"],
    "coherency": ["--kind", "coherency", "--bands-hz", "0.02-0.09"],
    "pcc1": ["--kind", "pcc1"],
    "pcc2": ["--kind", "pcc2"],
    "pcc2 in a band": ["--kind", "pcc2", "--bands-hz", "0.02-0.09"],
    "window by window": ["--substack", "day", "--window-stack", "phase-weighted"],
    "resampled": ["--sampling-rate-hz", "0.5"],
    "by Lanczos": ["--sampling-rate-hz", "2", "--resampling", "lanczos"],
    "filtered": ["--bandpass-hz", "0.02", "0.09", "--time-norm", "onebit"],
    "rejecting": ["--reject-mad", "20"],
}


# One-bit records and phases of single samples are not limited in frequency: their
# correlations depend a little on where the samples lie. Lanczos has other windows.
# Others are equal but for the
# ends of the windows.
TOLERANCES = {"filtered": 0.03, "pcc1": 0.03, "pcc2": 0.03, "by Lanczos": 0.03}


@pytest.mark.parametrize("name", OPTIONS)
def test_each_method_gives_the_same_as_on_the_grid(tmp_path, record, name):
    options = ["--time-norm", "none", *OPTIONS[name]]
    if name == "filtered":
        options = options[2:]
    if not any(word.startswith("--whiten") for word in options):
        options += ["--whiten", "none"]
    record("A", 0.0, name="A")
    record("B", 0.0, name="B")
    _, n_expected, expected = run(tmp_path, "grid", "AB", *options)["AB"]
    record("A", 0.12, name="A")
    record("B", 0.78, name="B")
    _, n_windows, data = run(tmp_path, "between", "AB", *options)["AB"]
    error = np.abs(data - expected).max() / np.abs(expected).max()
    assert error < TOLERANCES.get(name, 0.005)
    # the grid begins before the records, and Lanczos does not extrapolate
    assert n_windows == n_expected - (name == "by Lanczos")


def test_an_update_equals_a_run_from_scratch(tmp_path, record):
    record("A", 0.499)
    record("B", 0.501)
    first = run(tmp_path, "out", "AB", *PLAIN)
    record("C", 0.0)
    updated = run(tmp_path, "out", "ABC", *PLAIN, "--update")
    scratch = run(tmp_path, "scratch", "ABC", *PLAIN)
    assert set(first) == {"AB"}
    for pair in ("AB", "AC", "BC"):
        assert np.array_equal(updated[pair][2], scratch[pair][2])


@pytest.mark.parametrize("kind", ["cc", "pcc1", "pcc2"])
def test_correlate_pair_keeps_the_fraction(noise, kind):
    correlations = []
    for late_s in ({"A": 0.0, "B": 0.0}, {"A": 0.2, "B": 0.65}):
        traces = []
        for station, seconds in late_s.items():
            header = {"station": station, "sampling_rate": RATE_HZ}
            data = recorded(noise, station, seconds, 2 * WINDOW_S)
            traces.append(Trace(data, header | {"starttime": DAY + seconds}))
        correlations.append(correlate_pair(*traces, max_lag_s=30.0, kind=kind).data[0])
    expected, data = correlations
    assert np.abs(data - expected).max() < 0.02 * np.abs(expected).max()


@pytest.mark.parametrize("late_s", [0.0, 0.005, -0.02, 0.3, 0.5, 0.78, -0.4, 0.98])
def test_no_window_is_lost_wherever_the_samples_lie(tmp_path, record, late_s):
    record("A", late_s)
    record("B", 0.0)
    lag_s, n_windows, _ = run(tmp_path, "out", "AB", *PLAIN)["AB"]
    assert n_windows == WINDOWS
    assert abs(lag_s - true_lag_s("AB")) < 0.015


def test_pieces_of_a_channel_with_different_fractions(tmp_path, record, noise):
    """After a gap the recorder starts again at another fraction of a sample."""
    record("A", 0.0)
    record("B", 0.3, seconds=4 * WINDOW_S - 600)
    record("B", 4 * WINDOW_S + 0.85, seconds=8 * WINDOW_S)
    options = [*PLAIN, "--substack", "hour"]
    run(tmp_path, "out", "AB", *options)
    with store.open(tmp_path / "out") as results:
        names = [name for name in results.stacks if name != "all"]
        pairs = [results.get("XX.A..HHZ", "XX.B..HHZ", name) for name in names]
        lags = [peak_s(np.asarray(c.data, float), results.lags_s) for c in pairs]
    assert len(lags) == WINDOWS - 1
    assert np.abs(np.array(lags) - true_lag_s("AB")).max() < 0.02


def test_lags_close_around_every_triangle(noise):
    rng = np.random.default_rng(2)
    traces = {}
    for station in TRAVEL_S:
        late_s = rng.uniform(-0.5, 0.5)
        header = {"station": station, "sampling_rate": RATE_HZ}
        data = recorded(noise, station, late_s, WINDOW_S)
        traces[station] = Trace(data, header | {"starttime": DAY + late_s})
    lags_s = {}
    for a, b in itertools.combinations(traces, 2):
        c = correlate_pair(traces[a], traces[b], max_lag_s=30.0)
        lags_s[a + b] = peak_s(c.data[0].astype(float), c.lags_s)
    assert abs(lags_s["AB"] + lags_s["BC"] - lags_s["AC"]) < 0.01
