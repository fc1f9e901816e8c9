"""Correlation of the channels of a stream as one tile, for notebooks.

The windows, spectra and correlations are those of the elements `WindowSpectra` and
`CorrelateTiles`, with the same settings; the result has every window of each pair.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import fields
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.spectra.window_spectra import instrument_spectra
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles.blocks import gather
from seismo_pes.correlating.tiles.correlator import Correlator
from seismo_pes.correlating.tiles.pairs import TilePairs
from seismo_pes.element import item_element
from seismo_pes.gathering.components import instrument
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.tiles import Spectra, Tile
from seismo_pes.items.times import NS
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.methods import PAIRS
from seismo_pes.preprocessing.segments import Segment, merge_segments
from seismo_pes.signal._lags import lag_range
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.window import WindowGrid, n_lags

__all__ = ["Correlate", "correlate_pair", "correlate_stream"]

ALL_PAIRS = (*PAIRS, "all")
Pair = tuple[int, int]
# settings that follow from the stream or from other parameters
DECIDED = frozenset({"grid", "rate_hz", "max_lag_s"})


def correlate_pair(
    first: Trace | Stream, second: Trace | Stream, max_lag_s: Any, **options: Any
) -> Correlation:
    """Correlate two channels: the function for a notebook.

    Parameters
    ----------
    first, second : obspy.Trace or obspy.Stream
        Data of one channel each; twice the same for an autocorrelation.
    max_lag_s : float, or (float, float)
        Largest lag in seconds, or the first and the last.
    **options
        Parameters of `correlate_stream`, except ``pairs``.

    Returns
    -------
    Correlation
        One row for each window that both channels cover.

    Raises
    ------
    DataError
        If they share no window, or differ in sampling rate.
    ParameterError
        If an option has no meaning.

    Examples
    --------
    >>> noise = np.random.default_rng(1).standard_normal(1000)
    >>> a = Trace(noise[30:], {"station": "AAA", "sampling_rate": 10.0})
    >>> b = Trace(noise[:-30], {"station": "BBB", "sampling_rate": 10.0})
    >>> correlation = correlate_pair(a, b, max_lag_s=5.0)
    >>> float(correlation.lags_s[correlation.data[0].argmax()])
    3.0
    """
    first_stream, second_stream = (
        Stream([x]) if isinstance(x, Trace) else x for x in (first, second)
    )
    names = {trace.id for trace in first_stream}, {trace.id for trace in second_stream}
    if any(len(ids) != 1 for ids in names):
        listing = ", ".join(sorted(names[0] | names[1])) or "no trace"
        raise DataError(f"{listing}: two channels are needed, one on each side")
    pair = (names[0].pop(), names[1].pop())
    both = (
        first_stream if pair[0] == pair[1] else Stream([*first_stream, *second_stream])
    )
    correlations = correlate_stream(both, max_lag_s, pairs=[pair], **options)
    if not correlations:
        raise DataError(f"{pair[0]}_{pair[1]}: the channels share no window")
    return correlations[0]


def correlate_stream(
    stream: Stream,
    max_lag_s: float | tuple[float, float],
    pairs: str | Sequence[tuple[str, str]] = "cross",
    window_s: float | None = None,
    step_s: float | None = None,
    origin_ns: int = 0,
    **options: Any,
) -> list[Correlation]:
    """Correlate the channels of a stream with each other, window by window.

    Parameters
    ----------
    stream : obspy.Stream
        Any number of channels at one sampling rate; a channel with gaps has several
        traces.
    max_lag_s : float, or (float, float)
        Largest lag in seconds, or the first and the last.
    pairs : str, or list of (str, str)
        ``cross``: channels of different stations (all components with all);
        ``single-station``: different components of one station; ``auto``: each with
        itself; ``all``; or pairs of patterns of channel ids.
    window_s, step_s : float
        Length of the windows, and time from the start of a window to the next (default:
        the length); seconds. None: the time that all channels share is one window.
    origin_ns : int
        Windows start at multiples of the step from this time; nanoseconds since 1970.
    **options
        Options of `SpectraSettings`, with its defaults: ``kind``, ``whiten_hz``,
        ``unit_energy``, ``window_detrend``, ``dtype`` and others. One band at most.

    Returns
    -------
    list of Correlation
        Pairs without a common window are left out. First and second are in the order
        of their ids, unless the pairs are given.

    Raises
    ------
    DataError
        If the sampling rates differ.
    ParameterError
        If an option is unknown or has no meaning.
    """
    if isinstance(pairs, str) and pairs not in ALL_PAIRS:
        raise ParameterError(f"pairs {pairs!r}: one of {', '.join(ALL_PAIRS)}")
    rate_hz = _common_rate(stream)
    grid = _grid(stream, rate_hz, window_s, step_s, origin_ns)
    if grid is None:
        return []
    lags = _lags(max_lag_s, rate_hz)
    furthest_s = max(-lags.start, lags.stop - 1, 0) / rate_hz
    settings = _settings(grid, rate_hz, furthest_s, options)
    segments, _ = merge_segments(stream, grid.origin_ns, rate_hz)
    names = sorted({segment.channel_id for segment in segments})
    wanted_pairs = _select_pairs(names, pairs)
    rows = _rows(_tile(names, segments, settings), wanted_pairs, settings)
    places = {trace.id: _place(trace) for trace in stream}
    return [
        _correlation(
            (names[i], names[j]), rows[i, j], lags, settings,
            _geometry(places[names[i]], places[names[j]]),
        )
        for i, j in wanted_pairs
        if rows[i, j]
    ]  # fmt: skip


# -- settings -----------------------------------------------------------------------


def _settings(
    grid: WindowGrid, rate_hz: float, max_lag_s: float, options: Any
) -> SpectraSettings:
    known = {field.name for field in fields(SpectraSettings)} - DECIDED
    for name in options:
        if name not in known:
            raise ParameterError(f"no option {name!r}: {suggest(name, known)}")
    settings = SpectraSettings(grid, rate_hz, max_lag_s, **options)
    if settings.n_bands > 1:
        raise ParameterError("bands_hz: correlate one band after the other")
    return settings


def _lags(max_lag_s: float | tuple[float, float], rate_hz: float) -> range:
    """Return the lags in samples."""
    if not isinstance(max_lag_s, tuple | list):
        return lag_range(n_lags(max_lag_s, rate_hz))
    first_s, last_s = max_lag_s
    return lag_range((round(first_s * rate_hz), round(last_s * rate_hz)))


def _common_rate(stream: Stream) -> float:
    rates = {float(exact_rate(trace.stats.sampling_rate)) for trace in stream}
    if len(rates) > 1:
        listing = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise DataError(f"sampling rates {listing} Hz in one stream; resample first")
    return rates.pop() if rates else 1.0


def _grid(
    stream: Stream,
    rate_hz: float,
    window_s: float | None,
    step_s: float | None,
    origin_ns: int,
) -> WindowGrid | None:
    """Return the windows; None if the channels have no time in common."""
    if window_s is not None:
        length_ns = round(window_s * NS)
        step_ns = length_ns if step_s is None else round(step_s * NS)
        return WindowGrid(origin_ns, length_ns, step_ns)
    spans: dict[str, tuple[int, int]] = {}
    for trace in stream:
        start, end = spans.get(trace.id, (2**63, 0))
        after = trace.stats.starttime.ns + round(trace.stats.npts / rate_hz * NS)
        spans[trace.id] = min(start, trace.stats.starttime.ns), max(end, after)
    start = max((start for start, _ in spans.values()), default=0)
    end = min((end for _, end in spans.values()), default=0)
    # a difference of less than half a sample counts as none
    n = round((end - start) / NS * rate_hz)
    length_ns = round(n / rate_hz * NS)
    return WindowGrid(start, length_ns, length_ns) if n > 0 else None


# -- spectra and pairs --------------------------------------------------------------


def _tile(
    names: list[str], segments: list[Segment], settings: SpectraSettings
) -> Tile | None:
    """Return the spectra of all channels as one tile; None if no window is usable."""
    channels = [[s for s in segments if s.channel_id == name] for name in names]
    windows = _windows_of(segments, settings)
    members: list[Spectra] = []
    for numbers in _instrument_groups(names, settings.coherent):
        members_channels = [channels[k] for k in numbers]
        used, data, factors = instrument_spectra(
            members_channels, windows, settings, [()] * len(members_channels)
        )
        if len(used):
            members += [
                Spectra(number, 0, 0, 0, used, rows, factors)
                for number, rows in zip(numbers, data, strict=True)
            ]
    if not members:
        return None
    axis = np.unique(np.concatenate([spectra.windows for spectra in members]))
    block = gather(members, axis, (0, len(names)))
    return Tile(0, 0, 0, 0, block, block)


def _windows_of(segments: list[Segment], settings: SpectraSettings) -> range:
    """Return all windows that segments may cover."""
    grid, rate_hz = settings.grid, settings.rate_hz
    ends = [x for s in segments for x in (s.first_sample, s.end_sample)] or [0]
    # one sample more on each side: a window's edge may lie between samples
    first, last = (
        grid.origin_ns + round(sample / rate_hz * NS)
        for sample in (min(ends) - 1, max(ends) + 1)
    )
    return grid.windows_between(first, last)


def _instrument_groups(names: list[str], coherent: bool) -> Iterable[list[int]]:
    numbers = range(len(names))
    if not coherent:
        return [[k] for k in numbers]
    groups = itertools.groupby(numbers, key=lambda k: instrument(names[k]))
    return [list(members) for _, members in groups]


def _select_pairs(
    names: list[str], pairs: str | Sequence[tuple[str, str]]
) -> list[Pair]:
    """Return the wanted pairs, as indices into the sorted names."""
    if not isinstance(pairs, str):
        return [
            (i, j)
            for first, second in pairs
            for i, a in enumerate(names)
            for j, b in enumerate(names)
            if fnmatchcase(a, first) and fnmatchcase(b, second)
        ]
    selection = PairSelection(names, kinds=PAIRS if pairs == "all" else {pairs})
    numbers = np.arange(len(names))
    wanted = np.triu(selection.allowed(numbers, numbers))
    return [(i, j) for i, j in np.argwhere(wanted).tolist()]


def _rows(
    tile: Tile | None, wanted_pairs: list[Pair], settings: SpectraSettings
) -> dict[Pair, list[tuple[int, np.ndarray]]]:
    """Correlate the pairs; return the number and correlation of each window."""
    rows: dict[Pair, list[tuple[int, np.ndarray]]] = {pair: [] for pair in wanted_pairs}
    if tile is None or not wanted_pairs:
        return rows
    numbers = np.arange(*tile.a.span)
    wanted_table = np.zeros((len(numbers), len(numbers)), bool)
    wanted_table[tuple(np.transpose(wanted_pairs))] = True
    wanted = TilePairs(numbers, numbers, wanted_table)
    for stacks in Correlator(settings, Substacks("window")).stacks(tile, wanted):
        windows = stacks.shared.first.tolist()
        for (i, j), window, row in zip(
            stacks.shared.pairs.tolist(), windows, stacks.data, strict=True
        ):
            rows[i, j].append((window, row))
    return rows


# -- correlations -------------------------------------------------------------------


def _correlation(
    names: tuple[str, str],
    rows: list[tuple[int, np.ndarray]],
    lags: range,
    settings: SpectraSettings,
    geometry: tuple[float, float, float],
) -> Correlation:
    windows = np.array([window for window, _ in rows], np.int64)
    begin = lags.start + settings.max_lag
    data = np.array([row[begin : begin + len(lags)] for _, row in rows])
    start_ns = settings.grid.start_ns(windows)
    return Correlation(
        *names,
        data,
        settings.rate_hz,
        lags.start,
        start_ns,
        start_ns + settings.grid.length_ns,
        np.ones(len(windows), np.int64),
        settings.kind,
        *geometry,
    )


def _geometry(first: Any, second: Any) -> tuple[float, float, float]:
    """Return distance in km, azimuth and back azimuth; NaN where unknown."""
    if first is None or second is None:
        return np.nan, np.nan, np.nan
    distance_km, azimuth_deg, back_azimuth_deg = geodesic(*first, *second)
    return float(distance_km), float(azimuth_deg), float(back_azimuth_deg)


def _place(trace: Trace) -> tuple[float, float] | None:
    """Return latitude and longitude of ``stats.coordinates`` or of a SAC header."""
    for name, keys in (
        ("coordinates", ("latitude", "longitude")),
        ("sac", ("stla", "stlo")),
    ):
        header = trace.stats.get(name) or {}
        latitude, longitude = (float(header.get(key, -12345.0)) for key in keys)
        if latitude != -12345.0 and longitude != -12345.0:
            return latitude, longitude
    return None


Correlate = item_element(correlate_stream, "Correlate", "obspy.Stream", "Correlation")
