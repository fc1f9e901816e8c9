"""Live pieces of channels, in any order, give the correlations of the batch."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from dispel4py.base import IterativePE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlating import (
    CorrelateTiles,
    SpectraSettings,
    Tiles,
    WindowSpectra,
    correlate_pair,
)
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.gathering import GatherPeriods
from seismo_pes.items.times import NS
from seismo_pes.preprocessing import Merge
from seismo_pes.signal.window import WindowGrid

START = UTCDateTime(2024, 3, 1)
RATE_HZ = 10.0
N = 6000  # ten minutes: five periods of two minutes
WINDOW_S, STEP_S, PERIOD_S = 40.0, 20.0, 120.0
IDS = ["XX.AAA..HHZ", "XX.BBB..HHZ"]
ORIGIN_NS = START.ns


class Live(IterativePE):
    """Sends pieces in the given order."""

    def _process(self, data: Trace) -> Trace:
        return data


def record(station: str, seed: int) -> Trace:
    header = {"network": "XX", "station": station, "channel": "HHZ"}
    header |= {"sampling_rate": RATE_HZ, "starttime": START}
    return Trace(np.random.default_rng(seed).standard_normal(N), header)


def pieces_of(trace: Trace, rng: np.random.Generator) -> list[Trace]:
    edges = np.unique([0, N, *rng.integers(1, N, 25)])
    pieces = []
    for first, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        piece = Trace(header=trace.stats.copy())
        piece.data = trace.data[first:stop].copy()
        piece.stats.starttime = START + first / RATE_HZ
        pieces.append(piece)
    return pieces


def correlated(pieces, mapping="simple", processes=None, max_wait_s=None):
    """Run the workflow of live data; return rows by window, and the skipped data."""
    grid = WindowGrid(ORIGIN_NS, round(WINDOW_S * NS), round(STEP_S * NS))
    settings = SpectraSettings(grid, RATE_HZ, 5.0, dtype="float64")
    source = Live()
    gather = GatherPeriods(PERIOD_S, WINDOW_S - STEP_S, ORIGIN_NS, max_wait_s)
    merge = Merge(ORIGIN_NS, flat_s=WINDOW_S)
    spectra = WindowSpectra(settings, {name: k for k, name in enumerate(IDS)})
    tiles = Tiles([(0, 2)], range(2), max_wait_s=max_wait_s)
    correlate = CorrelateTiles(settings, Substacks("window"))
    graph = WorkflowGraph()
    chain = [source, gather, merge, spectra, tiles, correlate]
    for before, after in itertools.pairwise(chain):
        graph.connect(before, "output", after, "input")
    inputs = {source: [{"input": piece} for piece in pieces]}
    result = run(graph, inputs, mapping=mapping, processes=processes)
    rows = {}
    for batch in result.output(correlate.id):
        for start_ns, row in zip(batch.start_ns.tolist(), batch.data, strict=True):
            assert start_ns not in rows  # each window once
            rows[start_ns] = row
    skipped = [
        item
        for ports in result.outputs.values()
        for item in ports.get("skipped", [])
        if item.stage == "gather"
    ]
    return rows, skipped


def batch():
    a, b = record("AAA", 1), record("BBB", 2)
    return correlate_pair(
        *(a, b, 5.0),
        window_s=WINDOW_S,
        step_s=STEP_S,
        origin_ns=ORIGIN_NS,
        dtype="float64",
    )


def in_random_order(seed: int) -> list[Trace]:
    rng = np.random.default_rng(seed)
    pieces = [
        piece
        for name, k in (("AAA", 1), ("BBB", 2))
        for piece in pieces_of(record(name, k), rng)
    ]
    rng.shuffle(pieces)
    return pieces


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("mapping", "processes"), [("simple", None), ("multi", 7)])
def test_live_pieces_give_the_correlations_of_the_batch(
    mapping, processes, seed
) -> None:
    rows, skipped = correlated(in_random_order(seed), mapping, processes)
    expected = batch()
    assert not skipped
    assert sorted(rows) == expected.start_ns.tolist()
    size = np.abs(expected.data).max()
    for start_ns, row in zip(expected.start_ns.tolist(), expected.data, strict=True):
        np.testing.assert_allclose(rows[start_ns], row, rtol=0, atol=1e-6 * size)


def test_a_dead_channel_does_not_delay_the_other() -> None:
    """One station sends nothing after four minutes; both have windows before."""
    rng = np.random.default_rng(0)
    first = pieces_of(record("AAA", 1), rng)
    limit = START + 240
    second = [p for p in pieces_of(record("BBB", 2), rng) if p.stats.endtime < limit]
    pieces = sorted([*first, *second], key=lambda p: p.stats.starttime)
    rows, skipped = correlated(pieces, max_wait_s=60.0)
    assert not skipped
    last_ns = max(p.stats.endtime for p in second).ns + round(NS / RATE_HZ)
    expected = batch()
    kept = [
        s for s in expected.start_ns.tolist() if s + round(WINDOW_S * NS) <= last_ns
    ]
    assert sorted(rows) == kept


def test_a_late_piece_is_reported() -> None:
    trace = record("AAA", 1)
    late, *pieces = pieces_of(trace, np.random.default_rng(0))
    element = GatherPeriods(PERIOD_S, 0.0, ORIGIN_NS, max_wait_s=30.0)
    result = []
    for piece in [*pieces, late]:
        result += list(element.process({"input": piece}))
    ((skipped,),) = [item.values() for item in result if "skipped" in item]
    assert skipped.what == IDS[0]
    assert "late" in skipped.reason
    periods = [item["output"].spans[0].period for item in result if "output" in item]
    assert periods == [0, 1, 2, 3, 4][: len(periods)]
    assert len(periods) >= 4


def test_a_piece_goes_into_each_period_that_it_touches() -> None:
    element = GatherPeriods(PERIOD_S, WINDOW_S - STEP_S, ORIGIN_NS)
    outputs = [
        output["output"] for output in element.process({"input": record("AAA", 1)})
    ]
    limits = [
        ((s.start_ns - ORIGIN_NS) / NS, (s.end_ns - ORIGIN_NS) / NS)
        for item in outputs
        for s in item.spans
    ]
    assert limits == [(120.0 * k, 120.0 * k + 140) for k in range(4)]
    assert [item.channels[0].traces[0].stats.npts for item in outputs] == [1400] * 4
    left = []
    element._writer = lambda port, item: left.append(item)
    element.postprocess()
    assert [item.spans[0].period for item in left] == [4]
    assert left[0].channels[0].traces[0].stats.npts == 1200
