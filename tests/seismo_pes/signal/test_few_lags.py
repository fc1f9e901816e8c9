"""Correlations of blocks of which few lags or few pairs are wanted."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import _blocks, _lags
from seismo_pes.signal._blocks import short_transform
from seismo_pes.signal.correlate import correlate_block, fast_layout
from seismo_pes.signal.errors import ParameterError


def spectra(seed: int, n: int, n_windows: int, bins: slice, n_fft: int) -> np.ndarray:
    """Make spectra of real records, bins first."""
    rng = np.random.default_rng(seed)
    records = rng.normal(size=(n, n_windows, n_fft))
    full = np.fft.rfft(records) / np.sqrt(n_fft)
    return np.ascontiguousarray(full[..., bins].transpose(2, 0, 1))


@given(
    n_fft=st.sampled_from([3840, 3750, 7200]),
    max_lag=st.one_of(st.integers(0, 900), st.just((37, 180)), st.just((-500, -20))),
    edges=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    n_windows=st.integers(1, 3),
)
@settings(max_examples=60, deadline=None)
def test_few_lags_are_those_of_the_long_transform(
    n_fft, max_lag, edges, n_windows
) -> None:
    low, high = sorted(round(x * (n_fft // 2)) for x in edges)
    bins = slice(low, high + 1)
    a, b = (spectra(k, 2 + k, n_windows, bins, n_fft) for k in range(2))
    whole = correlate_block(a, b, n_fft, bins, max_lag, layout="bins-first")
    a32, b32 = a.astype(np.complex64), b.astype(np.complex64)
    result = correlate_block(a32, b32, n_fft, bins, max_lag, layout="bins-first")
    # the largest possible value at any lag: the terms of the sum may cancel
    scale = 2 / n_fft * np.einsum("faw,fbw->ab", np.abs(a), np.abs(b))
    worst = np.abs(result - whole).max(axis=1) / scale.reshape(-1)
    assert worst.max() < 1e-6


def test_the_shorter_way_is_taken_where_lags_are_few() -> None:
    day = 38_400, slice(150, 3850), range(-2400, 2401)
    result = short_transform(*day, np.complex64)
    assert result is not None
    assert result.ratio == 4
    assert short_transform(*day, np.complex128) is None
    assert short_transform(19_440, slice(0, 9721), range(-5000, 5001), "c8") is None
    assert fast_layout(1, 38_400, day[1], 2400, "complex64") == "bins-first"


@pytest.mark.parametrize("n_windows", [1, 3])
def test_small_pieces_give_the_same(n_windows, monkeypatch) -> None:
    bins = slice(3, 800)
    a = spectra(0, 7, n_windows, bins, 3840).astype(np.complex64)
    options = {"layout": "bins-first", "diagonal": 1}
    whole = correlate_block(a, a, 3840, bins, 100, **options)
    monkeypatch.setattr(_blocks, "_PAIRS", 15)
    monkeypatch.setattr(_lags, "TRANSFORM_BYTES", 3 * 4 * 480)
    monkeypatch.setattr(_blocks, "_BUFFER_BYTES", 8 * 14 * 64 * 3)
    some = correlate_block(a, a, 3840, bins, 100, **options)
    assert np.abs(some - whole).max() < 1e-6 * np.abs(whole).max()


@given(
    wanted=st.lists(
        st.lists(st.booleans(), min_size=5, max_size=5), min_size=4, max_size=4
    ),
    n_windows=st.integers(1, 3),
    max_lag=st.sampled_from([3, 50]),
    dtype=st.sampled_from([np.complex64, np.complex128]),
)
@settings(max_examples=60, deadline=None)
def test_wanted_pairs_are_rows_of_all(wanted, n_windows, max_lag, dtype) -> None:
    bins = slice(5, 160)
    a = spectra(0, 4, n_windows, bins, 360).astype(dtype)
    b = spectra(1, 5, n_windows, bins, 360).astype(dtype)
    whole = correlate_block(a, b, 360, bins, max_lag, layout="bins-first")
    chosen = np.array(wanted)
    some = correlate_block(a, b, 360, bins, max_lag, layout="bins-first", wanted=chosen)
    atol = 1e-5 if dtype == np.complex64 else 1e-12
    np.testing.assert_allclose(some, whole[chosen.reshape(-1)], rtol=0, atol=atol)


def test_wanted_of_another_shape_is_refused() -> None:
    a = spectra(0, 2, 1, slice(0, 61), 120)
    with pytest.raises(ParameterError, match="wanted"):
        correlate_block(
            a, a, 120, None, 3, layout="bins-first", wanted=np.ones((1, 2), bool)
        )
