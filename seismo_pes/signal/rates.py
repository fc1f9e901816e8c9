"""Sampling rates: as exact fractions, and measured over the time stamps of a record."""

from __future__ import annotations

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import require_rate
from seismo_pes.signal.errors import ParameterError

__all__ = ["MAX_PPM", "TimedRun", "exact_rate", "is_jump", "measure_timing"]

_NEAR = 1e-6
_LARGEST_DENOMINATOR = 100_000
_LOWEST_HZ = 1e-6
#: Largest difference of the true rate from the header's rate that is corrected, in
#: millionths. The record is split at a larger difference.
MAX_PPM = 1000.0
#: Least drift over a whole run that is corrected, samples.
LEAST_DRIFT = 0.02
#: Largest difference of the true times from a single rate, samples; the run is divided
#: at a larger difference.
MOST_DEVIATION = 0.02
#: Largest delay of stamps that agree with the header's rate, samples: the rounding of
#: double precision is smaller. Then no line is fitted, which takes longer.
EXACT = 1e-6
#: Largest gap or overlap of pieces that touch, samples.
HALF_SAMPLE = 0.5
#: Least jump of time stamps that is corrected, samples: the accuracy of lags.
LEAST_JUMP = 0.05
#: The same in seconds: many formats round the time of a stamp to a millisecond.
LEAST_JUMP_S = 1e-3
#: Least ratio of a significant slope to its standard error.
SIGNIFICANCE = 5.0
#: Least number of equal steps that show a wrong rate rather than gaps.
LEAST_STEPS = 3

Times = NDArray[np.int64]


def exact_rate(rate_hz: float, name: str = "rate_hz") -> Fraction:
    """Return the sampling rate as the fraction that its decimals approximate.

    The fraction converts times to sample indices, so that a rate of a third of a hertz
    does not drift. A rate within a millionth of a whole number of hertz (below 1 Hz, of
    an interval of whole seconds) becomes that number, because SAC stores intervals in
    single precision. Other rates become the nearest fraction with a denominator of at
    most 100,000.

    Parameters
    ----------
    rate_hz
        Sampling rate.
    name
        Name of the parameter, for messages.

    Raises
    ------
    ParameterError
        If the rate is not a finite number of at least 1e-6 Hz.

    Examples
    --------
    >>> exact_rate(1 / 3), exact_rate(100.00000223), exact_rate(31.25)
    (Fraction(1, 3), Fraction(100, 1), Fraction(125, 4))
    """
    rate_hz = require_rate(rate_hz, name)
    if rate_hz < _LOWEST_HZ * (1 - _NEAR):
        raise ParameterError(f"{name} must be at least {_LOWEST_HZ} Hz, not {rate_hz}")
    return _fraction(rate_hz)


@lru_cache(maxsize=256)
def _fraction(rate_hz: float) -> Fraction:
    if rate_hz < 1:
        return 1 / _fraction(1 / rate_hz)
    if abs(rate_hz / round(rate_hz) - 1) < _NEAR:
        return Fraction(round(rate_hz))
    return Fraction(rate_hz).limit_denominator(_LARGEST_DENOMINATOR)


# -- rates over time stamps ---------------------------------------------------------


def is_jump(step: float, rate_hz: float) -> bool:
    """Return whether a step between the time stamps of pieces is more than rounding.

    Parameters
    ----------
    step
        Start of a piece minus the end of the piece before it, samples.
    rate_hz
        Sampling rate.

    Examples
    --------
    >>> is_jump(0.3, 100.0), is_jump(0.03, 100.0), is_jump(0.3, 1000.0)
    (True, False, False)
    """
    return abs(step) > max(LEAST_JUMP, LEAST_JUMP_S * rate_hz)


class TimedRun(NamedTuple):
    """Consecutive pieces that were sampled at one rate, without a gap.

    Attributes
    ----------
    first, stop
        Range of the pieces.
    start_ns
        Time of the first sample, nanoseconds since 1970.
    rate_hz
        True sampling rate; the rate of the header if the time stamps agree with it.
    drift
        Drift of the header's rate at the end of the run in samples, positive if the
        true rate is higher; 0 if the header is right.
    beyond_ppm
        Difference of the measured rate from that of the header in millionths, if it is
        beyond the bound and the run is split; else 0.
    jitter
        Scatter of the time stamps about the line in samples; of a run of a few pieces,
        that of the run that was divided; 0 if it is not known.
    """

    first: int
    stop: int
    start_ns: int
    rate_hz: float
    drift: float
    beyond_ppm: float = 0.0
    jitter: float = 0.0


def measure_timing(
    start_ns: ArrayLike,
    n_samples: ArrayLike,
    rate_hz: float,
    max_ppm: float = MAX_PPM,
) -> list[TimedRun]:
    """Measure the sampling rate over the time stamps of pieces of one channel.

    Pieces that touch to within half a sample form a run. So do pieces if the same step
    between them occurs at least three times, because then the header's rate is wrong. A
    straight line through the stamps of a run gives its true rate. It replaces the rate
    of the header if the drift over the run exceeds 0.02 samples and five times the
    standard error, so that jitter of the stamps has no effect. If the rate changes, the
    run is divided until each part agrees with its line to 0.02 samples, or to the
    scatter of the stamps. Fewer than six pieces show no scatter: without a drift, they
    are divided where their stamps jump (`is_jump`), also if a line fits them worse than
    one jump does.

    Parameters
    ----------
    start_ns
        Time of the first sample of each piece, nanoseconds since 1970, rising, shape
        ``(n,)``.
    n_samples
        Samples of each piece, positive, shape ``(n,)``.
    rate_hz
        Sampling rate in the header.
    max_ppm
        Largest difference from the header's rate that is measured, millionths. A run
        with a larger difference is split: each piece begins at its own start.

    Returns
    -------
    list of TimedRun
        Runs in the order of time; each piece is in one run.

    Raises
    ------
    ParameterError
        If the arrays differ in length, a piece is empty or the starts do not rise.

    Examples
    --------
    Records of 200 samples at 19.999 Hz whose header has 20 Hz:

    >>> start_ns = np.round(np.arange(1000) * 200 / 19.999 * 1e9)
    >>> (run,) = measure_timing(start_ns, [200] * 1000, 20.0)
    >>> round(run.rate_hz, 6), round(run.drift, 1)
    (19.999, -10.0)
    """
    start = np.asarray(start_ns, dtype=np.int64)
    n = np.asarray(n_samples, dtype=np.int64)
    if start.ndim != 1 or start.shape != n.shape:
        raise ParameterError(f"start_ns {start.shape} and n_samples {n.shape} differ")
    if (n <= 0).any():
        raise ParameterError("n_samples must be positive")
    steps_ns = np.diff(start)
    if (steps_ns < 0).any():
        raise ParameterError("start_ns must rise")
    base_hz = _rate_of_steps(steps_ns, n[:-1], rate_hz, max_ppm)
    misfit = steps_ns * (base_hz / 1e9) - n[:-1]
    edges = np.flatnonzero(np.abs(misfit) >= HALF_SAMPLE) + 1
    runs: list[TimedRun] = []
    for first, stop in zip([0, *edges], [*edges, len(start)], strict=True):
        if stop > first:
            runs += _runs(start, n, int(first), int(stop), rate_hz, max_ppm)
    return runs


def _rate_of_steps(steps_ns: Times, n: Times, rate_hz: float, max_ppm: float) -> float:
    """Return the rate at which the pieces touch, if a step occurs several times."""
    misfit = steps_ns * (rate_hz / 1e9) - n
    parts = misfit / n
    # Programs often write one or two samples too few or too many.
    candidates = (np.abs(misfit) >= HALF_SAMPLE) & (np.abs(parts) * 1e6 <= max_ppm)
    whole = np.abs(misfit - np.rint(misfit)) < 1e-3
    candidates &= ~(whole & (np.abs(misfit) < 2.5))
    if candidates.sum() < LEAST_STEPS:
        return rate_hz
    part = float(np.median(parts[candidates]))
    agree = np.abs(misfit - part * n)[candidates] < HALF_SAMPLE
    if agree.sum() < max(LEAST_STEPS, 0.8 * len(agree)):
        return rate_hz
    return rate_hz / (1 + part)


def _runs(
    start_ns: Times,
    n: Times,
    first: int,
    stop: int,
    rate_hz: float,
    max_ppm: float,
    jitter: float = 0.0,
) -> list[TimedRun]:
    """Fit one line to pieces that touch, or divide them.

    `jitter` is the scatter of the stamps of more pieces, if it is known, in samples.
    """
    header = TimedRun(first, stop, int(start_ns[first]), rate_hz, 0.0, jitter=jitter)
    if stop - first < LEAST_STEPS:
        return _divided_at_jumps(header, start_ns, n, jitter)
    sample = np.cumsum(n[first : stop - 1], dtype=np.float64)
    sample = np.concatenate(([0.0], sample))
    # delay of each stamp relative to the header's rate, in samples
    late = (start_ns[first:stop] - start_ns[first]) * (rate_hz / 1e9) - sample
    if np.abs(late).max() <= EXACT:
        return [header]
    slope, level, error = _line(sample, late)
    deviation = late - level - slope * sample
    length = float(n[first:stop].sum())
    scatter = _scatter(deviation) if stop - first > 3 else 0.0
    smooth = _running_median(deviation)
    most = max(MOST_DEVIATION, SIGNIFICANCE * scatter)
    worst = int(np.argmax(np.abs(smooth)))
    if abs(smooth[worst]) > most and stop - first >= 2 * LEAST_STEPS:
        middle = first + _best_division(sample, late)
        return [
            *_runs(start_ns, n, first, middle, rate_hz, max_ppm, scatter),
            *_runs(start_ns, n, middle, stop, rate_hz, max_ppm, scatter),
        ]
    if stop - first >= 2 * LEAST_STEPS:
        header = header._replace(jitter=scatter)
    drift = -slope * length
    divided = [header]
    if stop - first < 2 * LEAST_STEPS:
        divided = _divided_at_jumps(header, start_ns, n, jitter)
    if abs(drift) <= LEAST_DRIFT or abs(slope) <= SIGNIFICANCE * error:
        return divided
    if len(divided) == 2 and _is_step(late, divided[1].first - first, deviation):
        return divided
    if abs(slope) * 1e6 > max_ppm:
        pieces = range(first, stop)
        beyond_ppm = (1 / (1 + slope) - 1) * 1e6
        return [
            TimedRun(k, k + 1, int(start_ns[k]), rate_hz, 0.0, beyond_ppm)
            for k in pieces
        ]
    true_start_ns = int(start_ns[first]) + round(level / rate_hz * 1e9)
    return [TimedRun(first, stop, true_start_ns, rate_hz / (1 + slope), drift)]


def _divided_at_jumps(
    run: TimedRun, start_ns: Times, n: Times, jitter: float
) -> list[TimedRun]:
    """Return the parts of a run of a few pieces, which begin where its stamps jump."""
    inside = slice(run.first, run.stop)
    steps = np.diff(start_ns[inside]) * (run.rate_hz / 1e9) - n[inside][:-1]
    edges = [
        run.first + k
        for k, step in enumerate(steps.tolist(), start=1)
        if is_jump(step, run.rate_hz) and abs(step) > SIGNIFICANCE * jitter
    ]
    return [
        run._replace(first=first, stop=stop, start_ns=int(start_ns[first]))
        for first, stop in zip([run.first, *edges], [*edges, run.stop], strict=True)
    ]


def _is_step(
    late: NDArray[np.float64], place: int, deviation: NDArray[np.float64]
) -> bool:
    """Return whether a step at a place fits stamps better than a line does.

    `deviation` is that of the stamps from the line. In a few pieces, of which one is
    short, a step looks like the drift of a wrong rate.
    """
    levels = late[:place] - late[:place].mean(), late[place:] - late[place:].mean()
    of_step = sum(float((part**2).sum()) for part in levels)
    return of_step < float((deviation**2).sum())


def _scatter(deviation: NDArray[np.float64]) -> float:
    """Return the scatter of stamps about a line, without the steps that all share.

    If stamps jump once, all others have the same step from a line through them.
    """
    steps = np.diff(deviation)
    apart = np.abs(steps - np.median(steps))
    return float(min(np.median(np.abs(steps)), np.median(apart)))


def _line(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return slope, value at zero and standard error of the slope of a line."""
    mean_x, mean_y = x.mean(), y.mean()
    spread = float(((x - mean_x) ** 2).sum())
    slope = float(((x - mean_x) * (y - mean_y)).sum()) / spread
    level = float(mean_y - slope * mean_x)
    residuals = y - level - slope * x
    error = float(np.sqrt((residuals**2).sum() / max(len(x) - 2, 1) / spread))
    return slope, level, error


def _running_median(x: NDArray[np.float64], n_half: int = 2) -> NDArray[np.float64]:
    padded = np.pad(x, n_half, mode="edge")
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * n_half + 1)
    return np.asarray(np.median(windows, axis=1))


def _best_division(x: NDArray[np.float64], y: NDArray[np.float64]) -> int:
    """Return where two lines, one before and one after, fit best."""
    places = np.unique(np.linspace(LEAST_STEPS, len(x) - LEAST_STEPS, 33).astype(int))
    return min(
        places.tolist(), key=lambda k: _misfit(x[:k], y[:k]) + _misfit(x[k:], y[k:])
    )


def _misfit(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    slope, level, _ = _line(x, y)
    return float(((y - level - slope * x) ** 2).sum())
