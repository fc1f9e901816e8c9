"""Dispersion of a synthetic run whose phase velocity is known at each frequency."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import commands, store
from xcorr_app.measuring.dispersion import choose_settings, measure_disp
from xcorr_app.measuring.dispersion_tables import Medians
from xcorr_app.measuring.tables import read_table
from xcorr_app.reporting.dispersion import clearest_pair, draw_curves, summary
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

RATE_HZ, MAX_LAG_S = 5.0, 200.0
BAND = (0.07, 0.4)
KM = 111.195
DAY_NS = 86_400 * 10**9


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


def truth(period_s):
    """Group and phase velocity: c = 3 + 0.05 T, so f / c = f**2 / (3 f + 0.05)."""
    f = 1 / period_s
    slowness = (2 * f * (3 * f + 0.05) - 3 * f**2) / (3 * f + 0.05) ** 2
    return 1 / slowness, 3.0 + 0.05 * period_s


def wave(distance_km, noise, rng):
    """The correlation of noise from all directions: the wave on both sides."""
    n = 8192
    f = np.fft.rfftfreq(n, 1 / RATE_HZ)
    with np.errstate(divide="ignore"):
        c = 3.0 + 0.05 / np.maximum(f, 0.02)
    band = np.exp(-(((np.log(np.maximum(f, 1e-3)) - np.log(0.17)) / 0.7) ** 2))
    phase = -2 * np.pi * f * distance_km / c + np.pi / 4
    n_half = int(MAX_LAG_S * RATE_HZ) + 1
    half = np.fft.irfft(band * np.exp(1j * phase), n)[:n_half]
    row = np.concatenate([half[:0:-1], half])
    return row + noise * np.abs(row).max() * rng.standard_normal(len(row))


def make(out, distances_km=(0.0, 60.0, 150.0, 260.0), noise=0.02, located=True,
         config=None, channel="HHZ"):  # fmt: skip
    """Write a run of stations along the equator."""
    channels = [
        Place(f"XX.S{k}..{channel}", *((0.0, km / KM) if located else ()))
        for k, km in enumerate(distances_km)
    ]
    n_lags = int(2 * MAX_LAG_S * RATE_HZ) + 1
    config = {"bandpass_hz": BAND} if config is None else config
    create_run(out, config=config, channels=channels, sampling_rate_hz=RATE_HZ,
               n_lags=n_lags)  # fmt: skip
    pairs = np.stack(np.triu_indices(len(channels)), axis=1).astype("i4")
    rng = np.random.default_rng(1)
    km = np.diff(np.array(distances_km)[pairs], axis=1).ravel()
    rows = np.array([wave(distance, noise, rng) for distance in km]).astype("f4")
    n = len(pairs)
    counts = np.full(n, 24, "i4"), np.zeros(n, "i8"), np.full(n, DAY_NS)
    with CorrelationWriter(out) as writer:
        writer.write(CorrelationRows("all", pairs, *counts, rows, (0, 0, 0), True))
    finalize(out)
    return store.open(out)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    with make(tmp_path_factory.mktemp("run")) as results:
        yield results


@pytest.mark.parametrize("side", ["symmetric", "causal", "acausal"])
def test_known_dispersion_is_found(run, tmp_path, side):
    settings = choose_settings(
        run, side=side, velocity_km_s=(2.0, 4.5), reference_km_s=3.7
    )
    table, n_pairs, skipped = measure_disp(run, settings, tmp_path)
    assert (n_pairs, skipped) == (6, [])  # and no station with itself
    picks = read_table(table.paths[0])
    assert len(picks["period_s"]) == 6 * 30
    good = picks["accepted"] > 0
    assert good.sum() > 90
    group, phase = truth(picks["instantaneous_period_s"][good])
    assert np.median(np.abs(picks["group_km_s"][good] / group - 1)) < 0.01
    assert np.abs(picks["group_km_s"][good] / group - 1).max() < 0.08
    assert np.median(np.abs(picks["phase_km_s"][good] / phase - 1)) < 0.005
    wavelengths = picks["distance_km"] / (
        picks["group_km_s"] * picks["instantaneous_period_s"]
    )
    assert wavelengths[good].min() >= 1.5
    network = read_table(table.paths[1])
    measured = network["n_group"] >= 3
    assert measured.sum() > 12
    group, phase = truth(network["period_s"][measured])
    np.testing.assert_allclose(network["group_km_s"][measured], group, rtol=0.02)
    np.testing.assert_allclose(network["phase_km_s"][measured], phase, rtol=0.01)
    assert (network["group_p84_km_s"] >= network["group_p16_km_s"])[measured].all()
    about = json.loads((tmp_path / "disp.json").read_text())
    assert about["settings"]["side"] == side


def test_every_mapping_gives_the_same_files(run, tmp_path):
    settings = choose_settings(run)
    simple = measure_disp(run, settings, tmp_path / "a")[0]
    multi = measure_disp(run, settings, tmp_path / "b", mapping="multi", processes=3)[0]
    for path, other in zip(simple.paths, multi.paths, strict=True):
        assert path.read_bytes() == other.read_bytes()


def test_lags_that_end_before_the_wave(tmp_path):
    with make(tmp_path, (0.0, 100.0, 900.0)) as results:
        settings = choose_settings(results, velocity_km_s=(2.0, 4.5))
        _, n_pairs, skipped = measure_disp(results, settings, tmp_path / "x")
    assert n_pairs == 3
    assert {skip.what for skip in skipped} == {
        "XX.S0..HHZ - XX.S2..HHZ",
        "XX.S1..HHZ - XX.S2..HHZ",
    }
    assert "correlate with a longer --max-lag-s" in skipped[0].reason


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"period_s": (0.1, 3.0)}, "two samples"),
        ({"n_periods": 1}, "--periods 1"),
        ({"velocity_km_s": (0.0, 3.0)}, "--velocity-km-s"),
        ({"side": "left"}, "--side left"),
        ({"alpha": 0.0}, "--alpha 0"),
        ({"reference_km_s": -1.0}, "--reference-km-s"),
        ({"stack": "al"}, "no stack 'al'"),
    ],
)
def test_wrong_options_are_refused(run, given, words):
    with pytest.raises(ParameterError, match=words):
        choose_settings(run, **given)


def test_missing_bands_distances_and_components_are_refused(run, tmp_path):
    with make(tmp_path / "a", located=False, config={}) as results:
        with pytest.raises(ParameterError, match="--period-s LO HI"):
            choose_settings(results)
        settings = choose_settings(results, period_s=(3.0, 10.0))
        with pytest.raises(
            ParameterError, match="velocities need the coordinates of the stations"
        ):
            measure_disp(results, settings, tmp_path)
    with pytest.raises(ParameterError, match="--components TT: the run has ZZ"):
        measure_disp(run, choose_settings(run), tmp_path, components="TT")


def test_medians_are_those_of_the_values():
    rng = np.random.default_rng(1)
    values = rng.normal(3.0, 0.2, (501, 2))
    values[:, 1] = np.nan
    medians = Medians(2, 1.0, 5.0)
    for row in values:
        medians.add(row)
    percentiles = medians.percentiles()
    expected = np.percentile(values[:, 0], (16, 50, 84))
    np.testing.assert_allclose(percentiles[0], expected, atol=0.004)  # two bins
    assert np.isnan(percentiles[1]).all()


def test_the_command(run, tmp_path):
    words = [str(run.path), "--output", str(tmp_path), "--quiet"]
    words += ["--reference-km-s", "3.7", "--velocity-km-s", "2", "4.5"]
    lines = commands.disp(words).splitlines()
    assert lines[0].startswith("median group velocity 3.0")
    assert lines[1].startswith("median phase velocity 3.1")
    assert lines[-1] == str(tmp_path / "disp_pair.png")
    names = {"disp.csv", "disp_network.csv", "disp.json", "disp.png", "disp_pair.png"}
    assert {path.name for path in tmp_path.iterdir()} == names
    with pytest.raises(ParameterError, match="--force"):
        commands.disp(words)


def test_pictures(run, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "xcorr_app.reporting.dispersion.save", lambda f, path: figures.append(f)
    )
    settings = choose_settings(run, reference_km_s=3.7)
    table, n_pairs, _ = measure_disp(run, settings, tmp_path)
    draw_curves(table, "x.png")
    group, phase, counts = figures[0].axes
    assert group.get_ylabel() == "group velocity (km/s)"
    assert phase.get_ylabel() == "phase velocity (km/s)"
    assert len(group.lines) == 7  # six pairs and their median
    assert counts.lines[0].get_ydata().max() <= n_pairs
    clearest = clearest_pair(table)
    assert clearest["distance_km"][0] > 150
    nothing, *_ = measure_disp(run, choose_settings(run, min_snr=1e9), tmp_path)
    with pytest.raises(ParameterError, match="lower --min-snr"):
        draw_curves(nothing, "x.png")
    assert "lower --min-snr" in summary(nothing, 6)[0]
