"""Parts and style that all figures have in common, and saving.

The colours of lines are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), and
images are red and blue: people with colour blindness can distinguish them.
"""

from __future__ import annotations

import contextlib
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.terminal import printable
from seismo_pes.whole_file import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.text import Text

__all__ = [
    "add_colour_bar",
    "add_figure_heading",
    "add_heading",
    "add_legend",
    "check_velocities",
    "draw_image",
    "format_time_axis",
    "log_edges",
    "new_figure",
    "save",
    "style",
    "style_side_panel",
]

INK = "#22304a"  # traces and text
SOFT = "#5b667a"  # axes and notes
FAINT = "#8a94a6"  # thin lines and bars
GROUND = "#e9ebef"  # panels without data
POSITIVE = "#0072b2"  # positive lags
NEGATIVE = "#d55e00"  # negative lags
# Lines of velocities: beside traces, over images, and in figures of one pair. They
# differ from the colours of traces and of images.
LINES = ("#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
LINES_OVER_IMAGE = ("#000000", "#009e73", "#7b3294", "#7a5c00", "#555555")
MARKS = ("#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#555555")
COLOUR_MAP = "RdBu_r"
AMOUNT_MAP = "cividis"  # colour map of values without a sign
DASHES = (0, (5, 3))
NOTE = "note"  # group of the note below a title
NOTE_LETTERS = 13  # letters of a note in an inch
LEGEND_POINTS = 20  # height of a legend above the axes
DPI = 160  # dots per inch of saved figures: sharp on screens, files of about 100 kB
# Rows of an image are repeated until there are about this many: matplotlib would blur
# the edges of fewer rows.
MIN_IMAGE_ROWS = 900
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
    """Apply the common style to figures created or saved inside the ``with``."""
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure with automatic layout; width and height in inches."""
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    engine = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=(width, height), layout=engine)


def save(figure: Figure, path: str | Path) -> Path:
    """Write a figure to a file.

    Parameters
    ----------
    figure
        The figure.
    path
        The file; its suffix gives the format: PNG, PDF or SVG. Its folder is created if
        necessary.

    Raises
    ------
    ParameterError
        If the suffix is another one.
    """
    path = Path(path)
    if path.suffix.lower() not in (".png", ".pdf", ".svg"):
        raise ParameterError(f"{path}: figures are .png, .pdf or .svg")
    path.parent.mkdir(parents=True, exist_ok=True)
    _show_names_as_they_are(figure)
    with style(), whole_file(path) as temporary:
        figure.savefig(temporary, dpi=DPI, format=path.suffix[1:].lower())
    return path


def _show_names_as_they_are(figure: Figure) -> None:
    """Draw no formula for a name with ``$``, and escapes for what cannot be drawn.

    The labels of axes stay: those of logarithmic axes are formulas.
    """
    from matplotlib.axis import Axis
    from matplotlib.text import Text

    of_axes = {t for axis in figure.findobj(Axis) for t in axis.findobj(Text)}
    for text in set(figure.findobj(Text)) - of_axes:
        text.set_text(printable(text.get_text()))
        text.set_parse_math(False)


def add_heading(axes: Axes, title: str, note: str = "") -> None:
    """Put a title over the axes, and below it a note in smaller, grey letters.

    Lines of the note that are wider than the figure are broken.
    """
    figure = axes.get_figure(root=True)
    assert figure is not None
    width = int(NOTE_LETTERS * (figure.get_figwidth() - 1.2))
    note = "\n".join(textwrap.fill(line, width) for line in note.split("\n"))
    axes.set_title(title)
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
        gid=NOTE,
    )
    _arrange_heading(axes)


def _arrange_heading(axes: Axes) -> None:
    """Put the note above the legend, and the title above the note."""
    rise = LEGEND_POINTS if axes.get_legend() is not None else 0
    from matplotlib.text import Annotation

    for text in axes.texts:
        if isinstance(text, Annotation) and text.get_gid() == NOTE:
            n_lines = text.get_text().count("\n") + 1 if text.get_text() else 0
            text.xyann = (0, 6 + rise)
            axes.set_title(axes.get_title("left"), pad=8 + 13 * n_lines + rise)


def add_figure_heading(figure: Figure, title: str, note: str = "") -> Text:
    """Put a title over all panels of a figure, and a line in smaller letters below it.

    The note takes no room of the panels, however long it is. The title is returned.
    """
    text = f"{title}\n" if note else title
    left = 0.12 / figure.get_figwidth()
    heading = figure.suptitle(text, x=left, ha="left", fontsize=12, fontweight="bold")
    if note:
        below = figure.text(left, 1.0, f"\n\n{note}", va="top", fontsize=9, color=SOFT)
        below.set_in_layout(False)  # its place is the second line of the title
    return heading


def draw_image(
    axes: Axes,
    data: np.ndarray,
    lags_s: np.ndarray,
    edges: tuple[float, float],
    limit: float,
) -> Any:
    """Draw a matrix as an image with colours from -limit to limit.

    If there are more columns than pixels, their mean is shown. NaN is grey.

    Parameters
    ----------
    axes
        Where to draw.
    data
        Shape (n, n_lags).
    lags_s
        Shape (n_lags,), seconds.
    edges
        Vertical coordinates: lower edge of the first row, upper edge of the last.
    limit
        Value of the darkest colours.
    """
    half_s = (lags_s[1] - lags_s[0]) / 2 if len(lags_s) > 1 else 0.5
    axes.set_facecolor(GROUND)
    repeated = np.repeat(data, max(MIN_IMAGE_ROWS // max(len(data), 1), 1), axis=0)
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


def add_colour_bar(
    figure: Figure, drawn: Any, axes: Axes | Sequence[Axes], label: str, **layout: Any
) -> None:
    """Put a colour bar for the image ``drawn`` beside the axes."""
    layout = {"pad": 0.02, "aspect": 30, "fraction": 0.04} | layout
    bar = figure.colorbar(drawn, ax=axes, **layout)
    bar.set_label(label, fontsize=9)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)


def style_side_panel(axes: Axes, label: str) -> None:
    """Format a narrow panel that shares the rows of the panel on its left."""
    axes.tick_params(labelleft=False, left=False, labelsize=8)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(label, fontsize=9)


def format_time_axis(axes: Axes) -> None:
    """Format an axis of dates, with a few short labels."""
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    axes.set_xlabel("time (UTC)")


def log_edges(values: np.ndarray) -> np.ndarray:
    """Return the edges of cells around rising values, on a logarithmic axis.

    >>> np.round(log_edges(np.array([1.0, 4.0])), 9).tolist()
    [0.5, 2.0, 8.0]
    """
    if len(values) < 2:
        return np.array([values[0] / 1.1, values[0] * 1.1])
    logs = np.log(values)
    middles = (logs[1:] + logs[:-1]) / 2
    ends = [2 * logs[0] - middles[0], 2 * logs[-1] - middles[-1]]
    return np.exp(np.concatenate([ends[:1], middles, ends[1:]]))


def check_velocities(velocities_km_s: Sequence[float]) -> None:
    """Check that velocities are positive.

    Raises
    ------
    ParameterError
        If one is not.
    """
    for velocity in velocities_km_s:
        if not velocity > 0 or not np.isfinite(velocity):
            raise ParameterError(f"velocity {velocity:g} km/s: must be above 0")


def add_legend(axes: Axes, handles: Sequence[Any] | None = None) -> None:
    """Put a legend above the axes on the right, where it hides no data.

    Parameters
    ----------
    axes
        The axes.
    handles
        Its lines and patches; by default those of the axes.
    """
    if handles is None:
        handles = axes.get_legend_handles_labels()[0]
    if handles:
        axes.legend(
            handles=handles,
            loc="lower right",
            bbox_to_anchor=(1, 1),
            borderaxespad=0.4,
            ncols=5,
            handlelength=2.6,
            columnspacing=1.4,
        )
        _arrange_heading(axes)
