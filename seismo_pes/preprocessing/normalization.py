"""Normalisation of traces in time: functions and their processing elements."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import element
from seismo_pes.items.waveforms import aligned, samples, with_data
from seismo_pes.preprocessing.continuous import any_parameters, continuous_element
from seismo_pes.preprocessing.filters import require_causal
from seismo_pes.signal import continuous
from seismo_pes.signal import normalize as _normalize
from seismo_pes.signal.continuous import Method
from seismo_pes.signal.filter import settling_s

__all__ = [
    "Agc",
    "Clip",
    "Envelope",
    "Gain",
    "MeanNormalize",
    "MultibandRam",
    "Normalize",
    "OneBit",
    "RunningAbsoluteMean",
    "WaterLevel",
    "Winsorize",
    "agc",
    "clip",
    "envelope",
    "gain",
    "mean_normalize",
    "multiband_ram",
    "normalize",
    "onebit",
    "running_absolute_mean",
    "water_level",
    "winsorize",
]


def normalize(
    trace: Trace,
    kind: str,
    ram_window_s: float | None = None,
    clip_std: float | None = None,
) -> Trace:
    """Normalise in time: ``none``, ``onebit``, ``ram`` or ``clip``.

    Parameters
    ----------
    kind : str
        Name of the normalisation.
    ram_window_s : float
        Full width of the running absolute mean in seconds.
    clip_std : float
        Multiple of the standard deviation at which to clip; 3 by default.

    Raises
    ------
    DataError
        If there is no normalisation of this kind.
    """
    if kind == "none":
        return trace
    if kind == "onebit":
        return onebit(trace)
    if kind == "ram":
        n_half = round((ram_window_s or 0.0) * trace.stats.sampling_rate / 2)
        data = _normalize.running_absolute_mean(samples(trace), n_half)
        return with_data(trace, data)
    if kind == "clip":
        return clip(trace, clip_std or 3.0)
    raise DataError(f"unknown normalisation {kind!r}")


def onebit(trace: Trace) -> Trace:
    """Keep only the sign of each sample.

    Examples
    --------
    >>> onebit(Trace(np.array([-3.0, 0.0, 2.0]))).data
    array([-1.,  0.,  1.])
    """
    return with_data(trace, _normalize.onebit(samples(trace)))


def clip(trace: Trace, n_std: float = 3.0, level: float | None = None) -> Trace:
    """Limit the amplitude to a multiple of the standard deviation, or to a level.

    Parameters
    ----------
    n_std : float
        Bound, as a multiple of the root mean square of the trace.
    level : float, optional
        Bound in the unit of the trace, instead of ``n_std``; also possible for records
        that arrive in pieces.
    """
    if level is not None:
        return with_data(trace, _normalize.clip_at(samples(trace), level))
    return with_data(trace, _normalize.clip(samples(trace), n_std))


def winsorize(trace: Trace, n_rms: float = 3.0, n_passes: int = 10) -> Trace:
    """Clip repeatedly, until no sample exceeds the bound.

    Parameters
    ----------
    n_rms : float
        Bound, as a multiple of the root mean square of the clipped trace.
    n_passes : int
        Largest number of passes.
    """
    return with_data(trace, _normalize.winsorize(samples(trace), n_rms, n_passes))


def mean_normalize(trace: Trace) -> Trace:
    """Divide by the mean absolute value of the trace."""
    return with_data(trace, _normalize.mean_normalize(samples(trace)))


def envelope(trace: Trace, n: int = 15) -> Trace:
    """Divide by the mean absolute value of the neighbours of each sample.

    Parameters
    ----------
    n : int
        Samples on each side.
    """
    return with_data(trace, _normalize.envelope(samples(trace), n))


def gain(trace: Trace, window_s: float) -> Trace:
    """Gain control with triangular weights.

    Parameters
    ----------
    window_s : float
        Full width of the triangle in seconds.
    """
    return with_data(trace, _normalize.gain(samples(trace), _half(trace, window_s)))


def water_level(trace: Trace, level: float = 3.0, n_passes: int = 100) -> Trace:
    """Divide samples above a level by ten, until no sample exceeds the level.

    Parameters
    ----------
    level : float
        Multiple of the mean absolute value, above 1.
    n_passes : int
        Largest number of passes.
    """
    return with_data(trace, _normalize.water_level(samples(trace), level, n_passes))


def multiband_ram(
    trace: Trace,
    bands_hz: Sequence[tuple[float, float]],
    window_s: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> Trace:
    """Sum the running absolute mean normalisations of several bands.

    Parameters
    ----------
    bands_hz : sequence of (float, float)
        Corners of each band in Hz.
    window_s : float
        Full width of the running mean in seconds.
    corners : int
        Order of the band-pass filters.
    zero_phase : bool
        Filter forward and backward; otherwise causal, as ``continuous`` requires.
    """
    data = _normalize.multiband_running_absolute_mean(
        samples(trace),
        trace.stats.sampling_rate,
        bands_hz,
        _half(trace, window_s),
        corners,
        zero_phase,
    )
    return with_data(trace, data)


def running_absolute_mean(
    stream: Stream, window_s: float, across_components: bool = False
) -> Stream:
    """Divide by the running mean of the absolute value.

    Parameters
    ----------
    stream : obspy.Stream
        Components of one instrument.
    window_s : float
        Full width of the running mean in seconds.
    across_components : bool
        Use one weight for all components of an instrument, which preserves their ratios
        and so the polarisation; only times at which all components have data are kept.
    """
    return _by_component(
        _normalize.running_absolute_mean, stream, window_s, across_components
    )


def agc(stream: Stream, window_s: float, across_components: bool = False) -> Stream:
    """Automatic gain control: divide by the running root mean square.

    Parameters
    ----------
    stream : obspy.Stream
        Components of one instrument.
    window_s : float
        Full width of the running mean in seconds.
    across_components : bool
        Use one weight for all components of an instrument; only times at which all
        components have data are kept.
    """
    return _by_component(_normalize.agc, stream, window_s, across_components)


def _by_component(
    function: Callable[..., np.ndarray], stream: Stream, window_s: float, across: bool
) -> Stream:
    normalized = Stream()
    if not across:
        for trace in stream:
            data = function(samples(trace), _half(trace, window_s))
            normalized.append(with_data(trace, data))
        return normalized
    for traces, data in aligned(stream):
        rows = function(data, _half(traces[0], window_s), across_components=True)
        normalized.extend(
            [with_data(t, row) for t, row in zip(traces, rows, strict=True)]
        )
    return normalized


def _half(trace: Any, window_s: float) -> int:
    return round(window_s * float(trace.stats.sampling_rate) / 2)


def _window_margin(
    rate_hz: float, window_s: float, across_components: bool = False
) -> float:
    return window_s


def _ram_margin(
    rate_hz: float,
    kind: str,
    ram_window_s: float | None = None,
    clip_std: float | None = None,
) -> float:
    return (ram_window_s or 0.0) if kind == "ram" else 0.0


def _envelope_margin(rate_hz: float, n: int = 15) -> float:
    return (n + 1) / rate_hz


def _multiband_margin(
    rate_hz: float,
    bands_hz: Sequence[tuple[float, float]],
    window_s: float,
    corners: int = 4,
    zero_phase: bool = True,
) -> float:
    settling = (settling_s("bandpass", tuple(b), rate_hz, corners) for b in bands_hz)
    return window_s + max(settling)


Normalize = element(normalize, "Normalize", margin=_ram_margin)
OneBit = element(onebit, "OneBit")
Clip = element(clip, "Clip")
Winsorize = element(winsorize, "Winsorize")
MeanNormalize = element(mean_normalize, "MeanNormalize")
Gain = element(gain, "Gain", margin=_window_margin)
WaterLevel = element(water_level, "WaterLevel")


def _envelope_method(trace: Trace, n: int = 15) -> Method:
    return continuous.envelope(n)


def _multiband_method(
    trace: Trace,
    bands_hz: Sequence[tuple[float, float]],
    window_s: float,
    corners: int = 4,
    zero_phase: bool = False,
) -> Method:
    rate_hz = float(trace.stats.sampling_rate)
    return continuous.multiband_running_absolute_mean(
        rate_hz, bands_hz, _half(trace, window_s), corners
    )


Envelope = continuous_element(
    envelope, "Envelope", _envelope_method, any_parameters, margin=_envelope_margin
)
MultibandRam = continuous_element(
    multiband_ram,
    "MultibandRam",
    _multiband_method,
    require_causal,
    margin=_multiband_margin,
)


def _running(method: Callable[[int], Method]) -> Callable[..., Method]:
    """Return a function that makes the method from a trace and the parameters."""

    def of_trace(
        trace: Trace, window_s: float, across_components: bool = False
    ) -> Method:
        return method(_half(trace, window_s))

    return of_trace


def _require_single(*, across_components: bool = False, **options: Any) -> None:
    if across_components:
        raise ParameterError(
            "continuous=True needs across_components=False: the pieces of the "
            "components of an instrument cover different times"
        )


RunningAbsoluteMean = continuous_element(
    running_absolute_mean,
    "RunningAbsoluteMean",
    _running(continuous.running_absolute_mean),
    _require_single,
    per="station",
    margin=_window_margin,
)
Agc = continuous_element(
    agc,
    "Agc",
    _running(continuous.agc),
    _require_single,
    per="station",
    margin=_window_margin,
)
