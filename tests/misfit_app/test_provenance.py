"""Provenance of misfit-app: from an adjoint source to windows, event, seismograms."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import misfit_app
from dispel4py.cli import main as prov
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import lineage, relatives
from dispel4py.provenance.search import matching
from dispel4py.provenance.store import open_store
from misfit_app.synthetic import Scene, write_scene


def measure(folder, out, **more):
    return misfit_app.measure(
        event=str(folder / "quake.xml"),
        stations=str(folder / "stations"),
        observed=str(folder / "observed"),
        synthetic=str(folder / "synthetic"),
        periods_s="4-20",
        out=str(out),
        adjoint=["specfem"],
        **more,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Measure two stations in two processes, with provenance."""
    folder = tmp_path_factory.mktemp("scene")
    write_scene(Scene(n_stations=2, noise=0.0, duration_s=150.0), folder)
    capture = folder / "capture.toml"
    # an element of the first phase, and one that only another phase has
    capture.write_text("[MeasureMisfits]\nparts = true\n[WritePairs]\nterms = []\n")
    more = {"provenance": str(folder / "prov"), "capture": str(capture)}
    measure(folder, folder / "out", mapping="multi", processes=2, **more)
    return folder


def test_an_adjoint_source_leads_to_windows_event_and_seismograms(folder):
    store = open_store(folder / "prov")
    ingest(store, folder / "prov")
    (path,) = (folder / "out" / "adjoint").rglob("XX.S001.*Z.adj")
    numbers = [
        n
        for n, location in store.rows("SELECT n, location FROM product")
        if location == str(path)
    ]
    assert len(numbers) == 1
    ancestors = [n for n, _ in relatives(store, "ancestor", numbers)]
    found = lineage(store, [*numbers, *ancestors])
    names = {p["pe"].rstrip("0123456789") for p in found.products}
    assert {"Stations", "ReadPair", "MeasureMisfits", "WriteStation"} <= names
    stations = {p["terms"]["station"] for p in found.products if "terms" in p}
    assert stations == {"S001"}
    (measured,) = (p for p in found.products if p["pe"].startswith("MeasureMisfits"))
    assert measured["terms"]["event"] == misfit_app.synthetic.EVENT_ID
    assert measured["terms"]["n_windows"] > 0
    files = {file["path"] for _, file in found.files}
    expected = {
        str(path)
        for kind in ("observed", "synthetic")
        for path in (folder / kind).rglob("*S001*")
        if path.is_file()
    }
    assert files == expected
    assert found.lost == []
    store.close()


def test_the_rows_of_a_station_are_parts_of_its_product(folder):
    store = open_store(folder / "prov")
    ingest(store, folder / "prov")
    rows = matching(store, "component = 'Z' and measure = 'cc-traveltime'")
    everything = matching(store, "has(window_start_s)")
    assert everything
    assert set(rows) <= set(everything)
    store.close()


def test_provenance_changes_no_file(folder):
    measure(folder, folder / "plain")
    changed = {"run.json"}
    for path in (folder / "plain").rglob("*"):
        if path.is_file() and path.name not in changed:
            other = folder / "out" / path.relative_to(folder / "plain")
            assert path.read_bytes() == other.read_bytes(), path


def test_the_record_has_the_options_and_the_metadata(folder):
    (path,) = (folder / "prov").glob("*/prov-run.jsonl")
    record = json.loads(path.read_text().splitlines()[0])
    assert record["name"] == "misfit-app"
    assert record["configuration"]["periods_s"]
    run = json.loads((folder / "out" / "run.json").read_text())
    assert record["configuration"]["run_id"] == run["run_id"]
    names = {file["path"].rpartition("/")[2] for file in record["files"]}
    assert "quake.xml" in names
    assert any(name.endswith(".xml") for name in names - {"quake.xml"})


# ------------------------------------------------------------------ made again


@pytest.fixture
def ask(folder, capsys):
    def ask(*words, provenance="prov", status=0):
        capsys.readouterr()
        more = ["--provenance", str(folder / provenance), "--json"]
        assert prov(["prov", *words, *more]) == status, capsys.readouterr()
        return json.loads(capsys.readouterr().out)

    return ask


def test_every_product_of_a_station_is_made_again(ask, folder):
    names = [
        p["id"]
        for p in ask("search", "station = 'S001' or has(component)")["products"]
        if "S000" not in str(p.get("location"))
    ]
    kinds = {name.split("/")[1].rstrip("0123456789") for name in names}
    expected = {"Stations", "ReadPair", "PreprocessPair", "MeasureMisfits"}
    assert expected | {"WriteStation"} <= kinds
    for name in names:
        assert ask("rerun", name)["equal"], name


def test_an_adjoint_source_is_compared_to_the_last_byte(ask, folder, tmp_path):
    (path,) = (folder / "out" / "adjoint").rglob("XX.S001.*Z.adj")
    made = ask("rerun", str(path))
    assert made["values"] == "bit-equal"
    assert {name.rstrip("0123456789") for name in made["pes"]} == {
        *("Stations", "ReadPair", "PreprocessPair", "MeasureMisfits", "WriteStation")
    }
    target = tmp_path / "adjoint.png"
    ask("preview", str(path), "-o", str(target))
    assert target.read_bytes().startswith(b"\x89PNG")
    # a deleted file is made again for its preview, and stays deleted
    path.rename(tmp_path / "kept")
    ask("preview", str(path), "-o", str(target))
    assert not path.exists()
    (tmp_path / "kept").rename(path)


def test_another_synthetic_is_found(ask, folder):
    (path,) = (folder / "out" / "adjoint").rglob("XX.S001.*Z.adj")
    (synthetic,) = (folder / "synthetic").rglob("*S001*Z*")
    kept = synthetic.read_bytes()
    times, data = np.loadtxt(synthetic).T
    try:
        np.savetxt(synthetic, np.stack([times, 2 * data], axis=1))
        made = ask("rerun", str(path), status=1)
    finally:
        synthetic.write_bytes(kept)
    assert made["values"] > 0.01


def test_results_of_another_run_in_the_folder_are_refused(folder, capsys):
    """They may have other options: their products are not those that are recorded."""
    (path,) = (folder / "out" / "adjoint").rglob("XX.S001.*Z.adj")
    (folder / "out").rename(folder / "kept")
    try:
        measure(folder, folder / "out")
        words = ["rerun", str(path), "--provenance", str(folder / "prov")]
        assert prov(["prov", *words]) == 2
        assert "has the results of another run now" in capsys.readouterr().err
    finally:
        shutil.rmtree(folder / "out")
        (folder / "kept").rename(folder / "out")


def test_all_phases_are_made_again(folder, ask):
    """Measures of two stations, and adjoint sources with weights, are later phases."""
    more = {"measures": ["cc_time", "dd_cc"], "weights": ["density"]}
    measure(folder, folder / "phases", provenance=str(folder / "phased"), **more)
    runs = ask("runs", provenance="phased")
    assert len(runs) == 3
    for run in runs:
        condition = f"run.id = '{run['id']}'"
        products = ask("search", condition, provenance="phased")["products"]
        assert products
        for product in products:
            made = ask("rerun", product["id"], provenance="phased")
            assert made["equal"], made
