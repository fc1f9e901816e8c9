"""Figures of observed and synthetic records with the windows of their comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting.figure import (
    DASHES,
    FAINT,
    INK,
    NEGATIVE,
    POSITIVE,
    SOFT,
    add_heading,
    add_legend,
    new_figure,
    style,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ComparedTraces", "MeasuredWindow", "records_figure"]

MARGIN = 0.045  # part of a panel that is free above and below the traces
POINTS_OF_LABEL = 7.5  # size of the letters of the numbers of a window
LINE_INCHES = 0.125  # height of a line of numbers above the traces, or of a remark
PANEL_INCHES = 1.75
AXES_INCHES = 1.4  # least height of a panel without its labels
WIDTH_INCHES = 10.5
HEAD_INCHES, FOOT_INCHES = 1.0, 0.55  # title and legend above, axis of time below
LETTER_INCHES = 0.065  # width of a letter of these numbers
LABEL_LETTERS = 15  # letters of the longest line of a label
LINES = ((INK, "observed"), (NEGATIVE, "synthetic"))


@dataclass(frozen=True)
class MeasuredWindow:
    """A window, and what was measured in it.

    Attributes
    ----------
    start_s, end_s : float
        Times after the origin.
    cc, dt_s, dlna : float, optional
        Correlation coefficient, time shift T_obs - T_syn, and ln(A_obs/A_syn).
    is_measured : bool
        Whether it has a measurement; False if all were rejected.
    """

    start_s: float
    end_s: float
    cc: float | None = None
    dt_s: float | None = None
    dlna: float | None = None
    is_measured: bool = True

    @property
    def lines(self) -> list[str]:
        """The numbers, a line each.

        >>> MeasuredWindow(0, 9, cc=0.98, dt_s=-0.5).lines
        ['cc 0.98', 'dt -0.50 s']
        """
        texts = []
        if self.cc is not None:
            texts.append(f"cc {self.cc:.2f}")
        if self.dt_s is not None:
            texts.append(f"dt {self.dt_s:+.2f} s")
        if self.dlna is not None:
            texts.append(f"dlna {self.dlna:+.2f}")
        return texts


@dataclass(frozen=True)
class ComparedTraces:
    """A component of a station in one period band.

    Attributes
    ----------
    component : str
    start_s, delta_s : float
        Time of the first sample after the origin, and the sampling interval.
    observed, synthetic : numpy.ndarray
        Shape ``(n,)``; without samples if the component was rejected.
    windows : tuple of MeasuredWindow
    remark : str
        Such as the reason of the rejection.
    """

    component: str
    start_s: float = 0.0
    delta_s: float = 1.0
    observed: np.ndarray = field(default_factory=lambda: np.zeros(0))
    synthetic: np.ndarray = field(default_factory=lambda: np.zeros(0))
    windows: tuple[MeasuredWindow, ...] = ()
    remark: str = ""

    @property
    def end_s(self) -> float:
        """Time of the last sample."""
        return self.start_s + (len(self.observed) - 1) * self.delta_s


def records_figure(
    traces: Sequence[ComparedTraces],
    *,
    unit: str = "",
    title: str = "",
    note: str = "",
) -> Figure:
    """Draw observed and synthetic records, a panel for each component.

    Windows are shaded, with the numbers that were measured in them; those in which all
    measures were rejected are grey, with dashed edges. Each panel has its own scale.

    Parameters
    ----------
    traces
        The components of a station.
    unit
        Unit of the samples.
    title, note
        Title of the figure, and a line in smaller letters below it.

    Raises
    ------
    ParameterError
        If there is no component.
    """
    if not traces:
        raise ParameterError("no figure: no component")
    spans = [(t.start_s, t.end_s) for t in traces if len(t.observed)]
    span = (min(s for s, _ in spans), max(e for _, e in spans)) if spans else (0.0, 1.0)
    with style():
        height = HEAD_INCHES + FOOT_INCHES + PANEL_INCHES * len(traces)
        figure = new_figure(WIDTH_INCHES, height)
        # fixed places: a layout that measures all texts takes as long as the drawing
        figure.set_layout_engine("none")
        places = {
            "left": 0.075,
            "right": 0.985,
            "bottom": FOOT_INCHES / height,
            "top": 1 - HEAD_INCHES / height,
            "hspace": 0.28,
        }
        panels = figure.subplots(
            len(traces), 1, sharex=True, squeeze=False, gridspec_kw=places
        )[:, 0]
        for axes, trace in zip(panels, traces, strict=True):
            axes.set_xlim(*span)
            _draw_panel(axes, trace, span[1] - span[0])
            axes.set_ylabel(f"{trace.component} ({unit})" if unit else trace.component)
            axes.yaxis.set_label_coords(-0.045, 0.5)
        panels[-1].set_xlabel("time after the origin (s)")
        _add_legend(panels[0], traces)
        add_heading(panels[0], title, note)
        return figure


class _Look(NamedTuple):
    """How windows of one kind are drawn."""

    name: str
    fill: dict[str, Any]
    edge: dict[str, Any]


MEASURED = _Look(
    "measured window",
    {"color": POSITIVE, "alpha": 0.14},
    {"color": POSITIVE, "alpha": 0.5},
)
REJECTED = _Look(
    "rejected window",
    {"color": FAINT, "alpha": 0.2},
    {"color": SOFT, "ls": DASHES},
)


def _add_legend(axes: Axes, traces: Sequence[ComparedTraces]) -> None:
    """Put one legend over a panel, for all panels."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    drawn = [trace for trace in traces if len(trace.observed)]
    if not drawn:
        return
    handles: list[Any] = [
        Line2D([], [], color=colour, lw=1.0, label=name) for colour, name in LINES
    ]
    kinds = {window.is_measured for trace in drawn for window in trace.windows}
    handles += [
        Patch(label=look.name, lw=0, **look.fill)
        for is_measured, look in ((True, MEASURED), (False, REJECTED))
        if is_measured in kinds
    ]
    add_legend(axes, handles)


def _is_whole(window: MeasuredWindow, duration_s: float) -> bool:
    """Return whether a window is all that is shown."""
    return window.end_s - window.start_s > 0.99 * duration_s


def _limits(trace: ComparedTraces, n_lines: int) -> tuple[float, float]:
    """Return the limits of a panel, with room for lines above and a remark below.

    >>> trace = ComparedTraces("Z", 0.0, 1.0, np.array([-1.0, 1.0]), np.zeros(2))
    >>> low, high = _limits(trace, 3)
    >>> round((high - 1) / (high - low), 3) == round(3.5 * LINE_INCHES / AXES_INCHES, 3)
    True
    """
    both = np.concatenate([trace.observed, trace.synthetic])
    low, high = float(both.min()), float(both.max())
    if low == high:
        return low - 1, high + 1
    line = LINE_INCHES / AXES_INCHES
    above = (n_lines + 0.5) * line if n_lines else MARGIN
    below = 1.5 * line if trace.remark else MARGIN
    size = (high - low) / (1 - above - below)
    return low - below * size, high + above * size


def _draw_panel(axes: Axes, trace: ComparedTraces, duration_s: float) -> None:
    axes.tick_params(labelsize=8)
    axes.ticklabel_format(axis="y", scilimits=(-2, 3), useMathText=True)
    axes.yaxis.get_offset_text().set_fontsize(8)
    if not len(trace.observed):
        axes.set_yticks([])
        axes.text(0.5, 0.5, trace.remark, transform=axes.transAxes, ha="center",
                  va="center", color=SOFT, fontsize=9, wrap=True)  # fmt: skip
        return
    times_s = trace.start_s + trace.delta_s * np.arange(len(trace.observed))
    for samples, (colour, _) in zip(
        (trace.observed, trace.synthetic), LINES, strict=True
    ):
        axes.plot(times_s, samples, color=colour, lw=1.0)
    shown = [w for w in trace.windows if w.lines or not _is_whole(w, duration_s)]
    n_lines = max((len(window.lines) for window in shown), default=0)
    axes.set_ylim(*_limits(trace, n_lines))
    axes.locator_params(axis="y", nbins=5)
    for window in shown:
        span = window.start_s, window.end_s
        look = MEASURED if window.is_measured else REJECTED
        axes.axvspan(*span, zorder=0.5, lw=0, **look.fill)
        for edge_s in span:
            axes.axvline(edge_s, zorder=0.6, lw=0.7, **look.edge)
    _label_windows(axes, trace.windows, duration_s)
    if trace.remark:
        axes.text(0.995, 0.04, trace.remark, transform=axes.transAxes, ha="right",
                  color=SOFT, fontsize=8)  # fmt: skip


def _label_windows(
    axes: Axes, windows: Sequence[MeasuredWindow], duration_s: float
) -> None:
    """Write the numbers of windows; numbers that would overlap others are left out."""
    second_inches = WIDTH_INCHES / (duration_s or 1.0)
    needed_s = LABEL_LETTERS * LETTER_INCHES / second_inches
    free_s = -np.inf
    first_s, last_s = axes.get_xlim()
    for window in sorted(windows, key=lambda w: w.start_s):
        start_s = max(window.start_s, first_s)
        at_s = min(start_s, last_s - needed_s)
        if at_s < free_s or not window.lines:
            continue
        free_s = at_s + needed_s
        # at the end of the panel, the numbers end with it
        place = (start_s, "left") if at_s == start_s else (last_s, "right")
        axes.text(place[0], 0.97, "\n".join(window.lines), ha=place[1],
                  multialignment="left", fontsize=POINTS_OF_LABEL,
                  transform=axes.get_xaxis_transform(), va="top", color=INK,
                  linespacing=1.05)  # fmt: skip
