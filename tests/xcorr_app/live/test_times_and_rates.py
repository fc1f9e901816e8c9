"""Live runs over ends of days, months and years, and of stations with several rates."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from xcorr_app import store, workflow
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput

LENGTH_S, SHIFT_S = 7200, 9
STATIONS = "AAA", "BBB", "CCC"


def write_archive(folder: Path, start: UTCDateTime, rates_hz: dict[str, float]) -> None:
    """Write stations that record the same smooth noise, each SHIFT_S after the last."""
    rng = np.random.default_rng(29)
    n_fine, most_hz = (LENGTH_S + 100) * 8, 8.0
    spectrum = np.fft.rfft(rng.normal(size=n_fine))
    spectrum[np.fft.rfftfreq(n_fine, 1 / most_hz) > 0.9] = 0  # below all corners
    noise = 1000 * np.fft.irfft(spectrum, n_fine)
    folder.mkdir()
    for k, (station, rate_hz) in enumerate(rates_hz.items()):
        first = round((50 - k * SHIFT_S) * most_hz)
        data = noise[
            first : first + round(LENGTH_S * most_hz) : round(most_hz / rate_hz)
        ]
        header = {"network": "XX", "station": station, "channel": "HHZ"}
        trace = Trace(data.astype(np.int32), header)
        trace.stats.sampling_rate, trace.stats.starttime = rate_hz, start
        path = str(folder / f"{station}.mseed")
        Stream([trace]).write(path, "MSEED")


def check(folder: Path, config, assert_equal_to, **more) -> None:
    """Compare live and batch, and the lags with the truth."""
    more = {"data": str(folder / "data"), **more}
    workflow.run(config(folder / "batch", **more))
    replay = ReplayInput(str(folder / "data"), record_s=30.0, delay_s=50.0)
    run_live(config(folder / "live", **more), replay, 600.0, Alerts())
    assert_equal_to(folder / "batch", folder / "live")
    with store.open(folder / "live") as results:
        for k, pair in enumerate([("AAA", "BBB"), ("AAA", "CCC"), ("BBB", "CCC")]):
            stack = results.get(*(f"XX.{station}..HHZ" for station in pair))
            assert stack.n_windows == LENGTH_S // 900
            peak_s = results.lags_s[np.argmax(stack.data)]
            assert abs(peak_s) == pytest.approx((1, 2, 1)[k] * SHIFT_S, abs=0.01)


# An hour before each: the end of a year, a leap day, the time 0 of the system.
STARTS = "2023-12-31T23:00", "2024-02-28T23:00", "1969-12-31T23:00"


@pytest.mark.parametrize("start", STARTS)
def test_over_the_end_of_a_day(start, config, tmp_path, assert_equal_to, monkeypatch):
    """The time zone of the computer changes nothing."""
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    time.tzset()
    try:
        write_archive(tmp_path / "data", UTCDateTime(start), dict.fromkeys(STATIONS, 4))
        check(tmp_path, config, assert_equal_to, substack="day")
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("rates_hz", [(8.0, 4.0, 4.0), (4.0, 8.0, 8.0)])
def test_rates_that_differ(rates_hz, config, tmp_path, assert_equal_to):
    rates = dict(zip(STATIONS, rates_hz, strict=True))
    write_archive(tmp_path / "data", UTCDateTime(2024, 3, 1, 22), rates)
    more = {"sampling_rate_hz": 4.0, "resampling": "lanczos"}
    check(tmp_path, config, assert_equal_to, bandpass_hz=(0.1, 0.8), **more)
