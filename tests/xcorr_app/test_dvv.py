"""Velocity changes of a synthetic run whose true changes are known."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.methods import VELOCITY_CHANGES
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import cli, commands, store
from xcorr_app.measuring.batches import describe_skipped
from xcorr_app.measuring.dvv import MeasureChanges, measure_dvv
from xcorr_app.measuring.dvv_methods import lag_range
from xcorr_app.measuring.dvv_settings import choose_settings
from xcorr_app.measuring.dvv_tables import CHANGE, NetworkMean
from xcorr_app.measuring.tables import read_table
from xcorr_app.reporting.velocity_change import draw_changes, summary
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

DAY_NS = 86_400 * 10**9
RATE_HZ, MAX_LAG_S = 20.0, 60.0
BAND = (0.4, 1.6)
# Relative changes of velocity, day by day; the fourth day is missing.
TRUTH = {0: -0.003, 1: -0.001, 2: 0.0, 4: 0.002, 5: 0.004}
DAYS = {day: f"2022-05-{17 + day}" for day in TRUTH}


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


def coda(lag_s, seed):
    """A coda of 40 sines between 0.4 and 1.6 Hz, at any lag."""
    rng = np.random.default_rng(seed)
    f, p = rng.uniform(*BAND, 40), rng.uniform(0, 2 * np.pi, 40)
    waves = np.cos(2 * np.pi * f[:, None] * np.abs(lag_s) + p[:, None]).sum(axis=0)
    return waves * np.exp(-np.abs(lag_s) / 40)


def make(out, n=4, noise=0.0, config=None, band="", located=True, factor=1.0):
    """Write a run of n stations 5 km apart with a reference and daily stacks.

    The true changes are those of `TRUTH` times a factor.
    """
    ids = [f"XX.S{k}..HHZ" for k in range(n)]
    places = [(0.0, 0.045 * k) if located else () for k in range(n)]
    channels = [Place(i, *place) for i, place in zip(ids, places, strict=True)]
    n_lags = int(2 * MAX_LAG_S * RATE_HZ) + 1
    lag_s = (np.arange(n_lags) - n_lags // 2) / RATE_HZ
    config = {"bandpass_hz": BAND} if config is None else config
    create_run(out, config=config, channels=channels, sampling_rate_hz=RATE_HZ,
               n_lags=n_lags)  # fmt: skip
    pairs = np.stack(np.triu_indices(n, 1), axis=1).astype("i4")
    rng = np.random.default_rng(1)
    with CorrelationWriter(out) as writer:
        for k, (day, change) in enumerate([(None, 0.0), *TRUTH.items()]):
            rows = np.array(
                [coda(lag_s * (1 + factor * change), 10 + p) for p in range(len(pairs))]
            )
            if day is not None:
                rows = rows + noise * rng.standard_normal(rows.shape)
            start = np.full(len(pairs), (19_129 + (day or 0)) * DAY_NS)
            end = start + DAY_NS * (6 if day is None else 1)
            count = np.full(len(pairs), 24, "i4")
            name = "all" if day is None else DAYS[day]
            rest = (count, start, end, rows.astype("f4"), (0, 0, k), True)
            writer.write(CorrelationRows(name + band, pairs, *rest))
    finalize(out)
    return store.open(out)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    with make(out, noise=0.5) as results:
        yield results


TOLERANCE = {"stretching": 1e-4, "mwcs": 2e-4, "wcc": 2e-4, "dtw": 6e-4,
             "wcs": 6e-4, "wts": 3e-4}  # fmt: skip


@pytest.mark.parametrize("method", VELOCITY_CHANGES)
def test_known_changes_are_found(run, tmp_path, method):
    settings = choose_settings(run, method=method, lag_s=(8.0, 45.0))
    slow = method in ("dtw", "wts")
    chosen = [("S0", "S1"), ("S3", "S1")] if slow else []
    table, n_pairs, skipped = measure_dvv(run, settings, tmp_path, pairs=chosen)
    assert (n_pairs, skipped) == (2 if slow else 6, [])
    network = read_table(table.paths[1])
    days = network["time"].astype("datetime64[D]")
    n = len(network.get("frequency_hz", np.zeros(5))) // 5
    assert days[::n].astype(str).tolist() == list(DAYS.values())
    truth = np.repeat(list(TRUTH.values()), n)
    off = np.abs(network["dvv_percent"] / 100 - truth)
    assert np.median(off) < TOLERANCE[method]
    assert (network["n_pairs"] > 0).all()
    assert (network["error_percent"] >= 0).all()
    # the error bars tell about how large the errors are
    ratio = off / np.maximum(network["error_percent"] / 100, 1e-5)
    assert np.median(ratio) < 4
    pairs = read_table(table.paths[0])
    assert len(pairs["dvv_percent"]) == n_pairs * 5 * n
    assert pairs["first"][0] == "XX.S0..HHZ"
    assert pairs["stack"][::n][:5].tolist() == list(DAYS.values())
    assert str(pairs["time"][0]) == "2022-05-17T12:00:00.000"
    about = json.loads((tmp_path / "dvv.json").read_text())
    assert about["settings"]["method"] == method
    assert about["configuration"] == {"bandpass_hz": list(BAND)}


def test_errors_of_stretching_are_those_of_the_noise(run, tmp_path):
    settings = choose_settings(run, lag_s=(8.0, 45.0))
    table, *_ = measure_dvv(run, settings, tmp_path)
    pairs = read_table(table.paths[0])
    truth = np.tile(list(TRUTH.values()), 6)
    normalised = (pairs["dvv_percent"] / 100 - truth) / (pairs["error_percent"] / 100)
    assert 0.2 < np.sqrt(np.mean(normalised**2)) < 2
    assert (pairs["coherence"] > 0.8).all()


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_every_mapping_and_batch_gives_the_same_files(
    run, tmp_path, mapping, monkeypatch
):
    settings = choose_settings(run)
    usual = measure_dvv(run, settings, tmp_path / "usual")[0]
    if mapping == "simple":  # two rows at a time: a series in parts
        monkeypatch.setattr(MeasureChanges.__init__, "__defaults__", (2 * 4 * 2401,))
    other = measure_dvv(
        run, settings, tmp_path / "other", mapping=mapping, processes=3
    )[0]
    for path, other_path in zip(usual.paths, other.paths, strict=True):
        assert path.read_bytes() == other_path.read_bytes()


def test_bands_and_filters(tmp_path):
    with make(tmp_path / "a", n=2, band="@0.4-1.6Hz", config={}) as results:
        assert choose_settings(results, reference="all@0.4-1.6Hz").band_hz == BAND
        settings = choose_settings(results, reference="all@0.4-1.6Hz", band=(0.5, 1.0))
        table, *_ = measure_dvv(results, settings, tmp_path)
        dvv = read_table(table.paths[1])["dvv_percent"] / 100
        assert np.abs(dvv - list(TRUTH.values())).max() < 1e-4
    with (
        make(tmp_path / "b", n=2, config={}) as results,
        pytest.raises(ParameterError, match="--filter-hz LO HI"),
    ):
        choose_settings(results)


def test_lags_begin_after_the_slowest_wave(run):
    settings = choose_settings(run, velocity_km_s=2.0, length_s=20.0)
    low_s, high_s = lag_range(settings, 10.0, MAX_LAG_S)
    assert (low_s, high_s) == (5.0 + 1 / 0.4, 27.5)


def test_pairs_that_cannot_be_measured_are_reported(tmp_path):
    with make(tmp_path / "a", n=3, located=False) as results:
        table, n_pairs, skipped = measure_dvv(
            results, choose_settings(results), tmp_path
        )
        assert "give --lag-s LO HI" in skipped[0].reason
        assert skipped[0].what == "XX.S0..HHZ - XX.S1..HHZ"
        with pytest.raises(
            ParameterError,
            match="none of the 3 pairs could be measured: the distance is unknown",
        ):
            describe_skipped(skipped, n_pairs)
        assert len(read_table(table.paths[0])["dvv_percent"]) == 0
    lines = describe_skipped(skipped[:2], 6)
    assert lines[0] == "2 of 6 pairs skipped:"


@pytest.mark.parametrize("method", VELOCITY_CHANGES)
def test_a_run_whose_pairs_cannot_be_measured_gives_one_line(tmp_path, capsys, method):
    with make(tmp_path / "a", n=3, located=False):
        pass
    assert cli.main(["dvv", str(tmp_path / "a"), "--method", method, "--quiet"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "none of the 3 pairs could be measured: the distance is unknown" in message


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"method": "stretch"}, "stretching"),
        ({"period": "week"}, "--period week"),
        ({"period": "hour"}, "the results have no substacks of each hour"),
        ({"band": (1.0, 30.0)}, "half the sampling rate"),
        ({"side": "left"}, "--side left"),
        ({"side": "causal", "method": "mwcs"}, "both sides"),
        ({"max_dvv": 2.0}, "--max-dvv"),
        ({"velocity_km_s": 0.0}, "--velocity"),
        ({"lag_s": (70.0, 80.0)}, "the lags of the results go from 0 to 60 s"),
        ({"frequencies_hz": (0.0,)}, "--frequencies-hz"),
        ({"reference": "al"}, "no stack 'al'"),
    ],
)
def test_wrong_options_are_refused(run, given, words):
    with pytest.raises(ParameterError, match=words):
        choose_settings(run, **given)


def test_mean_of_the_network():
    mean = NetworkMean(2, 1, 0.5)
    rows = np.zeros(5, CHANGE)
    rows["current"] = 1
    rows["dvv"] = [1e-3, 2e-3, np.nan, 5e-3, 1e-3]
    rows["error"] = [1e-4, 2e-4, 1e-4, np.nan, 1e-4]
    rows["coherence"] = [0.9, np.nan, 0.9, 0.9, 0.1]
    mean.add(rows, np.zeros(5, int))
    (row,) = mean.table([np.nan])
    weight = 1 / (np.array([1e-4, 2e-4]) ** 2 + 1e-10)
    expected = np.average([1e-3, 2e-3], weights=weight)
    assert row["n_pairs"] == 2
    assert row["dvv"] == pytest.approx(expected, rel=1e-12)
    scatter = np.average((np.array([1e-3, 2e-3]) - expected) ** 2, weights=weight)
    assert row["error"] == pytest.approx(np.sqrt(scatter), rel=1e-6)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize("method", VELOCITY_CHANGES)
def test_changes_beyond_the_search_have_no_value_and_are_counted(
    tmp_path, method, mapping
):
    """Of -3, -1, 0, 2 and 4 % only those within 1.5 % have a value."""
    with make(tmp_path / "run", n=2, factor=10.0) as results:
        settings = choose_settings(
            results,
            method=method,
            lag_s=(8.0, 45.0),
            max_dvv=0.015,
            frequencies_hz=(0.7, 1.1),
        )
        table, *_ = measure_dvv(
            results, settings, tmp_path, mapping=mapping, processes=2
        )
        lines = summary(table, settings)
    pairs, network = (read_table(path) for path in table.paths)
    truth = 10 * np.array(list(TRUTH.values()))
    n = len(pairs["dvv_percent"]) // 5
    is_beyond = np.repeat(np.abs(truth) > 0.015, n)
    # far beyond the search no stretch fits: a change of low coherence, or at the edge
    is_low = pairs["coherence"] < 0.5
    np.testing.assert_array_equal((pairs["at_edge"] > 0) | is_low, is_beyond)
    np.testing.assert_array_equal(np.isnan(pairs["dvv_percent"]), is_beyond)
    np.testing.assert_array_equal(np.isnan(pairs["dvv_percent"]), pairs["at_edge"] > 0)
    error = pairs["dvv_percent"] / 100 - np.repeat(truth, n)
    assert np.abs(error[~is_beyond]).max() < 1.5e-3
    n_left_out = network["n_at_edge"] + network["n_incoherent"]
    np.testing.assert_array_equal(n_left_out, is_beyond)
    np.testing.assert_array_equal(network["n_pairs"], ~is_beyond)
    np.testing.assert_array_equal(np.isnan(network["dvv_percent"]), is_beyond)
    n_at_edge = int(pairs["at_edge"].sum())
    assert n_at_edge >= n
    edge = f"{n_at_edge} of {5 * n} changes at the edge of the search, --max-dvv 1.5 %"
    assert f"{edge}, or without a fit in it" in lines
    assert "1 of 6 days without a stack" in lines


def test_a_mean_counts_omitted_values_and_needs_pairs():
    mean = NetworkMean(1, 1, 0.5, min_pairs=3)
    rows = np.zeros(6, CHANGE)
    rows["dvv"] = [1e-3, 2e-3, 3e-3, 3e-3, np.nan, np.nan]
    rows["error"] = [1e-4, 1e-4, 1e-4, 1e-4, np.nan, np.nan]
    rows["coherence"] = [0.9, 0.9, 0.3, 0.4, 0.99, 0.9]
    rows["at_edge"][4:] = True
    mean.add(rows, np.zeros(6, int))
    (row,) = mean.table([np.nan])
    assert (row["n_pairs"], row["n_incoherent"], row["n_at_edge"]) == (2, 2, 2)
    assert np.isnan(row["dvv"])
    rows["coherence"] = 0.9
    mean.add(rows[:1], np.zeros(1, int))
    (row,) = mean.table([np.nan])
    assert row["n_pairs"] == 3
    assert 1e-3 < row["dvv"] < 2e-3


def test_the_summary_names_incoherent_pairs(run, tmp_path):
    settings = choose_settings(run, lag_s=(8.0, 45.0))
    table, *_ = measure_dvv(run, settings, tmp_path, min_coherence=1.0)
    lines = summary(table, settings)
    assert "lower --min-coherence" in lines[0]
    assert "30 of 30 changes below --min-coherence 1" in lines
    assert "6 of 6 pairs below --min-coherence 1 at all times" in lines


# ------------------------------------------------------------------ the command


def test_the_command(run, tmp_path, capsys):
    words = ["dvv", str(run.path), "--output", str(tmp_path), "--quiet"]
    words += ["--pair", "S0", "S1", "--pair", "S2", "S1"]
    lines = commands.dvv(words[1:]).splitlines()
    assert lines[0].startswith("dv/v by stretching of 2 pairs at 5 times: -0.3")
    assert {path.name for path in tmp_path.iterdir()} == {
        "dvv.csv", "dvv_network.csv", "dvv.json", "dvv.png"
    }  # fmt: skip
    assert lines[-1] == str(tmp_path / "dvv.png")
    with pytest.raises(ParameterError, match="--force"):
        commands.dvv(words[1:])
    more = ["--force", "--method", "wcs", "--frequencies-hz", "1", "0.7"]
    commands.dvv([*words[1:], *more])
    assert set(read_table(tmp_path / "dvv.csv")["frequency_hz"]) == {0.7, 1.0}


def test_pictures(run, tmp_path, monkeypatch):
    figures = []
    monkeypatch.setattr(
        "xcorr_app.reporting.velocity_change.save", lambda f, path: figures.append(f)
    )
    settings = choose_settings(run)
    table, *_ = measure_dvv(run, settings, tmp_path)
    draw_changes(table, settings, "x.png")
    axes, below, _ = figures[0].axes
    lines = {line.get_label(): line for line in axes.lines}
    assert axes.get_ylabel() == "dv/v (%)"
    assert len(axes.lines) == 8  # zero, six pairs, their mean
    mean = axes.lines[-1].get_ydata()
    assert np.isnan(mean[3])  # no line over the day that is missing
    np.testing.assert_allclose(np.delete(mean, 3), 100 * np.array(list(TRUTH.values())),
                               atol=0.01)  # fmt: skip
    assert [bar.get_height() for bar in below.patches] == [6] * 5
    assert "pairs" in lines
    single, *_ = measure_dvv(run, settings, tmp_path, pairs=[("S0", "S1")])
    draw_changes(single, settings, "x.png")
    assert "XX.S0..HHZ" in figures[1].axes[0].get_title(loc="left")
    none, *_ = measure_dvv(run, settings, tmp_path, min_coherence=1.0)
    with pytest.raises(ParameterError, match="lower --min-coherence"):
        draw_changes(none, settings, "x.png")
    assert "lower --min-coherence" in summary(none, settings)[0]
