"""The pictures of a live run, for places where no page can be shown."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from seismo_pes.correlating.substacks import period_name
from seismo_pes.plotting import map_figure
from seismo_pes.plotting.figure import (
    COLOUR_MAP,
    FAINT,
    INK,
    NEGATIVE,
    POSITIVE,
    SOFT,
    add_heading,
    new_figure,
    save,
    style,
)
from xcorr_app.live.viewing.view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from xcorr_app.live.history import PairHistory

__all__ = ["draw_pictures"]

# Most days whose waveforms are drawn over their colours: more would touch. And the
# height of a waveform, in rows.
MOST_CURVES, CURVE_HEIGHT = 6, 0.45
# Labels of an axis of days.
MOST_LABELS = 12
# Columns of the table of packets, and their terms in the status.
COLUMNS = {
    "latency, s": "latency_s",
    "p95": "data_latency_p95_s",
    "p99": "data_latency_p99_s",
    "feed p95": "feed_latency_p95_s",
    "packets": "records",
    "late": "late",
    "doubled": "doubled",
    "gaps": "gaps",
    "gaps, s": "gap_s",
    "rms": "rms",
    "offset": "offset",
    "windows": "windows_used",
    "lost": "windows_lost",
}
ROW_INCHES = 0.26
# Smallest range of velocity changes, %: smaller ones are errors of the measurement.
LEAST_CHANGE = 0.01


def draw_pictures(view: RunView, folder: Path) -> list[Path]:
    """Draw a picture of each shown pair, the channels, their packets, and a map.

    Parameters
    ----------
    view : RunView
        The run.
    folder : Path
        The folder of the pictures; it is made if there is none.

    Returns
    -------
    list of Path
        The files; none before the first window.
    """
    history, names = view.history(), view.pair_names()
    if not history.stacked.shape[1]:
        return []
    folder.mkdir(parents=True, exist_ok=True)
    lags_s, paths = view.lags_s(), []
    with style():
        for k, name in enumerate(names):
            figure = new_figure(9, 8)
            axes = figure.subplots(4, 1, height_ratios=(1, 1, 2, 1))
            _draw_correlation(axes[0], lags_s, history.last[k], "Last window")
            n = int(history.n_windows[k])
            _draw_correlation(axes[1], lags_s, history.stacked[k], f"{n} windows")
            _draw_days(axes[2], lags_s, history, k)
            _draw_changes(axes[3], history, k)
            figure.suptitle(name, color=INK)
            path = folder / f"{name.replace(' - ', '_')}.png"
            paths.append(save(figure, path))
    status = view.status()
    channels = status.get("channels", [])
    with style():
        paths.append(_draw_channels(channels, folder / "channels.png"))
        paths.append(_draw_packets(channels, folder / "packets.png"))
    return paths + _draw_map(view, status, folder / "map.png")


def _draw_correlation(
    axes: Axes, lags_s: np.ndarray, data: np.ndarray, title: str
) -> None:
    axes.plot(lags_s, data, color=POSITIVE, linewidth=0.8)
    axes.set_xlim(lags_s[0], lags_s[-1])
    axes.set_yticks([])
    add_heading(axes, title)


def _draw_days(axes: Axes, lags_s: np.ndarray, history: PairHistory, k: int) -> None:
    rows = history.rows[:, k].astype(float)
    largest = np.abs(rows).max(axis=1, keepdims=True)
    rows /= np.where(largest > 0, largest, 1.0)
    extent = (lags_s[0], lags_s[-1], len(rows) - 0.5, -0.5)
    axes.imshow(rows, COLOUR_MAP, aspect="auto", vmin=-1, vmax=1, extent=extent)
    if len(rows) <= MOST_CURVES:
        at = np.arange(len(rows))[:, None]
        axes.plot(lags_s, (at - CURVE_HEIGHT * rows).T, color=INK, linewidth=0.6)
    step = -(-len(rows) // MOST_LABELS)
    shown = np.arange(0, len(rows), step)
    axes.set_yticks(shown, [period_name(int(history.days[d])) for d in shown])
    axes.set_xlabel("lag (s)")
    add_heading(axes, "Stacks of days")


def _draw_changes(axes: Axes, history: PairHistory, k: int) -> None:
    days = history.days.astype("datetime64[D]")
    axes.axhline(0, color=SOFT, linewidth=0.6)
    percent = 100 * history.dvv[:, k]
    axes.plot(days, percent, "o-", color=POSITIVE, markersize=3)
    most = max(LEAST_CHANGE, float(np.nanmax(np.abs(percent), initial=0.0)))
    axes.set_ylim(-1.1 * most, 1.1 * most)
    if len(days) == 1:  # matplotlib would show an axis of years
        axes.set_xlim(days[0] - 1, days[0] + 1)
    labels = days[:: -(-len(days) // (MOST_LABELS // 2))]
    axes.set_xticks(labels, [str(day) for day in labels])
    axes.set_ylabel("dv/v (%)")
    add_heading(axes, "Velocity change of days")


def _draw_channels(channels: list[Mapping[str, Any]], path: Path) -> Path:
    """Draw waveforms and latencies of the channels."""
    shown = [c for c in channels if c["samples"]]
    n = len(shown) + 1
    figure = new_figure(9, 1.2 * n + 1)
    axes = figure.subplots(n, 1, squeeze=False)[:, 0]
    longest_s = max((c["samples_s"] for c in shown), default=1.0)
    for ax, channel in zip(axes, shown, strict=False):
        samples = np.array(channel["samples"])
        times_s = np.linspace(-channel["samples_s"], 0, len(samples))
        ax.plot(times_s, samples, color=INK, linewidth=0.5)
        ax.set_xlim(-longest_s, 0)
        ax.set_yticks([])
        ax.tick_params(labelbottom=channel is shown[-1])
        add_heading(ax, channel["channel"])
    if shown:
        axes[-2].set_xlabel("time before the newest sample (s)")
    names = [c["channel"] for c in channels]
    latencies = [c.get("data_latency_p95_s") or 0.0 for c in channels]
    axes[-1].bar(range(len(names)), latencies, color=POSITIVE)
    axes[-1].set_xticks(range(len(names)), names, rotation=30, ha="right", fontsize=7)
    axes[-1].set_ylim(0, max(1.0, *latencies))
    axes[-1].set_ylabel("s")
    add_heading(axes[-1], "Data latency, 95th percentile of the last minute")
    return save(figure, path)


def _draw_packets(channels: list[Mapping[str, Any]], path: Path) -> Path:
    """Draw a table of the packets of the channels."""
    figure = new_figure(13, ROW_INCHES * (len(channels) + 2) + 0.5)
    axes = figure.subplots()
    axes.axis("off")
    rows = [
        [c["channel"], "idle" if c["is_idle"] else "live"]
        + [_number(c.get(term)) for term in COLUMNS.values()]
        for c in channels
    ]
    heads = ["channel", "state", *COLUMNS]
    whole: Any = (0, 0, 1, 1)  # the axes
    table = axes.table(
        rows, colLabels=heads, bbox=whole, cellLoc="right", colLoc="right"
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.auto_set_column_width(list(range(len(heads))))
    for (row, column), cell in table.get_celld().items():
        cell.visible_edges = "B"
        cell.set_edgecolor(FAINT)
        text = cell.get_text()
        text.set_color(SOFT if row == 0 else INK)
        if row and column == 1 and channels[row - 1]["is_idle"]:
            text.set_color(NEGATIVE)
    return save(figure, path)


def _number(value: float | None) -> str:
    """Return a number in few digits.

    >>> _number(None), _number(12), _number(0.1234), _number(123456.7)
    ('–', '12', '0.123', '123457')
    """
    if value is None:
        return "–"
    if isinstance(value, int) or abs(value) >= 1000:
        return f"{value:.0f}"
    return f"{value:.3g}"


def _draw_map(view: RunView, status: Mapping[str, Any], path: Path) -> list[Path]:
    """Draw the stations, and the shown pairs by their signal-to-noise ratios."""
    stations = view.stations()
    names = [name for name, _, _ in stations]
    latitude, longitude = (np.array([s[k] for s in stations]) for k in (1, 2))
    if not np.isfinite(latitude + longitude).any():
        return []
    ends, values = [], []
    for pair in status.get("pairs", []):
        first, second = pair["pair"].split(" - ")
        ends.append([names.index(_station(id_)) for id_ in (first, second)])
        values.append(pair.get("snr") or np.nan)
    figure = map_figure(
        *(latitude, longitude, names),
        pairs=np.array(ends, int).reshape(-1, 2),
        values=np.array(values, float),
        values_label="signal-to-noise ratio of the stack",
        title="Stations and shown pairs",
    )
    return [save(figure, path)]


def _station(channel_id: str) -> str:
    return ".".join(channel_id.split(".")[:2])
