"""Types of ports: which types match, and the messages of `connect`."""

import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal, NewType, Protocol, TypeVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from dispel4py.base import CompositePE, IterativePE
from dispel4py.core import GenericPE
from dispel4py.errors import GraphError
from dispel4py.types import fits, type_name
from dispel4py.workflow_graph import WorkflowGraph


class Trace:
    pass


class Filtered(Trace):
    pass


class HasData(Protocol):
    data: Any


class Record(typing.TypedDict):
    station: str


Station = NewType("Station", str)
Number = TypeVar("Number", int, float)
Wave = TypeVar("Wave", bound=Trace)

FITTING = [
    (int, int),
    (bool, int),
    (bool, float),
    (int, float),
    (float, complex),
    (np.float64, float),
    (Filtered, Trace),
    (Trace, Any),
    (Any, Trace),
    (object, Trace),
    (None, int),
    (int, None),
    (int, int | str),
    (int | str, int | str | None),
    (int, typing.Optional[int]),  # noqa: UP045 - users write it so
    (bool | None, typing.Union[int, None]),  # noqa: UP007 - as above
    (list[int], list),
    (list, list[int]),
    (list[int], Sequence[float]),
    (dict[str, int], Mapping[str, Any]),
    (dict[str, int], Iterable),
    (tuple[int, str], tuple),
    (tuple[int, str], tuple[int, str]),
    (tuple[int, int], tuple[int, ...]),
    (tuple[int, ...], tuple[int, int]),
    (tuple[int, int], Sequence[int]),
    (tuple[int, ...], Iterable[float]),
    ((int, str), tuple),
    ((int, str), (int, str)),
    ((int, str), tuple[int, str]),
    ((int, int), list[int]),
    ((int, int), Iterable),
    (list[int], (int, int)),
    (tuple[int, str], [int, str]),
    ((), int),
    (NDArray[np.float32], np.ndarray),
    (NDArray[np.float32], NDArray[np.floating]),
    (np.ndarray, NDArray[np.float32]),
    (Annotated[int, "counts"], int),
    (Literal["a", "b"], str),
    (Literal[1, "b"], int | str),
    (Station, str),
    (Number, float),
    (Wave, Trace),
    (Trace, HasData),
    (dict, Record),
    (Callable[[int], str], Callable),
    (list[list[bool]], list[list[int]]),
    ("number", "number"),
    (["number"], ["number"]),
    (["number"], ("number",)),
    (["number"], int),
    (Trace, "trace"),
]

NOT_FITTING = [
    (str, int),
    (float, int),
    (Trace, Filtered),
    (int | str, int),
    (int | None, int),
    (list[int], list[str]),
    (list[int], tuple),
    (list, int),
    (dict[str, int], Mapping[str, str]),
    (tuple[int, str], tuple[int, int]),
    (tuple[int, str], tuple[int]),
    (tuple[int, str], Sequence[int]),
    (tuple[int, ...], tuple[str, str]),
    ((int, str), (int, int)),
    ((int, str), (int,)),
    ((int, str), tuple[int]),
    ((int, str), int),
    (int, (int, str)),
    (Iterable, (int, str)),
    (dict, (int, str)),
    (NDArray[np.float32], NDArray[np.integer]),
    (np.ndarray, list),
    (Literal["a"], int),
    (Station, int),
    (Number, int),
    (["number"], ["word"]),
    (["word", "count"], ["word"]),
    ("number", "word"),
]


@pytest.mark.parametrize(("given_type", "wanted"), FITTING)
def test_fits(given_type, wanted):
    assert fits(given_type, wanted)


@pytest.mark.parametrize(("given_type", "wanted"), NOT_FITTING)
def test_does_not_fit(given_type, wanted):
    assert not fits(given_type, wanted)


SIMPLE = st.sampled_from([int, str, Trace, None, Any, type(None), "name", np.ndarray])
TYPES = st.recursive(
    SIMPLE,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.tuples(inner, inner),
        inner.map(lambda t: list[t]),
        st.tuples(inner, inner).map(lambda ab: dict[ab]),
    ),
    max_leaves=5,
)


@given(TYPES, TYPES)
def test_any_two_declarations_can_be_compared(first, second):
    assert fits(first, first)
    assert fits(first, Any)
    assert fits(first, second) in (True, False)
    assert "\n" not in type_name(first)


@pytest.mark.parametrize(
    ("declared", "name"),
    [
        (None, "anything"),
        (int, "int"),
        (Trace, "Trace"),
        (list[int], "list[int]"),
        (tuple[int, ...], "tuple[int, ...]"),
        (int | None, "int | None"),
        (typing.Optional[int], "int | None"),  # noqa: UP045 - as above
        (dict[str, list[Trace]], "dict[str, list[Trace]]"),
        ((int, str), "(int, str)"),
        ([int, str], "[int, str]"),
        (["number"], "['number']"),
        (Any, "Any"),
        (Literal["a"], "Literal['a']"),
        (Annotated[int, 3], "int"),
        (Callable[[int], str], "Callable[[int], str]"),
    ],
)
def test_names_read_as_written(declared, name):
    assert type_name(declared) == name


# ---------------------------------------------------------------------- graphs


class Typed(GenericPE):
    def __init__(self, taken=None, given_type=None):
        GenericPE.__init__(self)
        self._add_input("input", tuple_type=taken)
        self._add_output("output", tuple_type=given_type)


class Reader(Typed):
    pass


class Sum(Typed):
    pass


def test_a_mismatch_is_refused_in_one_line_and_nothing_is_added():
    graph = WorkflowGraph()
    with pytest.raises(GraphError) as caught:
        graph.connect(Reader(None, list[int]), "output", Sum(str), "input")
    assert str(caught.value) == (
        "cannot connect Reader.output to Sum.input: "
        "the output has list[int], the input needs str"
    )
    assert graph.pes == []


def test_names_that_differ_only_give_a_warning(caplog):
    graph = WorkflowGraph()
    graph.connect(Reader(None, ["number"]), "output", Sum(["word"]), "input")
    assert len(graph.connections) == 1
    assert "Reader.output to Sum.input: the output has ['number'], the" in caplog.text


def test_undeclared_ports_take_and_give_everything():
    graph, middle = WorkflowGraph(), IterativePE()
    graph.connect(Reader(None, int), "output", middle, "input")
    graph.connect(middle, "output", Sum(str), "input")
    assert len(graph.connections) == 2


def test_types_are_seen_through_composites():
    inner = CompositePE()
    summing, counting = Sum(int), Sum(str)
    inner._map_input("input", summing, "input")
    inner._map_input("input", counting, "input")
    outer = CompositePE()
    outer._map_input("input", inner, "input")
    graph = WorkflowGraph()
    with pytest.raises(
        GraphError, match=r"Reader\.output to Sum\.input: the output has int"
    ):
        graph.connect(Reader(None, int), "output", outer, "input")


class Same(GenericPE):
    """Passes items on, and declares their type in either spelling."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")
        self.known = {}


class OldSame(Same):
    def setInputTypes(self, types):
        self.known = types

    def getOutputTypes(self):
        return {"output": self.known["input"]}


class NewSame(Same):
    def set_input_types(self, types):
        self.known = types

    def get_output_types(self):
        return {"output": self.known["input"]}


@pytest.mark.parametrize("same", [OldSame, NewSame])
def test_types_propagate_through_pes_that_keep_them(same):
    graph, first, second, last = WorkflowGraph(), same(), same(), Typed()
    graph.connect(first, "output", second, "input")
    graph.connect(second, "output", last, "input")
    graph.connect(Reader(None, ["number"]), "output", first, "input")
    graph.propagate_types()
    assert first.known == second.known == {"input": ["number"]}


def test_propagation_finds_mismatches_that_connect_cannot_find():
    graph, same = WorkflowGraph(), NewSame()
    graph.connect(same, "output", Sum(str), "input")
    graph.connect(Reader(None, int), "output", same, "input")
    with pytest.raises(GraphError, match=r"NewSame\.output to Sum\.input"):
        graph.propagate_types()


def test_propagation_of_undeclared_types_gives_none():
    graph, same = WorkflowGraph(), NewSame()
    graph.connect(Typed(), "output", same, "input")
    graph.propagateTypes()
    assert same.known == {"input": None}
