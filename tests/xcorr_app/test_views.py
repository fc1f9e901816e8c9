"""Figures of results, the report, and the availability of an archive."""

import json
import math
import re
from dataclasses import dataclass

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import cli, commands, store
from xcorr_app.export import FORMATS
from xcorr_app.reporting import direction_figures as directions
from xcorr_app.reporting import network_figures as network
from xcorr_app.reporting import pair_figures
from xcorr_app.reporting.report import write_report
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

DAY_NS = 86_400 * 10**9
DAYS = ("2022-05-17", "2022-05-18", "2022-05-20")
VELOCITY_KM_S = 3.0
KM = 111.195


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


def make(out, n=6, located=True, days=DAYS, one_way=False):
    """Pulses at distance / 3 km/s, in both directions or only from west to east."""
    degrees = 0.05 * np.arange(n) ** 1.3
    channels = [
        Place(f"XX.S{i:02d}..HHZ", *((0.0, float(x)) if located else ()))
        for i, x in enumerate(degrees)
    ]
    create_run(out, config={"a": "<b>"}, channels=channels, sampling_rate_hz=10.0,
               n_lags=401)  # fmt: skip
    first, second = np.triu_indices(n, 1)
    lags_s = (np.arange(401) - 200) / 10
    arrival_s = (degrees[second] - degrees[first]) * KM / VELOCITY_KM_S
    offset_s = (lags_s if one_way else np.abs(lags_s))[None] - arrival_s[:, None]
    noise = np.random.default_rng(1).standard_normal((len(first), 401)) * 0.02
    data = (np.exp(-((offset_s / 0.3) ** 2)) + noise).astype("f4")
    pairs = np.stack([first, second], axis=1).astype("i4")
    with CorrelationWriter(out) as writer:
        for k, stack in enumerate(("all", *days)):
            start_ns = np.full(len(first), 19_129 * DAY_NS)
            n_windows = np.full(len(first), 24, "i4")
            rows = (n_windows, start_ns, start_ns + DAY_NS, data, (0, 0, k), True)
            writer.write(CorrelationRows(stack, pairs, *rows))
    finalize(out)
    return store.open(out)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that would be saved; they are not rendered, which saves time."""
    figures = []
    for module in (network, pair_figures, directions):
        monkeypatch.setattr(module, "save", lambda figure, path: figures.append(figure))
    return figures


def text_of(axes):
    return " ".join([axes.get_title(loc="left"), *(t.get_text() for t in axes.texts)])


# ------------------------------------------------------------------ figures


def test_matrix(tmp_path, drawn):
    with make(tmp_path) as results:
        network.draw_matrix(results, "x.png", velocities_km_s=[3], max_lag_s=15)
    axes, beside, _ = drawn[0].axes
    (image,) = axes.images
    assert image.get_extent() == [-15.05, 15.05, 14.5, -0.5]
    assert len(axes.get_yticklabels()) == 15
    km = beside.lines[0].get_xdata()
    assert np.all(np.diff(km) >= 0)
    # in each row, the arrival is at the line of 3 km/s
    shown = image.get_array()[:: image.get_array().shape[0] // 15][:15][::-1]
    peaks_s = (np.argmax(shown[:, 151:], axis=1) + 1) / 10
    np.testing.assert_allclose(peaks_s, km / 3, atol=0.15)
    assert axes.get_xlabel() == "lag (s)"
    assert beside.get_xlabel() == "distance (km)"


def test_matrix_of_many_pairs_and_without_coordinates(tmp_path, drawn, monkeypatch):
    monkeypatch.setattr(network, "MOST_ROWS", 4)
    with make(tmp_path, located=False) as results:
        network.draw_matrix(results, "x.png")
    axes = drawn[0].axes[0]
    assert "4 of 15 pairs" in text_of(axes)
    assert len(drawn[0].axes) == 2  # image and colours; no distances


def test_map(tmp_path, drawn):
    with make(tmp_path) as results:
        network.draw_map(results, "x.png")
    axes, bar = drawn[0].axes
    assert {"S00", "S05", "10 km"} <= {t.get_text() for t in axes.texts}
    assert len(axes.collections[0].get_segments()) == 15
    assert bar.get_ylabel() == "signal-to-noise ratio of the pair"
    assert axes.get_aspect() == pytest.approx(1, abs=1e-3)  # on the equator


def test_signal_to_noise(tmp_path, drawn):
    with make(tmp_path) as results:
        network.draw_snr(results, "x.png")
    left, right = drawn[0].axes
    assert sum(patch.get_height() for patch in left.patches) == 15
    assert right.get_xlabel() == "distance (km)"


def test_direction_shows_where_the_noise_comes_from(tmp_path, drawn):
    with make(tmp_path, one_way=True) as results:
        directions.draw_directions(results, "x.png", velocities_km_s=[3.0])
    left, right, *_ = drawn[0].axes
    east, west = right.images[0].get_array()[[9, 27]]  # towards 90, 270 degrees
    slowness = np.linspace(0, 1, len(east))
    assert slowness[np.argmax(east)] == pytest.approx(1 / 3, abs=0.02)
    assert east.max() > 5 * west.max()
    assert left.images[0].get_array().mask[0].all(), "no pair lies to the north"


def test_arrivals_of_one_velocity_are_vertical_in_an_azimuth_section(
    tmp_path, drawn, monkeypatch
):
    with make(tmp_path) as results:
        directions.draw_azimuths(results, "x.png", velocities_km_s=[3])
        monkeypatch.setattr(directions, "MOST_LINES_BY_AZIMUTH", 14)
        directions.draw_azimuths(results, "x.png")
    lines, image = (figure.axes[0] for figure in drawn)
    rows = lines.lines[:15]  # the other lines are lag 0 and the velocity on both sides
    assert [line.get_xdata()[0] for line in lines.lines[16:]] == [-1 / 3, 1 / 3]
    assert all(80 < np.nanmean(line.get_ydata()) < 100 for line in rows)
    for line in rows:  # at any distance of the stations
        peaks = np.abs(line.get_xdata()[np.nanargmax(line.get_ydata())])
        assert peaks == pytest.approx(1 / VELOCITY_KM_S, abs=0.02)
    # without a velocity, the axis ends at 3 times the median slowness of the peaks
    assert image.get_xlim() == pytest.approx((-1, 1), abs=0.05)
    assert image.images[0].get_extent()[2:] == [0, 360]
    assert lines.get_xlabel() == "lag / distance (s/km)"


def test_rose_points_in_the_direction_of_travel(tmp_path, drawn):
    with make(tmp_path, one_way=True) as results:
        directions.draw_rose(results, "x.png")
    bars = drawn[0].axes[0].patches
    towards = np.degrees([bar.get_x() + bar.get_width() / 2 for bar in bars])
    ratio = np.array([bar.get_height() for bar in bars])
    east, west = (ratio[np.abs(towards - azimuth) < 8].max() for azimuth in (90, 270))
    assert east > 4 * west > 0
    assert np.count_nonzero(ratio) == 2


def test_components_of_two_stations(tmp_path, drawn):
    ids = [f"XX.{station}..HH{c}" for station in "AB" for c in "ZNERT"]
    channels = [Place(name, 0.0, 0.1 * (name[3] == "B")) for name in ids]
    create_run(tmp_path, config={}, channels=channels, sampling_rate_hz=1.0, n_lags=5)
    pairs = np.array([(0, 5), (0, 6), (3, 8), (4, 9), (3, 9)], "i4")
    n = len(pairs)
    data = np.arange(n)[:, None] + np.zeros((n, 5), "f4")
    counts = (np.full(n, 3, "i4"), np.zeros(n, "i8"), np.ones(n, "i8"))
    with CorrelationWriter(tmp_path) as writer:
        rows = (*counts, data.astype("f4"), (0, 0, 0), True)
        writer.write(CorrelationRows("all", pairs, *rows))
    with store.open(tmp_path) as results:
        pair_figures.draw_components(
            results, "XX.A", "B", "x.png", velocities_km_s=[10]
        )
        pair_figures.draw_components(results, "B", "XX.A..HH", "x.png")
        with pytest.raises(ParameterError, match="no correlations of components"):
            pair_figures.draw_components(results, "A", "A", "x.png")
    panels = drawn[0].axes
    names = [a + b for a in "ZRT" for b in "ZRT"]
    shown = {
        name: len(axes.lines) > 2
        for name, axes in zip(names, panels, strict=True)
        if name in text_of(axes)
    }
    assert {name for name, has_lines in shown.items() if has_lines} == {
        "ZZ",
        "RR",
        "TT",
        "RT",
    }
    assert list(shown) == names
    assert "XX.B – XX.A" in text_of(drawn[1].axes[0])


def test_time(tmp_path, drawn):
    with make(tmp_path) as results:
        pair_figures.draw_substacks(results, "S00", "S03", "x.png", max_lag_s=10)
    top, below, coefficient, counts = drawn[0].axes
    names = [label.get_text() for label in below.get_yticklabels()]
    assert names == ["2022-05-17", "2022-05-18", "2022-05-19", "2022-05-20"]
    values = coefficient.lines[0].get_xdata()
    np.testing.assert_allclose(values[[0, 1, 3]], 1, rtol=1e-6)  # float32
    assert np.isnan(values[2])
    assert [patch.get_width() for patch in counts.patches] == [24, 24, 0, 24]
    assert top.get_xlim() == (-10, 10)


def test_figures_that_cannot_be_drawn_are_refused(tmp_path, drawn):
    with make(tmp_path, located=False, days=()) as results:
        for draw, message in (
            (network.draw_map, "no station has coordinates"),
            (
                directions.draw_azimuths,
                "azimuths need the coordinates of the stations",
            ),
        ):
            with pytest.raises(ParameterError, match=message):
                draw(results, "x.png")
        with pytest.raises(ParameterError, match="--substack day"):
            pair_figures.draw_substacks(results, "S00", "S01", "x.png")


# ------------------------------------------------------------------ commands


def test_the_command_knows_the_formats():
    assert tuple(FORMATS) == commands.FORMATS


@pytest.mark.parametrize("kind", commands.KINDS)
def test_every_kind_is_drawn(tmp_path, kind, capsys, monkeypatch):
    make(tmp_path, n=3).close()
    saved = []
    for module in (network, pair_figures, directions):
        monkeypatch.setattr(module, "save", lambda figure, path: saved.append(path))
    of_a_pair = kind in ("pair", "time", "components")
    pair = ["--pair", "S00", "S02"] if of_a_pair else []
    assert cli.main(["plot", str(tmp_path), "--kind", kind, *pair]) == 0
    assert capsys.readouterr().out.strip() == str(saved[0])
    assert saved[0].parent == tmp_path


# ------------------------------------------------------------------ report


def test_a_report_is_a_single_file(tmp_path):
    with make(tmp_path / "out") as results:
        (results.path / "skipped.tsv").write_text(
            "stage\twhat\treason\tcount\ttimes\nread\tXX.A\t<torn> & lost\t3\t\n"
        )
        path = write_report(results, tmp_path / "r.html", velocities_km_s=[3])
        with pytest.raises(ParameterError, match="--force"):
            write_report(results, path)
    page = path.read_text()
    assert page.count('src="data:image/png;base64,') == 8
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in re.sub(r"base64,[^\"]*", "", page)
    assert "&lt;torn&gt; &amp; lost" in page
    assert "&lt;b&gt;" in page
    assert "dispel4py-seismo" in page
    assert page.count("XX.S00..HHZ") >= 5
    assert "15" in page


def test_report_of_a_run_without_coordinates(tmp_path):
    with make(tmp_path / "out", located=False, days=()) as results:
        page = write_report(results, tmp_path / "r.html").read_text()
    assert "Not drawn: no station has coordinates." in page
    assert page.count('src="data:image/png;base64,') == 4


def test_report_of_a_run_without_correlations(tmp_path, capsys):
    create_run(tmp_path, config={}, channels=[Place("X.A..Z")],
               sampling_rate_hz=1.0, n_lags=3)  # fmt: skip
    assert cli.main(["report", str(tmp_path)]) == 0
    assert capsys.readouterr().out.strip() == str(tmp_path / "report.html")
    assert "No correlations yet" in (tmp_path / "report.html").read_text()


# ------------------------------------------------------------------ scan


@pytest.fixture
def archive(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()

    def put(station, day, begin_h, hours):
        header = {"network": "XX", "station": station, "channel": "LHZ"}
        header["starttime"] = UTCDateTime(2024, 1, 1) + day * 86400 + begin_h * 3600
        data = np.zeros(round(hours * 3600), "i4")
        Stream([Trace(data, header)]).write(
            str(folder / f"{station}.{day}.{begin_h}"), format="MSEED"
        )

    put("A", 0, 0, 24)
    put("A", 1, 0, 6)
    put("A", 1, 12, 12)
    put("B", 2, 6, 12)
    (folder / "torn").write_bytes(b"x" * 600)
    return folder


def test_scan(archive, tmp_path, capsys):
    picture = tmp_path / "a.png"
    words = ["scan", "--data", str(archive), "--output", str(picture), "--quiet"]
    assert cli.main(words) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split() == ["XX.A..LHZ", "2024-01-01", "2024-01-02", "2", "58.3",
                                "%", "1", "1", "Hz"]  # fmt: skip
    assert lines[2].split()[3:] == ["1", "16.7", "%", "0", "1", "Hz"]
    assert "torn" in lines[4]
    assert lines[-1] == str(picture)
    assert picture.stat().st_size > 5000
    assert cli.main([*words, "--json", "--channels", "L?Z", "--end", "2024-01-02"]) == 0
    availability = json.loads(capsys.readouterr().out)
    assert availability["days"] == ["2024-01-01"]
    assert availability["fraction"] == [[1.0]]


def test_scan_of_listed_stations(archive, tmp_path, capsys):
    stations = tmp_path / "list.txt"
    stations.write_text("XX B\n")
    words = ["scan", "--data", str(archive), "--stations", str(stations), "--quiet"]
    words += ["--output", str(tmp_path / "a.png")]
    assert cli.main([*words, "--json"]) == 0
    availability = json.loads(capsys.readouterr().out)
    assert [row["channel"] for row in availability["channels"]] == ["XX.B..LHZ"]
    assert cli.main([*words, "--start", "2025-01-01"]) == 2
    assert "no such channels" in capsys.readouterr().err


def test_report_has_the_figures_of_dvv_and_disp(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "xcorr_app.reporting.report._list_network_figures", lambda *given: []
    )
    monkeypatch.setattr(
        "xcorr_app.reporting.report._list_pair_figures", lambda *given: []
    )
    with make(tmp_path / "out") as results:
        plain = write_report(results, tmp_path / "r.html").read_text()
        (results.path / "dvv.png").write_bytes(b"velocity")
        page = write_report(results, tmp_path / "r.html", force=True).read_text()
    assert "Velocity change" not in plain
    assert "<h2>Velocity change</h2>" in page
    assert "dmVsb2NpdHk=" in page
    assert "3 daily stacks, 2022-05-17 to 2022-05-20" in page


def test_components_are_not_mixed(tmp_path, drawn):
    ids = [f"XX.{station}..HH{c}" for station in "ABC" for c in "ZT"]
    channels = [Place(name, 0.0, 0.1 * "ABC".index(name[3])) for name in ids]
    create_run(tmp_path, config={}, channels=channels, sampling_rate_hz=1.0, n_lags=41)
    pairs = np.stack(np.triu_indices(6, 1), axis=1).astype("i4")
    n = len(pairs)
    counts = (np.full(n, 3, "i4"), np.zeros(n, "i8"), np.ones(n, "i8"))
    data = np.random.default_rng(1).standard_normal((n, 41)).astype("f4")
    with CorrelationWriter(tmp_path) as writer:
        writer.write(CorrelationRows("all", pairs, *counts, data, (0, 0, 0), True))
    with store.open(tmp_path) as results:
        network.draw_matrix(results, "x.png")
        network.draw_matrix(results, "x.png", components="TT")
        with pytest.raises(ParameterError, match="--components RR: the run has TT, TZ"):
            directions.draw_rose(results, "x.png", components="RR")
    usual, chosen = (text_of(figure.axes[0]) for figure in drawn)
    assert usual.endswith(", ZZ")
    assert chosen.startswith("Correlations of 3")
    assert chosen.endswith(", TT")
