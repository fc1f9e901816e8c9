"""Stations whose sampling rate is a little untrue: the lag stays right all day."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.signal.filter import lowpass
from seismo_pes.signal.resample import interpolate_lanczos
from xcorr_app import cli, store

DAY = UTCDateTime(2024, 3, 1)
HEADER_HZ, HOURS, LAG_S = 20.0, 12, 3.0
RECORD = 242  # samples of float32 in a record of 1024 bytes


@cache
def noise():
    rng = np.random.default_rng(7)
    n = int((HOURS * 3600 + 60) * HEADER_HZ * 1.001)
    return lowpass(rng.standard_normal(n), HEADER_HZ, 4.0)


@cache
def recorded(true_hz, late_s):
    """Return the noise as a recorder of this rate has it, late by some seconds."""
    step = HEADER_HZ / true_hz
    first = (10.0 - late_s) * HEADER_HZ
    n = int(HOURS * 3600 * true_hz)
    return interpolate_lanczos(noise(), first, step, n, 40)


def miniseed(station, data, true_hz):
    """Return miniSEED whose records have true starts and a header of 20 Hz."""
    header = {"network": "XX", "station": station, "channel": "HHZ"}
    header |= {"sampling_rate": HEADER_HZ, "starttime": DAY}
    content = io.BytesIO()
    trace = Trace(data.astype(np.float32), header)
    Stream([trace]).write(content, "MSEED", reclen=1024, encoding="FLOAT32")
    records = np.frombuffer(bytearray(content.getvalue()), np.uint8).reshape(-1, 1024)
    tenths_ms = np.round(np.arange(len(records)) * RECORD / true_hz * 1e4)
    tenths_ms = tenths_ms.astype(np.int64)
    seconds, fraction = np.divmod(tenths_ms, 10_000)
    records[:, 24] = seconds // 3600
    records[:, 25] = seconds // 60 % 60
    records[:, 26] = seconds % 60
    records[:, 28], records[:, 29] = np.divmod(fraction, 256)
    return records.tobytes()


def hourly(folder, station, data, true_hz, file_format):
    """Write hourly files, each with its true start and a header of 20 Hz."""
    n = int(3600 * HEADER_HZ)
    for k in range(len(data) // n):
        header = {"network": "XX", "station": station, "channel": "HHZ"}
        header |= {"sampling_rate": HEADER_HZ, "starttime": DAY + k * n / true_hz}
        trace = Trace(data[k * n : (k + 1) * n].astype(np.float32), header)
        trace.write(str(folder / f"{station}.{k:02d}.{file_format}"), file_format)


def lags_by_hour(out):
    """Return the lag of the peak of each hour's stack, seconds."""
    with store.open(out) as results:
        names = [name for name in results.stacks if name != "all"]
        lags, peaks = results.lags_s, []
        for name in names:
            pair = results.get("XX.A..HHZ", "XX.B..HHZ", name)
            data = np.asarray(pair.data, float)
            k = int(np.argmax(data))
            left, middle, right = data[k - 1 : k + 2]
            shift = 0.5 * (left - right) / (left - 2 * middle + right)
            peaks.append(lags[k] + shift * (lags[1] - lags[0]))
    return np.array(peaks)


@pytest.mark.parametrize("kind", ["records", "MSEED", "SAC"])
@pytest.mark.parametrize(
    ("ppm", "mapping"), [(-250, "simple"), (10, "simple"), (-50, "multi")]
)
def test_the_lag_is_right_all_day(tmp_path, ppm, mapping, kind):
    data, true_hz = tmp_path / "data", HEADER_HZ * (1 + ppm * 1e-6)
    data.mkdir()
    first, second = recorded(HEADER_HZ, 0.0), recorded(true_hz, LAG_S)
    (data / "A.mseed").write_bytes(miniseed("A", first, HEADER_HZ))
    if kind == "records":
        (data / "B.mseed").write_bytes(miniseed("B", second, true_hz))
    else:
        hourly(data, "B", second, true_hz, kind)
    (tmp_path / "stations.txt").write_text("XX A 0.0 0.0\nXX B 0.0 0.1\n")
    out = tmp_path / "out"
    words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(data)]
    words += ["--out", str(out), "--max-lag-s", "10", "--substack", "hour"]
    words += ["--mapping", mapping] + (["-n", "2"] if mapping == "multi" else [])
    assert cli.main(words) == 0
    lags = lags_by_hour(out)
    assert len(lags) >= HOURS - 2  # hourly files end before the last hour
    assert np.abs(lags - LAG_S).max() < 0.05 / HEADER_HZ
