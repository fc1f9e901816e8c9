"""Idioms of users' workflows, each run in every way."""

import re
from collections import Counter as Multiset
from collections import defaultdict
from types import SimpleNamespace

import pytest
from queues import drained
from users_pes import Counter, Matching, Same

from dispel4py.base import (
    BasePE,
    ConsumerPE,
    GenericPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
    create_iterative_chain,
)
from dispel4py.new import multi_process, simple_process
from dispel4py.new.processes import divide
from dispel4py.new.processor import get_partitions
from dispel4py.workflow_graph import WorkflowGraph

WAYS = ["simple", "two more", "together", "mpi", "mpi, together"]


@pytest.fixture(params=WAYS)
def way(request):
    """A way to run a graph: a name, or a function."""
    if not request.param.startswith("mpi"):
        return request.param
    through_mpi = request.getfixturevalue("through_mpi")
    if request.param == "mpi":
        return lambda graph, inputs: through_mpi(graph, inputs, 4)

    def together(graph, inputs):
        return through_mpi(divide(graph, get_partitions(graph)), inputs, 4)

    return together


def ran(way, graph, inputs):
    """Return the items of each unconnected output, as a multiset, by ``name.port``."""
    results = defaultdict(list)
    if way == "simple" or callable(way):
        how = way if callable(way) else simple_process.process_and_return
        for pe_id, ports in how(graph, inputs).items():
            for port, items in ports.items():
                results[pe_id, port].extend(items)
    else:
        n = len(graph.pes)
        num = {"one each": n, "two more": n + 2, "together": n}[way]
        args = SimpleNamespace(num=num, simple=way == "together", results=True)
        for pe_id, port, item in drained(multi_process.process(graph, inputs, args)):
            if way == "together":
                pe_id, port = port
                (item,) = item
            results[pe_id, port].append(item)
    names = {pe.id: pe.name for pe in graph.pes}
    named = defaultdict(Multiset)
    for (pe_id, port), items in results.items():
        named[f"{names[pe_id]}.{port}"].update(map(repr, items))
    return dict(named)


def texts(*items):
    return Multiset(map(repr, items))


class Lines(GenericPE):
    """A source that declares no input and nevertheless gets one."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_output("output")
        self.count = 0

    def _process(self, inputs):
        self.log(f"reading {inputs['input']}")
        for line in inputs["input"].split(";"):
            self.count += 1
            self.write("output", [self.count, *line.split(",")])


class Columns(IterativePE):
    """Uses attributes that are set after its construction."""

    def __init__(self):
        IterativePE.__init__(self)

    def _process(self, data):
        return [data[0], *(data[column] for column in self.columns)]


def test_source_given_inputs_by_name_and_attributes_set_later(way):
    read, columns = Lines(), Columns()
    read.name = "read"
    columns.columns = [2]
    graph = WorkflowGraph()
    graph.connect(read, "output", columns, "input")
    result = ran(way, graph, {"read": [{"input": "a,b;c,d"}, {"input": "e,f"}]})
    assert result == {"Columns.output": texts([1, "b"], [2, "d"], [3, "f"])}


class Stage(IterativePE):
    """Wraps a function of a chain around the middle of a list."""

    def __init__(self, compute_fn=None, params={}):  # noqa: B006 - as users have it
        IterativePE.__init__(self)
        self._add_output("output", tuple_type=["result", "label"])
        self.compute_fn = compute_fn
        self.params = params

    def _process(self, data):
        value, label = data
        try:
            return [self.compute_fn(value, **self.params), label]
        except ValueError:
            self.log(f"giving up {label}")
            return None


class BareStage(IterativePE):
    """The same, without a constructor of its own."""

    def __init__(self):
        IterativePE.__init__(self)

    def _process(self, data):
        value, label = data
        return [self.compute_fn(value, **self.params), label]


def scale(value, factor):
    return value * factor


def root(value):
    if value < 0:
        raise ValueError(value)
    return value**0.5


@pytest.mark.parametrize("kind", [Stage, BareStage])
def test_chain_of_functions_in_a_class_of_the_user(way, kind):
    source = Same()
    functions = [(scale, {"factor": 2}), [scale, {"factor": 8}], root]
    chain = create_iterative_chain(functions, FunctionPE_class=kind)
    graph = WorkflowGraph()
    graph.connect(source, "output", chain, "input")
    values = [1, 4, -1] if kind is Stage else [1, 4]
    result = ran(way, graph, {source: [{"input": [v, str(v)]} for v in values]})
    assert result == {"PE_root.output": texts([4.0, "1"], [8.0, "4"])}


def test_chain_by_the_later_keyword():
    chain = create_iterative_chain(
        [root], function_pe_class=BareStage, name_prefix="f_", name_suffix="_g"
    )
    (pe,) = chain.pes
    assert (type(pe), pe.name) == (BareStage, "f_root_g")


class Mood(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[1, 2])
        self._add_output("output")
        self.mood = {}

    def _process(self, inputs):
        score, state, method = inputs["input"]
        self.mood[state, method] = self.mood.get((state, method), 0) + score
        self.write("output", [state, self.mood[state, method], method])


class Happiest(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")
        self.inputconnections["input"]["grouping"] = "global"
        self.best = {}

    def _process(self, inputs):
        state, score, method = inputs["input"]
        self.best[state, method] = max(score, self.best.get((state, method), score))

    def _postprocess(self):
        self.write("output", sorted(self.best.items()))


@pytest.mark.parametrize("partitioned", [False, True])
def test_group_by_two_columns_then_one_instance(way, partitioned):
    source, mood, happiest = Same(), Mood(), Happiest()
    mood.numprocesses = 3
    graph = WorkflowGraph()
    graph.connect(source, "output", mood, "input")
    graph.connect(mood, "output", happiest, "input")
    if partitioned:  # the last PE is in none of them
        graph.partitions = [[source], [mood]]
    rows = [(1, "NY", "a"), (2, "NY", "a"), (3, "CA", "a"), (4, "NY", "b")] * 5
    result = ran(way, graph, {source: [{"input": row} for row in rows]})
    best = [(("CA", "a"), 15), (("NY", "a"), 15), (("NY", "b"), 20)]
    assert result == {"Happiest.output": texts(best)}


class Remainder(IterativePE):
    def __init__(self, compare):
        IterativePE.__init__(self)
        self.compare = compare

    def _process(self, data):
        if data % 2 == self.compare:
            return data
        return None


class Pairs(GenericPE):
    """Pairs items of two inputs; writes the items without a partner at the end."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("odd")
        self._add_input("even")
        self._add_output("output")
        self.odd, self.even = [], []

    def _process(self, inputs):
        assert len(inputs) == 1
        if "odd" in inputs:
            self.odd.append(inputs["odd"])
        if "even" in inputs:
            self.even.append(inputs["even"])

    def _postprocess(self):
        self.write("output", (sorted(self.odd), sorted(self.even)))


@pytest.mark.parametrize("way", ["simple", "one each"])
def test_pairing_of_two_branches(way):
    source, even, odd, pairs = Counter(), Remainder(0), Remainder(1), Pairs()
    graph = WorkflowGraph()
    graph.connect(source, "output", even, "input")
    graph.connect(source, "output", odd, "input")
    graph.connect(even, "output", pairs, "even")
    graph.connect(odd, "output", pairs, "odd")
    assert ran(way, graph, {source: 5}) == {"Pairs.output": texts(([1, 3, 5], [2, 4]))}


class Norms(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output_mean")
        self._add_output("output_max")

    def _process(self, data):
        key, label, value = data["input"]
        self.write("output_mean", [f"{key}_mean", label, value])
        self.write("output_max", [f"{key}_max", label, 2 * value])


class Report(ConsumerPE):
    """A consumer with an output of its own."""

    def __init__(self):
        ConsumerPE.__init__(self)
        self._add_output("output")

    def _process(self, data):
        key, both = data
        self.write("output", [key, both["real"] - both["synth"]])


def test_two_sources_into_one_input_and_matching_by_key(way):
    real, synth = Same(), Same()
    real.name, synth.name = "real", "synth"
    norms, mean, largest = Norms(), Same(), Same()
    match, report = Matching(), Report()
    graph = WorkflowGraph()
    graph.connect(real, "output", norms, "input")
    graph.connect(synth, "output", norms, "input")
    graph.connect(norms, "output_mean", mean, "input")
    graph.connect(norms, "output_max", largest, "input")
    graph.connect(mean, "output", match, "input")
    graph.connect(largest, "output", match, "input")
    graph.connect(match, "output", report, "input")
    inputs = {
        "real": [{"input": ["A", "real", 5]}, {"input": ["B", "real", 7]}],
        "synth": [{"input": ["B", "synth", 1]}, {"input": ["A", "synth", 2]}],
    }
    expected = texts(["A_mean", 3], ["A_max", 6], ["B_mean", 6], ["B_max", 12])
    assert ran(way, graph, inputs) == {"Report.output": expected}


class Reader(GenericPE):
    """Has an optional input: an empty call means its own defaults."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("real")
        self._add_output("synthetic")

    def _process(self, inputs):
        if not inputs:
            inputs = {"input": {"n": self.n}}
        for k in range(inputs["input"]["n"]):
            self.write("real", [k, {"station": "A"}])
            self.write("synthetic", [-k, {"station": "A"}])


@pytest.mark.parametrize("given", [1, [{"input": {"n": 2}}]])
def test_source_with_an_input_called_without(way, given):
    read, last = Reader(), [Same(), Same()]
    read.n = 2
    graph = WorkflowGraph()
    for port, pe in zip(("real", "synthetic"), last, strict=True):
        chain = create_iterative_chain([root] * 2, FunctionPE_class=BareKeeping)
        graph.connect(read, port, chain, "input")
        graph.connect(chain, "output", pe, "input")
    result = ran(way, graph, {read: given})
    metadata = {"station": "A"}
    expected = [[0, metadata], [1, metadata], [0, metadata], [-1, metadata]]
    assert result == {"Same.output": texts(*expected)}


class BareKeeping(IterativePE):
    def __init__(self):
        IterativePE.__init__(self)

    def _process(self, data):
        value, metadata = data
        return [value, metadata]


class Loud(IterativePE):
    """Overrides `log`, and writes with options."""

    def __init__(self):
        IterativePE.__init__(self)
        self.pattern = re.compile(r"\d+")
        self.expected_message = []

    def _process(self, data):
        self.log(data)
        self.write(
            "output", self.expected_message[-1], metadata={"n": 1}, location="here"
        )

    def log(self, msg):
        self.expected_message.append(f"-{msg}-")


class Noting(Loud):
    """Notes the items that it writes."""

    def write(self, name, data, **kwargs):
        super().write(name, (data, sorted(kwargs)), **kwargs)


@pytest.mark.parametrize("kind", [Loud, Noting])
def test_own_log_and_write_with_options(way, kind):
    source, loud = Counter(), kind()
    graph = WorkflowGraph()
    graph.connect(source, "output", loud, "input")
    (result,) = ran(way, graph, {source: 2}).values()
    options = ["location", "metadata"]
    expected = {Loud: ["-1-", "-2-"], Noting: [("-1-", options), ("-2-", options)]}
    assert result == texts(*expected[kind])


class Empty(ProducerPE):
    def __init__(self):
        ProducerPE.__init__(self)

    def _process(self):  # without the argument: never called here
        raise AssertionError


def test_no_calls_at_all(way):
    graph = WorkflowGraph()
    graph.connect(Empty(), "output", Same(), "input")
    assert ran(way, graph, {"Empty": 0}) == {}


def test_a_source_with_inputs_that_is_given_none_is_not_called(way):
    given, silent, sink = Same(), Same(), BasePE(num_inputs=2, outputs=["output"])
    given.name, silent.name = "given", "silent"
    graph = WorkflowGraph()
    graph.connect(given, "output", sink, "input0")
    graph.connect(silent, "output", sink, "input1")
    assert ran(way, graph, {"given": [{"input": 1}]}) == {}


def unpack(data, add):
    if "input" in data:
        data = data["input"]
    return data["values"] + add, "other"


class Each(IterativePE):
    def __init__(self, index):
        IterativePE.__init__(self)
        self.index = index

    def _process(self, inputs):
        for value in inputs[self.index]:
            self.write("output", value)


def test_a_function_as_source_feeding_two(way):
    source = SimpleFunctionPE(unpack, {"add": [3]})
    source.name = "download"
    graph = WorkflowGraph()
    first, second = Each(0), Each(1)
    second.name = "Letters"
    graph.connect(source, "output", first, "input")
    graph.connect(source, "output", second, "input")
    result = ran(way, graph, {"download": [{"input": {"values": [1, 2]}}]})
    assert result == {"Each.output": texts(1, 2, 3), "Letters.output": texts(*"other")}


def test_attributes_that_users_meet():
    pe = Same()
    assert (pe.single, bool(pe.stateful), pe.wrapper) == (False, False, "simple")
    assert "inputconnections" in pe.pickleIgnore
    pe.single = True
    source, graph = Counter(), WorkflowGraph()
    graph.connect(source, "output", pe, "input")
    args = SimpleNamespace(num=5, simple=False, results=True)
    result = drained(multi_process.process(graph, {source: 3}, args))
    assert [item for *_, item in result] == [1, 2, 3]  # one instance, in order


def test_logs_of_a_pe_are_shown(capfd):
    read, columns = Lines(), Columns()
    columns.columns = []
    graph = WorkflowGraph()
    graph.connect(read, "output", columns, "input")
    inputs = {read: [{"input": "a"}]}
    simple_process.process_and_return(graph, inputs)
    assert capfd.readouterr().out == "Lines0 (rank 0): reading a\n"
    args = SimpleNamespace(num=2, simple=False)
    multi_process.process(graph, inputs, args)
    assert capfd.readouterr().out == "Lines0 (rank 0): reading a\n"
