"""The common axis and the steps of the VERCE platform, on single traces."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from obspy import Stream, Trace
from scipy import fft

from dispel4py.errors import DataError
from seismo_pes.comparing.verce_chain import DETRENDS
from seismo_pes.items.waveforms import with_data
from seismo_pes.preprocessing.filters import bandpass, highpass, lowpass
from seismo_pes.preprocessing.trends import detrend

__all__ = ["FUNCTIONS", "pre_filter", "sync_cut"]

LARGEST_STEP = 8  # of one decimation
STOPBAND_DB = 96.0
LARGEST_ORDER = 12


# ---------------------------------------------------------------- one axis of time


def sync_cut(observed: Stream, synthetic: Stream) -> tuple[Stream, Stream]:
    """Bring two streams to the lowest of their rates and to their common time.

    Each trace is decimated in whole steps of at most 8, after a zero-phase Chebyshev
    filter of type II, then interpolated by cubic splines. As on the VERCE platform, a
    ratio below 2 is not filtered, and the last sample is left out.

    Parameters
    ----------
    observed, synthetic : obspy.Stream

    Returns
    -------
    observed, synthetic : obspy.Stream
        All traces with the same times.

    Raises
    ------
    DataError
        If they have no common time.
    """
    traces = [*observed, *synthetic]
    rate_hz = min(float(trace.stats.sampling_rate) for trace in traces)
    lower = [_decimated(trace, rate_hz) for trace in traces]
    start = max(trace.stats.starttime for trace in lower)
    end = min(trace.stats.endtime for trace in lower)
    n = int((end - start) * rate_hz)
    if n < 2:
        raise DataError("observed and synthetic: no common time")
    for trace in lower:
        trace.interpolate(rate_hz, method="cubic", starttime=start, npts=n)
    return Stream(lower[: len(observed)]), Stream(lower[len(observed) :])


def _decimated(trace: Trace, rate_hz: float) -> Trace:
    trace = with_data(trace, np.asarray(trace.data, dtype=np.float64))
    while True:
        factor = min(int(1.0 / rate_hz / trace.stats.delta), LARGEST_STEP)
        if factor <= 1:
            return trace
        data = _below_nyquist(trace.data, factor)[::factor]
        slower = trace.stats.sampling_rate / factor
        trace = with_data(trace, data, sampling_rate=slower)


def _below_nyquist(data: np.ndarray, factor: int) -> np.ndarray:
    from scipy import signal  # slow to import, for these steps only

    stop = 1.0 / factor  # the new Nyquist frequency, in units of the old one
    passed, order = stop, LARGEST_ORDER + 1
    while order > LARGEST_ORDER:
        passed *= 0.99
        order, corner = signal.cheb2ord(passed, stop, 1, STOPBAND_DB)
    b, a = signal.cheby2(order, STOPBAND_DB, corner)
    try:
        return signal.filtfilt(b, a, data)
    except ValueError as error:  # shorter than the filter
        raise DataError(f"too short to be decimated: {error}") from error


# ---------------------------------------------------------------- the steps


def pre_filter(
    trace: Trace, pre_filt: Sequence[float] = (0.02, 0.05, 8.0, 10.0)
) -> Trace:
    """Multiply the spectrum by the cosine taper that removal of a response uses.

    Parameters
    ----------
    trace : obspy.Trace
    pre_filt : sequence of float
        Four rising corners in Hz.
    """
    data = np.asarray(trace.data, dtype=np.float64)
    n_fft = 2 * fft.next_fast_len(data.size, real=True)
    frequency = np.linspace(0, 0.5 / trace.stats.delta, n_fft // 2 + 1)
    f1, f2, f3, f4 = pre_filt
    rise = np.clip((frequency - f1) / (f2 - f1), 0, 1)
    fall = np.clip((f4 - frequency) / (f4 - f3), 0, 1)
    weights = 0.25 * (1 - np.cos(np.pi * rise)) * (1 - np.cos(np.pi * fall))
    bins = fft.rfft(data, n_fft) * weights
    bins[-1] = abs(bins[-1])
    return with_data(trace, fft.irfft(bins, n_fft)[: data.size])


def _taper(
    trace: Trace, taper_type: str = "hann", max_percentage: float = 0.05
) -> Trace:
    return trace.copy().taper(max_percentage=max_percentage, type=taper_type)


def _detrend(trace: Trace, method: str = "linear") -> Trace:
    return detrend(trace, DETRENDS[method])


def _lowpass(trace: Trace, frequency: float, corners: int, zerophase: bool) -> Trace:
    return lowpass(trace, frequency, corners, zerophase)


def _highpass(trace: Trace, frequency: float, corners: int, zerophase: bool) -> Trace:
    return highpass(trace, frequency, corners, zerophase)


def _bandpass(
    trace: Trace,
    min_frequency: float,
    max_frequency: float,
    corners: int,
    zerophase: bool,
) -> Trace:
    return bandpass(trace, min_frequency, max_frequency, corners, zerophase)


FUNCTIONS: dict[str, Callable[..., Trace]] = {
    "detrend": _detrend,
    "taper": _taper,
    "pre_filter": pre_filter,
    "filter_lowpass": _lowpass,
    "filter_highpass": _highpass,
    "filter_bandpass": _bandpass,
}
