"""The catalogue of PEs agrees with their classes."""

import json

import pytest

from dispel4py import catalog, cli
from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError

ENTRIES = catalog.find_pes("seismo_pes")
OPEN_END = {"FunctionElement", "FunctionItemElement"}
IDS = [f"{entry.module}.{entry.name}" for entry in ENTRIES]


class Sample(GenericPE):
    """Keep every n-th item.

    Ports
    -----
    input : int
        Numbers.
    output, rest : int
        The n-th ones, and the others.

    Parameters
    ----------
    n : int
        How many.
    """

    def __init__(self, n, unit="s", scale=1 / 3, *, numprocesses=1):
        super().__init__(numprocesses)
        self._add_input("input")
        self._add_output("output")
        self._add_output("rest")


def test_an_entry_is_complete():
    entry = catalog.describe(Sample)
    assert entry.summary == "Keep every n-th item."
    assert [(p.name, p.direction, p.items) for p in entry.ports] == [
        ("input", "input", "int"),
        ("output", "output", "int"),
        ("rest", "output", "int"),
    ]
    assert entry.ports[2].about == "The n-th ones, and the others."
    assert [(p.name, p.default) for p in entry.parameters] == [
        ("n", None),
        ("unit", "'s'"),
        ("scale", "0.333333"),
    ]
    assert entry.parameters[0].about == "How many."


def test_ports_named_by_attributes_are_found():
    names = [port.name for port in catalog.describe(IterativePE).ports]
    assert names == ["input", "output"]


@pytest.mark.parametrize("entry", ENTRIES, ids=IDS)
def test_every_element_documents_ports_and_parameters(entry):
    assert entry.summary.endswith(".")
    assert entry.ports
    assert not [port.name for port in entry.ports if not port.items]
    silent = [p.name for p in entry.parameters if not p.about]
    assert entry.name in OPEN_END or not silent


def test_the_main_families_are_there():
    names = {entry.name for entry in ENTRIES}
    assert names >= {
        *("ReadWaveforms", "Merge", "RemoveResponse", "Bandpass", "Resample"),
        *("Rotate", "Orient", "OneBit", "Whiten", "Correlate", "RotateTensor"),
        *("Stack", "MovingStack", "Bootstrap", "SignalToNoise", "Symmetric"),
        *("Stretch", "Mwcs", "Warp", "WaveletDelays", "Ftan"),
    }


def test_ports_are_those_of_an_instance():
    from seismo_pes.preprocessing.trends import Taper

    entry = next(entry for entry in ENTRIES if entry.name == "Taper")
    result = Taper(seconds=1.0)
    by_direction = {
        direction: [p.name for p in entry.ports if p.direction == direction]
        for direction in ("input", "output")
    }
    assert by_direction["input"] == list(result.inputconnections)
    assert by_direction["output"] == list(result.outputconnections)


def test_command_prints_text_and_json(capsys):
    assert cli.main(["pes", "seismo_pes.preprocessing.filters"]) == 0
    text = capsys.readouterr().out
    assert "Bandpass: Apply a Butterworth band-pass." in text
    assert "corners = 4" in text
    assert cli.main(["pes", "--json", "seismo_pes.preprocessing.filters"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result[0]["name"] == "Bandpass"
    assert result[0]["parameters"][0]["about"] == "Corners in Hz, below Nyquist."


def test_mistakes_give_one_line(capsys):
    assert cli.main(["pes", "no_such_package"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(ParameterError, match="no package"):
        catalog.find_pes("seismo_pes.nowhere")


def test_a_module_that_needs_more_is_left_out(tmp_path, monkeypatch, caplog):
    package = tmp_path / "needy"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "good.py").write_text(
        "from dispel4py.base import IterativePE\nclass Good(IterativePE):\n  'Good.'"
    )
    (package / "bad.py").write_text("import no_such_library\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert [entry.name for entry in catalog.find_pes("needy")] == ["Good"]
    assert "needy.bad is left out: it needs no_such_library" in caplog.text
