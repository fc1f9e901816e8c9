"""What records do to the store: all that can be read is there, and memory is freed."""

import gc
import json
import weakref

import pytest
from records import call, product, write_run

from dispel4py.errors import DataError
from dispel4py.provenance.batch import Batch
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.store import open_store

#: No column of the store holds this integer.
HUGE = 10**30


def test_values_that_no_column_holds_do_not_stop_the_reading(make_place, tmp_path):
    without_record = [
        {"kind": "process", "process": "x", "instances": {"0": ["Read", 0]}},
        {"kind": "process", "process": 0, "instances": {"70": ["Read", HUGE]}},
        {"kind": "process", "process": 0, "instances": {"0": ["Read", 0]}, "began": []},
        {"kind": "process_end", "ended": "x"},
        {"kind": "earlier", "i": 0, "past": HUGE},
        {"kind": "file", "path": "/a", "size": 1, "modified": "yesterday"},
        {"kind": "failure", "instance": "x", "error": {}},
        {"kind": "failure", "error": {}, "time": "x"},
        {"kind": "note", "time": "x", "content": {}},
        {"kind": "mark", "product": "a", "time": "x"},
        {"kind": "end", "ended": "x"},
        {**call(0, 900, None, []), "t": ["x", 2.0]},
        call(0, HUGE, None, []),
        call(HUGE, 0, None, []),
        call(0, 901, ["input", "0.0.1.1e3"], []),
        call(0, 902, ["input", f"0.0.1.{HUGE}"], []),
        call(0, 903, ["input", f"0.0.{HUGE}.1"], []),
        call(0, 904, None, [product("0.0.1.904", {}, k=HUGE)]),
        call(0, 905, None, [product("0.0.1.905", {}, since=HUGE)]),
        {"kind": "products", "i": 0, "n": 906, "time": "x", "out": []},
    ]
    with_record = [
        {"kind": "failure", "pe": 3, "instance": HUGE, "error": {}},
        {"kind": "mark", "product": None, "verdict": 5, "time": 1},
        {"kind": "process_end", "ended": 9, "lost": HUGE},
        {"kind": "process", "process": 0, "instances": {"71": [7, 0]}},
        call(0, 907, None, [{"port": None}]),
    ]
    folder = tmp_path / "prov"
    path = write_run(folder)
    n_written = sum(len(file.read_bytes().splitlines()) for file in path.iterdir())
    with open(path / "prov-0.jsonl", "ab") as file:
        for record in [*without_record, *with_record]:
            file.write(json.dumps(record).encode() + b"\n")
    store = open_store(folder, make_place())
    n_records = n_written + len(with_record)
    assert ingest(store, folder) == (1, n_records, len(without_record), [])
    assert store.value("SELECT count(*) FROM product WHERE port = 'None'") == 1
    store.close()


def test_the_rows_of_a_batch_are_freed_when_they_are_in_the_store(
    make_place, tmp_path, monkeypatch
):
    """While it reads, Python does not look for objects that refer to each other."""
    batches = []

    class WatchedBatch(Batch):
        def __init__(self, *values):
            assert not gc.isenabled()
            assert not any(batch() for batch in batches[:-1])
            batches.append(weakref.ref(self))
            super().__init__(*values)

    monkeypatch.setattr("dispel4py.provenance.ingest.Batch", WatchedBatch)
    monkeypatch.setattr("dispel4py.provenance.ingest._AT_ONCE", 5)
    path = write_run(tmp_path / "prov")
    n_written = sum(len(file.read_bytes().splitlines()) for file in path.iterdir())
    store = open_store(tmp_path / "prov", make_place())
    assert ingest(store, tmp_path / "prov") == (1, n_written, 0, [])
    assert len(batches) >= n_written // 5
    store.close()


def test_a_copy_of_a_segment_is_named_and_nothing_of_it_is_kept(make_place, tmp_path):
    path = write_run(tmp_path / "prov")
    store = open_store(tmp_path / "prov", make_place())
    ingest(store, tmp_path / "prov")
    copy = path / "prov-1-copy.jsonl"
    copy.write_bytes((path / "prov-1.jsonl").read_bytes())
    for _ in range(2):
        with pytest.raises(DataError, match=r"prov-1-copy\.jsonl.* move it out"):
            ingest(store, tmp_path / "prov")
    copy.unlink()
    assert ingest(store, tmp_path / "prov") == (0, 0, 0, [])
    assert store.value("SELECT count(*) FROM product") == 6 + 6 + 3 + 1
    store.close()
