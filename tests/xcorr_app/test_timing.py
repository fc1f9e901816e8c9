"""Stations with a slightly wrong sampling rate: the lag is right all day."""

from __future__ import annotations

import io
import json
from functools import cache

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.signal.filter import lowpass
from seismo_pes.signal.resample import interpolate_lanczos
from xcorr_app import cli, store
from xcorr_app.reporting import availability

DAY = UTCDateTime(2024, 3, 1)
HEADER_HZ, HOURS, LAG_S = 20.0, 6, 3.0
RECORD = 242  # samples of float32 in a record of 1024 bytes


@cache
def noise():
    rng = np.random.default_rng(7)
    n = int((HOURS * 3600 + 60) * HEADER_HZ * 1.001)
    return lowpass(rng.standard_normal(n), HEADER_HZ, 4.0)


@cache
def recorded(true_hz, late_s):
    """Return the noise as recorded at a rate, with a delay in seconds."""
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


@pytest.mark.parametrize(
    ("how", "mapping"),
    [("rational", "simple"), ("decimate", "multi"), ("lanczos", "simple")],
)
@pytest.mark.parametrize("kind", ["records", "SAC"])
def test_a_drifting_record_is_resampled(tmp_path, how, mapping, kind):
    data, true_hz = tmp_path / "data", HEADER_HZ * (1 + 60e-6)
    data.mkdir()
    first, second = recorded(HEADER_HZ, 0.0), recorded(true_hz, LAG_S)
    (data / "A.mseed").write_bytes(miniseed("A", first, HEADER_HZ))
    if kind == "records":
        (data / "B.mseed").write_bytes(miniseed("B", second, true_hz))
    else:
        hourly(data, "B", second, true_hz, kind)
    (tmp_path / "stations.txt").write_text("XX A 0.0 0.1\nXX B 0.0 0.2\n")
    out = tmp_path / "out"
    words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(data)]
    words += ["--out", str(out), "--max-lag-s", "10", "--substack", "hour"]
    words += ["--sampling-rate-hz", "10", "--resampling", how]
    words += ["--mapping", mapping] + (["-n", "2"] if mapping == "multi" else [])
    assert cli.main(words) == 0
    lags = lags_by_hour(out)
    assert len(lags) >= HOURS - 2
    assert np.abs(lags - LAG_S).max() < 0.05 / 10


@pytest.mark.parametrize(
    ("file_format", "ppm", "mapping"),
    [("SAC", 20.0, "simple"), ("MSEED", -35.0, "multi"), ("MSEED", -3.0, "simple")],
)
def test_the_rate_of_daily_files_is_measured(tmp_path, file_format, ppm, mapping):
    rate_hz, days = 2.0, 4
    rng = np.random.default_rng(8)
    true_hz, n_day = rate_hz * (1 + ppm * 1e-6), int(86400 * rate_hz)
    ground = lowpass(rng.standard_normal((days + 1) * n_day), rate_hz, 0.4)
    n, step = days * n_day, rate_hz / true_hz
    data = interpolate_lanczos(ground, (10.0 - LAG_S) * rate_hz, step, n, 40)
    (tmp_path / "data").mkdir()
    first = int(10 * rate_hz)
    for station, samples, hz in (("A", ground[first:], rate_hz), ("B", data, true_hz)):
        for k in range(days):
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header |= {"sampling_rate": rate_hz, "starttime": DAY + k * n_day / hz}
            day = samples[k * n_day : (k + 1) * n_day].astype(np.float32)
            path = tmp_path / "data" / f"{station}{k}"
            Trace(day, header).write(str(path), file_format)
    (tmp_path / "stations.txt").write_text("XX A 0.0 0.1\nXX B 0.0 0.2\n")
    out = tmp_path / "out"
    words = ["--stations", str(tmp_path / "stations.txt"), "--max-lag-s", "10"]
    words += ["--data", str(tmp_path / "data"), "--out", str(out), "--substack", "hour"]
    words += ["--mapping", mapping] + (["-n", "2"] if mapping == "multi" else [])
    assert cli.main(words) == 0
    lags = lags_by_hour(out)
    assert len(lags) >= 24 * days - 1  # the last file of a fast clock ends too early
    assert np.abs(lags - LAG_S).max() < 0.05 / rate_hz
    assert "by its time stamps" in (out / "skipped.tsv").read_text()


@pytest.fixture
def undrawn(monkeypatch):
    """Leave out the figure, which takes longer than the scan."""
    monkeypatch.setattr(availability, "draw", lambda table, path, name: path)


def scanned(folder, tmp_path, capsys):
    """Return the row of the only channel that `scan` lists."""
    words = ["scan", "--data", str(folder), "--output", str(tmp_path / "a.png")]
    assert cli.main([*words, "--quiet"]) == 0
    text = capsys.readouterr().out
    assert cli.main([*words, "--quiet", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["channels"]
    assert row["header_hz"] == HEADER_HZ
    return text, row["measured_hz"]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", ["records", "MSEED", "SAC"])
@pytest.mark.parametrize("ppm", [-50.0, 20.0, 3000.0])
def test_scan_shows_the_measured_rate(tmp_path, capsys, kind, ppm):
    (tmp_path / "data").mkdir()
    true_hz = HEADER_HZ * (1 + ppm * 1e-6)
    data = np.zeros(int(HOURS * 3600 * HEADER_HZ))
    if kind == "records":
        content = miniseed("A", data, true_hz)
        (tmp_path / "data" / "A.mseed").write_bytes(content)
    else:
        hourly(tmp_path / "data", "A", data, true_hz, kind)
    text, measured_hz = scanned(tmp_path / "data", tmp_path, capsys)
    # stamps are rounded to 0.1 ms (records) or 1 ms (SAC) over six hours
    assert measured_hz == pytest.approx(true_hz, rel=2e-7)
    assert f"20 Hz, measured {true_hz:.8g}"[:20] in text


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("kind", ["records", "MSEED", "SAC"])
def test_scan_shows_the_header_alone_where_the_stamps_agree(tmp_path, capsys, kind):
    (tmp_path / "data").mkdir()
    data = np.zeros(int(HOURS * 3600 * HEADER_HZ))
    if kind == "records":
        content = miniseed("A", data, HEADER_HZ)
        (tmp_path / "data" / "A.mseed").write_bytes(content)
    else:
        hourly(tmp_path / "data", "A", data, HEADER_HZ, kind)
    text, measured_hz = scanned(tmp_path / "data", tmp_path, capsys)
    assert measured_hz is None
    assert "20 Hz" in text
    assert "measured" not in text


@pytest.mark.usefixtures("undrawn")
def test_gaps_of_whole_samples_are_no_other_rate(tmp_path, capsys):
    """Each hourly file lacks its last five samples."""
    (tmp_path / "data").mkdir()
    n = int(3600 * HEADER_HZ)
    for k in range(HOURS):
        header = {"network": "XX", "station": "A", "channel": "HHZ"}
        header |= {"sampling_rate": HEADER_HZ, "starttime": DAY + k * 3600}
        trace = Trace(np.zeros(n - 5, np.float32), header)
        trace.write(str(tmp_path / "data" / f"{k:02d}.mseed"), "MSEED")
    assert scanned(tmp_path / "data", tmp_path, capsys)[1] is None


@pytest.mark.parametrize(
    ("mapping", "words"), [("simple", ()), ("multi", ("--bandpass-hz", "0.02", "0.3"))]
)
def test_daily_files_keep_their_fractions_of_a_sample(tmp_path, mapping, words):
    """The true lag is 3 s on each day, with any margin from the days beside it."""
    ground = lowpass(np.random.default_rng(9).standard_normal(4 * 300_000), 4.0, 0.3)
    data, starts_s = tmp_path / "data", {"A": (0.0, 0.0, 0.0), "B": (0.32, 0.71, 0.31)}
    data.mkdir()
    for station, late_s in (("A", 0.0), ("B", LAG_S)):
        for k, start_s in enumerate(starts_s[station]):
            first = (100 + 86400 * k + start_s - late_s) * 4
            n = 86400 if k == 2 else round(86400 + starts_s[station][k + 1] - start_s)
            samples = interpolate_lanczos(ground, first, 4.0, n, 40)
            header = {"network": "XX", "station": station, "channel": "LHZ"}
            header |= {"sampling_rate": 1.0, "starttime": DAY + 86400 * k + start_s}
            trace = Trace(samples.astype(np.float32), header)
            trace.write(str(data / f"{station}{k}.sac"), "SAC")
    (tmp_path / "stations.txt").write_text("XX A 0.0 0.1\nXX B 0.0 0.2\n")
    out = tmp_path / "out"
    words = ["--stations", str(tmp_path / "stations.txt"), "--data", str(data), *words]
    words += ["--out", str(out), "--max-lag-s", "10", "--substack", "day"]
    words += ["--mapping", mapping] + (["-n", "2"] if mapping == "multi" else [])
    assert cli.main(words) == 0
    with store.open(out) as results:
        for name in ("2024-03-01", "2024-03-02", "2024-03-03"):
            data = np.asarray(results.get("XX.A..LHZ", "XX.B..LHZ", name).data, float)
            k = int(np.argmax(data))
            left, middle, right = data[k - 1 : k + 2]
            shift = 0.5 * (left - right) / (left - 2 * middle + right)
            assert abs(results.lags_s[k] + shift - LAG_S) < 0.05
