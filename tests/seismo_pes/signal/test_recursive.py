"""Filters by blocks equal the loop over samples, with more digits."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
import scipy.signal
from hypothesis import given
from hypothesis import strategies as st

from seismo_pes.signal._recursive import filtered
from seismo_pes.signal.filter import bandpass

BAND = scipy.signal.butter(4, (0.1, 2.0), "bandpass", fs=20.0, output="sos")
# a block has 64 samples, a group 8 blocks
LENGTHS = [1, 2, 63, 64, 65, 127, 128, 513, 64 * 8 + 1, 64 * 8 * 9 + 5, 33_000, 270_001]


def by_scipy(sections, x, zero_phase):
    y = scipy.signal.sosfilt(sections, x.astype(np.float64))
    if zero_phase:
        y = scipy.signal.sosfilt(sections, y[..., ::-1])[..., ::-1]
    return y


def by_decimals(sections, x, zero_phase):
    """Return the direct form, with 40 digits."""
    y = [Decimal(float(value)) for value in x]
    coefficients = [[Decimal(float(value)) for value in row] for row in sections]
    with localcontext(prec=40):
        for _ in range(1 + zero_phase):
            for b0, b1, b2, _, a1, a2 in coefficients:
                first = second = Decimal(0)
                for i, value in enumerate(y):
                    out = b0 * value + first
                    first = b1 * value - a1 * out + second
                    second = b2 * value - a2 * out
                    y[i] = out
            y.reverse()
    return np.array(y if zero_phase else y[::-1], np.float64)


def error(result, wanted):
    return np.abs(result - wanted).max() / np.abs(wanted).max()


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize("n", LENGTHS)
def test_the_filter_equals_the_loop_over_samples(n, zero_phase):
    x = 100 + np.random.default_rng(n).standard_normal(n)
    before = x.copy()
    result = filtered(BAND, x, zero_phase)
    assert result.dtype == np.float64
    assert error(result, by_scipy(BAND, x, zero_phase)) < 1e-12
    assert np.array_equal(x, before)


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize("shape", [(2, 3, 1000), (700, 500), (3, 300_000), (48, 7001)])
def test_records_are_independent(shape, zero_phase):
    x = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    result = filtered(BAND, x, zero_phase)
    assert result.dtype == np.float32
    assert result.shape == shape
    assert error(result, by_scipy(BAND, x, zero_phase)) < 1e-6
    strided = filtered(BAND, x[..., ::-2], zero_phase)
    assert error(strided, by_scipy(BAND, x[..., ::-2], zero_phase)) < 1e-6


@pytest.mark.parametrize("zero_phase", [True, False])
@pytest.mark.parametrize(
    ("kind", "corners_hz", "order"),
    [
        ("bandpass", (0.005, 0.01), 4),
        ("highpass", 0.001, 4),
        ("lowpass", 0.01, 5),
        ("bandpass", (1.0, 5.0), 4),
    ],
)
def test_far_below_nyquist_no_digits_are_lost(kind, corners_hz, order, zero_phase):
    sections = scipy.signal.butter(order, corners_hz, kind, fs=100.0, output="sos")
    x = 50 + np.random.default_rng(2).standard_normal(3000)
    wanted = by_decimals(sections, x, zero_phase)
    lost = error(filtered(sections, x, zero_phase), wanted)
    assert lost < 1e-12
    assert lost < max(1e-14, 0.1 * error(by_scipy(sections, x, zero_phase), wanted))


@st.composite
def stable_sections(draw):
    """Poles of any kind within the unit circle: pairs, real ones, equal ones, none."""
    sections = []
    for _ in range(draw(st.integers(1, 4))):
        radius = draw(st.sampled_from([0.0, 0.3, 0.9, 0.99]))
        if draw(st.booleans()):
            angle = draw(st.sampled_from([0.0, 1e-3, 0.5, 3.0, np.pi]))
            poles = [-2 * radius * np.cos(angle), radius**2]
        else:
            other = draw(st.sampled_from([-0.95, 0.0, 0.5, 0.99]))
            poles = [-radius - other, radius * other]
        zeros = [draw(st.sampled_from([-2.0, -1.0, 0.0, 0.5, 1.0])) for _ in range(3)]
        sections.append([*zeros, 1.0, *poles])
    return np.array(sections)


@given(stable_sections(), st.integers(1, 1500), st.booleans())
def test_sections_of_any_kind(sections, n, zero_phase):
    x = np.random.default_rng(n).standard_normal(n)
    wanted = by_scipy(sections, x, zero_phase)
    # the error of the loop grows with the amplification of noise by its sections
    largest = max(np.abs(by_scipy(sections[:i], x, zero_phase)).max() for i in (1, 9))
    np.testing.assert_allclose(
        filtered(sections, x, zero_phase), wanted, rtol=0, atol=1e-7 * (largest + 1)
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", [0, 5, 64, 100, 127, 999])
def test_samples_that_are_not_finite_do_not_affect_earlier_samples(where, bad):
    x = np.random.default_rng(3).standard_normal((3, 1000))
    x[1, where] = bad
    result = filtered(BAND, x, zero_phase=False)
    wanted = filtered(BAND, np.where(np.isfinite(x), x, 0), zero_phase=False)
    assert np.isnan(result[1, where:]).all()
    np.testing.assert_allclose(result[1, :where], wanted[1, :where], atol=1e-14)
    assert np.array_equal(result[::2], wanted[::2])


def test_backward_a_bad_sample_affects_the_whole_record():
    x = np.random.default_rng(3).standard_normal((2, 1000))
    x[1, 500] = np.nan
    result = bandpass(x, 20.0, 0.1, 2.0)
    assert np.isfinite(result[0]).all()
    assert np.isnan(result[1]).all()


def test_overflow_of_float32_affects_only_its_samples():
    x = np.zeros(200, np.float32)
    x[100] = 3e38
    result = filtered(np.array([[1.0, 2.0, 0.0, 1.0, 0.0, 0.0]]), x, zero_phase=False)
    assert np.flatnonzero(result).tolist() == [100, 101]
    assert np.isinf(result[101])
    x[199] = 3e38
    late = filtered(np.array([[2.0, 0.0, 0.0, 1.0, 0.0, 0.0]]), x, zero_phase=False)
    assert np.flatnonzero(np.isinf(late)).tolist() == [100, 199]
    assert not np.isnan(late).any()
