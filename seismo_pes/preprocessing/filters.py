"""Butterworth filters on traces: functions, and the PEs made of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from obspy import Trace

from seismo_pes.element import element
from seismo_pes.items.traces import samples, with_data
from seismo_pes.signal import filter as _filter

__all__ = [
    "Bandpass",
    "Bandstop",
    "Highpass",
    "Lowpass",
    "bandpass",
    "bandstop",
    "highpass",
    "lowpass",
]


def bandpass(
    trace: Trace,
    low_hz: float,
    high_hz: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> Trace:
    """Apply a Butterworth band-pass.

    Parameters
    ----------
    low_hz, high_hz : float
        Corners in Hz, below Nyquist.
    corners : int
        Order in each direction.
    zero_phase : bool
        Run forward and backward; else causal.

    Examples
    --------
    >>> import numpy as np
    >>> bandpass(Trace(np.ones(9)), 0.1, 0.2).data.dtype
    dtype('float64')
    """
    return _filtered(_filter.bandpass, trace, low_hz, high_hz, corners, zero_phase)


def bandstop(
    trace: Trace,
    low_hz: float,
    high_hz: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> Trace:
    """Apply a Butterworth band-stop.

    Parameters
    ----------
    low_hz, high_hz : float
        Corners in Hz, below Nyquist.
    corners : int
        Order in each direction.
    zero_phase : bool
        Run forward and backward; else causal.
    """
    return _filtered(_filter.bandstop, trace, low_hz, high_hz, corners, zero_phase)


def lowpass(
    trace: Trace, corner_hz: float, corners: int = 4, zero_phase: bool = True
) -> Trace:
    """Apply a Butterworth low-pass.

    Parameters
    ----------
    corner_hz : float
        Corner in Hz, below Nyquist.
    corners : int
        Order in each direction.
    zero_phase : bool
        Run forward and backward; else causal.
    """
    return _filtered(_filter.lowpass, trace, corner_hz, corners, zero_phase)


def highpass(
    trace: Trace, corner_hz: float, corners: int = 4, zero_phase: bool = True
) -> Trace:
    """Apply a Butterworth high-pass.

    Parameters
    ----------
    corner_hz : float
        Corner in Hz, below Nyquist.
    corners : int
        Order in each direction.
    zero_phase : bool
        Run forward and backward; else causal.
    """
    return _filtered(_filter.highpass, trace, corner_hz, corners, zero_phase)


def _filtered(
    function: Callable[..., np.ndarray], trace: Trace, *options: float
) -> Trace:
    rate_hz = trace.stats.sampling_rate
    return with_data(trace, function(samples(trace), rate_hz, *options))


Bandpass = element(bandpass, "Bandpass")
Bandstop = element(bandstop, "Bandstop")
Lowpass = element(lowpass, "Lowpass")
Highpass = element(highpass, "Highpass")
