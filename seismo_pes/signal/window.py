"""Windows on one absolute grid of time, exact in integers."""

from dataclasses import dataclass
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._arrays import FloatArray, as_float, require_rate
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.rates import exact_rate

_SECOND = 1_000_000_000  # nanoseconds


@dataclass(frozen=True)
class WindowGrid:
    """Windows k = 0, 1, 2, ... that start at ``origin + k * step``.

    A window holds the samples with ``start <= t < start + length``. Sample i of rate
    r lies at ``origin + i / r``; a sample within 1e-6 of its interval of a window's
    edge counts as lying on it. Rates are fractions (`rates.exact_rate`), and all
    arithmetic is in integers.

    Parameters
    ----------
    origin_ns
        Nanoseconds since 1970 UTC.
    length_ns, step_ns
        Nanoseconds, positive. With a step shorter than the length, windows overlap.

    Raises
    ------
    ParameterError
        If length or step is not positive.

    Examples
    --------
    >>> grid = WindowGrid(0, 60 * 10**9, 30 * 10**9)
    >>> grid.first_sample(3, 20.0), grid.stop_sample(3, 20.0)
    (1800, 3000)
    >>> grid.windows_between(10 * 10**9, 130 * 10**9)
    range(1, 3)
    """

    origin_ns: int
    length_ns: int
    step_ns: int

    def __post_init__(self) -> None:
        if self.length_ns <= 0:
            raise ParameterError(f"length_ns must be positive, not {self.length_ns}")
        if self.step_ns <= 0:
            raise ParameterError(f"step_ns must be positive, not {self.step_ns}")

    @overload
    def start_ns(self, k: int) -> int: ...
    @overload
    def start_ns(self, k: NDArray[np.int64]) -> NDArray[np.int64]: ...
    def start_ns(self, k: Any) -> Any:
        """Time of the start of window(s) k, nanoseconds since 1970."""
        return self.origin_ns + k * self.step_ns

    @overload
    def first_sample(self, k: int, rate_hz: float) -> int: ...
    @overload
    def first_sample(
        self, k: NDArray[np.int64], rate_hz: float
    ) -> NDArray[np.int64]: ...
    def first_sample(self, k: Any, rate_hz: float) -> Any:
        """Index on the absolute grid of the first sample of window(s) k."""
        return _sample_at(k * self.step_ns, rate_hz)

    @overload
    def stop_sample(self, k: int, rate_hz: float) -> int: ...
    @overload
    def stop_sample(
        self, k: NDArray[np.int64], rate_hz: float
    ) -> NDArray[np.int64]: ...
    def stop_sample(self, k: Any, rate_hz: float) -> Any:
        """Index on the absolute grid of the first sample after window(s) k."""
        stop = _sample_at(k * self.step_ns + self.length_ns, rate_hz)
        excess = stop - self.first_sample(k, rate_hz) - self.n_samples(rate_hz)
        return stop - excess * (excess > 0)

    def n_samples(self, rate_hz: float) -> int:
        """Return the largest number of samples that a window of the grid holds."""
        p, q = exact_rate(rate_hz).as_integer_ratio()
        return -((-self.length_ns * p + q * 1000) // (q * _SECOND))

    def windows_between(self, start_ns: int, end_ns: int) -> range:
        """Return the windows that lie wholly inside ``[start_ns, end_ns)``."""
        first = max(0, -(-(start_ns - self.origin_ns) // self.step_ns))
        last = (end_ns - self.origin_ns - self.length_ns) // self.step_ns
        return range(first, max(first, last + 1))


class Cut(NamedTuple):
    """Windows cut from a record.

    Attributes
    ----------
    data
        Shape ``(..., n_windows, n_samples_max)``, rows of zeros for windows that are
        not covered.
    covered
        Shape ``(n_windows,)``, True where the record has all samples of the window.
    n_samples
        Shape ``(n_windows,)`` int64, the samples of each window; zeros fill its row.
        The numbers differ by one if length x rate is not a whole number.
    """

    data: FloatArray
    covered: NDArray[np.bool_]
    n_samples: NDArray[np.int64]


def cut(
    x: ArrayLike,
    first_sample_index: int,
    grid: WindowGrid,
    rate_hz: float,
    windows: range,
) -> Cut:
    """Cut the windows out of a record whose first sample has the given index.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64.
    first_sample_index
        Index of ``x[..., 0]`` on the absolute grid: round((t0 - origin) * rate).
    grid, rate_hz, windows
        The windows, for example ``grid.windows_between(start, end)``.

    Returns
    -------
    `Cut`; the samples are copied once.

    Raises
    ------
    ParameterError
        If the rate is not positive or a window is shorter than one sample.

    Examples
    --------
    >>> grid = WindowGrid(0, 2 * 10**9, 2 * 10**9)
    >>> cut([1.0, 2.0, 3.0, 4.0, 5.0], 1, grid, 1.0, range(3)).data
    array([[0., 0.],
           [2., 3.],
           [4., 5.]])
    """
    x = as_float(x)
    k = np.arange(windows.start, windows.stop, windows.step, dtype=np.int64)
    n_max = grid.n_samples(rate_hz)
    if n_max < 1:
        raise ParameterError(f"a window holds no sample at rate_hz {rate_hz:g}")
    first = grid.first_sample(k, rate_hz) - first_sample_index
    stop = grid.stop_sample(k, rate_hz) - first_sample_index
    covered = (first >= 0) & (stop <= x.shape[-1])
    data = np.empty((*x.shape[:-1], k.size, n_max), dtype=x.dtype)
    for row, (begin, end, whole) in enumerate(
        zip(first.tolist(), stop.tolist(), covered.tolist(), strict=True)
    ):
        n = end - begin if whole else 0
        data[..., row, :n] = x[..., begin : begin + n] if n else 0
        data[..., row, n:] = 0
    return Cut(data, covered, stop - first)


def lag_axis_s(max_lag_s: float, rate_hz: float) -> NDArray[np.float64]:
    """Return the lags k / rate, k = -K..K, where K samples fit into `max_lag_s`.

    A lag less than 1e-6 of a sample above `max_lag_s` is included. The axis is
    symmetric, and lag zero is exactly 0.

    Raises
    ------
    ParameterError
        If `max_lag_s` is negative or not finite, or the rate not positive.

    Examples
    --------
    >>> lag_axis_s(1.0, 2.0)
    array([-1. , -0.5,  0. ,  0.5,  1. ])
    """
    n = n_lags(max_lag_s, rate_hz)
    return np.arange(-n, n + 1) / float(rate_hz)


def n_lags(max_lag_s: float, rate_hz: float) -> int:
    """Return K, the whole samples in `max_lag_s`: the lags of `lag_axis_s` are -K..K.

    Raises
    ------
    ParameterError
        If `max_lag_s` is negative or not finite.

    Examples
    --------
    >>> n_lags(120.0, 20.0)
    2400
    """
    rate_hz = require_rate(rate_hz)
    if not (np.isfinite(max_lag_s) and max_lag_s >= 0):
        raise ParameterError(f"max_lag_s must be at least 0 s, not {max_lag_s}")
    return int(np.floor(max_lag_s * rate_hz + 1e-6))


def _sample_at(time_ns: Any, rate_hz: float) -> Any:
    """Return time x rate rounded up, less 1e-6 of a sample; ints or int64 arrays.

    Seconds and their remainder are multiplied separately, so that int64 never
    overflows.
    """
    p, q = exact_rate(rate_hz).as_integer_ratio()
    seconds, rest_ns = time_ns // _SECOND, time_ns % _SECOND
    whole, part = seconds * p // q, seconds * p % q
    numerator = part * _SECOND + rest_ns * p
    denominator = q * _SECOND
    return whole - (-(numerator - q * 1000) // denominator)
