"""Changes of the sampling rate: functions and their processing elements."""

from __future__ import annotations

import math
from fractions import Fraction

from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.element import element
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import samples, with_data
from seismo_pes.preprocessing.continuous import any_parameters, continuous_element
from seismo_pes.preprocessing.quality import with_remarks
from seismo_pes.preprocessing.retiming import nominal_rate_hz
from seismo_pes.signal import continuous
from seismo_pes.signal import resample as _resample
from seismo_pes.signal.continuous import Method
from seismo_pes.signal.filter import settling_s
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "Decimate",
    "ReplaceRate",
    "RequireNyquist",
    "Resample",
    "ResampleFourier",
    "ResampleLanczos",
    "decimate",
    "replace_rate",
    "require_nyquist",
    "resample",
    "resample_fourier",
    "resample_lanczos",
]


def resample(trace: Trace, rate_hz: float, origin_ns: int = 0) -> Trace:
    """Change the sampling rate, with an anti-alias filter without delay.

    Samples before the first one that lies on the new grid (``origin_ns`` plus
    multiples of ``1 / rate_hz``, to half an old sample) are left out, so that traces
    of different stations stay simultaneous.

    Parameters
    ----------
    rate_hz : float
        New rate in Hz; its ratio to the old rate must be a fraction.
    origin_ns : int
        Time of sample 0 of the new grid, nanoseconds since 1970.

    Raises
    ------
    DataError
        If the trace has too few samples.
    """
    old_hz = trace.stats.sampling_rate
    if old_hz == rate_hz:
        return trace
    start_ns = trace.stats.starttime.ns
    first = _first_on_grid(start_ns - origin_ns, old_hz, rate_hz)
    if first >= trace.stats.npts:
        raise DataError(f"{trace.stats.npts} samples are too few to resample")
    data = _resample.resample(samples(trace)[first:], old_hz, rate_hz)
    start_ns += round(first * NS / exact_rate(old_hz))
    return with_data(
        trace, data, starttime=UTCDateTime(ns=start_ns), sampling_rate=float(rate_hz)
    )


def _first_on_grid(start_ns: int, old_hz: float, new_hz: float) -> int:
    """Return how many old samples to drop so that the next lies on the new grid."""
    old, new = exact_rate(old_hz), exact_rate(new_hz)
    period = (old / new).numerator  # old samples after which both grids coincide
    offsets = []
    for k in range(min(period, 10_000)):
        at = (start_ns + k * NS / old) * new / NS
        offset = abs(at - round(at)) / new * old  # in old samples
        if offset < 0.5:
            return k
        offsets.append(offset)
    return offsets.index(min(offsets))


def decimate(trace: Trace, factor: int) -> Trace:
    """Keep every n-th sample after a zero-phase anti-alias filter.

    The first sample does not move; `Resample` keeps all stations on one grid.

    Parameters
    ----------
    factor : int
        Old rate over new rate.
    """
    data = _resample.decimate(samples(trace), factor)
    return with_data(trace, data, sampling_rate=trace.stats.sampling_rate / factor)


def resample_lanczos(
    trace: Trace, rate_hz: float, origin_ns: int = 0, half_width: int = 20
) -> Trace:
    """Interpolate onto an absolute grid of time by a Lanczos kernel.

    It is possible for any rate, and for traces whose samples lie between the samples of
    the grid. Before the interpolation to a lower rate, a zero-phase low-pass with 8
    corners at 80 % of the new Nyquist frequency prevents aliasing.

    Parameters
    ----------
    rate_hz : float
        New rate in Hz.
    origin_ns : int
        Time of sample 0 of the new grid, nanoseconds since 1970.
    half_width : int
        Half width of the kernel, samples of the old rate.

    Raises
    ------
    DataError
        If the trace has too few samples.
    """
    from seismo_pes.signal.filter import lowpass

    old, new = exact_rate(trace.stats.sampling_rate), exact_rate(rate_hz)
    data = samples(trace)
    if new < old and len(data):
        data = lowpass(data, float(old), 0.4 * float(new), corners=8)
    first, place = _place_on_grid(trace, old, new, origin_ns)
    step = float(old / new)
    n_out = max(0, math.floor((len(data) - 1 - place) / step + 1e-9) + 1)
    if not n_out:
        raise DataError(f"{trace.id}: {len(data)} samples are too few to resample")
    data = _resample.interpolate_lanczos(data, float(place), step, n_out, half_width)
    start_ns = origin_ns + round(first * NS / new)
    return with_data(
        trace, data, starttime=UTCDateTime(ns=start_ns), sampling_rate=float(new)
    )


def _place_on_grid(
    trace: Trace, old: Fraction, new: Fraction, origin_ns: int
) -> tuple[int, Fraction]:
    """Return the number of the first grid sample in a trace, and its position.

    The position is in samples of the trace.
    """
    since_ns = trace.stats.starttime.ns - origin_ns
    # less than a millionth of a sample from the grid counts as on the grid
    first = math.ceil(since_ns * new / NS - 1e-6)
    return first, max(Fraction(0), (first * NS / new - since_ns) * old / NS)


def resample_fourier(trace: Trace, rate_hz: float) -> Trace:
    """Change the rate by cutting or padding the spectrum of the whole trace.

    It is exact for periodic signals; other signals ring at their ends, so taper first.
    The rate becomes the nearest rate at which the trace has a whole number of samples.

    Parameters
    ----------
    rate_hz : float
        New rate in Hz, approximately.

    Raises
    ------
    DataError
        If the trace has no samples.
    """
    data = samples(trace)
    if not len(data):
        raise DataError(f"{trace.id}: no samples to resample")
    old_hz = trace.stats.sampling_rate
    n_out = max(1, round(len(data) * rate_hz / old_hz))
    resampled = _resample.resample_fourier(data, n_out)
    return with_data(trace, resampled, sampling_rate=old_hz * n_out / len(data))


def replace_rate(trace: Trace, rate_hz: float) -> tuple[Stream, list[Skipped]]:
    """Replace a wrong sampling rate in the header by the true one.

    Samples and the time of the first one stay.

    Parameters
    ----------
    rate_hz : float
        True sampling rate, Hz.

    Raises
    ------
    ParameterError
        If the rate is not positive.
    """
    exact_rate(rate_hz)
    old_hz = nominal_rate_hz(trace)
    changed = with_data(trace, trace.data, sampling_rate=rate_hz)
    changed.stats.pop("header_rate_hz", None)
    if old_hz == rate_hz:
        return Stream([changed]), []
    reason = f"rate of {old_hz:.9g} Hz in the header replaced by {rate_hz:.9g} Hz"
    return Stream([changed]), [Skipped("quality", trace.id, reason)]


def require_nyquist(trace: Trace, above_hz: float) -> Trace:
    """Refuse a trace whose Nyquist frequency is not above a frequency.

    If such a trace is resampled to a higher rate, it has only residues of the
    interpolation at that frequency. Whitening would turn these residues into signals.

    Parameters
    ----------
    above_hz : float
        A frequency in Hz.

    Raises
    ------
    DataError
        If half of the sampling rate is not above it.
    """
    rate_hz = trace.stats.sampling_rate
    if rate_hz / 2 <= above_hz:
        raise DataError(
            f"left out: a record sampled at {rate_hz:g} Hz has no frequencies up to "
            f"{above_hz:g} Hz"
        )
    return trace


def _resampling(trace: Trace, rate_hz: float, origin_ns: int = 0) -> Method:
    old_hz = trace.stats.sampling_rate
    first = 0
    if old_hz != rate_hz:
        start_ns = trace.stats.starttime.ns
        first = _first_on_grid(start_ns - origin_ns, old_hz, rate_hz)
    return continuous.resample(old_hz, rate_hz, first)


def _decimation(trace: Trace, factor: int) -> Method:
    return continuous.decimate(factor)


def _interpolation(
    trace: Trace, rate_hz: float, origin_ns: int = 0, half_width: int = 20
) -> Method:
    old, new = exact_rate(trace.stats.sampling_rate), exact_rate(rate_hz)
    if new < old:
        raise DataError(
            f"{trace.id}: continuous=True interpolates to higher rates only, because "
            "a lower rate needs a zero-phase low-pass before; use Resample"
        )
    _, place = _place_on_grid(trace, old, new, origin_ns)
    return continuous.interpolate_lanczos(place, old / new, half_width)


def _filter_margin(rate_hz: float, factor: float) -> float:
    """Return the reach of the anti-alias filter, and one sample more."""
    return (_resample.HALF_LENGTH + 1) * factor / rate_hz


def _resampling_margin(old_hz: float, /, rate_hz: float, origin_ns: int = 0) -> float:
    return _filter_margin(old_hz, max(old_hz / rate_hz, 1.0))


def _interpolation_margin(
    old_hz: float, /, rate_hz: float, origin_ns: int = 0, half_width: int = 20
) -> float:
    reach_s = (half_width + 1) / old_hz
    if rate_hz < old_hz:
        reach_s += settling_s("lowpass", (0.4 * rate_hz,), old_hz, 8)
    return reach_s


Resample = continuous_element(
    resample, "Resample", _resampling, any_parameters, margin=_resampling_margin
)
Decimate = continuous_element(
    decimate, "Decimate", _decimation, any_parameters, margin=_filter_margin
)
ResampleLanczos = continuous_element(
    resample_lanczos,
    "ResampleLanczos",
    _interpolation,
    any_parameters,
    margin=_interpolation_margin,
)
ReplaceRate = with_remarks(replace_rate, "ReplaceRate")
ResampleFourier = element(resample_fourier, "ResampleFourier")
RequireNyquist = element(require_nyquist, "RequireNyquist")
RequireNyquist.cause = "band"
