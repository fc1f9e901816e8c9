"""Frequencies that a record does not have have no value, and are listed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy.core.inventory import (
    Channel,
    Inventory,
    Network,
    Response,
    Station,
)

from seismo_pes.application.skipped import read_skipped
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store
from xcorr_app.measuring.frequencies import band_of, content_hz

COMMON = ["--window-s", "300", "--max-lag-s", "20"]


@pytest.fixture
def archive(write_trace, tmp_path: Path) -> Path:
    """Two stations at 5 Hz and two at 1 Hz, which record independent noise."""
    rng = np.random.default_rng(5)
    for station, rate_hz in (("AAA", 5.0), ("BBB", 5.0), ("CCC", 1.0), ("DDD", 1.0)):
        write_trace(station, rng.standard_normal(int(1800 * rate_hz)), DAY, rate_hz)
    return tmp_path / "data"


@pytest.fixture(params=["simple", "multi"])
def run(request, archive: Path, tmp_path: Path) -> Callable[..., int]:
    """Run the command on the archive."""

    def run_command(*options: str, stations: str = "XX *") -> int:
        (tmp_path / "stations.txt").write_text(stations)
        words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(archive)]
        words += ["--out", str(tmp_path / "out"), "--quiet", *COMMON]
        if "--steps" not in options:
            words += ["--sampling-rate-hz", "5"]
        if request.param == "multi":
            words += ["--mapping", "multi", "-n", "2"]
        return cli.main([*words, *options])

    return run_command


def windows(folder: Path, stack: str) -> dict[str, int]:
    """Return the windows of each pair in a stack, by the letters of the stations."""
    with store.open(folder) as results:
        rows = results.correlations(stack=stack)
        return {f"{c.first[3]}{c.second[3]}": c.n_windows for c in rows}


def listed(folder: Path) -> dict[str, str]:
    """Return the reason by channel of the stage ``windows``."""
    rows = read_skipped(folder)
    return {row[1]: row[2] for row in rows if row[0] == "windows"}


def test_bands_above_the_record_have_no_value(run, tmp_path: Path) -> None:
    assert run("--bands-hz", "0.1-0.3", "1-2") == 0
    high, low = (
        windows(tmp_path / "out", f"all@{band}Hz") for band in ("1-2", "0.1-0.3")
    )
    assert {pair: n for pair, n in high.items() if n} == {"AB": 6}
    assert set(low.values()) == {6}
    assert listed(tmp_path / "out") == {
        f"XX.{station}..HHZ": "left out in the band 1-2 Hz: a record sampled at 1 Hz "
        "has no frequencies above 0.5 Hz"
        for station in ("CCC", "DDD")
    }


def test_whitening_above_the_record_leaves_the_channel_out(run, tmp_path: Path) -> None:
    assert run("--whiten", "band", "--whiten-hz", "0.1", "2") == 0
    result = windows(tmp_path / "out", "all")
    assert {pair: n for pair, n in result.items() if n} == {"AB": 6}
    assert set(listed(tmp_path / "out")) == {"XX.CCC..HHZ", "XX.DDD..HHZ"}


def test_bands_of_a_normalisation_leave_the_channel_out(run, tmp_path: Path) -> None:
    bands = ["--norm-bands-hz", "0.1-0.4", "0.4-1"]
    assert run("--time-norm", "multiband-ram", "--ram-window-s", "20", *bands) == 0
    result = windows(tmp_path / "out", "all")
    assert {pair: n for pair, n in result.items() if n} == {"AB": 6}


@pytest.mark.parametrize(
    "step",
    [
        "Whiten(low_hz=0.1, high_hz=2)",
        "WhitenPsd(low_hz=0.1, high_hz=2, window_s=100)",
        "MultibandRam(window_s=20, bands_hz=[[0.1, 0.4], [0.4, 1]])",
    ],
)
def test_steps_that_divide_above_the_record_leave_the_channel_out(
    run, tmp_path: Path, step: str
) -> None:
    assert run("--steps", f"Resample(rate_hz=5), {step}") == 0
    result = windows(tmp_path / "out", "all")
    assert {pair: n for pair, n in result.items() if n} == {"AB": 6}
    channels = {row[1] for row in read_skipped(tmp_path / "out")}
    assert {"XX.CCC..HHZ", "XX.DDD..HHZ"} <= channels


@pytest.mark.parametrize(
    "options",
    [
        ["--bands-hz", "1-2"],
        ["--whiten", "band", "--whiten-hz", "0.1", "2"],
        ["--bandpass-hz", "0.1", "1"],
        ["--bandstop-hz", "0.1", "0.6"],
        ["--highpass-hz", "0.6"],
        ["--lowpass-hz", "0.5"],
    ],
)
def test_frequencies_that_no_record_has_are_refused(
    run, options, capsys, tmp_path: Path
) -> None:
    assert run(*options, stations="XX CCC\nXX DDD") == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert "0.5 Hz, the Nyquist frequency of the data" in message
    assert not (tmp_path / "out").exists()


def test_the_flank_of_a_band_ends_at_the_nyquist_frequency(
    run, tmp_path: Path, write_trace, archive: Path
) -> None:
    """A band of a slow record gives the same as at the record's own rate."""
    rng = np.random.default_rng(6)
    fast = rng.standard_normal(9000)
    spectrum = np.fft.rfft(fast)
    spectrum[int(0.45 * 1800) :] = 0  # Hz times the length in seconds
    fast = np.fft.irfft(spectrum, len(fast))
    write_trace("EEE", fast, DAY, 5.0)
    write_trace("FFF", fast[::5], DAY, 1.0)
    options = ["--whiten", "band", "--whiten-hz", "0.1", "0.4"]
    assert run(*options, stations="XX EEE\nXX FFF") == 0
    with store.open(tmp_path / "out") as results:
        (pair,) = results.correlations(stack="all")
    assert abs(pair.lags_s[np.argmax(pair.data)]) < 1e-6
    assert pair.data.max() > 0.9


# -- pre-filter -----------------------------------------------------------------------


@pytest.fixture
def inventory(tmp_path: Path) -> str:
    """Station metadata of a response without poles and zeros."""
    response = Response.from_paz([], [], 2.0, input_units="M/S", output_units="COUNTS")
    stations = []
    for code in ("AAA", "BBB", "CCC", "DDD"):
        channel = Channel("HHZ", "", 1.0, 2.0, 0.0, 0.0, response=response)
        stations.append(Station(code, 1.0, 2.0, 0.0, channels=[channel]))
    path = tmp_path / "stations.xml"
    Inventory([Network("XX", stations)], "test").write(str(path), "STATIONXML")
    return str(path)


def pre_filtered(inventory: str, *corners_hz: float) -> list[str]:
    corners = [str(corner) for corner in corners_hz]
    return ["--inventory", inventory, "--response", "VEL", "--pre-filt", *corners]


def test_a_pre_filter_above_the_nyquist_frequency_skips_the_channel(
    run, inventory: str, tmp_path: Path
) -> None:
    assert run(*pre_filtered(inventory, 0.02, 0.05, 1.5, 2.0)) == 0
    result = windows(tmp_path / "out", "all")
    assert {pair: n for pair, n in result.items() if n} == {"AB": 6}
    rows = [row for row in read_skipped(tmp_path / "out") if row[0] == "response"]
    assert {row[1] for row in rows} == {"XX.CCC..HHZ", "XX.DDD..HHZ"}
    assert "0.5 Hz, the Nyquist frequency of data sampled at 1 Hz" in rows[0][2]


@pytest.mark.parametrize(
    ("corners_hz", "options", "stations", "words"),
    [
        ((0.02, 0.05, 1.5, 2.0), [], "XX CCC\nXX DDD", "2 Hz is above 0.5 Hz"),
        (
            (0.02, 0.05, 0.8, 1.0),
            ["--whiten", "band", "--whiten-hz", "0.1", "2"],
            "XX AAA\nXX BBB",
            "--whiten-hz 0.1 2: --pre-filt 0.02 0.05 0.8 1 removes all outside 0.02 to",
        ),
        (
            (0.2, 0.3, 0.8, 1.0),
            ["--bands-hz", "0.1-0.5"],
            "XX AAA\nXX BBB",
            "--bands-hz 0.1 0.5: --pre-filt",
        ),
    ],
)
def test_a_pre_filter_that_fits_no_channel_is_refused(
    run, inventory: str, tmp_path: Path, capsys, corners_hz, options, stations, words
) -> None:
    pre_filter = pre_filtered(inventory, *corners_hz)
    assert run(*pre_filter, *options, stations=stations) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    assert words in message
    assert not (tmp_path / "out").exists()


# -- measurements ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ["dvv", "--lag-s", "0", "18", "--filter-hz", "1.2", "2"],
        ["dvv", "--lag-s", "0", "18", "--method", "wts", "--frequencies-hz", "0.05"],
        ["disp", "--period-s", "1", "20"],
    ],
)
def test_measurements_outside_of_the_whitened_band_are_refused(
    run, tmp_path: Path, capsys, words
) -> None:
    options = ["--whiten", "band", "--whiten-hz", "0.1", "0.4", "--substack", "window"]
    assert run(*options) == 0
    capsys.readouterr()
    assert cli.main([words[0], str(tmp_path / "out"), *words[1:], "--quiet"]) == 2
    message = capsys.readouterr().err
    assert message.count("\n") == 1
    limits = "has only frequencies 0.0794 to 0.504 Hz"
    assert limits in message


def test_the_band_of_a_stack_is_what_its_filters_have_in_common(
    run, tmp_path: Path
) -> None:
    options = ["--bandpass-hz", "0.05", "0.4", "--whiten", "band"]
    assert run(*options, "--whiten-hz", "0.1", "0.45", stations="XX AAA\nXX BBB") == 0
    with store.open(tmp_path / "out") as results:
        assert band_of(results, "all") == (0.1, 0.4)
        # whitening has flanks of a third of an octave
        expected = 0.1 / 2 ** (1 / 3), 0.45 * 2 ** (1 / 3)
        assert content_hz(results, "all") == pytest.approx(expected)


@pytest.mark.parametrize("bands", [["0.1-0.3"], ["0.1-0.3", "0.4-0.9"]])
def test_the_band_of_a_stack_is_known_if_it_is_the_only_one(
    run, tmp_path: Path, bands: list[str]
) -> None:
    assert run("--bands-hz", *bands, stations="XX AAA\nXX BBB") == 0
    stack = "all" if len(bands) == 1 else "all@0.1-0.3Hz"
    with store.open(tmp_path / "out") as results:
        assert band_of(results, stack) == (0.1, 0.3)
        flank = 2 ** (1 / 3)
        expected = (0.1 / flank, 0.3 * flank)
        assert content_hz(results, stack) == pytest.approx(expected)
