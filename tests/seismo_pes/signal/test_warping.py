import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.signal.delays import velocity_change
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.warping import _best_paths, warping_delays

RATE = 10.0


def coda(at, seed=1):
    rng = np.random.default_rng(seed)
    f = np.linspace(0.2, 1.0, 80)
    phase = rng.uniform(0, 2 * np.pi, 80)
    return np.cos(2 * np.pi * f * at[:, None] + phase).sum(axis=1)


def test_finds_a_delay_that_changes_with_time():
    t = np.arange(600) / RATE
    delay = 0.4 * np.sin(2 * np.pi * t / 60)
    # current(t + delay) = reference(t): the definition, by fixed point.
    at = t.copy()
    for _ in range(30):
        at = t - 0.4 * np.sin(2 * np.pi * at / 60)
    result = warping_delays(coda(t), coda(at), RATE, 0.8)
    step = 1 / (4 * RATE)
    assert np.abs(result - delay)[20:-20].max() < 3 * step
    assert np.sqrt(np.mean((result - delay)[20:-20] ** 2)) < step


def test_velocity_change_from_its_delays():
    t = np.arange(-500, 501) / RATE
    result = warping_delays(coda(t), coda(t * 1.004), RATE, 0.5, 0.02, oversample=8)
    inner = slice(30, -30)
    assert abs(velocity_change(t[inner], result[inner]).dvv - 0.004) < 2e-4


def test_path_is_the_cheapest_of_all():
    rng = np.random.default_rng(4)
    n, n_delays, block = 7, 4, 2
    several = rng.uniform(size=(20, n, n_delays))
    paths = _best_paths(lambda i: several[:, i], n, block)
    for errors, path in zip(several, paths, strict=True):
        cost = errors[np.arange(n), path].sum()
        assert abs(cost - _cheapest(errors, block)) < 1e-12


def test_many_records_are_warped_like_single_records():
    t = np.arange(120) / RATE
    rows = np.array([coda(t * (1 + change)) for change in np.linspace(0, 0.02, 70)])
    result = warping_delays(coda(t), rows.reshape(7, 10, 120), RATE, 0.4)
    for k in (0, 9, 63, 64, 69):
        alone = warping_delays(coda(t), rows[k], RATE, 0.4)
        assert np.array_equal(result.reshape(70, 120)[k], alone)


def _cheapest(errors, block):
    """Try every path whose delays change by one after at least `block` samples.

    Runs at the start may be shorter, as nothing is known before the first sample.
    """
    n, n_delays = errors.shape
    best = np.inf

    def walk(i, at, held, cost):
        nonlocal best
        cost = cost + errors[i, at]
        if i == n - 1:
            best = min(best, cost) if held >= block or held == n else best
            return
        walk(i + 1, at, held + 1, cost)
        for step in (-1, 1):
            if 0 <= at + step < n_delays and held >= (
                1 if i < 1 else min(block, i + 1)
            ):
                walk(i + 1, at + step, 1, cost)

    for start in range(n_delays):
        walk(0, start, 1, 0.0)
    return best


@settings(deadline=None, max_examples=20)
@given(st.integers(-6, 6), st.floats(1e-3, 1e3))
def test_a_whole_shift_is_found_in_any_unit(shift, factor):
    t = np.arange(300) / RATE
    a, b = factor * coda(t), factor * coda(t - shift / RATE)
    result = warping_delays(a, b, RATE, 0.8, oversample=1)
    # The ends have no samples for the comparison.
    assert (np.abs(result[15:-15] - shift / RATE) < 1e-9).all()


def test_odd_inputs_and_mistakes():
    assert (warping_delays(np.zeros(20), np.zeros(20), 1, 3) == 0).sum() >= 0
    assert warping_delays([], [], 1, 3).shape == (0,)
    assert warping_delays([1.0], [2.0], 1, 3).tolist() == [0]
    x = np.ones(10)
    for call, name in [
        (lambda: warping_delays(x, x[1:], 1, 3), "one length"),
        (lambda: warping_delays(x, x * np.nan, 1, 3), "finite"),
        (lambda: warping_delays(x, x, 1, 0), "max_delay_s"),
        (lambda: warping_delays(x, x, 1, 3, 2.0), "max_strain"),
        (lambda: warping_delays(x, x, 1, 3, 0.1, 0), "oversample"),
    ]:
        with pytest.raises(ParameterError, match=name):
            call()
