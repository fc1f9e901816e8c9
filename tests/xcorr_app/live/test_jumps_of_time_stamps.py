"""Live runs over time stamps that jump by a part of a sample, jitter and drift."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read

from seismo_pes.preprocessing.retiming import JUMPS
from xcorr_app import store, workflow
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.mending import mend
from xcorr_app.live.session import run_live
from xcorr_app.live.source import ReplayInput
from xcorr_app.live.status import read_status

START, HOURS, LAG_S = UTCDateTime(2024, 3, 1, 20), 8, 2.0
# Of each station: hours after the start, and jump of the time stamps, samples. The
# second station jumps at midnight.
IN_THE_DAY_AND_AT_ITS_END = [(2.1, 0.3)], [(4.0, -0.45)]
MANY = [(1.1, 0.3), (2.3, 0.4), (3.05, -0.3), (3.2, -0.35), (5, 0.2)], [(0.7, -0.45)]

Jumps = Sequence[tuple[float, float]]


def motion(t_s: np.ndarray, highest_hz: float) -> np.ndarray:
    """Return a motion known at any time: sines up to a frequency."""
    rng = np.random.default_rng(3)
    f, p = rng.uniform(0.02, highest_hz, 100), rng.uniform(0, 2 * np.pi, 100)
    total = np.zeros(len(t_s))
    for frequency, phase in zip(f, p, strict=True):
        total += np.cos(2 * np.pi * frequency * t_s + phase)
    return (1000 * total).astype(np.float32)


def recorded(rate_hz: float, number: int, jumps: Jumps, hours: float) -> Stream:
    """Return the traces of a station, the second of which records LAG_S earlier."""
    hours_at = [0.0, *(hour for hour, _ in jumps), hours]
    samples = [round(hour * 3600 * rate_hz) for hour in hours_at]
    shift, stream = 0.0, Stream()
    for k, (first, stop) in enumerate(pairwise(samples)):
        shift += jumps[k - 1][1] if k else 0.0
        t_s = (np.arange(first, stop) + shift) / rate_hz
        data = motion(t_s + number * LAG_S, rate_hz / 5)
        header = {"network": "XX", "station": "AB"[number] * 3, "channel": "HHZ"}
        header |= {"sampling_rate": rate_hz}
        trace = Trace(data, header)
        trace.stats.starttime = UTCDateTime(ns=START.ns + round(t_s[0] * 1e9))
        stream.append(trace)
    return stream


@pytest.fixture
def options(config, tmp_path) -> Callable[..., dict]:
    """Write an archive, and return options for it by the sampling rate."""

    def make(rate_hz: float, *jumps: Jumps, one_file: bool = True) -> dict:
        folder = tmp_path / "data"
        folder.mkdir()
        for number, of_station in enumerate(jumps):
            stream = recorded(rate_hz, number, of_station, HOURS)
            for k, part in enumerate([stream] if one_file else stream):
                path = str(folder / f"{number}-{k}.mseed")
                part.write(path, "MSEED", reclen=512)
        listed = tmp_path / "list.txt"
        listed.write_text("XX AAA 1.0 2.0 0\nXX BBB 1.1 2.0 0\n")
        band_hz = 0.03, 0.3 * rate_hz
        more = {"window_s": 1800, "substack": "window", "bandpass_hz": band_hz}
        return {"data": str(folder), "stations": str(listed)} | more

    return make


def check_lags(folder: Path, dt_s: float) -> None:
    """Check that all windows have the true lag."""
    with store.open(folder) as results:
        lags = []
        for stack in results.stacks[:-1]:
            (row,) = results.correlations(stack)
            fine = np.fft.irfft(np.fft.rfft(row.data), 256 * len(row.data))
            lags.append(results.lags_s[0] + fine.argmax() * dt_s / 256)
        assert len(lags) >= 2 * HOURS - 1  # the last one may lack a sample
        # of a window of half an hour; without interpolation it is 0.1 to 0.45 samples
        np.testing.assert_allclose(lags, -LAG_S, atol=0.02 * dt_s)


def remarks(folder: Path) -> dict[str, int]:
    """Return what a live run says about time stamps."""
    left_out = read_status(folder / "live")["left_out"]
    return {reason: n for reason, n in left_out.items() if "time stamps" in reason}


@pytest.mark.parametrize(
    ("rate_hz", "record_s", "jumps", "one_file"),
    [
        (1.0, 20.0, IN_THE_DAY_AND_AT_ITS_END, False),
        (1.0, 400.0, IN_THE_DAY_AND_AT_ITS_END, True),
        (20.0, 20.0, IN_THE_DAY_AND_AT_ITS_END, False),
        (4.0, 33.0, MANY, True),
    ],
)
def test_equal_to_batch_over_jumps(
    rate_hz, record_s, jumps, one_file, options, config, tmp_path, assert_equal_to
):
    more = options(rate_hz, *jumps, one_file=one_file)
    workflow.run(config(tmp_path / "batch", **more))
    replay = ReplayInput(more["data"], record_s=record_s, delay_s=30.0)
    run_live(config(tmp_path / "live", **more), replay, 600.0, Alerts())
    assert_equal_to(tmp_path / "batch", tmp_path / "live")
    check_lags(tmp_path / "batch", 1 / rate_hz)
    check_lags(tmp_path / "live", 1 / rate_hz)
    assert remarks(tmp_path / "live") == {f"merge: {JUMPS}": sum(map(len, jumps))}


# Hours after the start: just before and after jumps, and when a window has a jump.
@pytest.mark.parametrize("stops", [(2.099, 3.99, 4.01), (2.2, 4.0), (2.6, 4.6)])
def test_a_run_that_continues_keeps_its_times(
    stops, options, config, tmp_path, assert_equal_to
):
    more = options(1.0, *IN_THE_DAY_AND_AT_ITS_END)
    workflow.run(config(tmp_path / "batch", **more))
    for stop in (*stops, None):
        end_ns = stop and START.ns + round(stop * 3600e9)
        replay = ReplayInput(more["data"], end_ns=end_ns)
        run_live(config(tmp_path / "live", **more), replay, 600.0, Alerts())
    assert_equal_to(tmp_path / "batch", tmp_path / "live")


def test_late_data_beside_a_jump_are_mended(options, config, tmp_path, assert_equal_to):
    """Windows that were made without the packets at a jump get them, and its times."""
    more = options(1.0, *IN_THE_DAY_AND_AT_ITS_END) | {"substack": "day"}
    workflow.run(config(tmp_path / "batch", **more))
    lacking = tmp_path / "lacking"
    lacking.mkdir()
    for path in Path(more["data"]).iterdir():
        stream = read(str(path))
        for hour in (2.1, 4.0):
            at = START + 3600 * hour
            stream = stream.slice(endtime=at - 200) + stream.slice(at + 300)
        stream.write(str(lacking / path.name), "MSEED", reclen=512)
    source = ReplayInput(str(lacking))
    run_live(config(tmp_path / "live", **more), source, 60.0, Alerts())
    mended = mend(config(tmp_path / "live", **more), source, more["data"], 60.0)
    assert mended.days == ("2024-03-01", "2024-03-02")
    with store.open(tmp_path / "batch") as a, store.open(tmp_path / "live") as b:
        assert a.stacks == b.stacks
        for stack in a.stacks:
            (batch,), (live,) = a.correlations(stack), b.correlations(stack)
            assert live.n_windows == batch.n_windows
            np.testing.assert_allclose(live.data, batch.data, rtol=0, atol=1e-6)
