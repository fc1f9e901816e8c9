"""An observed and a synthetic record, and the windows in which they are compared."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from math import floor, pi
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits.outcomes import Interval
from seismo_pes.signal.taper import taper

__all__ = ["CONVENTIONS", "TAPER_FRACTION", "Pair", "Records", "taper_weights"]

#: Conventions: our own, and the definitions of pyadjoint 0.2.3.
CONVENTIONS = ("native", "pyadjoint")
#: Length of both tapers of a window together, as a part of it, as in pyadjoint.
TAPER_FRACTION = 0.3
Computed = TypeVar("Computed")
# If a window ends after the record by less than this part of a sample, it ends with the
# record.
_ROUNDING = 1e-3
# A record whose range is smaller than this part of its maximum is constant.
_CONSTANT = 1e-12


class Records:
    """An observed and a synthetic record with the same times.

    Parameters
    ----------
    observed, synthetic
        Shape ``(n,)``, n >= 4; they are used as float64.
    delta_s
        Sampling interval, above 0.

    Raises
    ------
    ParameterError
        If the shapes or the sampling interval are not as described.
    Rejected
        If a record has NaN or infinite samples, is zero or constant.
    """

    def __init__(
        self, observed: ArrayLike, synthetic: ArrayLike, delta_s: float
    ) -> None:
        self.observed = as_float(observed, "observed").astype(np.float64)
        self.synthetic = as_float(synthetic, "synthetic").astype(np.float64)
        if self.observed.ndim != 1 or self.observed.shape != self.synthetic.shape:
            raise ParameterError(
                f"observed {self.observed.shape} and synthetic {self.synthetic.shape} "
                "must be two records of one length"
            )
        if self.n < 4:
            raise ParameterError(f"observed has {self.n} samples, at least 4 needed")
        if not (np.isfinite(delta_s) and delta_s > 0):
            raise ParameterError(f"delta_s must be above 0 s, not {delta_s}")
        self.delta_s = float(delta_s)
        _require_signal(self.observed, "observed")
        _require_signal(self.synthetic, "synthetic")

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.observed.size

    def window(self, window_s: Interval | None, convention: str) -> tuple[int, int]:
        """Return the first sample of a window, and its number of samples.

        Parameters
        ----------
        window_s
            Start and end in seconds after the first sample; None is the whole record.
            Both end samples belong to the window.
        convention
            ``"native"`` takes the nearest samples; ``"pyadjoint"`` rounds the start
            and the length down.

        Raises
        ------
        ParameterError
            If the window ends before it begins.
        Rejected
            If the window is not inside the record, or has less than 4 samples.
        """
        if window_s is None:
            return 0, self.n
        start_s, end_s = window_s
        if not (np.isfinite(start_s) and np.isfinite(end_s) and start_s < end_s):
            raise ParameterError(f"window_s {start_s} to {end_s}: must be in order")
        late = end_s / self.delta_s > self.n - 1 + _ROUNDING
        if start_s < -_ROUNDING * self.delta_s or late:
            raise self._outside(start_s, end_s)
        if convention == "pyadjoint":
            first = floor(start_s / self.delta_s)
            n = floor((end_s - start_s) / self.delta_s) + 1
        else:
            first = round(start_s / self.delta_s)
            n = round(end_s / self.delta_s) + 1 - first
        if first + n > self.n:
            raise self._outside(start_s, end_s)
        if n < 4:
            raise Rejected("window too short", {"n_samples": n})
        return first, n

    def _outside(self, start_s: float, end_s: float) -> Rejected:
        times_s = {"start_s": start_s, "end_s": end_s, "data_s": self.duration_s}
        return Rejected("window outside the data", times_s)

    def observed_between(self, start: int, stop: int) -> FloatArray:
        """Return observed samples, with zeros before and after the record.

        Parameters
        ----------
        start, stop
            Sample numbers; they may be negative, or larger than those of the record.
        """
        out = np.zeros(stop - start)
        inside = slice(max(start, 0), max(min(stop, self.n), 0))
        part = self.observed[inside]
        out[inside.start - start : inside.start - start + part.size] = part
        return out

    @property
    def duration_s(self) -> float:
        """Time of the last sample after the first one."""
        return (self.n - 1) * self.delta_s


@dataclass(frozen=True)
class Pair:
    """One window of two records, and intermediate results that measures share.

    Attributes
    ----------
    records
        The whole records.
    window_s
        Start and end in seconds after the first sample; None is the whole record.
    taper_fraction
        Length of the two tapers together, as a part of the window, 0 to 1.
    convention
        One of `CONVENTIONS`.

    Raises
    ------
    ParameterError
        If a value is not allowed.
    Rejected
        If the window is not inside the record, or a record is zero or constant in it.
    """

    records: Records
    window_s: Interval | None = None
    taper_fraction: float = 0.0
    convention: str = "native"

    def __post_init__(self) -> None:
        if self.convention not in CONVENTIONS:
            listed = ", ".join(CONVENTIONS)
            raise ParameterError(
                f"convention must be one of {listed}, not {self.convention!r}"
            )
        if not 0 <= self.taper_fraction <= 1:
            raise ParameterError(
                f"taper_fraction must be from 0 to 1, not {self.taper_fraction}"
            )
        if self.window_s is not None:
            _require_signal(self.records.observed[self.samples], "observed")
            _require_signal(self.records.synthetic[self.samples], "synthetic")
        _require_energy(self.observed, "observed")
        _require_energy(self.synthetic, "synthetic")

    @cached_property
    def samples(self) -> slice:
        """The samples of the window."""
        first, n = self.records.window(self.window_s, self.convention)
        return slice(first, first + n)

    @property
    def n(self) -> int:
        """Number of samples of the window."""
        return self.samples.stop - self.samples.start

    @property
    def delta_s(self) -> float:
        """Sampling interval."""
        return self.records.delta_s

    @property
    def is_exact(self) -> bool:
        """Whether the convention is ``"native"``."""
        return self.convention == "native"

    @property
    def weights(self) -> FloatArray:
        """The taper, shape ``(n,)``."""
        return taper_weights(self.n, self.taper_fraction, self.convention)

    @cached_property
    def observed(self) -> FloatArray:
        """The tapered observed window, shape ``(n,)``."""
        return self.records.observed[self.samples] * self.weights

    @cached_property
    def synthetic(self) -> FloatArray:
        """The tapered synthetic window, shape ``(n,)``."""
        return self.records.synthetic[self.samples] * self.weights

    @cached_property
    def period_s(self) -> float:
        """Period of the synthetic window, from its root-mean-square frequency."""
        return _period(self.synthetic) * self.delta_s

    @cached_property
    def observed_period_s(self) -> float:
        """Period of the observed window, from its root-mean-square frequency."""
        return _period(self.observed) * self.delta_s

    @cached_property
    def _shared(self) -> dict[Hashable, Any]:
        return {}

    def share(self, key: Hashable, compute: Callable[[], Computed]) -> Computed:
        """Return the result of another measure of this window, or compute it.

        Parameters
        ----------
        key
            Name and parameters of the result.
        compute
            Returns the result.
        """
        if key not in self._shared:
            self._shared[key] = compute()
        return self._shared[key]

    def integral(self, y: FloatArray) -> float:
        """Integral over the window; in the convention of pyadjoint by Simpson's rule.

        Parameters
        ----------
        y
            Shape ``(n,)``.
        """
        if self.is_exact:
            return float(y.sum() * self.delta_s)
        from scipy import integrate  # slow to import

        return float(integrate.simpson(y, dx=self.delta_s))

    def place(self, density: FloatArray, tapered: bool = True) -> FloatArray:
        """Return an adjoint source on the axis of the record.

        Parameters
        ----------
        density
            Derivative of chi by the samples of the window, divided by the sampling
            interval, shape ``(n,)``.
        tapered
            Whether it is the derivative by tapered samples, so that the taper must be
            applied.
        """
        adjoint = np.zeros(self.records.n)
        adjoint[self.samples] = density * self.weights if tapered else density
        return adjoint


@lru_cache(maxsize=256)
def taper_weights(n: int, fraction: float, convention: str) -> FloatArray:
    """Return a window with Hann flanks, which together have `fraction` of `n` samples.

    Parameters
    ----------
    n
        Number of samples.
    fraction
        From 0 to 1.
    convention
        One of `CONVENTIONS`. In that of pyadjoint, both ends of each flank count: the
        flank of k samples reaches one at its last sample.

    Returns
    -------
    float64, shape ``(n,)``, read-only.

    Examples
    --------
    >>> taper_weights(6, 0.7, "native").round(2)
    array([0. , 0.5, 1. , 1. , 0.5, 0. ])
    """
    if convention == "native":
        weights = np.asarray(taper(np.ones(n), round(n * fraction / 2)))
    else:
        k = int(n * fraction / 2 + (0.5 if 0 < fraction < 1 else 0))
        weights = np.ones(n)
        flank = 0.5 - 0.5 * np.cos(pi * np.arange(k) / max(k - 0.5, 0.5))
        weights[:k] = flank
        weights[n - k :] = flank[::-1]
    weights.flags.writeable = False
    return weights


def _period(x: FloatArray) -> float:
    """Period of the root-mean-square frequency, in samples."""
    velocity: FloatArray = np.gradient(x)
    return float(2 * pi * np.sqrt((x @ x) / (velocity @ velocity)))


def _require_signal(x: FloatArray, name: str) -> None:
    if not np.isfinite(x).all():
        raise Rejected(f"{name} record is not finite")
    largest = np.abs(x).max()
    if largest == 0:
        raise Rejected(f"{name} record is zero")
    if np.ptp(x) <= _CONSTANT * largest:
        raise Rejected(f"{name} record is constant", {"amplitude": float(x[0])})


def _require_energy(x: FloatArray, name: str) -> None:
    with np.errstate(over="ignore"):
        energy = float(x @ x)
    if not (np.isfinite(energy) and energy > np.finfo(np.float64).tiny):
        raise Rejected(f"{name} amplitude is out of range", {"energy": energy})
