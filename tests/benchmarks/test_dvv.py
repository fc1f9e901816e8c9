"""The comparison of methods for velocity changes: data and accuracy."""

import numpy as np
import pytest

from benchmarks.dvv import __main__ as command
from benchmarks.dvv.stacks import LAG_S, make_stacks


def test_stacks_without_noise_are_the_stretched_reference():
    pair = make_stacks(1, 2, 0.0)
    for row, change in zip(pair.stacks.data, pair.truth, strict=True):
        expected = np.interp(LAG_S * (1 + change), LAG_S, pair.reference.data)
        inside = np.abs(LAG_S) < 119
        # linear interpolation at ten samples a period; the decay is not stretched
        off = (row - expected)[inside]
        assert np.abs(off).max() < 0.1 * np.abs(row).max()
    assert np.abs(pair.truth).max() < 0.005


def test_figures_of_known_errors():
    pairs = [make_stacks(pair, 4, 0.0) for pair in range(2)]
    truth = np.array([pair.truth for pair in pairs])[..., None]
    off = np.array([1e-4, -1e-4, 3e-4, np.nan])[:, None]
    got = command.figures(truth + off, np.full(truth.shape, 2e-4), pairs, 0.8)
    assert got["rms"] == pytest.approx(np.sqrt(11 / 3) * 1e-4)
    assert got["bias"] == pytest.approx(1e-4)
    assert got["within_error"] == pytest.approx(2 / 3)
    assert got["without_value"] == pytest.approx(1 / 4)
    assert got["ms_per_pair_day"] == pytest.approx(100)


def test_a_method_is_measured():
    pairs = [make_stacks(pair, 4, 0.02) for pair in range(2)]
    got = command.measure("wcc", pairs)
    assert got["rms"] < 3e-5
    assert got["slope"] == pytest.approx(1, abs=0.01)
    assert got["without_value"] == 0
