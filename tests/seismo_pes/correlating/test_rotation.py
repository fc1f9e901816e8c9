"""Radial and transverse correlations against correlations of rotated traces."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from obspy import Stream, Trace

from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles import correlator as tile_correlator
from seismo_pes.correlating.tiles.blocks import Tiles
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.items.tiles import Spectra
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.preprocessing.orientation import rotate_pair
from seismo_pes.signal.correlate import correlate_direct
from seismo_pes.signal.stack import phase_weighted
from seismo_pes.signal.window import WindowGrid

NS = 10**9
STATIONS = "ABC"
IDS = [f"X.{s}..HH{c}" for s in STATIONS for c in "ENZ"]
IDS += [f"X.{s}..HH{c}" for s in STATIONS for c in "RT"]
LATITUDES = {"A": 0.0, "B": 1.0, "C": -0.5}
LONGITUDES = {"A": 0.0, "B": 0.5, "C": 2.0}
N_WINDOWS = 4
GRID = WindowGrid(0, 10 * NS, 1800 * NS)
SETTINGS = SpectraSettings(GRID, 10.0, 2.0, dtype="float64", coherent=True)
STACKS = {"linear": lambda x: np.mean(x, axis=0), "phase-weighted": phase_weighted}


def rotation() -> Rotation:
    triplets, rotated = {}, {}
    for k in range(3):
        for channel in range(3 * k, 3 * k + 3):
            triplets[channel] = (3 * k + 2, 3 * k + 1, 3 * k)
            rotated[channel] = (3 * k + 2, 9 + 2 * k, 10 + 2 * k)
    places = [tuple(table[id_[2]] for id_ in IDS) for table in (LATITUDES, LONGITUDES)]
    return Rotation(triplets, rotated, *places)


def records(holes) -> dict[int, dict[int, np.ndarray]]:
    """Make the windows of each recorded channel."""
    rng = np.random.default_rng(1)
    data = rng.normal(size=(9, N_WINDOWS, 100)) + 0.7 * rng.normal(
        size=(N_WINDOWS, 100)
    )
    return {
        channel: {
            k: data[channel, k] for k in range(N_WINDOWS) if (channel, k) not in holes
        }
        for channel in range(9)
    }


def correlated(data, unit, size, selection, window_stack):
    spectra = [
        Spectra(
            *(channel, 0, 0, DAY_NS),
            np.array(sorted(windows), np.int64),
            np.fft.rfft(
                np.array([windows[k] for k in sorted(windows)]), SETTINGS.n_fft
            ),
        )
        for channel, windows in data.items()
        if windows
    ]
    blocks = [(k, min(9, k + size)) for k in range(0, 9, size)]
    tiles = Tiles(
        blocks,
        {0: [spectrum.channel for spectrum in spectra]},
        pairs=selection,
        rotate=rotation(),
    )
    substacks = Substacks.of_groups([[0, 1]]) if unit == "group" else Substacks(unit)
    correlate = CorrelateTiles(
        SETTINGS, substacks, selection, IDS, rotation(), window_stack
    )
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    result = run(graph, {tiles: [{"input": item} for item in spectra]})
    output = {
        (rows.stack, IDS[i], IDS[j]): (n, line)
        for rows in result.output(correlate.id)
        for (i, j), n, line in zip(
            rows.pairs.tolist(), rows.n_windows.tolist(), rows.data, strict=True
        )
    }
    assert len(output) == sum(len(rows) for rows in result.output(correlate.id))
    return output, result.output(correlate.id, "skipped")


def rotate_tensors(data, a: str, b: str, k: int) -> dict[tuple[int, str], np.ndarray]:
    """Rotate a window of two stations; keys are which of them and the component."""
    streams = []
    for station in (a, b):
        first = 3 * STATIONS.index(station)
        traces = [
            Trace(data[first + n][k], {"station": station, "channel": f"HH{c}"})
            for n, c in enumerate("ENZ")
        ]
        streams.append(Stream(traces))
    places = LATITUDES[a], LONGITUDES[a], LATITUDES[b], LONGITUDES[b]
    _, azimuth_deg, back_azimuth_deg = (float(x) for x in geodesic(*places))
    streams = rotate_pair(*streams, azimuth_deg, back_azimuth_deg)
    return {
        (n, trace.stats.channel[-1]): trace.data
        for n, stream in enumerate(streams)
        for trace in stream
    }


def textbook(data, unit, window_stack) -> dict:
    rows: dict = {}
    for (m, a), (n, b) in product(enumerate(STATIONS), repeat=2):
        for k in range(N_WINDOWS):
            period = {"group": "all", "hour": f"1970-01-01T0{k // 2}"}[unit]
            for i, c in enumerate("ENZ"):
                for j, d in enumerate("ENZ"):
                    if (
                        3 * m + i < 3 * n + j
                        and k in data[3 * m + i]
                        and k in data[3 * n + j]
                    ):
                        line = correlate_direct(
                            data[3 * m + i][k], data[3 * n + j][k], 20
                        )
                        key = (period, f"X.{a}..HH{c}", f"X.{b}..HH{d}")
                        rows.setdefault(key, []).append(line)
            channels = [*range(3 * m, 3 * m + 3), *range(3 * n, 3 * n + 3)]
            if m < n and all(k in data[channel] for channel in channels):
                result = rotate_tensors(data, a, b, k)
                for c, d in product("ZRT", repeat=2):
                    if c + d != "ZZ":
                        line = correlate_direct(result[0, c], result[1, d], 20)
                        key = (period, f"X.{a}..HH{c}", f"X.{b}..HH{d}")
                        rows.setdefault(key, []).append(line)
    stack = STACKS[window_stack]
    return {key: (len(lines), stack(np.array(lines))) for key, lines in rows.items()}


@pytest.mark.parametrize("window_stack", ["linear", "phase-weighted"])
@pytest.mark.parametrize("unit", ["group", "hour"])
@pytest.mark.parametrize("size", [3, 6, 9])
@pytest.mark.parametrize("batch", [24 << 20, 1])
def test_rotated_stacks_are_those_of_rotated_traces(
    window_stack, unit, size, batch, monkeypatch
) -> None:
    monkeypatch.setattr(tile_correlator, "BATCH_BYTES", batch)
    holes = {(channel, k) for k in (2, 3) for channel in (3, 4, 5)}
    data = records(holes)
    result, skipped = correlated(data, unit, size, PairSelection(IDS), window_stack)
    expected = textbook(data, unit, window_stack)
    assert set(result) == set(expected)
    for key, (n, line) in expected.items():
        assert result[key][0] == n
        np.testing.assert_allclose(result[key][1], line, rtol=0, atol=1e-10)
    assert skipped == []


@pytest.mark.parametrize("components", [{"RR", "TT"}, {"ZR", "ZZ"}, {"TZ", "NE"}])
@pytest.mark.parametrize("window_stack", ["linear", "phase-weighted"])
def test_only_wanted_components_are_correlated(components, window_stack) -> None:
    data = records(set())
    selection = PairSelection(IDS, components=components, kinds={"cross"})
    result, _ = correlated(data, "group", 3, selection, window_stack)
    expected = {
        key: value
        for key, value in textbook(data, "group", window_stack).items()
        if key[1][-1] + key[2][-1] in components and key[1][2] != key[2][2]
    }
    assert set(result) == set(expected)
    for key, (_, line) in expected.items():
        np.testing.assert_allclose(result[key][1], line, rtol=0, atol=1e-10)


def test_components_with_different_windows_are_not_rotated() -> None:
    data = records({(4, 0)})
    result, skipped = correlated(data, "group", 3, PairSelection(IDS), "linear")
    assert {entry.what for entry in skipped} == {
        "X.A..HHZ_X.B..HHZ",
        "X.B..HHZ_X.C..HHZ",
    }
    assert {entry.stage for entry in skipped} == {"rotate"}
    expected = {
        key: value
        for key, value in textbook(data, "group", "linear").items()
        if not ({key[1][-1], key[2][-1]} & {"R", "T"} and "B" in (key[1][2], key[2][2]))
    }
    assert set(result) == set(expected)


def test_instruments_that_lack_a_component_are_not_rotated() -> None:
    data = records({(4, k) for k in range(N_WINDOWS)})
    result, skipped = correlated(data, "group", 3, PairSelection(IDS), "linear")
    assert set(result) == set(textbook(data, "group", "linear"))
    assert skipped == []
