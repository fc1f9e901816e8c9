"""True times of live packets, and what of them a later start knows."""

from __future__ import annotations

import json
from collections.abc import Iterator

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from seismo_pes.items.live import LivePiece
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.items.waveforms import cut
from xcorr_app.live.channel_data import DRIFTS, ChannelData
from xcorr_app.live.continuous_record import Position

CHANNEL, START = "XX.AAA..HHZ", UTCDateTime(2024, 3, 1)
WINDOW_NS, MARGIN_NS = 1800 * NS, 60 * NS


def motion(t_s: np.ndarray, rate_hz: float) -> np.ndarray:
    return np.sin(2 * np.pi * 0.2 * rate_hz * t_s)


def packets(
    n: int, true_hz: float, hours: float, rate_hz: float, jitter_ns: int = 0
) -> Iterator[LivePiece]:
    """Yield packets of n samples, with jitter of their time stamps."""
    rng = np.random.default_rng(5)
    for k in range(int(hours * 3600 * true_hz / n)):
        t_s = (k * n + np.arange(n)) / true_hz
        jitter = int(rng.integers(-jitter_ns, jitter_ns + 1))
        header = {"network": "XX", "station": "AAA", "channel": "HHZ"}
        trace = Trace(motion(t_s, rate_hz), header | {"sampling_rate": rate_hz})
        trace.stats.starttime = START + t_s[0] + jitter / NS
        yield piece(trace)


def piece(trace: Trace) -> LivePiece:
    end_ns = trace.stats.endtime.ns + round(trace.stats.delta * NS)
    return LivePiece(CHANNEL, end_ns, end_ns, False, trace, end_ns, 0.0)


def windows(
    channel: ChannelData, arriving: Iterator[LivePiece], first: int = 0
) -> Iterator[tuple[Trace, list[str]]]:
    """Yield the only trace of each window, and the remarks on it."""
    start_ns = START.ns + first * WINDOW_NS
    for arrived in arriving:
        channel.add(arrived)
        end_ns = start_ns + WINDOW_NS
        if channel.has_reached(end_ns + MARGIN_NS):
            day = start_ns // DAY_NS
            (trace,) = channel.within(day, start_ns, end_ns, MARGIN_NS)
            yield trace, channel.remarks()
            start_ns = end_ns
            channel.forget_before(start_ns - MARGIN_NS - channel.reach_ns)


def time_error(trace: Trace, rate_hz: float) -> float:
    """Return the largest error of the times of samples, in samples."""
    t_s = (trace.stats.starttime.ns - START.ns) / 1e9
    t_s += np.arange(trace.stats.npts) / rate_hz
    inside = slice(50, -50)  # where interpolation has samples on both sides
    error = np.abs(trace.data - motion(t_s, rate_hz))[inside].max()
    return error / (2 * np.pi * 0.2)  # the slope of the motion, in samples


def test_jitter_changes_nothing():
    """0.4 ms at 100 Hz: all times are those of the first packet of a day."""
    first_ns = None
    for trace, remarks in windows(
        ChannelData(CHANNEL, 0), packets(412, 100.0, 3, 100.0, 400_000)
    ):
        assert not remarks
        first_ns = first_ns or trace.stats.starttime.ns
        since = (trace.stats.starttime.ns - first_ns) / 1e7
        assert since == pytest.approx(round(since), abs=1e-6)
        t_s = round((trace.stats.starttime.ns - START.ns) / 1e7) / 100
        t_s = t_s + np.arange(trace.stats.npts) / 100
        assert np.abs(trace.data - motion(t_s, 100.0)).max() < 1e-9  # no interpolation


@pytest.mark.parametrize("ppm", [-30.0, 0.1, 1.0])
def test_a_clock_that_drifts(ppm):
    """No jump is seen, and times are true to the accuracy of a batch run."""
    remarks: list[str] = []
    arriving = packets(500, 5 * (1 + ppm * 1e-6), 26, 5.0)
    for trace, new in windows(ChannelData(CHANNEL, 0), arriving):
        assert time_error(trace, 5.0) < 0.025
        remarks += new
    assert set(remarks) <= {DRIFTS}
    # once a day, when the drift is above 0.02 samples
    assert len(remarks) == (1 if ppm == 0.1 else 2)


def jumping() -> Iterator[LivePiece]:
    """Yield packets of two days, which jump in the first day and at midnight."""
    for k, arrived in enumerate(packets(500, 5.0, 27, 5.0)):
        late = 0.4 * (k >= 480) - 0.45 * (k >= 864)
        if late:
            trace = arrived.trace.copy()
            trace.stats.starttime += late / 5
            t_s = (trace.stats.starttime - START) + np.arange(500) / 5
            trace.data = motion(t_s, 5.0)
            arrived = piece(trace)
        yield arrived


def after(time_ns: int) -> Iterator[Trace]:
    """Yield the data from a time on, as a source does after a restart."""
    for arrived in jumping():
        part = cut(arrived.trace, time_ns, 2 * time_ns)
        if part is not None:
            yield part


@pytest.mark.parametrize("first", [1, 26, 27, 30, 47, 48, 49, 50])
def test_a_later_start_gives_the_same_samples(first):
    """It knows what is written to disk, and sees the data that are read again."""
    channel, expected, state, needed_ns = ChannelData(CHANNEL, 0), [], "", 0
    for number, (trace, _) in enumerate(windows(channel, jumping())):
        if number not in (26, 47, 48):  # beside a jump it is not known to this
            assert time_error(trace, 5.0) < 1e-3
        if number >= first:
            expected.append(trace)
        if number == first - 1:
            needed_ns = START.ns + first * WINDOW_NS - MARGIN_NS - channel.reach_ns
            state = json.dumps(channel.positions(needed_ns))
    again = (piece(trace) for trace in after(needed_ns))
    positions = [Position(*row) for row in json.loads(state)]
    traces = [
        trace for trace, _ in windows(ChannelData(CHANNEL, 0, positions), again, first)
    ]
    assert len(traces) == len(expected) > 0
    for trace, other in zip(traces, expected, strict=True):
        assert trace.stats.starttime == other.stats.starttime
        np.testing.assert_allclose(trace.data, other.data, rtol=0, atol=1e-9)


def test_a_record_after_a_gap_has_its_own_times():
    """Also if a run ended before the gap."""
    channel = ChannelData(CHANNEL, 0)
    before, after = list(packets(100, 5.0, 1.2, 5.0)), []
    for arrived in before:
        trace = arrived.trace.copy()
        trace.stats.starttime += 7200.07
        after.append(piece(trace))
    list(windows(channel, iter(before)))
    positions = channel.positions(before[-1].watermark_ns - MARGIN_NS)
    assert len(positions) == 1
    for earlier in (channel, ChannelData(CHANNEL, 0, positions)):
        for arrived in after:
            earlier.add(arrived)
        start_ns = START.ns + 7200 * NS
        (trace,) = earlier.within(
            START.ns // DAY_NS, start_ns, start_ns + WINDOW_NS, MARGIN_NS
        )
        assert trace.stats.starttime.ns == start_ns + 70_000_000
