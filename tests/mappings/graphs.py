"""Graphs that must give the same under every mapping, and the PEs they are made of.

Each case is a function that makes a fresh graph and its inputs, with what has to come
of it. Run as a program, this module runs all of them in one go: one start of Python, or
of MPI, for all.
"""

from __future__ import annotations

import hashlib
import itertools
import pickle
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dispel4py.base import (
    BasePE,
    CompositePE,
    ConsumerPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
    create_iterative_chain,
)
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

# ------------------------------------------------------------------- comparing


def freeze(item: Any) -> str:
    """Text that is equal for equal items, arrays and waveforms included."""
    if isinstance(item, np.ndarray):
        digest = hashlib.blake2b(item.tobytes(), digest_size=8).hexdigest()
        return f"{item.dtype}{item.shape}{digest}"
    if isinstance(item, dict):
        pairs = sorted(f"{freeze(k)}: {freeze(v)}" for k, v in item.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(item, set | frozenset):
        return f"set({sorted(map(freeze, item))})"
    if isinstance(item, list | tuple):
        return f"{type(item).__name__}({', '.join(map(freeze, item))})"
    if type(item).__name__ == "Stream":
        return (
            f"Stream({[(t.id, str(t.stats.starttime), freeze(t.data)) for t in item]})"
        )
    return repr(item)


def multisets(result: Any) -> dict[str, list[str]]:
    """Items of each unconnected output, order left out."""
    return {
        f"{pe_id}.{port}": sorted(map(freeze, items))
        for pe_id, ports in result.outputs.items()
        for port, items in ports.items()
    }


def sequences(result: Any) -> dict[str, list[str]]:
    """Items of each unconnected output, in their order."""
    return {
        f"{pe_id}.{port}": [freeze(item) for item in items]
        for pe_id, ports in result.outputs.items()
        for port, items in ports.items()
    }


def distinct(result: Any) -> dict[str, list[str]]:
    """Items of each unconnected output, order and repetition left out."""
    return {key: sorted(set(items)) for key, items in multisets(result).items()}


def with_failures(result: Any) -> dict[str, list[str]]:
    """Items, and the failures of skipped items: PE, input and cause."""
    lost = sorted(f"{f.pe_id} {f.port} {f.item} {f.cause}" for f in result.failures)
    return {**multisets(result), "failures": lost}


@dataclass(frozen=True)
class Case:
    """A graph and what must come of it."""

    make: Callable[[], tuple[WorkflowGraph, Any]]
    expected: dict[str, list[Any]] | None = None
    view: Callable[[Any], dict[str, list[str]]] = multisets
    counts: bool = True  # counts do not depend on the number of instances
    at_most: int = 100  # processes: more would only take time
    options: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {}


def case(expected: dict[str, list[Any]] | None = None, **options: Any) -> Any:
    """Register the function below as a case; its name is the case's."""

    def register(make: Callable[[], tuple[WorkflowGraph, Any]]) -> Any:
        named = {
            k: options.pop(k) for k in ("view", "counts", "at_most") if k in options
        }
        CASES[make.__name__] = Case(make, expected, options=options, **named)
        return make

    return register


def outcome(name: str, **how: Any) -> dict[str, Any] | None:
    """Run a case; return what is compared, or None where the result is not whole."""
    chosen = CASES[name]
    graph, inputs = chosen.make()
    result = run(graph, inputs, **chosen.options, **how)
    if not result.complete:
        return None
    return {
        "view": chosen.view(result),
        "counts": result.counts if chosen.counts else None,
        "n_failures": len(result.failures),
    }


# ------------------------------------------------------------------------- PEs


class Range(ProducerPE):
    """Gives 0 to n-1 in one call."""

    def __init__(self, n: int = 20, first: int = 0) -> None:
        ProducerPE.__init__(self)
        self.n, self.first = n, first

    def _process(self, inputs: Any) -> None:
        for number in range(self.first, self.first + self.n):
            self.write("output", number)


class Items(ProducerPE):
    """Gives the items of a list."""

    def __init__(self, *items: Any) -> None:
        ProducerPE.__init__(self)
        self.items = items

    def _process(self, inputs: Any) -> None:
        for item in self.items:
            self.write("output", item)


class Pass(IterativePE):
    """Passes items on."""

    def _process(self, data: Any) -> Any:
        return data


class Add(IterativePE):
    """Adds a number."""

    def __init__(self, summand: int = 1) -> None:
        IterativePE.__init__(self)
        self.summand = summand

    def _process(self, data: Any) -> Any:
        return data + self.summand


class Spoil(IterativePE):
    """Writes into what it gets, and passes it on."""

    def _process(self, data: Any) -> Any:
        data[:] = -1
        return data


class Split(GenericPE):
    """Sends multiples of 2 and of 3 by outputs of their own; the rest nowhere."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("twos")
        self._add_output("threes")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        number = inputs["input"]
        found = {}
        if number % 2 == 0:
            found["twos"] = number
        if number % 3 == 0:
            found["threes"] = number
        return found


class Join(GenericPE):
    """Says by which of two inputs an item came."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("left")
        self._add_input("right")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ((port, item),) = inputs.items()
        return {"output": (port, item)}


class Gather(GenericPE):
    """Keeps all that comes to an instance, and gives it at the end, per key."""

    def __init__(
        self, grouping: Any = None, key: Callable[[Any], Any] | None = None
    ) -> None:
        GenericPE.__init__(self)
        self._add_input("input", grouping=grouping)
        self._add_output("output")
        self.key = key
        self.found: dict[Any, list[Any]] = {}

    def process(self, inputs: dict[str, Any]) -> None:
        item = inputs["input"]
        key = self.key(item) if self.key else "all"
        self.found.setdefault(key, []).append(item)

    def postprocess(self) -> None:
        for key, items in self.found.items():
            self.write("output", (key, sorted(map(freeze, items))))


class Total(GenericPE):
    """Gives the sum of all that came, at the end only."""

    def __init__(self, grouping: Any = "global") -> None:
        GenericPE.__init__(self)
        self._add_input("input", grouping=grouping)
        self._add_output("output")
        self.total = 0

    def process(self, inputs: dict[str, Any]) -> None:
        self.total += inputs["input"]

    def _postprocess(self) -> None:
        self.write("output", self.total)


def chain(*pes: Any) -> WorkflowGraph:
    """Connect PEs in a row, by their ports ``output`` and ``input``."""
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


def instances(pe: Any, n: int) -> Any:
    """Ask for n instances of a PE."""
    pe.numprocesses = n
    return pe


def alone(pe: Any) -> Any:
    """Ask for exactly one instance."""
    pe.single = True
    return pe


def square(number: int) -> int:
    return number * number


def power(number: int, exponent: int) -> int:
    return number**exponent


# ----------------------------------------------------------------------- order


@case({"Add2.output": list(range(2, 302))}, view=sequences)
def pipeline_order() -> Any:
    return chain(Range(300), alone(Add()), alone(Add())), None


@case(view=sequences)
def order_of_large_and_small() -> Any:
    items = [np.full(30_000, k) if k % 3 else k for k in range(40)]
    return chain(Items(*items), alone(Pass()), alone(Pass())), None


class Closing(IterativePE):
    """Passes items on, and says at the end how many they were."""

    n = 0

    def _process(self, data: Any) -> Any:
        self.n += 1
        return data

    def _postprocess(self) -> None:
        self.write("output", (self.name, self.n))


@case(
    {"c3.output": [0, 1, ("a", 2), ("b", 3), ("c", 4)]},
    view=sequences,
)
def postprocess_order() -> Any:
    closing = [alone(Closing()) for _ in range(3)]
    for pe, name in zip(closing, "abc", strict=True):
        pe.name = name
    return chain(Range(2), *closing), None


# ---------------------------------------------------------------------- shapes


@case({"Add1.output": list(range(1, 21)), "Pass2.output": list(range(20))})
def tee() -> Any:
    source, graph = Range(), WorkflowGraph()
    graph.connect(source, "output", Add(), "input")
    graph.connect(source, "output", Pass(), "input")
    return graph, None


@case()
def tee_of_ten() -> Any:
    source, graph = Range(), WorkflowGraph()
    for k in range(10):
        graph.connect(source, "output", Add(100 * k), "input")
    return graph, None


def _tee_with_spoiler(first: Any, second: Any) -> Any:
    source, graph = Items(*(np.arange(n) for n in (3, 40_000))), WorkflowGraph()
    graph.connect(source, "output", first, "input")
    graph.connect(source, "output", second, "input")
    return graph, None


@case({"Pass2.output": [np.arange(3), np.arange(40_000)]})
def tee_to_one_that_spoils() -> Any:
    return _tee_with_spoiler(Spoil(), Pass())


@case({"Pass1.output": [np.arange(3), np.arange(40_000)]})
def tee_to_one_that_spoils_last() -> Any:
    return _tee_with_spoiler(Pass(), Spoil())


@case(
    {
        "Join2.output": [
            *(("left", n) for n in (0, 2, 4, 6)),
            *(("right", n) for n in (0, 3, 6)),
        ]
    }
)
def two_edges_between_two_pes() -> Any:
    split, join, graph = Split(), Join(), WorkflowGraph()
    graph.connect(Range(7), "output", split, "input")
    graph.connect(split, "twos", join, "left")
    graph.connect(split, "threes", join, "right")
    return graph, None


@case({"Join1.output": [(port, n) for n in range(9) for port in ("left", "right")]})
def one_output_to_both_inputs() -> Any:
    source, join, graph = Range(9), Join(), WorkflowGraph()
    graph.connect(source, "output", join, "left")
    graph.connect(source, "output", join, "right")
    return graph, None


@case({"Pass2.output": [0, 0, 2, 3, 4, 6, 6]})
def two_outputs_into_one_input() -> Any:
    split, sink, graph = Split(), instances(Pass(), 3), WorkflowGraph()
    graph.connect(Range(7), "output", split, "input")
    graph.connect(split, "twos", sink, "input")
    graph.connect(split, "threes", sink, "input")
    return graph, None


@case({"Pass1.output": [0, 0, 1, 1, 2, 2]})
def the_same_edge_twice() -> Any:
    source, sink, graph = Range(3), Pass(), WorkflowGraph()
    graph.connect(source, "output", sink, "input")
    graph.connect(source, "output", sink, "input")
    return graph, None


@case({"Pass1.output": [0, 1, 2, 100, 101]})
def merge_of_two_sources() -> Any:
    sink, graph = Pass(), WorkflowGraph()
    graph.connect(Range(3), "output", sink, "input")
    graph.connect(Range(2, first=100), "output", sink, "input")
    return graph, None


@case(
    {
        "Join2.output": [
            (s, n + d) for n in range(20) for s, d in (("left", 1), ("right", 5))
        ]
    }
)
def diamond() -> Any:
    source, join, graph = Range(), Join(), WorkflowGraph()
    for port, summand in (("left", 1), ("right", 5)):
        add = Add(summand)
        graph.connect(source, "output", add, "input")
        graph.connect(add, "output", join, port)
    return graph, None


@case({"Add12.output": list(range(12, 32))})
def more_pes_than_processes() -> Any:
    return chain(Range(), *(Add() for _ in range(12))), None


@case({"Pass1.output": [0, 1], "Add3.output": [11, 12, 13], "Range4.output": [0]})
def graphs_apart() -> Any:
    graph = WorkflowGraph()
    graph.connect(Range(2), "output", Pass(), "input")
    graph.connect(Range(3, first=10), "output", Add(), "input")
    graph.add(Range(1))
    return graph, None


# ------------------------------------------------------------------ composites


def add_twice(composite: CompositePE, first: int, second: int = 1) -> None:
    """Connect two additions inside a composite."""
    a, b = Add(first), Add(second)
    composite.connect(a, "output", b, "input")
    composite._map_input("input", a, "input")
    composite._map_output("output", b, "output")


@case({"Pass3.output": list(range(11, 31))})
def composite() -> Any:
    inner = CompositePE(add_twice, {"first": 10})
    return chain(Range(), inner, Pass()), None


@case({"Pass5.output": list(range(22, 42))})
def nested_composite() -> Any:
    class Nested(CompositePE):
        def __init__(self) -> None:
            CompositePE.__init__(self)
            one = CompositePE(add_twice, {"first": 10})
            two = CompositePE(add_twice, {"first": 10})
            self.connect(one, "output", two, "input")
            self._map_input("input", one, "input")
            self._map_output("output", two, "output")

    return chain(Range(), Nested(), Pass()), None


@case({"Join0.output": [(port, n + 1) for n in range(4) for port in ("left", "right")]})
def composite_with_one_input_for_two() -> Any:
    doubled, join = CompositePE(), Join()
    doubled._map_input("input", join, "left")
    doubled._map_input("input", join, "right")
    return chain(Range(4), Add(), doubled), None


@case({"Pass4.output": [11, 12, 111, 112]})
def composite_fed_by_two_sources() -> Any:
    inner, graph = CompositePE(add_twice, {"first": 10}), WorkflowGraph()
    graph.connect(Range(2), "output", inner, "input")
    graph.connect(Range(2, first=100), "output", inner, "input")
    graph.connect(inner, "output", Pass(), "input")
    return graph, None


@case({"PE_power1.output": [n**6 for n in range(20)]})
def chain_of_functions() -> Any:
    functions = create_iterative_chain([square, (power, {"exponent": 3})])
    return chain(Range(), functions), None


@case({"Add1.output": [6, 7]})
def composite_as_whole_graph() -> Any:
    inner = CompositePE()
    inner.connect(Range(2, first=5), "output", Add(), "input")
    graph = WorkflowGraph()
    graph.add(inner)
    return graph, None


# ------------------------------------------------------------------- groupings

STATIONS = [("CI.CCA", 1), ("CI.HEC", 2), ("CI.CCA", 3), ("IU.ANMO", 4), ("CI.HEC", 5)]


@dataclass(frozen=True)
class Reading:
    """An item with attributes."""

    station: str
    day: int


def first(item: Any) -> Any:
    return item[0]


def first_two(item: Any) -> Any:
    return item[0], item[1]


def station_of(item: Any) -> Any:
    return item["station"] if isinstance(item, dict) else item.station


def by(grouping: Any, key: Any, *items: Any) -> Any:
    """Graph in which two instances deal items out to three that gather by key."""
    spread = instances(Pass(), 2)
    return chain(Items(*items), spread, instances(Gather(grouping, key), 3)), None


@case({"Pass1.output": list(range(20))})
def round_robin() -> Any:
    return chain(Range(), instances(Pass(), 3)), None


@case(
    {
        "Gather2.output": [
            ("CI.CCA", ["tuple('CI.CCA', 1)", "tuple('CI.CCA', 3)"]),
            ("CI.HEC", ["tuple('CI.HEC', 2)", "tuple('CI.HEC', 5)"]),
            ("IU.ANMO", ["tuple('IU.ANMO', 4)"]),
        ]
    },
    counts=False,
)
def group_by_string() -> Any:
    return by([0], first, *STATIONS)


@case()
def group_by_two_fields() -> Any:
    return by([0, 1], first_two, *((n % 2, str(n % 3), n) for n in range(24)))


@case()
def group_by_dict_key() -> Any:
    items = ({"station": s, "n": n} for s, n in STATIONS)
    return by(["station"], station_of, *items)


@case()
def group_by_attribute() -> Any:
    return by(["station"], station_of, *(Reading(s, n) for s, n in STATIONS))


@case()
def group_by_odd_keys() -> Any:
    keys = [
        None,
        7,
        7.5,
        True,
        b"b",
        (1, "a"),
        frozenset({1, 2}),
        "\u00e9",
        -3,
        1 << 80,
    ]
    return by([0], first, *((key, n) for n in range(3) for key in keys))


@case()
def group_by_unhashable_keys() -> Any:
    keys = [{"a": 1}, {1, 2}, [3, 4], range(5), np.arange(3)]
    return by([0], _frozen_first, *((key, n) for n in range(3) for key in keys))


def _frozen_first(item: Any) -> str:
    return freeze(item[0])


def _number_first(item: Any) -> float:
    return float(item[0])


@case()
def group_by_equal_numbers_of_many_types() -> Any:
    types = (int, float, np.int16, np.int64, np.float32, np.float64, np.uint8)
    items = ((kind(n), kind.__name__) for n in range(4) for kind in types)
    return by([0], _number_first, *items)


@case(view=distinct, counts=False)
def grouping_all() -> Any:
    return by("all", None, *range(30))


@case({"Gather2.output": [("all", sorted(map(str, range(30))))]})
def grouping_global() -> Any:
    return by("global", None, *range(30))


def modulo(item: int, n: int) -> int:
    return item % n


def two_places(item: int, n: int) -> list[int]:
    return [0, n - 1]


@case({"Pass1.output": list(range(20))})
def grouping_by_function() -> Any:
    sink = instances(Pass(), 3)
    sink._add_input("input", grouping=modulo)
    return chain(Range(), sink), None


@case(view=distinct)
def grouping_by_function_to_several() -> Any:
    sink = instances(Pass(), 3)
    sink._add_input("input", grouping=two_places)
    return chain(Range(), sink), None


@case({"Total3.output": [190]}, counts=False)
def sums_of_sums() -> Any:
    return chain(Range(), Pass(), instances(Total(None), 4), Total("global")), None


# ------------------------------------------------------------- ways to emit


class Repeat(IterativePE):
    """Writes each item many times."""

    def _process(self, data: Any) -> None:
        for k in range(50):
            self.write("output", (data, k))


@case()
def many_writes_per_call() -> Any:
    return chain(Range(), Repeat(), Pass()), None


class Divisors(GenericPE):
    """Yields, sometimes nothing, sometimes two ports at once."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("divisor")
        self._add_output("cofactor")

    def process(self, inputs: dict[str, Any]) -> Any:
        number = inputs["input"]
        yield None
        for k in range(1, number + 1):
            if number % k == 0:
                yield {"divisor": k, "cofactor": number // k}
        yield {}


@case(
    {
        "Divisors1.cofactor": [1, 1, 1, 1, 2, 2, 3, 4],
        "Pass2.output": [1, 1, 1, 1, 2, 2, 3, 4],
    }
)
def process_is_a_generator() -> Any:
    divisors, graph = Divisors(), WorkflowGraph()
    graph.connect(Range(5), "output", divisors, "input")
    graph.connect(divisors, "divisor", Pass(), "input")
    return graph, None


class Listed(GenericPE):
    """Returns a list of dicts."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        return [{"output": inputs["input"]}, {"output": -inputs["input"]}]


@case({"Listed1.output": [0, 0, 1, -1]})
def process_returns_a_list() -> Any:
    return chain(Range(2), Listed()), None


@case({"Total1.output": [0], "Gather2.output": []})
def no_items_at_all() -> Any:
    source, graph = Range(0), WorkflowGraph()
    graph.connect(source, "output", Total(), "input")
    graph.connect(source, "output", Gather(), "input")
    return graph, None


@case({"Join1.output": [("left", None), ("left", 1), ("left", None)]})
def none_is_an_item() -> Any:
    join, graph = Join(), WorkflowGraph()
    graph.connect(Items(None, 1, None), "output", join, "left")
    return graph, None


@case({"Pass1.output": [0, "", False, [], {}, np.zeros(0)]})
def false_items_are_kept() -> Any:
    return chain(Items(0, "", None, False, [], {}, np.zeros(0)), Pass()), None


class Halves(GenericPE):
    """Has two outputs, of which the graph uses one."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("half")
        self._add_output("rest")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        half, rest = divmod(inputs["input"], 2)
        return {"half": half, "rest": rest}


@case({"Halves1.rest": [0, 1, 0, 1, 0], "Pass2.output": [0, 0, 1, 1, 2]})
def outputs_that_lead_nowhere() -> Any:
    halves, graph = Halves(), WorkflowGraph()
    graph.connect(Range(5), "output", halves, "input")
    graph.connect(halves, "half", Pass(), "input")
    return graph, None


# --------------------------------------------------------------------- sources


class Count(ProducerPE):
    """Gives 1 for each call."""

    def _process(self, inputs: Any) -> int:
        return 1


@case({"Total1.output": [25]})
def source_called_many_times() -> Any:
    return chain(Count(), Total()), 25


@case({"Total1.output": [25]})
def source_in_several_instances() -> Any:
    return chain(instances(Count(), 3), Total()), {"Count": 25}


@case({"Pass1.output": [2, 3, 4, 5, 6, 7, 8]})
def source_with_inputs() -> Any:
    source = instances(Add(), 2)
    given = [{"input": n} for n in range(1, 8)]
    return chain(source, Pass()), {source: given}


@case({"Join0.output": [("left", 1), ("right", "x"), ("left", 2)]})
def source_with_two_inputs() -> Any:
    graph = WorkflowGraph()
    graph.add(Join())
    return graph, {"Join0": [{"left": 1}, {"right": "x"}, {"left": 2}]}


@case({"Total1.output": [3 + 40]})
def sources_with_inputs_of_their_own() -> Any:
    sink, graph = Total(), WorkflowGraph()
    a, b = Count(), Add(10)
    graph.connect(a, "output", sink, "input")
    graph.connect(b, "output", sink, "input")
    return graph, {"Count0": 3, "Add2": [{"input": 10}, {"input": 10}]}


@case({"Pass1.output": []})
def source_never_called() -> Any:
    return chain(Add(), Pass()), {"Add": []}


# ---------------------------------------------------------- where things run


@case({"Add2.output": list(range(2, 22))})
def numprocesses() -> Any:
    return chain(Range(), instances(Add(), 2), instances(Add(), 3)), None


@case({"Add3.output": list(range(3, 23))})
def partitions() -> Any:
    pes = [Range(), Add(), Add(), Add()]
    graph = chain(*pes)
    graph.partitions = [pes[:2], pes[2:]]
    return graph, None


@case({"Add3.output": list(range(3, 23))})
def partitions_with_sizes() -> Any:
    pes = [Range(), Add(), Add(), Add()]
    graph = chain(*pes)
    graph.partitions = [[pes[0], pes[3]], [pes[1], pes[2]]]
    graph.numprocesses = [2, 2]
    return graph, None


@case({"Gather3.output": [("all", sorted(map(str, range(1, 21))))]})
def partition_with_grouping_inside() -> Any:
    pes = [Range(), Add(), Pass(), Gather("global")]
    graph = chain(*pes)
    graph.partitions = [pes[:1], pes[1:]]
    return graph, None


class Locked(IterativePE):
    """Holds what cannot be pickled, from `preprocess` on."""

    def preprocess(self) -> None:
        self.lock = threading.Lock()
        self.double = lambda x: 2 * x

    def _process(self, data: Any) -> Any:
        with self.lock:
            return self.double(data)


@case({"Locked1.output": list(range(0, 40, 2))})
def unpicklable_state_made_in_preprocess() -> Any:
    return chain(Range(), instances(Locked(), 2)), None


# ----------------------------------------------------------------------- items


class Arrays(ProducerPE):
    """Gives arrays of 2 MB."""

    def _process(self, inputs: Any) -> None:
        for k in range(12):
            self.write("output", np.full(250_000, float(k)))


class Scale(IterativePE):
    """Works on arrays, into a new one."""

    def _process(self, data: Any) -> Any:
        return 2.0 * data


@case({"Scale2.output": [np.full(250_000, 4.0 * k) for k in range(12)]})
def large_arrays() -> Any:
    return chain(Arrays(), Scale(), Scale()), None


@case()
def arrays_of_every_kind() -> Any:
    large = np.arange(60_000.0).reshape(200, 300)
    fixed = np.arange(20_000)
    fixed.setflags(write=False)
    kinds = [
        large.T,
        large[::3, ::2],
        np.asfortranarray(large),
        large.astype(np.complex64),
        large.astype(">f8"),
        np.zeros((0, 5)),
        np.array(3.5),
        np.array([("a", 1.5)] * 9000, dtype=[("name", "U5"), ("value", "f8")]),
        np.array(["text", "longer text"]),
        np.array([1, "x", None], dtype=object).tolist(),
        np.array(["2022-05-17"], dtype="M8[ns]").astype(np.int64),
        np.ma.masked_array([1.0, 2.0], [True, False]).filled(0.0),
        fixed,
        np.float32(2.5).item(),
    ]
    return chain(Items(*kinds), Pass(), Pass()), None


@case()
def items_of_every_kind() -> Any:
    kinds = [
        *(0, 1.5, 2j, "text", b"bytes", True, 1 << 100),
        *((1, (2, 3)), [1, [2]], {"a": {"b": np.arange(4)}}, {1, 2}, frozenset({3})),
        *("x" * 300_000, b"y" * 300_000, bytes(70_000), Reading("CI.CCA", 3)),
        *(range(5), ..., ValueError("a value"), slice(1, 2)),
        {"many": [np.full(20_000, k) for k in range(3)], "few": "x"},
    ]
    return chain(Items(*kinds), Pass(), Pass()), None


class Reuse(ProducerPE):
    """Writes the same buffer again and again, with other content."""

    def __init__(self, size: int) -> None:
        ProducerPE.__init__(self)
        self.size = size

    def _process(self, inputs: Any) -> None:
        buffer = np.zeros(self.size)
        for k in range(20):
            buffer[:] = k
            self.write("output", buffer)


def mean(data: Any) -> float:
    return float(data.mean())


@case({"PE_mean1.output": [float(k) for k in range(20)]})
def sender_reuses_a_small_buffer() -> Any:
    return chain(Reuse(10), SimpleFunctionPE(mean)), None


@case({"PE_mean1.output": [float(k) for k in range(20)]})
def sender_reuses_a_large_buffer() -> Any:
    return chain(Reuse(50_000), SimpleFunctionPE(mean)), None


class Traces(ProducerPE):
    """Gives obspy streams."""

    def _process(self, inputs: Any) -> None:
        from obspy import Stream, Trace, UTCDateTime

        for day in range(3):
            header = {
                "network": "XX",
                "station": f"S{day}",
                "channel": "BHZ",
                "starttime": UTCDateTime(2022, 5, 17 + day),
                "sampling_rate": 20.0,
            }
            data = np.arange(20_000, dtype=np.float32) + day
            self.write("output", Stream([Trace(data, header)]))


def demean(stream: Any) -> Any:
    return stream.copy().detrend("demean")


@case(at_most=2)
def waveforms() -> Any:
    import obspy  # noqa: F401 - once, and not in each process

    return chain(Traces(), SimpleFunctionPE(demean), Pass()), None


# -------------------------------------------------------------------- failures


class Fragile(IterativePE):
    """Fails on multiples of 5."""

    def _process(self, data: Any) -> Any:
        if data % 5 == 0:
            raise ValueError(f"{data} is a multiple of 5")
        return data


@case(
    {"Add2.output": [n + 1 for n in range(20) if n % 5]},
    view=multisets,
    on_error="skip",
)
def failures_are_skipped() -> Any:
    return chain(Range(), Fragile(), Add()), None


@case(view=with_failures, on_error="skip")
def failures_are_listed() -> Any:
    return chain(Range(), Fragile(), Add()), None


class Forgiving(Fragile):
    """Decides for itself what happens to its failures."""

    on_error = "skip"


@case({"Forgiving1.output": [n for n in range(20) if n % 5]})
def pe_with_a_policy_of_its_own() -> Any:
    return chain(Range(), Forgiving()), None


class Halfway(GenericPE):
    """Writes, then fails on odd numbers."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> Any:
        yield {"output": inputs["input"]}
        if inputs["input"] % 2:
            raise RuntimeError("odd")
        yield {"output": -inputs["input"]}


@case({"Pass2.output": [0, 0, 1, 2, -2, 3]}, on_error="skip")
def what_was_written_before_a_failure_stays() -> Any:
    return chain(Range(4), Halfway(), Pass()), None


class Copier(BasePE):
    """Has ports that are listed."""

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ((port, item),) = inputs.items()
        return {"output0" if port == "input0" else "rest": item}


@case({"Copier1.rest": [0, 1], "Add2.output": [1, 2]})
def listed_ports_and_a_consumer() -> Any:
    source, copier = Range(2), Copier(["extra"], ["rest"], 1, 1)
    graph, add = WorkflowGraph(), Add()
    graph.connect(source, "output", copier, "input0")
    graph.connect(copier, "output0", add, "input")
    graph.connect(copier, "output0", ConsumerPE(), "input")
    graph.connect(source, "output", copier, "extra")
    return graph, None


# ------------------------------------------------------------ all in one process


def run_all(mapping: str, n: int, path: str) -> None:
    """Run every case; write the outcome of each case to a file at once."""
    with open(path, "ab") as file:
        for name, chosen in CASES.items():
            if n > chosen.at_most:
                continue
            found = outcome(name, mapping=mapping, processes=n)
            if found is not None:
                pickle.dump((name, found), file)
                file.flush()


if __name__ == "__main__":
    run_all(sys.argv[1], int(sys.argv[2]), sys.argv[3])
