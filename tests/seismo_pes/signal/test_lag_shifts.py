"""Shifts of correlations by clock errors, with known shifts and known noise."""

import numpy as np
import pytest

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.filter import bandpass
from seismo_pes.signal.lag_shifts import lag_shifts
from seismo_pes.signal.symmetry import symmetry_centre

RATE_HZ, N = 10.0, 601
LAG_S = np.arange(-N, N + 1) / RATE_HZ
RANGE = RATE_HZ, 5.0, 40.0


def pulses(shift_s, dvv=0.0, sides=(1.0, 1.0), arrival_s=20.0):
    t = (LAG_S - shift_s) * (1 + dvv)
    late_s = np.abs(t) - arrival_s
    wave = np.cos(2 * np.pi * 0.4 * late_s) * np.exp(-((late_s / 4) ** 2))
    return wave * np.where(t > 0, *sides)


def noise(rng, n_rows, level):
    x = rng.standard_normal((n_rows, len(LAG_S) + 400))
    x = bandpass(x, RATE_HZ, 0.2, 0.8)[:, 200:-200]
    return level * x / x.std()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_known_shifts(dtype):
    true_s = np.array([-0.31, 0.0, 0.127, 2.4, 5.003, -1.0])
    rows = np.array([pulses(s) for s in true_s], dtype)
    shifts = lag_shifts(rows, *RANGE, 8.0)
    tolerance_s = 1e-5 if dtype is np.float64 else 1e-4  # rounding of the samples
    total_s = shifts.shift_s + shifts.centre_s
    # the interpolation between samples is a polynomial at four times the rate
    np.testing.assert_allclose(total_s, true_s, atol=10 * tolerance_s)
    assert shifts.coherence.min() > 0.999
    assert shifts.symmetry > 0.999


def test_a_drift_of_many_periods_is_followed():
    true_s = np.linspace(-7, 7, 30)  # six periods
    rows = np.array([pulses(s) for s in true_s])
    shifts = lag_shifts(rows, *RANGE, 9.0)
    np.testing.assert_allclose(shifts.shift_s + shifts.centre_s, true_s, atol=1e-3)


@pytest.mark.parametrize("sides", [(1.0, 1.0), (1.0, 0.5), (0.4, 1.0)])
def test_velocity_changes_and_unequal_sides_do_not_matter(sides):
    true_s, dvv = np.array([0.3, -0.2, 0.0, 0.6]), np.array([0.01, -0.008, 0, 0.002])
    rows = np.array([pulses(s, v, sides) for s, v in zip(true_s, dvv, strict=True)])
    shifts = lag_shifts(rows, *RANGE, 8.0)
    expected_s = true_s - true_s.mean()
    np.testing.assert_allclose(shifts.shift_s, expected_s, atol=0.01 / RATE_HZ)


@pytest.mark.parametrize("level", [0.02, 0.15])
def test_errors_agree_with_the_noise(level):
    rng = np.random.default_rng(1)
    ratios, centres = [], []
    for _ in range(12):
        true_s = rng.normal(0, 0.3, 10)
        rows = np.array([pulses(s) for s in true_s]) + noise(rng, 10, level)
        shifts = lag_shifts(rows, *RANGE, 8.0)
        ratios.append((shifts.shift_s - true_s + true_s.mean()) / shifts.error_s)
        centres.append((shifts.centre_s - true_s.mean()) / shifts.centre_error_s)
    # 120 values: the root mean square is known to 7 %, for the centres to 20 %
    assert 0.8 < np.sqrt(np.mean(np.square(ratios))) < 1.2
    assert 0.5 < np.sqrt(np.mean(np.square(centres))) < 1.8


def test_a_shift_beyond_the_search_has_no_value():
    rows = np.array([pulses(s) for s in (0.0, 0.1, -0.1, 2.3, 3.0)])
    shifts = lag_shifts(rows, *RANGE, 1.5)
    assert shifts.at_edge.tolist() == [False, False, False, True, True]
    assert np.isnan(shifts.shift_s[3:]).all()
    total_s = shifts.shift_s[:3] + shifts.centre_s
    np.testing.assert_allclose(total_s, [0.0, 0.1, -0.1], atol=1e-3)


@pytest.mark.parametrize("arrival_s", [0.0, 1.5])
def test_short_distances_and_high_frequencies(arrival_s):
    """Arrivals overlap at lag zero, with energy up to 80 % of the Nyquist frequency."""
    rng = np.random.default_rng(2)
    true_s = rng.normal(0, 0.4, 8)
    lag_s = np.arange(-100, 101.0)  # 1 Hz

    def row(shift_s):
        x = np.zeros(len(lag_s))
        for hz in np.linspace(0.1, 0.4, 16):
            for late_s in (-arrival_s, arrival_s):
                x += np.cos(2 * np.pi * hz * (lag_s - shift_s - late_s))
        return x * np.exp(-(((lag_s - shift_s) / 12) ** 2))

    rows = np.array([row(s) for s in true_s])
    clean = lag_shifts(rows, 1.0, 0.0, 60.0, 20.0)
    np.testing.assert_allclose(clean.shift_s, true_s - true_s.mean(), atol=0.01)
    rows += 0.1 * np.abs(rows).max() * rng.standard_normal(rows.shape)
    noisy = lag_shifts(rows, 1.0, 0.0, 60.0, 20.0)
    assert np.isfinite(noisy.shift_s).all()
    ratio = (noisy.shift_s - true_s + true_s.mean()) / noisy.error_s
    assert np.sqrt((ratio**2).mean()) < 2


def test_a_single_arrival_is_not_two_sides():
    rows = np.array([pulses(s, sides=(1.0, 0.0), arrival_s=12.0) for s in (0, 0.2)])
    shifts = lag_shifts(rows, RATE_HZ, 0.0, 40.0, 14.0, apart_s=5.0)
    assert np.isnan(shifts.centre_s)
    assert shifts.symmetry < 0.3
    # with one side only, a shift cannot be distinguished from a velocity change
    assert np.abs(shifts.shift_s - [-0.1, 0.1]).max() < 3 * shifts.error_s.max() + 0.05


def test_rows_without_data():
    rows = np.array([pulses(s) for s in (0.0, 0.2, 0.4)])
    rows = np.concatenate([rows, np.zeros((1, rows.shape[1])), rows[:1] * np.nan])
    shifts = lag_shifts(rows, *RANGE, 2.0)
    np.testing.assert_allclose(shifts.shift_s[:3], [-0.2, 0.0, 0.2], atol=1e-3)
    assert np.isnan(shifts.shift_s[3:]).all()
    assert np.isnan(shifts.coherence[3:]).all()
    for lost in (rows[3:], rows[:0]):
        shifts = lag_shifts(lost, *RANGE, 2.0)
        assert np.isnan(shifts.shift_s).all()
        assert np.isnan(shifts.centre_s)
    single = lag_shifts(rows[1:2], *RANGE, 2.0)
    assert single.centre_s == pytest.approx(0.2, abs=1e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"data": np.zeros(9)}, "must be rows of lags"),
        ({"data": np.zeros((2, 10))}, "must be rows of lags"),
        ({"low_s": 9.0, "high_s": 3.0}, "low_s < high_s"),
        ({"max_shift_s": 0.0}, "max_shift_s must be above 0"),
        ({"rate_hz": -1.0}, "rate_hz"),
    ],
)
def test_parameters_out_of_range(change, reason):
    usual = {"data": np.zeros((2, 11)), "rate_hz": 1.0, "low_s": 0.0, "high_s": 4.0}
    with pytest.raises(ParameterError, match=reason):
        lag_shifts(**({**usual, "max_shift_s": 1.0} | change))


def test_the_centre_of_known_sides():
    for shift in (-30.2, 0.0, 0.5, 17.77):
        x = pulses(shift / RATE_HZ)
        centre, _, symmetry = symmetry_centre(x, 50, 400)
        assert centre == pytest.approx(shift, abs=0.01)
        assert symmetry > 0.999
    assert symmetry_centre(np.zeros(101), 5, 40)[2] == 0
