"""Windows of a channel, or of the components of an instrument, and their spectra."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from obspy import Stream

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.merge import Segment, merge_segments
from seismo_pes.report import Skipped
from seismo_pes.spectra_settings import SpectraSettings
from seismo_pes.transform import transform
from seismo_pes.waveforms import ChannelSpan, Waveforms
from seismo_pes.windowing import cut_plan

__all__ = [
    "Spectra",
    "SpectraSettings",
    "WindowSpectra",
    "instrument_spectra",
    "window_spectra",
]

NOT_ASKED = "left out: not one of the channels that were asked for"


@dataclass(frozen=True, eq=False)
class Spectra:
    """Spectra of the usable windows of one channel in one stretch of time.

    Attributes
    ----------
    channel : int
        Index into the run's channel table.
    stretch : int
        Which stretch of time.
    windows : numpy.ndarray
        Shape (n,), int64: which windows of the grid, ascending.
    data : numpy.ndarray
        Shape (n * rows, n_bins), complex64 or complex128, window after window: the
        bins of `SpectraSettings.bins`, ``rows`` being its ``rows_per_window``.
    factors : numpy.ndarray, optional
        Shape (n_bands, n), real: what each window is multiplied by in each band,
        besides the weights of the band; 0 where it has no energy there, so that it
        must not enter. None with one band or none: all is applied in ``data``.
    """

    channel: int
    stretch: int
    windows: np.ndarray
    data: np.ndarray
    factors: np.ndarray | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Spectra:
        return self  # nobody writes into it


def window_spectra(
    segments: list[Segment],
    windows: range,
    settings: SpectraSettings,
    flat: tuple[tuple[int, int], ...] = (),
) -> tuple[np.ndarray, np.ndarray]:
    """Cut windows out of segments and transform them.

    A window is used if one segment covers it wholly, it has energy, and the data as
    recorded were not flat all through it.

    Parameters
    ----------
    segments : list of Segment
        Of one channel, at the rate of the settings.
    windows : range
        The windows of the grid to look at.
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
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """Transform the windows that all channels of an instrument have.

    Parameters
    ----------
    channels : sequence of sequence of Segment
        The segments of each channel; those of a channel do not overlap.
    windows : range
        The windows of the grid to look at.
    settings : SpectraSettings
    flats : sequence of sequence of (int, int)
        For each channel, where its recorded data were flat, in nanoseconds.

    Returns
    -------
    used : numpy.ndarray
        Shape (n,), int64: the windows used, ascending.
    spectra : numpy.ndarray
        Shape (n_channels, n * rows_per_window, n_bins).
    factors : numpy.ndarray or None
        As in `Spectra`, for all channels.
    """
    plan = cut_plan(channels, windows, settings, flats)
    made = transform(plan.chunks(settings), len(channels), len(plan.windows), settings)
    return plan.windows[made.kept], made.data, made.factors


class WindowSpectra(GenericPE):
    """Cut the windows of a channel or an instrument and span, and transform them.

    Ports
    -----
    input : Waveforms
        Traces of one channel; or of all components of an instrument, as
        `GatherComponents` makes them.
    output : Spectra
        One for each channel of an input, also if no window is usable.
    skipped : Skipped
        Traces at another sampling rate or of no channel that was asked for; channels
        without a usable window.

    Parameters
    ----------
    settings : SpectraSettings
        How windows become spectra.
    channels : mapping of str to int
        Channel id to its index in the run's channel table. Several ids may have one
        index: that in the archive, and that of the component turned to north.
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
        asked = item.spans or (item.span,)
        numbers = [self._number(span.channel_id) for span in asked]
        segments, skipped = merge_segments(
            _finite(item.stream), self.settings.sample_origin_ns, self.settings.rate_hz
        )
        yield from ({"skipped": one} for one in skipped)
        found: dict[int, list[Segment]] = {number: [] for number in numbers}
        for segment in segments:
            number = numbers[0] if len(asked) == 1 else self._index(segment.channel_id)
            if number in found:
                found[number].append(segment)
            else:
                yield {"skipped": Skipped("windows", segment.channel_id, NOT_ASKED)}
        channels = [found[number] for number in numbers]
        flats = item.flats or (item.flat,) * len(asked)
        together = [range(len(asked))] if self.settings.coherent else None
        for part in together or [range(k, k + 1) for k in range(len(asked))]:
            yield from self._transformed(
                [asked[k] for k in part],
                [channels[k] for k in part],
                [flats[k] for k in part],
            )

    def _transformed(
        self,
        spans: list[ChannelSpan],
        channels: list[list[Segment]],
        flats: list[tuple[tuple[int, int], ...]],
    ) -> Iterator[dict[str, Any]]:
        """Transform channels that belong together."""
        windows = self.settings.grid.windows_between(
            min(span.start_ns for span in spans), max(span.end_ns for span in spans)
        )
        used, data, factors = instrument_spectra(
            channels, windows, self.settings, flats
        )
        if any(channels) and not len(used):
            yield {"skipped": _no_window(spans, channels)}
        for span, rows in zip(spans, data, strict=True):
            number = self._number(span.channel_id)
            yield {"output": Spectra(number, span.stretch, used, rows, factors)}

    def _number(self, channel_id: str) -> int:
        number = self._index(channel_id)
        if number is None:
            raise DataError(f"{channel_id} is not in the table of channels")
        return number

    def _index(self, channel_id: str) -> int | None:
        return self.channels.get(channel_id)


def _finite(stream: Stream) -> Stream:
    return Stream([trace for trace in stream if trace.stats.npts])


def _no_window(spans: list[ChannelSpan], channels: list[list[Segment]]) -> Skipped:
    longest = [
        max((len(s.data) / s.rate_hz for s in segments), default=0.0)
        for segments in channels
    ]
    reason = f"no window is usable (longest piece without a gap: {min(longest):g} s)"
    names = [span.channel_id for span in spans]
    if len(names) > 1:
        worst = names[int(np.argmin(longest))].rpartition(".")[2]
        reason = (
            "no window is usable that all components have (longest piece without a "
            f"gap: {min(longest):g} s, of {worst})"
        )
        names = [f"{names[0][:-1]}?"]
    return Skipped("windows", names[0], reason)
