"""Methods for records that arrive in pieces, with a state between the pieces.

A function of this module returns a `Method`. Its `advance` takes the next samples of a
record and the state after the previous samples; it returns the output that is final,
and the new state. Its `flush` returns the last output at the end of the record. The
joined output equals the output of the function of the same name for the whole record,
for any division into pieces.

Filters are causal, and their output is complete at once. If a method needs later
samples (a running mean, the anti-alias filter of `resample`), its output is delayed by
that number of samples. Zero-phase filters run backward from the end of a record, so
they cannot work on pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np

from seismo_pes.signal import normalize
from seismo_pes.signal import resample as _resample
from seismo_pes.signal._arrays import require_count
from seismo_pes.signal._pieces import (
    Bands,
    Causal,
    Envelope,
    Lanczos,
    Method,
    Reaching,
    State,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.filter import butterworth

__all__ = [
    "Method",
    "State",
    "agc",
    "bandpass",
    "bandstop",
    "decimate",
    "envelope",
    "highpass",
    "interpolate_lanczos",
    "lowpass",
    "multiband_running_absolute_mean",
    "resample",
    "running_absolute_mean",
]


def bandpass(rate_hz: float, low_hz: float, high_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth band-pass; see `filter.bandpass` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.

    Examples
    --------
    >>> from seismo_pes.signal import filter
    >>> x = np.random.default_rng(1).standard_normal(500)
    >>> method = bandpass(20.0, 0.5, 2.0)
    >>> first, state = method.advance(x[:123])
    >>> second, state = method.advance(x[123:], state)
    >>> whole = filter.bandpass(x, 20.0, 0.5, 2.0, zero_phase=False)
    >>> bool(np.allclose(np.concatenate((first, second)), whole, rtol=0, atol=1e-13))
    True
    """
    return Causal(butterworth("bandpass", (low_hz, high_hz), rate_hz, corners))


def bandstop(rate_hz: float, low_hz: float, high_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth band-stop; see `filter.bandstop` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If a corner is at or above Nyquist.
    """
    return Causal(butterworth("bandstop", (low_hz, high_hz), rate_hz, corners))


def lowpass(rate_hz: float, corner_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth low-pass; see `filter.lowpass` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If the corner is at or above Nyquist.
    """
    return Causal(butterworth("lowpass", (corner_hz,), rate_hz, corners))


def highpass(rate_hz: float, corner_hz: float, corners: int = 4) -> Method:
    """Causal Butterworth high-pass; see `filter.highpass` with ``zero_phase=False``.

    Raises
    ------
    ParameterError
        If the corner is at or above Nyquist.
    """
    return Causal(butterworth("highpass", (corner_hz,), rate_hz, corners))


def resample(rate_in_hz: float, rate_out_hz: float, first: int = 0) -> Method:
    """Change of the sampling rate by a fraction; see `resample.resample`.

    The output is delayed by 33 samples of the lower rate.

    Parameters
    ----------
    rate_in_hz, rate_out_hz
        Sampling rates.
    first
        Number of samples that are left out at the start of the record.

    Raises
    ------
    ParameterError
        If the ratio of the rates is not a fraction of small terms;
        `interpolate_lanczos` takes any ratio.

    Examples
    --------
    >>> method = resample(100.0, 20.0)
    >>> y, state = method.advance(np.ones(1000))
    >>> y.shape, method.flush(state).shape
    ((167,), (33,))
    """
    ratio = _resample.rate_ratio(rate_in_hz, rate_out_hz)
    if not _resample.has_finite_reach(ratio):
        raise ParameterError(
            f"rate_out_hz {rate_out_hz:g}: its ratio to rate_in_hz, {ratio}, has too "
            "large terms for records in pieces; interpolate it by a Lanczos "
            "kernel, or change the rate in two steps"
        )
    function = partial(
        _resample.resample, rate_in_hz=rate_in_hz, rate_out_hz=rate_out_hz
    )
    reach = (
        0
        if ratio == 1
        else math.ceil(_resample.HALF_LENGTH * max(Fraction(1), 1 / ratio))
    )
    return Reaching(function, reach, ratio, require_count(first, "first"))


def decimate(factor: int) -> Method:
    """Every `factor`-th sample after an anti-alias filter; see `resample.decimate`.

    Raises
    ------
    ParameterError
        If the factor is not a whole number from 1 to 320.
    """
    return resample(float(require_count(factor, "factor", 1)), 1.0)


def interpolate_lanczos(
    start: Fraction | float, step: Fraction | float, half_width: int = 20
) -> Method:
    """Samples at indices ``start + step * m``; see `resample.interpolate_lanczos`.

    The output is delayed by `half_width` samples.

    Parameters
    ----------
    start
        Index of the first output sample, at least 0.
    step
        Distance between output samples in input samples, above 0.
    half_width
        Half width of the kernel, 2 to 200 samples.

    Raises
    ------
    ParameterError
        If a parameter is out of range.
    """
    if not (np.isfinite(float(start)) and start >= 0):
        raise ParameterError(f"start must be at least 0, not {start}")
    half_width = _resample.require_lanczos(float(step), half_width)
    return Lanczos(Fraction(start), Fraction(step), half_width)


def running_absolute_mean(n_half: int, across_components: bool = False) -> Method:
    """Division by the running mean of ``|x|``; see `normalize.running_absolute_mean`.

    The output is delayed by `n_half` samples.

    Raises
    ------
    ParameterError
        If `n_half` is negative.
    """
    function = partial(
        normalize.running_absolute_mean,
        n_half=n_half,
        across_components=across_components,
    )
    return Reaching(function, require_count(n_half, "n_half"))


def agc(n_half: int, across_components: bool = False) -> Method:
    """Division by the running root mean square; see `normalize.agc`.

    The output is delayed by `n_half` samples.

    Raises
    ------
    ParameterError
        If `n_half` is negative.
    """
    function = partial(
        normalize.agc, n_half=n_half, across_components=across_components
    )
    return Reaching(function, require_count(n_half, "n_half"))


def multiband_running_absolute_mean(
    rate_hz: float,
    bands_hz: Sequence[tuple[float, float]],
    n_half: int,
    corners: int = 4,
) -> Method:
    """The sum of normalised bands, with ``zero_phase=False``.

    See `normalize.multiband_running_absolute_mean`. The output is delayed by `n_half`
    samples.

    Raises
    ------
    ParameterError
        If there is no band, a band exceeds Nyquist, or `n_half` is negative.
    """
    if not bands_hz:
        raise ParameterError("bands_hz holds no band")
    filters = tuple(
        Causal(butterworth("bandpass", (low, high), rate_hz, corners))
        for low, high in bands_hz
    )
    n_half = require_count(n_half, "n_half")
    function = partial(normalize.running_absolute_mean, n_half=n_half)
    return Bands(filters, Reaching(function, n_half))


def envelope(n: int) -> Method:
    """Division by the mean of the neighbours; see `normalize.envelope`.

    The output is delayed by `n` samples, and begins after ``2 n + 1`` samples.

    Raises
    ------
    ParameterError
        If `n` is below 1.
    """
    return Envelope(require_count(n, "n", 1))
