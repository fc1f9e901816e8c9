"""Clock errors from the shifts of pairs, compared with known clocks and matrices."""

import numpy as np
import pytest

from seismo_pes.signal.clock_network import (
    agreeing_stations,
    clock_offsets,
    clock_series,
)
from seismo_pes.signal.errors import ParameterError

N = 7
FIRST, SECOND = np.triu_indices(N, 1)
CLOCKS = np.array([0.0, 0.3, 0.0, -0.9, 0.0, 0.0, 0.02])


def test_consistent_shifts_give_the_clocks():
    shift = CLOCKS[SECOND] - CLOCKS[FIRST]
    right = [0, 2, 4, 5]
    clocks = clock_offsets(FIRST, SECOND, shift, np.full(len(shift), 0.01), N, right)
    np.testing.assert_allclose(clocks.offset_s, CLOCKS, atol=1e-12)
    np.testing.assert_allclose(clocks.residual_s, 0, atol=1e-12)
    assert clocks.n_pairs.tolist() == [N - 1] * N


def test_errors_are_those_of_least_squares():
    """With one right clock, the covariance is the inverse of the normal matrix."""
    rng = np.random.default_rng(1)
    error = rng.uniform(0.5, 2, len(FIRST))
    design = np.zeros((len(FIRST), N))
    rows = np.arange(len(FIRST))
    design[rows, SECOND], design[rows, FIRST] = 1, -1
    normal = (design[:, 1:].T / error**2) @ design[:, 1:]
    expected = np.sqrt(np.diag(np.linalg.inv(normal)))
    # residuals far below their errors do not make the errors smaller
    shift = CLOCKS[SECOND] - CLOCKS[FIRST]
    clocks = clock_offsets(FIRST, SECOND, shift, error, N, [0])
    np.testing.assert_allclose(clocks.error_s[1:], expected, rtol=1e-9)
    assert clocks.error_s[0] == pytest.approx(0, abs=1e-9)


def test_wrong_cycles_are_left_out():
    rng = np.random.default_rng(2)
    error = np.full(len(FIRST), 0.01)
    shift = CLOCKS[SECOND] - CLOCKS[FIRST] + rng.normal(0, 0.01, len(FIRST))
    shift[[3, 11, 17]] += [2.5, -2.5, 5.0]
    clocks = clock_offsets(FIRST, SECOND, shift, error, N, [0, 2, 4, 5])
    assert np.abs(clocks.offset_s - CLOCKS).max() < 0.025
    assert (clocks.weight[[3, 11, 17]] == 0).all()
    assert clocks.residual_s[3] == pytest.approx(2.5, abs=0.05)


def test_stations_that_no_pair_leads_to():
    first, second = [0, 1, 3], [1, 2, 4]
    clocks = clock_offsets(first, second, [0.1, 0.2, 9.0], [1.0] * 3, 6, [0])
    np.testing.assert_allclose(clocks.offset_s[:3], [0, 0.1, 0.3], atol=1e-12)
    assert np.isnan(clocks.offset_s[3:]).all()
    assert np.isnan(clocks.residual_s[2])
    assert clocks.n_pairs.tolist() == [1, 2, 1, 0, 0, 0]
    empty = clock_offsets([], [], [], [], 2)
    assert np.isnan(empty.offset_s).all()
    lost = clock_offsets([0], [1], [np.nan], [1.0], 2)
    assert np.isnan(lost.offset_s).all()


def test_shapes_that_differ_are_refused():
    with pytest.raises(ParameterError, match="one shape"):
        clock_offsets([0], [1], [0.1, 0.2], [1.0], 2)


def series_of(truth, zero, missing=0.0, seed=3, noise=0.01):
    """Return shifts relative to their zeros, with the errors."""
    rng = np.random.default_rng(seed)
    shift = truth[:, SECOND].T - truth[:, FIRST].T - zero[:, None]
    shift = shift + rng.normal(0, noise, shift.shape)
    shift[rng.random(shift.shape) < missing] = np.nan
    return shift, np.full(shift.shape, noise)


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_zeros_of_pairs_with_errors(missing):
    rng = np.random.default_rng(4)
    truth = CLOCKS * np.linspace(0, 2, 12)[:, None]
    mean = (truth[:, SECOND] - truth[:, FIRST]).mean(axis=0)
    shift, error = series_of(truth, mean, missing)
    measured = mean + rng.normal(0, 0.02, len(FIRST))
    measured[::5] = np.nan  # the zeros of these pairs follow from the other pairs
    zero_error = np.full(len(FIRST), 0.02)
    series = clock_series(FIRST, SECOND, shift, error, N, measured, zero_error)
    ratio = (series.offset_s - truth) / series.error_s
    assert np.isfinite(ratio).all(), missing
    assert np.abs(ratio).max() < 4.5
    assert 0.4 < np.sqrt((ratio**2).mean()) < 1.6  # seven zeros are common to all times


@pytest.mark.parametrize("missing", [0.0, 0.25])
def test_changes_without_zeros(missing):
    truth = CLOCKS * np.linspace(0, 2, 12)[:, None]
    rng = np.random.default_rng(5)
    shift, error = series_of(truth, rng.normal(0, 1, len(FIRST)), missing)
    series = clock_series(FIRST, SECOND, shift, error, N)
    changes = series.offset_s - series.offset_s.mean(axis=0)
    expected = truth - truth.mean(axis=0)
    assert np.abs(changes - expected).max() < 0.05


def test_stations_that_agree():
    offsets = np.outer(np.linspace(1, 2, 5), CLOCKS)
    assert agreeing_stations(offsets).tolist() == [0, 2, 4, 5]
    offsets[2] = np.nan
    assert agreeing_stations(offsets).tolist() == [0, 2, 4, 5]
    assert agreeing_stations(np.full((2, 3), np.nan)).tolist() == []
