"""Records go into a store once, and lineage and searches have their true answers."""

import json
import subprocess
import sys
import threading

import pytest
from records import RUN, call, product, write_run

from dispel4py.cli import main
from dispel4py.errors import ParameterError
from dispel4py.provenance import columns
from dispel4py.provenance.batch import Batch
from dispel4py.provenance.conditions import ANCESTOR, DESCENDANT
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import lineage, lost_items, relatives
from dispel4py.provenance.model import CALLS_PER_START, Writer
from dispel4py.provenance.products import find_product, find_run, get_products
from dispel4py.provenance.questions import describe_run
from dispel4py.provenance.search import search
from dispel4py.provenance.store import open_store


@pytest.fixture(scope="module")
def store(make_place, tmp_path_factory):
    folder = tmp_path_factory.mktemp("prov")
    write_run(folder)
    store = open_store(folder, make_place())
    ingest(store, folder)
    yield store
    store.close()


def short(products):
    return sorted(product["id"].removeprefix(f"{RUN}/") for product in products)


def test_each_record_is_read_once(store):
    assert ingest(store, store.folder) == (0, 0, 0, [])
    assert store.value("SELECT count(*) FROM product") == 6 + 6 + 3 + 1
    assert store.value("SELECT count(*) FROM call") == 6 + 6 + 6 + 4
    run = store.rows("SELECT id, owner, outcome, ended FROM run")
    assert [tuple(row) for row in run] == [(RUN, "ana", "complete", 9.5)]


def test_ancestors(store):
    n = find_product(store, f"{RUN}/Correlate/0/3/output/0")
    found = relatives(store, ANCESTOR, [n])
    assert short(get_products(store, [n for n, _ in found])) == [
        "Filter/0/2/output/0",
        "Filter/0/3/output/0",
        "Read/0/2/output/0",
        "Read/0/3/output/0",
    ]
    levels = dict(relatives(store, ANCESTOR, [n], deepest=1))
    assert short(get_products(store, list(levels))) == [
        "Filter/0/2/output/0",
        "Filter/0/3/output/0",
    ]


def test_a_stack_derives_from_all_calls_before_it(store):
    n = find_product(store, f"{RUN}/Stack/0/3/output/0")
    assert len(relatives(store, ANCESTOR, [n])) == 3 + 6 + 6
    levels = dict(relatives(store, ANCESTOR, [n], deepest=9))
    assert sorted(levels.values()) == [1] * 3 + [2] * 6 + [3] * 6


def test_descendants(store):
    n = find_product(store, f"{RUN}/Read/0/4/output/0")
    found = relatives(store, DESCENDANT, [n])
    assert short(get_products(store, [n for n, _ in found])) == [
        "Correlate/0/5/output/0",
        "Filter/0/4/output/0",
        "Stack/0/3/output/0",
    ]


def test_lineage_has_files_and_inputs(store):
    n = find_product(store, "/out/2.h5")
    numbers = [n, *(number for number, _ in relatives(store, ANCESTOR, [n]))]
    known = lineage(store, numbers)
    assert {file["path"] for _, file in known.files} == {
        "/data/FMP.2.mseed",
        "/data/CIA.2.mseed",
    }
    assert sorted(number for _, number in known.inputs) == [4, 5]
    assert len(known.derivations) == 4
    assert known.lost == []


SEARCHES = {
    "snr > 4": ["Filter/0/4/output/0", "Filter/0/5/output/0"],
    "snr in 2..3": ["Filter/0/1/output/0", "Filter/0/2/output/0"],
    "station = 'CIA' and snr >= 4": ["Filter/0/3/output/0", "Filter/0/5/output/0"],
    "pair ~ 'FMP*' and not has(peak)": ["Stack/0/3/output/0"],
    "ancestor(snr < 2)": ["Correlate/0/1/output/0", "Stack/0/3/output/0"],
    "descendant(peak = 1.5) and has(snr)": [
        "Filter/0/4/output/0",
        "Filter/0/5/output/0",
    ],
    "pe.id = 'Stack'": ["Stack/0/3/output/0"],
    "run.user = 'eva'": [],
    "pe.order = 4 and run.filter.freqmin < 1 and product.location ~ '*0.h5'": [
        "Correlate/0/1/output/0"
    ],
    "snr > 'a' or station > 3": [],
    "not " * 40 + "snr > 4": ["Filter/0/4/output/0", "Filter/0/5/output/0"],
}


@pytest.mark.parametrize("text", SEARCHES)
def test_searches(store, text):
    page = search(store, text)
    assert short(page.products) == SEARCHES[text]
    assert page.next is None


def test_conditions_within_each_other_are_answered(store):
    def answer(n):
        text = "ancestor(" * n + "station = 'CIA' and day = 0" + ")" * n
        return len(search(store, text).products)

    # Filter, Correlate and Stack; the last two of them; Stack
    assert [answer(n) for n in (1, 2, 3, 6)] == [3, 2, 1, 0]


def test_the_user_is_told_of_a_first_search_that_takes_long(store, monkeypatch):
    told, texts = threading.Event(), []

    def read(*values, read=columns._read):
        assert told.wait(60)
        return read(*values)

    def tell(text):
        texts.append(text)
        told.set()

    monkeypatch.setattr(columns, "PATIENCE_S", 0)
    monkeypatch.setattr(columns, "_read", read)
    monkeypatch.setattr(store, "tell", tell)
    for _ in range(2):
        search(store, "lag_s > 3")
    assert texts == ["first search by lag_s: reading its values"]


def test_pages_follow_each_other(store):
    seen, offset = [], 0
    while offset is not None:
        page = search(store, "has(day)", limit=4, offset=offset)
        seen += short(page.products)
        offset = page.next
    assert len(seen) == len(set(seen)) == 15
    snr = [p["terms"]["snr"] for p in search(store, "", 3, sort="-snr").products]
    assert snr == [6.0, 5.0, 4.0]


def test_earlier_calls_without_a_record_are_marked_as_lost(make_place, tmp_path):
    """An instance moved twice, and the second process was killed before it wrote."""
    moves = [k * CALLS_PER_START for k in (0, 1, 2)]
    for k in (0, 2):
        writer = Writer(tmp_path / RUN / f"prov-{k}.jsonl")
        process = {"kind": "process", "process": k, "instances": {"0": ["Sum", 0]}}
        writer.write(process)
        if k:  # the second process made three calls
            writer.write({"kind": "earlier", "i": 0, "past": moves[1] + 3})
        for j in range(2):
            n = moves[k] + j
            outs = [product(f"0.-1.-1.{n}", {}, since=-1)]
            if j:
                outs.append(product("0.-1.-1.9", {}, k=1, calls=[moves[1] + 1]))
            writer.write(call(0, n, ["input", f"-2.0.0.{n}"], outs))
    third = Writer(tmp_path / RUN / "prov-1.jsonl")
    third.write({"kind": "process", "process": 1, "instances": {"0": ["Sum", 0]}})
    store = open_store(tmp_path, make_place())

    def lost():
        ingest(store, tmp_path)
        run = describe_run(store, find_run(store, "last"))
        numbers = [n for (n,) in store.rows("SELECT n FROM product ORDER BY n")]
        texts = [text for _, text in lineage(store, numbers).lost]
        return run["calls_lost_with_their_process"], sorted(texts)

    one = "the item of a call that was lost"
    assert lost() == (3, [*[one] * 2, *["the items of 3 calls that were lost"] * 2])
    for j in range(3):  # now all is there
        third.write(call(0, moves[1] + j, ["input", f"-2.0.0.{j}"], []))
        if j == 0:
            lines = ["the items of 2 calls that were lost"] * 2
            assert lost() == (2, [*[one] * 2, *lines])
    assert lost() == (0, [])
    store.close()


def test_cut_lines_are_counted_and_the_rest_is_read_later(make_place, tmp_path):
    path = write_run(tmp_path / "prov", ended=False)
    segment = path / "prov-1.jsonl"
    lines = segment.read_bytes().splitlines(keepends=True)
    segment.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    store = open_store(tmp_path / "prov", make_place())
    ingest(store, tmp_path / "prov")
    run = find_run(store, "last")
    assert lost_items(store, run) == 4  # of the six filtered records
    n = find_product(store, f"{RUN}/Correlate/0/5/output/0")
    assert len(lineage(store, [n]).lost) == 2
    with open(segment, "ab") as file:
        file.write(lines[3][20:] + b'{"kind":"ca\n' + b"".join(lines[4:]))
    assert ingest(store, tmp_path / "prov") == (1, 4, 1, [])
    assert lost_items(store, run) == 0
    assert lineage(store, [n]).lost == []
    store.close()


def test_a_reading_that_breaks_off_is_repeated(make_place, tmp_path, monkeypatch):
    write_run(tmp_path / "prov")
    store = open_store(tmp_path / "prov", make_place())
    write = Batch.write

    def break_off(batch):
        write(batch)
        if batch.rows["product"]:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Batch, "write", break_off)
        with pytest.raises(KeyboardInterrupt):
            ingest(store, tmp_path / "prov")
    assert store.value("SELECT count(*) FROM product") == 0
    ingest(store, tmp_path / "prov")
    assert store.value("SELECT count(*) FROM product") == 6 + 6 + 3 + 1
    assert store.value("SELECT count(*) FROM call") == 6 + 6 + 6 + 4
    store.close()


def test_hostile_records_do_not_stop_the_reading(make_place, tmp_path):
    path = write_run(tmp_path / "prov")
    hostile = [
        {"kind": "call"},
        {"kind": "call", "i": 0, "n": "x", "t": 3},
        {"kind": "nothing"},
        [1],
        {"kind": "file", "path": None},
        {"kind": "file", "path": "half a character: \ud800"},
        {
            "kind": "call",
            "i": 0,
            "n": 900,
            "t": [1, 2],
            "got": ["a\0b", "-2.0.0.9"],
            "out": [
                {
                    "port": "output",
                    "type": "\0",
                    "size": 10**30,
                    "terms": {"a\0": "\0", "deep": [[[1]]], "q'\"": 1, "n": None},
                }
            ],
        },
    ]
    with open(path / "prov-0.jsonl", "ab") as file:
        file.writelines(json.dumps(record).encode() + b"\n" for record in hostile)
    store = open_store(tmp_path / "prov", make_place())
    ingest(store, tmp_path / "prov")
    (product,) = search(store, "product.size = 0 or has(deep)").products
    assert product["terms"]["deep"] == [[[1]]]
    store.close()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x", "no product"),
        ("a/b/c", "not the id"),
        (f"{RUN}/Read/0/1", "no product"),
        (f"{RUN}/Read/0/99/output/0", "no product"),
        ("2099/Read/0/99/output/0", "no run"),
    ],
)
def test_unknown_products(store, text, reason):
    with pytest.raises(ParameterError, match=reason):
        find_product(store, text)


def test_keys_lists_of_keys_and_parts(make_place, tmp_path):
    """A product derives from the calls of its range that have one of its keys."""
    path = write_run(tmp_path / "prov", n_days=2)
    writer = Writer(path / "prov-8.jsonl")
    places = {"8": ["ByKey", 0], "9": ["Late", 0]}
    writer.write({"kind": "process", "process": 8, "instances": places})
    for n in range(4):
        record = call(8, n, ["input", f"1.1.2.{n}"], [])
        writer.write({**record, "key": ["FMP", ["CIA", "X"], "1", [1]][n]})
    outs = [
        product(f"8.-1.-1.{k}", {"n": k}, since=-1, key=key, k=k)
        for k, key in enumerate(["FMP", ["FMP", "CIA", "X"], 1, "none"])
    ]
    outs[1]["parts"] = {"pair": ["a", "b"]}
    writer.write(call(8, 4, None, outs))
    # products of a call without an item, of which the first were written early
    early = {"kind": "products", "i": 9, "n": 2}
    writer.write({**early, "out": [product("9.-1.-1.0", {})]})
    for n in range(2):
        writer.write(call(9, n, ["input", f"1.1.2.{n}"], []))
    writer.write(call(9, 2, None, [product("9.-1.-1.1", {}, k=1)]))
    # a product of other calls by their numbers, of no call of its own, and of a product
    named = product("9.-1.-1.2", {}, since=3, calls=[0])
    writer.write(call(9, 3, ["input", "1.1.2.2"], [named]))
    summed = product("9.-1.-1.3", {}, previous="3/output/0")
    writer.write(call(9, 4, ["input", "1.1.2.3"], [summed]))
    writer.write({"kind": "note", "time": 1.0, "content": {"text": "a note"}})
    store = open_store(tmp_path / "prov", make_place())
    ingest(store, tmp_path / "prov")
    run = describe_run(store, find_run(store, RUN))
    assert run["notes"] == [{"made": 1.0, "content": {"text": "a note"}}]

    def parents(name):
        n = find_product(store, f"{RUN}/{name}")
        found = relatives(store, ANCESTOR, [n], deepest=1)
        return [
            p.split("/")[2] for p in short(get_products(store, [n for n, _ in found]))
        ]

    assert parents("ByKey/0/4/output/0") == ["0"]
    assert parents("ByKey/0/4/output/1") == ["0", "1"]
    assert parents("ByKey/0/4/output[1]/1") == ["0", "1"]
    assert parents("ByKey/0/4/output/2") == ["3"]
    assert parents("ByKey/0/4/output/3") == []
    assert parents("Late/0/2/output/0") == parents("Late/0/2/output/1") == ["0", "1"]
    assert parents("Late/0/3/output/0") == ["0"]
    assert parents("Late/0/4/output/0") == ["3", "3"]  # of Filter, and its previous
    n = find_product(store, f"{RUN}/Filter/0/0/output/0")
    children = [n for n, _ in relatives(store, DESCENDANT, [n], deepest=2)]
    late = {p for p in short(get_products(store, children)) if "Late/0/" in p}
    assert late == {
        f"Late/0/{k}" for k in ("2/output/0", "2/output/1", "3/output/0")
    } | {"Late/0/4/output/0"}
    n = find_product(store, f"{RUN}/Filter/0/1/output/0")
    # a part of a product comes from the product
    children = [n for n, _ in relatives(store, DESCENDANT, [n], deepest=2)]
    found = [p for p in get_products(store, children) if p["pe"] != "Stack"]
    assert short(found) == [
        "ByKey/0/4/output/1",
        "ByKey/0/4/output[1]/0",
        "ByKey/0/4/output[1]/1",
        "Correlate/0/1/output/0",
        "Late/0/2/output/0",
        "Late/0/2/output/1",
    ]
    (part,) = search(store, "pair = 'b'").products
    assert part["id"].endswith("ByKey/0/4/output[1]/1")
    owner = find_product(store, f"{RUN}/ByKey/0/4/output/1")
    assert part["made"] == get_products(store, [owner])[0]["made"]
    store.close()


def test_a_database_of_another_version_is_made_again(tmp_path):
    write_run(tmp_path)
    store = open_store(tmp_path)
    store.database.execute("UPDATE store SET version = 1")
    store.close()
    store = open_store(tmp_path)
    assert ingest(store, tmp_path).n_runs == 1
    store.database.execute("UPDATE store SET version = 1")
    store.close()
    with pytest.raises(ParameterError, match="delete it"):
        open_store(tmp_path, tmp_path / "provenance.db")


def test_processes_make_a_store_with_indexes_and_read_each_record_once(
    make_place, tmp_path
):
    write_run(tmp_path, n_days=40)
    program = (
        "from dispel4py.provenance.store import open_store; import sys;"
        "from dispel4py.provenance.ingest import ingest;"
        "from dispel4py.provenance.search import search;"
        "store = open_store(*sys.argv[1:]); ingest(store, sys.argv[1]);"
        "search(store, \"snr > 5 and day > 1 and station = 'CIA'\")"
    )
    words = [sys.executable, "-c", program, str(tmp_path), make_place()]
    readers = [subprocess.Popen(words) for _ in range(3)]
    assert [reader.wait(timeout=100) for reader in readers] == [0, 0, 0]
    store = open_store(tmp_path, words[-1])
    assert store.value("SELECT count(*) FROM product") == 80 + 80 + 40 + 1
    store.close()


@pytest.mark.parametrize("damaged", [slice(0, 100), slice(4096, None)])
def test_a_damaged_database_is_named_with_the_way_out(damaged, tmp_path, capsys):
    write_run(tmp_path)
    store = open_store(tmp_path)
    ingest(store, tmp_path)
    store.close()
    path = tmp_path / "provenance.db"
    content = bytearray(path.read_bytes())
    content[damaged] = bytes([7]) * len(content[damaged])
    path.write_bytes(content)
    assert main(["prov", "runs", "--provenance", str(tmp_path)]) in (1, 2)
    (message,) = capsys.readouterr().err.splitlines()
    assert "delete" in message
    assert "made again" in message


def test_records_of_a_later_version_are_read_as_far_as_they_are_known(tmp_path, caplog):
    path = write_run(tmp_path)
    segment = path / "prov-1.jsonl"
    text = segment.read_text().replace('"format":1', '"format":2')
    segment.write_text(text + '{"kind":"novelty","i":1}\n')
    store = open_store(tmp_path)
    assert ingest(store, tmp_path).n_cut == 1
    assert store.value("SELECT count(*) FROM product") == 6 + 6 + 3 + 1
    store.close()
    assert "prov-1.jsonl: written by a later version (format 2)" in caplog.text
