"""Butterworth filters on traces: functions and their processing elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from obspy import Trace

from dispel4py.errors import ParameterError
from seismo_pes.items.waveforms import samples, with_data
from seismo_pes.preprocessing.continuous import continuous_element
from seismo_pes.signal import continuous
from seismo_pes.signal import filter as _filter
from seismo_pes.signal.continuous import Method
from seismo_pes.signal.filter import settling_s

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
        Filter forward and backward; otherwise causal, as ``continuous`` requires.

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
        Filter forward and backward; otherwise causal, as ``continuous`` requires.
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
        Filter forward and backward; otherwise causal, as ``continuous`` requires.
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
        Filter forward and backward; otherwise causal, as ``continuous`` requires.
    """
    return _filtered(_filter.highpass, trace, corner_hz, corners, zero_phase)


def _filtered(
    function: Callable[..., np.ndarray], trace: Trace, *options: float
) -> Trace:
    rate_hz = trace.stats.sampling_rate
    return with_data(trace, function(samples(trace), rate_hz, *options))


def _causal(method: Callable[..., Method]) -> Callable[..., Method]:
    """Return a function that makes the method from a trace and the parameters."""

    def of_trace(trace: Trace, *, zero_phase: bool, **options: Any) -> Method:
        return method(trace.stats.sampling_rate, **options)

    return of_trace


def require_causal(*, zero_phase: bool = True, **options: Any) -> None:
    """Refuse filters of zero phase for records in pieces.

    Raises
    ------
    ParameterError
        If the filter is of zero phase.
    """
    if zero_phase:
        raise ParameterError(
            "continuous=True needs zero_phase=False: a zero-phase filter runs backward "
            "from the end of the record, which is not known while pieces arrive"
        )


def _settling(kind: str) -> Callable[..., float]:
    """Return a function that gives the margin of a filter."""

    def margin(
        rate_hz: float, corners: int = 4, zero_phase: bool = True, **corners_hz: float
    ) -> float:
        order = ("low_hz", "high_hz", "corner_hz")
        values = tuple(corners_hz[name] for name in order if name in corners_hz)
        return settling_s(kind, values, rate_hz, corners)

    return margin


Bandpass = continuous_element(
    bandpass,
    "Bandpass",
    _causal(continuous.bandpass),
    require_causal,
    margin=_settling("bandpass"),
)
Bandstop = continuous_element(
    bandstop,
    "Bandstop",
    _causal(continuous.bandstop),
    require_causal,
    margin=_settling("bandstop"),
)
Lowpass = continuous_element(
    lowpass,
    "Lowpass",
    _causal(continuous.lowpass),
    require_causal,
    margin=_settling("lowpass"),
)
Highpass = continuous_element(
    highpass,
    "Highpass",
    _causal(continuous.highpass),
    require_causal,
    margin=_settling("highpass"),
)
