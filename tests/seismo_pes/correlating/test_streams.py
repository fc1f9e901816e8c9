"""Correlation of the channels of a stream."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime, read

from dispel4py.errors import DataError, ParameterError
from seismo_pes.correlating.tiles.streams import (
    Correlate,
    correlate_pair,
    correlate_stream,
)
from seismo_pes.gathering.traces import Gather
from seismo_pes.items.correlation import Correlation
from seismo_pes.methods import CORRELATIONS
from seismo_pes.signal import coherency
from seismo_pes.signal.correlate import correlate_direct, cross_correlate

START = UTCDateTime(2024, 3, 1)
RATE = 10.0


def trace(data, station="AAA", code="HHZ", start=START, rate_hz=RATE) -> Trace:
    header = {"network": "XX", "station": station, "channel": code}
    return Trace(
        np.asarray(data), header | {"sampling_rate": rate_hz, "starttime": start}
    )


def noise(n=3000, seed=1):
    return np.random.default_rng(seed).standard_normal(n)


def wave(delay, n=3000):
    """Band-limited noise that reaches the second station ``delay`` samples later."""
    x = np.convolve(noise(n + 200), np.hanning(9), "same")
    return trace(x[100 : n + 100]), trace(x[100 - delay : n + 100 - delay], "BBB")


@pytest.mark.parametrize("kind", CORRELATIONS)
@pytest.mark.parametrize("delay", [13, -8])
def test_every_kind_finds_the_delay(kind, delay):
    a, b = wave(delay)
    result = correlate_pair(a, b, 5.0, kind=kind, window_s=60.0, step_s=30.0)
    assert result.kind == kind
    assert result.data.shape == (9, 101)
    assert result.data.dtype == np.float32
    at = result.lags_s[result.data.argmax(axis=1)]
    np.testing.assert_allclose(at, delay / RATE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_windows_are_those_of_the_textbook(dtype):
    a, b = trace(noise(seed=1)), trace(noise(seed=2), "BBB")
    result = correlate_pair(
        *(a, b, (-1.0, 2.0)), window_s=20.0, step_s=15.0, dtype=dtype, unit_energy=False
    )
    assert result.lags_s[0] == -1.0
    assert result.lags_s[-1] == 2.0
    assert len(result.data) == 19
    for row, start in zip(result.data, result.start_ns, strict=True):
        i = round((start - START.ns) * 1e-9 * RATE)
        assert start % 15_000_000_000 == 0
        x, y = (t.data[i : i + 200] - t.data[i : i + 200].mean() for t in (a, b))
        expected = correlate_direct(x, y, (-10, 20))
        tolerance = 2e-4 if dtype == "float32" else 1e-10  # of peaks of some 50
        np.testing.assert_allclose(row, expected, atol=tolerance)


def test_energy_normalises_each_window():
    a = trace(noise())
    result = correlate_pair(a, a, 1.0, window_s=50.0)
    np.testing.assert_allclose(result.data[:, 10], 1.0, rtol=1e-6)
    np.testing.assert_allclose(result.data, result.data[:, ::-1], atol=1e-6)


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 1000), st.sampled_from(["cc", "coherency", "pcc2", "pcc1"]))
def test_the_other_way_round_is_reversed_in_lag(seed, kind):
    a, b = trace(noise(300, seed)), trace(noise(300, seed + 1), "BBB")
    forward, back = (
        correlate_pair(*pair, 3.0, kind=kind, dtype="float64")
        for pair in ((a, b), (b, a))
    )
    assert (back.first, back.second) == (forward.second, forward.first)
    np.testing.assert_allclose(forward.data, back.data[:, ::-1], atol=1e-9)


def test_phase_correlations_are_those_of_the_arrays():
    a, b = trace(noise(300)), trace(noise(300, 2), "BBB")
    for kind, power in (("pcc1", 1.0), ("pcc2", 2.0)):
        result = correlate_pair(a, b, 2.0, kind=kind, window_detrend="none")
        expected = coherency.phase_cross_correlate(a.data, b.data, 20, power)
        np.testing.assert_allclose(result.data[0], expected, atol=1e-5)


def test_without_windows_the_common_time_is_one():
    a, b = wave(0)
    late = b.slice(START + 30)
    result = correlate_pair(a, late, 1.0, dtype="float64", unit_energy=False)
    assert result.start_ns.tolist() == [(START + 30).ns]
    x, y = a.data[300:], late.data
    expected = cross_correlate(x - x.mean(), y - y.mean(), 10)
    np.testing.assert_allclose(result.data[0], expected, atol=1e-9)


def test_gaps_and_silence_leave_windows_out():
    a, b = wave(0)
    b.data[600:1200] = 0.0
    holes = Stream([a.slice(START, START + 100), a.slice(START + 150)])
    result = correlate_pair(holes, Stream([b]), 1.0, window_s=60.0)
    # windows of a minute: the second of b is silent, the third of a has the hole
    minutes = [(s - START.ns) / 60e9 for s in result.start_ns]
    assert minutes == [0.0, 3.0, 4.0]


def tensor_stream():
    return Stream(
        [
            trace(noise(300, 10 * i + j), station, f"HH{c}")
            for i, station in enumerate(("AAA", "BBB"))
            for j, c in enumerate("ZNE")
        ]
    )


@pytest.mark.parametrize(
    ("pairs", "n"),
    [("cross", 9), ("single-station", 6), ("auto", 6), ("all", 21)],
)
def test_pairs(pairs, n):
    result = correlate_stream(tensor_stream(), 1.0, pairs=pairs)
    assert len(result) == n
    for c in result:
        same = c.first.split(".")[1] == c.second.split(".")[1]
        assert same == (pairs != "cross") or pairs == "all"
    given_pairs = correlate_stream(tensor_stream(), 1.0, pairs=[("*BBB*Z", "*AAA*Z")])
    assert [c.id for c in given_pairs] == ["XX.BBB..HHZ_XX.AAA..HHZ"]


def test_coordinates_give_the_geometry():
    a, b = wave(0, 300)
    a.stats.coordinates = {"latitude": 0.0, "longitude": 0.0}
    b.stats.sac = {"stla": 0.0, "stlo": 1.0}
    result = correlate_pair(a, b, 1.0)
    assert abs(result.distance_km - 111.319491) < 1e-6
    assert (result.azimuth_deg, result.back_azimuth_deg) == (90.0, 270.0)
    b.stats.sac = {"stla": -12345.0, "stlo": -12345.0}
    assert np.isnan(correlate_pair(a, b, 1.0).distance_km)


def test_starts_within_half_a_sample_are_simultaneous():
    a, b = wave(5)
    b.stats.starttime += 0.04
    result = correlate_pair(a, b, 2.0)
    assert result.lags_s[result.data[0].argmax()] == 0.5
    assert len(result.data) == 1


def test_mistakes_and_bad_data():
    a, b = wave(0, 300)
    for wrong, reason in (
        ({"kind": "xc"}, "coherency"),
        ({"normalize": "max"}, "no option 'normalize'"),
        ({"unit_energy": True, "kind": "pcc2"}, "cc"),
        ({"whiten_hz": (1, 2), "kind": "coherency"}, "bands_hz"),
        ({"bands_hz": ((1, 2), (2, 4))}, "one band after the other"),
    ):
        with pytest.raises(ParameterError, match=reason):
            correlate_pair(a, b, 1.0, **wrong)
    with pytest.raises(ParameterError, match="single-station"):
        correlate_stream(Stream([a, b]), 1.0, pairs="some")
    with pytest.raises(DataError, match="two channels"):
        correlate_pair(Stream([a, b]), b, 1.0)
    with pytest.raises(DataError, match="no window"):
        correlate_pair(a, b, 1.0, window_s=60.0)
    with pytest.raises(DataError, match="5, 10 Hz"):
        correlate_pair(a, trace(noise(), "BBB", rate_hz=5.0), 1.0)
    assert correlate_stream(Stream(), 1.0) == []
    with pytest.raises(ParameterError, match="first_lag"):
        Correlation.of("a", "b", np.zeros(4), 1.0)


def test_traces_do_not_change():
    a, b = wave(0, 300)
    before = a.copy(), b.copy()
    for kind in CORRELATIONS:
        correlate_pair(a, b, 1.0, kind=kind)
    assert (a, b) == before


def test_as_elements():
    written = []
    gather = Gather()
    gather._writer = lambda port, item: written.append(item)
    a, b = wave(7)
    later = b.copy()
    later.stats.starttime += 86400
    for item in (b, Stream([a]), later):
        gather.process({"input": item})
    gather.postprocess()
    assert [[t.id for t in s] for s in written] == [
        ["XX.AAA..HHZ", "XX.BBB..HHZ"],
        ["XX.BBB..HHZ"],
    ]
    pe = pickle.loads(pickle.dumps(Correlate(max_lag_s=2.0)))
    ((result),) = list(pe.process({"input": written[0]}))
    assert result["output"].lags_s[result["output"].data[0].argmax()] == 0.7


def test_real_records_agree_with_the_main_job(shared_data):
    folder = shared_data / "ci_cca_hec"
    stream = Stream()
    for name in ("CICCA__BHN___2022002.ms", "CIHEC__BHN___2022002.ms"):
        stream += read(folder / name)
    result = correlate_stream(
        stream,
        200.0,
        window_s=3600.0,
        dtype="float64",
    )
    (c,) = result
    mean = c.data.mean(axis=0)
    assert len(c.data) == 24
    at = np.abs(mean).argmax()
    assert abs(c.lags_s[at] + 48.875) < 1e-9
    assert abs(mean[at] + 0.036741) < 1e-5
    assert abs(mean[c.first_lag * -1] + 0.003990) < 1e-5
