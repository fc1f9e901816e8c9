"""A continuous record gives the same correlations, whatever the cuts of its archive.

The truth is the same record in which the cuts are elsewhere: shifted by half a day, so
that what was midnight is noon. Windows near noon never had an end beside them.
"""

from __future__ import annotations

import gzip
import itertools
from pathlib import Path

import numpy as np
import pytest
from obspy import Inventory, Trace, UTCDateTime, read
from obspy.core.inventory import Channel, Network, Response, Station

from seismo_pes.writing.asdf import AsdfWriter
from xcorr_app import cli, store

DAY = UTCDateTime(2024, 3, 1)
TWO = "AAA", "BBB"
RATE_HZ = 1.0
HOUR = 3600
N = 2 * 86400
HALF = 43200
CUTS = {
    "days": [86400],
    "hours": list(range(HOUR, N, HOUR)),
    "odd": [5000, 71003, 86399, 86401, 99990, 150001],
    "one": [],
}
WINDOWS = ["--window-s", "3600", "--max-lag-s", "60", "--dtype", "float64"]
MULTI = ["--mapping", "multi", "-n", "2", "--force"]


@pytest.fixture(scope="module")
def records() -> dict[str, np.ndarray]:
    """Two days of two stations: common noise with a delay, and noise of their own."""
    rng = np.random.default_rng(5)
    common = rng.standard_normal(N + 100)
    first = common[7 : N + 7] + 0.5 * rng.standard_normal(N)
    second = common[:N] + 0.5 * rng.standard_normal(N)
    return {"AAA": 1000 * first, "BBB": 1000 * second}


def write(
    folder: Path,
    records: dict[str, np.ndarray],
    cuts: list[int],
    shift_s: float = 0,
    missing: tuple[tuple[int, int], ...] = (),
    late_s: float = 0,
) -> Path:
    """Write the records, cut into files; `late_s` is the clock error of BBB."""
    folder.mkdir(parents=True)
    gaps = {edge for gap in missing for edge in gap}
    for station, data in records.items():
        edges = sorted({0, *cuts, *gaps, len(data)})
        for low, high in itertools.pairwise(edges):
            if any(a <= low and high <= b for a, b in missing):
                continue
            start = DAY + shift_s + low / RATE_HZ + late_s * (station == "BBB")
            header = {
                "network": "XX",
                "station": station,
                "channel": "LHZ",
                "sampling_rate": RATE_HZ,
                "starttime": start,
            }
            path = folder / f"{station}.{low:06d}.mseed"
            Trace(data[low:high].copy(), header).write(str(path), "MSEED")
    return folder


def correlated(data: Path, *options: str) -> np.ndarray:
    """Return the correlations of all windows, in the order of time."""
    stations, out = data.parent / "stations.txt", data.parent / f"{data.name}-out"
    stations.write_text("XX AAA 0 0\nXX BBB 0 1\n")
    words = ["--stations", str(stations), "--data", str(data), "--out", str(out)]
    words += ["--channels", "LHZ", "--substack", "window", *WINDOWS, *options]
    words += ["--inventory", str(write_inventory(data.parent))]
    assert cli.main(words) == 0
    return stored(out)


def stored(out: Path) -> np.ndarray:
    with store.open(out) as results:
        names = sorted(name for name in results.stacks if "all" not in name)
        rows = [c.data for name in names for c in results.correlations(name)]
    return np.array(rows)


def write_inventory(folder: Path) -> Path:
    """Write station metadata of seismometers of 120 s."""
    poles = [-0.037 + 0.037j, -0.037 - 0.037j]
    response = Response.from_paz([0, 0], poles, 1e3, 0.2, "M/S", "COUNTS", 0.2)
    channel = Channel("LHZ", "", 0, 0, 0, 0, azimuth=0, dip=-90, response=response)
    stations = [
        Station(code, 0, k, 0, channels=[channel]) for k, code in enumerate(TWO)
    ]
    path = folder / "stations.xml"
    Inventory([Network("XX", stations)], "test").write(str(path), "STATIONXML")
    return path


def assert_equal_windows(result: np.ndarray, truth: np.ndarray) -> None:
    assert result.shape == truth.shape
    scale = np.abs(truth).max()
    # 1e-6: the impulse responses end before their last billionth
    np.testing.assert_allclose(result, truth, rtol=0, atol=1e-6 * scale)


# each element alone: tests/xcorr_app/test_cuts.py
STEPS = {
    "taper": ["--taper-s", "1800"],
    "bandpass": ["--bandpass-hz", "0.02", "0.1"],
    "lanczos": ["--sampling-rate-hz", "0.4", "--resampling", "lanczos"],
    "response": ["--response", "VEL", "--pre-filt", "0.01", "0.02", "0.3", "0.4"],
    "bands": ["--bandpass-hz", "0.02", "0.2", "--bands-hz", "0.03-0.06", "0.06-0.15"],
    "pcc2": ["--bandpass-hz", "0.02", "0.2", "--kind", "pcc2"],
    "usual": [
        *("--taper-s", "300", "--bandpass-hz", "0.02", "0.15"),
        *("--sampling-rate-hz", "0.5", "--time-norm", "ram"),
    ],
}


@pytest.mark.parametrize("name", STEPS)
def test_midnight_is_as_noon(name: str, records, tmp_path: Path) -> None:
    """Each step alone, and a usual chain; only the ends of the data may differ."""
    options = ["--detrend", "none", *STEPS[name]]
    result = correlated(write(tmp_path / "a", records, CUTS["days"]), *options)
    truth = correlated(write(tmp_path / "b", records, [HALF], HALF), *options)
    assert len(result) == 48 * (2 if name == "bands" else 1)
    assert_equal_windows(result, truth)


@pytest.mark.parametrize("cuts", ["hours", "odd", "one"])
def test_the_cuts_of_an_archive_do_not_matter(cuts: str, records, tmp_path) -> None:
    options = STEPS["usual"]
    result = correlated(write(tmp_path / "a", records, CUTS[cuts]), *options)
    truth = correlated(write(tmp_path / "b", records, CUTS["days"]), *options)
    assert_equal_windows(result, truth)


@pytest.mark.parametrize("window_s", ["3600", "86400"])
def test_a_clock_error_loses_no_window(window_s: str, records, tmp_path: Path) -> None:
    """BBB's clock is 1 s ahead, so that its recorded days end 1 s too early."""
    table = tmp_path / "clock.csv"
    table.write_text("channel,start,end,offset_s\nXX.BBB,2024-02-01,2024-04-01,1.0\n")
    ends = ["--window-s", window_s, "--detrend", "none"]
    late = write(tmp_path / "a", records, CUTS["days"], late_s=1.0)
    result = correlated(late, *ends, "--clock", str(table))
    truth = correlated(write(tmp_path / "b", records, CUTS["days"]), *ends)
    assert len(truth) == 48 * 3600 // int(window_s)
    assert_equal_windows(result, truth)


@pytest.mark.parametrize("place", [86398, 86400, 86395])
def test_a_short_gap_is_filled_at_midnight(place: int, records, tmp_path) -> None:
    options = ["--max-gap-s", "10", "--detrend", "none"]
    missing = ((place, place + 5),)
    cut = write(tmp_path / "a", records, CUTS["days"], missing=missing)
    result = correlated(cut, *options)
    shifted = write(tmp_path / "b", records, [HALF], HALF, missing=missing)
    truth = correlated(shifted, *options)
    assert len(result) == 48
    assert_equal_windows(result, truth)


def test_the_margins_are_the_same_under_multi(records, tmp_path: Path) -> None:
    data = write(tmp_path / "a", records, CUTS["hours"])
    alone = correlated(data, *STEPS["usual"])
    several = correlated(data, *STEPS["usual"], *MULTI)
    assert_equal_windows(several, alone)


# -- archives -------------------------------------------------------------------------


def as_sds(days: Path, folder: Path) -> Path:
    """Write the day files as an SDS archive."""
    for trace in read(f"{days}/*"):
        stats = trace.stats
        day = stats.starttime.strftime("%Y.%j")
        name = f"{trace.id}.D.{day}"
        place = folder / str(stats.starttime.year) / stats.network / stats.station
        (place / "LHZ.D").mkdir(parents=True, exist_ok=True)
        trace.write(str(place / "LHZ.D" / name), "MSEED")
    return folder


def as_sac(days: Path, folder: Path) -> Path:
    folder.mkdir()
    for k, trace in enumerate(read(f"{days}/*")):
        trace.data = trace.data.astype(np.float32)
        trace.write(str(folder / f"{k}.sac"), "SAC")
    return folder


def as_one_file(days: Path, folder: Path) -> Path:
    """Write all channels into one miniSEED file."""
    read(f"{days}/*").merge().write(str(folder.with_suffix(".mseed")), "MSEED")
    return folder.with_suffix(".mseed")


def as_asdf(days: Path, folder: Path) -> Path:
    folder.mkdir()
    with AsdfWriter(folder / "all.h5") as file:
        for trace in read(f"{days}/*"):
            file.add_waveform(trace)
    return folder / "all.h5"


def as_compressed(days: Path, folder: Path) -> Path:
    """Write the day files of both stations together, compressed."""
    folder.mkdir()
    for day in range(2):
        files = sorted(days.glob(f"*.{day * 86400:06d}.mseed"))
        content = b"".join(path.read_bytes() for path in files)
        (folder / f"{day}.mseed.gz").write_bytes(gzip.compress(content))
    return folder


def as_pattern(days: Path, folder: Path) -> str:
    folder.mkdir()
    for trace in read(f"{days}/*"):
        day = trace.stats.starttime.strftime("%Y-%j")
        name = f"{trace.stats.station}.{day}.LHZ"
        trace.write(str(folder / name), "MSEED")
    return f"{folder}/{{station}}.{{year}}-{{julday}}.{{channel}}"


ARCHIVES = [as_sds, as_sac, as_one_file, as_asdf, as_compressed, as_pattern]


@pytest.mark.parametrize("layout", ARCHIVES)
def test_all_archives_have_margins(layout, records, tmp_path: Path) -> None:
    options = ["--detrend", "none", *STEPS["usual"]]
    days = write(tmp_path / "days", records, CUTS["days"])
    data = layout(days, tmp_path / "other")
    result = correlated(Path(data), *options)
    truth = correlated(write(tmp_path / "b", records, [HALF], HALF), *options)
    # SAC has single precision
    tolerance = 1e-5 if layout is as_sac else 1e-6
    np.testing.assert_allclose(result, truth, rtol=0, atol=tolerance * truth.max())


# -- new and changed files ------------------------------------------------------------


def run_again(data: Path, *options: str) -> int:
    words = ["--stations", str(data.parent / "stations.txt"), "--data", str(data)]
    words += ["--out", str(data.parent / f"{data.name}-out"), "--channels", "LHZ"]
    words += ["--inventory", str(data.parent / "stations.xml"), *WINDOWS]
    return cli.main([*words, "--substack", "window", *STEPS["bandpass"], *options])


@pytest.mark.parametrize("mapping", [[], ["--mapping", "multi", "-n", "2"]])
def test_an_update_notices_new_and_changed_neighbours(
    mapping: list[str], records, tmp_path: Path, capsys
) -> None:
    """The last windows of a day change with the file of the next day."""
    data = write(tmp_path / "a", records, CUTS["days"])
    second = data / f"AAA.{86400:06d}.mseed"
    content = second.read_bytes()
    second.unlink()
    alone = correlated(data, *STEPS["bandpass"], *mapping)
    assert len(alone) == 24

    second.write_bytes(content)  # a new file
    assert run_again(data, *mapping, "--update") == 0
    truth = correlated(write(tmp_path / "b", records, CUTS["days"]), *STEPS["bandpass"])
    np.testing.assert_array_equal(stored(tmp_path / "a-out"), truth)
    assert np.abs(alone[23] - truth[23]).max() > 1e-3 * np.abs(truth).max()

    (trace,) = read(str(second))  # a changed file
    trace.data = -trace.data
    trace.write(str(second), "MSEED")
    capsys.readouterr()
    assert run_again(data, *mapping, "--resume") == 2
    assert "use --update" in capsys.readouterr().err
    assert run_again(data, *mapping, "--update") == 0
    changed = {"AAA": records["AAA"].copy(), "BBB": records["BBB"]}
    changed["AAA"][86400:] *= -1
    truth = correlated(write(tmp_path / "c", changed, CUTS["days"]), *STEPS["bandpass"])
    np.testing.assert_array_equal(stored(tmp_path / "a-out"), truth)
