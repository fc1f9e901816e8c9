"""Misfits of two stations: double differences, and convolution with a reference."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from seismo_pes.items.comparison import MeasuredBand, MeasuredStation, MisfitRow
from seismo_pes.measuring.bands import Cut
from seismo_pes.measuring.misfit_rows import measured_row, options_in_band
from seismo_pes.measuring.misfit_settings import MisfitSettings
from seismo_pes.signal.errors import ParameterError, Rejected
from seismo_pes.signal.misfits import Measurement, Rejection, measure

__all__ = ["PairRow", "common_bands", "match_windows", "measure_pair", "trace_name"]

Interval = tuple[float, float]
# Stations closer to the source than this count as at this distance: a slowness needs a
# distance.
LEAST_DISTANCE_KM = 1.0
# Parts of a sample by which a window may lie outside the record: rounding of its times.
ROUNDING = 1e-3


@dataclass(frozen=True)
class PairRow:
    """One measure of one pair of windows.

    Attributes
    ----------
    row : MisfitRow
        The row of the ledger.
    adjoint, adjoint_other : numpy.ndarray, optional
        Adjoint sources of the filtered synthetics of both stations in their common
        times; None if the pair was rejected.
    """

    row: MisfitRow
    adjoint: np.ndarray | None = None
    adjoint_other: np.ndarray | None = None


def trace_name(station: str, band: MeasuredBand) -> str:
    """Return the name of a trace, as in the column ``pair`` of the ledger."""
    return f"{station}.{band.location}.{band.component}"


def common_bands(
    first: MeasuredStation, second: MeasuredStation
) -> Iterator[tuple[MeasuredBand, MeasuredBand]]:
    """Yield the records of the same component and band at two stations.

    Parameters
    ----------
    first, second : MeasuredStation
    """
    others = {(band.component, band.band): band for band in second.bands}
    for band in first.bands:
        if (band.component, band.band) in others:
            yield band, others[band.component, band.band]


def match_windows(
    first: Sequence[Interval],
    second: Sequence[Interval],
    distances_km: tuple[float, float],
) -> list[tuple[Interval, Interval]]:
    """Return the pairs of windows of two stations that belong together.

    Windows of the same times belong together. Of the others, those are matched whose
    mean slownesses, the time of the centre over the distance, are mutually the nearest:
    a wave has about the same slowness at stations that are near each other.

    Parameters
    ----------
    first, second : sequence of (float, float)
        Windows after the origin time.
    distances_km : (float, float)
        Distances of the stations from the source.

    Examples
    --------
    >>> match_windows([(20, 30), (40, 60)], [(41, 61), (70, 80)], (100, 104))
    [((40, 60), (41, 61))]
    """
    equal = [window for window in first if window in second]
    rest = [[w for w in windows if w not in equal] for windows in (first, second)]
    pairs = [(window, window) for window in equal]
    if all(rest):
        slowness = [
            np.mean(windows, axis=1) / max(distance_km, LEAST_DISTANCE_KM)
            for windows, distance_km in zip(rest, distances_km, strict=True)
        ]
        apart = np.abs(slowness[0][:, None] - slowness[1])
        for k, m in enumerate(apart.argmin(axis=1).tolist()):
            if apart[:, m].argmin() == k:
                pairs.append((rest[0][k], rest[1][m]))
    return sorted(pairs)


def measure_pair(
    first: MeasuredStation,
    second: MeasuredStation,
    bands: tuple[MeasuredBand, MeasuredBand],
    settings: MisfitSettings,
) -> list[PairRow]:
    """Measure the misfits of two stations in one component and band.

    Parameters
    ----------
    first, second : MeasuredStation
    bands : (MeasuredBand, MeasuredBand)
        Their records.
    settings : MisfitSettings
        With ``pair_measures``.

    Returns
    -------
    list of PairRow
        At least one.
    """
    a, b = bands
    where = (first.event, first.station, a.location, a.component)
    row = MisfitRow(
        *where, *a.band, status="measured", pair=trace_name(second.station, b)
    )
    if abs(a.delta_s / b.delta_s - 1) > 1e-6:
        reason = f"the sampling intervals differ ({a.delta_s:g} s, {b.delta_s:g} s)"
        return [_rejected(row, reason)]
    whole = a.windows_s is None or b.windows_s is None
    if a.windows_s is None or b.windows_s is None:
        common = max(a.start_s, b.start_s), min(a.end_s, b.end_s)
        if common[1] - common[0] < a.band[1]:
            return [_rejected(row, "no common time of both stations")]
        windows = [(common, common)]
    else:
        distances_km = first.distance_km, second.distance_km
        windows = match_windows(a.windows_s, b.windows_s, distances_km)
        if not windows:
            return [_rejected(row, "no windows that belong together")]
    fraction = settings.taper_fraction
    if whole and fraction is None:
        fraction = 0.0  # as of single stations
    rows = []
    for pair in windows:
        for name, given in settings.pair_measures:
            options = options_in_band(name, given, a.band)
            more = {"taper_fraction": fraction, "convention": settings.convention}
            rows.append(_measured(row, name, bands, pair, options, more))
    return rows


def _rejected(row: MisfitRow, reason: str) -> PairRow:
    return PairRow(replace(row, status="rejected", stage="pairs", reason=reason))


def _measured(
    row: MisfitRow,
    name: str,
    bands: tuple[MeasuredBand, MeasuredBand],
    windows: tuple[Interval, Interval],
    options: Mapping[str, Any],
    more: Mapping[str, Any],
) -> PairRow:
    a, b = bands
    cut = Cut(a.observed, a.synthetic, a.delta_s, a.start_s, a.first)
    window_s = windows[0][0] - a.start_s, windows[0][1] - a.start_s
    outcome: Measurement | Rejection
    try:
        window_s, other_window_s = _of_one_length(bands, windows)
        outcome = measure(
            name,
            a.observed,
            a.synthetic,
            a.delta_s,
            window_s=window_s,
            other=(b.observed, b.synthetic),
            other_window_s=other_window_s,
            record_unit=a.unit,
            **more,
            **options,
        )
    except Rejected as rejected:
        outcome = Rejection(name, rejected.reason, rejected.numbers, window_s)
    except ParameterError as error:  # an option that these records do not allow
        outcome = Rejection(name, str(error), {}, window_s)
    result = measured_row(row, outcome, options, cut)
    if isinstance(outcome, Rejection):
        return PairRow(result)
    return PairRow(result, outcome.adjoint, outcome.adjoint_other)


def _of_one_length(
    bands: tuple[MeasuredBand, MeasuredBand], windows: tuple[Interval, Interval]
) -> tuple[Interval, Interval]:
    """Return windows of one number of samples, seconds after the first samples.

    The shorter one is extended at both ends, as far as the records reach.

    Raises
    ------
    Rejected
        If a window is outside its record.
    """
    delta_s = bands[0].delta_s
    ends = []
    for band, (start_s, end_s) in zip(bands, windows, strict=True):
        first = (start_s - band.start_s) / delta_s
        last = (end_s - band.start_s) / delta_s
        if first < -ROUNDING or last > band.observed.size - 1 + ROUNDING:
            numbers = {"start_s": start_s, "end_s": end_s}
            raise Rejected("window outside the data", numbers)
        ends.append((max(round(first), 0), min(round(last), band.observed.size - 1)))
    sizes = [band.observed.size for band in bands]
    n = min(max(last - first + 1 for first, last in ends), *sizes)
    equal = []
    for (first, last), size in zip(ends, sizes, strict=True):
        start = min(max(first - (n - (last - first + 1)) // 2, 0), size - n)
        equal.append((start * delta_s, (start + n - 1) * delta_s))
    return equal[0], equal[1]
