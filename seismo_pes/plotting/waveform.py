"""Figures of waveforms: traces over time, spectrograms, power spectral densities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from obspy import Stream, Trace

from dispel4py.errors import DataError, ParameterError
from seismo_pes.plotting.figure import (
    AMOUNT_MAP,
    GROUND,
    INK,
    POSITIVE,
    SOFT,
    add_colour_bar,
    add_heading,
    format_time_axis,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["psd_figure", "spectrogram_figure", "waveform_figure"]

# Columns into which the samples of a long trace are divided; the smallest and the
# largest sample of each are drawn. More than the pixels of a figure.
N_COLUMNS = 3000
MAX_CHANNELS = 40  # channels in one figure
MAX_BANDS = 260  # frequency bands of a spectrogram: about a pixel each
MIN_SEGMENT = 16  # samples of a segment of a spectrum
MAX_SEGMENT = 1 << 14  # samples of a segment, if its length is not given
BLOCK = 256  # segments that are transformed at the same time, which limits the memory
PERCENTILES = (5, 25, 50, 75, 95)


def waveform_figure(
    stream: Stream | Trace,
    *,
    units: str = "counts",
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw traces over time, with a row for each channel.

    Parameters
    ----------
    stream
        The traces, with or without gaps. At most 40 channels are drawn.
    units
        Unit of the samples.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    DataError
        If there are no samples.
    """
    rows: dict[str, list[Trace]] = {}
    for trace in [stream] if isinstance(stream, Trace) else stream:
        if len(trace):
            rows.setdefault(trace.id, []).append(trace)
    if not rows:
        raise DataError("no waveforms to draw: the traces have no samples")
    shown = sorted(rows)[:MAX_CHANNELS]
    if len(shown) < len(rows):
        count = f"the first {MAX_CHANNELS} of {len(rows)}"
        note = ", ".join(filter(None, [note, count]))
    with style():
        figure = new_figure(9.6, float(np.clip(1.9 + 1.15 * len(shown), 3.4, 24)))
        panels = figure.subplots(len(shown), 1, sharex=True, squeeze=False)[:, 0]
        for axes, name in zip(panels, shown, strict=True):
            for trace in rows[name]:
                axes.plot(*_drawable(trace), color=INK, lw=0.6)
            axes.set_ylabel(units, fontsize=9)
            axes.annotate(
                name,
                (1, 1),
                (-4, -3),
                xycoords="axes fraction",
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=9,
                bbox={"fc": "white", "ec": "none", "alpha": 0.8, "pad": 1.5},
            )
            axes.margins(x=0, y=0.1)
        add_heading(panels[0], title, note)
        format_time_axis(panels[-1])
        return figure


def _drawable(trace: Trace) -> tuple[np.ndarray, np.ndarray]:
    """Return times and values; for a long trace, only the extremes in each column."""
    data = np.ma.filled(np.ma.asarray(trace.data).astype(float), np.nan)
    start = np.datetime64(trace.stats.starttime.ns, "ns")
    step_ns = 1e9 / trace.stats.sampling_rate
    per_column = len(data) // N_COLUMNS
    if per_column < 4:
        offsets = np.round(np.arange(len(data)) * step_ns).astype("timedelta64[ns]")
        return start + offsets, data
    n_columns = -(-len(data) // per_column)
    padded = np.full(n_columns * per_column, np.nan)
    padded[: len(data)] = data
    columns = padded.reshape(n_columns, per_column)
    extremes = np.stack([np.fmin.reduce(columns, 1), np.fmax.reduce(columns, 1)], 1)
    offsets_ns = (np.arange(n_columns)[:, None] + [[0.25, 0.75]]) * per_column * step_ns
    return start + offsets_ns.ravel().astype("timedelta64[ns]"), extremes.ravel()


# ------------------------------------------------------------------ spectra


def _segments(trace: Trace, segment_s: float | None) -> tuple[np.ndarray, Any, int]:
    """Return the power spectral densities of segments that overlap by half.

    Each segment is detrended and tapered (Hann). A segment with a gap is NaN.

    Parameters
    ----------
    trace
        The trace.
    segment_s
        Length of a segment, seconds; by default about a fortieth of the trace.

    Returns
    -------
    power
        Shape (n_segments, n_frequencies).
    frequency_hz
        Shape (n_frequencies,), without zero.
    step
        Samples from one segment to the next.
    """
    rate_hz = float(trace.stats.sampling_rate)
    data = np.ma.filled(np.ma.asarray(trace.data).astype(float), np.nan)
    if segment_s is None:
        n = int(2 ** np.floor(np.log2(max(len(data) / 40, MIN_SEGMENT))))
        n = min(n, MAX_SEGMENT)
    else:
        n = round(segment_s * rate_hz)
    if n < MIN_SEGMENT or len(data) < n:
        raise ParameterError(
            f"{trace.id}: {len(data)} samples are too few for segments of {n} samples; "
            f"a segment has at least {MIN_SEGMENT}"
        )
    step = n // 2
    segments = np.lib.stride_tricks.sliding_window_view(data, n)[::step]
    window = np.hanning(n + 1)[:-1]
    line = np.arange(n) - (n - 1) / 2
    line /= np.linalg.norm(line)
    frequency_hz = np.fft.rfftfreq(n, 1 / rate_hz)
    power = np.empty((len(segments), len(frequency_hz)))
    for begin in range(0, len(segments), BLOCK):
        block = segments[begin : begin + BLOCK]
        block = block - block.mean(axis=1, keepdims=True)
        block = (block - (block @ line)[:, None] * line) * window
        power[begin : begin + BLOCK] = np.abs(np.fft.rfft(block, axis=1)) ** 2
    power *= 2 / (rate_hz * np.sum(window**2))
    if n % 2 == 0:  # there is no negative frequency to add at the Nyquist frequency
        power[:, -1] /= 2
    return power[:, 1:], frequency_hz[1:], step


def _in_bands(
    power: np.ndarray, frequency_hz: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Average the power in bands of equal width on a logarithmic axis of frequency."""
    octaves = np.log(frequency_hz / frequency_hz[0])
    band = np.floor(octaves / max(octaves[-1], 1e-9) * (MAX_BANDS - 1)).astype(int)
    _, first, count = np.unique(band, return_index=True, return_counts=True)
    power = np.add.reduceat(power, first, axis=1) / count
    return power, np.exp(np.add.reduceat(np.log(frequency_hz), first) / count)


def _decibel(power: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore"):
        level = 10 * np.log10(power)
    return np.where(np.isfinite(level), level, np.nan)


def spectrogram_figure(
    trace: Trace,
    *,
    segment_s: float | None = None,
    units: str = "counts",
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw a trace and its power spectral density over time.

    Parameters
    ----------
    trace
        The trace; gaps are masked samples.
    segment_s
        Length of a segment, seconds; by default about a fortieth of the trace. Segments
        overlap by half.
    units
        Unit of the samples.
    title, note
        Title of the figure, by default the channel, and a line in smaller letters below
        it.

    Raises
    ------
    ParameterError
        If the trace is shorter than one segment.
    """
    from matplotlib.dates import date2num

    power, frequency_hz, step = _segments(trace, segment_s)
    power, frequency_hz = _in_bands(power, frequency_hz)
    level = _decibel(power)
    finite = level[np.isfinite(level)]
    low, high = np.percentile(finite, [2, 99.5]) if len(finite) else (-1.0, 1.0)
    rate_hz = float(trace.stats.sampling_rate)
    start = np.datetime64(trace.stats.starttime.ns, "ns")
    edges_s = (np.arange(len(level) + 1) + 0.5) * step / rate_hz
    edges = start + (edges_s * 1e9).astype("timedelta64[ns]")
    ratio = np.sqrt(frequency_hz[1] / frequency_hz[0]) if len(frequency_hz) > 1 else 2
    bands = np.append(
        frequency_hz[0] / ratio, np.sqrt(frequency_hz[1:] * frequency_hz[:-1])
    )
    bands = np.append(bands, frequency_hz[-1])
    with style():
        figure = new_figure(9.6, 5.8)
        grid = figure.add_gridspec(2, 1, height_ratios=[1, 2.6])
        top = figure.add_subplot(grid[0])
        top.plot(*_drawable(trace), color=INK, lw=0.6)
        top.set_ylabel(units)
        top.margins(x=0)
        add_heading(top, title or trace.id, note)
        below = figure.add_subplot(grid[1], sharex=top)
        drawn = below.pcolormesh(
            edges, bands, level.T, cmap=AMOUNT_MAP, vmin=low, vmax=high, rasterized=True
        )
        below.set_yscale("log")
        below.set_ylim(frequency_hz[0], frequency_hz[-1])
        length_ns = round(len(trace) / rate_hz * 1e9)
        end = start + np.timedelta64(length_ns, "ns")
        top.set_xlim(float(date2num(start)), float(date2num(end)))
        below.set_facecolor(GROUND)
        below.set_ylabel("frequency (Hz)")
        format_time_axis(below)
        top.tick_params(labelbottom=False)
        top.xaxis.get_offset_text().set_visible(False)
        label = f"dB relative to 1 ({units})²/Hz"
        add_colour_bar(figure, drawn, [top, below], label, pad=0.015)
        return figure


def psd_figure(
    stream: Stream | Trace,
    *,
    segment_s: float | None = None,
    percentiles: Sequence[float] = PERCENTILES,
    units: str = "counts",
    noise_models: bool = False,
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw percentiles of the power spectral densities of segments.

    Parameters
    ----------
    stream
        Traces of one channel. If there are several channels, the first one is drawn.
    segment_s
        Length of a segment, seconds; by default about a fortieth of the longest trace.
    percentiles
        Percentages. The areas between the first and the last, the second and the last
        but one, and so on are filled; the middle one of an odd number is a line.
    units
        Unit of the samples.
    noise_models
        Also draw the low and the high noise model of Peterson (1993). They are spectra
        of acceleration in m/s², so the data must be as well.
    title, note
        Title of the figure, by default the channel, and a line in smaller letters below
        it.

    Raises
    ------
    DataError
        If there are no traces, or each segment has a gap.
    ParameterError
        If no trace is as long as one segment.
    """
    traces = [stream] if isinstance(stream, Trace) else list(stream)
    if not traces:
        raise DataError("no spectrum to draw: no traces")
    traces = [trace for trace in traces if trace.id == traces[0].id]
    longest = max(traces, key=len)
    if segment_s is None:
        segment_s = 2 * _segments(longest, None)[2] / longest.stats.sampling_rate
    long_enough = [t for t in traces if len(t) >= segment_s * t.stats.sampling_rate]
    spectra = [_segments(trace, segment_s) for trace in long_enough or [longest]]
    power = np.concatenate([segments for segments, _, _ in spectra])
    power = power[np.isfinite(power).all(axis=1)]
    frequency_hz = spectra[0][1]
    if not len(power):
        raise DataError(f"{longest.id}: no segment of {segment_s:g} s without a gap")
    levels = _decibel(np.percentile(power, sorted(percentiles), axis=0))
    with style():
        figure = new_figure(8.0, 5.2)
        axes = figure.add_subplot()
        _draw_percentiles(axes, frequency_hz, levels, sorted(percentiles))
        if noise_models:
            _draw_noise_models(axes, frequency_hz)
        axes.set_xscale("log")
        axes.set_xlim(frequency_hz[0], frequency_hz[-1])
        axes.set_xlabel("frequency (Hz)")
        axes.set_ylabel(f"dB relative to 1 ({units})²/Hz")
        axes.grid(color=GROUND, lw=0.8)
        count = f"{len(power):,} segments of {segment_s:g} s"
        add_heading(axes, title or longest.id, ", ".join(filter(None, [note, count])))
        axes.legend(fontsize=9, frameon=True, framealpha=0.85, edgecolor="none")
        return figure


def _draw_percentiles(
    axes: Axes, frequency_hz: np.ndarray, levels: np.ndarray, percentiles: list[float]
) -> None:
    n = len(percentiles)
    for k in range(n // 2):
        axes.fill_between(
            frequency_hz,
            levels[k],
            levels[n - 1 - k],
            color=POSITIVE,
            alpha=0.16 + 0.14 * k,
            lw=0,
            label=f"{percentiles[k]:g} to {percentiles[n - 1 - k]:g} %",
        )
    if n % 2:
        name = "median" if percentiles[n // 2] == 50 else f"{percentiles[n // 2]:g} %"
        axes.plot(frequency_hz, levels[n // 2], color=INK, lw=1.4, label=name)


def _draw_noise_models(axes: Axes, frequency_hz: np.ndarray) -> None:
    from obspy.signal.spectral_estimation import get_nhnm, get_nlnm

    for model, dashes in ((get_nlnm, (0, (2, 2))), (get_nhnm, (0, (5, 3)))):
        period_s, level = model()
        name = "low noise model" if model is get_nlnm else "high noise model"
        axes.plot(1 / period_s, level, color=SOFT, lw=1.2, ls=dashes, label=name)
