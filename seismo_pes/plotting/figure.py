"""What all figures share: colours, style, headings, images, saving.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), and a diverging
red-blue for images: people with any kind of colour vision can tell them apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import ParameterError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "beside",
    "check_velocities",
    "colour_bar",
    "heading",
    "image",
    "legend",
    "new_figure",
    "save",
    "style",
    "time_axis",
]

INK = "#22304a"
SOFT = "#5b667a"
FAINT = "#8a94a6"
GROUND = "#e9ebef"
POSITIVE = "#0072b2"
NEGATIVE = "#d55e00"
# Velocity lines: not the colours of traces, nor, over images, those of the images.
LINES = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LINES_OVER_IMAGE = ("#000000", "#009e73", "#7b3294", "#7a5c00", "#555555")
MARKS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
COLOUR_MAP = "RdBu_r"
AMOUNT_MAP = "cividis"  # of what has no sign
DASHES = (0, (5, 3))
DPI = 160
FEWEST_PIXELS = 900  # rows of an image, made so many by repetition
STYLE = {
    "font.size": 10,
    "axes.titlesize": 12,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": INK,
    "axes.edgecolor": SOFT,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
    "text.color": INK,
    "figure.facecolor": "white",
    "legend.frameon": False,
    "svg.hashsalt": "seismo_pes",
}


@contextlib.contextmanager
def style() -> Iterator[None]:
    """Give figures that are made or saved inside our look."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure, sizes in inches, whose parts find their own room."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=(width, height), layout=engine)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure; the suffix says how (PNG, PDF, SVG).

    Raises
    ------
    ParameterError
        If the suffix is of no format that can be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ParameterError(f"{path}: pictures are .png, .pdf or .svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    with style():
        figure.savefig(path, dpi=DPI)
    return path


def heading(axes: Axes, title: str, note: str = "") -> None:
    """Put a title and, smaller and fainter, lines of explanation over the axes."""
    n_lines = note.count("\n") + 1 if note else 0
    axes.set_title(title, pad=8 + 13 * n_lines)
    axes.annotate(
        note,
        (0, 1),
        (0, 6),
        xycoords="axes fraction",
        textcoords="offset points",
        ha="left",
        va="bottom",
        fontsize=9,
        color=SOFT,
        linespacing=1.3,
    )


def image(
    axes: Axes,
    data: np.ndarray,
    lags_s: np.ndarray,
    edges: tuple[float, float],
    limit: float,
) -> Any:
    """Draw a matrix from -limit to limit, rows upwards from the first edge.

    Columns are averaged where there are more than pixels. Rows keep their edges, and
    NaN is grey.
    """
    half_s = (lags_s[1] - lags_s[0]) / 2 if len(lags_s) > 1 else 0.5
    axes.set_facecolor(GROUND)
    repeated = np.repeat(data, max(FEWEST_PIXELS // max(len(data), 1), 1), axis=0)
    return axes.imshow(
        np.ma.masked_invalid(repeated),
        cmap=COLOUR_MAP,
        vmin=-limit,
        vmax=limit,
        origin="lower",
        aspect="auto",
        interpolation="antialiased",
        interpolation_stage="rgba",
        extent=(lags_s[0] - half_s, lags_s[-1] + half_s, *edges),
    )


def colour_bar(
    figure: Figure, drawn: Any, axes: Axes | Sequence[Axes], label: str, **layout: Any
) -> None:
    """Put the bar of the colours of what was drawn beside the axes."""
    layout = {"pad": 0.02, "aspect": 30, "fraction": 0.04} | layout
    bar = figure.colorbar(drawn, ax=axes, **layout)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def beside(axes: Axes, label: str) -> None:
    """Give a narrow panel beside another, of the same rows, its plain look."""
    axes.tick_params(labelleft=False, left=False, labelsize=8)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(label, fontsize=9)


def time_axis(axes: Axes) -> None:
    """Give an axis of dates few and short ticks."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("time (UTC)")


def check_velocities(velocities_km_s: Sequence[float]) -> None:
    """Refuse velocities that are not above 0."""
    for velocity in velocities_km_s:
        if not velocity > 0 or not np.isfinite(velocity):
            raise ParameterError(f"velocity {velocity:g} km/s: must be above 0")


def legend(axes: Axes, height: float = 1.02) -> None:
    """Put the legend over the axes, right, where it covers nothing."""
    if axes.get_legend_handles_labels()[1]:
        axes.legend(
            loc="lower right",
            bbox_to_anchor=(1, height),
            borderaxespad=0,
            ncols=5,
            handlelength=2.6,
            columnspacing=1.4,
        )
