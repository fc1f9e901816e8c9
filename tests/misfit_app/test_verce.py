"""The mode that is compatible with VERCE, on its own data and JSON files."""

import csv
import io
import json

import pytest

from dispel4py.cli import main as prov
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import lineage, relatives
from dispel4py.provenance.store import open_store
from misfit_app.cli import main
from misfit_app.commands.verce_run import VerceOptions, verce_plan_of
from misfit_app.workflow import build_graph

EVENT_ID = "smi:webservices.rm.ingv.it/fdsnws/event/1/query?eventId=1744261"
# Envelope and phase misfit of a port of VERCE's chain to current obspy. They depend on
# filters whose implementations differ in rounding only: five decimals.
EXPECTED = {
    ("IV.CAFR", "Z"): (0.90686, 0.56894),
    ("IV.CAFR", "R"): (0.93512, 0.70988),
    ("IV.CAFR", "T"): (0.93451, 0.57075),
    ("IV.CERA", "Z"): (0.63560, 0.61502),
    ("IV.CERA", "R"): (0.71699, 0.36571),
    ("IV.CERA", "T"): (0.76732, 0.63730),
}


@pytest.fixture(scope="module")
def verce_data(shared_data):
    folder = shared_data / "verce_misfit"
    if not folder.is_dir():
        pytest.skip(f"no VERCE data at {folder}")
    return folder


def words(data, out, parameters="misfit_time_frequency.json", **changes):
    options = {
        "chain": data / "config" / "pipelines.json",
        "parameters": data / "config" / parameters,
        "observed": data / "data",
        "synthetic": data / "synth",
        "stations": data / "stations",
        "event": data / "quakeml",
        "event-id": EVENT_ID,
        "out": out,
    } | changes
    given = [(f"--{name}", str(v)) for name, v in options.items() if v is not None]
    return ["verce", "--quiet", *(word for pair in given for word in pair)]


def light_chain(data, tmp_path):
    """The chain without its pictures, which take most of the time of a run."""
    chain = json.loads((data / "config" / "pipelines.json").read_text())
    for side in ("data_processing", "synthetics_processing"):
        chain[side] = [s for s in chain[side] if s["type"] != "plot_stream"]
    path = tmp_path / "chain.json"
    path.write_text(json.dumps(chain))
    return path


def ledger(out, capsys):
    assert main(["ledger", str(out), "--format", "csv"]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def check_values(rows):
    values = {
        (row["station"], row["component"], row["measure"]): float(row["value"])
        for row in rows
        if row["status"] == "measured"
    }
    assert len(values) == len(rows) == 12
    for (station, component), (em, pm) in EXPECTED.items():
        # the table has five decimals
        assert values[station, component, "tf_envelope"] == pytest.approx(em, abs=6e-6)
        assert values[station, component, "tf_phase"] == pytest.approx(pm, abs=6e-6)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_values_of_the_port(verce_data, tmp_path, capsys, mapping):
    out = tmp_path / "out"
    chain = light_chain(verce_data, tmp_path)
    assert main(words(verce_data, out, chain=chain, mapping=mapping)) == 0
    check_values(ledger(out, capsys))
    stations = list(csv.DictReader(io.StringIO((out / "stations.csv").read_text())))
    for row, distance_km, back_azimuth in zip(
        stations, (86.010, 39.543), (228.771, 289.249), strict=True
    ):
        assert float(row["distance_km"]) == pytest.approx(distance_km, abs=5e-4)
        assert float(row["back_azimuth_deg"]) == pytest.approx(back_azimuth, abs=5e-4)


def test_run_input_of_verce_and_resume(verce_data, tmp_path, capsys):
    out = tmp_path / "out"
    run_input = tmp_path / "input.json"
    content = {
        "data_dir": str(verce_data / "data"),
        "synt_dir": str(verce_data / "synth"),
        "events": str(verce_data / "quakeml"),
        "event_id": EVENT_ID,
        "stations_dir": str(verce_data / "stations"),
        "output_dir": str(out),
        "network": ["IV", "IV"],
        "station": ["CAFR", "CERA"],
    }
    run_input.write_text(json.dumps({"readDataPE": [{"input": content}]}))
    config = verce_data / "config"
    given = ["verce", "--quiet", "--input", str(run_input)]
    given += ["--chain", str(light_chain(verce_data, tmp_path))]
    given += ["--parameters", str(config / "misfit_time_frequency.json")]
    assert main(given) == 0
    check_values(ledger(out, capsys))
    before = (out / "ledger.csv").read_bytes()
    (out / "stations" / "1744261" / "IV.CERA.json").unlink()
    (out / "ledger.csv").unlink()
    assert main([*given, "--resume"]) == 0
    assert (out / "ledger.csv").read_bytes() == before


def test_no_window_is_an_outcome(verce_data, tmp_path, capsys):
    """With VERCE's parameters, five of six traces have no window (merge strategy)."""
    out = tmp_path / "out"
    chain = light_chain(verce_data, tmp_path)
    given = words(verce_data, out, "pyflex_and_time_frequency.json", chain=chain)
    assert main(given) in (0, 1)
    rows = ledger(out, capsys)
    traces = {(row["station"], row["component"]) for row in rows}
    assert traces == set(EXPECTED)
    for row in rows:
        assert row["status"] in ("measured", "rejected")
        if row["status"] == "rejected":
            assert row["stage"]
            assert row["reason"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"event-id": "smi:local/none"}, "no event has this id"),
        ({"event": "missing.xml"}, "missing.xml"),
        ({"chain": "missing.json"}, "missing.json"),
        ({"observed": "missing"}, "no such folder"),
        ({"stations": None}, "--stations is missing"),
    ],
)
def test_a_mistake_is_one_line(verce_data, tmp_path, capsys, changes, message):
    given = words(verce_data, tmp_path / "out", **changes)
    assert main(given) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["data_processing"][0].update(type="detrned"), "detrend"),
        (lambda c: c["data_processing"][0]["parameters"].update(method="x"), "method"),
        (lambda c: c.update(output_units="speed"), "output_units"),
        (lambda c: c.update(rotate="yes"), "rotate"),
    ],
)
def test_a_wrong_chain_is_refused(verce_data, tmp_path, capsys, change, message):
    chain = json.loads((verce_data / "config" / "pipelines.json").read_text())
    change(chain)
    path = tmp_path / "chain.json"
    path.write_text(json.dumps(chain))
    assert main(words(verce_data, tmp_path / "out", chain=path)) == 2
    assert message in capsys.readouterr().err


def test_a_missing_component_loses_only_the_horizontals(verce_data, tmp_path, capsys):
    observed = tmp_path / "data"
    observed.mkdir()
    for path in (verce_data / "data").glob("IV.CERA*"):
        if not path.name.endswith("BHE.mseed"):
            (observed / path.name).write_bytes(path.read_bytes())
    out = tmp_path / "out"
    chain = light_chain(verce_data, tmp_path)
    assert main(words(verce_data, out, chain=chain, observed=observed)) == 0
    rows = ledger(out, capsys)
    measured = {r["component"] for r in rows if r["status"] == "measured"}
    assert measured == {"Z"}
    lost = {(r["station"], r["component"]): r["reason"] for r in rows if r["stage"]}
    assert lost["IV.CERA", "E"] == "no observed record"
    assert lost["IV.CERA", "N"] == "the other horizontal is missing"
    assert {station for station, _ in lost} == {"IV.CERA", "IV.CAFR"}


def test_the_provenance_has_the_seismograms_and_the_files_of_verce(
    verce_data, tmp_path
):
    chain = light_chain(verce_data, tmp_path)
    changes = {"chain": chain, "provenance": tmp_path / "prov"}
    assert main(words(verce_data, tmp_path / "out", **changes)) == 0
    store = open_store(tmp_path / "prov")
    ingest(store, tmp_path / "prov")
    path = str(tmp_path / "out" / "stations" / "1744261" / "IV.CERA.json")
    (product,) = (
        n
        for n, location in store.rows("SELECT n, location FROM product")
        if location == path
    )
    ancestors = [n for n, _ in relatives(store, "ancestor", [product])]
    files = {file["path"] for _, file in lineage(store, ancestors).files}
    store.close()
    of_cera = [*(verce_data / "data").glob("*CERA*")]
    of_cera += (verce_data / "synth").glob("*CERA*.seedv")
    assert files == set(map(str, of_cera))
    (record,) = (tmp_path / "prov").glob("*/prov-run.jsonl")
    begin = json.loads(record.read_text().splitlines()[0])
    names = {file["path"].rpartition("/")[2] for file in begin["files"]}
    assert {"chain.json", "misfit_time_frequency.json", "IV.CERA.xml"} <= names


@pytest.mark.parametrize("is_drawn", [True, False])
def test_stations_are_drawn_on_demand(verce_data, tmp_path, is_drawn):
    chosen = VerceOptions(
        chain=str(verce_data / "config" / "pipelines.json"),
        parameters=str(verce_data / "config" / "misfit_time_frequency.json"),
        observed=str(verce_data / "data"),
        synthetic=str(verce_data / "synth"),
        stations=str(verce_data / "stations"),
        event=str(verce_data / "quakeml"),
        event_id=EVENT_ID,
        out=str(tmp_path / "out"),
        figures=is_drawn,
    )
    graph = build_graph(verce_plan_of(chosen))
    assert ("DrawStation" in [pe.name for pe in graph.pes]) == is_drawn


def test_a_product_of_a_verce_run_is_made_again(verce_data, tmp_path, capsys):
    out, records = tmp_path / "out", tmp_path / "provenance"
    chain = light_chain(verce_data, tmp_path)
    assert main(words(verce_data, out, chain=chain, provenance=records)) == 0
    (path, *_) = sorted((out / "stations").rglob("*.json"))
    capsys.readouterr()
    question = ["prov", "rerun", str(path), "--provenance", str(records), "--json"]
    assert prov(question) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["values"] == "bit-equal"
    assert "VercePreprocess" in {name.rstrip("0123456789") for name in made["pes"]}
