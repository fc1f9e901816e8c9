"""Figures of misfits show the values that they are given."""

import itertools

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, QuadMesh

from dispel4py.errors import ParameterError
from seismo_pes.plotting import (
    ComparedTraces,
    MeasuredWindow,
    event_map_figure,
    histogram_figure,
    records_figure,
    time_frequency_figure,
)
from seismo_pes.signal.misfits.time_frequency import time_frequency_misfit

DELTA_S = 0.5
TIMES_S = np.arange(400) * DELTA_S
SYNTHETIC = np.exp(-(((TIMES_S - 80) / 12) ** 2)) * np.sin(TIMES_S / 3)


def texts(figure):
    return [text.get_text() for text in all_texts(figure)]


def all_texts(figure):
    return [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]


def overlaps(figure):
    """Pairs of visible texts inside panels that cover each other."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    shown = [text for text in all_texts(figure) if text.get_text().strip()]
    boxes = [(t.get_text(), t.get_window_extent(renderer)) for t in shown]
    return [
        (one, other)
        for (one, a), (other, b) in itertools.combinations(boxes, 2)
        if a.overlaps(b)
    ]


def traces(windows=(), **changes):
    given = {"observed": 2 * SYNTHETIC, "synthetic": SYNTHETIC, "windows": windows}
    return ComparedTraces("Z", 5.0, DELTA_S, **(given | changes))


def test_records_stand_at_their_times_and_windows_have_their_numbers():
    window = MeasuredWindow(60.0, 110.0, cc=0.987, dt_s=-1.254, dlna=0.693)
    figure = records_figure([traces((window,))], unit="m/s", title="IV.CAFR")
    observed, synthetic = figure.axes[0].lines[:2]
    np.testing.assert_array_equal(observed.get_ydata(), 2 * SYNTHETIC)
    np.testing.assert_array_equal(synthetic.get_ydata(), SYNTHETIC)
    np.testing.assert_allclose(observed.get_xdata(), 5 + TIMES_S, rtol=1e-12)
    assert "cc 0.99\ndt -1.25 s\ndlna +0.69" in texts(figure)
    edges = [patch.get_x() for patch in figure.axes[0].patches]
    assert edges == [60.0]
    assert figure.axes[0].get_ylabel() == "Z (m/s)"


@pytest.mark.parametrize("n_windows", [1, 4, 40])
def test_numbers_of_windows_do_not_overlap(n_windows):
    starts = np.linspace(5, 200, n_windows)
    windows = [MeasuredWindow(s, s + 60, 0.9, -10.25, -0.5) for s in starts]
    assert not overlaps(records_figure([traces(tuple(windows))], title="station"))


@pytest.mark.parametrize("is_first", [True, False])
def test_a_rejected_component_has_a_panel_with_the_reason(is_first):
    rejected = ComparedTraces("T", remark="rejected: read: a gap")
    panels = [rejected, traces()] if is_first else [traces(), rejected]
    figure = records_figure(panels, title="IV.CAFR")
    assert "rejected: read: a gap" in texts(figure)
    legend = figure.axes[0].get_legend()
    assert [t.get_text() for t in legend.get_texts()] == ["observed", "synthetic"]


def test_a_remark_stands_below_the_traces_and_numbers_above():
    window = MeasuredWindow(60.0, 110.0, cc=0.9, dt_s=1.0, dlna=0.1)
    shown = traces((window,), remark="2 rejected, cc_time: cycle skip")
    figure = records_figure([shown], title="IV.CAFR")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    axes = figure.axes[0]
    ends = 2 * SYNTHETIC.max(), 2 * SYNTHETIC.min()
    (_, above), (_, below) = (axes.transData.transform((0, level)) for level in ends)
    boxes = {
        text.get_text()[:2]: text.get_window_extent(canvas.get_renderer())
        for text in axes.texts
        if text.get_text()
    }
    assert boxes["2 "].y1 <= below
    assert boxes["cc"].y0 >= above


def test_a_window_without_a_measurement_has_a_style_of_its_own():
    """The legend names both kinds, also those of the other panels."""
    measured = MeasuredWindow(20.0, 50.0, cc=0.9)
    rejected = MeasuredWindow(60.0, 110.0, is_measured=False)
    figure = records_figure([traces((measured,)), traces((measured, rejected))])
    first, second = figure.axes[1].patches
    assert (first.get_x(), second.get_x()) == (20.0, 60.0)
    assert first.get_facecolor() != second.get_facecolor()
    edges = {line.get_xdata()[0]: line for line in figure.axes[1].lines[2:]}
    assert edges[60.0].is_dashed()
    assert not edges[20.0].is_dashed()
    names = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert names == ["observed", "synthetic", "measured window", "rejected window"]


@pytest.mark.parametrize("numbers", [{}, {"cc": 0.9}])
def test_a_window_of_the_whole_time_is_shaded_if_it_has_numbers(numbers):
    window = MeasuredWindow(5.0, 5.0 + TIMES_S[-1], **numbers)
    axes = records_figure([traces((window,))]).axes[0]
    assert len(axes.patches) == len(numbers)


def test_records_of_nothing_are_refused_and_zeros_are_drawn():
    with pytest.raises(ParameterError, match="no component"):
        records_figure([])
    zeros = np.zeros(10)
    FigureCanvasAgg(records_figure([traces(observed=zeros, synthetic=zeros)])).draw()


def test_time_frequency_maps_are_those_of_the_misfit():
    misfit = time_frequency_misfit(
        1.5 * SYNTHETIC, SYNTHETIC, DELTA_S, 1 / 60, 1 / 8, 20
    )
    figure = time_frequency_figure(
        misfit, 1.5 * SYNTHETIC, SYNTHETIC, DELTA_S, 30.0, unit="m/s", title="Z"
    )
    envelope, phase = (
        mesh
        for axes in figure.axes
        for mesh in axes.collections
        if isinstance(mesh, QuadMesh) and mesh.get_array().size == misfit.tfem.size
    )
    np.testing.assert_array_equal(envelope.get_array(), misfit.tfem)
    np.testing.assert_array_equal(phase.get_array(), misfit.tfpm)
    # a pure factor of 1.5 has the envelope misfit 0.5 and no phase misfit
    assert "envelope misfit\n0.500" in texts(figure)
    assert "phase misfit\n0.000" in texts(figure)
    labels = [axes.get_xlabel() for axes in figure.axes]
    assert "time after the origin (s)" in labels
    assert not overlaps(figure)


def test_histograms_count_all_finite_values_by_component_and_band():
    band, other = (10.0, 30.0), (30.0, 80.0)
    values = {
        ("T", band): np.array([0.5, 0.7, np.nan]),
        ("Z", band): np.array([-1.0, 1.0, 1.0, 0.2]),
        ("Z", other): np.array([0.0]),
    }
    figure = histogram_figure(values, "time shift (s)", title="shift", note="event")
    titles = [axes.get_title("left") for axes in figure.axes]
    assert titles == [
        "Z, 10 to 30 s",
        "T, 10 to 30 s",
        "Z, 30 to 80 s",
        "T, 30 to 80 s",
    ]
    counts = [sum(bar.get_height() for bar in axes.patches) for axes in figure.axes]
    assert counts == [4, 2, 1, 0]
    assert "n 4\nmedian 0.6" in texts(figure)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e-9])
def test_a_histogram_of_equal_values_is_drawn(value):
    figure = histogram_figure({("Z", (1.0, 2.0)): np.full(3, value)}, "cc")
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 3


def test_a_histogram_without_values_is_refused():
    with pytest.raises(ParameterError, match="no values"):
        histogram_figure({("Z", (1.0, 2.0)): np.array([np.nan])}, "cc")


def test_the_map_colours_stations_symmetrically_about_zero():
    latitude, longitude = np.array([42.0, 43.0, np.nan, 41.0]), np.arange(4.0)
    values = np.array([1.0, -3.0, 2.0, np.nan])
    figure = event_map_figure(
        (42.0, 2.0), latitude, longitude, values, "s", list("abcd"), signed=True
    )
    empty, coloured = (
        c for c in figure.axes[0].collections if isinstance(c, PathCollection)
    )
    assert coloured.get_array().tolist() == [1.0, -3.0]
    assert coloured.get_clim() == (-3.0, 3.0)
    assert empty.get_offsets().tolist() == [[3.0, 41.0]]
    assert not {"c"} & set(texts(figure))


def test_the_map_of_an_event_across_the_date_line_is_in_one_piece():
    figure = event_map_figure(
        (0.0, 179.0), np.zeros(2), np.array([-179.0, 178.0]), np.ones(2), "misfit"
    )
    west, east = figure.axes[0].get_xlim()
    assert east - west < 10
