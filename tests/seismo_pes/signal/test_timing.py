"""Sampling rates measured over time stamps whose truth is known."""

import numpy as np
import pytest

from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.rates import measure_timing

DAY_S = 86_400


def stamps(true_hz, n=200, seconds=DAY_S):
    """Return starts and sizes of the records of a recorder with a true rate."""
    counts = np.full(int(seconds * true_hz / n), n)
    first = np.concatenate(([0], np.cumsum(counts)[:-1]))
    return np.round(first / true_hz * 1e9).astype(np.int64), counts


def time_error(runs, start_ns, counts, true_hz):
    """Return the largest error of the time of any record, in samples."""
    errors = []
    for run in runs:
        before = int(counts[: run.first].sum())
        local = np.concatenate(([0], np.cumsum(counts[run.first : run.stop])))
        fitted_s = (run.start_ns - start_ns[0]) / 1e9 + local / run.rate_hz
        errors.append(np.abs(fitted_s - (before + local) / true_hz).max() * true_hz)
    return max(errors)


@pytest.mark.parametrize("ppm", [-500, -50, -10, -1, 1, 10, 50, 500])
def test_a_constant_rate_is_measured(ppm):
    true_hz = 20 * (1 + ppm * 1e-6)
    start_ns, counts = stamps(true_hz)
    (run,) = measure_timing(start_ns, counts, 20.0)
    assert abs(run.rate_hz / true_hz - 1) < 1e-10
    assert abs(run.drift - ppm * 1e-6 * counts.sum()) < 1e-3 * abs(run.drift)
    assert time_error([run], start_ns, counts, true_hz) < 1e-3


@pytest.mark.parametrize("jitter_ns", [0, 1, 1_000, 50_000])
def test_jitter_changes_nothing(jitter_ns):
    start_ns, counts = stamps(100.0, 412)
    rng = np.random.default_rng(1)
    start_ns = start_ns + rng.integers(-jitter_ns, jitter_ns + 1, len(start_ns))
    (run,) = measure_timing(start_ns, counts, 100.0)
    assert run[:6] == (0, len(counts), start_ns[0], 100.0, 0.0, 0.0)
    assert run.jitter <= 2e-7 * jitter_ns  # two stamps apart, in samples


@pytest.mark.parametrize("rate_hz", [1.0, 100.0])
@pytest.mark.parametrize("seed", range(25))
def test_a_jump_is_not_a_drift(seed, rate_hz):
    """Also a few short pieces, which with one jump look like a drift."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(300, 400, rng.integers(10, 60))
    counts[rng.random(len(counts)) < 0.1] = 20
    place, jump = int(rng.integers(1, len(counts))), rng.choice([-0.4, 0.2, 0.45])
    sample = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(float)
    sample[place:] += jump
    start_ns = np.round(sample / rate_hz * 1e9).astype(np.int64)
    runs = measure_timing(start_ns, counts, rate_hz)
    assert not any(run.drift or run.beyond_ppm for run in runs)
    assert place in [run.first for run in runs]
    assert [run.start_ns for run in runs] == [start_ns[run.first] for run in runs]


def test_a_jump_beside_a_short_piece():
    """A line through such pieces has a slope of 22000 millionths."""
    counts = [20] * 19 + [20, 1, 19] + [20] * 111
    sample = np.concatenate(([0], np.cumsum(counts)[:-1])).astype(float)
    sample[20:] -= 0.45
    runs = measure_timing(np.round(sample * 1e9).astype(np.int64), counts, 1.0)
    assert not any(run.drift or run.beyond_ppm for run in runs)
    assert 20 in [run.first for run in runs]


@pytest.mark.parametrize("ppm", [-50, 10])
def test_a_rate_is_found_in_stamps_of_a_tenth_of_a_millisecond(ppm):
    """The stamps of miniSEED 2 without blockette 1001."""
    true_hz = 100 * (1 + ppm * 1e-6)
    start_ns, counts = stamps(true_hz, 412)
    start_ns = np.round(start_ns / 1e5).astype(np.int64) * 100_000
    runs = measure_timing(start_ns, counts, 100.0)
    assert time_error(runs, start_ns, counts, true_hz) < 0.02


def test_hourly_files_with_an_untrue_rate():
    """At 300 ppm an hourly file of 20 Hz seems to end 21.6 samples early."""
    true_hz = 20 * (1 - 3e-4)
    start_ns, counts = stamps(true_hz, 72_000, 10 * 3600)
    (run,) = measure_timing(start_ns, counts, 20.0)
    assert abs(run.rate_hz / true_hz - 1) < 1e-9


@pytest.mark.parametrize("extra", [-1, 1, 2])
def test_files_with_a_sample_too_many_or_too_few_keep_their_rate(extra):
    start_ns = np.arange(24) * 3600 * 10**9
    runs = measure_timing(start_ns, np.full(24, 72_000 + extra), 20.0)
    assert [run.rate_hz for run in runs] == [20.0] * 24


def test_gaps_divide_runs():
    start_ns, counts = stamps(20.0)
    start_ns[3000:] += 10 * 10**9
    start_ns[6000:] += 7 * 10**9
    runs = measure_timing(start_ns, counts, 20.0)
    assert [(run.first, run.stop) for run in runs] == [
        (0, 3000),
        (3000, 6000),
        (6000, len(counts)),
    ]
    assert {run.drift for run in runs} == {0.0}


def test_a_rate_that_changes_divides_the_run():
    """A clock whose error grows as a parabola: 50 ppm in the morning, -50 at night."""
    counts = np.full(8640, 200)
    sample = np.concatenate(([0], np.cumsum(counts)[:-1]))
    part = sample / sample[-1]
    true_s = sample / 20 * (1 + 5e-5 * (1 - part))
    runs = measure_timing(np.round(true_s * 1e9).astype(np.int64), counts, 20.0)
    assert 2 < len(runs) < 60
    for run in runs:
        here = slice(run.first, run.stop)
        local = sample[here] - sample[run.first]
        fitted_s = run.start_ns / 1e9 + local / run.rate_hz
        assert np.abs(fitted_s - true_s[here]).max() * 20 < 0.05


def test_a_short_record_has_the_rate_of_its_header():
    (run,) = measure_timing([0, 10_000_500_000], [200, 200], 20.0)
    assert run.rate_hz == 20.0


@pytest.mark.parametrize(
    ("start_ns", "counts"), [([0, 1], [1]), ([1, 0], [1, 1]), ([0, 1], [1, 0])]
)
def test_bad_stamps_are_refused(start_ns, counts):
    with pytest.raises(ParameterError):
        measure_timing(start_ns, counts, 1.0)
