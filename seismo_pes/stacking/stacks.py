"""Stacks of correlation windows, and measurements on stacks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.signal import folding
from seismo_pes.signal import stack as _stack
from seismo_pes.signal import stack_filters as _filters

__all__ = [
    "Bootstrap",
    "MovingStack",
    "RunningStack",
    "SignalToNoise",
    "SignalToNoiseRatio",
    "Stack",
    "Symmetric",
    "bootstrap",
    "moving_stack",
    "signal_to_noise",
    "stack",
    "symmetric",
]


def _time_frequency(c: Correlation, x: np.ndarray, **options: Any) -> np.ndarray:
    return _filters.time_frequency_phase_weighted(x, c.rate_hz, **options)


def _linear(c: Correlation, x: np.ndarray) -> np.ndarray:
    """Return the mean, in which each row is weighted by its number of windows."""
    n = np.atleast_1d(c.n_windows)
    weights = n[n > 0].astype(np.float64)
    if (weights == weights[0]).all():
        return _stack.linear(x)
    return np.asarray(weights @ x / weights.sum(), dtype=x.dtype)


def _of_rows(function: Callable[..., Any]) -> Callable[..., np.ndarray]:
    """Wrap a function that stacks arrays and may also return other values."""

    def stack_rows(c: Correlation, x: np.ndarray, **options: Any) -> np.ndarray:
        result = function(x, **options)
        return np.asarray(result[0] if isinstance(result, tuple) else result)

    return stack_rows


STACKS: dict[str, Callable[..., np.ndarray]] = {
    "linear": _linear,
    "nth-root": _of_rows(_stack.nth_root),
    "phase-weighted": _of_rows(_stack.phase_weighted),
    "time-frequency-phase-weighted": _time_frequency,
    "robust": _of_rows(_stack.robust),
    "selective": _of_rows(_stack.selective),
    "adaptive-covariance": _of_rows(_filters.adaptive_covariance),
    "wiener": _of_rows(_filters.wiener),
}


def stack(
    correlation: Correlation, kind: str = "linear", **options: Any
) -> Correlation:
    """Stack the windows of a correlation.

    Parameters
    ----------
    kind : str
        ``linear``, ``nth-root`` (option ``power``), ``phase-weighted`` (``power``,
        ``n_smooth``), ``time-frequency-phase-weighted`` (``low_hz``, ``high_hz``,
        ``power``, ``width``), ``robust``, ``selective`` (``threshold``),
        ``adaptive-covariance`` (``power``) or ``wiener``.
    **options
        Parameters of the function in `seismo_pes.signal.stack` or ``stack_filters``.

    Returns
    -------
    Correlation
        One row. A single window is allowed.

    Raises
    ------
    ParameterError
        If there is no stack of this kind, or an option makes no sense.

    Examples
    --------
    >>> windows = np.array([[0.0, 1.0, 0.0], [0.0, 3.0, 0.0]])
    >>> mean = stack(Correlation.of("X.A..Z", "X.B..Z", windows, 1.0))
    >>> mean.data, int(mean.n_windows)
    (array([0., 2., 0.]), 2)
    """
    if kind not in STACKS:
        raise ParameterError(f"kind {kind!r} of stack: {suggest(kind, list(STACKS))}")
    rows = _used(correlation)
    try:
        data = STACKS[kind](correlation, rows, **options)
    except TypeError as error:
        raise ParameterError(f"stack {kind!r}: {error}") from None
    return correlation.stacked(data)


def _used(correlation: Correlation) -> np.ndarray:
    rows = correlation.rows[np.atleast_1d(correlation.n_windows > 0)]
    if not len(rows):
        raise DataError(f"{correlation.id}: no window to stack")
    return rows


def moving_stack(
    correlation: Correlation,
    length_s: float,
    step_s: float,
    kind: str = "linear",
    **options: Any,
) -> Correlation:
    """Stack the windows of each interval of time, one interval after another.

    Parameters
    ----------
    length_s, step_s : float
        Length of an interval, and time from its end to the end of the next, seconds.
        The first interval begins with the first window. Only windows that lie wholly
        in an interval are stacked; an interval without windows has no row.
    kind : str
        See `stack`.
    **options
        See `stack`.

    Returns
    -------
    Correlation
        One row for each interval, with its times.

    Raises
    ------
    ParameterError
        If ``length_s`` or ``step_s`` is not positive.
    DataError
        If there are no windows, or all of them are longer than an interval.
    """
    if not (length_s > 0 and step_s > 0):
        raise ParameterError("length_s and step_s must be positive")
    if correlation.data.ndim != 2 or not len(correlation.data):
        raise DataError(f"{correlation.id}: no windows to stack")
    length_ns, step_ns = round(length_s * 1e9), round(step_s * 1e9)
    begin, last = int(correlation.start_ns.min()), int(correlation.end_ns.max())
    rows = []
    for k in range(max(1, math.ceil((last - begin - length_ns) / step_ns) + 1)):
        start = begin + k * step_ns
        inside = (correlation.start_ns >= start) & (
            correlation.end_ns <= start + length_ns
        )
        inside &= correlation.n_windows > 0
        if inside.any():
            rows.append(stack(_select_windows(correlation, inside), kind, **options))
    if not rows:
        raise DataError(
            f"{correlation.id}: no window fits into {length_s:g} s; give a longer "
            "length_s"
        )
    return replace(
        correlation,
        data=np.stack([row.data for row in rows]),
        start_ns=np.array([row.start_ns for row in rows], np.int64),
        end_ns=np.array([row.end_ns for row in rows], np.int64),
        n_windows=np.array([row.n_windows for row in rows], np.int64),
    )


def _select_windows(correlation: Correlation, inside: np.ndarray) -> Correlation:
    return replace(
        correlation,
        data=correlation.data[inside],
        start_ns=correlation.start_ns[inside],
        end_ns=correlation.end_ns[inside],
        n_windows=correlation.n_windows[inside],
    )


def bootstrap(
    correlation: Correlation, n_draws: int = 200, seed: int = 0
) -> Correlation:
    """Stack linearly, with the standard deviation of the stack as ``deviation``.

    Parameters
    ----------
    n_draws : int
        Stacks over windows drawn with replacement.
    seed : int
        Seed of the random numbers.
    """
    rows = _used(correlation)
    _, deviation = _stack.bootstrap(rows, n_draws, seed)
    deviations = deviation.astype(rows.dtype)
    return correlation.stacked(_stack.linear(rows), deviation=deviations)


def symmetric(correlation: Correlation) -> Correlation:
    """Average positive and negative lags; the result has lags 0 to K.

    Raises
    ------
    DataError
        If the lags are not symmetric.
    """
    if correlation.first_lag != -(correlation.data.shape[-1] // 2):
        raise DataError(f"{correlation.id}: its lags are not -K..K")
    mean = folding.sides(correlation.data).symmetric
    return replace(correlation, data=mean, first_lag=0, deviation=None)


@dataclass(frozen=True, eq=False)
class SignalToNoiseRatio:
    """Signal to noise of a correlation; ``ratio`` has one value for each row."""

    first: str
    second: str
    ratio: np.ndarray
    distance_km: float


def signal_to_noise(
    correlation: Correlation,
    velocity_km_s: tuple[float, float] | None = None,
    signal_s: tuple[float, float] | None = None,
    noise_s: tuple[float, float] | None = None,
) -> SignalToNoiseRatio:
    """Measure the peak among the arrivals over the noise at other lags.

    Parameters
    ----------
    velocity_km_s : (float, float)
        Slowest and fastest wave; with the distance they give ``signal_s``.
    signal_s : (float, float)
        Range of absolute lag in seconds, instead.
    noise_s : (float, float)
        Range of absolute lag of the noise in seconds; by default from twice the end
        of the signal, or from its end if the lags are too short, to the last lag.

    Raises
    ------
    ParameterError
        If not exactly one of ``velocity_km_s`` and ``signal_s`` is given.
    DataError
        If the distance is needed and not known.
    """
    if (velocity_km_s is None) == (signal_s is None):
        raise ParameterError("signal_to_noise: give velocity_km_s or signal_s")
    if velocity_km_s is not None:
        if not correlation.distance_km > 0:
            raise DataError(f"{correlation.id}: distance unknown; give signal_s")
        slow, fast = velocity_km_s
        signal_s = correlation.distance_km / fast, correlation.distance_km / slow
    assert signal_s is not None
    longest = float(np.abs(correlation.lags_s).max())
    if noise_s is None:
        noise_s = min(2 * signal_s[1], (signal_s[1] + longest) / 2), longest
    ratio = folding.signal_to_noise(
        correlation.data, correlation.rate_hz, signal_s, noise_s
    )
    return SignalToNoiseRatio(
        correlation.first, correlation.second, ratio, correlation.distance_km
    )


CORRELATION = "Correlation"

Stack = item_element(stack, "Stack", CORRELATION, CORRELATION)
MovingStack = item_element(moving_stack, "MovingStack", CORRELATION, CORRELATION)
Bootstrap = item_element(bootstrap, "Bootstrap", CORRELATION, CORRELATION)
Symmetric = item_element(symmetric, "Symmetric", CORRELATION, CORRELATION)
SignalToNoise = item_element(
    signal_to_noise, "SignalToNoise", CORRELATION, "SignalToNoiseRatio"
)


class RunningStack(GenericPE):
    """Sum the windows of each pair: the linear stack of all windows until now.

    Ports
    -----
    input : Correlation
        Grouped by ``id``, so that one instance has the sums of a pair.
    output : Correlation
        The mean over all windows until now, after each item; or once, at the end.

    Parameters
    ----------
    each : bool
        Emit after each item; otherwise only at the end.
    """

    def __init__(self, each: bool = True) -> None:
        super().__init__()
        self.each = each
        self.derives = "accumulate" if each else "matching"
        self._sums: dict[str, tuple[np.ndarray, Correlation]] = {}
        self._add_input("input", grouping=["id"], tuple_type=Correlation)
        self._add_output("output", tuple_type=Correlation)

    def derivation_key(self, port: str, item: Any) -> str:
        """Return the pair of an item.

        Parameters
        ----------
        port : str
            Input or output.
        item : Correlation
        """
        return str(item.id)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Add one item.

        Raises
        ------
        DataError
            If its lags differ from those of the items before.
        """
        item: Correlation = inputs["input"]
        n = np.atleast_1d(item.n_windows).astype(np.float64)
        total = n @ item.rows
        stack = item.stacked(item.rows[0])
        known = self._sums.get(item.id)
        if known is not None:
            old = known[1]
            if old.data.shape != stack.data.shape or old.first_lag != stack.first_lag:
                raise DataError(f"{item.id}: its lags differ from those before")
            total = total + known[0]
            stack = _add_stacks(old, stack)
        self._sums[item.id] = total, stack
        if self.each:
            yield {"output": self._mean(item.id)}

    def postprocess(self) -> None:
        """Emit the stacks, if ``each`` is False."""
        if not self.each:
            for name in sorted(self._sums):
                self.write("output", self._mean(name))
        self._sums = {}

    def _mean(self, name: str) -> Correlation:
        total, stack = self._sums[name]
        mean = total / max(1, int(stack.n_windows))
        return replace(stack, data=mean.astype(stack.data.dtype))


def _add_stacks(old: Correlation, new: Correlation) -> Correlation:
    return replace(
        new,
        start_ns=np.minimum(old.start_ns, new.start_ns),
        end_ns=np.maximum(old.end_ns, new.end_ns),
        n_windows=old.n_windows + new.n_windows,
    )
