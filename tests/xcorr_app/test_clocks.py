"""Clock errors of synthetic runs with known clocks."""

import json
import math
from dataclasses import dataclass

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.preprocessing import read_clock_table
from seismo_pes.signal.filter import bandpass
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import commands, store
from xcorr_app.measuring.clock_settings import choose_settings, lag_range
from xcorr_app.measuring.clocks import measure_clocks
from xcorr_app.measuring.tables import read_table
from xcorr_app.reporting import clocks as reporting
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

DAY_NS = 86_400 * 10**9
FIRST_DAY = 19_129  # 2022-05-17
RATE_HZ, MAX_LAG_S, BAND, VELOCITY_KM_S = 10.0, 60.0, (0.2, 0.8), 3.0
N_DAYS, SAMPLE_S = 10, 1 / RATE_HZ


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float
    longitude: float
    elevation_m: float = math.nan


PLACES = [
    Place(f"XX.{name}..HHZ", latitude, longitude)
    for name, latitude, longitude in (
        ("A", 0.0, 0.0), ("B", 0.0, 0.5), ("C", 0.3, 0.1), ("D", 0.35, 0.45),
        ("E", 0.15, 0.75), ("F", -0.2, 0.3),
    )
]  # fmt: skip
NAMES = [place.id.rpartition("..")[0] for place in PLACES]
days = np.arange(N_DAYS)
# C drifts, D was set on the sixth day, the others are right.
TRUTH = np.zeros((len(PLACES), N_DAYS))
TRUTH[2] = 0.5 + 0.13 * days
TRUTH[3] = np.where(days < 5, 0.0, -1.7)


def pulses(lag_s, arrival_s, causal=1.0, acausal=1.0):
    late_s = np.abs(lag_s) - arrival_s
    wave = np.cos(2 * np.pi * 0.4 * late_s) * np.exp(-((late_s / 3) ** 2))
    return wave * np.where(lag_s > 0, causal, acausal)


def make(out, truth=TRUTH, noise=0.03, sides=(1.0, 1.0), dvv=0.0, missing=(), band="",
         places=PLACES, config=None):  # fmt: skip
    """Write a run whose correlations are shifted by the true clock errors."""
    n_lags = int(2 * MAX_LAG_S * RATE_HZ) + 1
    lag_s = (np.arange(n_lags) - n_lags // 2) / RATE_HZ
    config = config or {"bandpass_hz": BAND}
    create_run(out, config=config, channels=list(places), sampling_rate_hz=RATE_HZ,
               n_lags=n_lags)  # fmt: skip
    pairs = np.stack(np.triu_indices(len(places), 1), axis=1).astype("i4")
    rng = np.random.default_rng(3)
    velocity = rng.uniform(-dvv, dvv, truth.shape[1])
    with CorrelationWriter(out) as writer:
        for day in range(truth.shape[1]):
            keep = [k for k in range(len(pairs)) if (day, k) not in missing]
            rows = []
            for i, j in pairs[keep]:
                first, second = places[i], places[j]
                east = first.longitude - second.longitude
                north = first.latitude - second.latitude
                arrival_s = 111.2 * math.hypot(east, north) / VELOCITY_KM_S
                stretched_s = (lag_s - truth[j, day] + truth[i, day]) * (
                    1 + velocity[day]
                )
                loud = rng.standard_normal(n_lags + 400)
                loud = bandpass(loud, RATE_HZ, *BAND)[200:-200]
                rows.append(
                    pulses(stretched_s, arrival_s, *sides) + noise * loud / loud.std()
                )
            start = np.full(len(keep), (FIRST_DAY + day) * DAY_NS)
            count = np.full(len(keep), 24, "i4")
            name = str(np.datetime64(FIRST_DAY + day, "D")) + band
            data = np.array(rows, "f4")
            rest = (count, start, start + DAY_NS, data, (0, 0, day), True)
            writer.write(CorrelationRows(name, pairs[keep], *rest))
            if day == 0:  # the stack of the run is not used
                writer.write(CorrelationRows("all" + band, pairs[keep], *rest))
    finalize(out)
    return out


def offsets(path, field="offset_s"):
    """Return a column of clocks.csv, shape (n_stations, n_days)."""
    table = read_table(path)
    values = np.full((len(NAMES), N_DAYS), np.nan)
    day = table["time"].astype("datetime64[D]").astype(int) - FIRST_DAY
    station = [NAMES.index(name) for name in table["station"].tolist()]
    values[station, day] = table[field]
    return values


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make(tmp_path_factory.mktemp("run"))


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the figures, which take longer than the measurements."""

    def draw(*arguments):
        raise ParameterError("no figure")

    monkeypatch.setattr(reporting, "draw_clocks", draw)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_known_clocks_are_measured_to_a_tenth_of_a_sample(run, tmp_path, mapping):
    more = ["--mapping", "multi", "-n", "2"] if mapping == "multi" else []
    text = commands.clocks([str(run), "--output", str(tmp_path), "--quiet", *more])
    measured = offsets(tmp_path / "clocks.csv")
    assert np.abs(measured - TRUTH).max() < 0.1 * SAMPLE_S
    assert "clock errors of 6 stations at 10 times" in text
    assert "more than the standard errors: 2 of 6 clocks: XX.C, XX.D" in text
    assert "right on average: XX.A, XX.B, XX.E, XX.F" in text
    assert (tmp_path / "clocks.png").stat().st_size > 10_000
    about = json.loads((tmp_path / "clocks.json").read_text())
    assert about["settings"]["zero"] == "symmetry"
    # the residuals of the pairs close the triangles
    pairs = read_table(tmp_path / "clocks_pairs.csv")
    assert len(pairs["shift_s"]) == 15 * N_DAYS
    assert np.sqrt((pairs["residual_s"] ** 2).mean()) < 0.1 * SAMPLE_S


@pytest.mark.usefixtures("undrawn")
def test_right_clocks_lie_within_their_error_bars(tmp_path):
    within, ratios = [], []
    for seed in range(3):
        truth = TRUTH.copy()
        truth[2] += seed * 0.1
        out = make(tmp_path / str(seed), truth, noise=0.1 + 0.03 * seed)
        commands.clocks([str(out), "--quiet"])
        measured = offsets(out / "clocks.csv")
        error = offsets(out / "clocks.csv", "error_s")
        assert np.isfinite(measured).all()
        z = (measured - truth) / error
        ratios.append(z)
        within.append(np.abs(z) < 2)
    # 95 % for independent normal errors; errors of the zero are common to all days
    assert 0.88 < np.mean(within) <= 1
    assert 0.6 < np.sqrt(np.mean(np.square(ratios))) < 1.4


@pytest.mark.usefixtures("undrawn")
def test_a_velocity_change_is_no_clock_error(tmp_path):
    out = make(tmp_path / "run", TRUTH, noise=0.02, dvv=0.01)
    commands.clocks([str(out), "--quiet"])
    assert np.abs(offsets(out / "clocks.csv") - TRUTH).max() < 0.1 * SAMPLE_S


def test_unequal_sides_need_another_zero(tmp_path, capsys):
    out = make(tmp_path / "run", TRUTH, noise=0.02, sides=(1.0, 0.1))
    text = commands.clocks([str(out), "--quiet"])
    assert "no pair has two similar sides" in text
    assert "--zero first or mean" in text
    assert not (out / "clocks.png").exists()
    text = commands.clocks([str(out), "--quiet", "--force", "--zero", "first"])
    measured = offsets(out / "clocks.csv")
    truth = TRUTH - TRUTH[:, :1]
    error = offsets(out / "clocks.csv", "error_s")
    assert np.abs(measured - truth).max() < max(0.1 * SAMPLE_S, 3 * np.max(error))
    commands.clocks([str(out), "--quiet", "--force", "--zero", "mean"])
    truth = TRUTH - TRUTH.mean(axis=1, keepdims=True)
    assert np.abs(offsets(out / "clocks.csv") - truth).max() < 0.5 * SAMPLE_S


@pytest.mark.usefixtures("undrawn")
def test_pairs_may_be_missing_on_some_days(tmp_path):
    rng = np.random.default_rng(5)
    missing = {
        (int(d), int(k)) for d in range(N_DAYS) for k in rng.choice(15, 5, False)
    }
    out = make(tmp_path / "run", TRUTH, noise=0.02, missing=missing)
    commands.clocks([str(out), "--quiet", "--min-pairs", "1"])
    measured = offsets(out / "clocks.csv")
    known = np.isfinite(measured)
    assert known.mean() > 0.95
    assert np.abs(measured - TRUTH)[known].max() < 0.1 * SAMPLE_S


@pytest.mark.usefixtures("undrawn")
def test_errors_beyond_the_search_have_no_value(run, tmp_path):
    words = [str(run), "--output", str(tmp_path), "--quiet", "--max-shift-s", "1"]
    text = commands.clocks([*words, "--right-clocks", "XX.A", "XX.B", "XX.E"])
    assert "shifts at the edge of the search, --max-shift-s 1" in text
    measured = offsets(tmp_path / "clocks.csv")
    # the errors of C and D have different signs, and all pairs of the others are within
    # 1 s
    known = np.isfinite(measured)
    assert not known[3, 5:].any()
    assert np.abs(measured - TRUTH)[known].max() < 0.1 * SAMPLE_S
    pairs = read_table(tmp_path / "clocks_pairs.csv")
    assert np.isnan(pairs["shift_s"][pairs["at_edge"] > 0]).all()


@pytest.mark.usefixtures("undrawn")
def test_the_table_is_taken_by_clock(run, tmp_path):
    commands.clocks([str(run), "--output", str(tmp_path), "--quiet"])
    curves = {c.channel: c for c in read_clock_table(tmp_path / "clock_table.csv")}
    assert sorted(curves) == ["XX.C", "XX.D"]
    drift = curves["XX.C"]
    assert drift.start_ns == FIRST_DAY * DAY_NS
    assert drift.end_ns == (FIRST_DAY + N_DAYS) * DAY_NS
    middle_ns = [(FIRST_DAY + d) * DAY_NS + DAY_NS // 2 for d in range(N_DAYS)]
    assert np.abs(drift.at(middle_ns) - TRUTH[2]).max() < 0.1 * SAMPLE_S


@pytest.mark.usefixtures("undrawn")
def test_low_coherence_and_few_pairs_are_counted(tmp_path):
    out = make(tmp_path / "run", TRUTH, noise=1.5)
    text = commands.clocks([str(out), "--quiet", "--min-coherence", "0.9"])
    assert "of 150 shifts below --min-coherence 0.9" in text
    out = make(tmp_path / "few", TRUTH, noise=0.05, missing={(0, k) for k in range(12)})
    text = commands.clocks([str(out), "--quiet"])
    assert "clock errors of too few pairs left out (--min-pairs)" in text
    assert np.isnan(offsets(out / "clocks.csv")[:, 0]).all()


@pytest.mark.usefixtures("undrawn")
def test_bands_and_components_are_chosen(tmp_path):
    places = [*PLACES[:3], Place("XX.A..HHN", 0.0, 0.0)]
    config = {"bands_hz": [BAND], "bandpass_hz": None}
    out = make(tmp_path / "run", np.zeros((4, 4)), places=places, band="@0.2-0.8Hz",
               config=config)  # fmt: skip
    text = commands.clocks([str(out), "--quiet", "--components", "ZZ"])
    assert "clocks_ZZ.csv" in text
    table = read_table(out / "clocks_pairs_ZZ.csv")
    assert len(table["shift_s"]) == 3 * 4
    text = commands.clocks([str(out), "--quiet"])
    assert "both channels have the clock of one station: XX.A..HHZ - XX.A..HHN" in text
    with pytest.raises(ParameterError, match="--components TT"):
        commands.clocks([str(out), "--quiet", "--force", "--components", "TT"])


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["--zero", "last"], "--zero last"),
        (["--right-clocks", "XX.Q"], "--right-clocks XX.Q"),
        (["--max-shift-s", "80"], "below 60 s, the longest lag"),
        (["--velocity-km-s", "5", "1"], "must be LO < HI"),
        (["--velocity-km-s", "0", "1"], "needs 0 < LO < HI"),
        (["--period", "hour"], "no substacks of each hour"),
        (["--filter-hz", "1", "9"], "half the sampling rate"),
        (["--lag-s", "9", "3"], "--lag-s"),
    ],
)
def test_a_mistake_is_one_line(run, tmp_path, words, reason):
    with pytest.raises(ParameterError, match=reason):
        commands.clocks([str(run), "--quiet", "--output", str(tmp_path), *words])


@pytest.mark.usefixtures("undrawn")
def test_existing_tables_are_kept(run, tmp_path):
    words = [str(run), "--quiet", "--output", str(tmp_path)]
    commands.clocks(words)
    with pytest.raises(ParameterError, match="--force replaces it"):
        commands.clocks(words)


def test_lags_have_the_arrivals(run, tmp_path):
    with store.open(run) as results:
        settings = choose_settings(results)
        assert lag_range(settings, 30.0, 60.0) == (1.0, 45.0)
        assert lag_range(settings, math.nan, 60.0) == (0.0, 60.0)
        far = choose_settings(results, velocity_km_s=(0.1, 0.2))
        table, n_pairs, skipped = measure_clocks(results, far, tmp_path)
    assert n_pairs == len(skipped) == 15
    assert "lags end before the arrivals" in skipped[0].reason
    assert read_table(table.paths[1])["offset_s"].size == 0


def test_results_without_windows_have_no_clock_errors(run, tmp_path, monkeypatch):
    with store.open(run) as results:
        settings = choose_settings(results)
        empty = results.windows(settings.stacks[0]).copy()
        empty["n_windows"] = 0
        monkeypatch.setattr(store.Store, "windows", lambda *_: empty)
        with pytest.raises(ParameterError, match="no pair has windows"):
            measure_clocks(results, settings, tmp_path)
    assert not list(tmp_path.iterdir())
