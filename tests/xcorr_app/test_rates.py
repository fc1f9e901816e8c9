"""Sampling rates that change, or that a header states wrongly, in a whole run."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from obspy import Trace

from seismo_pes.signal.filter import lowpass
from seismo_pes.signal.resample import interpolate_lanczos
from tests.xcorr_app.conftest import DAY
from tests.xcorr_app.test_fractions import PLAIN, peak_s, run
from xcorr_app import store

HOURS, HIGH_HZ = 4, 8.0


@pytest.fixture
def motion():
    """Return the ground motion at a rate, from a time on, late by some seconds."""
    rng = np.random.default_rng(4)
    data = lowpass(rng.standard_normal(int((HOURS * 3600 + 60) * 8)), 8.0, 0.5)

    def at(rate_hz, start_s, seconds, late_s=0.0):
        first = (20.0 + start_s - late_s) * HIGH_HZ
        n = round(seconds * rate_hz)
        return interpolate_lanczos(data, first, HIGH_HZ / rate_hz, n)

    return at


@pytest.mark.parametrize("mapping", ["simple", "multi"])
@pytest.mark.parametrize("change_s", [7200.0, 7500.1])
def test_a_rate_that_changes_is_brought_to_the_target(
    tmp_path, write_trace, motion, mapping, change_s
):
    write_trace("A", motion(4.0, 0, HOURS * 3600), DAY, 4.0)
    after_s = HOURS * 3600 - change_s
    write_trace("B", motion(8.0, 0, change_s, 3.25), DAY, 8.0)
    write_trace("B", motion(5.0, change_s, after_s, 3.25), DAY + change_s, 5.0)
    options = [*PLAIN, "--sampling-rate-hz", "2", "--substack", "hour"]
    options += ["--mapping", mapping] + (["-n", "2"] if mapping == "multi" else [])
    run(tmp_path, "out", "AB", *options)
    with store.open(tmp_path / "out") as results:
        names = [name for name in results.stacks if name != "all"]
        pairs = [results.get("XX.A..HHZ", "XX.B..HHZ", name) for name in names]
        lags_s = [peak_s(np.asarray(c.data, float), results.lags_s) for c in pairs]
    assert len(lags_s) >= HOURS - 1
    assert np.abs(np.array(lags_s) - 3.25).max() < 0.02
    listing = (tmp_path / "out" / "skipped.tsv").read_text()
    assert "its sampling rate changes: 8, 5 Hz" in listing


def test_recorded_hz_replaces_the_rate_of_wrong_headers(tmp_path, write_trace, motion):
    """Recorders of 4 Hz whose headers say 5 Hz, in files of ten minutes."""
    for station, late_s in (("A", 0.0), ("B", 3.25)):
        for start_s in range(0, HOURS * 3600, 600):
            data = motion(4.0, start_s, 600, late_s)
            write_trace(station, data, DAY + start_s, 5.0)
    lag_s, n_windows, _ = run(tmp_path, "out", "AB", *PLAIN, "--recorded-hz", "4")["AB"]
    assert n_windows == HOURS
    assert abs(lag_s - 3.25) < 0.01
    listing = (tmp_path / "out" / "skipped.tsv").read_text()
    assert "rate of 5 Hz in the header replaced by 4 Hz" in listing


def as_sac(trace: Trace, path: Path) -> None:
    trace.data = trace.data.astype(np.float32)
    trace.write(str(path.with_suffix(".sac")), "SAC")


def as_mseed(trace: Trace, path: Path) -> None:
    """Write records whose times come from the wrong rate."""
    trace.write(str(path.with_suffix(".mseed")), "MSEED")


def as_true_records(trace: Trace, path: Path) -> None:
    """Write records of 200 samples with true starts, as a recorder does."""
    n, content = 200, []
    for first in range(0, len(trace.data), n):
        part = trace.copy()
        part.data = trace.data[first : first + n].copy()
        part.stats.starttime += first / 4.0
        buffer = BytesIO()
        part.write(buffer, "MSEED", reclen=2048)
        content.append(buffer.getvalue())
    path.with_suffix(".mseed").write_bytes(b"".join(content))


@pytest.mark.parametrize(
    ("header_hz", "mapping"), [(0.05, "simple"), (1.0, "multi"), (40.0, "simple")]
)
@pytest.mark.parametrize("hours", [HOURS, 1])
@pytest.mark.parametrize("written", [as_sac, as_mseed, as_true_records])
def test_a_header_far_from_the_recorded_rate(
    tmp_path, motion, written, header_hz, hours, mapping
):
    """Data of 4 Hz from before to after midnight; no header has the true rate."""
    (tmp_path / "data").mkdir()
    begin = DAY - 2 * 3600  # the second half is on the next day
    for station, late_s in (("A", 0.0), ("B", 3.25)):
        for start_s in range(0, HOURS * 3600, hours * 3600):
            header = {"network": "XX", "station": station, "channel": "HHZ"}
            header |= {"sampling_rate": header_hz, "starttime": begin + start_s}
            data = motion(4.0, start_s, hours * 3600, late_s)
            path = tmp_path / "data" / f"{station}-{start_s}"
            written(Trace(data, header), path)
    options = ["--recorded-hz", "4", "--mapping", mapping]
    options += ["-n", "2"] if mapping == "multi" else []
    lag_s, n_windows, _ = run(tmp_path, "out", "AB", *PLAIN, *options)["AB"]
    assert n_windows == HOURS
    assert abs(lag_s - 3.25) < 0.01
    listing = (tmp_path / "out" / "skipped.tsv").read_text()
    assert f"rate of {header_hz:g} Hz in the header replaced by 4 Hz" in listing


def test_a_channel_of_another_rate_is_listed_with_the_cure(
    tmp_path, write_trace, motion
):
    for station, rate_hz in (("A", 4.0), ("B", 4.0), ("C", 5.0)):
        write_trace(station, motion(rate_hz, 0, HOURS * 3600), DAY, rate_hz)
    found = run(tmp_path, "out", "ABC", *PLAIN)
    assert found["AB"][1] == HOURS
    listing = (tmp_path / "out" / "skipped.tsv").read_text()
    (line,) = [line for line in listing.splitlines() if "is expected" in line]
    assert "XX.C..HHZ\tleft out: sampled at 5 Hz where 4 Hz is expected: " in line
    assert "--sampling-rate-hz" in line
    assert "--recorded-hz" in line
