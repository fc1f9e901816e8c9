"""An archive that is replayed as live data."""

from __future__ import annotations

import time

import numpy as np
import pytest
from obspy import Stream

from dispel4py.base import ConsumerPE
from dispel4py.errors import ParameterError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.live import LivePiece
from seismo_pes.items.times import NS
from seismo_pes.reading.live.replay import Replay
from tests.seismo_pes.reading.live.records import (
    RATE_HZ,
    START,
    joined,
    samples,
    trace_of,
)

IDS = ["XX.AAA..BHZ", "XX.BBB..BHZ"]
N = round(5400 * RATE_HZ)  # an hour and a half: two pieces of reading


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    folder = tmp_path_factory.mktemp("archive")
    for k, channel_id in enumerate(IDS):
        trace = trace_of(samples(N, k), channel_id=channel_id)
        parts = [trace] if k == 0 else [trace.slice(None, START + 2000)]
        if k:  # a gap from 2000 s to 3000 s
            parts.append(trace.slice(START + 3000, None))
        Stream(parts).write(str(folder / f"{channel_id}.ms"), "MSEED")
    return str(folder)


def replayed(source: Replay, mapping: str = "simple", processes: int | None = None):
    graph = WorkflowGraph()
    graph.add(source)
    result = run(graph, {source: 1}, mapping=mapping, processes=processes)
    outputs = result.outputs.get(source.id, {})
    return outputs.get("output", []), outputs.get("skipped", [])


def traces(pieces: list[LivePiece], channel_id: str) -> list:
    return [p.trace for p in pieces if p.channel_id == channel_id and p.trace]


@pytest.mark.parametrize(
    "options",
    [
        {"record_s": 7.3},
        {"record_s": 411.0, "speed": 1e5},
        {"record_s": 20.0, "delay_s": 140.0, "seed": 5},
    ],
)
def test_the_samples_are_those_of_the_archive(archive, options) -> None:
    pieces, skipped = replayed(Replay(archive, IDS, **{"speed": np.inf} | options))
    assert skipped == []
    first = joined(traces(pieces, IDS[0]), N)
    assert not first.mask.any()
    np.testing.assert_array_equal(first, samples(N, 0))
    second = joined(traces(pieces, IDS[1]), N)
    there = ~second.mask
    assert there.sum() == N - round(1000 * RATE_HZ) + 1
    np.testing.assert_array_equal(second[there], samples(N, 1)[there])


def test_each_piece_says_how_far_its_channel_is_complete(archive) -> None:
    source = Replay(archive, IDS, np.inf, hold_s=100.0, idle_s=400.0, tick_s=60.0)
    pieces, _ = replayed(source)
    clocks = [piece.clock_ns for piece in pieces]
    assert clocks == sorted(clocks)
    for channel_id in IDS:
        own = [piece for piece in pieces if piece.channel_id == channel_id]
        marks = [piece.watermark_ns for piece in own]
        assert marks == sorted(marks)
        for piece in own:
            if piece.trace is not None:
                assert abs(piece.trace.stats.endtime.ns - piece.watermark_ns) <= 5e7
                assert piece.arrived_ns <= piece.clock_ns
        states = [piece.clock_ns for piece in own if piece.trace is None]
        assert states[:3] == [START.ns + k * 60 * NS for k in range(3)]
    idle = [p.clock_ns for p in pieces if p.is_idle]
    # the last sample before the gap is that at 2000 s
    assert min(idle) == START.ns + 2460 * NS
    assert max(idle) == START.ns + 3000 * NS
    assert {p.channel_id for p in pieces if p.is_idle} == {IDS[1]}


class Times(ConsumerPE):
    """Notes when pieces with samples arrive."""

    def __init__(self) -> None:
        super().__init__()
        self._add_output("delay")

    def _process(self, piece: LivePiece) -> None:
        if piece.trace is not None:
            self.write("delay", time.monotonic() - piece.arrived_s)


@pytest.mark.parametrize(("mapping", "processes"), [("simple", None), ("multi", 2)])
def test_pieces_flow_as_they_arrive(archive, mapping, processes) -> None:
    """1000 s of data at 1000 times their speed: each piece flows at once."""
    limits = {"start_ns": START.ns, "end_ns": START.ns + 1000 * NS}
    source, times = Replay(archive, IDS[:1], 1000.0, **limits), Times()
    graph = WorkflowGraph()
    graph.connect(source, "output", times, "input")
    began = time.monotonic()
    result = run(graph, {source: 1}, mapping=mapping, processes=processes)
    assert time.monotonic() - began >= 1.0
    delays = result.outputs[times.id]["delay"]
    assert len(delays) == 50
    assert np.median(delays) < 0.5


def test_the_speed_changes_nothing(archive) -> None:
    def told(speed: float):
        pieces, _ = replayed(Replay(archive, IDS, speed, delay_s=50.0))
        return [(p.channel_id, p.clock_ns, p.watermark_ns, p.is_idle) for p in pieces]

    assert told(np.inf) == told(3e3)


def test_mistakes_are_named(archive) -> None:
    with pytest.raises(ParameterError, match="no data of XX"):
        list(Replay(archive, ["XX.CCC..BHZ"]).process({}))
    with pytest.raises(ParameterError, match="speed"):
        Replay(archive, IDS, speed=0.0)
    with pytest.raises(ParameterError, match="at least one"):
        Replay(archive, [])
    with pytest.raises(ParameterError, match="hold_s"):
        Replay(archive, IDS, hold_s=0.0)
