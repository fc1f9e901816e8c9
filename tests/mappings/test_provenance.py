"""Provenance under every mapping: it changes no result, and its records join."""

from __future__ import annotations

import itertools
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

import graphs
import pytest
import records_seen
from hypothesis import HealthCheck, given, settings
from programs import run_all
from random_graphs import build, random_graphs

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.cli import main
from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError, RunError
from dispel4py.provenance.run_record import Provenance
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from tests.draws import chosen

WAYS = [("simple", None), ("multi", 3)]
#: Under MPI all cases run, by one start.
UNDER_MULTI = chosen(graphs.FEW, graphs.CASES)


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


# ------------------------------------------------------------------ same results


@pytest.mark.parametrize("name", graphs.CASES)
def test_results_are_the_same_with_provenance(name, tmp_path):
    expected = graphs.outcome(name, mapping="simple")
    for mapping, n in WAYS:
        if n and (n > graphs.CASES[name].at_most or name not in UNDER_MULTI):
            continue
        folder = tmp_path / mapping
        assert expected == graphs.outcome(
            name, mapping=mapping, processes=n, provenance=folder
        )
        records_seen.check(records_seen.read(folder))


@pytest.mark.timeout(240)
def test_results_are_the_same_with_provenance_under_mpi(tmp_path):
    results = run_all("mpi", 2, tmp_path / "outcomes", tmp_path / "provenance")
    for name, case in graphs.CASES.items():
        if case.at_most >= 2:
            assert results.get(name) == graphs.outcome(name, mapping="simple"), results[
                ""
            ]
            records_seen.check(records_seen.read(tmp_path / "provenance" / name))


@given(layout=random_graphs())
@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
def test_random_graphs_give_the_same_and_join(layout, tmp_path_factory):
    graph, inputs = build(layout)
    expected = graphs.multisets(run(graph, inputs))
    for mapping in ("simple", "multi"):
        folder = tmp_path_factory.mktemp("provenance")
        graph, inputs = build(layout)
        processes = layout["processes"] if mapping == "multi" else None
        result = run(
            graph, inputs, mapping=mapping, processes=processes, provenance=folder
        )
        assert graphs.multisets(result) == expected
        seen = records_seen.read(folder)
        records_seen.check(seen)
        n_sent = sum(n_out for _, n_out in result.counts.values())
        assert len(seen.products) == n_sent


class Refuses(IterativePE):
    """Fails on 2, after it has sent an item."""

    def _process(self, data: int) -> int:
        if data == 2:
            self.write("output", "half")
            raise ValueError("I do not like 2")
        return data * 10


class Numbers(ProducerPE):
    """Sends 0 to 4."""

    def _process(self, inputs: Any) -> None:
        for k in range(5):
            self.write("output", k)


@pytest.mark.parametrize(("mapping", "n"), WAYS)
def test_a_failure_ends_the_run_as_without_and_is_recorded(mapping, n, tmp_path):
    messages = []
    for folder in (None, tmp_path):
        graph = chain(Numbers(), Refuses())
        with pytest.raises(RunError) as error:
            run(graph, mapping=mapping, processes=n, provenance=folder)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    seen = records_seen.read(tmp_path)
    assert seen.end["outcome"] == "failed"
    (failed,) = (call for call in seen.calls if "error" in call)
    assert failed["outcome"] == "failed"
    assert failed["error"]["type"] == "ValueError"
    assert failed["error"]["message"] == "I do not like 2"
    assert "in _process" in failed["error"]["traceback"]


@pytest.mark.parametrize(("mapping", "n"), WAYS)
def test_a_skipped_item_is_a_call_with_an_error(mapping, n, tmp_path):
    refuses = Refuses()
    result = run(
        chain(Numbers(), refuses),
        *(None, mapping, n),
        on_error="skip",
        provenance=tmp_path,
    )
    seen = records_seen.read(tmp_path)
    assert seen.end == seen.end | {"outcome": "complete", "n_failures": 1}
    (skipped,) = (call for call in seen.calls if call.get("outcome") == "skipped")
    assert skipped["error"]["item"] == "2"
    values = [product["terms"]["value"] for product in seen.of(refuses.id)]
    assert sorted(map(str, result.output(refuses.id))) == sorted(map(str, values))


# ------------------------------------------------------------------ derivations


class Derives(GenericPE):
    """Sends the sum of what its pattern says, so that parents can be compared."""

    def __init__(self, derives: str) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.derives = derives

    def _preprocess(self) -> None:
        self.values: list[int] = []

    def process(self, inputs: Any) -> Any:
        self.values.append(inputs["input"])
        if self.derives == "each":
            return {"output": [self.values[-1]]}
        if self.derives.startswith("last"):
            return {"output": self.values[-int(self.derives[5:]) :]}
        if self.derives == "accumulate":
            return {"output": list(self.values)}
        if len(self.values) == 2:
            batch, self.values = self.values, []
            return {"output": batch}
        return None

    def _postprocess(self) -> None:
        self.write("output", list(self.values))


def values_of(seen: Any, names: list[str]) -> list[int]:
    by_name = {name: p for p in seen.products for name in p["items"]}
    return [by_name[name]["terms"]["value"] for name in names]


def all_values(seen: Any, product: dict[str, Any]) -> list[int]:
    """Return the values that a product was derived from, also by its previous ones."""
    before: list[int] = []
    if "previous" in product:
        n, port, k = product["previous"].split("/")
        (previous,) = (
            p
            for p in seen.of(product["pe"])
            if (p["n"], p["port"], p.get("k", 0)) == (int(n), port, int(k))
        )
        before = all_values(seen, previous)
    return before + values_of(seen, seen.parents(product))


@pytest.mark.parametrize("pattern", ["last 1", "last 2", "last 3", "batch"])
def test_products_are_derived_as_declared(pattern, tmp_path):
    pe = Derives(pattern)
    result = run(chain(Numbers(), pe), provenance=tmp_path)
    seen = records_seen.read(tmp_path)
    found = [all_values(seen, product) for product in seen.of(pe.id)]
    expected = result.output(pe.id)
    if pattern.startswith("last"):  # the postprocess sends more
        expected[-1] = expected[-1][-int(pattern[5:]) :]
    assert found == expected


def test_what_accumulates_is_derived_from_its_last_output(tmp_path):
    pe = Derives("accumulate")
    result = run(chain(Numbers(), pe), provenance=tmp_path)
    seen = records_seen.read(tmp_path)
    assert [all_values(seen, p) for p in seen.of(pe.id)] == result.output(pe.id)
    parents = [seen.parents(p) for p in seen.of(pe.id)]
    assert [len(names) for names in parents] == [1, 1, 1, 1, 1, 0]


class Sorted(GenericPE):
    """Sums numbers by their parity, at every second number of a parity."""

    derives = "batch"

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def _preprocess(self) -> None:
        self.waiting: dict[int, list[int]] = {0: [], 1: []}

    def derivation_key(self, port: str, item: Any) -> int:
        return item % 2 if port == "input" else item[0] % 2

    def process(self, inputs: Any) -> Any:
        values = self.waiting[inputs["input"] % 2]
        values.append(inputs["input"])
        if len(values) == 2:
            sent, values[:] = list(values), []
            return {"output": sent}
        return None

    def _postprocess(self) -> None:
        for values in self.waiting.values():
            if values:
                self.write("output", values)


def test_items_with_other_keys_are_no_parents(tmp_path):
    pe = Sorted()
    result = run(chain(Numbers(), pe), provenance=tmp_path)
    seen = records_seen.read(tmp_path)
    found = [values_of(seen, seen.parents(product)) for product in seen.of(pe.id)]
    assert found == result.output(pe.id) == [[0, 2], [1, 3], [4]]


def test_an_unknown_pattern_is_refused_before_the_run(tmp_path):
    with pytest.raises(ParameterError, match="derives = 'some'; use one of each"):
        run(chain(Numbers(), Derives("some")), provenance=tmp_path)
    assert list(tmp_path.iterdir()) == []


# ------------------------------------------------------------------ terms


class Hostile(IterativePE):
    """Describes its items by terms that cannot be stored as they are."""

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        if item == 1:
            raise RuntimeError("no description")
        if item == 2:
            raise SystemExit("no description, and no run")
        if item in (3, 4):
            values = ["x" * 10**6, float("inf"), {1: 2}, "\ud800"]
            return {"v": 1, "parts": lambda: {"a": values, "b": [10**400] * (item + 1)}}
        loop: list[Any] = []
        loop.append(loop)
        return {
            "nan": float("nan"),
            "large": 10**400,
            "text": "x" * 10**6,
            "half": "\ud800",
            "bytes": b"\xff" * 1000,
            "loop": loop,
            "nested": {"a": {"b": {"c": 1}}},
            "object": object(),
            3: "a number as name",
            "n" * 1000: 1,
        } | {f"t{k}": k for k in range(1000)}

    def _process(self, data: Any) -> Any:
        return data


def test_hostile_terms_are_bounded_and_change_nothing(tmp_path, caplog):
    pe = Hostile()
    settings = Provenance(tmp_path, {"*": {"parts": True}})
    assert run(chain(Numbers(), pe), provenance=settings).output(pe.id) == [*range(5)]
    seen = records_seen.read(tmp_path)
    records_seen.check(seen)
    first, second, _, third, fourth = seen.of(pe.id)
    assert third["parts"]["a"] == ["x" * 197 + "...", None, "{1: 2}", "?"]
    assert third["parts"]["b"] == [None] * 4
    assert "parts" not in fourth  # its lists have different lengths
    assert fourth["terms"] == {"v": 1}
    assert len(json.dumps(first)) < 20_000
    terms = first["terms"]
    assert (terms["nan"], terms["large"]) == (None, None)
    assert len(terms["text"]) == 200
    assert terms["half"] == "?"
    assert terms["bytes"] == "<1000 bytes>"
    assert "terms" not in second
    assert len([r for r in caplog.records if "cannot be described" in r.message]) == 1


class Written(IterativePE):
    """Writes a file for each item."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        return {
            "snr": item,
            "slow": lambda: item * 2,
            "location": self.folder / f"{item}.txt",
            "format": "text",
            "files": [__file__],
        }

    def _process(self, data: Any) -> Any:
        (self.folder / f"{data}.txt").write_text(str(data))
        return data


def test_files_have_size_and_digest(tmp_path):
    pe = Written(tmp_path)
    run(chain(Numbers(), pe), provenance=tmp_path / "provenance")
    seen = records_seen.read(tmp_path / "provenance")
    product = seen.of(pe.id)[3]
    assert product["location"] == str(tmp_path / "3.txt")
    assert product["size"] == 1
    # of the text 3, by another program: printf 3 | sha256sum
    assert product["sha256"] == (
        "4e07408562bedb8b60ce05c1decfe3ad16b72230967de01f640b7e4729b49fce"
    )
    assert product["terms"] == {"snr": 3}
    assert product["files"] == [__file__]
    assert seen.files[__file__]["size"] == Path(__file__).stat().st_size


@pytest.mark.parametrize(
    ("capture", "expected"),
    [
        ({}, [{"snr": k} for k in range(5)]),
        ({"*": {"terms": []}}, [{}] * 5),
        ({"Written": {"terms": ["slow"]}}, [{"slow": 2 * k} for k in range(5)]),
        ({"Written": {"when": "snr > 2"}}, [{}, {}, {}, {"snr": 3}, {"snr": 4}]),
        (
            {"Written": {"when": "slow in 2..4", "terms": ["snr", "slow"]}},
            [{}, {"snr": 1, "slow": 2}, {"snr": 2, "slow": 4}, {}, {}],
        ),
    ],
)
def test_the_selection_chooses_terms_and_products(capture, expected, tmp_path):
    pe = Written(tmp_path)
    settings = Provenance(tmp_path / "provenance", capture)
    run(chain(Numbers(), pe), provenance=settings)
    seen = records_seen.read(tmp_path / "provenance")
    assert [product.get("terms", {}) for product in seen.of(pe.id)] == expected
    records_seen.check(seen)


@pytest.mark.parametrize(
    ("capture", "message"),
    [
        ({"Writen": {}}, "no element 'Writen': did you mean 'Written'"),
        ({"Written": {"term": []}}, "no key 'term'"),
        ({"Written": {"terms": "snr"}}, "terms must be a list"),
        ({"Written": {"when": "snr >"}}, "character 6"),
        ({"Written": 3}, "a table is needed"),
    ],
)
def test_a_wrong_selection_is_refused_before_the_run(capture, message, tmp_path):
    pe = Written(tmp_path)
    settings = Provenance(tmp_path / "provenance", capture)
    with pytest.raises(ParameterError, match=message):
        run(chain(Numbers(), pe), provenance=settings)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_does_not_stop_the_run(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    pe = Derives("each")
    result = run(chain(Numbers(), pe), provenance=tmp_path / "file")
    assert len(result.output(pe.id)) == 6
    told = [r.getMessage() for r in caplog.records if "provenance" in r.getMessage()]
    assert any("cannot be written" in line for line in told)
    assert any("could not be written" in line for line in told)


# ------------------------------------------------------------------ killed workers


class Spread(GenericPE):
    """Sends several items for each item; its process is killed at a number."""

    stateful = False

    def __init__(self, fatal: int, marks: Path) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self.fatal, self.marks = fatal, marks

    def process(self, inputs: Any) -> Any:
        item = inputs["input"]
        for k in range(item % 4):
            self.write("output", (item, k))
            if (item, k) == (self.fatal, 1) and not self.marks.exists():
                self.marks.touch()
                time.sleep(0.02)  # some of the items arrive
                os.kill(os.getpid(), signal.SIGKILL)


class Many(ProducerPE):
    """Sends 0 to 39."""

    def _process(self, inputs: Any) -> None:
        for k in range(40):
            self.write("output", k)


class First(IterativePE):
    """Sends the first of two numbers."""

    def _process(self, data: Any) -> Any:
        return data[0]


class Passing(IterativePE):
    """Passes items on."""

    def _process(self, data: Any) -> Any:
        return data


def lost_names(seen: Any) -> set[str]:
    """Return the received items that no product has."""
    sent = {name for product in seen.products for name in product["items"]}
    received = {call["got"][1] for call in seen.calls if "got" in call}
    return {name for name in received - sent if not name.startswith("-2.")}


@pytest.mark.parametrize("fatal", range(2, 40, 4))
def test_records_of_a_killed_process_are_consistent(fatal, tmp_path):
    spread = Spread(fatal, tmp_path / "mark")
    graph = chain(Many(), spread, First())
    with pytest.raises(RunError):
        run(graph, mapping="multi", processes=3, provenance=tmp_path / "records")
    seen = records_seen.read(tmp_path / "records")
    records_seen.check(seen, lost=True)
    assert seen.end["outcome"] == "failed"
    (failure,) = seen.failures
    assert (failure["pe"], failure["process"]) == (spread.id, 1)
    assert "killed" in failure["error"]["message"]
    # what is lost was sent in a call that did not end, by a process that did not end
    assert {name.split(".")[0] for name in lost_names(seen)} <= seen.unended


@pytest.mark.parametrize("fatal", [6, 19])
def test_a_restarted_worker_writes_a_file_of_its_own(fatal, tmp_path):
    spread = Spread(fatal, tmp_path / "mark")
    last = First()
    graph = chain(Many(), spread, last)
    how = {"mapping": "multi", "processes": 3, "restart_workers": True}
    result = run(graph, provenance=tmp_path / "records", **how)
    expected = sorted(item for item in range(40) for _ in range(item % 4))
    assert sorted(set(result.output(last.id))) == sorted(set(expected))
    (folder,) = (tmp_path / "records").iterdir()
    assert (folder / "prov-1.1.jsonl").exists()
    seen = records_seen.read(tmp_path / "records")
    records_seen.check(seen, lost=True)
    again = [call["n"] for call in seen.calls_of(spread.id) if call["n"] >= 10**9]
    assert again == list(range(10**9, 10**9 + len(again)))
    # nothing is lost: the new worker sends the items of the killed call again
    assert lost_names(seen) == set()


def test_the_products_of_a_long_call_are_written_before_it_ends(tmp_path):
    class Long(ProducerPE):
        def _process(self, inputs: Any) -> None:
            for k in range(1000):
                self.write("output", k)
            (path,) = tmp_path.glob("*/prov-0.jsonl")
            self.n_lines = len(path.read_text().splitlines())

    long = Long()
    run(chain(long, Passing()), provenance=tmp_path)
    assert long.n_lines > 1000 + 1000 // 64  # each item of the other PE, too
    seen = records_seen.read(tmp_path)
    records_seen.check(seen)
    assert [p.get("k", 0) for p in seen.of(long.id)] == list(range(1000))


class Configured(IterativePE):
    """Has a parameter with fields, as settings of spectra."""

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.settings = settings

    def _process(self, data: Any) -> Any:
        return data


def test_a_configuration_is_recorded_whole(tmp_path):
    configuration = {f"option_{k}": k for k in range(200)} | {"deep": {"a": {"b": [1]}}}
    pe = Configured(Provenance("folder", name="n"))
    settings = Provenance(tmp_path, configuration=configuration, files=[__file__])
    run(chain(Numbers(), pe), provenance=settings)
    record = records_seen.read(tmp_path).run
    assert record["configuration"] == configuration
    (about,) = (entry for entry in record["pes"] if entry["pe"] == pe.id)
    assert about["parameters"]["settings"]["name"] == "n"
    assert about["source"] == __file__
    assert len(about["sha256"]) == 64
    assert [file["path"] for file in record["files"]] == [__file__]
    assert record["edges"][0]["source"].startswith("Numbers")


def test_the_command_records_and_selects(tmp_path, capsys):
    selection = tmp_path / "capture.toml"
    selection.write_text('["*"]\nterms = []\n')
    words = ["simple", "dispel4py.examples.squares", "-i", "3", "--quiet"]
    assert main([*words, "--capture", str(selection)]) == 2
    assert "--capture needs --provenance DIR" in capsys.readouterr().err
    more = ["--provenance", str(tmp_path / "p"), "--capture", str(selection)]
    assert main([*words, *more]) == 0
    seen = records_seen.read(tmp_path / "p")
    assert seen.run["name"] == "dispel4py.examples.squares"
    assert seen.products
    assert not [product for product in seen.products if "terms" in product]
