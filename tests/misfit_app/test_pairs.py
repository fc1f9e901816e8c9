"""Measures of two stations, and weights that depend on all stations."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

import misfit_app
from dispel4py.errors import DataError
from misfit_app.adjoint_sums import SumAdjoints
from misfit_app.cli import main
from misfit_app.config import template
from misfit_app.ledger import COLUMNS, totals
from misfit_app.pairs import MeasurePairs
from misfit_app.reporting import report
from misfit_app.reporting.report import write_reports
from misfit_app.store import read_ledger
from misfit_app.synthetic import Scene, write_scene

DELTA_S = 0.16  # of the synthetics
PAIR_MEASURES = ["convolved", "dd_waveform", "dd_cc", "dd_mt"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scene")
    rates = {"synthetic_delta_s": DELTA_S, "observed_rate_hz": 10.0}
    size = Scene(n_stations=4, noise=0.0, duration_s=170.0, **rates)
    truths = write_scene(size, folder)
    return folder, {truth.station: truth for truth in truths}


def options(folder, out, **changes):
    return {
        "event": str(folder / "quake.xml"),
        "stations": str(folder / "stations"),
        "observed": str(folder / "observed"),
        "synthetic": str(folder / "synthetic"),
        "periods_s": "4-20",
        "window_method": "whole",
        "out": str(out),
    } | changes


@pytest.fixture(scope="module")
def weighted(scene, tmp_path_factory):
    out = tmp_path_factory.mktemp("weighted") / "out"
    kinds = ["category", "density", "azimuth"]
    more = {"measures": ["cc_time", "dd_cc"], "weights": kinds, "adjoint": ["specfem"]}
    return misfit_app.measure(**options(scene[0], out, components="Z", **more))


def pairs_of(rows):
    return [row for row in rows if row["pair"]]


def test_double_differences_are_the_differences_of_the_true_shifts(scene, weighted):
    truths = scene[1]
    rows = pairs_of(weighted.rows)
    assert len(rows) == 6  # of 4 stations
    for row in rows:
        other, location, component = row["pair"].rsplit(".", 2)
        assert (location, component) == (row["location"], row["component"])
        truth = truths[row["station"]].dt_s - truths[other].dt_s
        # the samples are rounded to counts, 1e-4 of the amplitude
        assert row["dt_s"] == pytest.approx(truth, abs=2e-4)
        assert row["value"] == pytest.approx(0.5 * row["dt_s"] ** 2)


def test_a_pair_counts_for_both_traces(weighted):
    counts = totals(pairs_of(weighted.rows))
    assert counts.n_bands == counts.n_measured == 4
    assert counts.n_rows_measured == 6


def test_weights_have_their_sums(weighted):
    rows = weighted.rows
    single = {r["station"]: r["weight"] for r in rows if not r["pair"]}
    # by category, each measure has weights of the mean 1 over its number
    assert sum(single.values()) == pytest.approx(1.0)
    for row in pairs_of(rows):
        other = row["pair"].rsplit(".", 2)[0]
        both = np.sqrt(single[row["station"]] * single[other]) * 4
        assert row["weight"] == pytest.approx(both / 6)
    for name, misfit in weighted.totals.misfit.items():
        mine = [row for row in rows if row["measure"] == name]
        assert misfit == pytest.approx(sum(r["weight"] * r["misfit"] for r in mine))


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_weights_of_categories_come_from_a_table(scene, tmp_path, mapping):
    """Two bands, three components and two measures; 0 leaves measurements out."""
    path = tmp_path / "misfit.toml"
    given = {"T": 2.0, "cc_time": 0.5, "5-20": 3.0, "Z:4-20": 0.0}
    path.write_text(template({"category_weights": given}))
    words = ["--config", str(path), "--quiet", "--mapping", mapping, "-n", "2"]
    more = {"periods_s": "4-20", "window_method": "whole"}
    for name, value in options(scene[0], tmp_path / "out", **more).items():
        words += [f"--{name.replace('_', '-')}", value]
    assert main([*words, "--periods-s", "4-20", "5-20"]) == 0
    rows = read_ledger(tmp_path / "out")
    assert {row["status"] for row in rows} == {"measured"}
    assert len(rows) == 4 * 3 * 2 * 2
    for row in rows:
        factors = {
            "T": row["component"] == "T",
            "cc_time": row["measure"] == "cc_time",
            "5-20": row["min_period_s"] == 5.0,
            "Z:4-20": row["component"] == "Z" and row["min_period_s"] == 4.0,
        }
        expected = np.prod([given[name] for name, fits in factors.items() if fits])
        assert row["weight"] == expected
    sums = totals(rows).misfit
    mine = [r["weight"] * r["misfit"] for r in rows if r["measure"] == "cc_time"]
    assert sums["cc_time"] == pytest.approx(sum(mine))


@pytest.mark.parametrize(
    ("measures", "weights", "categories"),
    [
        (["cc_time", "dd_cc"], ["category", "density", "azimuth"], {"dd_cc": 4.0}),
        (["dd_mt", "convolved"], None, None),
        (["waveform"], ["density"], None),
        (["waveform", "cc_time"], None, {"waveform": 2.0, "Z:4-20:cc_time": 0.3}),
    ],
)
def test_adjoint_sources_are_gradients_of_the_weighted_sum(
    scene, tmp_path, measures, weights, categories
):
    """The synthetic of one station is in rows of several stations."""
    folder = tmp_path / "scene"
    shutil.copytree(scene[0], folder)
    for path in folder.rglob("XX.S003*"):
        path.unlink()
    common = {"measures": measures, "weights": weights, "components": "Z"}
    common["category_weights"] = categories

    def total(out, **more):
        rows = misfit_app.measure(**options(folder, out, **common, **more)).rows
        sums = dict.fromkeys(measures, 0.0)
        for row in rows:
            assert row["status"] == "measured"
            sums[row["measure"]] += row["weight"] * row["misfit"]
        return sum(sums.values())

    total(tmp_path / "out", adjoint=["specfem"])
    path = folder / "synthetic" / "XX.S001.BXZ.semv"
    times, values = np.loadtxt(path).T
    source = tmp_path / "out" / "adjoint" / "1" / "specfem" / "XX.S001.BXZ.adj"
    adjoint = np.loadtxt(source)[:, 1]
    displacement = np.exp(-(((times - 60.0) / 8.0) ** 2)) * np.sin(times)
    displacement *= np.ptp(values)
    # sources of SPECFEM are for displacement, the synthetic is velocity
    change = np.gradient(displacement, DELTA_S)
    expected = np.sum(adjoint * displacement) * DELTA_S
    misfits = []
    for k, step in enumerate((1e-3, -1e-3)):
        rows = zip(times, values + step * change, strict=True)
        path.write_text("".join(f"{t:.4f} {x:.15e}\n" for t, x in rows))
        misfits.append(total(tmp_path / f"out{k}"))
    slope = (misfits[0] - misfits[1]) / 2e-3
    assert slope == pytest.approx(expected, rel=1e-4)


def test_multi_gives_the_same_bytes_and_resume_too(scene, weighted, tmp_path):
    out, folder = tmp_path / "out", scene[0]
    config = json.loads((weighted.out / "run.json").read_text())["config"]
    given = {k: config[k] for k in ("measures", "weights", "adjoint", "components")}
    chosen = options(folder, out, **given)
    misfit_app.measure(**chosen, mapping="multi", processes=2)
    (out / "pairs" / "1" / "XX.S000.json").unlink()
    (out / "stations" / "1" / "XX.S001.json").unlink()
    misfit_app.measure(**chosen, resume=True)
    files = [p for p in weighted.out.rglob("*") if p.is_file() and p.name != "run.json"]
    assert any("pairs" in str(path) for path in files)
    for path in files:
        assert path.read_bytes() == (out / path.relative_to(weighted.out)).read_bytes()


def test_weighted_adjoint_sources_are_exported(weighted, tmp_path):
    words = ["export", str(weighted.out), str(tmp_path / "dest")]
    assert main([*words, "--format", "specfem"]) == 0
    written = sorted((weighted.out / "adjoint" / "1" / "specfem").iterdir())
    assert len(written) == 12
    for path in written:
        exported = tmp_path / "dest" / "1" / "specfem" / path.name
        assert exported.read_bytes() == path.read_bytes()


def test_pairs_are_limited_by_distance_and_reference(scene, tmp_path):
    more = {"measures": ["dd_cc"], "components": "Z"}
    near = misfit_app.measure(
        **options(scene[0], tmp_path / "near", pair_distance_km=1.0, **more)
    )
    assert near.totals.n_measured == 0
    assert {row["reason"] for row in near.rows} == {
        "no other station has this component and band"
    }
    assert near.totals.n_rejected == near.totals.n_bands == 4
    with_one = misfit_app.measure(
        **options(scene[0], tmp_path / "one", pair_reference="XX.S002", **more)
    )
    pairs = {(row["station"], row["pair"]) for row in with_one.rows}
    assert pairs == {
        ("XX.S000", "XX.S002..Z"),
        ("XX.S001", "XX.S002..Z"),
        ("XX.S002", "XX.S003..Z"),
    }
    assert with_one.totals.n_measured == 4


def test_picked_windows_of_pairs_have_one_length(scene, tmp_path):
    chosen = options(scene[0], tmp_path / "out", window_method="flexwin")
    rows = misfit_app.measure(**chosen, measures=PAIR_MEASURES).rows
    assert len(rows) == 3 * 6 * 4
    lengths = {}
    for row in rows:
        assert row["status"] == "measured" or "cycle skip" in row["reason"]
        key = row["station"], row["component"], row["pair"]
        window_s = row["window_end_s"] - row["window_start_s"]
        assert lengths.setdefault(key, window_s) == pytest.approx(window_s)


def test_a_source_time_function_has_no_effect_on_convolved_records(scene, tmp_path):
    """Synthetics of another source: only `convolved` cannot see it."""
    folder = tmp_path / "scene"
    shutil.copytree(scene[0], folder)
    for path in (folder / "synthetic").iterdir():
        times, values = np.loadtxt(path).T
        late = np.interp(times - 0.8, times, values, left=0.0)
        path.write_text(
            "".join(f"{t:.4f} {2 * x:.12e}\n" for t, x in zip(times, late, strict=True))
        )
    more = {
        "measures": ["convolved"],
        "components": "Z",
        "measure_options": ["convolved.normalised=True"],
    }
    before = misfit_app.measure(**options(scene[0], tmp_path / "one", **more)).rows
    after = misfit_app.measure(**options(folder, tmp_path / "two", **more)).rows
    for row, other in zip(before, after, strict=True):
        # (s * f) * d_r - d * (s_r * f): four times the misfit, for the amplitude
        assert other["value"] == pytest.approx(4 * row["value"], rel=0.02)


def test_a_trace_without_partner_windows_is_rejected(scene, tmp_path):
    path = tmp_path / "windows.json"
    path.write_text(
        json.dumps(
            [
                {"station": "XX.S000", "start_s": 20.0, "end_s": 70.0},
                {"station": "XX.S001", "start_s": 20.0, "end_s": 70.0},
                {"station": "XX.S002", "start_s": 1000.0, "end_s": 1100.0},
            ]
        )
    )
    chosen = options(scene[0], tmp_path / "out", windows=str(path), components="Z")
    del chosen["window_method"]
    summary = misfit_app.measure(**chosen, measures=["dd_cc"])
    found = {
        (r["station"], r["pair"]): r["reason"].partition(" (")[0] for r in summary.rows
    }
    assert found["XX.S000", "XX.S001..Z"] == ""
    assert found["XX.S000", "XX.S002..Z"] == "window outside the data"
    assert found["XX.S003", ""] == "no window"
    assert summary.totals.n_measured == 2
    assert summary.totals.n_rejected == 2


def test_failed_pairs_are_rows(scene, tmp_path, monkeypatch):
    def fail(self, item):
        if item.station == "XX.S001":
            raise DataError("the kept records are damaged")
        return transform(self, item)

    transform = MeasurePairs.transform
    chosen = options(scene[0], tmp_path / "out", components="Z", measures=["dd_cc"])
    with monkeypatch.context() as patch:
        patch.setattr(MeasurePairs, "transform", fail)
        rows = misfit_app.measure(**chosen).rows
    (lost,) = [row for row in rows if row["status"] == "rejected"]
    assert (lost["station"], lost["stage"]) == ("XX.S001", "pairs")
    assert lost["reason"] == "the kept records are damaged"
    assert set(lost) == {*COLUMNS, "misfit"}
    rows = misfit_app.measure(**chosen, resume=True).rows
    assert [row["status"] for row in rows] == ["measured"] * 6


def test_the_report_has_the_shifts_of_stations_not_those_of_pairs(
    weighted, monkeypatch
):
    monkeypatch.setattr(report, "event_figures", lambda *args: [])
    (path,) = write_reports(weighted.out)
    page = path.read_text(encoding="utf-8")
    for row in weighted.rows:
        if not row["pair"]:
            assert f"{row['dt_s']:+.3f}" in page


def test_mpi_gives_the_same_ledger_and_adjoint_sources(scene, weighted, tmp_path):
    pytest.importorskip("mpi4py")
    config = json.loads((weighted.out / "run.json").read_text())["config"]
    words = ["--mapping", "mpi", "-n", "2", "--quiet"]
    for name, value in options(scene[0], tmp_path / "out").items():
        words += [f"--{name.replace('_', '-')}", value]
    for name in ("measures", "weights", "adjoint", "components"):
        value = config[name]
        words += [f"--{name}", *([value] if isinstance(value, str) else value)]
    command = [sys.executable, "-m", "misfit_app", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name in ("ledger.csv", "adjoint/1/specfem/XX.S001.BXZ.adj"):
        ours, theirs = tmp_path / "out" / name, weighted.out / name
        assert ours.read_bytes() == theirs.read_bytes()


def test_stations_without_adjoint_sources_are_listed(scene, tmp_path, monkeypatch):
    def fail(self, item):
        if item.station == "XX.S002":
            raise DataError("the kept records are damaged")
        return transform(self, item)

    transform = SumAdjoints.transform
    monkeypatch.setattr(SumAdjoints, "transform", fail)
    more = {"measures": ["waveform"], "weights": ["density"], "adjoint": ["specfem"]}
    out = tmp_path / "out"
    summary = misfit_app.measure(**options(scene[0], out, components="Z", **more))
    (entry,) = summary.skipped
    assert (entry.stage, entry.reason) == ("adjoint", "the kept records are damaged")
    assert "XX.S002" in entry.what
    assert "XX.S002" in (out / "skipped.tsv").read_text()
    names = {path.name[:7] for path in (out / "adjoint" / "1" / "specfem").iterdir()}
    assert names == {"XX.S000", "XX.S001", "XX.S003"}
