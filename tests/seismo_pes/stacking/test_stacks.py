"""Stacks of correlation windows, as functions and elements."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.correlation import Correlation
from seismo_pes.signal import stack as arrays
from seismo_pes.stacking.stacks import (
    STACKS,
    Bootstrap,
    MovingStack,
    RunningStack,
    SignalToNoise,
    Stack,
    Symmetric,
    bootstrap,
    moving_stack,
    signal_to_noise,
    stack,
    symmetric,
)

HOUR = 3_600_000_000_000
OPTIONS = {
    "time-frequency-phase-weighted": {"low_hz": 0.05, "high_hz": 0.4},
    "selective": {"threshold": 0.1},
}


def windows(n=12, n_lags=101, seed=1, dtype=np.float32, noise=0.5) -> Correlation:
    lag = np.arange(n_lags) - n_lags // 2
    wave = np.cos(0.9 * (lag - 10)) * np.exp(-(((lag - 10) / 8) ** 2))
    rng = np.random.default_rng(seed)
    data = (wave + noise * rng.standard_normal((n, n_lags))).astype(dtype)
    start = HOUR * np.arange(n)
    return Correlation.of(
        "XX.AAA..HHZ",
        "XX.BBB..HHZ",
        data,
        1.0,
        start_ns=start,
        end_ns=start + HOUR,
        distance_km=20.0,
    )


def items(pe, item):
    return [
        (port, x)
        for output in pe.process({"input": item})
        for port, x in output.items()
    ]


@pytest.mark.parametrize("kind", STACKS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_stack_shows_the_wave_and_keeps_the_type(kind, dtype):
    c = windows(dtype=dtype)
    before = c.data.copy()
    pe = pickle.loads(pickle.dumps(Stack(kind=kind, **OPTIONS.get(kind, {}))))
    ((port, result),) = items(pe, c)
    assert port == "output"
    assert result.data.shape == (101,)
    assert result.data.dtype == dtype
    assert result.lags_s[result.data.argmax()] == 10.0
    assert (int(result.n_windows), int(result.start_ns)) == (12, 0)
    assert int(result.end_ns) == 12 * HOUR
    assert np.array_equal(c.data, before)


@pytest.mark.parametrize("kind", STACKS)
def test_one_window_is_a_stack(kind):
    # as the only day of a data set: peers need two
    result = stack(windows(1, noise=0.0), kind, **OPTIONS.get(kind, {}))
    assert int(result.n_windows) == 1
    assert result.lags_s[np.abs(result.data).argmax()] == 10.0


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=5))
def test_a_stack_of_stacks_is_the_stack_of_all(sizes):
    c = windows(sum(sizes), dtype=np.float64)
    edges = np.cumsum([0, *sizes])
    parts = [
        Correlation.of(
            c.first,
            c.second,
            c.data[i:j].mean(axis=0)[None],
            1.0,
            n_windows=np.array([j - i]),
        )
        for i, j in pairwise(edges)
    ]
    joined = Correlation.of(
        c.first,
        c.second,
        np.concatenate([p.data for p in parts]),
        1.0,
        n_windows=np.array(sizes),
    )
    assert np.allclose(stack(joined).data, stack(c).data)
    pe = RunningStack()
    *_, (_, last) = [output for part in parts for output in items(pe, part)]
    assert np.allclose(last.data, stack(c).data)
    assert int(last.n_windows) == sum(sizes)


def test_moving_stacks_have_their_times():
    c = windows(10, dtype=np.float64)
    result = moving_stack(c, 3 * 3600, 2 * 3600)
    assert result.n_windows.tolist() == [3, 3, 3, 3, 2]
    assert (result.start_ns // HOUR).tolist() == [0, 2, 4, 6, 8]
    assert (result.end_ns // HOUR).tolist() == [3, 5, 7, 9, 10]
    assert np.allclose(result.data[1], c.data[2:5].mean(axis=0))
    ((port, same),) = items(MovingStack(length_s=10_800, step_s=7200), c)
    assert port == "output"
    assert np.array_equal(same.data, result.data)


def test_moving_stacks_leave_gaps_out():
    c = windows(6)
    late = c.start_ns + np.array([0, 0, 0, 20, 20, 20]) * HOUR
    gap = Correlation.of(
        c.first, c.second, c.data, 1.0, start_ns=late, end_ns=late + HOUR
    )
    result = moving_stack(gap, 3 * 3600, 3 * 3600)
    assert result.n_windows.sum() == 6
    assert (result.n_windows > 0).all()
    with pytest.raises(DataError, match="length_s"):
        moving_stack(c, 1800, 1800)
    with pytest.raises(ParameterError, match="positive"):
        moving_stack(c, 0, 1)


def test_bootstrap_gives_the_error_of_the_mean():
    c = windows(400, dtype=np.float64)
    result = bootstrap(c, n_draws=400)
    assert np.allclose(result.data, c.data.mean(axis=0))
    expected = c.data.std(axis=0, ddof=1) / np.sqrt(400)
    assert np.median(np.abs(result.deviation / expected - 1)) < 0.05
    ((_, first),) = items(Bootstrap(n_draws=10, seed=3), c)
    assert first.deviation.shape == first.data.shape


def test_symmetric_is_the_mean_of_both_sides():
    c = windows(3, dtype=np.float64)
    result = symmetric(c)
    assert result.lags_s[0] == 0
    assert np.allclose(result.data[:, 5], (c.data[:, 55] + c.data[:, 45]) / 2)
    with pytest.raises(DataError, match=r"-K\.\.K"):
        symmetric(result)
    assert items(Symmetric(), result)[0][0] == "skipped"


def test_signal_to_noise_of_the_arrivals():
    stacked = stack(windows(50))
    result = signal_to_noise(stacked, velocity_km_s=(1.5, 2.5))
    assert result.distance_km == 20.0
    outside = np.abs(stacked.lags_s) >= 2 * 20 / 1.5
    inside = (np.abs(stacked.lags_s) >= 8) & (np.abs(stacked.lags_s) <= 20 / 1.5)
    rms = np.sqrt(np.square(stacked.data[outside], dtype=float).mean())
    assert np.allclose(result.ratio, np.abs(stacked.data[inside]).max() / rms)
    assert signal_to_noise(stacked, signal_s=(8, 13)).ratio > 5
    assert signal_to_noise(stacked, signal_s=(8, 40)).ratio > 5
    with pytest.raises(ParameterError, match="velocity_km_s or signal_s"):
        signal_to_noise(stacked)
    far = Correlation.of("a", "b", stacked.data, 1.0)
    assert items(SignalToNoise(velocity_km_s=(1, 2)), far)[0][0] == "skipped"


def test_running_stacks_of_several_pairs():
    pe, written = RunningStack(each=False), []
    pe._writer = lambda port, item: written.append(item)
    first, second = windows(seed=1), windows(seed=2)
    second = Correlation.of("XX.CCC..HHZ", second.second, second.data, 1.0)
    for c in (first, second, first):
        assert not items(pe, c)
    pe.postprocess()
    assert [c.first for c in written] == ["XX.AAA..HHZ", "XX.CCC..HHZ"]
    assert np.allclose(written[0].data, first.data.mean(axis=0), atol=1e-6)
    assert int(written[0].n_windows) == 24


def test_mistakes():
    with pytest.raises(ParameterError, match="did you mean 'linear'"):
        stack(windows(), "liner")
    with pytest.raises(ParameterError, match="threshold"):
        stack(windows(), "selective")
    with pytest.raises(ParameterError, match="powr"):
        stack(windows(), "nth-root", powr=2)
    with pytest.raises(DataError, match="no window"):
        stack(windows(0))
    running = RunningStack()
    items(running, windows())
    with pytest.raises(DataError, match="lags differ"):
        items(running, windows(n_lags=99))


def test_stacks_agree_with_the_arrays():
    c = windows(dtype=np.float64)
    assert np.array_equal(
        stack(c, "phase-weighted", power=1.0).data, arrays.phase_weighted(c.data, 1.0)
    )
    assert np.array_equal(stack(c, "robust").data, arrays.robust(c.data)[0])
