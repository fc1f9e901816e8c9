"""Merging traces into segments."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from seismo_pes.preprocessing.gap_filling import merge_stream
from seismo_pes.preprocessing.segments import grid_index, merge_segments

NS = 1_000_000_000
T0 = UTCDateTime(2022, 1, 2)


def trace(data, start_s=0.0, rate_hz=10.0, **header):
    codes = {"network": "XX", "station": "AAA", "channel": "HHZ"}
    start = UTCDateTime(ns=T0.ns + round(start_s * NS))
    return Trace(
        np.asanyarray(data),
        {**codes, "starttime": start, "sampling_rate": rate_hz, **header},
    )


def merged(*traces, rate_hz=None):
    return merge_segments(Stream(traces), T0.ns, rate_hz)


def reasons(skipped):
    return " | ".join(item.reason for item in skipped)


def test_contiguous_traces_join():
    (segment,), skipped = merged(trace(np.arange(50)), trace(np.arange(50, 80), 5.0))
    assert (segment.first_sample, segment.end_sample) == (0, 80)
    np.testing.assert_array_equal(segment.data, np.arange(80.0))
    assert not skipped


def test_order_does_not_matter():
    (segment,), _ = merged(trace(np.arange(50, 80), 5.0), trace(np.arange(50)))
    np.testing.assert_array_equal(segment.data, np.arange(80.0))


def test_a_gap_splits():
    segments, _ = merged(trace(np.zeros(10)), trace(np.ones(10), 1.1))
    assert [(s.first_sample, s.end_sample) for s in segments] == [(0, 10), (11, 21)]


def test_jitter_below_half_a_sample_joins():
    (segment,), _ = merged(trace(np.zeros(10)), trace(np.ones(10), 1.04))
    assert segment.end_sample == 20


@pytest.mark.parametrize("jitter_s", [0.004, -0.004])
def test_jitter_close_to_half_a_sample_off_the_grid_joins(jitter_s):
    first, second = 0.048, 1.048 + jitter_s
    segments, skipped = merged(trace(np.zeros(10), first), trace(np.ones(10), second))
    assert [len(s.data) for s in segments] == [20]
    assert not skipped


def test_duplicates_and_equal_overlaps_merge_silently():
    data = np.arange(50.0)
    (segment,), skipped = merged(
        trace(data), trace(data), trace(data[20:40], 2.0), trace(np.arange(40, 60), 4.0)
    )
    np.testing.assert_array_equal(segment.data, np.arange(60.0))
    assert not skipped


def test_conflicting_overlap_keeps_the_earlier_trace_and_is_listed():
    (segment,), (item,) = merged(trace(np.zeros(20)), trace(np.ones(20), 1.0))
    np.testing.assert_array_equal(segment.data, np.r_[np.zeros(20), np.ones(10)])
    assert item.stage == "merge"
    assert item.what == "XX.AAA..HHZ"
    assert "differ in 10 samples" in item.reason


def test_overlap_across_joined_traces():
    parts = [trace(np.arange(10 * i, 10 * i + 10), i) for i in range(4)]
    (segment,), skipped = merged(*parts, trace(np.arange(5, 45), 0.5))
    np.testing.assert_array_equal(segment.data, np.arange(45.0))
    assert not skipped


def test_wrong_rate_is_left_out_and_listed():
    segments, (item,) = merged(trace(np.zeros(100)), trace(np.ones(10), 20.0, 5.0))
    assert len(segments) == 1
    assert "sampled at 5 Hz where 10 Hz" in item.reason


def test_expected_rate_overrules_the_majority():
    (segment,), _ = merged(
        trace(np.zeros(100)), trace(np.ones(10), 20.0, 5.0), rate_hz=5.0
    )
    assert segment.rate_hz == 5.0


def test_a_slightly_wrong_rate_passes_without_drift():
    (segment,), skipped = merged(trace(np.zeros(1000), 0, 100.0002), rate_hz=100.0)
    assert segment.rate_hz == 100.0
    assert not skipped
    segments, (item,) = merged(
        trace(np.zeros(1_728_000, "i4"), 0, 19.9999), rate_hz=20.0
    )
    assert not segments
    assert "drifts 8.6 samples" in item.reason


def test_float32_interval_of_sac_is_its_rate():
    rate_hz = 1 / float(np.float32(0.01))
    (segment,), _ = merged(trace(np.zeros(100), 0, rate_hz))
    assert segment.rate_hz == 100.0


def test_the_fraction_of_a_sample_is_kept():
    (segment,), skipped = merged(trace(np.zeros(10), 1.03))
    assert segment.first_sample == 10
    assert segment.offset_s == pytest.approx(0.03)
    assert segment.offset == pytest.approx(0.3)
    assert not skipped


def test_below_a_hundredth_the_fraction_is_nothing():
    (segment,), _ = merged(trace(np.zeros(10), 1.0009))
    assert (segment.first_sample, segment.offset_s) == (10, 0.0)


@pytest.mark.parametrize("gap_s", [0.051, 0.055, 0.06])
def test_a_gap_of_more_than_half_a_sample_splits_at_any_position(gap_s):
    for start_s in (0.0, 0.03, 0.055, 0.07):
        second_s = start_s + 1.0 + gap_s
        segments, _ = merged(trace(np.zeros(10), start_s), trace(np.ones(10), second_s))
        assert [len(s.data) for s in segments] == [10, 10]
        times = [s.first_sample / 10 + s.offset_s for s in segments]
        assert times == pytest.approx([start_s, second_s], abs=1e-9)


def test_two_microseconds_are_simultaneous():
    a = trace(np.zeros(10), 0.019538, 40.0)
    b = trace(np.zeros(10), 0.019536, 40.0, station="BBB")
    segments, _ = merged(a, b)
    assert segments[0].first_sample == segments[1].first_sample


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_split(bad):
    data = np.arange(20.0)
    data[[0, 7, 8, 19]] = bad
    segments, _ = merged(trace(data))
    assert [(s.first_sample, s.end_sample) for s in segments] == [(1, 7), (9, 19)]


def test_masked_samples_split_and_another_trace_fills_them():
    data = np.ma.masked_array(np.arange(20), mask=[5 <= i < 8 for i in range(20)])
    segments, _ = merged(trace(data))
    assert [(s.first_sample, s.end_sample) for s in segments] == [(0, 5), (8, 20)]
    (segment,), _ = merged(trace(data), trace(np.arange(5, 8), 0.5))
    np.testing.assert_array_equal(segment.data, np.arange(20.0))


def test_no_trace_and_empty_traces_and_one_sample():
    assert merged() == ([], [])
    assert merged(trace(np.zeros(0))) == ([], [])
    (segment,), _ = merged(trace([7.0]))
    assert segment.data.tolist() == [7.0]
    assert merged(trace([np.nan])) == ([], [])


def test_dtypes():
    assert merged(trace(np.zeros(3, "f4")))[0][0].data.dtype == np.float32
    assert merged(trace(np.zeros(3, "i4")))[0][0].data.dtype == np.float64
    segments, _ = merge_segments([trace(np.zeros(3, "i4"))], T0.ns, dtype=np.float32)
    assert segments[0].data.dtype == np.float32


def test_input_is_left_alone():
    data = np.arange(20.0)
    data[3] = np.nan
    first, second = trace(data), trace(np.ones(20), 1.0)
    copies = first.copy(), second.copy()
    merged(first, second)
    merge_stream(Stream([first, second]), 10.0)
    np.testing.assert_array_equal(first.data, copies[0].data)
    assert first.stats == copies[0].stats
    assert second == copies[1]


@given(
    st.lists(
        st.tuples(st.integers(0, 300), st.integers(1, 80)), min_size=1, max_size=12
    ),
    st.floats(-0.45, 0.45),
)
@settings(max_examples=60, deadline=None)
def test_pieces_of_one_signal_are_joined(pieces, fraction):
    """The output is the union of the pieces of a signal, without repetition."""
    signal = np.random.default_rng(0).standard_normal(400)
    covered = np.zeros(400, bool)
    traces = []
    for start, length in pieces:
        covered[start : start + length] = True
        traces.append(trace(signal[start : start + length], (start + fraction) / 10.0))
    segments, skipped = merged(*traces)
    rebuilt = np.full(400, np.nan)
    for segment in segments:
        rebuilt[segment.first_sample : segment.end_sample] = segment.data
    np.testing.assert_array_equal(rebuilt, np.where(covered, signal, np.nan))
    assert sum(len(s.data) for s in segments) == covered.sum()
    assert "differ" not in reasons(skipped)
    gaps = np.diff([s.first_sample for s in segments])
    assert (gaps > 0).all()


def test_grid_index_of_thirds_does_not_drift():
    year_ns = 365 * 86400 * NS
    assert grid_index(T0.ns + year_ns, T0.ns, 1 / 3) == (365 * 28800, 0.0)
    assert grid_index(T0.ns + year_ns, T0.ns, 100 / 3)[0] == 365 * 2_880_000


def test_merge_stream_fills_short_gaps_only():
    stream = Stream(
        [
            trace(np.array([0, 2], "i4")),
            trace(np.array([8, 8], "i4"), 0.4),
            trace(np.array([9], "i4"), 9.0),
        ]
    )
    filled = merge_stream(stream, max_gap_s=0.2)
    assert [t.data.tolist() for t in filled] == [[0, 2, 4, 6, 8, 8], [9]]
    assert filled[0].data.dtype == np.int32
    assert [t.stats.starttime for t in filled] == [T0, T0 + 9]
    assert len(merge_stream(stream)) == 3


def test_merge_stream_keeps_rates_apart_and_start_times():
    stream = Stream([trace(np.zeros(30), 0.0123), trace(np.ones(5), 20.0, 5.0)])
    merged_stream = merge_stream(stream)
    assert [t.stats.sampling_rate for t in merged_stream] == [10.0, 5.0]
    assert merged_stream[0].stats.starttime == stream[0].stats.starttime
    assert not np.shares_memory(merged_stream[0].data, stream[0].data)
