"""Options, from the command line to the correlations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy import Inventory, UTCDateTime
from obspy.core.inventory import Channel, Network, Station

from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store

N = 6000  # ten minutes at 10 Hz
SHORT = ["--window-s", "60", "--max-lag-s", "5", "--quiet"]
PLAIN = ["--detrend", "none", "--window-detrend", "none", "--normalize", "none"]
# B lies to the east of A
PLACES = "XX AAA 0.0 20.0\nXX BBB 0.0 20.1\n"


@pytest.fixture
def ground(write_trace, rng) -> dict[str, np.ndarray]:
    """Write three components of two stations; return them."""
    data = {}
    for station in ("AAA", "BBB"):
        for code in "ZNE":
            data[station[0] + code] = rng.standard_normal(N)
    data["BZ"] += np.roll(data["AZ"], 7)
    data["BE"] += np.roll(data["AE"], 3) + data["AZ"]
    for name, samples in data.items():
        write_trace(name[0] * 3, samples, channel=f"HH{name[1]}")
    return data


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., dict[str, np.ndarray]]:
    """Run the command; return every correlation by its components and stack."""
    output = []

    def command(*options: str, stacks: bool = False) -> dict[str, np.ndarray]:
        (tmp_path / "list.txt").write_text(PLACES)
        out = tmp_path / f"out{len(output)}"
        output.append(out)
        words = ["--stations", str(tmp_path / "list.txt"), "--out", str(out)]
        words += ["--data", str(tmp_path / "data"), *SHORT, *options]
        assert cli.main(words) == 0
        result = {}
        with store.open(out) as results:
            for stack in results.stacks:
                for correlation in results.correlations(stack):
                    codes = [
                        id_.split(".")[1][0] + id_[-1]
                        for id_ in (correlation.first, correlation.second)
                    ]
                    name = "".join(codes) + (f" {stack}" if stacks else "")
                    result[name] = np.array(correlation.data)
        return result

    return command


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-5) -> None:
    np.testing.assert_allclose(a, b, rtol=0, atol=tolerance * np.abs(b).max())


def test_radial_of_an_eastward_pair_is_east(ground, run) -> None:
    fixed = run(*PLAIN, "--components", "ZNE", "--pairs", "cross")
    turned = run(*PLAIN, "--components", "ZRT", "--pairs", "cross")
    assert len(fixed) == len(turned) == 9
    # transverse is clockwise of radial: south
    for name, was, sign in [
        ("AZBZ", "AZBZ", 1),
        ("ARBR", "AEBE", 1),
        ("ATBT", "ANBN", 1),
        ("ARBT", "AEBN", -1),
        ("ATBR", "ANBE", -1),
        ("AZBR", "AZBE", 1),
        ("AZBT", "AZBN", -1),
    ]:
        close(turned[name], sign * fixed[was])


def test_components_meet_from_any_process(ground, run) -> None:
    options = ["--components", "ZRT", "--time-norm", "ram", "--ram-window-s", "2"]
    options += ["--across-components", "--whiten", "band", "--whiten-hz", "0.2", "3"]
    plain = run(*options)
    several = run(*options, "--mapping", "multi", "-n", "4")
    assert set(several) == set(plain)
    for name, data in plain.items():
        close(several[name], data, 1e-6)


def test_only_the_wanted_rotated_components(ground, run) -> None:
    assert set(run("--components", "RR", "TZ")) == {"ARBR", "ATBZ"}


def test_misaligned_components_are_oriented_first(
    ground, run, write_trace, tmp_path
) -> None:
    upright = run(*PLAIN, "--components", "NN", "EE", "--pairs", "cross")
    for path in (tmp_path / "data").glob("*.mseed"):
        path.unlink()
    channels = []
    for station, degrees in (("A", 30.0), ("B", 250.0)):
        angle = np.radians(degrees)
        north, east = ground[station + "N"], ground[station + "E"]
        first = np.cos(angle) * north + np.sin(angle) * east
        two = -np.sin(angle) * north + np.cos(angle) * east
        write_trace(station * 3, ground[station + "Z"])
        write_trace(station * 3, first, channel="HH1")
        write_trace(station * 3, two, channel="HH2")
        codes = {"HHZ": (0, -90), "HH1": (degrees, 0), "HH2": ((degrees + 90) % 360, 0)}
        channels.append(
            Station(
                station * 3,
                0,
                20,
                0,
                channels=[
                    Channel(code, "", 0, 20, 0, 0, azimuth=azimuth, dip=dip)
                    for code, (azimuth, dip) in codes.items()
                ],
                creation_date=UTCDateTime(0),
            )
        )
    metadata = tmp_path / "stations.xml"
    network = Network("XX", stations=channels)
    Inventory([network], source="test").write(str(metadata), format="STATIONXML")
    turned = run(
        *PLAIN,
        *("--components", "NN", "EE", "--pairs", "cross"),
        *("--orient", "--inventory", str(metadata)),
    )
    assert set(turned) == {"ANBN", "AEBE"}
    for name, expected in upright.items():
        close(turned[name], expected)


def test_bands_of_one_run_are_those_of_many(ground, run) -> None:
    bands = ["0.5-1", "1-2", "2-4"]
    together = run("--bands-hz", *bands, "--substack", "day", stacks=True)
    assert set(together) == {
        f"AZBZ {period}@{band}Hz" for band in bands for period in ("all", "2024-03-01")
    }
    for band in bands:
        close(together[f"AZBZ all@{band}Hz"], run("--bands-hz", band)["AZBZ"])
    white = run("--bands-hz", *bands, "--whiten", "band", stacks=True)
    low, high = bands[1].split("-")
    alone = run("--whiten", "band", "--whiten-hz", low, high)["AZBZ"]
    close(white["AZBZ all@1-2Hz"], alone)


@pytest.mark.parametrize("kind", ["coherency", "deconvolution", "pcc1", "pcc2"])
def test_kinds_find_the_delay(ground, run, kind) -> None:
    result = run("--kind", kind)["AZBZ"]
    assert np.argmax(result) - len(result) // 2 == 7


def test_stacks_over_time(ground, run) -> None:
    whole = run(stacks=True)
    assert set(whole) == {"AZBZ all"}
    hours = run("--substack", "hour", "--stack", "robust", stacks=True)
    assert set(hours) == {"AZBZ all", "AZBZ 2024-03-01T00"}
    windows = run("--substack", "window", "--moving-s", "300", stacks=True)
    assert "AZBZ 2024-03-01T00:09:00" in windows
    assert sum("~300s" in name for name in windows) >= 6
    close(windows["AZBZ all"], whole["AZBZ all"])
    phases = run("--window-stack", "phase-weighted", "--stack-options", "power=1")
    assert not np.allclose(phases["AZBZ"], whole["AZBZ all"], atol=1e-3)


def test_a_chain_equals_the_options(ground, run) -> None:
    options = ["--bandpass-hz", "0.5", "2", "--sampling-rate-hz", "5"]
    chain = "Detrend(), Bandpass(0.5, 2), Resample(rate_hz=5), OneBit"
    by_option = run(*options, "--time-norm", "onebit")
    np.testing.assert_array_equal(run("--steps", chain)["AZBZ"], by_option["AZBZ"])


def test_a_rejected_window_is_not_stacked(run, write_trace, rng, tmp_path) -> None:
    a, b = rng.standard_normal((2, N))
    write_trace("AAA", a)
    write_trace("BBB", b)
    quiet = run(*PLAIN)["AZBZ"]
    b[1210:1220] += 1e3
    write_trace("BBB", b)
    loud = run(*PLAIN)["AZBZ"]
    checked = run(*PLAIN, "--reject-mad", "50")["AZBZ"]
    assert np.abs(loud - quiet).max() > 10 * np.abs(checked - quiet).max()
    listed = (tmp_path / "out2" / "skipped.tsv").read_text()
    assert "reject\tXX.BBB..HHZ\t" in listed


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_window_of_unusual_level_is_not_stacked(
    run, write_trace, rng, tmp_path, mapping
) -> None:
    a, b = rng.standard_normal((2, N))
    b[1200:1800] *= 20
    write_trace("AAA", a)
    write_trace("BBB", b)
    more = ["-n", "2"] if mapping == "multi" else []
    words = [*PLAIN, "--mapping", mapping, *more]
    loud = run(*words)["AZBZ"]
    checked = run(*words, "--reject-rms-ratio", "5")["AZBZ"]
    a[1200:1800] = b[1200:1800] = np.nan  # the window is missing
    write_trace("AAA", a)
    write_trace("BBB", b)
    truth = run(*words)["AZBZ"]
    np.testing.assert_allclose(checked, truth, atol=1e-5 * np.abs(truth).max())
    assert np.abs(loud - truth).max() > 0.1 * np.abs(truth).max()
    listed = (tmp_path / "out1" / "skipped.tsv").read_text()
    assert "reject\tXX.BBB..HHZ\t" in listed


def test_auto_and_single_station_pairs(ground, run) -> None:
    auto = run("--pairs", "auto")
    assert set(auto) == {"AZAZ", "BZBZ"}
    assert all(np.argmax(data) == len(data) // 2 for data in auto.values())
    single = run("--pairs", "single-station", "--components", "EZ", "NZ")
    assert set(single) == {"AEAZ", "ANAZ", "BEBZ", "BNBZ"}


def test_times_may_begin_within_a_day(ground, run) -> None:
    start = (DAY + 120).isoformat()
    named = run("--start", start, "--substack", "day", stacks=True)
    assert set(named) == {"AZBZ all", "AZBZ 2024-03-01"}
