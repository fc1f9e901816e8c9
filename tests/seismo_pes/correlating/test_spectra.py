"""Spectra of several bands, kinds and components; against one band, one formula."""

from __future__ import annotations

import pickle
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.spectra import window_spectra as cutting
from seismo_pes.correlating.spectra.window_spectra import (
    WindowSpectra,
    instrument_spectra,
    window_spectra,
)
from seismo_pes.items.tiles import Spectra
from seismo_pes.items.waveforms import ChannelSpan, ChannelTraces, Waveforms
from seismo_pes.preprocessing.segments import Segment
from seismo_pes.signal._lags import lags_from_spectra
from seismo_pes.signal.coherency import coherency_spectra, phase_cross_correlate
from seismo_pes.signal.rotation import to_rt
from seismo_pes.signal.whiten import band_weights, whiten, whiten_psd
from seismo_pes.signal.window import WindowGrid

NS = 10**9
START = UTCDateTime(2024, 3, 1)
RATE = 10.0
N = 200  # samples of a window
TEN = tuple((round(0.2 * 1.3**k, 3), round(0.3 * 1.3**k, 3)) for k in range(10))
WAYS = ("none", "band", "psd", "running-mean")


def make_settings(**changes) -> SpectraSettings:
    grid = WindowGrid(START.ns, 20 * NS, 20 * NS)
    values = {"grid": grid, "rate_hz": RATE, "max_lag_s": 2.0, "dtype": "float64"}
    return SpectraSettings(**values | changes)


def red_noise(n_windows: int, seed: int = 0, channels: int | None = None) -> np.ndarray:
    """Noise of some colour; its windows differ by orders of magnitude."""
    shape = (n_windows * N,) if channels is None else (channels, n_windows * N)
    steps = np.random.default_rng(seed).normal(size=shape)
    return np.cumsum(steps, axis=-1) * np.repeat(10.0 ** np.arange(n_windows), N)


def segment(data, first: int = 0, channel_id: str = "XX.AAA..HHZ") -> Segment:
    return Segment(channel_id, first, RATE, np.asarray(data, float))


def spectra_of(data, settings: SpectraSettings, n_windows: int):
    """Return the spectra and factors of one channel without gaps."""
    _, spectra, factors = instrument_spectra(
        [[segment(data)]], range(n_windows), settings, [()]
    )
    return spectra[0], factors


def plain_spectra(data, settings: SpectraSettings) -> np.ndarray:
    windows = data.reshape(-1, N)
    windows = windows - windows.mean(axis=1, keepdims=True)
    return np.fft.rfft(windows, settings.n_fft)


# -- bands -------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    "changes",
    [{"whiten": way, "unit_energy": unit} for way in WAYS for unit in (True, False)]
    + [{"kind": "coherency", "smooth_hz": smooth} for smooth in (0, 0.1)],
)
def test_a_band_does_not_depend_on_other_bands(changes, dtype) -> None:
    data = red_noise(4)
    ten = make_settings(bands_hz=TEN, dtype=dtype, **changes)
    together, factors = spectra_of(data, ten, 4)
    assert factors.shape == (10, 4)
    for k, band in enumerate(TEN):
        alone, none = spectra_of(
            data, make_settings(bands_hz=(band,), dtype=dtype, **changes), 4
        )
        assert none is None
        where, weights = ten.band(k)
        result = together[:, where] * weights * factors[k][:, None]
        assert result.dtype == alone.dtype
        size = np.abs(alone).max(axis=1, keepdims=True)
        np.testing.assert_allclose(result / size, alone / size, rtol=0, atol=1e-6)


@pytest.mark.parametrize("way", ["band", "psd", "running-mean"])
def test_a_band_to_whiten_is_a_band(way) -> None:
    data = red_noise(3)
    first = make_settings(whiten=way, whiten_hz=(1, 2))
    other = make_settings(whiten=way, bands_hz=((1, 2),))
    assert first.bins == other.bins
    assert (spectra_of(data, first, 3)[0] == spectra_of(data, other, 3)[0]).all()


@pytest.mark.parametrize("way", WAYS)
def test_windows_have_unit_energy_in_each_band(way) -> None:
    settings = make_settings(bands_hz=((0.5, 1), (0.9, 4)), whiten=way)
    data, factors = spectra_of(red_noise(3), settings, 3)
    for k in range(2):
        where, weights = settings.band(k)
        whole = np.zeros((3, settings.n_fft // 2 + 1), complex)
        whole[:, settings.bins][:, where] = data[:, where] * weights
        whole *= factors[k][:, None]
        back = np.fft.irfft(whole, settings.n_fft)
        np.testing.assert_allclose(np.square(back).sum(axis=1), 1, rtol=1e-12)


def test_a_band_is_a_filter_without_phase() -> None:
    """Signals inside the band pass unchanged, in their units; others do not pass."""
    t = np.arange(4 * N) / RATE
    inside = np.sin(2 * np.pi * 1.2 * t) * np.hanning(4 * N)
    outside = np.sin(2 * np.pi * 4.0 * t) * np.hanning(4 * N)
    settings = make_settings(
        grid=WindowGrid(START.ns, 80 * NS, 80 * NS),
        bands_hz=((0.8, 2.0),),
        unit_energy=False,
    )
    data, _ = spectra_of(1e6 * (inside + outside), settings, 1)
    whole = np.zeros(settings.n_fft // 2 + 1, complex)
    whole[settings.bins] = data[0]
    back = np.fft.irfft(whole, settings.n_fft)[: 4 * N]
    # the Hann window's side lobes are 1e-4 there
    np.testing.assert_allclose(back, 1e6 * inside, atol=100)


@pytest.mark.parametrize("way", ["none", "band"])
def test_a_window_without_energy_in_a_band_has_no_factor(way) -> None:
    pulse, other = np.zeros(N), np.zeros(N)
    pulse[:2], other[:3] = 1, 1  # the first has nothing at Nyquist
    changes = {"edge_octaves": 0, "window_detrend": "none", "whiten": way}
    changes["max_lag_s"] = 4.0
    settings = make_settings(bands_hz=((1, 2), (4.99, 5)), **changes)
    assert settings.n_fft % 2 == 0
    _, factors = spectra_of(np.r_[pulse, other], settings, 2)
    assert (factors > 0).tolist() == [[True, True], [False, True]]
    alone = make_settings(bands_hz=((4.99, 5),), **changes)
    used, spectra = window_spectra([segment(np.r_[pulse, other])], range(2), alone)
    assert used.tolist() == [1]
    assert len(spectra) == 1


def test_bands_are_parts_of_the_union() -> None:
    settings = make_settings(bands_hz=((2, 4), (0.2, 0.4)))
    for k, band in enumerate(settings.bands_hz):
        weights, bins = band_weights(settings.n_fft, RATE, *band, dtype="float64")
        where, result = settings.band(k)
        assert (settings.bins.start + where.start) == bins.start
        assert (result == weights[bins]).all()
        assert not result.flags.writeable
    assert settings.bins.start == settings.bins.start + settings.band(1)[0].start
    assert settings.bins.stop == settings.bins.start + settings.band(0)[0].stop
    assert settings.band_names == ("2-4Hz", "0.2-0.4Hz")


# -- whitening ---------------------------------------------------------------------


def test_whitening_is_that_of_the_signal_functions() -> None:
    """Brutal, by running mean and by mean power, each as its function makes it."""
    data = red_noise(3)
    expected = {
        "band": lambda s, w, n: whiten(s, w),
        "running-mean": lambda s, w, n: whiten(s, w, n),
        "psd": lambda s, w, n: whiten_psd(s, w, n),
    }
    for way, function in expected.items():
        settings = make_settings(
            whiten=way, bands_hz=((1, 2),), whiten_smooth_hz=0.2, unit_energy=False
        )
        weights, bins = band_weights(settings.n_fft, RATE, 1, 2, dtype="float64")
        n = settings.whiten_smooth_bins
        assert n == round(0.2 * settings.n_fft / RATE) > 1
        wanted = function(plain_spectra(data, settings), weights, n)[:, bins]
        result, _ = spectra_of(data, settings, 3)
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-12)


def test_coherency_is_that_of_the_signal_function() -> None:
    data = red_noise(3)
    for smooth_hz in (0.0, 0.2):
        settings = make_settings(kind="coherency", smooth_hz=smooth_hz)
        plain = plain_spectra(data, settings)
        wanted = coherency_spectra(plain, settings.smooth_bins)
        result, _ = spectra_of(data, settings, 3)
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-9)


def test_spectra_for_deconvolution_keep_their_size() -> None:
    data = red_noise(2)
    settings = make_settings(kind="deconvolution")
    result, _ = spectra_of(data, settings, 2)
    wanted = plain_spectra(data, settings)
    np.testing.assert_allclose(result, wanted, rtol=1e-9, atol=1e-9 * abs(wanted).max())


# -- phases ------------------------------------------------------------------------


@pytest.mark.parametrize("window_s", [20.0, 19.95])
def test_rows_of_phases_give_the_phase_cross_correlation(window_s) -> None:
    """Also where windows differ in length: 199 or 200 samples."""
    grid = WindowGrid(START.ns, round(window_s * NS), round(window_s * NS))
    settings = make_settings(kind="pcc2", grid=grid)
    a, b = np.random.default_rng(3).normal(size=(2, 3 * N))
    u, v = (spectra_of(x, settings, 3)[0] for x in (a, b))
    assert u.shape == (6, settings.n_fft // 2 + 1)
    windows = np.arange(3)
    first = grid.first_sample(windows, RATE)
    stop = grid.stop_sample(windows, RATE)
    for k in range(3):
        x, y = (d[first[k] : stop[k]] - d[first[k] : stop[k]].mean() for d in (a, b))
        cross = (np.conj(u) * v)[2 * k : 2 * k + 2].sum(axis=0)
        result = lags_from_spectra(cross, settings.n_fft, None, settings.max_lag)
        wanted = phase_cross_correlate(x, y, settings.max_lag)
        np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", ["pcc1", "pcc2"])
@pytest.mark.parametrize("way", WAYS)
def test_phases_are_those_of_the_filtered_windows(kind, way) -> None:
    a, b = red_noise(2, 1), red_noise(2, 2)
    settings = make_settings(kind=kind, bands_hz=((1, 2),), whiten=way)
    plain = make_settings(bands_hz=((1, 2),), whiten=way, unit_energy=False)
    assert settings.bins == slice(0, settings.n_fft // 2 + 1)
    records = []
    for x in (a, b):
        whole = np.zeros((2, settings.n_fft // 2 + 1), complex)
        whole[:, plain.bins], _ = spectra_of(x, plain, 2)
        records.append(np.fft.irfft(whole, settings.n_fft)[:, :N])
    u, v = (spectra_of(x, settings, 2)[0] for x in (a, b))
    if kind == "pcc1":
        for result, wanted in zip((u, v), records, strict=True):
            back = np.fft.irfft(result, settings.n_fft)[:, :N]
            size = np.abs(wanted).max()
            np.testing.assert_allclose(back / size, wanted / size, rtol=0, atol=1e-12)
        return
    result = lags_from_spectra(
        (np.conj(u) * v)[2:].sum(axis=0), settings.n_fft, None, settings.max_lag
    )
    wanted = phase_cross_correlate(records[0][1], records[1][1], settings.max_lag)
    np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-9)


# -- components --------------------------------------------------------------------


def rotate_tensors(data: np.ndarray, radial_deg: float) -> np.ndarray:
    """Return Z, R, T of Z, N, E, of records or spectra."""
    if np.iscomplexobj(data):
        real, imaginary = (
            rotate_tensors(x, radial_deg) for x in (data.real, data.imag)
        )
        return real + 1j * imaginary
    return np.stack([data[0], *to_rt(data[1], data[2], radial_deg)])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("bands", [((0.5, 2),), ((0.5, 1), (1, 2))])
@pytest.mark.parametrize(
    "changes",
    [{"whiten": way} for way in WAYS] + [{"kind": "coherency", "smooth_hz": 0.1}],
)
def test_rotation_before_and_after_is_the_same(changes, bands, dtype) -> None:
    settings = make_settings(coherent=True, bands_hz=bands, dtype=dtype, **changes)
    a, b = red_noise(3, 1, channels=3), red_noise(3, 2, channels=3)
    a[2] *= 100  # east is loud
    result, before = [], []
    for data, angle in ((a, 200.0), (b, 35.0)):
        for into, rows in ((result, data), (before, rotate_tensors(data, angle))):
            _, spectra, factors = instrument_spectra(
                [[segment(row)] for row in rows], range(3), settings, [()] * 3
            )
            into.append(spectra if factors is None else spectra * factors[1][:, None])
    after = [
        rotate_tensors(x, angle) for x, angle in zip(result, (200.0, 35.0), strict=True)
    ]
    wanted, cross = (
        np.einsum("iwf,jwf->ijf", np.conj(x), y) for x, y in (before, after)
    )
    # rounding errors of the loud component are in both rotated components
    size = np.abs(wanted).max()
    atol = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(cross / size, wanted / size, rtol=0, atol=atol)


def test_components_alone_do_not_rotate() -> None:
    """Without coherent components the equality of the test above does not hold."""
    settings = make_settings(bands_hz=((0.5, 2),), whiten="band")
    data = red_noise(1, 1, channels=3)
    result, before = (
        np.stack([spectra_of(row, settings, 1)[0] for row in rows])
        for rows in (data, rotate_tensors(data, 200.0))
    )
    assert (
        np.abs(rotate_tensors(result, 200.0) - before).max()
        > 0.1 * np.abs(before).max()
    )


def test_polarisation_survives() -> None:
    """Ratios between components do not change, in each bin and in total."""
    data = red_noise(1)
    settings = make_settings(coherent=True, bands_hz=((0.5, 2),), whiten="band")
    rows = [[segment(data)], [segment(3 * data)]]
    _, (first, three), _ = instrument_spectra(rows, range(1), settings, [()] * 2)
    np.testing.assert_allclose(three, 3 * first, rtol=1e-12)


def make_waveforms(pieces: dict[str, list[tuple[int, int]]], flats=()) -> Waveforms:
    """Make noise of channels from sample to sample."""
    rng, stream = np.random.default_rng(0), Stream()
    names = [f"XX.AAA..HH{letter}" for letter in pieces]
    for (letter, runs), _ in zip(pieces.items(), names, strict=True):
        for first, stop in runs:
            header = {"network": "XX", "station": "AAA", "channel": f"HH{letter}"}
            header |= {"sampling_rate": RATE, "starttime": START + first / RATE}
            stream.append(Trace(rng.normal(size=stop - first), header))
    spans = tuple(
        ChannelSpan(name, START.ns, (START + 60).ns, (), 19783) for name in names
    )
    flats = flats or [()] * len(spans)
    channels = [
        ChannelTraces(span, (), flat) for span, flat in zip(spans, flats, strict=True)
    ]
    return Waveforms(tuple(channels)).with_stream(stream)


TABLE = {"XX.AAA..HHE": 0, "XX.AAA..HHN": 1, "XX.AAA..HHZ": 2}
GAPS = {"E": [(0, 600)], "N": [(0, 200), (210, 600)], "Z": [(200, 600)]}


def outputs(settings: SpectraSettings, item: Waveforms):
    result = list(WindowSpectra(settings, TABLE).process({"input": item}))
    return [m["output"] for m in result if "output" in m], [
        m["skipped"] for m in result if "skipped" in m
    ]


def test_coherent_components_use_their_common_windows() -> None:
    result, skipped = outputs(make_settings(coherent=True), make_waveforms(GAPS))
    assert [s.channel for s in result] == [0, 1, 2]
    assert {s.period for s in result} == {19783}
    assert [s.windows.tolist() for s in result] == [[2]] * 3
    assert not skipped
    alone, _ = outputs(make_settings(), make_waveforms(GAPS))
    assert [s.windows.tolist() for s in alone] == [[0, 1, 2], [0, 2], [1, 2]]


def test_a_dead_component_removes_the_windows_of_the_others_only_if_coherent() -> None:
    whole = {letter: [(0, 600)] for letter in "ENZ"}
    dead = ((START.ns, (START + 40).ns),)
    item = make_waveforms(whole, flats=((), (), dead))
    result, _ = outputs(make_settings(), item)
    assert [s.windows.tolist() for s in result] == [[0, 1, 2], [0, 1, 2], [2]]
    result, _ = outputs(make_settings(coherent=True), item)
    assert [s.windows.tolist() for s in result] == [[2]] * 3


def test_a_missing_component_is_named() -> None:
    item = make_waveforms({"E": [(0, 600)], "N": [], "Z": [(0, 600)]})
    result, (skipped,) = outputs(make_settings(coherent=True), item)
    assert [len(s.windows) for s in result] == [0, 0, 0]
    assert skipped.what == "XX.AAA..HH?"
    assert "all components have" in skipped.reason
    assert "of XX.AAA..HHN: 0 s" in skipped.reason


def test_traces_of_other_channels_are_listed() -> None:
    item = make_waveforms({"E": [(0, 600)], "N": [(0, 600)], "3": [(0, 600)]})
    item = Waveforms(item.channels[:2]).with_stream(item.stream)
    result, (skipped,) = outputs(make_settings(), item)
    assert [s.channel for s in result] == [0, 1]
    assert (skipped.what, skipped.stage) == ("XX.AAA..HH3", "windows")


def test_a_channel_that_the_table_does_not_know_is_an_error() -> None:
    pe = WindowSpectra(make_settings(), {})
    with pytest.raises(DataError, match="HHE is not in the table"):
        list(pe.process({"input": make_waveforms({"E": [(0, 600)]})}))


# -- windows and memory ------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [{"whiten": way, "bands_hz": TEN} for way in WAYS]
    + [{}, {"kind": "pcc2"}, {"window_detrend": "linear"}],
)
@pytest.mark.parametrize("gappy", [False, True])
def test_chunks_change_nothing(monkeypatch, changes, gappy) -> None:
    data = red_noise(7)
    data[300:420] = 0  # part of a window, and a dead one
    pieces = [segment(data)]
    if gappy:
        pieces = [segment(data[:950]), segment(data[955:], 955)]
    settings = make_settings(**changes)
    result = []
    for chunk_bytes, n_rows in ((16 << 20, 4), (8 * 3 * N, 1), (1, 4), (1, 1)):
        monkeypatch.setattr(cutting, "_CHUNK_BYTES", chunk_bytes)
        monkeypatch.setattr(cutting, "_ROWS", n_rows)
        result.append(instrument_spectra([pieces], range(7), settings, [()]))
    for used, spectra, factors in result[1:]:
        assert (used == result[0][0]).all()
        # the mean power of all windows is summed in another order
        np.testing.assert_allclose(spectra, result[0][1], rtol=1e-9, atol=1e-12)
        if factors is not None:
            np.testing.assert_allclose(factors, result[0][2], rtol=1e-9)


@pytest.mark.parametrize("size", [1e-310, 1e-40, 1e40, 1e300])
def test_samples_may_be_of_any_size(size) -> None:
    """Also where their squares, or they themselves, are no numbers in float32."""
    settings = make_settings(bands_hz=TEN, whiten="band", dtype="float32")
    data = red_noise(3)
    wanted, factors = spectra_of(data, settings, 3)
    result, others = spectra_of(data * size, settings, 3)
    # rounding of float32, in spectra that are at most 1
    np.testing.assert_allclose(result, wanted, rtol=0, atol=1e-4)
    np.testing.assert_allclose(others, factors, rtol=1e-6)


def test_windows_of_unequal_length_end_in_a_zero() -> None:
    """At 10 Hz windows of 1.95 s hold 20, 19, 20, 19 ... samples."""
    grid = WindowGrid(START.ns, 1_950_000_000, 1_950_000_000)
    settings = make_settings(grid=grid, max_lag_s=0.5, unit_energy=False)
    data = np.random.default_rng(1).normal(size=78)
    spectra, _ = spectra_of(data, settings, 4)
    back = np.fft.irfft(spectra, settings.n_fft)
    for row, first, stop in zip(back, (0, 20, 39, 59), (20, 39, 59, 78), strict=True):
        wanted = data[first:stop] - data[first:stop].mean()
        np.testing.assert_allclose(row[: stop - first], wanted, atol=1e-12)
        np.testing.assert_allclose(row[stop - first :], 0, atol=1e-12)


def test_overlapping_windows_leave_the_record_untouched() -> None:
    data = red_noise(3)
    before = data.copy()
    grid = WindowGrid(START.ns, 20 * NS, 5 * NS)
    used, spectra = window_spectra(
        [segment(data)], range(9), make_settings(grid=grid, window_detrend="linear")
    )
    assert (data == before).all()
    assert used.tolist() == list(range(9))
    alone, _ = spectra_of(data[150:350], make_settings(window_detrend="linear"), 1)
    np.testing.assert_allclose(spectra[3], alone[0], rtol=0, atol=1e-12)


@given(st.floats(-30, 30), st.sampled_from(WAYS), st.booleans())
@hypothesis_settings(max_examples=30, deadline=None)
def test_normalised_spectra_do_not_depend_on_units(power, way, several) -> None:
    """The record times any number, in float32: from nanometres to counts."""
    bands = TEN if several else TEN[:1]
    settings = make_settings(bands_hz=bands, whiten=way, dtype="float32")
    data = np.cumsum(np.random.default_rng(4).normal(size=2 * N))
    first, factors = spectra_of(data, settings, 2)
    second, others = spectra_of(10.0**power * data, settings, 2)
    if several:
        first, second = first * factors[3][:, None], second * others[3][:, None]
    size = np.abs(first).max()
    np.testing.assert_allclose(second / size, first / size, rtol=0, atol=2e-6)


@pytest.mark.parametrize("way", ["none", "psd"])
def test_a_day_at_100_hz_takes_little_beside_its_spectra(way) -> None:
    rate_hz = 100.0
    data = np.random.default_rng(0).normal(size=round(86_400 * rate_hz))
    grid = WindowGrid(START.ns, 1800 * NS, 1800 * NS)
    settings = SpectraSettings(
        grid, rate_hz, 60.0, bands_hz=((0.1, 10.0),), whiten=way, window_detrend="none"
    )
    pieces = [Segment("XX.AAA..HHZ", 0, rate_hz, data)]
    tracemalloc.start()
    try:
        used, spectra = window_spectra(pieces, range(48), settings)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(used) == 48
    assert peak < 2 * spectra.nbytes + 100e6


# -- settings ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "xcorr"}, "kind 'xcorr': one of cc, "),
        ({"whiten": "white"}, "whiten 'white': one of none, "),
        ({"dtype": "float16"}, "dtype"),
        ({"whiten": "psd"}, "needs whiten_hz or bands_hz"),
        ({"whiten": "none", "whiten_hz": (1, 2)}, "no effect"),
        ({"whiten_hz": (1, 2), "bands_hz": TEN}, "give one of them"),
        ({"bands_hz": ((1, 2), (1, 2.0))}, "two bands are called 1-2Hz"),
        ({"bands_hz": ((1, 2), (1.23456, 2.34567))}, "fewer digits"),
        ({"kind": "coherency", "unit_energy": True}, "unit_energy"),
        ({"kind": "coherency", "whiten_hz": (1, 2)}, "divides by the amplitude"),
        ({"kind": "pcc2", "bands_hz": TEN}, "one band"),
        ({"kind": "deconvolution", "coherent": True}, "cannot be rotated"),
        ({"water_level": 0.0}, "water_level"),
        ({"smooth_hz": -1.0}, "smooth_hz"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(changes, message) -> None:
    with pytest.raises(ParameterError, match=message):
        make_settings(**changes)


def test_settings_and_spectra_travel() -> None:
    settings = make_settings(bands_hz=[[1, 2], [2, 4]])
    assert pickle.loads(pickle.dumps(settings)) == settings
    assert hash(settings) == hash(make_settings(bands_hz=((1.0, 2.0), (2.0, 4.0))))
    data, factors = spectra_of(red_noise(2), settings, 2)
    first = pickle.loads(pickle.dumps(Spectra(0, 0, 0, 1, np.arange(2), data, factors)))
    assert (first.factors == factors).all()
