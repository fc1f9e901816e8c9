"""Title, note and legend of a figure do not cover each other."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from seismo_pes.plotting.figure import add_heading, add_legend, new_figure, style

TITLE = "Velocity change, 3 pairs"
LONG = "stretching, 0.05 to 0.1 Hz, reference: stack 'all@0.05-0.1Hz', " * 3


@pytest.mark.parametrize("note", ["", "short", LONG, f"two lines\n{LONG}"])
@pytest.mark.parametrize("heading_first", [True, False])
@pytest.mark.parametrize("size", [(6, 4), (9, 8)])
def test_title_note_and_legend_have_places_of_their_own(note, heading_first, size):
    with style():
        figure = new_figure(*size)
        axes = figure.add_subplot()
        for k in range(4):
            axes.plot(np.arange(5) * k, label=f"{k} km/s")
        steps = [lambda: add_heading(axes, TITLE, note)]
        steps.append(lambda: add_legend(axes))
        for step in steps if heading_first else steps[::-1]:
            step()
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer = canvas.get_renderer()
    titles = [x for x in axes.get_children() if getattr(x, "get_text", str)() == TITLE]
    parts = [axes.patch, *titles, axes.get_legend(), *axes.texts]
    boxes = [part.get_window_extent(renderer) for part in parts]
    for one, other in itertools.combinations([b for b in boxes if b.width > 0], 2):
        assert not one.overlaps(other)
    for box in boxes[2:]:
        assert box.x1 <= figure.bbox.x1
        assert box.y1 <= figure.bbox.y1
