"""Measures of peak ground motion and of response spectra.

The peaks of the band-limited motion may lie between samples, so they do not depend on
the sampling rate of the record. Records should begin and end at rest: taper them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, factorial, floor, log, pi
from typing import NamedTuple

import numpy as np
from numpy.polynomial import Polynomial as PowerSeries
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.band_limited import Polynomial, newton, without_nyquist
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import Settings, setting

__all__ = [
    "MotionSettings",
    "Oscillator",
    "Peak",
    "ResponseSettings",
    "peak_motion",
    "pga",
    "pgd",
    "pgv",
    "psa",
]

MOTIONS = ("displacement", "velocity", "acceleration")
# Number of times per sample at which peaks are first searched; parabolas and Newton's
# method refine them.
_FACTOR = 4
# Zeros after a record that begins and ends at zero: errors of interpolation from its
# ends decay over them.
_PADDING = 64
# Free vibrations are computed until their amplitude is this part of the first one.
_DECAYED = 1e-9


@dataclass(frozen=True)
class MotionSettings(Settings):
    """Options of `pgd`, `pgv` and `pga`."""

    motion: str = setting("velocity", "quantity of the records", choices=MOTIONS)


@dataclass(frozen=True)
class ResponseSettings(MotionSettings):
    """Options of `psa`."""

    period_s: float = setting(
        1.0, "period of the oscillator without damping", unit="s", above=0
    )
    damping: float = setting(
        0.05, "fraction of critical damping", least=0.001, most=0.99
    )


class Oscillator(NamedTuple):
    """A damped oscillator.

    Attributes
    ----------
    period_s
        Period without damping.
    damping
        Fraction of critical damping.
    """

    period_s: float
    damping: float


class Peak(NamedTuple):
    """The largest absolute value of a motion.

    Attributes
    ----------
    size
        The absolute value.
    time_s
        Its time in seconds after the first sample.
    gradient
        Derivative of `size` by the samples of the record, shape ``(n,)``.
    """

    size: float
    time_s: float
    gradient: FloatArray


def pgd(pair: Pair, options: MotionSettings) -> Result:
    """Logarithm of the ratio of the peak ground displacements.

    The value is ln(observed/synthetic), chi is half of its square. Velocities and
    accelerations are integrated from rest at the first sample.

    Parameters
    ----------
    pair
        The windows: the peak is searched in the window, the motion is computed from the
        whole record.
    options
        `MotionSettings`.

    Returns
    -------
    `Result` with both peaks, ``observed`` and ``synthetic``, and their times
    ``observed_s`` and ``synthetic_s`` after the first sample.
    """
    return _compare(pair, "displacement", options)


def pgv(pair: Pair, options: MotionSettings) -> Result:
    """Logarithm of the ratio of the peak ground velocities.

    See `pgd`.

    Parameters
    ----------
    pair
        The windows.
    options
        `MotionSettings`.

    Returns
    -------
    `Result` as of `pgd`.
    """
    return _compare(pair, "velocity", options)


def pga(pair: Pair, options: MotionSettings) -> Result:
    """Logarithm of the ratio of the peak ground accelerations.

    See `pgd`.

    Parameters
    ----------
    pair
        The windows.
    options
        `MotionSettings`.

    Returns
    -------
    `Result` as of `pgd`.
    """
    return _compare(pair, "acceleration", options)


def psa(pair: Pair, options: ResponseSettings) -> Result:
    """Logarithm of the ratio of the pseudo-spectral accelerations.

    The pseudo-spectral acceleration is (2 pi / T)^2 times the largest displacement of
    an oscillator of period T against the ground; it tends to the peak ground
    acceleration at short periods. The value is ln(observed/synthetic), chi is half of
    its square. Without a window, the free vibration after the record counts, too.

    Parameters
    ----------
    pair
        The windows: the peak is searched in the window, the motion is computed from the
        whole record.
    options
        `ResponseSettings`.

    Returns
    -------
    `Result` as of `pgd`, with ``period_s`` and ``damping`` in addition.
    """
    oscillator = Oscillator(options.period_s, options.damping)
    result = _compare(pair, "acceleration", options, oscillator)
    result.quantities.update(period_s=options.period_s, damping=options.damping)
    return result


def peak_motion(
    record: FloatArray,
    delta_s: float,
    motion: str,
    wanted: str,
    samples: slice | None = None,
    oscillator: Oscillator | None = None,
) -> Peak:
    """Return the peak of a ground motion, or of an oscillator's pseudo-acceleration.

    Parameters
    ----------
    record
        float64, shape ``(n,)``.
    delta_s
        Sampling interval.
    motion, wanted
        The quantity of the record, and that of the peak: ``"displacement"``,
        ``"velocity"`` or ``"acceleration"``.
    samples
        Where the peak is searched; by default in the whole record, for an oscillator
        also in the period after it.
    oscillator
        If given, the peak is that of its pseudo-acceleration, and `wanted` must be
        ``"acceleration"``.

    Examples
    --------
    >>> t = np.arange(400) * 0.05
    >>> pulse = np.exp(-(((t - 10.013) / 1.5) ** 2))
    >>> peak = peak_motion(pulse, 0.05, "velocity", "velocity")
    >>> round(peak.size, 6), round(peak.time_s, 6)
    (1.0, 10.013)
    """
    order = MOTIONS.index(wanted) - MOTIONS.index(motion)
    moving = _Motion(record, delta_s, order, oscillator)
    low, high = 0.0, record.size - 1.0
    if samples is not None:
        low, high = samples.start, samples.stop - 1.0
    elif oscillator is not None:
        high += ceil(oscillator.period_s / delta_s)
    return moving.peak(low, high)


def _compare(
    pair: Pair,
    wanted: str,
    options: MotionSettings,
    oscillator: Oscillator | None = None,
) -> Result:
    samples = None if pair.window_s is None else pair.samples
    records, delta_s = pair.records, pair.delta_s
    observed, synthetic = (
        peak_motion(x, delta_s, options.motion, wanted, samples, oscillator)
        for x in (records.observed, records.synthetic)
    )
    if not (observed.size > 0 and synthetic.size > 0):
        raise Rejected(
            "no motion", {"observed": observed.size, "synthetic": synthetic.size}
        )
    value = log(observed.size / synthetic.size)
    quantities = {
        "observed": observed.size,
        "synthetic": synthetic.size,
        "observed_s": observed.time_s,
        "synthetic_s": synthetic.time_s,
    }
    adjoint = -value / (synthetic.size * delta_s) * synthetic.gradient
    return Result(0.5 * value**2, adjoint, quantities, value=value)


class _Motion:
    """A motion at any time, as a trigonometric polynomial plus a power series.

    Times are in samples. The series is the line through the first and last sample, or
    for integrals the series with which the motion begins at rest.
    """

    def __init__(
        self,
        record: FloatArray,
        delta_s: float,
        order: int,
        oscillator: Oscillator | None,
    ) -> None:
        self.n, self.delta_s, self.order = record.size, delta_s, order
        self.has_line = order >= 0 and oscillator is None
        least = self.n + _PADDING
        if oscillator is not None:
            decay = oscillator.damping * 2 * pi / oscillator.period_s * delta_s
            least = self.n + ceil(log(1 / _DECAYED) / decay)
        self.n_fft = int(fft.next_fast_len(least, real=True))
        self.factor = self._factor(oscillator)
        line = self._line(record)
        spectrum = fft.rfft(record - line(np.arange(self.n)), self.n_fft)
        self.wave = Polynomial(
            without_nyquist(spectrum * self.factor, self.n_fft), self.n_fft
        )
        mean = float(spectrum[0].real) / self.n_fft
        self.series = self._series(line, mean)

    def _factor(self, oscillator: Oscillator | None) -> ComplexArray:
        """Transfer function from the record to the motion, without frequency zero of
        integrals.
        """
        omega = 2 * pi / self.n_fft * np.arange(self.n_fft // 2 + 1) / self.delta_s
        factor = np.zeros(omega.size, dtype=complex)
        factor[0] = self.order == 0
        factor[1:] = (1j * omega[1:]) ** self.order
        if oscillator is not None:
            ratio = omega * oscillator.period_s / (2 * pi)
            factor /= 1 - ratio**2 + 2j * oscillator.damping * ratio
        return factor

    def _line(self, record: FloatArray) -> PowerSeries:
        if not self.has_line:
            return PowerSeries([0.0])
        slope = (record[-1] - record[0]) / (self.n - 1)
        return PowerSeries([record[0], slope])

    def _series(self, line: PowerSeries, mean: float) -> PowerSeries:
        if self.order >= 0:
            return line.deriv(self.order) / self.delta_s**self.order
        coefficients = [
            -self.wave.value(0.0, k) / factorial(k) for k in range(-self.order)
        ]
        coefficients.append(mean * self.delta_s**-self.order / factorial(-self.order))
        return PowerSeries(coefficients)

    def value(self, at: float, order: int = 0) -> float:
        """Return the motion, or a derivative per sample."""
        return self.wave.value(at, order) + float(self.series.deriv(order)(at))

    def peak(self, low: float, high: float) -> Peak:
        """Return the largest absolute value between two times."""
        steps = np.arange(ceil(low * _FACTOR), floor(high * _FACTOR) + 1)
        values = np.take(self.wave.samples(_FACTOR), steps, mode="wrap")
        values = values + self.series(steps / _FACTOR)
        best = _highest(np.abs(values))
        at, sign = float(steps[best]) / _FACTOR, float(np.sign(values[best]))
        if 0 < best < steps.size - 1:
            refined = newton(
                lambda t: (sign * self.value(t, 1), sign * self.value(t, 2)),
                at,
                at - 1 / _FACTOR,
                at + 1 / _FACTOR,
            )
            at = at if refined is None else refined
        size = sign * self.value(at)
        return Peak(size, at * self.delta_s, sign * self.row(at))

    def row(self, at: float) -> FloatArray:
        """Return the derivative of the motion by the samples of the record."""
        kernel = self._kernel(at, 0)
        if self.has_line:
            share = np.arange(self.n) / (self.n - 1)
            shares = np.stack([1 - share, share])
            slope = 1 / (self.n - 1)
            lines = PowerSeries([1, -slope]), PowerSeries([0, slope])
            own = np.array([line.deriv(self.order)(at) for line in lines])
            kernel[[0, -1]] += own / self.delta_s**self.order - shares @ kernel
            return kernel
        for k in range(-self.order):
            kernel -= self._kernel(0.0, k) * at**k / factorial(k)
        if self.order < 0:
            kernel += (at * self.delta_s) ** -self.order / (
                factorial(-self.order) * self.n_fft
            )
        return kernel

    def _kernel(self, at: float, order: int) -> FloatArray:
        omega = self.wave.omega
        phasor = self.factor * np.exp(1j * omega * at) * (1j * omega) ** order
        spectrum: ComplexArray = without_nyquist(np.conj(phasor), self.n_fft)
        return np.asarray(fft.irfft(spectrum, self.n_fft))[: self.n]


def _highest(x: FloatArray) -> int:
    """Return the sample whose parabola through its neighbours is highest."""
    if x.size < 3:
        return int(x.argmax())
    left, middle, right = x[:-2], x[1:-1], x[2:]
    curvature = 2 * middle - left - right
    is_top = (middle >= left) & (middle >= right) & (curvature > 0)
    rise = np.zeros(x.size)
    rise[1:-1][is_top] = (right - left)[is_top] ** 2 / (8 * curvature[is_top])
    return int((x + rise).argmax())
