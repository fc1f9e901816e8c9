"""Draw a picture with matplotlib, so that no other program is needed."""

from __future__ import annotations

import functools
import io
import itertools
import warnings
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.textpath import TextPath

from dispel4py.draw.arrange import (
    ABOUT_HEIGHT,
    PADDING,
    PORT_HEIGHT,
    PORT_SIZE,
    SMALL_SIZE,
    TITLE_HEIGHT,
    TITLE_SIZE,
    Cell,
    Picture,
    PlacedBox,
    PlacedFrame,
    PlacedTab,
    PlacedWay,
    arrange,
)
from dispel4py.draw.scene import FAINT, INK, STROKES, Scene, tint

_FONT = "DejaVu Sans"  # comes with matplotlib
_MARGIN = 14.0
_DOTS_PER_INCH = 144
_LARGEST_SIDE = 30000  # pixels
_FRAMES = ("#eef1f5", "#e2e7ed", "#d6dde5")
_HEAD_LENGTH, _HEAD_WIDTH = 6.5, 5.0
_LEGEND_ROW, _LEGEND_SIDE, _SWATCH = 14.0, 18.0, 16.0


def paint(scene: Scene, kind: str) -> bytes:
    """Return the picture of a scene as svg, png or pdf."""
    with warnings.catch_warnings():
        # a name may be written in a script that the font lacks: boxes stand for it
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        return _saved(_painted(scene), kind)


def _painted(scene: Scene) -> Figure:
    picture = arrange(scene, text_width)
    entries = _legend_places(scene)
    legend_width = max((x + w for x, _, w, *_ in entries), default=0.0)
    rows = 1 + max((row for _, row, *_ in entries), default=-1)
    below = _MARGIN + rows * _LEGEND_ROW if rows else 0.0
    width = max(picture.width, legend_width) + 2 * _MARGIN
    height = picture.height + below + 2 * _MARGIN
    figure = Figure(figsize=(width / 72, height / 72), facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    left = (width - picture.width) / 2
    axes.set_xlim(-left, width - left)
    axes.set_ylim(height - _MARGIN, -_MARGIN)
    axes.set_axis_off()
    _paint_picture(axes, picture)
    _paint_legend(axes, entries, _MARGIN - left, picture.height + _MARGIN)
    return figure


def _saved(figure: Figure, kind: str) -> bytes:
    """Save a figure, with the same bytes for the same graph."""
    buffer = io.BytesIO()
    finest = _LARGEST_SIDE / float(max(figure.get_size_inches()))
    metadata: dict[str, Any] = {
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
    }.get(kind, {})
    with matplotlib.rc_context({"svg.hashsalt": "dispel4py"}):
        figure.savefig(
            buffer, format=kind, dpi=min(_DOTS_PER_INCH, finest), metadata=metadata
        )
    return buffer.getvalue()


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float, bold: bool) -> float:
    """Return the width of a text in points."""
    if not text.strip():
        return 0.0
    font = FontProperties(family=_FONT, weight="bold" if bold else "normal")
    return float(TextPath((0, 0), text, size=size, prop=font).get_extents().width)


def _paint_picture(axes: Any, picture: Picture) -> None:
    for frame in picture.frames:
        _paint_frame(axes, frame)
    for way in picture.ways:
        _paint_way(axes, way)
    for tab in picture.tabs:
        _paint_tab(axes, tab)
    for box in picture.boxes:
        _paint_box(axes, box)
    for way in picture.ways:
        if way.label_at is not None:
            stroke = STROKES[way.arrow.kind]
            _text(
                axes,
                *way.label_at,
                way.arrow.label,
                PORT_SIZE,
                stroke.colour,
                zorder=5,
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.0},
            )


def _text(
    axes: Any,
    x: float,
    y: float,
    text: str,
    size: float,
    colour: str = INK,
    **options: Any,
) -> None:
    place = {"ha": "center", "va": "center_baseline", "zorder": 4, "clip_on": False}
    # a name may hold what matplotlib would read as mathematics
    axes.text(
        x,
        y,
        text,
        fontsize=size,
        color=colour,
        family=_FONT,
        parse_math=False,
        **(place | options),
    )


def _rounded(axes: Any, x: float, y: float, w: float, h: float, **look: Any) -> Any:
    style = f"round,pad=0,rounding_size={look.pop('radius', 4.0)}"
    patch = FancyBboxPatch((x, y), w, h, boxstyle=style, **look)
    axes.add_patch(patch)
    return patch


def _paint_frame(axes: Any, frame: PlacedFrame) -> None:
    fill = _FRAMES[(frame.depth - 1) % len(_FRAMES)]
    _rounded(
        axes,
        frame.x,
        frame.y,
        frame.width,
        frame.height,
        radius=6.0,
        facecolor=fill,
        edgecolor="#9aa5b1",
        linewidth=0.8,
        zorder=1 + 0.1 * frame.depth,
    )
    _text(
        axes,
        frame.x + PADDING + 3,
        frame.y + 11,
        frame.title,
        TITLE_SIZE - 0.5,
        FAINT,
        ha="left",
        weight="bold",
        zorder=2,
    )


def _paint_tab(axes: Any, tab: PlacedTab) -> None:
    _rounded(
        axes,
        tab.x,
        tab.y + 2.5,
        tab.width,
        tab.height - 5,
        radius=5.0,
        facecolor="white",
        edgecolor="#9aa5b1",
        linewidth=0.7,
        zorder=3,
    )
    _text(
        axes, tab.x + tab.width / 2, tab.y + tab.height / 2, tab.text, SMALL_SIZE, FAINT
    )


def _paint_box(axes: Any, placed: PlacedBox) -> None:
    x, y, width, height = placed.x, placed.y, placed.width, placed.height
    look = {"facecolor": placed.box.fill, "edgecolor": "none", "zorder": 3}
    outline = _rounded(axes, x, y, width, height, **look)
    lower = y + height - PORT_HEIGHT
    for cells, top, edge in (
        (placed.inputs, y, y + PORT_HEIGHT),
        (placed.outputs, lower, lower),
    ):
        if cells:
            _paint_ports(axes, cells, x, top, width, outline)
            _rule(axes, [x, x + width], [edge, edge])
    middle = y + (PORT_HEIGHT if placed.inputs else 0.0) + TITLE_HEIGHT / 2
    _text(axes, x + width / 2, middle, placed.box.title, TITLE_SIZE, weight="bold")
    if placed.box.about:
        below = middle + TITLE_HEIGHT / 2 + ABOUT_HEIGHT / 2 - 3
        _text(axes, x + width / 2, below, placed.box.about, SMALL_SIZE, FAINT)
    frame = {"facecolor": "none", "edgecolor": FAINT, "linewidth": 0.9, "zorder": 3.4}
    _rounded(axes, x, y, width, height, **frame)


def _rule(axes: Any, xs: list[float], ys: list[float]) -> None:
    axes.plot(xs, ys, color=FAINT, lw=0.5, zorder=3.2, solid_capstyle="butt")


def _paint_ports(
    axes: Any, cells: tuple[Cell, ...], x: float, top: float, width: float, clip: Any
) -> None:
    shade = Rectangle(
        (x, top),
        width,
        PORT_HEIGHT,
        facecolor="white",
        alpha=0.6,
        edgecolor="none",
        zorder=3.1,
    )
    axes.add_patch(shade)
    shade.set_clip_path(clip)
    for cell in cells:
        if cell.left:
            at = x + cell.left
            _rule(axes, [at, at], [top, top + PORT_HEIGHT])
        middle = x + cell.left + cell.width / 2
        _text(axes, middle, top + PORT_HEIGHT / 2, cell.text, PORT_SIZE)


def _paint_way(axes: Any, way: PlacedWay) -> None:
    stroke = STROKES[way.arrow.kind]
    points = list(way.points)
    tip = points[-1]
    if way.has_head:
        points[-1] = (tip[0], tip[1] - _HEAD_LENGTH + 1)
    vertices, codes = [points[0]], [Path.MOVETO]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        if abs(x1 - x0) < 2.0:
            vertices.append((x1, y1))
            codes.append(Path.LINETO)
        else:
            middle = (y0 + y1) / 2
            vertices += [(x0, middle), (x1, middle), (x1, y1)]
            codes += [Path.CURVE4] * 3
    wide = 1.6 if stroke.dot == "bold" else 1.2
    axes.add_patch(
        PathPatch(
            Path(vertices, codes),
            facecolor="none",
            edgecolor=stroke.colour,
            linewidth=wide,
            linestyle=stroke.dashes,
            zorder=2.5,
        )
    )
    if way.has_head:
        x, y = tip
        side = _HEAD_WIDTH / 2
        corners = [(x, y), (x - side, y - _HEAD_LENGTH), (x + side, y - _HEAD_LENGTH)]
        axes.add_patch(Polygon(corners, facecolor=stroke.colour, lw=0, zorder=3.5))


# --------------------------------------------------------------------- legend


def _legend_places(
    scene: Scene,
) -> list[tuple[float, int, float, str, str, str]]:
    """Return (x, row, width, text, fill, grouping) of each entry of the legend."""
    columns = [
        [(line, tint(k), "") for k, line in enumerate(scene.partitions)],
        [(f"{kind}: {STROKES[kind].meaning}", "", kind) for kind in scene.kinds],
    ]
    found, x = [], 0.0
    for column in columns:
        widths = [_SWATCH + 5 + text_width(e[0], PORT_SIZE, False) for e in column]
        found += [
            (x, row, wide, *entry)
            for row, (wide, entry) in enumerate(zip(widths, column, strict=True))
        ]
        x += max(widths) + _LEGEND_SIDE if widths else 0.0
    return found


def _paint_legend(
    axes: Any,
    entries: list[tuple[float, int, float, str, str, str]],
    left: float,
    top: float,
) -> None:
    for x, row, _, text, fill, kind in entries:
        at, middle = left + x, top + (row + 0.5) * _LEGEND_ROW
        if fill:
            _rounded(
                axes,
                at,
                middle - 4.5,
                _SWATCH,
                9.0,
                radius=2.0,
                facecolor=fill,
                edgecolor=FAINT,
                linewidth=0.7,
                zorder=3,
            )
        else:
            stroke = STROKES[kind]
            wide = 1.6 if stroke.dot == "bold" else 1.2
            axes.plot(
                [at, at + _SWATCH],
                [middle, middle],
                color=stroke.colour,
                lw=wide,
                ls=stroke.dashes,
                zorder=3,
            )
        _text(axes, at + _SWATCH + 5, middle, text, PORT_SIZE, ha="left")
