"""Public behaviour of `dispel4py.base`."""

from dispel4py.base import (
    BasePE,
    ConsumerPE,
    IterativePE,
    ProducerPE,
    SimpleFunctionPE,
)


def test_base_num_inputs():
    pe = BasePE(num_inputs=3, num_outputs=2)
    assert list(pe.inputconnections) == ["input0", "input1", "input2"]
    assert list(pe.outputconnections) == ["output0", "output1"]
    assert (BasePE.INPUT_NAME, BasePE.OUTPUT_NAME) == ("input", "output")


def test_base_inputs():
    pe = BasePE(inputs=["a", "b"], outputs=["x", "y"])
    assert set(pe.inputconnections) == {"a", "b"}
    assert set(pe.outputconnections) == {"x", "y"}


def test_iterative():
    assert IterativePE()._process(1) is None


def test_producer():
    class One(ProducerPE):
        def _process(self, inputs):
            return 1

    assert One().process(None) == {"output": 1}


def test_consumer():
    assert ConsumerPE().process({"input": 1}) is None


def test_simple_function():
    def add(a, b):
        return a + b

    pe = SimpleFunctionPE(add, {"b": 2})
    assert pe.process({"input": 1}) == {"output": 3}
    assert pe.name == "PE_add"
