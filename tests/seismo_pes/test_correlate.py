"""From windows to correlations: spectra, tiles, sums; against the textbook."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlate import CorrelateTiles, PairWindows, pair_windows
from seismo_pes.holdings import ChannelSpan
from seismo_pes.merge import Segment
from seismo_pes.pairs import Block, Tiles, block_size, gather
from seismo_pes.signal.correlate import correlate_direct
from seismo_pes.signal.window import WindowGrid
from seismo_pes.spectra import Spectra, SpectraSettings, WindowSpectra, window_spectra
from seismo_pes.waveforms import Waveforms

NS = 10**9
START = UTCDateTime(2024, 3, 1)
RATE = 10.0


def make_settings(**changes) -> SpectraSettings:
    grid = WindowGrid(START.ns, 10 * NS, 10 * NS)
    values = {"grid": grid, "rate_hz": RATE, "max_lag_s": 2.0, "dtype": "float64"}
    return SpectraSettings(**values | changes)


def segment(data, first: int = 0) -> Segment:
    return Segment("XX.AAA..HHZ", first, RATE, np.asarray(data, float))


# -- spectra -----------------------------------------------------------------------


def test_unit_energy_and_parseval() -> None:
    rng = np.random.default_rng(0)
    settings_ = make_settings(window_detrend="none")
    used, spectra = window_spectra([segment(rng.normal(size=300))], range(3), settings_)
    assert used.tolist() == [0, 1, 2]
    back = np.fft.irfft(spectra, settings_.n_fft)
    np.testing.assert_allclose(np.square(back).sum(axis=1), 1.0, rtol=1e-12)
    assert np.abs(back[:, 100:]).max() < 1e-14  # padding stays empty


def test_without_normalisation_the_units_stay() -> None:
    data = 1e9 * np.random.default_rng(0).normal(size=100)
    settings_ = make_settings(window_detrend="none", unit_energy=False)
    _, spectra = window_spectra([segment(data)], range(1), settings_)
    back = np.fft.irfft(spectra, settings_.n_fft)[0, :100]
    np.testing.assert_allclose(back, data, rtol=1e-12, atol=1e-3)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (np.zeros(300), []),  # nothing
        (np.full(300, 1e6 / 3), []),  # constant: rounding is not energy
        (np.r_[np.zeros(100), np.sin(np.arange(200.0))], [1, 2]),
    ],
)
def test_windows_without_energy_do_not_enter(data, expected) -> None:
    used, spectra = window_spectra([segment(data)], range(3), make_settings())
    assert used.tolist() == expected
    assert len(spectra) == len(expected)


def test_flat_records_do_not_enter_whatever_was_made_of_them() -> None:
    rng = np.random.default_rng(0)
    flat = ((START.ns, START.ns + 20 * NS),)
    used, _ = window_spectra(
        [segment(rng.normal(size=300))], range(3), make_settings(), flat
    )
    assert used.tolist() == [2]


@given(
    pieces=st.lists(
        st.tuples(st.integers(-50, 450), st.integers(1, 300)), min_size=0, max_size=5
    )
)
@settings(max_examples=60, deadline=None)
def test_windows_enter_exactly_where_covered(pieces) -> None:
    """Whatever the pieces, a window enters if and only if one piece has all of it."""
    rng = np.random.default_rng(0)
    taken: list[Segment] = []
    for first, n in sorted(pieces):
        if not taken or first > taken[-1].end_sample:
            taken.append(segment(rng.normal(size=n), first))
    used, _ = window_spectra(taken, range(5), make_settings())
    expected = [
        k
        for k in range(5)
        if any(
            s.first_sample <= 100 * k and 100 * (k + 1) <= s.end_sample for s in taken
        )
    ]
    assert sorted(used.tolist()) == expected


def test_whitened_spectra_are_flat_within_the_band() -> None:
    data = np.cumsum(np.random.default_rng(0).normal(size=100))
    settings_ = make_settings(whiten_hz=(1.0, 2.0), unit_energy=False)
    _, spectra = window_spectra([segment(data)], range(1), settings_)
    bins = settings_.bins
    frequency = np.arange(bins.start, bins.stop) * RATE / settings_.n_fft
    inside = (frequency >= 1) & (frequency <= 2)
    np.testing.assert_allclose(np.abs(spectra[0, inside]), 1.0, rtol=1e-12)


def test_a_span_without_data_still_gives_an_item() -> None:
    pe = WindowSpectra(make_settings(), {"XX.AAA..HHZ": 3})
    span = ChannelSpan("XX.AAA..HHZ", START.ns, (START + 30).ns, (), 7)
    (made,) = pe.process({"input": Waveforms(span, Stream())})
    assert (made["output"].channel, made["output"].stretch) == (3, 7)
    assert len(made["output"].windows) == 0


def test_a_span_without_a_whole_window_is_reported() -> None:
    pe = WindowSpectra(make_settings(), {"XX.AAA..HHZ": 0})
    span = ChannelSpan("XX.AAA..HHZ", START.ns, (START + 30).ns, (), 0)
    header = {"network": "XX", "station": "AAA", "channel": "HHZ"}
    header |= {"sampling_rate": RATE, "starttime": START}
    short = Stream([Trace(np.ones(50), header)])
    skipped, _ = pe.process({"input": Waveforms(span, short)})
    assert "5 s" in skipped["skipped"].reason


# -- tiles -------------------------------------------------------------------------


@given(st.integers(1, 3000), st.integers(1, 300))
def test_block_size_gives_every_process_tiles(n_channels: int, n: int) -> None:
    size = block_size(n_channels, n)
    n_blocks = -(-n_channels // size)
    assert 1 <= size <= 128
    assert size == 1 or n_blocks * (n_blocks + 1) // 2 >= n


def spectra_of(channel: int, windows, stretch: int = 0, n_bins: int = 3) -> Spectra:
    windows = np.asarray(windows, np.int64)
    data = (1 + channel + 10 * windows)[:, None] * np.ones(n_bins, np.complex64)
    return Spectra(channel, stretch, windows, data)


def test_every_pair_of_channels_is_in_one_tile() -> None:
    tiles = Tiles(2, {0: 5})
    made = []
    for channel in (3, 0, 4, 1, 2):
        made += list(tiles.process({"input": spectra_of(channel, [0, 1])}) or ())
    pairs = [
        (int(i), int(j))
        for tile in (m["output"] for m in made)
        for i in tile.a.channels
        for j in tile.b.channels
        if i < j
    ]
    assert sorted(pairs) == [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert len({m["output"].number for m in made}) == len(made) == 6


def test_a_stretch_that_stays_incomplete_comes_at_the_end() -> None:
    tiles, written = Tiles(2, {0: 3}), []
    tiles._writer = lambda port, item: written.append(item)
    assert tiles.process({"input": spectra_of(0, [0])}) is None
    assert tiles.process({"input": spectra_of(1, [0])}) is None
    tiles.postprocess()
    assert [tile.a.channels.tolist() for tile in written] == [[0, 1]]


def test_channels_with_different_windows_share_one_axis() -> None:
    block = gather([spectra_of(0, [1, 3]), spectra_of(1, [3])], np.array([1, 3]))
    assert block.usable.tolist() == [[True, True], [False, True]]
    assert block.data[0].tolist() == [[11, 31], [0, 32]]
    assert block.bins_first
    shared = pair_windows(block, block, 1)
    assert shared.pairs.tolist() == [[0, 1]]
    assert (shared.n_windows[0], shared.first[0], shared.last[0]) == (1, 3, 3)


def test_blocks_and_tiles_are_shared_not_copied() -> None:
    import copy

    block = gather([spectra_of(0, [0])], np.array([0]))
    assert copy.deepcopy(block) is block
    assert isinstance(pickle.loads(pickle.dumps(block)), Block)


# -- sums --------------------------------------------------------------------------


@pytest.mark.parametrize("n_stretches", [1, 3])
@pytest.mark.parametrize("each_stretch", [False, True])
@pytest.mark.parametrize("autocorrelations", [False, True])
def test_stacks_equal_the_textbook(n_stretches, each_stretch, autocorrelations) -> None:
    rng = np.random.default_rng(5)
    n_channels, per_stretch = 5, 4
    settings_ = make_settings(window_detrend="none", unit_energy=False)
    data = rng.normal(size=(n_channels, n_stretches * per_stretch, 100))
    missing = {(1, 0), (2, 1), (2, 2), (4, n_stretches * per_stretch - 1)}
    items = []
    for stretch in range(n_stretches):
        for channel in range(n_channels):
            windows = [
                k
                for k in range(stretch * per_stretch, (stretch + 1) * per_stretch)
                if (channel, k) not in missing
            ]
            spectra = np.fft.rfft(data[channel, windows], settings_.n_fft)
            items.append(Spectra(channel, stretch, np.array(windows), spectra))
    tiles = Tiles(2, dict.fromkeys(range(n_stretches), n_channels))
    names = {k: f"day {k}" for k in range(n_stretches)}
    correlate = CorrelateTiles(settings_, names, each_stretch, autocorrelations)
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    result = run(graph, {tiles: [{"input": item} for item in items]})
    found = {
        (rows.stack, *pair): (n, data)
        for rows in result.output(correlate.id)
        for pair, n, data in zip(
            rows.pairs.tolist(), rows.n_windows.tolist(), rows.data, strict=True
        )
    }
    stacks = {"all": range(n_stretches * per_stretch)}
    if each_stretch:
        for k in range(n_stretches):
            stacks[names[k]] = range(k * per_stretch, (k + 1) * per_stretch)
    expected = {}
    for stack, windows in stacks.items():
        for i in range(n_channels):
            for j in range(i if autocorrelations else i + 1, n_channels):
                both = [w for w in windows if not {(i, w), (j, w)} & missing]
                total = sum(correlate_direct(data[i, w], data[j, w], 20) for w in both)
                expected[stack, i, j] = len(both), total / len(both)
    assert set(found) == set(expected)
    for key, (n, mean) in expected.items():
        assert found[key][0] == n
        np.testing.assert_allclose(found[key][1], mean, rtol=0, atol=1e-10)


def test_pairs_without_common_windows_are_listed() -> None:
    settings_ = make_settings()
    n_bins = settings_.n_fft // 2 + 1
    tiles = Tiles(2, {0: 2, 1: 2})
    correlate = CorrelateTiles(settings_, {0: "a", 1: "b"}, channel_ids=["X", "Y"])
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    items = [
        spectra_of(0, [0], 0, n_bins),
        spectra_of(1, [], 0, n_bins),
        spectra_of(0, [1], 1, n_bins),
        spectra_of(1, [2], 1, n_bins),
    ]
    result = run(graph, {tiles: [{"input": item} for item in items]})
    (skipped,) = result.output(correlate.id, "skipped")
    assert skipped.what == "X_Y"
    assert sum(len(rows) for rows in result.output(correlate.id)) == 0


def test_tables_of_pairs() -> None:
    table = PairWindows.of([((0, 1), 2, 5, 9), ((0, 2), 0, -1, -1)])
    assert table.chosen(table.n_windows > 0).pairs.tolist() == [[0, 1]]
