"""Windows close once, when their channels are complete, and never before."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from seismo_pes.gathering.closing import Closing, Coverage, channels_of

LENGTH = 10
CHANNELS = "ABC"


def windows_of(start: int, end: int) -> range:
    return range(start // LENGTH, (end - 1) // LENGTH + 1)


def feed(closing: Closing, channel: str, start: int, end: int) -> list[int]:
    """Open the windows that a piece touches, add it; return what closes."""
    for k in windows_of(start, end):
        closing.open(k, k * LENGTH, (k + 1) * LENGTH, CHANNELS)
    closing.add(channel, start, end)
    return closing.ready()


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), max_size=20))
def test_coverage_is_the_union(pieces) -> None:
    coverage, seconds = Coverage(), set()
    for start, n in pieces:
        coverage.add(start, start + n)
        seconds |= set(range(start, start + n))
    result = {s for a, b in coverage.intervals for s in range(a, b)}
    assert result == seconds
    ends = [x for interval in coverage.intervals for x in interval]
    assert ends == sorted(set(ends))  # disjoint, ascending, and none touch
    for start in range(0, 50, 7):
        whole = set(range(start, start + 5)) <= seconds
        assert coverage.covers(start, start + 5) == whole


@st.composite
def arrivals(draw):
    """Draw the pieces of three channels over 60 s, in any order, some twice."""
    pieces = []
    for channel in CHANNELS:
        cuts = sorted(draw(st.sets(st.integers(1, 59), max_size=8)) | {0, 60})
        pieces += [(channel, a, b) for a, b in itertools.pairwise(cuts)]
    twice = draw(st.lists(st.sampled_from(pieces), max_size=4))
    return draw(st.permutations(pieces + twice))


@given(arrivals())
def test_each_window_closes_once_with_all_its_data(pieces) -> None:
    closing, closed = Closing[int](), []
    arrived = {channel: set() for channel in CHANNELS}
    for channel, start, end in pieces:
        arrived[channel] |= set(range(start, end))
        new = feed(closing, channel, start, end)
        complete = [
            k
            for k in range(6)
            if k not in closed
            and all(
                set(range(k * LENGTH, (k + 1) * LENGTH)) <= arrived[c] for c in CHANNELS
            )
        ]
        assert new == complete  # no sooner and no later
        closed += new
    assert sorted(closed) == list(range(6))
    assert closing.close_all() == []
    assert len(closing) == 0


@given(arrivals(), st.sampled_from(CHANNELS), st.integers(0, 25))
def test_a_missing_channel_is_waited_for(pieces, dead, wait) -> None:
    closing, closed, newest, arrived = Closing[int](wait), [], 0, set()
    for channel, start, end in pieces:
        if channel == dead:
            continue
        # windows without data whose wait is over are late
        late = {k for k in windows_of(start, end) if newest >= (k + 1) * LENGTH + wait}
        arrived |= set(windows_of(start, end)) - late
        newest = max(newest, end)
        new = feed(closing, channel, start, end)
        assert new == sorted(new)
        assert all(newest >= (k + 1) * LENGTH + wait for k in new)
        closed += new
        assert all(newest < (k + 1) * LENGTH + wait for k in range(6) if k in closing)
    closed += closing.close_all()
    assert len(closed) == len(set(closed))
    assert set(closed) == arrived


def test_late_pieces_open_nothing() -> None:
    closing = Closing[int](5)
    assert feed(closing, "A", 0, 10) == []
    assert feed(closing, "A", 10, 15) == [0]
    assert not closing.open(0, 0, 10, CHANNELS)
    assert feed(closing, "B", 0, 10) == []
    assert feed(closing, "A", 15, 1000) == list(range(1, 99))
    assert not closing.open(50, 500, 510, CHANNELS)  # forgotten, and still refused


def test_a_closed_window_is_not_opened_again() -> None:
    closing = Closing[int]()
    assert [feed(closing, channel, 0, 10) for channel in CHANNELS] == [[], [], [0]]
    assert not closing.open(0, 0, 10, CHANNELS)


def test_windows_without_channels_are_complete() -> None:
    closing = Closing[str]()
    closing.open("b", 0, 20, ())
    closing.open("a", 0, 10, ())
    assert closing.ready() == ["a", "b"]


def test_windows_may_be_closed_one_by_one() -> None:
    closing = Closing[int](3)
    closing.open(0, 0, 10, "AB")
    closing.open(1, 10, 20, "AB")
    closing.add("A", 0, 13)
    assert closing.wait_is_over(0)
    assert closing.is_complete(0)
    assert not closing.is_complete(1)
    closing.close(0)
    assert 0 not in closing
    closing.add("B", 0, 20)
    closing.add("A", 13, 20)
    assert closing.ready() == [1]


def test_coverage_that_no_window_needs_is_forgotten() -> None:
    closing = Closing[int]()
    for k in range(1000):
        for channel in CHANNELS:
            start = 20 * k  # every second window has no data
            feed(closing, channel, start, start + 10)
    assert all(len(c.intervals) == 1 for c in closing._coverage.values())


def test_channels_of_each_period_or_of_every_period() -> None:
    assert channels_of({1: "A"}, 1) == "A"
    assert channels_of({1: "A"}, 2) == ()
    assert channels_of(["A"], 7) == ["A"]
