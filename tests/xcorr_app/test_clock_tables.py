"""Runs with --clock on records of a drifting clock: the lag is right at all times."""

from functools import cache

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from seismo_pes.signal.filter import lowpass
from seismo_pes.signal.resample import lanczos_at
from xcorr_app import cli, store

RATE_HZ, HOURS, LAG_S = 4.0, 36, 3.3
DAY = UTCDateTime(2024, 3, 1)
N = int(HOURS * 3600 * RATE_HZ)
AHEAD_S = 20.0  # noise before the first sample


@cache
def noise():
    x = np.random.default_rng(7).standard_normal(N + int(2 * AHEAD_S * RATE_HZ))
    return lowpass(x, RATE_HZ, 0.7 * RATE_HZ / 2, zero_phase=True)


def linear(recorded_s):
    return 0.4 + 2.0 * recorded_s / 86_400


def broken(recorded_s):
    return np.interp(recorded_s, [0, 30_000, 100_000, 200_000], [0.1, 1.3, 0.8, 3.0])


def cubic(recorded_s):
    x = recorded_s / 86_400
    return -0.5 + 2.0 * x - 1.5 * x**2 + 0.6 * x**3


def points(offset_s, at_s, interpolation):
    rows = [
        f"XX.B,{DAY + s},{float(offset_s(s))!r},{interpolation}\n"
        for s in map(float, at_s)
    ]
    return "channel,time,offset_s,interpolation\n" + "".join(rows)


def pulses(offset_s, at_s):
    rows = [f"XX.B,{DAY + s},{DAY + s - float(offset_s(s))}\n" for s in at_s]
    return "channel,recorded,true\n" + "".join(rows)


TABLES = {
    "pulses": (linear, pulses(linear, (-86_400, 3 * 86_400))),
    "linear": (broken, points(broken, (0, 30_000, 100_000, 200_000), "linear")),
    "cubic": (cubic, points(cubic, (-1e4, 40_000, 90_000, 150_000), "cubic")),
}


def write(folder, station, data, file_hours):
    n = int(file_hours * 3600 * RATE_HZ)
    for k in range(0, len(data), n):
        header = {"network": "XX", "station": station, "channel": "HHZ"}
        header |= {"sampling_rate": RATE_HZ, "starttime": DAY + k / RATE_HZ}
        trace = Trace(data[k : k + n].astype(np.float32), header)
        trace.write(str(folder / f"{station}.{k:08d}.mseed"), "MSEED")


def lags_by_hour(out):
    with store.open(out) as results:
        names = [name for name in results.stacks if name != "all"]
        lags, peaks = results.lags_s, []
        for name in names:
            data = results.get("XX.A..HHZ", "XX.B..HHZ", name).data.astype(float)
            fine = np.fft.irfft(np.fft.rfft(data), 16 * len(data))
            k = int(np.argmax(fine))
            left, middle, right = fine[k - 1], fine[k], fine[(k + 1) % len(fine)]
            place = (k + 0.5 * (left - right) / (left - 2 * middle + right)) / 16
            peaks.append(lags[0] + place / RATE_HZ)
    return np.array(peaks)


@pytest.mark.parametrize(
    ("name", "mapping", "file_hours"),
    [
        ("pulses", "simple", 24),
        ("linear", "multi", 24),
        ("cubic", "simple", 1),
        ("cubic", "multi", 24),
    ],
)
def test_a_drift_is_removed_at_all_times(tmp_path, name, mapping, file_hours):
    offset_s, table = TABLES[name]
    recorded_s = np.arange(N) / RATE_HZ
    true_s = recorded_s - offset_s(recorded_s) + AHEAD_S
    data = tmp_path / "data"
    data.mkdir()
    first = int(AHEAD_S * RATE_HZ)
    write(data, "A", noise()[first : first + N], 24)
    late = lanczos_at(noise(), (true_s - LAG_S) * RATE_HZ, 40)
    write(data, "B", late, file_hours)
    (tmp_path / "stations.txt").write_text("XX A 0.0 0.0\nXX B 0.0 0.1\n")
    (tmp_path / "clock.csv").write_text(table)
    words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(data)]
    words += ["--max-lag-s", "10", "--substack", "hour", "--window-s", "3600"]
    words += ["--detrend", "none", "--quiet"]
    words += ["--mapping", mapping] + (["-n", "2"] if mapping == "multi" else [])
    assert cli.main([*words, "--out", str(tmp_path / "wrong")]) == 0
    wrong_s = lags_by_hour(tmp_path / "wrong")
    assert np.ptp(wrong_s) > 1  # the drift is in the data
    clock = ["--clock", str(tmp_path / "clock.csv")]
    assert cli.main([*words, *clock, "--out", str(tmp_path / "right")]) == 0
    lags_s = lags_by_hour(tmp_path / "right")
    # only the first and the last hour may be incomplete; no hour at midnight
    assert len(lags_s) >= HOURS - 2
    assert np.abs(lags_s - LAG_S).max() < 0.05 / RATE_HZ


def test_a_bad_table_is_one_line_before_the_start(tmp_path, capsys):
    (tmp_path / "clock.csv").write_text("channel,time,offset_s\nXX.B,2024-03-01,1\n")
    (tmp_path / "stations.txt").write_text("XX A 0.0 0.0\nXX B 0.0 0.1\n")
    data = tmp_path / "data"
    data.mkdir()
    for station in "AB":
        write(data, station, np.ones(20_000), 24)
    words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(data)]
    words += ["--clock", str(tmp_path / "clock.csv"), "--out", str(tmp_path / "out")]
    assert cli.main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "clock.csv:2: XX.B has one offset; two or more are needed" in line
