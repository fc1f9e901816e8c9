"""Removal of the instrument: deconvolution by the response of the channel.

The formulas are those of `obspy.Trace.remove_response`, without demeaning and taper.
The inverse of each response is computed once, in `metadata.inverse`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from obspy import Inventory, Stream, Trace, UTCDateTime
from obspy.core.inventory import Response
from scipy import fft

from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import Element
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import with_data
from seismo_pes.metadata.epochs import (
    RESPONSE,
    channel_epochs,
    has_response,
    split_trace,
)
from seismo_pes.metadata.inventory import MissingMetadata, StationInventories
from seismo_pes.metadata.inverse import PreFilter, ResponseCache
from seismo_pes.methods import RESPONSES
from seismo_pes.signal.transfer import apply

__all__ = ["RemoveResponse", "remove_response"]

# After this time, the impulse response of a cosine flank of 1 Hz is below 1e-6 of the
# root mean square of white noise in its band; seconds. Longer for narrower flanks.
FLANK_REACH_S = 20.0
# Margin without a pre-filter, seconds. The impulse response of the inverse alone has no
# end; a band-pass that follows ends it.
REACH_S = 3600.0
OUTPUTS = (*RESPONSES, "DEF")


def remove_response(
    stream: Iterable[Trace],
    inventory: Inventory,
    output: str = "VEL",
    pre_filt: PreFilter | None = None,
    water_level_db: float | None = 60.0,
    cache: ResponseCache | None = None,
) -> Stream:
    """Remove the instrument response; returns new traces.

    It neither demeans nor tapers: do both before, otherwise the ends of the trace ring.

    Parameters
    ----------
    stream : obspy.Stream or iterable of obspy.Trace
        Gapless traces; they are not changed.
    inventory : obspy.Inventory
        Station metadata with responses.
    output : str
        ``"DISP"``, ``"VEL"`` or ``"ACC"`` in SI units; ``"DEF"``: the sensor's input.
    pre_filt : four floats, optional
        Corners in Hz of a cosine taper in the frequency domain.
    water_level_db : float, optional
        Lower limit of the response, in dB below its maximum.
    cache : ResponseCache, optional
        Responses of earlier calls; pass the same one for all data of a channel.

    Returns
    -------
    obspy.Stream
        float64, in the order given, with the headers of the input. A trace is split
        where its response changes (`metadata.epochs`); each part gets its own.

    Raises
    ------
    DataError
        If a channel has no response at the time of a trace, or it cannot be evaluated.
    ParameterError
        If the output is unknown, or the corners do not rise or exceed Nyquist.
    """
    if output not in OUTPUTS:
        raise ParameterError(f"output {output!r}: one of {', '.join(OUTPUTS)} is known")
    cache = ResponseCache() if cache is None else cache
    removed = Stream()
    for trace in stream:
        _check_pre_filt(pre_filt, trace.stats.sampling_rate)
        for part, response in _parts_with_response(trace, inventory):
            if response is None:
                raise MissingMetadata(_no_response(part, inventory))
            data = _deconvolved(part, response, cache, output, pre_filt, water_level_db)
            removed.append(with_data(part, data))
    return removed


class RemoveResponse(Element):
    """Remove the instrument response: `remove_response` as a processing element.

    Parameters
    ----------
    inventory : str, Path or obspy.Inventory
        Station metadata; a path is read when the run starts, by `read_inventory`.
    output, pre_filt, water_level_db
        See `remove_response`.
    cache_mb : float
        See `ResponseCache`.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        Gapless traces.
    output : the same type
        Traces, or parts of traces, that have a response; the response is removed.
    skipped : Skipped
        Traces, or parts of traces, without a response, and traces whose Nyquist
        frequency is below the last corner of ``pre_filt``, stage ``"response"``.

    Raises
    ------
    ParameterError
        If there is no such output.
    """

    stage = "response"

    def __init__(
        self,
        inventory: str | Path | Inventory,
        output: str = "VEL",
        pre_filt: PreFilter | None = None,
        water_level_db: float | None = 60.0,
        cache_mb: float = 256.0,
    ) -> None:
        super().__init__()
        # evalresp's package loads matplotlib, which takes a second: processes that are
        # forked from this one share it
        import obspy.signal  # noqa: F401

        if output not in OUTPUTS:
            raise ParameterError(
                f"output {output!r}: one of {', '.join(OUTPUTS)} is known"
            )
        _check_pre_filt(pre_filt, math.inf)
        self.inventory = inventory
        self.options = (output, pre_filt, water_level_db)
        self.cache_mb = cache_mb

    def _preprocess(self) -> None:
        self._cache = ResponseCache(self.cache_mb)
        self._stations = StationInventories(self.inventory)

    def skip(self, name: str, error: Exception) -> Skipped:
        """Return the report of a part that has no response; its time stands apart."""
        report = super().skip(name, error)
        return replace(report, reason=_TIME.sub("", report.reason))

    def _parts(self, traces: list[Trace]) -> list[Trace]:
        return [
            part
            for trace in traces
            for part, _ in _parts_with_response(trace, self._stations.of(trace.id))
        ]

    def margin_s(self, rate_hz: float) -> float:
        """Return the length of the impulse response of ``pre_filt``, seconds.

        Without ``pre_filt`` it is an hour. The impulse response of the inverse is as
        long as the trace, so at the longest periods the ends of the trace have an
        effect everywhere.

        Parameters
        ----------
        rate_hz : float
            Sampling rate of the input.
        """
        pre_filt = self.options[1]
        if pre_filt is None:
            return REACH_S
        f1, f2, f3, f4 = pre_filt
        return FLANK_REACH_S / min(f2 - f1, f4 - f3)

    def transform(self, part: Trace) -> Stream:
        """Remove the response from a part of a trace.

        Raises
        ------
        DataError
            If the last corner of the pre-filter is above the Nyquist frequency.
        """
        _, pre_filt, _ = self.options
        nyquist_hz = part.stats.sampling_rate / 2
        if pre_filt is not None and pre_filt[3] > nyquist_hz:
            corners = " ".join(f"{corner:g}" for corner in pre_filt)
            raise DataError(
                f"left out: the pre-filter {corners} Hz ends above {nyquist_hz:g} Hz, "
                f"the Nyquist frequency of data sampled at {2 * nyquist_hz:g} Hz"
            )
        inventory = self._stations.of(part.id)
        with self._stations.searched():
            return remove_response([part], inventory, *self.options, cache=self._cache)


def _parts_with_response(
    trace: Trace, inventory: Inventory
) -> list[tuple[Trace, Response | None]]:
    """Split a trace where its response changes; None where there is none."""
    epochs = channel_epochs(inventory, trace.id)
    return [
        (part, None if channel is None else channel.response)
        for part, channel in split_trace(trace, epochs, RESPONSE)
    ]


# how the message of `_no_response` names the time of a part
_TIME = re.compile(r" from \S+ to \S+(?=: )")


def _no_response(part: Trace, inventory: Inventory) -> str:
    """Return an error with the reason why a part of a trace has no response."""
    epochs = channel_epochs(inventory, part.id)
    start, end = part.stats.starttime, part.stats.endtime
    when = f"{part.id}: no response from {start} to {end}"
    if not epochs:
        return f"{when}: the inventory has no such channel"
    if not any(map(has_response, epochs)):
        return (
            f"{when}: the inventory has the channel without response; ask for it at "
            "level=response"
        )
    times = "; ".join(f"{e.start_date} to {e.end_date or 'now'}" for e in epochs)
    return f"{when}: the inventory has {times}; give it the missing epoch"


def _check_pre_filt(pre_filt: PreFilter | None, rate_hz: float) -> None:
    if pre_filt is None:
        return
    if len(pre_filt) != 4 or not all(np.diff(pre_filt) > 0) or pre_filt[0] < 0:
        raise ParameterError(
            f"pre_filt {pre_filt}: four rising corners in Hz are needed"
        )
    if pre_filt[3] > rate_hz / 2:
        raise ParameterError(
            f"pre_filt {tuple(pre_filt)}: its corners exceed the Nyquist frequency of "
            f"{rate_hz / 2:g} Hz"
        )


def _deconvolved(
    trace: Trace,
    response: Response,
    cache: ResponseCache,
    output: str,
    pre_filt: PreFilter | None,
    water_level_db: float | None,
) -> np.ndarray:
    if np.ma.isMaskedArray(trace.data) or not trace.stats.npts:
        raise DataError(f"{trace.id}: it has gaps or no samples; split it first")
    n_fft = 2 * fft.next_fast_len(trace.stats.npts, real=True)
    rate_hz = float(trace.stats.sampling_rate)
    try:
        inverse, scale = cache.inverse(
            response, n_fft, rate_hz, output, pre_filt, water_level_db
        )
    except Exception as error:  # evalresp and obspy raise any exception
        when = UTCDateTime(trace.stats.starttime)
        raise DataError(
            f"{trace.id}: its response at {when} cannot be evaluated: {error}"
        ) from error
    data = trace.data.astype(np.float64, copy=False)
    removed = apply(data, inverse, nyquist_modulus=True)
    if scale != 1.0:
        removed *= scale
    return removed
