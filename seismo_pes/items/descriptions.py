"""The terms that describe items in provenance, such as station, time and peak.

Channels have their FDSN source identifier (https://docs.fdsn.org/projects/
source-identifiers). Times are texts in ISO 8601, which sort by time. Terms that need
all samples are functions: they are computed only if they are selected.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from obspy import Stream, Trace, UTCDateTime

from dispel4py.description import describe
from seismo_pes.items.comparison import (
    ComparedRecords,
    StationFiles,
    StationMisfits,
    StationRecords,
)
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.tiles import CorrelationRows, Spectra, Tile
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.signal.amplitudes import peak_and_rms

__all__ = ["channel_terms", "rows_by_pair", "source_id", "station_terms"]


def source_id(channel_id: str) -> str:
    """Return the FDSN source identifier of a channel.

    Parameters
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.

    Returns
    -------
    str
        "" if the text is not the id of a channel.

    Examples
    --------
    >>> source_id("CI.FMP..BHZ")
    'FDSN:CI_FMP__B_H_Z'
    """
    codes = channel_id.split(".")
    if len(codes) != 4:
        return ""
    *place, channel = codes
    last = "_".join(channel) if len(channel) == 3 else f"_{channel}_"
    return f"FDSN:{'_'.join(place)}_{last}"


def channel_terms(channel_id: str, ending: str = "") -> dict[str, Any]:
    """Return the codes of a channel as terms.

    Parameters
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``.
    ending : str
        Added to the names of the terms, for the channels of a pair.

    Examples
    --------
    >>> channel_terms("CI.FMP..BHZ")["station"]
    'FMP'
    """
    return dict(_channel_terms(channel_id, ending))


@lru_cache(maxsize=10_000)  # a channel has many items
def _channel_terms(channel_id: str, ending: str) -> tuple[tuple[str, str], ...]:
    network, station, _, channel = [*channel_id.split("."), "", "", "", ""][:4]
    terms = {
        "source_id": source_id(channel_id),
        "network": network,
        "station": station,
        "channel": channel,
    }
    return tuple((f"{name}{ending}", value) for name, value in terms.items())


def _times(start_ns: int, end_ns: int) -> dict[str, Any]:
    return {"start": _time_text(int(start_ns)), "end": _time_text(int(end_ns))}


def _of_one_span(span: ChannelSpan) -> dict[str, Any]:
    """Return channel and times of a span."""
    return dict(_span_terms(span.channel_id, span.start_ns, span.end_ns))


@lru_cache(maxsize=10_000)  # each element of a chain sends an item of the same span
def _span_terms(channel_id: str, start_ns: int, end_ns: int) -> dict[str, Any]:
    return channel_terms(channel_id) | _times(start_ns, end_ns)


@lru_cache(maxsize=10_000)  # all channels of a day have the same times
def _time_text(ns: int) -> str:
    return str(UTCDateTime(ns=ns))


def _samples(traces: Sequence[Trace]) -> dict[str, Any]:
    """Return rate and number of samples, and functions for their size."""
    if len(traces) == 1:  # nearly always
        terms: dict[str, Any] = {"n_samples": traces[0].stats.npts}
    else:
        terms = {"n_samples": sum(trace.stats.npts for trace in traces)}
    if traces:
        terms["rate_hz"] = float(traces[0].stats.sampling_rate)
        terms["peak"] = lambda: _largest(trace.data for trace in traces)
        terms["rms"] = lambda: _rms(trace.data for trace in traces)
    return terms


def _largest(arrays: Iterator[np.ndarray]) -> float | None:
    """Return the largest absolute value of all samples; None without samples."""
    sizes = [float(np.max(np.abs(a))) for a in arrays if np.size(a)]
    return max(sizes, default=None)


def _rms(arrays: Iterator[np.ndarray]) -> float | None:
    n, total = 0, 0.0
    for array in arrays:
        values = np.ma.asarray(array, np.float64)
        n += int(values.count())
        total += float(np.sum(values**2)) if values.count() else 0.0
    return float(np.sqrt(total / n)) if n else None


# ------------------------------------------------------------------ waveforms


@describe.register
def _of_trace(item: Trace) -> dict[str, Any]:
    stats = item.stats
    times = _times(stats.starttime.ns, stats.endtime.ns)
    return channel_terms(item.id) | times | _samples([item])


@describe.register
def _of_stream(item: Stream) -> dict[str, Any]:
    if not len(item):
        return {"n_traces": 0}
    start = min(trace.stats.starttime.ns for trace in item)
    end = max(trace.stats.endtime.ns for trace in item)
    ids = dict.fromkeys(trace.id for trace in item)
    terms = channel_terms(next(iter(ids))) if len(ids) == 1 else {}
    terms |= {"n_traces": len(item), "channels": " ".join(ids)}
    return terms | _times(start, end) | _samples(item.traces)


@describe.register
def _of_span(item: ChannelSpan) -> dict[str, Any]:
    return _of_one_span(item) | {"files": item.files}


@describe.register
def _of_waveforms(item: Waveforms) -> dict[str, Any]:
    channels = item.channels
    terms = _of_one_span(channels[0].span)
    if len(channels) > 1:
        terms["channels"] = " ".join(channel.span.channel_id for channel in channels)
    traces = [trace for channel in channels for trace in channel.traces]
    terms["n_traces"] = len(traces)
    terms.update(_samples(traces))
    return terms


@describe.register
def _of_spectra(item: Spectra) -> dict[str, Any]:
    times = _times(item.start_ns, item.end_ns)
    return times | {"period": item.period, "n_windows": len(item.windows)}


@describe.register
def _of_tile(item: Tile) -> dict[str, Any]:
    return {
        "row": item.row,
        "column": item.column,
        "period": item.period,
        "n_channels": len(item.a.channels) + len(item.b.channels),
    }


# ------------------------------------------------------------------ correlations


@describe.register
def _of_rows(item: CorrelationRows) -> dict[str, Any]:
    row, column, period = item.tile
    terms: dict[str, Any] = {"stack": item.stack, "row": row, "column": column}
    terms |= {"period": period, "n_pairs": len(item)}
    if len(item):
        start, end = int(item.start_ns.min()), int(item.end_ns.max())
        terms |= _times(start, end) | {"n_windows": int(item.n_windows.sum())}
        terms["peak"] = lambda: float(np.abs(item.data).max())
    return terms


def rows_by_pair(
    item: CorrelationRows, channel_ids: Sequence[str]
) -> dict[str, list[Any]]:
    """Return the terms of the pairs of a batch of correlations.

    Parameters
    ----------
    item : CorrelationRows
    channel_ids : sequence of str
        The channel table of the run.

    Returns
    -------
    dict
        ``first``, ``second``, ``n_windows``, ``peak`` and ``rms``: each a list with the
        values of all rows.
    """
    if not len(item):
        return {}
    peaks, rms = peak_and_rms(item.data)
    first, second = item.pairs.T.tolist()
    return {
        "first": [channel_ids[k] for k in first],
        "second": [channel_ids[k] for k in second],
        "n_windows": item.n_windows.tolist(),
        "peak": peaks.tolist(),
        "rms": rms.tolist(),
    }


@describe.register
def _of_correlation(item: Correlation) -> dict[str, Any]:
    terms = channel_terms(item.first, "_1") | channel_terms(item.second, "_2")
    start = int(np.min(item.start_ns, initial=2**62))
    end = int(np.max(item.end_ns, initial=0))
    terms |= _times(start, end) if start <= end else {}
    rows = item.rows
    return terms | {
        "correlation": item.kind,
        "stack": item.stack,
        "rate_hz": item.rate_hz,
        "n_windows": int(np.sum(item.n_windows)),
        "distance_km": float(item.distance_km),
        "azimuth_deg": float(item.azimuth_deg),
        "peak": lambda: _largest(iter(rows)),
        "rms": lambda: _rms(iter(rows)),
        "lag_s": lambda: _lag_of_peak(item),
        "snr": lambda: _peak_over_rms(rows),
    }


def _lag_of_peak(item: Correlation) -> float | None:
    if not item.rows.size:
        return None
    return float(item.lags_s[int(np.argmax(np.abs(item.rows.mean(axis=0))))])


def _peak_over_rms(rows: np.ndarray) -> float | None:
    """Return the largest value of the mean over its root mean square."""
    if not rows.size:
        return None
    mean = rows.mean(axis=0, dtype=np.float64)
    rms = float(np.sqrt(np.mean(mean**2)))
    return float(np.abs(mean).max() / rms) if rms else None


# ------------------------------------------------------------------ misfits


def station_terms(item: Any) -> dict[str, Any]:
    """Return event, network and station of an item, as terms.

    Parameters
    ----------
    item : object
        With the attributes ``event`` and ``station``.
    """
    network, _, station = item.station.partition(".")
    return {"event": item.event.id, "network": network, "station": station}


@describe.register
def _of_station_files(item: StationFiles) -> dict[str, Any]:
    return station_terms(item) | {"files": (*item.observed, *item.synthetic)}


@describe.register
def _of_station_records(item: StationRecords) -> dict[str, Any]:
    return station_terms(item) | {
        "n_observed": len(item.observed),
        "n_synthetic": len(item.synthetic),
        "n_rejected": len(item.rejected),
    }


@describe.register
def _of_compared(item: ComparedRecords) -> dict[str, Any]:
    return station_terms(item) | {
        "components": "".join(part.component for part in item.components),
        "motion": item.motion,
        "rate_hz": 1 / item.delta_s,
        "distance_km": item.geometry.get("distance_km"),
        "n_rejected": len(item.rejected),
    }


@describe.register
def _of_misfits(item: StationMisfits) -> dict[str, Any]:
    measured = [row for row in item.rows if row.status == "measured"]
    misfits = [row.misfit for row in measured if row.misfit is not None]
    return station_terms(item) | {
        "distance_km": item.geometry.get("distance_km"),
        "n_windows": len(item.windows),
        "n_measured": len(measured),
        "n_rejected": len(item.rows) - len(measured),
        "n_adjoints": len(item.adjoints),
        "misfit": float(sum(misfits)) if misfits else None,
        "parts": lambda: _table([_row_terms(row) for row in item.rows]),
    }


def _table(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    """Return the columns of a table whose rows have the same terms."""
    return {name: [row[name] for row in rows] for name in rows[0]} if rows else {}


def _row_terms(row: Any) -> dict[str, Any]:
    start_s, end_s = row.window_s or (None, None)
    return {
        "component": row.component,
        "min_period_s": row.min_period_s,
        "max_period_s": row.max_period_s,
        "window_start_s": start_s,
        "window_end_s": end_s,
        "measure": row.measure,
        "value": row.value,
        "misfit": row.misfit,
        "status": row.status,
        "reason": row.reason,
    }


@describe.register
def _of_skipped(item: Skipped) -> dict[str, Any]:
    return {"stage": item.stage, "what": item.what, "reason": item.reason}
