"""The elements that the graphs of the cases are made of."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from typing import Any

from dispel4py.base import (
    IterativePE,
    ProducerPE,
)
from dispel4py.core import GenericPE
from dispel4py.testing.conformance.results import freeze
from dispel4py.workflow_graph import WorkflowGraph


class Range(ProducerPE):
    """Sends numbers in one call.

    Parameters
    ----------
    n : int
        How many.
    first : int
        The first one.
    """

    def __init__(self, n: int = 20, first: int = 0) -> None:
        ProducerPE.__init__(self)
        self.n, self.first = n, first

    def _process(self, inputs: Any) -> None:
        for number in range(self.first, self.first + self.n):
            self.write("output", number)


class Items(ProducerPE):
    """Sends the items of a list."""

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


class Folder(IterativePE):
    """Sends the folder in which its process works."""

    def _process(self, data: Any) -> str:
        return os.getcwd()


class Add(IterativePE):
    """Adds a number."""

    def __init__(self, summand: int = 1) -> None:
        IterativePE.__init__(self)
        self.summand = summand

    def _process(self, data: Any) -> Any:
        return data + self.summand


class Spoil(IterativePE):
    """Changes each item in place, and passes it on."""

    def _process(self, data: Any) -> Any:
        data[:] = -1
        return data


class Split(GenericPE):
    """Sends multiples of 2 and of 3 from different outputs; drops other numbers."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("twos")
        self._add_output("threes")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        number = inputs["input"]
        results = {}
        if number % 2 == 0:
            results["twos"] = number
        if number % 3 == 0:
            results["threes"] = number
        return results


class Join(GenericPE):
    """Adds to each item the name of the input on which it arrived."""

    def __init__(self) -> None:
        GenericPE.__init__(self)
        self._add_input("left")
        self._add_input("right")
        self._add_output("output")

    def process(self, inputs: dict[str, Any]) -> dict[str, Any]:
        ((port, item),) = inputs.items()
        return {"output": (port, item)}


class Gather(GenericPE):
    """Keeps the items of an instance by key, and sends them at the end.

    Parameters
    ----------
    grouping : object
        Of the input.
    key : callable, optional
        Returns the key of an item.
    """

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
    """Sends the sum of all items at the end."""

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
    """Ask for n instances of a PE, and return it.

    Parameters
    ----------
    pe : GenericPE
    n : int
    """
    pe.numprocesses = n
    return pe


def alone(pe: Any) -> Any:
    """Ask for exactly one instance."""
    pe.single = True
    return pe


def square(number: int) -> int:
    return number * number


def power(number: int, exponent: int) -> Any:
    """Return a power.

    Parameters
    ----------
    number, exponent : int
    """
    return number**exponent
