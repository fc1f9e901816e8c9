"""Windows of a channel, or of the components of an instrument, and their spectra."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.correlating.settings import Band, SpectraSettings
from seismo_pes.correlating.spectra.transform import transform
from seismo_pes.correlating.spectra.unused import no_window
from seismo_pes.correlating.windows.cutting import cut_plan
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelTraces, Waveforms
from seismo_pes.preprocessing.segments import Segment, place_segments

__all__ = [
    "Spectra",
    "WindowSpectra",
    "instrument_spectra",
    "window_spectra",
]

_Placed = tuple[ChannelTraces, list[Segment]]


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra of the usable windows of one channel in one period of time.

    Attributes
    ----------
    channel : int
        Index into the run's channel table.
    period : int
        Number of the period of time.
    start_ns, end_ns : int
        The span of the channel that these windows complete.
    windows : numpy.ndarray
        Shape (n,), int64: which windows of the grid, ascending.
    data : numpy.ndarray
        Shape (n * rows, n_bins), complex64 or complex128, window after window: the
        bins of `SpectraSettings.bins`, where ``rows`` is
        `SpectraSettings.rows_per_window`.
    factors : numpy.ndarray, optional
        Shape (n_bands, n), real: factor of each window in each band, besides the
        weights of the band; 0 if the window has no energy in the band and must be left
        out. None if there is at most one band: then ``data`` include the factors.
    """

    channel: int
    period: int
    start_ns: int
    end_ns: int
    windows: np.ndarray
    data: np.ndarray
    factors: np.ndarray | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Spectra:
        return self  # no code changes it


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
    flats: Sequence[Sequence[tuple[int, int]]],
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
    plan = cut_plan(channels, windows, settings, flats)
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
        self._add_output("skipped", tuple_type=Skipped)

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Transform one span."""
        item: Waveforms = inputs["input"]
        yield from ({"skipped": item_channel} for item_channel in _unknown(item))
        channels = []
        for channel in item.channels:
            segments, skipped = self._placed(channel, len(item.channels) == 1)
            yield from ({"skipped": item_channel} for item_channel in skipped)
            channels.append((channel, segments))
        if self.settings.coherent:
            yield from self._transformed(channels)
        else:
            for item_channel in channels:
                yield from self._transformed([item_channel])

    def _placed(
        self, channel: ChannelTraces, alone: bool
    ) -> tuple[list[Segment], list[Skipped]]:
        """Place the traces of a channel; if it is ``alone``, they may have any id."""
        name = channel.span.channel_id
        traces = [trace for trace in channel.traces if alone or trace.id == name]
        settings = self.settings
        return place_segments(traces, settings.grid.origin_ns, settings.rate_hz)

    def _transformed(self, channels: list[_Placed]) -> Iterator[dict[str, Any]]:
        """Transform the channels of an instrument together."""
        spans = [channel.span for channel, _ in channels]
        segments = [segments for _, segments in channels]
        flats = [channel.flat for channel, _ in channels]
        windows = self.settings.grid.windows_between(
            min(span.start_ns for span in spans), max(span.end_ns for span in spans)
        )
        slowest = _slowest([channel for channel, _ in channels])
        content_hz = self.settings.content_of(slowest.recorded_hz)
        used, data, factors = instrument_spectra(
            segments, windows, self.settings, flats, content_hz
        )
        if any(segments):
            if remark := _outside_record(slowest, self.settings):
                yield {"skipped": remark}
            elif not len(used):
                yield {"skipped": no_window(spans, segments, self.settings)}
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
