import math
import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.plotting import (
    DistanceBins,
    Substacks,
    normalise_rows,
    pair_figure,
    record_section_figure,
    save,
)
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import store
from xcorr_app.reporting import network_figures, pair_figures
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

DAY_NS = 86_400 * 10**9
VELOCITY_KM_S = 3.0


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


def make(out, n_channels, located=True, days=()):
    """Pulses at distance / 3 km/s on both sides, stations on a line."""
    channels = [
        Place(f"XX.S{i:02d}..Z", *((0.0, 0.01 * i**1.5) if located else ()))
        for i in range(n_channels)
    ]
    create_run(out, config={}, channels=channels, sampling_rate_hz=10.0, n_lags=401)
    first, second = np.triu_indices(n_channels)
    km = np.abs(first**1.5 - second**1.5) * 1.1132  # a hundredth of a degree
    lags_s = (np.arange(401) - 200) / 10
    offset_s = np.abs(lags_s)[None] - km[:, None] / VELOCITY_KM_S
    data = np.exp(-((offset_s / 0.3) ** 2)).astype("f4")
    with CorrelationWriter(out) as writer:
        for k, stack in enumerate(("all", *days)):
            start_ns = np.full(len(first), 19_129 * DAY_NS)
            writer.write(
                CorrelationRows(
                    stack,
                    np.stack([first, second], axis=1).astype("i4"),
                    np.full(len(first), 24, "i4"),
                    start_ns,
                    start_ns + DAY_NS,
                    data,
                    (0, 0, k),
                    True,
                )
            )
    finalize(out)
    return store.open(out)


def is_png(path):
    return (
        path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" and path.stat().st_size > 10_000
    )


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved; they are not rendered, which saves time."""
    figures = []
    for module in (network_figures, pair_figures):
        monkeypatch.setattr(module, "save", lambda figure, path: figures.append(figure))
    return figures


def lines(axes):
    return [line for line in axes.lines if len(line.get_xdata()) > 3]


def texts(axes):
    return [text.get_text() for text in axes.texts]


# ------------------------------------------------------------------ record section


def test_a_picture_is_written(tmp_path):
    with make(tmp_path / "out", 5) as results:
        path = network_figures.draw_record_section(
            results, tmp_path / "new" / "section.png", velocities_km_s=[3.0, 2.0]
        )
        assert is_png(path)
        assert is_png(
            pair_figures.draw_pair(results, "S00", "S04", tmp_path / "pair.png")
        )
    pyplot = sys.modules.get("matplotlib.pyplot")  # another test may have loaded it
    assert pyplot is None or not pyplot.get_fignums()  # no global state, no window


def test_traces_are_drawn_at_their_distance(tmp_path, drawn):
    with make(tmp_path, 5) as results:
        network_figures.draw_record_section(
            results, "x.png", velocities_km_s=[3.0], max_lag_s=10
        )
    (axes,) = drawn[0].axes
    traces = lines(axes)
    assert len(traces) == 10  # the autocorrelations of the five channels are left out
    for line in traces:
        distance_km = np.median(line.get_ydata())
        positive = line.get_xdata() > 0
        peak = line.get_xdata()[positive][np.argmax(line.get_ydata()[positive])]
        assert peak == pytest.approx(distance_km / VELOCITY_KM_S, abs=0.1)
    (moveout,) = [line for line in axes.lines if line.get_label() == "3 km/s"]
    x, y = np.array(moveout.get_xdata()), np.array(moveout.get_ydata())
    np.testing.assert_allclose(np.abs(x) * 3, y)
    assert axes.get_xlim() == (-10, 10)
    assert axes.get_ylim()[0] < 0
    assert axes.get_xlabel() == "lag (s)"
    assert axes.get_ylabel() == "distance (km)"
    assert axes.get_title(loc="left") == "Record section, 10 pairs"
    assert any("24 windows per pair" in text for text in texts(axes))
    assert "S00–S04" in texts(axes)


def test_many_pairs_are_an_image(tmp_path, drawn):
    with make(tmp_path, 26) as results:
        network_figures.draw_record_section(results, "x.png", velocities_km_s=[3.0])
    axes, bar = drawn[0].axes
    assert not lines(axes)
    (image,) = axes.images
    data = image.get_array()
    rows = np.flatnonzero(~data.mask.all(axis=1))
    top_km = axes.get_ylim()[1]
    for row in rows[:: max(len(rows) // 20, 1)]:
        km = (row + 0.5) / len(data) * top_km
        if km > 19 * VELOCITY_KM_S:
            break  # the arrival is beyond the longest lag
        peak_s = abs(image.get_array()[row].argmax() - 200) / 10
        assert peak_s == pytest.approx(
            km / VELOCITY_KM_S, abs=0.6
        )  # the width of a bin
    assert "mean" in bar.get_ylabel()


def test_pairs_without_distance_are_drawn_in_their_order(tmp_path, drawn):
    with make(tmp_path, 4, located=False) as results:
        network_figures.draw_record_section(results, "x.png", velocities_km_s=[3.0])
    (axes,) = drawn[0].axes
    assert len(lines(axes)) == 6
    assert "distances are not known" in axes.get_ylabel()
    assert not [line for line in axes.lines if "km/s" in str(line.get_label())]
    assert len(lines(axes)[0].get_xdata()) == 401


def test_nothing_to_draw(tmp_path):
    create_run(tmp_path / "out", config={}, channels=[], sampling_rate_hz=1, n_lags=3)
    with store.open(tmp_path / "out") as results, pytest.raises(KeyError):
        network_figures.draw_record_section(results, tmp_path / "x.png")
    figure = record_section_figure(np.zeros((0, 5)), np.arange(-2.0, 3), np.zeros(0))
    assert is_png(save(figure, tmp_path / "empty.png"))


def test_only_some_pairs_have_a_distance(tmp_path, drawn):
    out = tmp_path / "out"
    with make(out, 4) as results:
        results.pairs["distance_km"][2] = np.nan
        network_figures.draw_record_section(results, "x.png")
    assert "1 pairs of unknown distance left out" in texts(drawn[0].axes[0])[-1]


def test_wrong_arguments_are_refused(tmp_path):
    with make(tmp_path, 3) as results:
        with pytest.raises(ParameterError, match="above 0"):
            network_figures.draw_record_section(
                results, tmp_path / "x.png", velocities_km_s=[0]
            )
        with pytest.raises(ParameterError, match=r"\.png, \.pdf or \.svg"):
            network_figures.draw_record_section(results, tmp_path / "x.xyz")
        with pytest.raises(KeyError, match="did you mean"):
            pair_figures.draw_pair(results, "XX.S00..Z", "XX.S0..Z", tmp_path / "x.png")


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_other_formats(tmp_path, suffix):
    figure = record_section_figure(np.eye(3), np.arange(-1.0, 2), np.arange(3.0))
    assert save(figure, tmp_path / f"x.{suffix}").stat().st_size > 1000


# ------------------------------------------------------------------ a pair


def test_a_pair(tmp_path, drawn):
    days = ("2022-05-17", "2022-05-18", "2022-05-20")
    with make(tmp_path, 3, days=days) as results:
        pair_figures.draw_pair(results, "S00", "S02", "x.png", velocities_km_s=[3.0])
        correlation = results["S00", "S02"]
    whole, folded, substacks, counts = drawn[0].axes
    assert whole.get_title(loc="left") == "XX.S00..Z – XX.S02..Z"
    assert f"{correlation.distance_km:.3f} km" in texts(whole)[0]
    assert "24 windows, 2022-05-17 00:00 to 2022-05-18 00:00" in texts(whole)[0]
    marks = {
        round(abs(line.get_xdata()[0]), 6)
        for line in whole.lines
        if len(line.get_xdata()) == 2 and line.get_linestyle() != "-"
    }
    assert marks == {round(correlation.distance_km / 3, 6)}
    branches = [line for line in folded.lines if len(line.get_xdata()) == 201]
    assert [line.get_label() for line in branches] == [
        "positive lags",
        "negative lags",
        "mean of both",
    ]
    np.testing.assert_allclose(branches[2].get_ydata(), correlation.symmetric()[1])
    assert [tick.get_text() for tick in substacks.get_yticklabels()] == [
        "2022-05-17",
        "2022-05-18",
        "2022-05-19",
        "2022-05-20",
    ]
    shown = substacks.images[0].get_array()
    assert shown.mask[len(shown) * 3 // 8].all()  # the missing day, rows upwards
    assert not shown.mask[0].any()
    assert [bar.get_width() for bar in counts.patches] == [24, 24, 0, 24]


def test_a_pair_without_substacks_and_distance(tmp_path, drawn):
    with make(tmp_path, 2, located=False) as results:
        pair_figures.draw_pair(results, "S00", "S01", "x.png", velocities_km_s=[3.0])
    assert len(drawn[0].axes) == 2
    assert "distance unknown" in texts(drawn[0].axes[0])[0]


def test_substacks_can_have_any_name():
    figure = pair_figure(
        np.zeros(5),
        np.arange(-2.0, 3),
        substacks=Substacks(["a", "b"], np.full((2, 5), np.nan), np.zeros(2)),
    )
    assert len(figure.axes) == 4


# ------------------------------------------------------------------ numbers


def test_normalised():
    data = np.array([[1, -2.0], [0, 0], [np.nan, 4]])
    before = data.copy()
    np.testing.assert_array_equal(normalise_rows(data), [[0.5, -1], [0, 0], [0, 1]])
    np.testing.assert_array_equal(data, before)


def test_means_do_not_depend_on_the_size_of_blocks():
    rng = np.random.default_rng(0)
    data, km = rng.standard_normal((50, 7)), rng.uniform(0, 10, 50)
    one_block, many_blocks = DistanceBins(10, 8, 7), DistanceBins(10, 8, 7)
    one_block.add(data, km)
    for i in range(0, 50, 9):
        many_blocks.add(data[i : i + 9], km[i : i + 9])
    np.testing.assert_allclose(one_block.mean(), many_blocks.mean())
    assert one_block.count.sum() == 50
    bins = DistanceBins(0.0, 2, 1)
    bins.add(np.ones((1, 1)), np.zeros(1))
    assert bins.mean()[0, 0] == 1


def test_pictures_need_no_global_state():
    """Figures are drawn without pyplot and without a window, also on a cluster."""
    code = "import sys, xcorr_app.reporting.pair_figures; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert "matplotlib.pyplot" not in done.stdout.split()
