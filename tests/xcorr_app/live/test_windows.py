"""When windows of live channels close."""

from __future__ import annotations

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from seismo_pes.items.live import LivePiece
from seismo_pes.signal.window import WindowGrid
from xcorr_app.live.items import ClosedWindow
from xcorr_app.live.windows import LiveWindows

NS = 10**9
BEGIN_S = 86400 * 1000
IDS = ("XX.A..HHZ", "XX.B..HHZ", "XX.C..HHZ")
WINDOW_S, MARGIN_S, WAIT_S, PACKET_S = 100, 10, 60, 20


class Feed:
    """Sends packets to windows, and keeps the windows that have closed."""

    def __init__(self, first: int | None = 0) -> None:
        grid = WindowGrid(BEGIN_S * NS, WINDOW_S * NS, WINDOW_S * NS)
        self.windows = LiveWindows(grid, IDS, MARGIN_S * NS, WAIT_S, first)
        self.windows.preprocess()
        self.closed: list[int] = []
        self.missing: dict[int, list[tuple[str, float, float]]] = {}
        self.n_channels: dict[int, int] = {}

    def take(self, piece: LivePiece) -> None:
        for outputs in self.windows.process({"input": piece}):
            if "closed" in outputs:
                closed: ClosedWindow = outputs["closed"]
                self.closed.append(closed.window)
                self.missing[closed.window] = [
                    (name, *(t / NS - BEGIN_S for t in times))
                    for name, *times in closed.missing
                ]
            if "output" in outputs:
                (part,) = outputs["output"].channels
                n = self.n_channels.get(part.span.period, 0)
                self.n_channels[part.span.period] = n + bool(part.traces)

    def packet(self, name: str, end_s: float, clock_s: float) -> None:
        """A packet of a channel, by the times after the beginning."""
        trace = Trace(np.ones(PACKET_S, np.int32))
        trace.id = name
        trace.stats.starttime = UTCDateTime(BEGIN_S + end_s - PACKET_S)
        clock_ns, end_ns = (int((BEGIN_S + t) * NS) for t in (clock_s, end_s))
        self.take(LivePiece(name, clock_ns, end_ns, False, trace, clock_ns, clock_s))

    def tick(self, clock_s: float, ends_s: dict[str, float]) -> None:
        """The states of all channels."""
        for name in IDS:
            end_ns = int((BEGIN_S + ends_s.get(name, 0)) * NS)
            self.take(LivePiece(name, int((BEGIN_S + clock_s) * NS), end_ns))

    def steady(self, names, first_s: int, stop_s: int, delay_s: float = 1.0) -> None:
        for end_s in range(first_s + PACKET_S, stop_s + 1, PACKET_S):
            for name in names:
                self.packet(name, end_s, end_s + delay_s)


def test_a_window_closes_with_the_last_packet_of_its_margin():
    feed = Feed()
    feed.steady(IDS, 0, 100)
    assert feed.closed == []
    feed.steady(IDS[:2], 100, 120)
    assert feed.closed == []
    feed.packet(IDS[2], 120, 121)
    assert feed.closed == [0]
    assert feed.n_channels == {0: 3}


def test_a_silent_channel_is_waited_for_once():
    feed = Feed()
    feed.steady(IDS, 0, 100)
    feed.steady(IDS[:2], 100, 160)  # the third one was heard 60 s ago at 161 s
    assert feed.closed == [0]
    feed.steady(IDS[:2], 160, 220)
    assert feed.closed == [0, 1]  # without a wait
    assert feed.n_channels == {0: 3, 1: 2}


def test_a_channel_that_is_always_late_is_not_waited_for_longer():
    feed = Feed()
    for end_s in range(PACKET_S, 400, PACKET_S):
        for name in IDS[:2]:
            feed.packet(name, end_s, end_s + 1)
        feed.packet(IDS[2], end_s - 200, end_s + 2)
    # the clock is at 381 s; window 2 ends at 300 s, its margin and wait at 370 s
    assert feed.closed == [0, 1, 2]


def test_an_outage_closes_no_window_and_loses_no_data():
    feed = Feed()
    feed.steady(IDS, 0, 120)
    assert feed.closed == [0]
    ends_s = dict.fromkeys(IDS, 120.0)
    for clock_s in range(122, 1000, 5):
        feed.tick(clock_s, ends_s)
    assert feed.closed == [0]
    for name in IDS:  # one channel after the other
        for end_s in range(140, 1001, PACKET_S):
            feed.packet(name, end_s, 1001 + end_s / 1e4)
    assert feed.closed == list(range(9))
    assert set(feed.n_channels.values()) == {3}


def test_a_restart_waits_for_channels_that_take_long_to_catch_up():
    feed = Feed(first=2)
    now_s = 5000.0
    for end_s in range(220, 4801, PACKET_S):
        for k, name in enumerate(IDS):  # the third one is half as fast
            if k < 2 or end_s < 2500:
                feed.packet(name, end_s, now_s)
        now_s += 0.5
    assert feed.closed == list(range(2, 24))
    assert set(feed.n_channels.values()) == {3}
    for end_s in range(2500, 4801, PACKET_S):
        feed.packet(IDS[2], end_s, now_s)
        now_s += 0.5
    assert feed.closed[-1] == 46
    assert set(feed.n_channels.values()) == {3}


def test_the_first_data_decide_the_first_window():
    feed = Feed(first=None)
    feed.steady(IDS, 540, 720)
    assert feed.closed == [5, 6]


def test_missing_data_are_named_also_of_windows_without_any():
    """The next window with data names them."""
    feed = Feed()
    feed.steady(IDS, 0, 80)
    feed.steady(IDS[:2], 80, 240)
    for end_s in range(840, 1100, PACKET_S):  # the server has lost ten minutes
        for name in IDS[:2]:
            feed.packet(name, end_s, end_s + 1.0)
    assert feed.closed == [0, 1, 2, 8, 9]
    a, b, c = IDS
    assert feed.missing == {
        0: [(a, -10, 0), (b, -10, 0), (c, -10, 0), (c, 80, 110)],
        1: [(c, 90, 210)],
        2: [(a, 240, 310), (b, 240, 310), (c, 190, 310)],
        8: [(a, 290, 820), (b, 290, 820), (c, 290, 910)],
        9: [(c, 890, 1010)],
    }


def test_a_channel_with_a_packet_that_waits_is_not_silent():
    feed = Feed()
    feed.steady(IDS, 0, 40)
    feed.steady(IDS[:2], 40, 100)
    clock_ns = int((BEGIN_S + 105) * NS)  # beyond a gap: it is not in the data yet
    feed.take(LivePiece(IDS[2], clock_ns, (BEGIN_S + 40) * NS, arrived_ns=clock_ns))
    feed.steady(IDS[:2], 100, 160)
    assert feed.closed == []
    feed.steady(IDS[:2], 160, 180)
    assert feed.closed == [0]


@pytest.mark.parametrize("is_shown", [True, False])
def test_states_have_samples_of_shown_channels(is_shown):
    feed = Feed()
    feed.windows.shown_ids = frozenset(IDS[:1] if is_shown else ())
    feed.steady(IDS, 0, 60)
    sent = feed.windows._states()
    state = sent.channels[0]
    assert (state.latency_s, state.feed_latency_s) == (1.0, 0.0)
    assert bool(state.samples) == is_shown
