"""Clock errors in waveforms are measured, and a run with --clock removes them."""

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from seismo_pes.signal.resample import lanczos_at
from xcorr_app import cli, commands, synthetic
from xcorr_app.measuring.tables import read_table
from xcorr_app.reporting import clocks as reporting

NETWORK = synthetic.Network(
    n_stations=6, hours=12.0, rate_hz=5.0, incoherent=0.1, diameter_km=40.0, seed=4
)
START = UTCDateTime(NETWORK.start)
SAMPLE_S = 1 / NETWORK.rate_hz
WRONG = "XX.S03"


def clock_error(recorded_s):
    """Return the error of S03: 0.4 s at the start, and 1.2 s more in twelve hours."""
    return 0.4 + 1.2 * recorded_s / (3600 * NETWORK.hours)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    recorded_s = np.arange(NETWORK.n_samples) * SAMPLE_S
    for channel_id, counts in synthetic.traces(NETWORK):
        if channel_id.startswith(WRONG):
            at = (recorded_s - clock_error(recorded_s)) * NETWORK.rate_hz
            wrapped = np.r_[counts[-100:], counts, counts[:100]]  # it is periodic
            counts = lanczos_at(wrapped, at + 100, 40)
        net, sta, loc, cha = channel_id.split(".")
        header = {"network": net, "station": sta, "location": loc, "channel": cha}
        header |= {"starttime": START, "sampling_rate": NETWORK.rate_hz}
        trace = Trace(counts.astype(np.float32), header)
        trace.write(str(folder / f"{sta}.mseed"), "MSEED")
    lines = [
        f"XX {code} {latitude} {longitude}\n"
        for code, (latitude, longitude) in zip(
            NETWORK.codes(), synthetic.coordinates(NETWORK), strict=True
        )
    ]
    (folder / "stations.txt").write_text("".join(lines))
    return folder


def correlate(data, out, *options):
    words = ["--stations", str(data / "stations.txt"), "--data", f"{data}/*.mseed"]
    words += ["--out", str(out), "--bandpass-hz", "0.15", "0.9", "--max-lag-s", "40"]
    words += ["--window-s", "900", "--substack", "hour", "--quiet"]
    assert cli.main([*words, *options]) == 0


def clocks(out):
    """Return text, stations, times (hours), offsets and errors of a measurement."""
    text = commands.clocks([str(out), "--quiet", "--max-shift-s", "10"])
    table = read_table(out / "clocks.csv")
    hours = (table["time"] - np.datetime64(NETWORK.start)) / np.timedelta64(1, "h")
    return text, table["station"], hours, table["offset_s"], table["error_s"]


def test_a_drift_is_measured_and_removed(data, tmp_path, monkeypatch):
    """The first run has one process, the second run has two; no figure is drawn."""
    monkeypatch.setattr(reporting, "draw_clocks", lambda table, settings, path, _: path)
    correlate(data, tmp_path / "before")
    text, station, hours, offset_s, error_s = clocks(tmp_path / "before")
    assert f"more than the standard errors: 1 of 6 clocks: {WRONG};" in text
    wrong = station == WRONG
    assert wrong.sum() == NETWORK.hours
    truth = np.where(wrong, clock_error(3600 * hours), 0)
    # an hour of noise gives an offset to 0.03 s, and all hours give the drift more
    # precisely
    line = np.polynomial.Polynomial.fit(hours[wrong], offset_s[wrong], 1)
    assert np.abs(line(hours) - clock_error(3600 * hours)).max() < 0.1 * SAMPLE_S
    assert np.abs(offset_s - truth).max() < 4 * error_s.max()
    assert np.mean(np.abs(offset_s - truth) < 2 * error_s) > 0.85
    table = str(tmp_path / "before" / "clock_table.csv")
    two = ["--mapping", "multi", "-n", "2"]
    correlate(data, tmp_path / "after", *two, "--clock", table)
    text, station, _, offset_s, error_s = clocks(tmp_path / "after")
    assert "no clock is wrong by more than its errors" in text
    assert np.sqrt(np.mean(offset_s[station == WRONG] ** 2)) < 0.1 * SAMPLE_S
