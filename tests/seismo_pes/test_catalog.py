"""Rules for every element of the catalogue: ports, types, literal parameters."""

import ast
import importlib
import inspect
import pickle
import pkgutil

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read_inventory

import seismo_pes
from dispel4py.catalog import describe, find_pes
from dispel4py.core import TYPE
from dispel4py.errors import GraphError
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlating.tiles.streams import Correlate
from seismo_pes.element import Element, element, item_element
from seismo_pes.gathering.traces import Gather
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.preprocessing.filters import Bandpass
from seismo_pes.preprocessing.merge import Merge
from seismo_pes.preprocessing.trends import Demean
from seismo_pes.reading.spans import ReadWaveforms
from seismo_pes.stacking.rotation import RotateTensor
from seismo_pes.stacking.stacks import Stack

START = UTCDateTime(2024, 3, 1)
CHANNEL = "XX.AAA..HHZ"
BASES = {"Element", "FunctionElement", "WithRemarks"}
# required parameters, as a user writes them; the others have defaults
LITERALS = {
    "table": "'clock.csv'",
    "inventory": "'stations.xml'",
    "folder": "'pictures'",
    "kind": "'linear'",
    "order": "2",
    "knot_spacing_s": "10.0",
    "seconds": "1.0",
    "low_hz": "0.5",
    "high_hz": "2.0",
    "corner_hz": "2.0",
    "above_hz": "2.0",
    "rate_hz": "5.0",
    "factor": "2",
    "window_s": "2.0",
    "bands_hz": "[(0.5, 1.0), (1.0, 2.0)]",
    "radial_deg": "30.0",
    "origin_ns": "0",
    "flat_s": "5.0",
    "max_gap_s": "1.0",
    "shortest_s": "5.0",
    "k": "6.0",
    "channels": "['XX.AAA..HHZ']",
    "names": "{}",
}
SPECIAL = {"Normalize": {"kind": "'onebit'"}}
# modules that every room needs
SHARED = {
    "element",
    "extras",
    "full_disk",
    "hdf5_input",
    "library_warnings",
    "methods",
    "python_program",
    "regular_file",
    "whole_file",
}


def classes():
    for entry in find_pes("seismo_pes"):
        if entry.name not in BASES:
            yield getattr(importlib.import_module(entry.module), entry.name)


def test_the_top_of_the_library_has_folders_and_few_modules():
    entries = pkgutil.iter_modules(seismo_pes.__path__)
    assert {entry.name for entry in entries if not entry.ispkg} == SHARED


def hands_on_waveforms(pe: type) -> bool:
    ports = {(p.direction, p.name): p.items for p in describe(pe).ports}
    takes, gives = ports.get(("input", "input"), ""), ports.get(("output", "output"))
    return "Waveforms" in takes and gives in ("the same type", "Waveforms")


HANDING_ON = [pe for pe in classes() if hands_on_waveforms(pe)]


def built(pe: type):
    """Make the element from literals only, as from a text."""
    known = LITERALS | SPECIAL.get(pe.__name__, {})
    given = {
        p.name: ast.literal_eval(known[p.name])
        for p in inspect.signature(pe).parameters.values()
        if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    }
    return pe(**given)


@pytest.fixture
def metadata(tmp_path, monkeypatch):
    """The files that the literals name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clock.csv").write_text(
        "channel,start,end,offset_s\nXX.AAA,2024-01-01,2025-01-01,0.5\n"
    )
    inventory = read_inventory().select(channel="EHZ")
    inventory[0].code, inventory[0][0].code = "XX", "AAA"
    inventory[0][0][0].code = "HHZ"
    inventory.write("stations.xml", "STATIONXML")
    return tmp_path


def waveforms() -> Waveforms:
    rng = np.random.default_rng(1)
    header = {"network": "XX", "station": "AAA", "channel": "HHZ"}
    header |= {"sampling_rate": 10.0, "starttime": START}
    stream = Stream([Trace(rng.standard_normal(600), header)])
    span = ChannelSpan(CHANNEL, START.ns, (START + 60).ns, (), 0)
    return Waveforms.of(span, stream)


def test_the_families_hand_on_waveforms() -> None:
    names = {pe.__name__ for pe in HANDING_ON}
    assert len(names) > 40
    assert names >= {"Merge", "Detrend", "RemoveResponse", "Orient", "CorrectClock"}
    assert names >= {"Despike", "ResolveOverlaps", "MeasureQuality", "Rotate"}


@pytest.mark.parametrize("pe", HANDING_ON, ids=lambda pe: pe.__name__)
def test_literals_make_an_element_that_hands_on_waveforms(pe, metadata) -> None:
    copy = pickle.loads(pickle.dumps(built(pe)))
    copy.preprocess()
    item = waveforms()
    returned = copy.process({"input": item})
    result = [returned] if isinstance(returned, dict) else list(returned)
    (output,) = [entry["output"] for entry in result if "output" in entry]
    assert isinstance(output, Waveforms)
    assert output.spans[0] == item.spans[0]
    (trace,) = item.stream
    assert trace == waveforms().stream[0]  # as it was


# -- types ---------------------------------------------------------------------------


@pytest.mark.parametrize("pe", HANDING_ON, ids=lambda pe: pe.__name__)
def test_ports_declare_types(pe) -> None:
    result = built(pe)
    for ports in (result.inputconnections, result.outputconnections):
        undeclared = [name for name, port in ports.items() if TYPE not in port]
        assert pe.__module__ == "seismo_pes.plotting.drawing_elements" or not undeclared


REFUSED = [
    (lambda: Demean(), lambda: Stack(), "AnyRecord.*Correlation"),
    (lambda: ReadWaveforms(), lambda: Stack(), "Waveforms.*Correlation"),
    (lambda: ReadWaveforms(), lambda: Correlate(max_lag_s=1.0), "Waveforms.*Stream"),
    (lambda: Stack(), lambda: Bandpass(low_hz=1.0, high_hz=2.0), "Correlation.*Trace"),
    (lambda: Stack(), lambda: Merge(0, 1.0), "Correlation.*Waveforms"),
    (lambda: Gather(), lambda: Merge(0, 1.0), "Stream.*Waveforms"),
    (lambda: Merge(0, 1.0), lambda: RotateTensor(), "Waveforms.*Correlation"),
]
ACCEPTED = [
    (lambda: ReadWaveforms(), lambda: Demean()),
    (lambda: Demean(), lambda: Bandpass(low_hz=1.0, high_hz=2.0)),
    (lambda: Demean(), lambda: Merge(0, 1.0)),
    (lambda: Demean(), lambda: Gather()),
    (lambda: Gather(), lambda: Correlate(max_lag_s=1.0)),
    (lambda: Correlate(max_lag_s=1.0), lambda: Stack()),
    (lambda: Stack(), lambda: RotateTensor()),
]


@pytest.mark.parametrize(("source", "destination", "message"), REFUSED)
def test_wrong_connections_are_refused(source, destination, message) -> None:
    with pytest.raises(GraphError, match=rf"\.input: the output has {message}"):
        WorkflowGraph().connect(source(), "output", destination(), "input")


@pytest.mark.parametrize(("source", "destination"), ACCEPTED)
def test_right_connections_are_not(source, destination) -> None:
    WorkflowGraph().connect(source(), "output", destination(), "input")


def test_remarks_are_no_data() -> None:
    with pytest.raises(GraphError, match=r"Demean\.skipped.*has Skipped"):
        WorkflowGraph().connect(Demean(), "skipped", Demean(), "input")


def test_functions_of_users_get_types_from_their_annotations() -> None:
    def loudness(correlation: Correlation) -> list[float]:
        return [float(np.abs(correlation.data).max())]

    def untyped(item):
        return item

    result = item_element(loudness, "Loudness", "Correlation", "float")()
    assert result.inputconnections["input"][TYPE] is Correlation
    assert result.outputconnections["output"][TYPE] is float
    plain = item_element(untyped, "Untyped", "object", "object")()
    assert TYPE not in plain.inputconnections["input"]
    assert TYPE not in plain.outputconnections["output"]
    assert issubclass(element(untyped, "Same"), Element)
