"""Simple PEs for test graphs."""

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
    """Writes 1, 2, 3 and so on, one number in each call.

    Parameters
    ----------
    numOutputs : int
        With 1 the output is ``output``. With more the outputs are ``output0``,
        ``output1`` and so on, all with the same items.
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
        """Write the next number."""
        self.counter += 1
        return dict.fromkeys(self.outputnames, self.counter)


class NumberProducer(GenericPE):
    """Writes ``[i * (n + 1)]`` for i = 0, 1, ... in call n = 0, 1, ...

    Parameters
    ----------
    numIterations : int
        Number of items of each call.
    """

    def __init__(self, numIterations: int = 1) -> None:
        super().__init__()
        self._add_output("output", tuple_type=["number"])
        self.counter = 0
        self.numIterations = numIterations

    def process(self, inputs: Ports) -> None:
        """Write the numbers of one call."""
        for i in range(self.numIterations):
            self.write("output", [i * (self.counter + 1)])
        self.counter += 1


class IntegerProducer(ProducerPE):
    """Writes the integers from ``start`` to ``limit - 1`` in one call."""

    def __init__(self, start: int, limit: int) -> None:
        super().__init__()
        self.start, self.limit = start, limit

    def _process(self, inputs: Any) -> None:
        for number in range(self.start, self.limit):
            self.write("output", number)


class TestMultiProducer(GenericPE):
    """Writes 0 to ``num_output - 1`` in each call."""

    def __init__(self, num_output: int = 10) -> None:
        super().__init__()
        self._add_output("output")
        self.num_output = num_output

    def process(self, inputs: Ports) -> None:
        """Write the numbers of one call."""
        for number in range(self.num_output):
            self.write("output", number)


class TestOneInOneOut(GenericPE):
    """Sends each item on; the output has the type of the input."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def set_input_types(self, types: Any) -> None:
        """Take the type of the input for the output."""
        self.inputconnections["input"][TYPE] = types["input"]
        self.outputconnections["output"][TYPE] = types["input"]

    def process(self, inputs: Ports) -> Ports | None:
        """Send one item on."""
        return {"output": inputs["input"]}


class TestOneInOneOutWriter(TestOneInOneOut):
    """Sends each item on, by `write`."""

    def process(self, inputs: Ports) -> None:
        """Send one item on."""
        self.write("output", inputs["input"])


class TestDelayOneInOneOut(TestOneInOneOut):
    """Sends each item on after ``delay`` seconds."""

    def __init__(self, delay: float = 1.0) -> None:
        super().__init__()
        self.delay = delay

    def process(self, inputs: Ports) -> Ports | None:
        """Wait, and pass one item on."""
        time.sleep(self.delay)
        return super().process(inputs)


class TestIterative(IterativePE):
    """Sends each item on."""

    def _process(self, data: Any) -> Any:
        return data


class TestTwoInOneOut(GenericPE):
    """Writes the items of both inputs as text."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input0")
        self._add_input("input1")
        self._add_output("output", tuple_type=["result"])

    def process(self, inputs: Ports) -> Ports:
        """Send one item on as text."""
        return {"output": "".join(map(str, inputs.values()))}


class PrintDataConsumer(ConsumerPE):
    """Logs its items."""

    def _process(self, data: Any) -> None:
        self.log(data)


class RandomFilter(GenericPE):
    """Drops about half of the items, at random."""

    input_name = "input"
    output_name = "output"

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output", tuple_type=["word"])

    def process(self, inputs: Ports) -> Ports | None:
        """Send an item on, or drop it."""
        return {"output": inputs["input"]} if random.random() < 0.5 else None


class RandomWordProducer(GenericPE):
    """Writes a list of one word in each call."""

    words = ("graph", "port", "stream", "wave", "station", "noise", "earth")

    def __init__(self) -> None:
        super().__init__()
        self._add_output("output", tuple_type=["word"])

    def process(self, inputs: Ports | None = None) -> Ports:
        """Write one word."""
        return {"output": [random.choice(self.words)]}


class WordCounter(GenericPE):
    """Writes each word with its count; equal words go to the same instance."""

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
    """Logs its items."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("metadata")

    def process(self, inputs: Ports) -> None:
        """Log one item."""
        logging.getLogger(__name__).info("%s", inputs)
