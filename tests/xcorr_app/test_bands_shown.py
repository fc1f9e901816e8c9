"""Runs of several bands and components: files and titles contain the shown band."""

import numpy as np
import pytest

from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import commands
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run
from xcorr_app.store import open as open_store

DAY_NS = 86_400 * 10**9
RATE_HZ, N_LAGS = 5.0, 601
BANDS = ("0.1-0.5Hz", "0.5-1Hz")
DAYS = ("2022-05-17", "2022-05-19")


class Place:
    def __init__(self, name, longitude):
        self.id = name
        self.latitude, self.longitude, self.elevation_m = 0.0, longitude, 0.0


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Three stations with N and Z, in two bands, with two days of three."""
    out = tmp_path_factory.mktemp("run")
    channels = [
        Place(f"XX.S{k}..HH{component}", 0.1 * k)
        for k in range(3)
        for component in "NZ"
    ]
    create_run(out, config={}, channels=channels, sampling_rate_hz=RATE_HZ,
               n_lags=N_LAGS)  # fmt: skip
    pairs = np.stack(np.triu_indices(6, 1), axis=1).astype("i4")
    n = len(pairs)
    lag_s = (np.arange(N_LAGS) - N_LAGS // 2) / RATE_HZ
    names = [f"{name}@{band}" for name in ("all", *DAYS) for band in BANDS]
    with CorrelationWriter(out) as writer:
        for number, name in enumerate(names):
            hz = 0.3 if BANDS[0] in name else 0.75
            phase = 2 * np.pi * hz * np.abs(lag_s) + np.arange(n)[:, None]
            rows = (np.cos(phase) * np.exp(-np.abs(lag_s) / 30)).astype("f4")
            day = 19_129 + (2 if DAYS[1] in name else 0)
            start = np.full(n, day * DAY_NS)
            rest = (np.full(n, 24, "i4"), start, start + DAY_NS, rows, (0, 0, number))
            writer.write(CorrelationRows(name, pairs, *rest, True))
    finalize(out)
    return out


CHOICE = "band 0.1-0.5Hz of 2; --band chooses"
COMPONENTS = "components ZZ of 4; --components chooses"


def test_the_chosen_band_and_components_are_named(run, tmp_path):
    assert commands.info([str(run)]).splitlines()[0] == CHOICE
    assert CHOICE not in commands.info([str(run), "--band", "0.5", "1"])
    lines = commands.plot([str(run), "--max-lag-s", "20"]).splitlines()
    name = "record_section_0.1-0.5Hz_ZZ.png"
    assert lines == [CHOICE, COMPONENTS, str(run / name)]
    lines = commands.report([str(run)]).splitlines()
    page = run / "report_0.1-0.5Hz_ZZ.html"
    assert lines == [CHOICE, COMPONENTS, str(page)]
    text = page.read_text()
    assert "shown here" in text
    assert "0.1-0.5Hz ZZ" in text
    dest = str(tmp_path / "x.npz")
    assert commands.export([str(run), dest, "--format", "npz"]) == f"{CHOICE}\n{dest}"


def test_figures_of_another_band_or_component_stay(run):
    for more in ([], ["--band", "0.5", "1"], ["--components", "NN"]):
        commands.plot([str(run), "--kind", "snr", *more])
    commands.plot([str(run), "--kind", "snr", "--stack", "2022-05-19"])
    names = {path.name for path in run.glob("snr*.png")}
    assert names == {
        "snr_0.1-0.5Hz_ZZ.png",
        "snr_0.5-1Hz_ZZ.png",
        "snr_0.1-0.5Hz_NN.png",
        "snr_0.1-0.5Hz_2022-05-19_ZZ.png",
    }


@pytest.mark.parametrize("kind", ["section", "matrix", "snr", "map", "rose", "azimuth"])
def test_titles_name_band_and_components(run, tmp_path, monkeypatch, kind):
    from xcorr_app.reporting import direction_figures, network_figures

    figures = []
    for module in (direction_figures, network_figures):
        monkeypatch.setattr(module, "save", lambda figure, _: figures.append(figure))
    commands.plot([str(run), "--kind", kind, "--band", "0.5", "1"])
    texts = [text.get_text() for axes in figures[0].axes for text in axes.texts]
    texts += [text.get_text() for text in figures[0].texts]
    texts += [axes.get_title(loc="left") for axes in figures[0].axes]
    shown = " ".join(texts)
    assert "band 0.5-1Hz" in shown
    assert "ZZ" in shown


def test_tables_of_each_band_and_component_have_their_own_names(run, tmp_path):
    words = [str(run), "--output", str(tmp_path), "--quiet"]
    lag = ["--lag-s", "10", "50"]
    lines = commands.dvv([*words, *lag]).splitlines()
    together = "all 4 components together; --components chooses"
    assert lines[:2] == [CHOICE, together]
    assert "1 of 3 days without a stack" in lines
    commands.dvv([*words, *lag, "--components", "ZZ", "--band", "0.5", "1"])
    lines = commands.disp([*words, "--period-s", "2", "5"]).splitlines()
    assert lines[:2] == [CHOICE, COMPONENTS]
    names = {path.name for path in tmp_path.iterdir()}
    assert {
        "dvv_0.1-0.5Hz.csv",
        "dvv_network_0.1-0.5Hz.csv",
        "dvv_0.5-1Hz_ZZ.csv",
        "dvv_0.5-1Hz_ZZ.png",
        "dvv_0.5-1Hz_ZZ.json",
        "disp_0.1-0.5Hz_ZZ.csv",
    } <= names


def test_sac_files_and_headers_name_band_and_components(run, tmp_path):
    from obspy.io.sac import SACTrace

    for band in (["0.1", "0.5"], ["0.5", "1"]):
        words = [str(run), str(tmp_path), "--format", "sac", "--force", "--quiet"]
        commands.export([*words, "--band", *band])
    with open_store(run) as results:
        n_pairs = len(results)
    assert len(list(tmp_path.glob("*.sac"))) == 2 * n_pairs
    path = tmp_path / "XX.S0..HHN_XX.S1..HHZ_0.5-1Hz.sac"
    trace = SACTrace.read(str(path))
    assert (trace.user2, trace.user3) == (0.5, 1.0)
    assert (trace.kuser0, trace.kuser2) == ("all", "NZ")
