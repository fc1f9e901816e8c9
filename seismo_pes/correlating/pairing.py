"""Correlation of the channels of a stream, for notebooks and small workflows.

The main job goes by `spectra`, `pairs` and `correlate`, which share the work of many
pairs; here each pair keeps all of its windows, and there is every kind of correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.times import NS
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.preprocessing.segments import Segment, merge_segments
from seismo_pes.signal import coherency
from seismo_pes.signal._lags import lag_range, lags_from_spectra
from seismo_pes.signal.detrend import detrend
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.spectra import (
    energy,
    energy_of_spectrum,
    fft_length,
    rfft_windows,
)
from seismo_pes.signal.whiten import band_weights, whiten
from seismo_pes.signal.window import WindowGrid, cut, n_lags

__all__ = ["Correlate", "correlate_pair", "correlate_stream"]

KINDS = ("cc", "coherency", "deconvolution", "pcc1", "pcc2")
PAIRS = ("cross", "single-station", "auto", "all")


@dataclass(frozen=True, eq=False)
class _Windows:
    """Usable windows of a channel: which, their samples, their spectra."""

    id: str
    place: tuple[float, float] | None
    index: np.ndarray
    data: np.ndarray
    spectra: np.ndarray


@dataclass(frozen=True)
class _Settings:
    grid: WindowGrid
    rate_hz: float
    lags: range
    kind: str
    normalize: str
    window_detrend: str
    whiten_hz: tuple[float, float] | None
    level: float
    smooth_hz: float
    dtype: str

    @property
    def n_fft(self) -> int:
        longest = max(abs(self.lags.start), abs(self.lags.stop - 1))
        return fft_length(self.grid.n_samples(self.rate_hz), longest)

    @property
    def smooth_bins(self) -> int:
        return round(self.smooth_hz * self.n_fft / self.rate_hz)


def correlate_pair(
    first: Trace | Stream, second: Trace | Stream, max_lag_s: Any, **options: Any
) -> Correlation:
    """Correlate two channels: the function for a notebook.

    Parameters
    ----------
    first, second : obspy.Trace or obspy.Stream
        Of one channel each; equal for an autocorrelation.
    max_lag_s : float, or (float, float)
        Largest lag in seconds, or the first and the last.
    **options
        Those of `correlate_stream`, but ``pairs``.

    Returns
    -------
    Correlation
        One row for each window that both channels cover.

    Raises
    ------
    DataError
        If they share no window, or differ in sampling rate.

    Examples
    --------
    >>> noise = np.random.default_rng(1).standard_normal(1000)
    >>> a = Trace(noise[30:], {"station": "AAA", "sampling_rate": 10.0})
    >>> b = Trace(noise[:-30], {"station": "BBB", "sampling_rate": 10.0})
    >>> found = correlate_pair(a, b, max_lag_s=5.0, normalize="energy")
    >>> float(found.lags_s[found.data[0].argmax()])
    3.0
    """
    one, other = (Stream([x]) if isinstance(x, Trace) else x for x in (first, second))
    names = {trace.id for trace in one}, {trace.id for trace in other}
    if any(len(ids) != 1 for ids in names):
        said = ", ".join(sorted(names[0] | names[1])) or "no trace"
        raise DataError(f"{said}: two channels are needed, one on each side")
    pair = (names[0].pop(), names[1].pop())
    both = one if pair[0] == pair[1] else Stream([*one, *other])
    found = correlate_stream(both, max_lag_s, pairs=[pair], **options)
    if not found:
        raise DataError(f"{pair[0]}_{pair[1]}: the two share no window")
    return found[0]


def correlate_stream(
    stream: Stream,
    max_lag_s: float | tuple[float, float],
    pairs: str | Sequence[tuple[str, str]] = "cross",
    kind: str = "cc",
    window_s: float | None = None,
    step_s: float | None = None,
    origin_ns: int = 0,
    normalize: str = "none",
    window_detrend: str = "demean",
    whiten_hz: tuple[float, float] | None = None,
    level: float = 0.01,
    smooth_hz: float = 0.0,
    dtype: str = "float32",
) -> list[Correlation]:
    """Correlate the channels of a stream with each other, window by window.

    Parameters
    ----------
    stream : obspy.Stream
        Any number of channels at one sampling rate; gaps are where traces end.
    max_lag_s : float, or (float, float)
        Largest lag in seconds, or the first and the last.
    pairs : str, or list of (str, str)
        ``cross``: channels of different stations (all components with all);
        ``single-station``: different components of one station; ``auto``: each with
        itself; ``all``; or pairs of patterns of channel ids.
    kind : str
        ``cc``; ``coherency`` (divided by the amplitudes of both); ``deconvolution``
        (of the second by the first); ``pcc1``, ``pcc2`` (phase cross-correlation).
    window_s, step_s : float
        Length of the windows in seconds, and from one to the next (default: the
        length). None: the time that all channels share is one window.
    origin_ns : int
        Windows start at multiples of the step from here; nanoseconds since 1970.
    normalize : str
        ``none``, or ``energy``: divide each window by the root of both energies.
    window_detrend : str
        ``none``, ``demean`` or ``linear``.
    whiten_hz : (float, float)
        Whiten this band in Hz; None does not.
    level : float
        Water level of the deconvolution, as a part of the mean power.
    smooth_hz : float
        Half width in Hz over which coherency and deconvolution smooth their divisor.
    dtype : str
        ``float32`` or ``float64``.

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
        If an option has another value.
    """
    _check(pairs, kind, normalize, whiten_hz)
    rate_hz = _common_rate(stream)
    grid = _grid(stream, rate_hz, window_s, step_s, origin_ns)
    if grid is None:
        return []
    settings = _Settings(
        grid,
        rate_hz,
        _lags(max_lag_s, rate_hz),
        kind,
        normalize,
        window_detrend,
        whiten_hz,
        level,
        smooth_hz,
        dtype,
    )
    origin = grid.origin_ns + _phase_ns(stream, grid.origin_ns, rate_hz)
    segments, _ = merge_segments(stream, origin, rate_hz)
    channels: dict[str, list[Segment]] = {}
    for segment in segments:
        channels.setdefault(segment.channel_id, []).append(segment)
    places = {trace.id: _place(trace) for trace in stream}
    ready = {
        name: _windows(name, channels[name], places[name], settings)
        for name in sorted(channels)
    }
    found = []
    for first, second in _chosen(sorted(ready), pairs):
        made = _correlated(ready[first], ready[second], settings)
        if made is not None:
            found.append(made)
    return found


def _check(pairs: Any, kind: str, normalize: str, whiten_hz: Any) -> None:
    for name, value, known in (
        ("pairs", pairs, PAIRS),
        ("kind", kind, KINDS),
        ("normalize", normalize, ("none", "energy")),
    ):
        if isinstance(value, str) and value not in known:
            raise ParameterError(f"{name} {value!r}: one of {', '.join(known)}")
    if normalize == "energy" and kind != "cc":
        raise ParameterError(f"normalize 'energy' goes with kind 'cc', not {kind!r}")
    if whiten_hz is not None and kind.startswith("pcc"):
        raise ParameterError(f"kind {kind!r}: whiten the traces before; see Whiten")


def _common_rate(stream: Stream) -> float:
    rates = {float(exact_rate(trace.stats.sampling_rate)) for trace in stream}
    if len(rates) > 1:
        said = ", ".join(f"{rate:g}" for rate in sorted(rates))
        raise DataError(f"sampling rates {said} Hz in one stream; resample first")
    return rates.pop() if rates else 1.0


def _lags(max_lag_s: float | tuple[float, float], rate_hz: float) -> range:
    if not isinstance(max_lag_s, tuple | list):
        return lag_range(n_lags(max_lag_s, rate_hz))
    first, last = max_lag_s
    return lag_range((round(first * rate_hz), round(last * rate_hz)))


def _grid(
    stream: Stream,
    rate_hz: float,
    window_s: float | None,
    step_s: float | None,
    origin_ns: int,
) -> WindowGrid | None:
    if window_s is not None:
        length_ns = round(window_s * NS)
        return WindowGrid(
            origin_ns, length_ns, length_ns if step_s is None else round(step_s * NS)
        )
    spans: dict[str, tuple[int, int]] = {}
    for trace in stream:
        start, end = spans.get(trace.id, (2**63, 0))
        after = trace.stats.starttime.ns + round(trace.stats.npts / rate_hz * NS)
        spans[trace.id] = min(start, trace.stats.starttime.ns), max(end, after)
    start = max((start for start, _ in spans.values()), default=0)
    end = min((end for _, end in spans.values()), default=0)
    # less than half a sample apart counts as simultaneous
    n = round((end - start) / NS * rate_hz)
    length_ns = round(n / rate_hz * NS)
    return WindowGrid(start, length_ns, length_ns) if n > 0 else None


def _phase_ns(stream: Stream, origin_ns: int, rate_hz: float) -> int:
    """Return where the samples lie between those of the grid: at the mean of all.

    Recorders of a network mostly sample at one fraction of a second, and a window has
    the samples from its start on, not the nearest ones.
    """
    since_ns = [trace.stats.starttime.ns - origin_ns for trace in stream]
    turns = np.array([(ns * rate_hz / NS) % 1 for ns in since_ns])
    mean = np.exp(2j * np.pi * turns).mean()
    if abs(mean) < 0.5:  # no common phase
        return 0
    phase = float(np.angle(mean) / (2 * np.pi)) % 1
    return round((phase - 1 if phase > 0.99 else phase) * NS / rate_hz)


def _windows(
    name: str,
    segments: list[Segment],
    place: tuple[float, float] | None,
    settings: _Settings,
) -> _Windows:
    index, rows = [np.empty(0, np.int64)], []
    for segment in segments:
        step = settings.grid.step_ns * settings.rate_hz / NS
        first = int(segment.first_sample // step)
        near = range(max(0, first), max(0, int(segment.end_sample // step) + 1))
        piece = cut(
            segment.data, segment.first_sample, settings.grid, settings.rate_hz, near
        )
        data = detrend(piece.data[piece.covered], settings.window_detrend)
        # a window whose length is no whole number of samples may end in a zero
        short = piece.n_samples[piece.covered] < data.shape[-1]
        data[short, -1] = 0.0
        alive = energy(data) > 0
        index.append(np.asarray(near, np.int64)[piece.covered][alive])
        rows.append(data[alive])
    n = settings.grid.n_samples(settings.rate_hz)
    data = np.concatenate([np.empty((0, n)), *rows]).astype(settings.dtype)
    return _Windows(name, place, np.concatenate(index), data, _spectra(data, settings))


def _spectra(data: np.ndarray, settings: _Settings) -> np.ndarray:
    if settings.kind == "pcc2":
        data = coherency.phase_records(data)
    spectra = rfft_windows(data, settings.n_fft)
    if settings.kind == "coherency":
        spectra = coherency.coherency_spectra(spectra, settings.smooth_bins)
    if settings.whiten_hz is not None:
        weights, _ = band_weights(
            settings.n_fft, settings.rate_hz, *settings.whiten_hz, dtype=settings.dtype
        )
        flat = settings.kind == "coherency"
        spectra = spectra * weights if flat else whiten(spectra, weights)
    return spectra


# -- pairs ------------------------------------------------------------------------


def _chosen(
    names: list[str], pairs: str | Sequence[tuple[str, str]]
) -> list[tuple[str, str]]:
    if not isinstance(pairs, str):
        return [
            (a, b)
            for one, other in pairs
            for a in names
            for b in names
            if fnmatchcase(a, one) and fnmatchcase(b, other)
        ]
    return [
        (a, b)
        for a, b in combinations_with_replacement(names, 2)
        if pairs in ("all", _relation(a, b))
    ]


def _relation(a: str, b: str) -> str:
    if a == b:
        return "auto"
    same = a.split(".")[:2] == b.split(".")[:2]
    return "single-station" if same else "cross"


def _correlated(
    one: _Windows, other: _Windows, settings: _Settings
) -> Correlation | None:
    index, here, there = np.intersect1d(
        one.index, other.index, assume_unique=True, return_indices=True
    )
    if not len(index):
        return None
    rows = _rows(one, other, here, there, settings)
    if settings.normalize == "energy":
        scale = np.sqrt(_energies(one, here, settings))
        scale *= np.sqrt(_energies(other, there, settings))
        rows = (rows / scale[:, None]).astype(rows.dtype)
    start = settings.grid.start_ns(index)
    distance_km = azimuth_deg = back_azimuth_deg = np.nan
    if one.place and other.place:
        distance_km, azimuth_deg, back_azimuth_deg = (
            float(x) for x in geodesic(*one.place, *other.place)
        )
    return Correlation(
        one.id,
        other.id,
        rows,
        settings.rate_hz,
        settings.lags.start,
        start,
        start + settings.grid.length_ns,
        np.ones(len(index), np.int64),
        settings.kind,
        distance_km,
        azimuth_deg,
        back_azimuth_deg,
    )


def _energies(windows: _Windows, rows: np.ndarray, settings: _Settings) -> np.ndarray:
    return energy_of_spectrum(windows.spectra[rows], settings.n_fft)


def _rows(
    one: _Windows,
    other: _Windows,
    here: np.ndarray,
    there: np.ndarray,
    settings: _Settings,
) -> np.ndarray:
    lags = (settings.lags.start, settings.lags.stop - 1)
    if settings.kind == "pcc1":
        return np.stack(
            [
                coherency.phase_cross_correlate(one.data[i], other.data[j], lags, 1.0)
                for i, j in zip(here, there, strict=True)
            ]
        )
    a, b = one.spectra[here], other.spectra[there]
    scale = 1.0
    if settings.kind == "deconvolution":
        a = coherency.deconvolution_spectra(a, settings.level, settings.smooth_bins)
    cross = np.conj(a) * b
    if settings.kind == "pcc2":
        cross, scale = cross.sum(axis=1), 1 / one.data.shape[-1]
    return lags_from_spectra(
        cross, settings.n_fft, None, lags, dtype=settings.dtype, scale=scale
    )


def _place(trace: Trace) -> tuple[float, float] | None:
    """Latitude and longitude of ``stats.coordinates`` or of a SAC header."""
    for name, keys in (
        ("coordinates", ("latitude", "longitude")),
        ("sac", ("stla", "stlo")),
    ):
        found = trace.stats.get(name) or {}
        latitude, longitude = (float(found.get(key, -12345.0)) for key in keys)
        if latitude != -12345.0 and longitude != -12345.0:
            return latitude, longitude
    return None


Correlate = item_element(correlate_stream, "Correlate", "obspy.Stream", "Correlation")
