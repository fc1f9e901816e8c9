"""Processing elements by themselves: ports, life cycle, writing."""

import logging
import pickle

import pytest

from dispel4py.core import GenericPE
from dispel4py.errors import GraphError, PortError


class Echo(GenericPE):
    def __init__(self):
        GenericPE.__init__(self)
        self._add_input("input")
        self._add_output("output")
        self._add_output("skipped")

    def process(self, inputs):
        return {"output": inputs["input"]}


def test_ports_are_declared():
    echo = Echo()
    assert list(echo.inputconnections) == ["input"]
    assert list(echo.outputconnections) == ["output", "skipped"]
    assert echo.process({"input": 3}) == {"output": 3}


def test_declaring_a_port_again_replaces_it():
    echo = Echo()
    echo._add_input("input", grouping=[0])
    assert echo.inputconnections == {"input": {"name": "input", "grouping": [0]}}


def test_a_constructor_without_the_base_constructor_is_refused():
    class Forgetful(GenericPE):
        def __init__(self):
            self._add_input("input")

    with pytest.raises(GraphError, match=r"Forgetful.__init__ must call GenericPE"):
        Forgetful()


def test_types_are_those_declared():
    pe = GenericPE()
    pe._add_output("number", tuple_type=int)
    pe._add_output("anything")
    assert pe.get_output_types() == pe.getOutputTypes()
    assert pe.get_output_types()["number"] is int


def test_name_and_id():
    first, second = Echo(), Echo()
    assert first.name == second.name == "Echo"
    assert first.id != second.id
    assert first.id in repr(first)


def test_the_default_process_does_nothing():
    pe = GenericPE()
    assert pe.process({"input": 1}) is None
    pe.preprocess()
    pe.postprocess()


def test_process_calls_the_underlined_method():
    class Short(GenericPE):
        def _process(self, inputs):
            return {"output": inputs}

    assert Short().process({"a": 1}) == {"output": {"a": 1}}


def test_writing_to_a_missing_output_names_the_outputs():
    with pytest.raises(PortError, match="did you mean 'output'"):
        Echo().write("ouput", 1)


def test_writing_outside_a_run_is_refused():
    with pytest.raises(GraphError, match="while a mapping runs it"):
        Echo().write("output", 1)


def test_a_running_pe_can_be_pickled():
    echo = Echo()
    echo._writer = lambda port, item: None
    again = pickle.loads(pickle.dumps(echo))
    assert again._writer is None
    assert again.id == echo.id


def test_log_names_pe_and_process(caplog):
    echo = Echo()
    echo.rank = 3
    with caplog.at_level(logging.INFO, logger="dispel4py"):
        echo.log("half way")
    assert caplog.messages == [f"{echo.id}@3: half way"]
