"""PEs as users of dispel4py 1.x and stream-d4py write them."""

import re
from collections import defaultdict

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.core import GenericPE


class Counter(GenericPE):
    """Sends 1, 2, 3, ... on each output, one number per call."""

    def __init__(self, n_outputs=1):
        GenericPE.__init__(self)
        self.names = [f"output{i}" for i in range(n_outputs)]
        if n_outputs == 1:
            self.names = ["output"]
        for name in self.names:
            self._add_output(name, tuple_type=["number"])
        self.counter = 0

    def _process(self, inputs):
        self.counter += 1
        return dict.fromkeys(self.names, self.counter)


class Numbers(GenericPE):
    """Sends lists of one number, 0 to n-1, in one call."""

    def __init__(self, n=1):
        GenericPE.__init__(self)
        self._add_output("output", tuple_type=["number"])
        self.n = n

    def _process(self, inputs):
        for i in range(self.n):
            self.write("output", [i])


class Span(ProducerPE):
    """Sends integers in one call."""

    def __init__(self, start, limit):
        ProducerPE.__init__(self)
        self.start, self.limit = start, limit

    def _process(self, inputs):
        for i in range(self.start, self.limit):
            self.write("output", i)


class Same(GenericPE):
    """Passes items of any type on."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")

    def setInputTypes(self, types):
        self.inputconnections["input"]["type"] = types["input"]
        self.outputconnections["output"]["type"] = types["input"]

    def process(self, inputs):
        return {"output": inputs["input"]}


class SameWritten(Same):
    def process(self, inputs):
        self.write("output", inputs["input"])


class SameIterative(IterativePE):
    def _process(self, data):
        return data


class Either(GenericPE):
    """Writes the items of both inputs as text."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input0")
        self._add_input("input1")
        self._add_output("output")

    def process(self, inputs):
        return {"output": "".join(str(inputs[name]) for name in inputs)}


class Sink(ConsumerPE):
    def _process(self, data):
        pass


class Words(GenericPE):
    """Sends the words of a text, each in a list."""

    def __init__(self, text):
        GenericPE.__init__(self)
        self._add_output("output")
        self.text = text

    def process(self, inputs=None):
        for word in self.text.split():
            self.write("output", [word])


class WordCounter(GenericPE):
    input_name = "input"

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output", tuple_type=["word", "count"])
        self.words = defaultdict(int)

    def _process(self, inputs):
        word = inputs["input"][0]
        self.words[word] += 1
        return {"output": [word, self.words[word]]}


class Matching(GenericPE):
    """Pairs items by a key; holds an object that cannot be pickled."""

    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input", grouping=[0])
        self._add_output("output")
        self.store = defaultdict(dict)
        self.pattern = re.compile(r"(\w*)\.(\w*)")

    def _process(self, data):
        key, label, value = data["input"]
        self.store[key][label] = value
        if len(self.store[key]) == 2:
            self.write("output", [key, self.store[key]])
            del self.store[key]
