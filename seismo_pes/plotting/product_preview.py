"""Previews of products: what an item or a file of it looks like, whatever it is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from obspy import Stream, Trace, read

from dispel4py.errors import DataError
from seismo_pes.items import Correlation
from seismo_pes.items.comparison import (
    AdjointTrace,
    ComparedRecords,
    StationMisfits,
    StationRecords,
)
from seismo_pes.items.tiles import CorrelationRows, Spectra
from seismo_pes.items.waveforms import Waveforms
from seismo_pes.plotting.figure import (
    INK,
    NEGATIVE,
    POSITIVE,
    SOFT,
    add_heading,
    add_legend,
    new_figure,
    save,
    style,
)
from seismo_pes.plotting.misfit_bars import misfit_bars_figure
from seismo_pes.plotting.pair import pair_figure
from seismo_pes.plotting.section import record_section_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["AmplitudeSpectra", "draw_file", "draw_item", "preview_figure"]

#: Most traces in a preview.
MOST_TRACES = 12


@dataclass(frozen=True, eq=False)
class AmplitudeSpectra:
    """Amplitude spectra over frequency.

    Parameters
    ----------
    frequencies_hz : numpy.ndarray
        Shape (n,).
    amplitudes : numpy.ndarray
        Shape (rows, n).
    note : str
        What the rows are.
    """

    frequencies_hz: np.ndarray
    amplitudes: np.ndarray
    note: str = ""


def draw_item(item: Any, target: str | Path, title: str = "") -> Path:
    """Draw an item into a file.

    Parameters
    ----------
    item : object
        See `preview_figure`.
    target : str or Path
        PNG, PDF or SVG.
    title : str
        Title of the figure.
    """
    return save(preview_figure(item, title), target)


def draw_file(path: str | Path, target: str | Path, title: str = "") -> Path:
    """Draw the content of a file.

    Parameters
    ----------
    path : str or Path
        Waveforms that obspy reads, ``*.npy``, times and samples in two columns of text,
        or the ``*.json`` of a station of misfit-app.
    target, title
        As for `draw_item`.

    Raises
    ------
    DataError
        If the file has another format.
    """
    path = Path(path)
    try:
        if path.suffix == ".npy":
            return draw_item(np.load(path, allow_pickle=False), target, title)
        if path.suffix == ".json":
            rows = json.loads(path.read_text(encoding="utf-8"))["rows"]
            return save(misfit_bars_figure(rows, title), target)
        if path.suffix == ".adj":
            times_s, data = np.loadtxt(path, ndmin=2).T
            row = (path.stem, times_s, data, "time after the origin (s)")
            return save(_rows_figure([row], title), target)
        stream = read(str(path), format=None)
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: there is no preview of this format") from error
    return draw_item(stream, target, title)


def preview_figure(item: Any, title: str = "") -> Figure:
    """Return a figure of an item: samples over time or lag, and their spectrum.

    Parameters
    ----------
    item : object
        Waveforms: an obspy Stream or Trace, `Waveforms`, `StationRecords`,
        `ComparedRecords` (observed and synthetic), `AdjointTrace`. Spectra:
        `AmplitudeSpectra` or `Spectra`. Correlations: a `Correlation` or a list of
        them, or `CorrelationRows`. Misfits: `StationMisfits`. Or an array of numbers.
    title : str
        Title of the figure.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    DataError
        If the item is of another kind, or has no samples.
    """
    if isinstance(item, list) and len(item) == 1:
        (item,) = item
    if isinstance(item, Correlation):
        return _correlation_figure(item, title)
    if isinstance(item, list) and item and isinstance(item[0], Correlation):
        return _section_figure(item, title)
    if isinstance(item, ComparedRecords):
        return _compared_figure(item, title)
    if isinstance(item, StationMisfits):
        return misfit_bars_figure([_misfit_row(row) for row in item.rows], title)
    if isinstance(item, AmplitudeSpectra | Spectra):
        return _spectra_figure(item, title)
    rows = _rows(item)
    if not rows:
        raise DataError(
            f"there is no preview of {type(item).__name__}: waveforms, spectra, "
            "correlations, misfits, adjoint sources and arrays can be drawn"
        )
    return _rows_figure(rows, title)


def _misfit_row(row: Any) -> dict[str, Any]:
    start_s, end_s = row.window_s or (None, None)
    return asdict(row) | {"window_start_s": start_s, "window_end_s": end_s}


def _section_figure(items: Sequence[Correlation], title: str) -> Figure:
    """Draw correlations over distance; without distances one below the other."""
    distances = np.array([item.distance_km for item in items])
    known = bool(np.isfinite(distances).all() and len(set(distances)) == len(items))
    stacks = list(dict.fromkeys(item.stack for item in items))
    figure = record_section_figure(
        np.array([item.rows.mean(axis=0) for item in items]),
        items[0].lags_s,
        distances if known else None,
        names=[f"{i.id} {i.stack}" if len(stacks) > 1 else i.id for i in items],
        title=title or f"{len(items)} correlations",
        note=f"stack {stacks[0]}" if len(stacks) == 1 else "",
    )
    if not known:
        figure.axes[0].set_ylabel("number of the correlation")
    return figure


def _spectra_figure(item: AmplitudeSpectra | Spectra, title: str) -> Figure:
    """Draw amplitude spectra, and their mean."""
    if isinstance(item, Spectra):
        amplitudes, label = np.abs(item.data), "number of the frequency"
        axis, note = np.arange(item.data.shape[1]), f"{len(item.windows)} windows"
    else:
        amplitudes, label = item.amplitudes, "frequency (Hz)"
        axis, note = item.frequencies_hz, item.note
    if not amplitudes.size:
        raise DataError("there are no spectra to draw")
    with style():
        figure = new_figure(9.2, 3.8)
        axes = figure.add_subplot()
        for row in amplitudes[:MOST_TRACES]:
            axes.plot(axis, row, color=SOFT, linewidth=0.4, alpha=0.6)
        axes.plot(axis, amplitudes.mean(axis=0), color=POSITIVE, linewidth=1.0)
        axes.set_xlabel(label)
        axes.set_ylabel("amplitude spectrum")
        add_heading(axes, title, note)
        return figure


def _correlation_figure(item: Correlation, title: str) -> Figure:
    data = np.atleast_2d(item.data).mean(axis=0)
    is_symmetric = np.isclose(item.lags_s[0], -item.lags_s[-1])
    if not is_symmetric:
        return _rows_figure([(item.id, item.lags_s, data, "lag (s)")], title)
    name = f"{item.first} - {item.second}"
    known = [name] if title else []
    known += [f"stack {item.stack}"] if item.stack else []
    if np.isfinite(item.distance_km):
        known.append(f"{item.distance_km:.4g} km")
    return pair_figure(
        data,
        item.lags_s,
        distance_km=item.distance_km,
        title=title or name,
        note=", ".join(known),
    )


def _rows(item: Any) -> list[tuple[str, np.ndarray, np.ndarray, str]]:
    """Return name, times, samples and label of the axis for each row."""
    if isinstance(item, Trace):
        item = Stream([item])
    if isinstance(item, Waveforms):
        item = item.stream
    if isinstance(item, StationRecords):
        item = item.observed + item.synthetic
    if isinstance(item, CorrelationRows):
        item = item.data
    if isinstance(item, Stream):
        return [
            (trace.id, trace.times(), np.ma.filled(trace.data, np.nan), "time (s)")
            for trace in item[:MOST_TRACES]
            if trace.stats.npts
        ]
    if isinstance(item, AdjointTrace):
        times_s = item.start_s + item.delta_s * np.arange(len(item.data))
        return [(item.channel_id, times_s, item.data, "time after the origin (s)")]
    if isinstance(item, np.ndarray) and item.size and item.dtype.kind in "biuf":
        data = item.reshape(-1, item.shape[-1])[:MOST_TRACES] if item.ndim else [item]
        return [
            ("", np.arange(len(row)), np.asarray(row, float), "sample")
            for row in np.atleast_2d(data)
        ]
    return []


def _rows_figure(
    rows: list[tuple[str, np.ndarray, np.ndarray, str]], title: str
) -> Figure:
    """Draw each row over time at the left, and its amplitude spectrum at the right."""
    with style():
        figure = new_figure(9.2, 1.2 + 2.2 * len(rows))
        grid = figure.add_gridspec(len(rows), 2, width_ratios=[2, 1])
        for k, (name, times, data, label) in enumerate(rows):
            axes = figure.add_subplot(grid[k, 0])
            axes.plot(times, data, color=INK, linewidth=0.7)
            axes.set_xlabel(label)
            if k == 0:
                add_heading(axes, title or name, name if title else "")
            else:
                axes.set_title(name)
            spectrum = figure.add_subplot(grid[k, 1])
            unit = "Hz" if label.endswith("(s)") else "1/sample"
            _draw_spectrum(spectrum, times, np.asarray(data, float), unit)
        return figure


def _draw_spectrum(axes: Any, times: np.ndarray, data: np.ndarray, unit: str) -> None:
    known = np.nan_to_num(data - np.nanmean(data)) if np.isfinite(data).any() else data
    step = float(times[1] - times[0]) if len(times) > 1 else 1.0
    frequencies = np.fft.rfftfreq(len(data), step)[1:]
    amplitudes = np.abs(np.fft.rfft(known))[1:] * step
    positive = amplitudes > 0
    if positive.any():
        axes.loglog(frequencies[positive], amplitudes[positive], color=POSITIVE, lw=0.7)
    axes.set_xlabel(f"frequency ({unit})")
    axes.set_ylabel("amplitude spectrum", color=SOFT)


def _compared_figure(item: ComparedRecords, title: str) -> Figure:
    """Draw observed and synthetic records of each component on one axis."""
    components = item.components[:MOST_TRACES]
    if not components:
        raise DataError(f"{item.station} has no records to draw")
    with style():
        figure = new_figure(9.2, 1.2 + 2.2 * len(components))
        grid = figure.add_gridspec(len(components), 1)
        for k, component in enumerate(components):
            axes = figure.add_subplot(grid[k, 0])
            for name, data, start_s, colour in (
                ("observed", component.observed, component.observed_start_s, INK),
                (
                    *("synthetic", component.synthetic),
                    *(component.synthetic_start_s, NEGATIVE),
                ),
            ):
                times_s = start_s + item.delta_s * np.arange(len(data))
                axes.plot(times_s, data, color=colour, linewidth=0.8, label=name)
            label = f"{item.station} {component.component}"
            if k == 0:
                add_heading(axes, title or label, label if title else "")
                add_legend(axes)
            else:
                axes.set_title(label)
        axes.set_xlabel("time after the origin (s)")
        return figure
