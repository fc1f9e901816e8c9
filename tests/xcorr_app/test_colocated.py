"""Two sensors at one place: no radial, and every omitted pair is listed."""

from __future__ import annotations

import pytest

from seismo_pes.application.skipped import read_skipped
from tests.xcorr_app.conftest import DAY
from xcorr_app import cli, store

PLACES = {"A": 10.0, "B": 10.0, "C": 10.5}


@pytest.mark.parametrize("mapping", [("simple",), ("multi", "-n", "2")])
def test_co_located_sensors_are_listed(tmp_path, write_trace, rng, mapping):
    for station in PLACES:
        for letter in "ZNE":
            data = rng.standard_normal(18_000)
            write_trace(station, data, DAY, 5.0, f"HH{letter}")
    listed = "".join(f"XX {name} {lat} 20\n" for name, lat in PLACES.items())
    (tmp_path / "stations.txt").write_text(listed)
    words = ["--stations", str(tmp_path / "stations.txt")]
    words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    words += ["--components", "ZZ", "RR", "TT", "--mapping", *mapping]
    assert cli.main([*words, "--window-s", "600", "--max-lag-s", "5"]) == 0
    rows = [row for row in read_skipped(tmp_path / "out") if row[0] == "rotate"]
    reason = "no radial and transverse components: the sensors are at one place"
    assert rows == [["rotate", "XX.A..HH?, XX.B..HH?", reason, "1", ""]]
    with store.open(tmp_path / "out") as results:
        pairs = {(p.first[3] + p.second[3], p.first[-1]) for p in results}
    assert pairs == {
        *(("AB", "Z"), ("AC", "Z"), ("BC", "Z")),
        *(("AC", "R"), ("AC", "T"), ("BC", "R"), ("BC", "T")),
    }


def test_single_station_pairs_of_two_sensors_get_a_remark(tmp_path, rng):
    from obspy import Trace

    (tmp_path / "data").mkdir()
    for location in ("00", "10"):
        for letter in "NE":
            header = {"network": "XX", "station": "A", "location": location}
            header |= {"channel": f"HH{letter}", "starttime": DAY, "sampling_rate": 5.0}
            trace = Trace(rng.standard_normal(18_000), header)
            trace.write(str(tmp_path / "data" / f"{location}{letter}.mseed"), "MSEED")
    (tmp_path / "stations.txt").write_text("XX A 10 20\n")
    words = ["--stations", str(tmp_path / "stations.txt")]
    words += ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "out")]
    words += ["--channels", "HH?", "--pairs", "single-station", "--max-lag-s", "5"]
    assert cli.main([*words, "--window-s", "600"]) == 0
    (row,) = read_skipped(tmp_path / "out")
    assert row[:2] == ["select", "XX.A"]
    assert "location codes '00' and '10'" in row[2]
    assert row[3] == "4"  # of 6 pairs
