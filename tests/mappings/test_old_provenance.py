"""Workflows with the provenance of dispel4py 1.x: same results, recorded in our way."""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import records_seen

from dispel4py.base import IterativePE, ProducerPE, SimpleFunctionPE
from dispel4py.cli import main
from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from dispel4py.provenance import (
    AccumulateFlow,
    AccumulateStateTrace,
    ASTGrouped,
    CommandLineInputs,
    ForceStateless,
    IntermediateStatefulOut,
    Nby1Flow,
    ProvenanceIterativePE,
    ProvenanceSimpleFunctionPE,
    ProvenanceType,
    SingleInvocationFlow,
    SlideFlow,
    configure_prov_run,
    getUniqueId,
    init_provenance_config,
    injectProv,
    update_prov_run,
)
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

WAYS = [{}, {"mapping": "multi", "processes": 4}, {"on_error": "retry:1"}]
ABOUT = {"username": "ana", "workflowId": "1", "workflowName": "demo"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ProvenanceType, "PROV_PATH", str(tmp_path / "prov"))
    return tmp_path / "prov"


class Count(ProducerPE):
    def _process(self, inputs):
        for k in range(1, 6):
            self.write("output", k, metadata={"iter": k})


def connected(*pes):
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


class Granule(ProvenanceType):
    def extractItemMetadata(self, data, port):
        return [{"granule": str(data)}, {"port_of_it": port}]


class Store(IterativePE):
    """Writes a file, and says so."""

    def _process(self, data):
        path = f"{data}.txt"
        Path(path).write_text(str(data))
        self.write("output", data, location=path, format="text", metadata=[{"n": data}])


@pytest.mark.parametrize("how", WAYS)
def test_notes_of_write_are_recorded_and_change_no_result(how, folder):
    def make():
        count, store = Count(), Store()
        return connected(count, store), count, store

    graph, _, store = make()
    expected = run(graph).output(store.id)
    graph, count, store = make()
    configure_prov_run(graph, provImpClass=(ProvenanceType,), **ABOUT)
    assert sorted(run(graph, **how).output(store.id)) == expected
    seen = records_seen.read(folder)
    records_seen.check(seen)
    assert [p["terms"]["iter"] for p in seen.of(count.id)] == [1, 2, 3, 4, 5]
    products = {p["terms"]["n"]: p for p in seen.of(store.id)}
    assert sorted(products) == expected
    assert products[3]["location"] == str(Path("3.txt").resolve())
    assert (products[3]["format"], products[3]["size"]) == ("text", 1)
    assert seen.run["name"] == "demo"
    assert seen.run["configuration"]["username"] == "ana"


def test_the_old_import_paths_record_too(folder):
    from dispel4py.new.simple_process import process_and_return

    store = Store()
    graph = connected(Count(), store)
    configure_prov_run(graph, **ABOUT)
    assert process_and_return(graph, {"Count": 1}) == {
        store.id: {"output": [1, 2, 3, 4, 5]}
    }
    assert len(records_seen.read(folder).of(store.id)) == 5


def test_notes_are_ignored_without_provenance(folder):
    store = Store()
    assert run(connected(Count(), store)).output(store.id) == [1, 2, 3, 4, 5]
    assert not folder.exists()


def test_types_add_terms_to_the_products_of_the_named_elements(folder):
    double, last = SimpleFunctionPE(lambda x: 2 * x), IterativePE()
    double.name, last._process = "Double", lambda data: data
    graph = connected(Count(), double, last)
    types = {"Double": {"s-prov:type": (AccumulateFlow, Granule)}}
    configure_prov_run(graph, componentsType=types, **ABOUT)
    assert run(graph).output(last.id) == [2, 4, 6, 8, 10]
    seen = records_seen.read(folder)
    terms = [product["terms"] for product in seen.of(double.id)]
    assert terms[0] == {"value": 2, "granule": "2", "port_of_it": "output"}
    assert "granule" not in seen.of(last.id)[0]["terms"]


def test_functions_may_return_notes(folder):
    def square(data, prov_cluster):
        prov = {"format": "number", "metadata": {"cluster": prov_cluster}}
        return {"_d4p_prov": prov, "_d4p_data": data * data}

    pe = SimpleFunctionPE(square, {"prov_cluster": "mine"})
    graph = connected(Count(), pe)
    configure_prov_run(graph, **ABOUT)
    assert run(graph).output(pe.id) == [1, 4, 9, 16, 25]
    seen = records_seen.read(folder)
    terms = [product["terms"] for product in seen.of(pe.id)]
    assert terms[1] == {"value": 4, "cluster": "mine"}


class CrossProduct(GenericPE):
    """Pairs each number with all numbers before, from the state of the element."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")
        self.values = []

    def _process(self, inputs):
        value = inputs["input"]
        for k, other in enumerate(self.values):
            self.write("output", (value, other), dep=[f"index{k}"])
        self.update_prov_state(f"index{len(self.values)}", value, metadata={})
        self.values.append(value)


def test_named_items_are_parents(folder):
    count, cross = Count(), CrossProduct()
    graph = connected(count, cross)
    configure_prov_run(graph, **ABOUT)
    pairs = run(graph).output(cross.id)
    seen = records_seen.read(folder)
    values = {p["items"][0]: p["terms"]["value"] for p in seen.of(count.id)}
    got = {c["n"]: values[c["got"][1]] for c in seen.calls_of(cross.id) if "got" in c}
    found = [
        (got[product["n"]], *(got[n] for n in product["calls"]))
        for product in seen.of(cross.id)
    ]
    assert found == pairs
    assert len(pairs) == 10


def test_items_may_be_derived_from_named_items_only(folder):
    class Earlier(IterativePE):
        def _process(self, data):
            if data > 1:
                self.write("output", data, dep=["before"], ignore_inputs=True)
            else:
                self.update_prov_state("before", data)

    count, earlier = Count(), Earlier()
    graph = connected(count, earlier)
    configure_prov_run(graph, **ABOUT)
    run(graph)
    seen = records_seen.read(folder)
    product = seen.of(earlier.id)[0]
    assert seen.parents(product) == []
    (call,) = (c for c in seen.calls_of(earlier.id) if c["n"] == product["calls"][0])
    (parent,) = (p for p in seen.of(count.id) if call["got"][1] in p["items"])
    assert parent["terms"]["value"] == 1


class Matrix(GenericPE):
    """Sends a list of all numbers of equal parity, when there are two."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.rows = {}

    def _process(self, inputs):
        parity, value = inputs["input"]
        row = self.rows.setdefault(parity, [])
        row.append(value)
        if len(row) == 2:
            self.write("output", list(row))


@pytest.mark.parametrize("how", WAYS)
def test_groups_are_kept_apart(how, folder):
    count, parity, matrix = Count(), SimpleFunctionPE(lambda x: (x % 2, x)), Matrix()
    graph = connected(count, parity, matrix)
    types = {"Matrix": {"s-prov:type": (ASTGrouped,)}}
    configure_prov_run(graph, componentsType=types, **ABOUT)
    rows = sorted(run(graph, **how).output(matrix.id))
    assert rows == [[1, 3], [2, 4]]
    seen = records_seen.read(folder)
    of_count = {p["items"][0]: p["terms"]["value"] for p in seen.of(count.id)}
    of_parity = {
        p["items"][0]: of_count[seen.parents(p)[0]] for p in seen.of(parity.id)
    }
    found = [[of_parity[n] for n in seen.parents(p)] for p in seen.of(matrix.id)]
    assert sorted(map(sorted, found)) == rows


PATTERNS = {
    AccumulateFlow: "batch",
    Nby1Flow: "batch",
    SlideFlow: "last 3",
    SingleInvocationFlow: "each",
    AccumulateStateTrace: "accumulate",
    IntermediateStatefulOut: "accumulate",
    ForceStateless: "each",
}


@pytest.mark.parametrize(("kind", "derives"), PATTERNS.items())
def test_patterns_are_declarations(kind, derives):
    pe = IterativePE()
    graph = connected(Count(), pe)
    own = {"s-prov:type": (kind,)} | ({"wlength": 3} if kind is SlideFlow else {})
    injectProv(graph, ProvenanceType, componentsType={pe.name: own})
    assert pe.derives == derives


def test_elements_may_be_subclasses_of_the_types(folder):
    class Window(ProvenanceIterativePE, Granule):
        derives = "last 2"

        def _process(self, data):
            return data

    window, twice = Window(), ProvenanceSimpleFunctionPE(lambda x: x * 2)
    graph = connected(Count(), window, twice)
    assert run(graph, provenance=folder).output(twice.id) == [2, 4, 6, 8, 10]
    seen = records_seen.read(folder)
    assert seen.of(window.id)[2]["terms"]["granule"] == "3"
    assert len(seen.parents(seen.of(window.id)[2])) == 2


def test_rules_select_products(folder):
    pe = Store()
    graph = connected(Count(), pe)
    rules = {"Store": {"rules": {"n": {"$gt": 1, "$lt": 4}}}}
    configure_prov_run(graph, sel_rules=rules, **ABOUT)
    run(graph)
    products = records_seen.read(folder).of(pe.id)
    assert [p["terms"]["n"] for p in products if "terms" in p] == [2, 3]
    assert len(products) == 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sel_rules": {"Store": {"rules": {"n": {"$in": 1}}}}}, "use one of .eq"),
        ({"componentsType": {"Store": {"s-prov:type": ["Gone"]}}}, "no type of prov"),
    ],
)
def test_wrong_configurations_are_refused(options, message):
    with pytest.raises(ParameterError, match=message):
        configure_prov_run(connected(Count(), Store()), **ABOUT, **options)


def test_a_configuration_may_come_from_a_file(folder, tmp_path, monkeypatch):
    path = tmp_path / "prov.json"
    content = {"provone:User": "ana", "s-prov:workflowName": "from a file"}
    path.write_text(json.dumps(content))
    words = ["dispel4py", "--provenance-runid", "R7", "-n", "2"]
    monkeypatch.setattr("sys.argv", words)
    config, rest = init_provenance_config(argparse.Namespace(provenance=str(path)))
    assert rest == ["-n", "2"]
    graph = connected(Count(), Store())
    assert configure_prov_run(graph, sprovConfig=config) == "R7"
    run(graph)
    assert records_seen.read(folder).run["name"] == "from a file"
    update_prov_run("R7", dic={"status": "good"})
    (note,) = folder.glob("*/prov-note-*.jsonl")
    assert json.loads(note.read_text())["content"] == {"status": "good"}
    with pytest.raises(ParameterError, match="no records of the run 'R8'"):
        update_prov_run("R8")


def test_without_a_configuration_there_is_none(monkeypatch):
    monkeypatch.setattr(CommandLineInputs, "inline_prov_config", {})
    assert init_provenance_config(argparse.Namespace())[0] is False
    assert getUniqueId() != getUniqueId()


WORKFLOW = """
from dispel4py.base import ProducerPE, SimpleFunctionPE
from dispel4py.provenance import *
from dispel4py.workflow_graph import WorkflowGraph

class Numbers(ProducerPE):
    def _process(self, inputs):
        for k in range(3):
            self.write("output", k, metadata={"k": k})

class Item(ProvenanceType):
    def extractItemMetadata(self, data, port):
        return {"seen": data}

numbers, double = Numbers(), SimpleFunctionPE(lambda x: 2 * x)
graph = WorkflowGraph()
graph.connect(numbers, "output", double, "input")
config = {"s-prov:type": (SingleInvocationFlow, Item)}
configure_prov_run(graph, provImpClass=ProvenanceType, username="ana", workflowId="w",
    workflowName="star", runId=getUniqueId(), save_mode="file",
    componentsType={"PE_<lambda>": config})
"""


def test_a_module_with_a_star_import_runs_by_the_command(folder, tmp_path, capsys):
    (tmp_path / "star.py").write_text(WORKFLOW)
    assert main(["simple", str(tmp_path / "star.py")]) == 0
    assert capsys.readouterr().out.split()[-3:] == ["0", "2", "4"]
    seen: Any = records_seen.read(folder)
    assert [p["terms"]["seen"] for p in seen.products if "seen" in p["terms"]] == [
        *(0, 2, 4)
    ]
