"""Public behaviour of `dispel4py.new.processor`."""

import itertools
import json
import sys
from types import SimpleNamespace

import pytest
from users_pes import Counter, Either, Numbers, Same, WordCounter, Words

from dispel4py.core import GenericPE
from dispel4py.new import processor
from dispel4py.new.mappings import config
from dispel4py.new.simple_process import process_and_return
from dispel4py.workflow_graph import WorkflowGraph, WorkflowNode


def arguments(**changed):
    return SimpleNamespace(**{"data": None, "file": None, "iter": 1} | changed)


def alone():
    graph, source = WorkflowGraph(), Counter()
    graph.add(source)
    return graph, source


def merging():
    graph, sources, sink = WorkflowGraph(), [Counter(), Counter()], Either()
    nodes = [graph.add(pe) for pe in (*sources, sink)]
    for k, source in enumerate(sources):
        graph.connect(source, "output", sink, f"input{k}")
    return graph, nodes


def test_roots():
    graph, nodes = merging()
    assert [processor._is_root(node, graph) for node in nodes] == [True, True, False]


def test_roots_as_nodes_of_networkx():
    pytest.importorskip("networkx", reason="networkx is not installed")
    graph, nodes = merging()
    assert list(graph.graph.nodes()) == nodes
    roots = [n for n in graph.graph.nodes() if processor._is_root(n, graph)]
    assert [n.getContainedObject() for n in roots] == graph.pes[:2]


def test_input_invalid():
    with pytest.raises(ValueError, match="not JSON"):
        processor.create_inputs(arguments(data="{not valid"), None)


def test_input_json():
    graph, source = alone()
    result = processor.create_inputs(arguments(data='{"Counter": 20}'), graph)
    assert result == {source.id: 20}


@pytest.mark.parametrize("n", [20, 1])
def test_input_iter(n):
    graph, source = alone()
    assert processor.create_inputs(arguments(iter=n), graph) == {source.id: n}


def test_input_file(tmp_path):
    path = tmp_path / "inputs.json"
    path.write_text(json.dumps({"Counter": [{"input": "f"}]}))
    graph, source = alone()
    result = processor.create_inputs(arguments(file=str(path), data="{}"), graph)
    assert result == {source.id: [{"input": "f"}]}


def test_invalid_input_file(tmp_path):
    path = tmp_path / "inputs.json"
    path.write_text("{ bla")
    with pytest.raises(ValueError, match="not JSON"):
        processor.create_inputs(arguments(file=str(path)), None)


def test_input_file_not_found():
    with pytest.raises(ValueError, match="No such file"):
        processor.create_inputs(arguments(file="/doesnotexist"), None)


@pytest.fixture
def module(tmp_path, monkeypatch):
    name = "pipeline_of_users"
    (tmp_path / f"{name}.py").write_text(
        "from users_pes import Counter, Same\n"
        "from dispel4py.workflow_graph import WorkflowGraph\n"
        "graph = WorkflowGraph()\n"
        "graph.connect(Counter(), 'output', Same(), 'input')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, name, raising=False)
    return name


def test_load_graph(module):
    WorkflowNode.node_counter = 0
    graph, inputs = processor.load_graph_and_inputs(arguments(module=module, attr=None))
    assert [pe.id for pe in graph.pes] == ["Counter0", "Same1"]
    assert inputs == {"Counter0": 1}


def test_group_by():
    how = processor.GroupByCommunication(list(range(5)), "input", [0])
    keys = [1, {"a": 1}, set(range(7)), range(1), None, "text", (1, "b"), 1.5]
    for key in keys:
        first = how.getDestination({"input": [key, "b"]})
        assert first == how.get_destination({"input": [key, 1, 2]})
        assert first[0] in range(5)
    assert how.name == [0]


def test_all_to_one():
    how = processor.AllToOneCommunication(list(range(5)))
    assert how.getDestination(None) == [0]
    assert how.get_destination({"input": [1, 2, 3]}) == [0]


def test_one_to_all():
    how = processor.OneToAllCommunication(list(range(5)))
    assert how.getDestination(None) == list(range(5))
    assert how.get_destination({"input": [1, 2, 3]}) == list(range(5))


@pytest.mark.parametrize("rank", [3, 4])
def test_shuffle_begins_at_the_place_of_its_source(rank):
    how = processor.ShuffleCommunication(rank, [3, 4], [7, 8, 9])
    result = list(itertools.chain(*(how.getDestination(None) for _ in range(4))))
    assert result == ([7, 8, 9, 7] if rank == 3 else [8, 9, 7, 8])


def test_assign_and_connect():
    source, count, last = Words("a b"), WordCounter(), Same()
    graph = WorkflowGraph()
    graph.connect(source, "output", count, "input")
    graph.connect(count, "output", last, "input")
    processes, feeders, targets = processor.assign_and_connect(graph, 5)
    assert sorted(itertools.chain(*processes.values())) == list(range(5))
    (at_source,) = processes[source.id]
    at_count = list(processes[count.id])
    assert feeders[at_count[0]] == {"input": [at_source]}
    ((name, how),) = targets[at_source]["output"]
    assert (name, how.destinations) == ("input", at_count)
    assert isinstance(how, processor.GroupByCommunication)
    assert processor.assign_and_connect(graph, 2) is None


def test_two_edges_into_one_input_are_counted_for_each_process():
    # in dispel4py 1.2.1 all processes of a PE share a growing list
    graph, left, right, sink = WorkflowGraph(), Counter(), Counter(), Same()
    graph.connect(left, "output", sink, "input")
    graph.connect(right, "output", sink, "input")
    processes, feeders, _ = processor.assign_and_connect(graph, 4)
    for proc in processes[sink.id]:
        assert len(feeders[proc]["input"]) == 2


def test_default_partitions():
    graph, nodes = merging()
    left, right, sink = (node.obj for node in nodes)
    assert processor.get_partitions(graph) == [[left, right], [sink]]
    graph.partitions = [[left, sink]]
    assert processor.get_partitions(graph) == [[left, sink], [right]]


@pytest.mark.parametrize("as_items", [False, True])
def test_partitions_as_pes(as_items):
    source, first, count, last = Same(), Same(), WordCounter(), Same()
    graph = WorkflowGraph()
    for a, b in itertools.pairwise([source, first, count, last]):
        graph.connect(a, "output", b, "input")
    graph.partitions = [[source], [first, count], [last]]
    if not as_items:
        source.process = None
        graph, source = WorkflowGraph(), Numbers(3)
        for a, b in itertools.pairwise([source, first, count, last]):
            graph.connect(a, "output", b, "input")
        graph.partitions = [[source], [first, count], [last]]
    parts = processor.create_partitioned(graph)
    assert len(parts.pes) == 3
    given = {source: [{"input": [k]} for k in range(3)] if as_items else 1}
    inputs = processor.map_inputs_to_partitions(parts, given)
    result = process_and_return(parts, inputs)
    (ports,) = result.values()
    assert ports == {(last.id, "output"): [[[k, 1]] for k in range(3)]}


def test_a_wrapper_of_the_user():
    class Wrapper(processor.GenericWrapper):
        result, ended = (), False

        def _write(self, name, data):
            self.result = (*self.result, (name, data))

        def _terminate(self):
            self.ended = True

    class Twice(GenericPE):
        def __init__(self):
            GenericPE.__init__(self)
            self._add_output("output")

        def process(self, inputs):
            self.write("output", inputs["input"])
            return {"output": inputs["input"]}

        def _postprocess(self):
            self._write("output", "end")

    pe = Twice()
    wrapper = Wrapper(pe)
    assert pe.wrapper is wrapper
    wrapper.provided_inputs = [{"input": 1}, {"input": 2}]
    wrapper.sources = {"input": [1, 2]}
    wrapper.process()
    assert [data for _, data in wrapper.result] == [1, 1, 2, 2, "end"]
    assert wrapper.ended


@pytest.mark.parametrize("target", ["simple", "multi"])
def test_command_line(target, module, monkeypatch, capfd):
    words = [target, module, "--iter", "3"]
    words += ["-n", "2"] if target == "multi" else []
    monkeypatch.setattr(sys, "argv", ["dispel4py", *words])
    assert processor.main() == 0
    out = capfd.readouterr().out
    assert target == "multi" or "[1, 2, 3]" in out


@pytest.mark.parametrize(
    ("words", "status", "expected_message"),
    [
        (["simple", "no_such_module"], 2, "no_such_module"),
        (["simple", "pipeline_of_users", "-d", '{"Countr": 1}'], 2, "did you mean"),
        (["simple", "pipeline_of_users", "-d", "[1]"], 2, "object"),
        (["multi", "pipeline_of_users", "-n", "1"], 0, "Not enough processes"),
    ],
)
@pytest.mark.usefixtures("module")
def test_mistakes_on_the_command_line(
    words, status, expected_message, monkeypatch, capfd
):
    monkeypatch.setattr(sys, "argv", ["dispel4py", *words])
    assert processor.main() == status
    assert expected_message in "".join(capfd.readouterr())


def test_targets():
    assert {"simple", "multi", "mpi"} <= set(config)
