"""From windows to correlations, against the textbook."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, field
from itertools import combinations_with_replacement, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.spectra.window_spectra import WindowSpectra, window_spectra
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles import correlator as tile_correlator
from seismo_pes.correlating.tiles import substack_sums
from seismo_pes.correlating.tiles.blocks import Tiles
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.items.tiles import Spectra
from seismo_pes.items.times import DAY_NS
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.preprocessing.segments import Segment
from seismo_pes.signal.coherency import phase_cross_correlate, phase_records
from seismo_pes.signal.correlate import correlate_direct
from seismo_pes.signal.stack import phase_weighted, robust
from seismo_pes.signal.window import WindowGrid

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


def test_flat_records_do_not_enter_after_any_preprocessing() -> None:
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
    """For any pieces, a window enters if and only if one piece covers it."""
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
    lost, result = pe.process({"input": Waveforms.of(span, Stream())})
    account = lost["account"]
    assert (account.period, account.n_possible, account.n_used) == (7, 3, 0)
    assert [(row.cause, row.n_windows) for row in account.lost] == [("no data", 3)]
    assert (result["output"].channel, result["output"].period) == (3, 7)
    assert len(result["output"].windows) == 0


def test_a_span_without_a_whole_window_is_reported() -> None:
    pe = WindowSpectra(make_settings(), {"XX.AAA..HHZ": 0})
    span = ChannelSpan("XX.AAA..HHZ", START.ns, (START + 30).ns, (), 0)
    header = {"network": "XX", "station": "AAA", "channel": "HHZ"}
    header |= {"sampling_rate": RATE, "starttime": START}
    short = Stream([Trace(np.ones(50), header)])
    skipped, lost, _ = pe.process({"input": Waveforms.of(span, short)})
    assert "5 s" in skipped["skipped"].reason
    causes = [(row.cause, row.n_windows) for row in lost["account"].lost]
    assert causes == [("begin or end", 1), ("no data", 2)]


# -- correlations ------------------------------------------------------------------

DAY = START.ns // (86_400 * NS)
PER_DAY = 8640
N_CHANNELS = 6
IDS = ["X.A..HHE", "X.A..HHN", "X.A..HHZ", "X.B..HHZ", "Y.C..HHZ", "Y.D..HHZ"]
# windows of each day: two in its first hour, two in the second, one in the third
OF_DAY = np.array([0, 1, 360, 361, 720])
# (channel, (day, window)) without data; channel 4 has no data on day 1
HOLES = {(1, 0, 0), (2, 0, 1), (2, 0, 4), (5, 1, 4), *((4, 1, k) for k in range(5))}


@dataclass
class Network:
    """Windows of channels, their spectra, and the textbook."""

    settings: SpectraSettings
    n_days: int = 2
    of_day: np.ndarray = field(default_factory=lambda: OF_DAY)
    holes: frozenset[tuple[int, int, int]] = frozenset(HOLES)

    def __post_init__(self) -> None:
        rng = np.random.default_rng(5)
        shape = (N_CHANNELS, self.n_days, len(self.of_day), 100)
        self.data = rng.normal(size=shape)
        self.data += 0.8 * rng.normal(size=shape[1:])  # windows that all channels have
        n = max(1, self.settings.n_bands)
        self.factors = rng.uniform(0.5, 2, (n, *shape[:3]))
        if n > 1:
            self.factors[1, 3, 0, 2] = 0.0  # a window without energy in one band

    def windows(self, day: int) -> np.ndarray:
        return self.of_day + PER_DAY * day

    def has(self, channel: int, day: int, k: int, band: int = 0) -> bool:
        forward = (channel, day, k) not in self.holes
        return forward and self.factors[band, channel, day, k] > 0

    def spectra(self, channel: int, day: int) -> Spectra:
        forward = [
            k for k in range(len(self.of_day)) if (channel, day, k) not in self.holes
        ]
        data = self.data[channel, day, forward]
        if self.settings.kind == "pcc2":
            data = phase_records(data).reshape(-1, 100) / 10
        result = np.fft.rfft(data, self.settings.n_fft)[:, self.settings.bins]
        factors = None
        if self.settings.n_bands > 1:
            factors = self.factors[:, channel, day, forward]
        dtype = np.result_type(self.settings.dtype, np.complex64)
        windows = self.windows(day)[forward]
        limits = (DAY + day) * DAY_NS, (DAY + day + 1) * DAY_NS
        result = result.astype(dtype)
        return Spectra(channel, DAY + day, *limits, windows, result, factors)

    def items(self) -> list[Spectra]:
        return [
            self.spectra(channel, day)
            for day in range(self.n_days)
            for channel in range(N_CHANNELS)
        ]

    def window(self, i: int, j: int, day: int, k: int, band: int) -> np.ndarray:
        """Correlate one window of one pair by the textbook formula."""
        settings_, a, b = self.settings, self.data[i, day, k], self.data[j, day, k]
        if settings_.kind.startswith("pcc"):
            return phase_cross_correlate(a, b, 20, float(settings_.kind[-1]))
        if settings_.n_bands < 2 and settings_.kind == "cc":
            return correlate_direct(a, b, 20)
        left, right = (np.fft.rfft(x, settings_.n_fft) for x in (a, b))
        if settings_.n_bands > 1:
            weights = np.zeros(len(left))
            where, inside = settings_.band(band)
            first = settings_.bins.start
            weights[where.start + first : where.stop + first] = inside
            left = left * weights * self.factors[band, i, day, k]
            right = right * weights * self.factors[band, j, day, k]
            if settings_.kind == "deconvolution":
                used = slice(where.start + first, where.stop + first)
                left[used] = _divided(left[used], settings_.water_level)
        elif settings_.kind == "deconvolution":
            left = _divided(left, settings_.water_level)
        c = np.fft.irfft(np.conj(left) * right, settings_.n_fft)
        return np.r_[c[-20:], c[:21]]

    def stacks(self, unit: str, kind: str = "linear") -> dict:
        """Stack by the textbook formula: {(stack, i, j): (windows, data)}."""
        rows: dict = {}
        bands = self.settings.band_names if self.settings.n_bands > 1 else ("",)
        for band, name in enumerate(bands):
            for i, j in combinations_with_replacement(range(N_CHANNELS), 2):
                for day, k in product(range(self.n_days), range(len(self.of_day))):
                    if self.has(i, day, k, band) and self.has(j, day, k, band):
                        period = self.period(unit, int(self.windows(day)[k]))
                        stack = f"{period}@{name}" if name else period
                        row = self.window(i, j, day, k, band)
                        rows.setdefault((stack, i, j), []).append((day, row))
        return {
            key: (len(result), _stacked(result, kind)) for key, result in rows.items()
        }

    def period(self, unit: str, window: int) -> str:
        time = str(START + 10 * window)
        if unit == "group":
            return "all"
        return time[: {"day": 10, "hour": 13, "window": 19}[unit]]


def _divided(spectrum: np.ndarray, level: float) -> np.ndarray:
    power = np.abs(spectrum) ** 2
    return spectrum / np.maximum(power, level * power.mean())


def _stacked(rows: list[tuple[int, np.ndarray]], kind: str) -> np.ndarray:
    """Stack each day, and take the mean of the days by their windows."""
    days: dict[int, list[np.ndarray]] = {}
    for day, row in rows:
        days.setdefault(day, []).append(row)
    total = sum(len(x) * STACKS_OF_ROWS[kind](np.array(x)) for x in days.values())
    return total / len(rows)


STACKS_OF_ROWS = {
    "linear": lambda x: x.mean(axis=0),
    "phase-weighted": phase_weighted,
    "robust": lambda x: robust(x)[0],
}


def substacks_of(unit: str, n_days: int) -> Substacks:
    if unit == "group":
        return Substacks.of_groups([[DAY + k for k in range(n_days)]])
    return Substacks(unit)


def correlated(network: Network, unit: str = "group", size: int = 2, **options):
    """Run tiles and correlation; return the batches by tile, and the skipped data."""
    blocks = [(k, min(k + size, N_CHANNELS)) for k in range(0, N_CHANNELS, size)]
    expected = {DAY + day: range(N_CHANNELS) for day in range(network.n_days)}
    pairs = options.get("pairs")
    tiles = Tiles(blocks, expected, pairs=pairs, rotate=options.get("rotate"))
    substacks = substacks_of(unit, network.n_days)
    correlate = CorrelateTiles(network.settings, substacks, **options)
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    result = run(graph, {tiles: [{"input": item} for item in network.items()]})
    return result.output(correlate.id), result.output(correlate.id, "skipped")


def by_pair(batches) -> dict:
    results: dict = {}
    for rows in batches:
        for pair, n, data in zip(
            rows.pairs.tolist(), rows.n_windows.tolist(), rows.data, strict=True
        ):
            key = (rows.stack, *pair)
            assert key not in results
            results[key] = n, data
    return results


def agrees(results: dict, expected: dict, atol: float = 1e-10) -> None:
    assert set(results) == set(expected)
    for key, (n, data) in expected.items():
        assert results[key][0] == n, key
        np.testing.assert_allclose(results[key][1], data, rtol=0, atol=atol)


BANDS = ((0.5, 1.0), (1.5, 3.0), (0.5, 3.0))
EVERY = PairSelection(IDS, kinds=("cross", "single-station", "auto"))


def kept(expected: dict, wanted) -> dict:
    return {key: value for key, value in expected.items() if wanted(key[1], key[2])}


@pytest.mark.parametrize("size", [1, 2, 4, 6])
@pytest.mark.parametrize("unit", ["group", "day", "hour", "window"])
def test_stacks_equal_the_textbook(unit, size) -> None:
    network = Network(make_settings(unit_energy=False))
    batches, _ = correlated(network, unit, size, pairs=EVERY)
    agrees(by_pair(batches), network.stacks(unit))


@pytest.mark.parametrize("unit", ["group", "hour", "window"])
@pytest.mark.parametrize("kind", ["cc", "deconvolution"])
def test_bands_equal_the_textbook(unit, kind) -> None:
    settings_ = make_settings(unit_energy=False, bands_hz=BANDS, kind=kind)
    network = Network(settings_)
    batches, _ = correlated(network, unit, 4, pairs=EVERY)
    agrees(by_pair(batches), network.stacks(unit))


@pytest.mark.parametrize("unit", ["group", "hour", "window"])
@pytest.mark.parametrize("kind", ["deconvolution", "pcc1", "pcc2"])
def test_kinds_equal_the_textbook(unit, kind) -> None:
    network = Network(make_settings(kind=kind))
    batches, _ = correlated(network, unit, 4, pairs=EVERY)
    agrees(by_pair(batches), network.stacks(unit), 1e-8)


@pytest.mark.parametrize("unit", ["group", "hour", "window"])
@pytest.mark.parametrize("window_stack", ["phase-weighted", "robust"])
@pytest.mark.parametrize("kind", ["cc", "pcc1", "pcc2"])
def test_nonlinear_stacks_equal_the_textbook(unit, window_stack, kind) -> None:
    network = Network(make_settings(kind=kind))
    batches, _ = correlated(network, unit, 4, pairs=EVERY, window_stack=window_stack)
    agrees(by_pair(batches), network.stacks(unit, window_stack), 1e-8)


@pytest.mark.parametrize("window_stack", ["linear", "phase-weighted"])
@pytest.mark.parametrize(
    "rules",
    [
        {},
        {"kinds": {"auto"}},
        {"kinds": {"cross"}, "components": {"ZZ"}},
        {"members": {4}},
        {"listed": {(0, 4), (5, 2), (3, 4)}},
        {"listed": set()},
    ],
)
@pytest.mark.parametrize("size", [2, 6])
def test_only_selected_pairs_are_correlated(rules, size, window_stack) -> None:
    network = Network(make_settings())
    selection = PairSelection(IDS, **rules)
    result, _ = correlated(
        network, "day", size, pairs=selection, window_stack=window_stack
    )
    every = np.arange(N_CHANNELS)
    wanted = selection.allowed(every, every)
    expected = kept(network.stacks("day", window_stack), lambda i, j: wanted[i, j])
    agrees(by_pair(result), expected, 1e-9)


@pytest.mark.parametrize("unit", ["group", "day", "window"])
def test_a_single_window_takes_the_short_way(unit) -> None:
    """A run with one long window for each day."""
    network = Network(
        make_settings(), n_days=1, of_day=np.array([3]), holes=frozenset()
    )
    batches, _ = correlated(network, unit, 2)
    expected = kept(network.stacks(unit), lambda i, j: i < j)
    agrees(by_pair(batches), expected)


def test_float32_is_as_good_as_it_can_be() -> None:
    network = Network(make_settings(dtype="float32"))
    batches, _ = correlated(network, "day", 4)
    expected = kept(network.stacks("day"), lambda i, j: i < j)
    assert {rows.data.dtype for rows in batches} == {np.dtype("float32")}
    agrees(by_pair(batches), expected, 2e-5)


@pytest.mark.parametrize("unit", ["group", "day", "hour"])
def test_every_tile_is_marked_once_at_its_end(unit, monkeypatch) -> None:
    monkeypatch.setattr(tile_correlator, "BATCH_BYTES", 1)
    monkeypatch.setattr(substack_sums, "BATCH_BYTES", 1)
    network = Network(make_settings())
    batches, _ = correlated(network, unit, 2)
    agrees(by_pair(batches), kept(network.stacks(unit), lambda i, j: i < j))
    ends: dict = {}
    for rows in batches:
        assert not ends.get(rows.tile), "nothing comes after the last batch"
        ends[rows.tile] = rows.last
    n_keys = {"group": 6}.get(unit, 12)
    assert list(ends.values()) == [True] * n_keys
    # channel 4 has nothing on the second day, so 4 with 5 has no row there
    assert len(batches) > n_keys


def test_groups_end_with_their_last_period() -> None:
    network = Network(make_settings(), n_days=3, holes=frozenset())
    substacks = Substacks.of_groups([[DAY, DAY + 1], [DAY + 2]])
    tiles = Tiles([(0, 6)], {DAY + k: range(6) for k in range(3)})
    correlate = CorrelateTiles(network.settings, substacks)
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    result = run(graph, {tiles: [{"input": item} for item in network.items()]})
    output = result.output(correlate.id)
    assert [(r.stack, r.tile) for r in output] == [
        (".2024-03-01", (0, 0, DAY)),
        (".2024-03-03", (0, 0, DAY + 2)),
    ]
    assert set(output[0].n_windows) == {10}
    assert set(output[1].n_windows) == {5}
    begin, end = START.ns, (START + 86_400 + 7200 + 10).ns
    assert set(output[0].start_ns) == {begin}
    assert set(output[0].end_ns) == {end}


def test_a_group_without_its_last_period_ends_with_the_run() -> None:
    network = Network(make_settings(), holes=frozenset())
    substacks = Substacks.of_groups([[DAY, DAY + 1, DAY + 2]])
    tiles = Tiles([(0, 6)], {DAY + k: range(6) for k in range(2)})
    correlate = CorrelateTiles(network.settings, substacks)
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    result = run(graph, {tiles: [{"input": item} for item in network.items()]})
    agrees(
        by_pair(result.output(correlate.id)),
        kept(network.stacks("group"), lambda i, j: i < j),
    )


@pytest.mark.parametrize("n_days", [1, 2])
@pytest.mark.parametrize("bands", [(), BANDS])
def test_pairs_without_common_windows_are_listed(n_days, bands) -> None:
    holes = {(c, d, k) for d in range(2) for k in range(5) for c in (k % 2, 2)}
    settings_ = make_settings(bands_hz=bands)
    network = Network(settings_, n_days, holes=frozenset(holes))
    batches, skipped = correlated(network, "group", 4, channel_ids=IDS)
    assert [entry.what for entry in skipped] == [f"{IDS[0]}_{IDS[1]}"]
    assert not any(2 in rows.pairs for rows in batches)


def test_bytes_do_not_depend_on_other_tiles() -> None:
    """A tile that is computed again alone has the same bytes."""
    network = Network(make_settings(dtype="float32"))
    whole, _ = correlated(network, "hour", 2)
    tiles = Tiles(
        [(0, 2), (2, 4), (4, 6)],
        {DAY + 1: range(N_CHANNELS)},
        needed={DAY + 1: frozenset({(0, 2)})},
    )
    correlate = CorrelateTiles(network.settings, Substacks("hour"))
    graph = WorkflowGraph()
    graph.connect(tiles, "output", correlate, "input")
    items = [first for first in network.items() if first.period == DAY + 1]
    result = run(graph, {tiles: [{"input": item} for item in reversed(items)]})
    again = result.output(correlate.id)
    same = [rows for rows in whole if rows.tile == (0, 2, DAY + 1)]
    assert len(again) == len(same) > 0
    for first, second in zip(again, same, strict=True):
        assert first.stack == second.stack
        assert np.array_equal(first.pairs, second.pairs)
        assert first.data.tobytes() == second.data.tobytes()


def test_impossible_settings_are_refused() -> None:
    with pytest.raises(ParameterError, match="robust"):
        CorrelateTiles(make_settings(), Substacks("day"), window_stack="robus")
    with pytest.raises(ParameterError, match="coherent"):
        CorrelateTiles(
            make_settings(), Substacks("day"), rotate=Rotation({}, {}, (), ())
        )


def test_elements_travel() -> None:
    result = CorrelateTiles(make_settings(), Substacks("day"), EVERY, IDS)
    assert pickle.loads(pickle.dumps(result)).channel_ids == IDS
