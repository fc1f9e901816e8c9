"""Windows of a channel, or of the components of an instrument, and their spectra."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.correlating.settings import Band, SpectraSettings
from seismo_pes.correlating.spectra.accounting import inside, window_accounts
from seismo_pes.correlating.spectra.transform import Chunk, transform
from seismo_pes.correlating.spectra.unused import no_window
from seismo_pes.items.account import WindowAccount
from seismo_pes.items.descriptions import channel_terms
from seismo_pes.items.losses import samples_lost
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.tiles import Spectra
from seismo_pes.items.waveforms import ChannelTraces, Waveforms
from seismo_pes.preprocessing.segments import (
    Segment,
    place_segments,
    sort_by_rate,
    window_places,
)
from seismo_pes.signal.detrend import detrend
from seismo_pes.signal.spectra import energy

__all__ = [
    "WindowSpectra",
    "instrument_spectra",
    "window_spectra",
]

_CHUNK_BYTES = 2 << 20  # windows processed in one step: they stay in cache
_MOST_BYTES = 16 << 20  # upper bound for long windows
_ROWS = 4  # windows that a transform processes in the time of one

_Placed = tuple[ChannelTraces, list[Segment]]
Flat = Sequence[tuple[int, int]]  # start and end, nanoseconds since 1970


def window_spectra(
    segments: list[Segment],
    windows: range,
    settings: SpectraSettings,
    flat: tuple[tuple[int, int], ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows out of segments and transform them.

    A window is used if one segment covers it wholly, it has energy, and the recorded
    data are not flat over the whole window.

    Parameters
    ----------
    segments : list of Segment
        Segments of one channel, at the rate of the settings.
    windows : range
        The windows of the grid to consider.
    settings : SpectraSettings
    flat : tuple of (int, int)
        Where the recorded data were flat, in nanoseconds.

    Returns
    -------
    used : numpy.ndarray
        Shape (n,), int64: the windows used, ascending.
    spectra : numpy.ndarray
        Shape (n * rows_per_window, n_bins), as in `Spectra`; `instrument_spectra`
        gives the factors of several bands, too.
    """
    used, (spectra,), _ = instrument_spectra([segments], windows, settings, [flat])
    return used, spectra


def instrument_spectra(
    channels: Sequence[Sequence[Segment]],
    windows: range,
    settings: SpectraSettings,
    flats: Sequence[Flat],
    content_hz: Band | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Transform the windows that all channels of an instrument have.

    Parameters
    ----------
    channels : sequence of sequence of Segment
        The segments of each channel; those of a channel do not overlap.
    windows : range
        The windows of the grid to consider.
    settings : SpectraSettings
    flats : sequence of sequence of (int, int)
        For each channel, where its recorded data were flat, in nanoseconds.
    content_hz : (float, float), optional
        Lowest and highest frequency that all records have. Spectra are zero outside,
        and windows are not used in bands that do not lie within. None: all frequencies.

    Returns
    -------
    used : numpy.ndarray
        Shape (n,), int64: the windows used, ascending.
    spectra : numpy.ndarray
        Shape (n_channels, n * rows_per_window, n_bins).
    factors : numpy.ndarray or None
        As in `Spectra`, for all channels.
    """
    if content_hz is None:
        content_hz = settings.content_hz
    plan = _cut_plan(channels, windows, settings, flats)
    kept, spectra, factors = transform(
        plan.chunks(settings), len(channels), len(plan.windows), settings, content_hz
    )
    return plan.windows[kept], spectra, factors


class WindowSpectra(GenericPE):
    """Cut the windows of a channel or an instrument and span, and transform them.

    Ports
    -----
    input : Waveforms
        Merged traces (see `Merge`) of one channel, or of all components of an
        instrument, as `GatherComponents` makes them.
    output : Spectra
        One for each channel of an input, also if no window is usable.
    account : WindowAccount
        One for each channel of an input, before its spectra: the windows that are used,
        and those that are lost, with their causes.
    skipped : Skipped
        Traces of other sampling rates or other channels; channels without a usable
        window; channels that have no value in a band, because their records do not have
        its frequencies.

    Parameters
    ----------
    settings : SpectraSettings
        How windows become spectra.
    channels : mapping of str to int
        Channel id to its index in the run's channel table.
    """

    def __init__(self, settings: SpectraSettings, channels: Mapping[str, int]) -> None:
        super().__init__()
        self.settings, self.channels = settings, dict(channels)
        self._add_input("input", tuple_type=Waveforms)
        self._add_output("output", tuple_type=Spectra)
        self._add_output("account", tuple_type=WindowAccount)
        self._add_output("skipped", tuple_type=Skipped)

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return the terms of an item; those of spectra have the codes of the channel.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item.
        """
        terms = super().describe_item(port, item)
        if isinstance(item, Spectra):
            ids = [name for name, k in self.channels.items() if k == item.channel]
            terms |= channel_terms(ids[0]) if ids else {}
        return terms

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform one span."""
        item: Waveforms = inputs["input"]
        limits = item.spans[0].start_ns, item.spans[0].end_ns
        yield from ({"skipped": entry.within(*limits)} for entry in _unknown(item))
        channels = []
        for channel in item.channels:
            placed, skipped = self._placed(channel, len(item.channels) == 1)
            yield from ({"skipped": entry.within(*limits)} for entry in skipped)
            channels.append(placed)
        if self.settings.coherent:
            yield from self._transformed(channels)
        else:
            for item_channel in channels:
                yield from self._transformed([item_channel])

    def _placed(
        self, channel: ChannelTraces, alone: bool
    ) -> tuple[_Placed, list[Skipped]]:
        """Place the traces of a channel; if it is ``alone``, they may have any id."""
        name = channel.span.channel_id
        traces = [trace for trace in channel.traces if alone or trace.id == name]
        settings = self.settings
        segments, skipped = place_segments(
            traces, settings.grid.origin_ns, settings.rate_hz
        )
        if skipped:
            misfits = sort_by_rate(traces, settings.rate_hz)[1]
            losses = *channel.losses, *samples_lost(misfits, (), "rate")
            channel = replace(channel, losses=losses)
        return (channel, segments), skipped

    def _transformed(self, channels: list[_Placed]) -> Iterator[dict[str, Any]]:
        """Transform the channels of an instrument together."""
        spans = [channel.span for channel, _ in channels]
        segments = [segments for _, segments in channels]
        unused = [channel.unused for channel, _ in channels]
        windows = self.settings.grid.windows_between(
            min(span.start_ns for span in spans), max(span.end_ns for span in spans)
        )
        slowest = _slowest([channel for channel, _ in channels])
        content_hz = self.settings.content_of(slowest.recorded_hz)
        used, data, factors = instrument_spectra(
            segments, windows, self.settings, unused, content_hz
        )
        limits = spans[0].start_ns, spans[0].end_ns
        if any(segments):
            if remark := _outside_record(slowest, self.settings):
                yield {"skipped": remark.within(*limits)}
            elif not len(used):
                remark = no_window(spans, segments, self.settings)
                yield {"skipped": remark.within(*limits)}
        absent = self.settings.bands_outside(content_hz)
        out_of_band = bool(absent) and len(absent) == max(1, self.settings.n_bands)
        for account in window_accounts(channels, used, self.settings, out_of_band):
            yield {"account": account}
        for span, rows in zip(spans, data, strict=True):
            if span.channel_id not in self.channels:
                raise DataError(f"{span.channel_id} is not in the table of channels")
            number = self.channels[span.channel_id]
            limits = span.start_ns, span.end_ns
            yield {"output": Spectra(number, span.period, *limits, used, rows, factors)}


def _unknown(item: Waveforms) -> list[Skipped]:
    """List the channels of an instrument that have traces, but no span."""
    names = {span.channel_id for span in item.spans}
    if len(names) == 1:
        return []
    extra = {trace.id for trace in item.stream if trace.stats.npts} - names
    reason = "left out: not one of the requested channels"
    return [Skipped("windows", name, reason) for name in sorted(extra)]


def _slowest(channels: Sequence[ChannelTraces]) -> ChannelTraces:
    """Return the channel with the lowest known sampling rate of the record."""
    return min(channels, key=lambda channel: channel.recorded_hz or math.inf)


def _outside_record(
    channel: ChannelTraces, settings: SpectraSettings
) -> Skipped | None:
    """List the bands whose frequencies the record of a channel does not have."""
    content_hz = settings.content_of(channel.recorded_hz)
    bands = settings.bands_hz or ((settings.whiten_hz,) if settings.whiten_hz else ())
    absent = [bands[k] for k in settings.bands_outside(content_hz)]
    if content_hz is None or channel.recorded_hz is None:
        return None
    if absent:
        names = ", ".join(f"{low:g}-{high:g}" for low, high in absent)
        action = f"left out in the band {names} Hz"
    elif settings.kind == "coherency" and not bands:
        action = f"coherency only below {content_hz[1]:g} Hz"
    else:
        return None
    reason = (
        f"{action}: a record sampled at {channel.recorded_hz:g} Hz has no frequencies "
        f"above {channel.recorded_hz / 2:g} Hz"
    )
    return Skipped("windows", channel.span.channel_id, reason)


# -- cutting --------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _CutPlan:
    """Where the windows lie that all channels cover.

    Attributes
    ----------
    channels : sequence of sequence of Segment
        The segments of each channel, ascending in time.
    windows : numpy.ndarray
        Shape (n,), int64: windows of the grid, ascending.
    n_samples : numpy.ndarray
        Shape (n,): samples of each window.
    segment : numpy.ndarray
        Shape (n_channels, n): index of the segment that covers each window.
    first : numpy.ndarray
        Shape (n_channels, n): its first sample in the segment.
    offset : numpy.ndarray
        Shape (n_channels, n): true time of the first sample minus the time of the
        window's first sample on the grid, in samples.
    """

    channels: Sequence[Sequence[Segment]]
    windows: np.ndarray
    n_samples: np.ndarray
    segment: np.ndarray
    first: np.ndarray
    offset: np.ndarray

    def chunks(self, settings: SpectraSettings) -> Iterator[Chunk]:
        """Cut and detrend the windows that have energy, a few at a time."""
        row_bytes = np.dtype(settings.dtype).itemsize * settings.n_fft
        row_bytes *= len(self.channels)
        step = max(_CHUNK_BYTES // row_bytes, min(_ROWS, _MOST_BYTES // row_bytes), 1)
        step -= step % _ROWS if step > _ROWS else 0
        for i in range(0, len(self.windows), step):
            yield self._chunk(slice(i, min(i + step, len(self.windows))), settings)

    def _chunk(self, rows: slice, settings: SpectraSettings) -> Chunk:
        n_max, n_samples = settings.n_samples, self.n_samples[rows]
        channels = [
            _detrended(self._cut(c, rows, n_max), n_samples, settings)
            for c in range(len(self.channels))
        ]
        # the scale keeps squares within the range of float32; the transform restores it
        scale = np.max([largest for _, largest, _ in channels], axis=0)
        scale = np.maximum(scale, np.finfo(np.float64).tiny)
        shape = (len(channels), len(n_samples), settings.n_fft)
        data = np.empty(shape, settings.dtype)
        data[..., n_max:] = 0
        for (windows, _, _), padded in zip(channels, data, strict=True):
            scaled = np.multiply(windows, 1 / scale[:, None], out=windows)
            padded[:, :n_max] = scaled
        alive = np.logical_and.reduce([alive for _, _, alive in channels])
        index = np.arange(rows.start, rows.stop)
        energies = np.empty((len(index), 0))
        offset = self.offset[:, rows]
        chunk = Chunk(index, n_samples, data, scale, energies, offset)
        return chunk if alive.all() else chunk.subset(alive)

    def _cut(self, channel: int, rows: slice, n_max: int) -> np.ndarray:
        """Return windows of one channel, shape (n, n_max); a view where possible."""
        segments, segment = self.channels[channel], self.segment[channel, rows]
        first, n_samples = self.first[channel, rows], self.n_samples[rows]
        if (segment == segment[0]).all() and (n_samples == n_max).all():
            steps = np.diff(first)
            if len(steps) == 0 or (steps == steps[0]).all():
                return _evenly(segments[segment[0]], first, n_max)
        data = np.empty((len(first), n_max))
        for row, (k, begin, n) in enumerate(
            zip(segment.tolist(), first.tolist(), n_samples.tolist(), strict=True)
        ):
            data[row, :n] = segments[k].data[begin : begin + n]
            data[row, n:] = 0
        return data


def _evenly(segment: Segment, first: np.ndarray, n: int) -> np.ndarray:
    """Return windows at equal distances in one segment, without copying float64."""
    step = int(first[1] - first[0]) if len(first) > 1 else 1
    samples = segment.data[int(first[0]) :]
    stride = samples.strides[0]
    view = np.lib.stride_tricks.as_strided(
        samples, (len(first), n), (step * stride, stride), writeable=False
    )
    return view.astype(np.float64, copy=False)


def _cut_plan(
    channels: Sequence[Sequence[Segment]],
    windows: range,
    settings: SpectraSettings,
    flats: Sequence[Flat],
) -> _CutPlan:
    """Find the windows that one segment of each channel covers wholly.

    Parameters
    ----------
    channels : sequence of sequence of Segment
        Segments at the rate of the settings; segments of a channel do not overlap.
    windows : range
        The windows of the grid to consider.
    settings : SpectraSettings
    flats : sequence of sequence of (int, int)
        For each channel, where the recorded data were flat, in nanoseconds; a window
        wholly inside is left out.
    """
    index = np.arange(windows.start, windows.stop, dtype=np.int64)
    first = settings.grid.first_sample(index, settings.rate_hz)
    stop = settings.grid.stop_sample(index, settings.rate_hz)
    places = [window_places(segments, first, stop) for segments in channels]
    keep = np.logical_and.reduce([channel.covered for channel in places])
    for flat in flats:
        keep &= ~inside(index, settings.grid, flat)
    return _CutPlan(
        channels,
        index[keep],
        (stop - first)[keep],
        np.array([channel.segment[keep] for channel in places]),
        np.array([channel.first[keep] for channel in places]),
        np.array([channel.offset[keep] for channel in places]),
    )


def _detrended(
    windows: np.ndarray, n_samples: np.ndarray, settings: SpectraSettings
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Detrend each window over its own samples.

    Returns the windows, their largest absolute values, and which have energy.
    """
    if (n_samples == windows.shape[-1]).all():
        data = detrend(windows, settings.window_detrend)
    else:
        data = windows.copy()
        for n in np.unique(n_samples):
            rows = n_samples == n
            data[rows, :n] = detrend(windows[rows, :n], settings.window_detrend)
    peak = _largest(data)
    # the removed trend is a line, so its ends and the peak bound the input
    last = np.arange(len(data)), n_samples - 1
    ends = windows[:, 0] - data[:, 0], windows[last] - data[last]
    rounding = np.finfo(np.float64).eps * (peak + np.abs(ends).max(axis=0)) * 8
    alive = peak > rounding * np.sqrt(data.shape[-1])
    if not alive.all():
        alive = np.sqrt(energy(data) / data.shape[-1]) > rounding
    return data, peak, alive


def _largest(data: np.ndarray) -> np.ndarray:
    """Return the largest absolute value of each row, without a copy of the rows."""
    return np.asarray(np.maximum(data.max(axis=-1), -data.min(axis=-1)))
