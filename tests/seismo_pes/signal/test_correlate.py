import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal import _blocks, _lags
from seismo_pes.signal import correlate as c
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.spectra import fft_length, rfft_windows

# Of the peak: float32 transforms of some thousand samples; float64 likewise.
TOLERANCE = {np.dtype("f4"): 1e-6, np.dtype("f8"): 1e-12}


def records(n_records, n_windows, n, dtype, seed=1):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n_records, n_windows, n)).astype(dtype)


def reference(a, b, max_lag):
    """Sum over windows of the textbook correlation, for all pairs."""
    return np.array(
        [
            [
                sum(
                    c.correlate_direct(x, y, max_lag) for x, y in zip(p, q, strict=True)
                )
                for q in b
            ]
            for p in a
        ]
    )


def test_a_positive_lag_arrives_at_b_later():
    a, b = np.zeros(50), np.zeros(50)
    a[10], b[17] = 2.0, 3.0
    for correlate in (c.correlate_direct, c.cross_correlate):
        out = correlate(a, b, 20)
        assert np.argmax(out) - 20 == 7
        assert abs(out[27] - 6) < 1e-12
        assert np.abs(np.delete(out, 27)).max() < 1e-12


def test_direct_is_the_sum_of_its_definition():
    rng = np.random.default_rng(2)
    for n_a, n_b, lag in [(5, 5, 3), (5, 9, 12), (1, 4, 2), (7, 1, 9), (4, 4, 0)]:
        a, b = rng.standard_normal(n_a), rng.standard_normal(n_b)
        wanted = [
            sum(a[n] * b[n + k] for n in range(n_a) if 0 <= n + k < n_b)
            for k in range(-lag, lag + 1)
        ]
        assert np.allclose(c.correlate_direct(a, b, lag), wanted, atol=1e-14)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("n", "lag"), [(997, 100), (500, 499), (300, 700), (1, 0)])
def test_friendly_function_equals_the_textbook(dtype, n, lag):
    a, b = records(2, 1, n, dtype)[:, 0]
    before = a.copy(), b.copy()
    out = c.cross_correlate(a, b, lag)
    wanted = c.correlate_direct(a, b, lag)
    assert out.dtype == dtype
    # For records of about one sample, rounding errors do not scale with the peak.
    scale = np.sqrt((a.astype(float) ** 2).sum() * (b.astype(float) ** 2).sum())
    assert np.abs(out - wanted).max() <= TOLERANCE[out.dtype] * scale
    assert np.array_equal(a, before[0])
    assert np.array_equal(b, before[1])


def test_lags_never_wrap():
    # A peer's circular correlation puts the ends of the windows at wrong lags.
    a, b = np.zeros(64), np.zeros(64)
    a[0], b[63] = 1.0, 1.0
    out = c.cross_correlate(a, b, 62)
    assert np.abs(out).max() < 1e-15
    assert np.argmax(c.cross_correlate(a, b, 63)) == 126


def test_energy_normalisation_and_silence():
    a = np.random.default_rng(3).standard_normal((2, 300))
    a[1] = 0
    out = c.cross_correlate(a, a, 10, "energy")
    assert abs(out[0, 10] - 1) < 1e-12
    assert (out[1] == 0).all()
    assert c.cross_correlate(np.empty(0), np.ones(3), 2).tolist() == [0] * 5
    assert np.isnan(c.cross_correlate([np.nan, 1.0], [1.0, 1.0], 1)).all()
    assert c.cross_correlate(a[:1], a, 3).shape == (2, 7)


@pytest.mark.parametrize("layout", ["bins-last", "bins-first"])
@pytest.mark.parametrize("n_windows", [1, 2, 7])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_equal_the_textbook(dtype, n_windows, layout):
    n, lag = 601, 150
    a = records(4, n_windows, n, dtype, 4)
    b = records(6, n_windows, n, dtype, 5)
    a[0] = b[0]  # a pair with a peak
    wanted = reference(a, b, lag)
    n_fft = fft_length(n, lag)
    sa, sb = rfft_windows(a, n_fft), rfft_windows(b, n_fft)
    if layout == "bins-first":
        sa, sb = c.bins_first(sa), c.bins_first(sb)
    before = sa.copy(), sb.copy()
    tolerance = TOLERANCE[np.dtype(dtype)] * np.abs(wanted).max()

    sums = c.stack_cross_spectra(sa, sb, layout)
    lags = c.lags_from_spectra(sums, n_fft, None, lag)
    assert lags.dtype == dtype
    assert lags.shape == wanted.shape
    assert np.abs(lags - wanted).max() < tolerance

    out = c.correlate_block(sa, sb, n_fft, None, lag, layout=layout)
    assert out.dtype == dtype
    assert np.abs(out.reshape(wanted.shape) - wanted).max() < tolerance
    assert np.array_equal(sa, before[0])
    assert np.array_equal(sb, before[1])


@pytest.mark.parametrize("n_windows", [1, 3])
@pytest.mark.parametrize("diagonal", [None, 0, 1, 2, -1, 9])
def test_triangles_of_a_block(n_windows, diagonal):
    x = records(5, n_windows, 100, np.float64, 6)
    n_fft = fft_length(100, 20)
    s = rfft_windows(x, n_fft)
    pairs = c.block_pairs(5, 5, diagonal)
    whole = c.correlate_block(s, s, n_fft, None, 20).reshape(5, 5, 41)
    part = c.correlate_block(s, s, n_fft, None, 20, diagonal=diagonal)
    assert np.allclose(part, whole[pairs[:, 0], pairs[:, 1]], atol=1e-12)
    if diagonal is not None:
        i, j = np.triu_indices(5, diagonal)
        assert np.array_equal(pairs, np.stack([i, j], 1))


def test_small_tiles_give_the_same(monkeypatch):
    x = records(9, 4, 80, np.float32, 7)
    n_fft = fft_length(80, 30)
    s = c.bins_first(rfft_windows(x, n_fft))
    options = {"layout": "bins-first", "diagonal": 1}
    wanted = c.correlate_block(s, s, n_fft, None, 30, **options)
    monkeypatch.setattr(_blocks, "_TILE_BYTES", 2 * 9 * s.shape[0] * 8)
    monkeypatch.setattr(_lags, "TRANSFORM_BYTES", 3 * 4 * n_fft)
    monkeypatch.setattr(_blocks, "_CHUNK_BYTES", 1)
    out = c.correlate_block(s, s, n_fft, None, 30, **options)
    assert np.allclose(out, wanted, rtol=0, atol=1e-5)


def test_bins_scale_and_out():
    x = records(3, 2, 128, np.float64, 8)
    n_fft = fft_length(128, 32)
    bins = slice(10, 40)
    full = rfft_windows(x, n_fft)
    masked = np.zeros_like(full)
    masked[..., bins] = full[..., bins]
    wanted = c.correlate_block(masked, masked, n_fft, None, 32)
    part = rfft_windows(x, n_fft, bins)
    out = np.empty((9, 65), np.float32)
    scale = np.arange(1.0, 10.0)
    result = c.correlate_block(part, part, n_fft, bins, 32, out=out, scale=scale)
    assert result is out
    assert np.allclose(out, wanted * scale[:, None], rtol=0, atol=1e-4)
    sums = c.stack_cross_spectra(part, part)
    lags = c.lags_from_spectra(sums, n_fft, bins, 32, scale=0.5)
    assert np.allclose(lags.reshape(9, 65), wanted / 2, atol=1e-12)
    # The scratch of a call with many bins must not leak into one with few.
    c.correlate_block(full, full, n_fft, None, 32)
    again = c.correlate_block(part, part, n_fft, bins, 32)
    assert np.allclose(again, wanted, atol=1e-12)


def test_empty_blocks_and_no_windows():
    s = np.zeros((2, 0, 33), np.complex64)
    out = c.correlate_block(s, s, 64, None, 5)
    assert out.shape == (4, 11)
    assert (out == 0).all()
    none = np.zeros((0, 3, 33), np.complex64)
    assert c.correlate_block(none, none, 64, None, 5).shape == (0, 11)
    assert c.stack_cross_spectra(none, none).shape == (0, 0, 33)
    assert c.lags_from_spectra(none, 64, None, 5).shape == (0, 3, 11)


def test_wrong_parameters_are_named():
    s = np.zeros((2, 3, 33), np.complex64)
    for call, words in [
        (lambda: c.cross_correlate([1.0], [1.0], -1), "max_lag"),
        (lambda: c.cross_correlate([1.0], [1.0], 1, "peak"), "normalize"),
        (lambda: c.correlate_direct([[1.0]], [1.0], 1), "one axis"),
        (lambda: c.stack_cross_spectra(s, s[:, :2]), "differ"),
        (lambda: c.stack_cross_spectra(s, s, "frequency"), "layout"),
        (lambda: c.stack_cross_spectra(s, s[0]), "three axes"),
        (lambda: c.lags_from_spectra(s, 64, None, 32), "max_lag"),
        (lambda: c.lags_from_spectra(s, 80, None, 3), "do not fit"),
        (lambda: c.correlate_block(s, s, 64, slice(0, 9), 3), "do not fit"),
        (
            lambda: c.correlate_block(s, s, 64, None, 3, out=np.empty((4, 9))),
            "out must be",
        ),
        (lambda: c.bins_first(s[0]), "spectra"),
    ]:
        with pytest.raises(ParameterError, match=words):
            call()


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 60), st.integers(0, 70), st.integers(0, 2**32 - 1))
def test_swapping_the_records_reverses_time(n, lag, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, n))
    ab, ba = c.cross_correlate(a, b, lag), c.cross_correlate(b, a, lag)
    assert np.allclose(ab, ba[::-1], rtol=0, atol=1e-12)
    bounded = c.cross_correlate(a, b, lag, "energy")
    assert np.abs(bounded).max() <= 1 + 1e-12


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 20), st.integers(0, 2**32 - 1))
def test_shifting_b_shifts_the_correlation(shift, seed):
    a, b = np.random.default_rng(seed).standard_normal((2, 50))
    later = np.concatenate([np.zeros(shift), b])
    plain, moved = c.cross_correlate(a, b, 60), c.cross_correlate(a, later, 60)
    assert np.allclose(moved[shift:], plain[: 121 - shift], rtol=0, atol=1e-12)


@pytest.mark.parametrize("lags", [(-9, -4), (-3, 5), (0, 0), (4, 11), (2, 2), (-7, -1)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_any_range_of_lags_is_a_part_of_the_whole(lags, dtype):
    a = np.random.default_rng(1).standard_normal((3, 23)).astype(dtype)
    b = np.random.default_rng(2).standard_normal((3, 23)).astype(dtype)
    part = slice(11 + lags[0], 11 + lags[1] + 1)
    eps = 50 * np.finfo(dtype).eps  # a sum of 23 products of order one
    whole = c.cross_correlate(a, b, 11)[:, part]
    assert np.allclose(c.cross_correlate(a, b, lags), whole, rtol=0, atol=eps)
    assert np.array_equal(
        c.correlate_direct(a[0], b[0], lags), c.correlate_direct(a[0], b[0], 11)[part]
    )
    spectra = (np.fft.rfft(x, 64)[:, None] for x in (a, b))
    blocks = list(spectra)
    result = c.correlate_block(*blocks, 64, None, lags)
    assert np.allclose(result, c.correlate_block(*blocks, 64, None, 11)[:, part])


def test_lags_beyond_the_records_are_zero():
    far = c.cross_correlate(np.ones(4), np.ones(4), (10, 12))
    assert np.abs(far).max() < 1e-15
    assert (c.correlate_direct(np.ones(4), np.ones(4), (-12, -10)) == 0).all()


@pytest.mark.parametrize("lags", [(3, 2), (0.5, 2), (1, 2, 3), -1])
def test_impossible_ranges_of_lags(lags):
    with pytest.raises(ParameterError, match="max_lag"):
        c.cross_correlate([1.0], [1.0], lags)
