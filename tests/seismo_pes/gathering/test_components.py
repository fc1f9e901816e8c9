"""The components of an instrument are gathered, and no item waits for long."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from obspy import Stream, Trace

from dispel4py.base import IterativePE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.gathering.components import GatherComponents, instrument
from seismo_pes.items.waveforms import ChannelSpan, Waveforms


def waveforms(channel_id: str, period: int = 0, flat=()) -> Waveforms:
    network, station, location, channel = channel_id.split(".")
    header = {"network": network, "station": station}
    header |= {"location": location, "channel": channel}
    span = ChannelSpan(channel_id, 10 * period, 10 * period + 10, (), period)
    return Waveforms.of(span, Stream([Trace(np.zeros(3), header)]), flat)


CHANNELS = {
    0: ["XX.AAA..HHE", "XX.AAA..HHN", "XX.AAA..HHZ", "XX.BBB.00.BHZ"],
    1: ["XX.AAA..HHN", "XX.AAA..HHZ"],
}
ARRIVING = [
    waveforms("XX.AAA..HHZ", 0, ((5, 6),)),
    waveforms("XX.AAA..HHN", 1),
    waveforms("XX.AAA..HHE"),
    waveforms("XX.BBB.00.BHZ"),
    waveforms("XX.AAA..HHN", 0, ((1, 2),)),
    waveforms("XX.AAA..HHZ", 1),
]


def test_components_leave_when_all_are_there() -> None:
    pe = GatherComponents(CHANNELS)
    result = [list(pe.process({"input": item})) for item in ARRIVING]
    assert [len(outputs) for outputs in result] == [0, 0, 0, 1, 1, 1]
    three = result[4][0]["output"]
    names = ["XX.AAA..HHE", "XX.AAA..HHN", "XX.AAA..HHZ"]
    assert [span.channel_id for span in three.spans] == names
    assert [trace.id for trace in three.stream] == names
    flats = [channel.flat for channel in three.channels]
    assert flats == [(), ((1, 2),), ((5, 6),)]
    assert len(ARRIVING[0].stream) == 1  # the input does not change
    assert not pe._waiting


def test_incomplete_instruments_are_emitted_at_the_end() -> None:
    pe, written = GatherComponents(CHANNELS), []
    pe._writer = lambda port, item: written.append(item)
    assert not list(pe.process({"input": ARRIVING[0]}))
    pe.postprocess()
    (first,) = written
    assert [span.channel_id for span in first.spans] == ["XX.AAA..HHZ"]


def test_instruments_differ_in_all_but_the_last_letter() -> None:
    assert instrument("XX.AAA.00.BHZ") == instrument("XX.AAA.00.BH1")
    assert instrument("XX.AAA.00.BHZ") != instrument("XX.AAA.10.BHZ")
    assert instrument("XX.AAA.00.BHZ") != instrument("XX.AAA.00.HHZ")


class Arriving(IterativePE):
    """Sends one channel of each item."""

    def _process(self, data: Waveforms) -> Waveforms:
        return data


class Names(IterativePE):
    """Returns the channel ids of each item."""

    def _process(self, data: Waveforms) -> tuple[int, list[str]]:
        return data.spans[0].period, [span.channel_id for span in data.spans]


@pytest.mark.parametrize(("mapping", "processes"), [("simple", None), ("multi", 5)])
def test_components_meet_in_any_mapping(mapping, processes) -> None:
    graph, gather, names = WorkflowGraph(), GatherComponents(CHANNELS), Names()
    source, gather.numprocesses = Arriving(), 3
    graph.connect(source, "output", gather, "input")
    graph.connect(gather, "output", names, "input")
    inputs = {source: [{"input": item} for item in ARRIVING]}
    result = run(graph, inputs, mapping=mapping, processes=processes)
    output = sorted(result.output(names.id))
    assert output == [
        (0, ["XX.AAA..HHE", "XX.AAA..HHN", "XX.AAA..HHZ"]),
        (0, ["XX.BBB.00.BHZ"]),
        (1, ["XX.AAA..HHN", "XX.AAA..HHZ"]),
    ]
    pickle.dumps(gather)
