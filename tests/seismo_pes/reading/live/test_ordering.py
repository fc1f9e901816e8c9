"""Records of one channel, in any order and any number of times, become its samples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seismo_pes.items.times import NS
from seismo_pes.reading.live.ordering import LATE, ChannelOrder, Rules
from seismo_pes.reading.live.record import Record
from tests.seismo_pes.reading.live.records import (
    CHANNEL,
    RATE_HZ,
    START,
    joined,
    record_of,
    samples,
    trace_of,
)

N = 2000
DATA = samples(N)
HOLD_S, IDLE_S = 30.0, 300.0


def order(start_ns: int | None = START.ns) -> ChannelOrder:
    return ChannelOrder(CHANNEL, Rules(HOLD_S, IDLE_S), START.ns, start_ns)


def taken(channel: ChannelOrder, records: list[Record]) -> tuple[list, list]:
    used, skipped = [], []
    for record in records:
        more, left = channel.take(record)
        used += more
        skipped += left
    return used, skipped


def traces(records: list[Record]) -> list:
    return [record.trace for record in records]


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_any_sizes_and_any_order_give_the_same_samples(data) -> None:
    edges = data.draw(st.sets(st.integers(1, N - 1), max_size=30))
    edges = [0, *sorted(edges), N]
    intervals = list(itertools.pairwise(edges))
    # doubled records, and records that overlap others
    starts = data.draw(st.lists(st.integers(0, N - 2), max_size=6))
    intervals += [(k, min(N, k + 1 + 7 * k % 300)) for k in starts]
    intervals += data.draw(st.lists(st.sampled_from(intervals), max_size=6))
    intervals = data.draw(st.permutations(intervals))
    channel = order()
    used, skipped = taken(
        channel, [record_of(DATA, *i, N / RATE_HZ) for i in intervals]
    )
    result = joined(traces(used), N)
    assert not result.mask.any()
    np.testing.assert_array_equal(result.data, DATA)
    assert channel.watermark_ns == START.ns + round(N * NS / RATE_HZ)
    assert skipped == []
    assert channel.counts["gaps"] == 0


def test_a_missing_record_is_waited_for_and_then_given_up() -> None:
    channel = order()
    records = [record_of(DATA, k, k + 100) for k in range(0, 800, 100)]
    missing = records.pop(3)
    used, _ = taken(channel, records)
    assert len(used) == 3
    assert channel.watermark_ns == missing.start_ns
    last_ns = records[2].arrived_ns
    assert channel.advance(last_ns + round(29.9 * NS)) == ([], [])
    after, _ = channel.advance(records[3].arrived_ns + round(30.1 * NS))
    assert len(after) == 4
    assert channel.watermark_ns == records[-1].end_ns
    assert channel.counts["gaps"] == 1
    assert channel.counts["gap_ns"] == 5 * NS
    used, (late,) = channel.take(missing)
    assert used == []
    assert (late.reason, late.count) == (LATE, 100)
    assert (late.start_ns, late.end_ns) == (missing.start_ns, missing.end_ns)


def test_many_gaps_delay_the_data_only_once() -> None:
    channel = order()
    records = [record_of(DATA, k, k + 50) for k in range(0, N, 100)]
    for record in records:
        channel.take(record)
    # every gap was seen at its own time: all but the newest are over
    now_ns = records[-1].arrived_ns + round((HOLD_S + 1) * NS)
    used, _ = channel.advance(now_ns)
    assert len(used) == len(records) - 1


def test_other_samples_of_the_same_time_do_not_replace_the_first() -> None:
    channel = order()
    used, _ = taken(channel, [record_of(DATA, 0, 300)])
    other = DATA.copy()
    other[250:] += 1
    used_2, (skipped,) = channel.take(record_of(other, 200, 400))
    result = joined(traces(used + used_2), 400)
    np.testing.assert_array_equal(result[:300], DATA[:300])
    np.testing.assert_array_equal(result[300:], other[300:400])
    assert "other samples" in skipped.reason
    assert skipped.count == 100
    assert channel.counts["different"] == 1


def test_the_same_samples_are_dropped() -> None:
    channel = order()
    used, skipped = taken(channel, [record_of(DATA, 0, 300), record_of(DATA, 100, 250)])
    used_2, left = channel.take(record_of(DATA, 0, 300))
    assert (len(used), skipped, used_2, left) == (1, [], [], [])
    assert channel.counts["doubled"] == 2


def test_a_record_from_the_future_moves_nothing() -> None:
    channel = order()
    channel.take(record_of(DATA, 0, 100))
    ahead = record_of(DATA, 1500, 1600, arrived_s=15.0)
    used, (skipped,) = channel.take(ahead)
    assert used == []
    assert "future" in skipped.reason
    assert channel.watermark_ns == START.ns + 5 * NS
    used, _ = channel.take(record_of(DATA, 100, 200))
    assert len(used) == 1


def test_a_clock_that_steps_ahead_does_not_stop_the_data() -> None:
    """A record 40 s ahead is held while the others continue, until they reach it."""
    channel = order()
    step = record_of(DATA, 1000, 1100, arrived_s=20.0)
    used, skipped = taken(channel, [record_of(DATA, 0, 100), step])
    for k in range(100, N, 100):
        record = record_of(DATA, k, k + 100, arrived_s=20 + k / RATE_HZ)
        more, left = channel.take(record)
        used += more
        skipped += left
        more, left = channel.advance(record.arrived_ns)
        used += more
        skipped += left
    assert skipped == []
    np.testing.assert_array_equal(joined(traces(used), N), DATA)
    assert channel.counts["gaps"] == 0


def test_a_clock_that_steps_back_leaves_the_first_samples() -> None:
    channel = order()
    taken(channel, [record_of(DATA, k, k + 100) for k in range(0, 1600, 100)])
    other = samples(100, seed=9)
    back = Record(trace_of(other, 400), START.ns + 81 * NS, 81.0)
    more, (skipped,) = channel.take(back)
    assert more == []
    assert "other samples" in skipped.reason
    assert channel.watermark_ns == START.ns + 80 * NS


def test_a_rate_that_drifts_is_no_gap() -> None:
    """At 18.8 Hz in the header and 18.81 Hz in truth, all records follow each other."""
    channel = order()
    n, true_hz = 376, 18.81
    used = []
    for k in range(50):
        start = START + k * n / true_hz
        trace = trace_of(DATA[:n] + k, rate_hz=18.8, start=start)
        record = Record(trace, trace.stats.endtime.ns, 0.0)
        more, skipped = channel.take(record)
        assert skipped == []
        used += more
    assert [len(record.trace.data) for record in used] == [n] * 50
    assert channel.counts["gaps"] == 0


def test_samples_before_the_first_record_are_late_not_lost_silently() -> None:
    channel = order(start_ns=None)
    used, _ = channel.take(record_of(DATA, 200, 300))
    assert len(used) == 1
    used, (skipped,) = channel.take(record_of(DATA, 100, 200, arrived_s=16.0))
    assert used == []
    assert (skipped.reason, skipped.count) == (LATE, 100)


def test_samples_before_the_start_are_not_wanted() -> None:
    channel = order(start_ns=START.ns + 10 * NS)
    used, skipped = taken(channel, [record_of(DATA, 0, 100), record_of(DATA, 100, 300)])
    assert skipped == []
    assert [r.start_ns for r in used] == [START.ns + 10 * NS]
    assert channel.counts["early"] == 2


def test_the_number_of_waiting_records_is_bounded() -> None:
    data = samples(12_000)
    channel = order()
    n_used = 0
    for k in range(10, len(data), 10):
        n_used += len(channel.take(record_of(data, k, k + 10, arrived_s=600.0))[0])
    assert n_used > 0
    assert channel.counts["gaps"] == 1


def test_a_silent_channel_is_idle_until_its_next_record() -> None:
    channel = order()
    channel.take(record_of(DATA, 0, 100))
    assert not channel.is_idle(START.ns + 304 * NS)
    assert channel.is_idle(START.ns + 305 * NS)
    channel.take(record_of(DATA, 100, 200, arrived_s=400.0))
    assert not channel.is_idle(START.ns + 401 * NS)


@pytest.mark.parametrize("n", [1, 2])
def test_records_of_few_samples(n) -> None:
    channel = order()
    used, _ = taken(channel, [record_of(DATA, k, k + n) for k in range(0, 100, n)])
    np.testing.assert_array_equal(joined(traces(used), 100), DATA[:100])
