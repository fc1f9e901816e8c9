"""Simple PEs to build test graphs of."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter
from typing import Any

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import TYPE, GenericPE

Ports = dict[str, Any]


class TestProducer(GenericPE):
    """Gives 1, 2, 3 and so on, one for each call.

    Parameters
    ----------
    numOutputs : int
        1: the output is ``output``; more: ``output0``, ``output1``, ..., all alike.
    """

    def __init__(self, numOutputs: int = 1) -> None:
        super().__init__()
        self.outputnames = [f"output{k}" for k in range(numOutputs)]
        if numOutputs == 1:
            self.outputnames = ["output"]
        for name in self.outputnames:
            self._add_output(name, tuple_type=["number"])
        self.counter = 0

    def process(self, inputs: Ports) -> Ports:
        """Give the next number."""
        self.counter += 1
        return dict.fromkeys(self.outputnames, self.counter)


class NumberProducer(GenericPE):
    """Gives ``[i * (n + 1)]`` for i from 0 in the n-th call, n from 0.

    Parameters
    ----------
    numIterations : int
        How many items each call gives.
    """

    def __init__(self, numIterations: int = 1) -> None:
        super().__init__()
        self._add_output("output", tuple_type=["number"])
        self.counter = 0
        self.numIterations = numIterations

    def process(self, inputs: Ports) -> None:
        """Give the numbers of one call."""
        for i in range(self.numIterations):
            self.write("output", [i * (self.counter + 1)])
        self.counter += 1


class IntegerProducer(ProducerPE):
    """Gives the integers from ``start`` to before ``limit`` in one call."""

    def __init__(self, start: int, limit: int) -> None:
        super().__init__()
        self.start, self.limit = start, limit

    def _process(self, inputs: Any) -> None:
        for number in range(self.start, self.limit):
            self.write("output", number)


class TestMultiProducer(GenericPE):
    """Gives 0 to ``num_output - 1`` in each call."""

    def __init__(self, num_output: int = 10) -> None:
        super().__init__()
        self._add_output("output")
        self.num_output = num_output

    def process(self, inputs: Ports) -> None:
        """Give the numbers of one call."""
        for number in range(self.num_output):
            self.write("output", number)


class TestOneInOneOut(GenericPE):
    """Gives what it gets; its output has the type of its input."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def set_input_types(self, types: Any) -> None:
        """Take the type of the input for the output."""
        self.inputconnections["input"][TYPE] = types["input"]
        self.outputconnections["output"][TYPE] = types["input"]

    def process(self, inputs: Ports) -> Ports | None:
        """Pass one item on."""
        return {"output": inputs["input"]}


class TestOneInOneOutWriter(TestOneInOneOut):
    """Gives what it gets, by `write`."""

    def process(self, inputs: Ports) -> None:
        """Pass one item on."""
        self.write("output", inputs["input"])


class TestDelayOneInOneOut(TestOneInOneOut):
    """Gives what it gets, ``delay`` seconds later."""

    def __init__(self, delay: float = 1.0) -> None:
        super().__init__()
        self.delay = delay

    def process(self, inputs: Ports) -> Ports | None:
        """Wait, and pass one item on."""
        time.sleep(self.delay)
        return super().process(inputs)


class TestIterative(IterativePE):
    """Gives what it gets."""

    def _process(self, data: Any) -> Any:
        return data


class TestTwoInOneOut(GenericPE):
    """Gives the text of what comes by either of its two inputs."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input0")
        self._add_input("input1")
        self._add_output("output", tuple_type=["result"])

    def process(self, inputs: Ports) -> Ports:
        """Pass one item on as text."""
        return {"output": "".join(map(str, inputs.values()))}


class PrintDataConsumer(ConsumerPE):
    """Logs what it gets."""

    def _process(self, data: Any) -> None:
        self.log(data)


class RandomFilter(GenericPE):
    """Lets about half of the items through."""

    input_name = "input"
    output_name = "output"

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output", tuple_type=["word"])

    def process(self, inputs: Ports) -> Ports | None:
        """Toss a coin for one item."""
        return {"output": inputs["input"]} if random.random() < 0.5 else None


class RandomWordProducer(GenericPE):
    """Gives a word, in a list, for each call."""

    words = ("graph", "port", "stream", "wave", "station", "noise", "earth")

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output", tuple_type=["word"])

    def process(self, inputs: Ports | None = None) -> Ports:
        """Give one word."""
        return {"output": [random.choice(self.words)]}


class WordCounter(GenericPE):
    """Gives each word with how often it has come; equal words come to one instance."""

    input_name = "input"
    output_name = "output"

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input", grouping=[0])
        self._add_output("output", tuple_type=["word", "count"])
        self.mywords: Counter[str] = Counter()

    def process(self, inputs: Ports) -> Ports:
        """Count one word."""
        word = inputs["input"][0]
        self.mywords[word] += 1
        return {"output": [word, self.mywords[word]]}


class ProvenanceLogger(GenericPE):
    """Logs what it gets."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("metadata")

    def process(self, inputs: Ports) -> None:
        """Log one item."""
        logging.getLogger(__name__).info("%s", inputs)
