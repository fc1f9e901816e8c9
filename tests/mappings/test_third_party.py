"""A mapping of another package, which the conformance tests find and test."""

from __future__ import annotations

import sys

import pytest

from dispel4py.cli import main
from dispel4py.testing.conformance import Conformance

PACKAGE = '''
"""A mapping of another package: all workers in this process, in virtual time."""
from dispel4py.mappings.base import Mapping
from dispel4py.testing import Simulation


class Virtual(Mapping):
    """Runs all processes in this process, in virtual time."""

    name = "virtual"

    @classmethod
    def expected(cls, wanted):
        return wanted or 2

    def execute(self, plan, inputs, observers):
        return Simulation(seed=1).execute(plan, inputs, observers, self.options)


class Forgetful(Virtual):
    """Loses the last result of each output."""

    name = "forgetful"

    def execute(self, plan, inputs, observers):
        result = super().execute(plan, inputs, observers)
        for ports in result.outputs.values():
            for items in ports.values():
                del items[-1:]
        return result
'''


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """Install a package with two mappings, by their entry points."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "virtual_mapping.py").write_text(PACKAGE)
    info = folder / "virtual_mapping-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Name: virtual-mapping\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[dispel4py.mappings]\nvirtual = virtual_mapping:Virtual\n"
        "forgetful = virtual_mapping:Forgetful\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield
    sys.modules.pop("virtual_mapping", None)


@pytest.mark.usefixtures("package")
class TestVirtual(Conformance):
    mapping = "virtual"
    processes = (1, 3)
    stops_streams = False  # a call takes no virtual time: no order comes in it


@pytest.mark.usefixtures("package")
class TestConformanceItself:
    """Defects that the tests must find."""

    suite = Conformance()
    suite.mapping = "forgetful"

    def test_a_lost_item_is_found(self):
        with pytest.raises(AssertionError):
            self.suite.test_results_are_those_of_simple("pipeline_order", 2)
        with pytest.raises(AssertionError):
            self.suite.test_inputs_of_an_iterator()

    def test_lost_items_of_random_graphs_are_found(self):
        n_found = 0
        for seed in range(self.suite.n_random_graphs):
            try:
                self.suite.test_random_graphs(seed)
            except AssertionError:
                n_found += 1
        assert n_found > self.suite.n_random_graphs / 2


@pytest.mark.usefixtures("package")
def test_the_mapping_is_a_command(capfd):
    assert main(["virtual", "dispel4py.examples.word_count", "-n", "3"]) == 0
    words = capfd.readouterr().out
    assert main(["simple", "dispel4py.examples.word_count"]) == 0
    expected = capfd.readouterr().out
    assert sorted(words.splitlines()) == sorted(expected.splitlines())
