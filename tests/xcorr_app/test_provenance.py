"""Provenance of xcorr-app: from a correlation to its files, and from a file onwards."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read

from dispel4py.cli import main as prov
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import relatives
from dispel4py.provenance.products import file_numbers, get_products
from dispel4py.provenance.search import search
from dispel4py.provenance.store import open_store
from tests.unseen import hide_list
from xcorr_app import store as results
from xcorr_app.cli import main

DAY = UTCDateTime(2024, 3, 1)
STATIONS = ("AAA", "BBB", "CCC")
N_DAYS = 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run three stations and two days in two processes, with provenance."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "data").mkdir()
    rng = np.random.default_rng(1)
    for station in STATIONS:
        for day in range(N_DAYS):
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header |= {"starttime": DAY + 86400 * day, "sampling_rate": 0.5}
            trace = Trace(rng.standard_normal(43_200), header)
            path = folder / "data" / f"{station}.{day}.mseed"
            Stream([trace]).write(str(path), format="MSEED")
    lines = [f"XX {name} {30 + k} 10 0" for k, name in enumerate(STATIONS)]
    (folder / "stations.txt").write_text("\n".join(lines) + "\n")
    (folder / "capture.toml").write_text("[CorrelateTiles]\nparts = true\n")
    assert main(words(folder, "out", "--provenance", str(folder / "prov"))) == 0
    return folder


def words(folder, out, *more):
    return [
        *("--stations", str(folder / "stations.txt"), "--data", str(folder / "data")),
        *("--out", str(folder / out), "--mapping", "multi", "-n", "2", "--quiet"),
        *("--window-s", "3600", "--max-lag-s", "60", "--substack", "day"),
        *more,
    ]


@pytest.fixture(scope="module")
def records(folder):
    store = open_store(folder / "prov")
    ingest(store, folder / "prov")
    yield store
    store.close()


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_provenance_changes_no_correlation(folder):
    assert main(words(folder, "plain")) == 0
    with results.open(folder / "out") as a, results.open(folder / "plain") as b:
        assert a.stacks == b.stacks
        for one, other in zip(a, b, strict=True):
            np.testing.assert_array_equal(one.data, other.data)


def test_a_pair_has_the_files_and_steps_of_its_two_channels(folder, capsys):
    pair = ("XX.AAA", "XX.CCC")
    info = ["info", str(folder / "out"), "--pair", *pair, "--lineage"]
    assert main([*info, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    expected = {
        (f"XX.{station}..HHZ", str(path), sha256(path))
        for station in ("AAA", "CCC")
        for path in (folder / "data").glob(f"{station}.*")
    }
    files = {(f["channel"], f["path"], f["sha256"]) for f in found["files"]}
    assert files == expected
    assert len(files) == 2 * N_DAYS
    steps = {step["pe"].rstrip("0123456789"): step for step in found["steps"]}
    assert list(steps)[:2] == ["Spans", "ReadWaveforms"]
    assert {"WindowSpectra", "Tiles", "CorrelateTiles", "RestackPairs"} <= set(steps)
    # each channel and day once, and one tile for each day
    assert len(steps["WindowSpectra"]["products"]) == 2 * N_DAYS
    assert len(steps["CorrelateTiles"]["products"]) == N_DAYS
    settings = steps["WindowSpectra"]["parameters"]["settings"]
    assert (settings["max_lag_s"], settings["rate_hz"]) == (60, 0.5)
    assert found["lost"] == []
    assert [Path(f["path"]).name for f in found["runs"][0]["files"]] == ["stations.txt"]
    assert main(info) == 0
    text = capsys.readouterr().out
    assert text.count(f"{folder / 'data' / 'AAA.0.mseed'}  ") == 1
    assert "BBB" not in text
    assert "max lag 60 s" in text
    assert "Correlate the channels of each tile" in text  # what the step does
    assert not re.search(r"<\w+>|frozenset|\[\[", text)
    again = re.search(r"dispel4py (prov rerun \S+ --provenance \S+)", text)
    assert again is not None
    assert prov(again[1].split()) == 0


def test_records_that_cannot_be_read_are_told(folder, capsys, monkeypatch):
    closed = folder / "prov" / "of another user"
    closed.mkdir()
    hide_list(monkeypatch, closed)
    info = ["info", str(folder / "out"), "--pair", "XX.AAA", "XX.CCC", "--lineage"]
    assert main(info) == 0
    told = f"not known: records that could not be read: {closed}: Permission denied"
    assert told in capsys.readouterr().out


def test_a_file_leads_to_all_that_came_of_it(folder, records):
    path = folder / "data" / "BBB.1.mseed"
    numbers = file_numbers(records, str(path))
    assert numbers
    seeds = [
        n
        for (n,) in records.rows(
            "SELECT product FROM reading WHERE file IN "
            f"({', '.join('?' * len(numbers))})",
            numbers,
        )
    ]
    found = relatives(records, "descendant", seeds)
    products = get_products(records, [n for n, _ in found])
    rows = {
        (p["terms"]["row"], p["terms"]["column"], p["terms"]["stack"])
        for p in products
        if p["pe"].startswith("CorrelateTiles") and p["terms"]["n_pairs"]
    }
    # its pairs with the two others, on its day only
    assert rows == {(0, 1, "2024-03-02"), (1, 2, "2024-03-02")}


def test_products_are_found_by_station_and_time(records):
    text = (
        "pe.name = 'WindowSpectra' and station = 'CCC' and start >= '2024-03-02' "
        "and source_id = 'FDSN:XX_CCC__H_H_Z'"
    )
    (product,) = search(records, text).products
    assert product["terms"]["n_windows"] == 24


def test_pairs_are_recorded_if_they_are_selected(folder):
    more = ["--provenance", str(folder / "pairs"), "--capture"]
    assert main(words(folder, "by-pair", *more, str(folder / "capture.toml"))) == 0
    lines = [
        json.loads(line)
        for path in (folder / "pairs").glob("*/prov-[0-9].jsonl")
        for line in path.read_text().splitlines()
    ]
    tables = [p["parts"] for x in lines for p in x.get("out", ()) if p.get("parts")]
    parts = [
        pair
        for table in tables
        for pair in zip(table["first"], table["second"], strict=True)
    ]
    assert len(parts) == N_DAYS * 3
    assert ("XX.AAA..HHZ", "XX.CCC..HHZ") in parts


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--lineage"], "--lineage needs --pair A B"),
        (["--pair", "XX.AAA", "XX.BBB", "--provenance", "x"], "needs --lineage"),
        (["--pair", "XX.AAA", "XX.BBB", "--lineage"], "no records of provenance"),
    ],
)
def test_questions_without_an_answer_end_with_one_line(folder, more, message, capsys):
    if not (folder / "plain").exists():
        assert main(words(folder, "plain")) == 0
    assert main(["info", str(folder / "plain"), *more]) == 2
    assert message in capsys.readouterr().err


def test_a_selection_needs_a_folder(folder, capsys):
    more = ["--capture", str(folder / "capture.toml")]
    assert main(words(folder, "no", *more)) == 2
    assert "--capture needs --provenance DIR" in capsys.readouterr().err


def test_a_selection_is_read_before_the_run(folder, capsys):
    more = ["--provenance", str(folder / "no"), "--capture", str(folder / "none.toml")]
    assert main(words(folder, "no", *more)) == 2
    assert "none.toml: No such file" in capsys.readouterr().err
    assert not (folder / "no").exists()


# ------------------------------------------------------------------ made again


def ask(folder, capsys, *words, status=0):
    capsys.readouterr()
    more = ["--provenance", str(folder / "again"), "--json"]
    assert prov(["prov", *words, *more]) == status, capsys.readouterr()
    return json.loads(capsys.readouterr().out)


@pytest.fixture(scope="module")
def again(folder):
    """A run in two processes whose records have the pairs of tiles."""
    more = ["--provenance", str(folder / "again"), "--capture"]
    assert main(words(folder, "made", *more, str(folder / "capture.toml"))) == 0
    return folder


def found(folder, capsys, condition):
    return [p["id"] for p in ask(folder, capsys, "search", condition)["products"]]


PAIR = "first = 'XX.AAA..HHZ' and second = 'XX.CCC..HHZ'"


def test_a_pair_is_made_again_from_the_files_of_its_stations(again, capsys):
    names = found(again, capsys, PAIR)
    assert len(names) == N_DAYS
    for name in names:
        made = ask(again, capsys, "rerun", name)
        assert (made["equal"], made["values"]) == (True, "bit-equal")
        # one day of two stations: read, prepare, transform; and one tile
        assert made["n_calls"] < 2 * 10


def test_only_the_calls_of_the_tile_are_made(again, capsys):
    condition = "pe.name = 'CorrelateTiles' and row = 0 and column = 2 and n_pairs > 0"
    for name in found(again, capsys, condition):
        made = ask(again, capsys, "rerun", name)
        assert made["values"] == "bit-equal"
        assert made["n_calls"] < 2 * 10


def test_every_kind_of_product_is_made_again(again, capsys):
    for condition in (
        "pe.name = 'WindowSpectra' and has(n_windows)",
        "pe.name = 'Tiles'",
        "pe.name = 'RestackPairs' and n_pairs > 0",
        "pe.name = 'WriteCorrelations' and has(row)",
        "product.format = 'HDF5'",
    ):
        made = ask(again, capsys, "rerun", found(again, capsys, condition)[-1])
        assert made["equal"], made


def test_other_data_give_another_correlation(again, capsys):
    """The truth: half of the samples of a day change their sign."""
    (name, _) = found(again, capsys, PAIR)
    path = again / "data" / "AAA.0.mseed"
    kept = path.read_bytes()
    (trace,) = read(str(path))
    trace.data[: len(trace.data) // 2] *= -1
    try:
        trace.write(str(path), format="MSEED")
        made = ask(again, capsys, "rerun", name, status=1)
    finally:
        path.write_bytes(kept)
    # windows of the first half change their sign as well, so the stack is another one
    assert 0.1 < made["values"] < 10


def test_results_that_are_gone_are_named(again, capsys):
    (name, _) = found(again, capsys, PAIR)
    (again / "made" / "run.json").rename(again / "run.json")
    try:
        words = ["prov", "rerun", name, "--provenance", str(again / "again")]
        assert prov(words) == 2
        assert (
            "the results of the run are not there any more" in capsys.readouterr().err
        )
    finally:
        (again / "run.json").rename(again / "made" / "run.json")


@pytest.mark.parametrize(
    "condition",
    [
        "pe.name = 'ReadWaveforms'",
        "pe.name = 'WindowSpectra' and has(n_windows)",
        PAIR,
        "product.format = 'HDF5'",
    ],
)
def test_previews(again, capsys, tmp_path, condition):
    name = found(again, capsys, condition)[0]
    target = tmp_path / "a.png"
    ask(again, capsys, "preview", name, "-o", str(target))
    assert target.read_bytes().startswith(b"\x89PNG")
