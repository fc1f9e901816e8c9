"""Metadata that are valid for a part of a run: each part of a record gets its own."""

from __future__ import annotations

import numpy as np
import obspy
import pytest
from obspy.core.inventory import Channel, Inventory, Network, Station

from seismo_pes.application.skipped import read_skipped
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store
from xcorr_app.synthetic_response import velocity_response

RATE_HZ, HOURS = 5.0, 12
CHANGE = DAY + HOURS * 1800  # in the middle of the records
N = int(HOURS * 3600 * RATE_HZ)
MAPPINGS = [("simple",), ("multi", "-n", "2")]


def ground(seed, n_components=1):
    return np.random.default_rng(seed).standard_normal((n_components, N))


def channel(code, azimuth, dip, start=None, end=None, gain=None, latitude=10.0):
    response = None
    if gain is not None:
        response = velocity_response(RATE_HZ, [0j, 0j], [-1 + 1j, -1 - 1j], 1.0)
        response.response_stages[0].stage_gain *= gain
    return Channel(
        *(code, "", latitude, 0.0, 0.0, 0.0),
        azimuth=azimuth,
        dip=dip,
        start_date=start,
        end_date=end,
        response=response,
        sample_rate=RATE_HZ,
    )


class Folder:
    """A folder with records, metadata and a command."""

    def __init__(self, path):
        self.path, self.stations = path, []
        (path / "data").mkdir()
        self.channels = {}

    def record(self, station, code, data, *epochs):
        header = {"network": "XX", "station": station, "channel": code}
        header |= {"sampling_rate": RATE_HZ, "starttime": DAY}
        path = self.path / "data" / f"{station}.{code}.mseed"
        obspy.Trace(np.array(data), header).write(str(path), "MSEED")
        self.channels.setdefault(station, []).extend(epochs)

    def run(self, *options, listed="XX *\n"):
        stations = [
            Station(code, 10.0, 0.1 * k, 0.0, channels=channels)
            for k, (code, channels) in enumerate(self.channels.items())
        ]
        inventory = Inventory([Network("XX", stations=stations)], source="test")
        inventory.write(str(self.path / "stations.xml"), "STATIONXML")
        (self.path / "stations.txt").write_text(listed)
        words = ["--stations", str(self.path / "stations.txt")]
        words += ["--data", str(self.path / "data")]
        words += ["--inventory", str(self.path / "stations.xml")]
        words += ["--out", str(self.path / "out"), "--max-lag-s", "10"]
        assert cli.main([*words, "--window-s", "3600", *options]) == 0
        return [reason for _, _, reason, *_ in self.skipped()]

    def skipped(self):
        return [tuple(row) for row in read_skipped(self.path / "out")]

    def stack(self, first, second, kind="all"):
        with store.open(self.path / "out") as results:
            return results.get(f"XX.{first}", f"XX.{second}", kind)


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def coefficient(first, second):
    """Return the correlation coefficient of two stacks."""
    a, b = (np.asarray(x.data, float) for x in (first, second))
    return (a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum())


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda words: words[0])
def test_a_sensor_that_was_turned_in_mid_run(folder, mapping):
    """BH1 at 30 degrees, from the middle at 210: N with N of a fixed sensor is 1."""
    motion = ground(1, 3)
    azimuths = np.where(np.arange(N) < N // 2, 30.0, 210.0)
    for code, turn in (("BH1", 0.0), ("BH2", 90.0)):
        angle = np.radians(azimuths + turn)
        data = np.cos(angle) * motion[1] + np.sin(angle) * motion[2]
        epochs = [
            channel(code, (30.0 + turn + 180.0 * k) % 360, 0.0, start, end)
            for k, (start, end) in enumerate(((None, CHANGE), (CHANGE, None)))
        ]
        folder.record("A", code, data, *epochs)
    folder.record("A", "BHZ", motion[0], channel("BHZ", 0.0, -90.0))
    for code, row, azimuth, dip in zip(
        ("BHZ", "BHN", "BHE"), motion, (0.0, 0.0, 90.0), (-90.0, 0.0, 0.0), strict=True
    ):
        folder.record("B", code, row, channel(code, azimuth, dip))
    reasons = folder.run(
        *("--orient", "--components", "NN", "EE", "--detrend", "none"),
        *("--taper-s", "0", "--channels", "BH?", "--mapping", *mapping),
    )
    for letter in "NE":
        pair = folder.stack(f"A..BH{letter}", f"B..BH{letter}")
        assert pair.n_windows == HOURS
        data = np.asarray(pair.data, float)
        assert data.max() == pytest.approx(data[len(data) // 2], rel=1e-9)
        others = np.delete(data, len(data) // 2)
        assert np.abs(others).max() < 0.05 * data.max()
    assert sum("direction changes" in reason for reason in reasons) == 2


@pytest.mark.parametrize("mapping", MAPPINGS, ids=lambda words: words[0])
def test_a_response_that_changes_in_mid_run(folder, mapping):
    """With a gain of 7 times from the middle, ground motion is as with one gain."""
    motion = ground(2)[0]
    steps = np.where(np.arange(N) < N // 2, 1.0, 7.0)
    gains = (1.0, 7.0)
    folder.record("A", "BHZ", motion, channel("BHZ", 0, -90, gain=1.0))
    folder.record(
        *("B", "BHZ", motion * steps),
        channel("BHZ", 0, -90, None, CHANGE, gain=gains[0]),
        channel("BHZ", 0, -90, CHANGE, None, gain=gains[1]),
    )
    folder.record("C", "BHZ", ground(3)[0], channel("BHZ", 0, -90, gain=1.0))
    reasons = folder.run(
        *("--response", "VEL", "--pre-filt", "0.1", "0.2", "1.8", "2.2"),
        *("--substack", "hour", "--taper-s", "0", "--mapping", *mapping),
    )
    with store.open(folder.path / "out") as results:
        hours = [name for name in results.stacks if name != "all"]
    assert len(hours) == HOURS
    for hour in hours:
        exact = np.asarray(folder.stack("A..BHZ", "C..BHZ", hour).data, float)
        data = np.asarray(folder.stack("B..BHZ", "C..BHZ", hour).data, float)
        # the edges of the parts ring a little in the hours beside the change
        assert np.abs(data - exact).max() < 0.02 * np.abs(exact).max()
    assert sum("response changes" in reason for reason in reasons) == 1


@pytest.mark.parametrize(
    ("ends", "starts"),
    [
        ((CHANGE - 1,), (CHANGE,)),  # a gap of a second
        ((DAY + HOURS * 3600 - 1,), ()),  # none to follow
        ((), (DAY + 0.04,)),  # begins after the first sample
        ((DAY + 0.04,), (DAY + 0.04,)),
    ],
)
def test_a_second_between_epochs_is_no_gap(folder, ends, starts):
    times = [None, *starts] if ends else [*starts]
    epochs = [
        channel("BHZ", 0, -90, start, end, gain=1.0)
        for start, end in zip(times, [*ends, *[None] * len(times)], strict=False)
    ]
    folder.record("A", "BHZ", ground(4)[0], *epochs)
    folder.record("B", "BHZ", ground(5)[0], channel("BHZ", 0, -90, gain=1.0))
    reasons = folder.run("--response", "VEL", "--pre-filt", "0.1", "0.2", "1.8", "2.2")
    assert folder.stack("A..BHZ", "B..BHZ").n_windows == HOURS
    assert reasons == []


def test_a_time_without_an_epoch_is_left_out_and_listed(folder):
    epochs = [
        channel("BHZ", 0, -90, None, CHANGE - 3600, gain=1.0),
        channel("BHZ", 0, -90, CHANGE, None, gain=1.0),
    ]
    folder.record("A", "BHZ", ground(4)[0], *epochs)
    folder.record("B", "BHZ", ground(5)[0], channel("BHZ", 0, -90, gain=1.0))
    reasons = folder.run("--response", "VEL", "--pre-filt", "0.1", "0.2", "1.8", "2.2")
    assert folder.stack("A..BHZ", "B..BHZ").n_windows == HOURS - 1
    (reason,) = [reason for reason in reasons if "no response" in reason]
    assert "give it the missing epoch" in reason
    with store.open(folder.path / "out") as results:
        assert results.account().lost == {"response": 1}
    (times,) = [row[4] for row in folder.skipped() if row[2] == reason]
    start, end = times.split("/")
    assert "2024-03-01T05:00:02" <= start < "2024-03-01T05:00:03"
    assert "2024-03-01T05:59:57" <= end <= "2024-03-01T05:59:58.000"


def test_epochs_that_contradict_each_other_are_listed(folder):
    epochs = [
        channel("BHZ", 0, -90, None, None, gain=1.0),  # without an end
        channel("BHZ", 0, -90, CHANGE, None, gain=7.0),
    ]
    steps = np.where(np.arange(N) < N // 2, 1.0, 7.0)
    folder.record("A", "BHZ", ground(4)[0] * steps, *epochs)
    folder.record("B", "BHZ", ground(4)[0], channel("BHZ", 0, -90, gain=1.0))
    reasons = folder.run(
        *("--response", "VEL", "--pre-filt", "0.1", "0.2", "1.8", "2.2"),
        *("--pairs", "cross", "auto", "--taper-s", "0"),
    )
    both, itself = folder.stack("A..BHZ", "B..BHZ"), folder.stack("B..BHZ", "B..BHZ")
    assert np.max(both.data) == pytest.approx(np.max(itself.data), rel=1e-2)
    assert any("two epochs with different response" in reason for reason in reasons)


@pytest.mark.parametrize(("move_deg", "n_windows"), [(0.0005, HOURS), (0.1, 8)])
def test_a_station_that_moved(folder, move_deg, n_windows):
    """The coordinates of most windows are used; a long move leaves the others out."""
    moved = DAY + 4 * 3600
    folder.record(
        *("A", "BHZ", ground(4)[0]),
        channel("BHZ", 0, -90, None, moved, latitude=10 + move_deg),
        channel("BHZ", 0, -90, moved, None, latitude=10.0),
    )
    folder.record("B", "BHZ", ground(5)[0], channel("BHZ", 0, -90, latitude=11.0))
    reasons = folder.run()
    pair = folder.stack("A..BHZ", "B..BHZ")
    assert pair.n_windows == n_windows
    assert pair.distance_km == pytest.approx(110.61, abs=0.02)
    (remark,) = [reason for reason in reasons if "moved" in reason]
    assert "to 2024-03-01T04:00:00" in remark
    left_out = ["left out: the sensor stood" in reason for reason in reasons]
    assert sum(left_out) == (n_windows < HOURS)
    with store.open(folder.path / "out") as results:
        lost = {"epoch": HOURS - n_windows} if n_windows < HOURS else {}
        assert results.account().lost == lost


def test_listed_coordinates_outrank_moves(folder):
    moved = DAY + 4 * 3600
    folder.record(
        *("A", "BHZ", ground(4)[0]),
        channel("BHZ", 0, -90, None, moved, latitude=12.0),
        channel("BHZ", 0, -90, moved, None, latitude=10.0),
    )
    folder.record("B", "BHZ", ground(5)[0], channel("BHZ", 0, -90, latitude=11.0))
    assert folder.run(listed="XX A 10 0\nXX B 11 0\n") == []
    assert folder.stack("A..BHZ", "B..BHZ").n_windows == HOURS


def test_misleading_directions_get_a_remark(folder):
    motion = ground(6, 3)
    folder.record("A", "BHZ", motion[0], channel("BHZ", 0, 90))
    folder.record("A", "BHN", motion[1], channel("BHN", 47.0, 0))
    folder.record("A", "BHE", motion[2], channel("BHE", 87.0, 0))
    folder.record("B", "BHZ", motion[0], channel("BHZ", None, -90))
    reasons = folder.run("--channels", "BH?")
    askew = [reason for reason in reasons if "degrees from" in reason]
    assert len(askew) == 2
    assert any("180 degrees from Z" in reason for reason in askew)
    assert any("47 degrees from N" in reason for reason in askew)


def test_a_response_that_is_not_of_ground_motion_gets_a_remark(folder):
    voltage = channel("BHZ", None, -90, gain=1.0)
    voltage.response.response_stages[0].input_units = "V"
    voltage.location_code = "--"  # the empty code
    folder.record("A", "BHZ", ground(1)[0], voltage)
    folder.record("B", "BHZ", ground(2)[0], channel("BHZ", 0, -90, gain=1.0))
    reasons = folder.run("--response", "VEL", "--pre-filt", "0.1", "0.2", "1.8", "2.2")
    (reason,) = reasons
    assert "input unit V" in reason
    assert folder.stack("A..BHZ", "B..BHZ").n_windows == HOURS


@pytest.mark.parametrize("dip", [90.0, 60.0])
def test_a_vertical_alone(folder, dip):
    """A vertical with positive values down changes sign; an oblique one is listed."""
    motion = ground(6)[0]
    folder.record("A", "BHZ", -motion, channel("BHZ", None if dip == 90 else 0, dip))
    folder.record("B", "BHZ", motion, channel("BHZ", None, -90))
    folder.record("C", "BHZ", motion, channel("BHZ", None, -90))
    reasons = folder.run("--orient", "--components", "ZZ")
    if dip == 60:
        assert any("XX.A..BHZ (dip 60)" in reason for reason in reasons)
        return
    first, second = folder.stack("A..BHZ", "B..BHZ"), folder.stack("B..BHZ", "C..BHZ")
    np.testing.assert_array_equal(first.data, second.data)


@pytest.mark.parametrize("dip", [70.0, -70.0])
def test_an_inclined_vertical_alone(folder, dip):
    """It has the polarity and the amplitude of the vertical motion, and a remark."""
    motion = ground(6)[0]
    part = -np.sin(np.radians(dip))
    folder.record("A", "BHZ", part * motion, channel("BHZ", 0, dip))
    folder.record("B", "BHZ", motion, channel("BHZ", None, -90))
    folder.record("C", "BHZ", motion, channel("BHZ", None, -90))
    reasons = folder.run("--orient", "--components", "ZZ")
    assert any("20 degrees from the line of its code" in reason for reason in reasons)
    first, second = folder.stack("A..BHZ", "B..BHZ"), folder.stack("B..BHZ", "C..BHZ")
    np.testing.assert_allclose(first.data, second.data, atol=1e-5)
    reasons = folder.run("--components", "ZZ", "--force")
    angle = "160" if dip > 0 else "20"
    assert any(f"points {angle} degrees from Z" in reason for reason in reasons)


def test_an_update_notices_a_move(folder):
    """A move that is added to the inventory leaves data out of the earlier result."""
    folder.record("A", "BHZ", ground(4)[0], channel("BHZ", 0, -90))
    folder.record("B", "BHZ", ground(5)[0], channel("BHZ", 0, -90, latitude=11.0))
    folder.run("--substack", "day")
    moved = DAY + 4 * 3600
    folder.channels["A"] = [
        channel("BHZ", 0, -90, None, moved, latitude=12.0),
        channel("BHZ", 0, -90, moved, None, latitude=10.0),
    ]
    folder.run("--substack", "day", "--update")
    assert folder.stack("A..BHZ", "B..BHZ").n_windows == HOURS - 4
