"""Sets of intervals, and samples that elements removed, against counting."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Trace, UTCDateTime

from seismo_pes.items.intervals import difference, measure, union
from seismo_pes.items.losses import Loss, samples_lost
from seismo_pes.items.times import NS

N = 40
interval = st.tuples(st.integers(0, N - 1), st.integers(1, 12))
intervals = st.lists(interval.map(lambda t: (t[0], min(t[0] + t[1], N))), max_size=8)


def points(parts):
    return {k for start, end in parts for k in range(start, end)}


@given(intervals, intervals)
def test_union_and_difference_are_those_of_sets(one, other):
    assert points(union(one)) == points(one)
    assert points(difference(one, other)) == points(one) - points(other)
    for parts in (union(one), difference(one, other)):
        assert parts == sorted(parts)
        assert all(a[1] <= b[0] for a, b in itertools.pairwise(parts))


@given(intervals, st.lists(interval, max_size=5))
def test_the_measure_counts_the_points_of_each_window(parts, windows):
    starts = np.array([start for start, _ in windows], np.int64)
    ends = np.array([start + length for start, length in windows], np.int64)
    counts = [
        len(points(parts) & set(range(*w))) for w in zip(starts, ends, strict=True)
    ]
    assert measure(union(parts), starts, ends).tolist() == counts


def trace(data, start_s=0.0, rate_hz=1.0):
    header = {"starttime": UTCDateTime(start_s), "sampling_rate": rate_hz}
    return Trace(np.asarray(data), header)


def test_missing_samples_are_not_lost_by_an_element():
    data = np.arange(20.0)
    data[5:8] = np.nan
    left = [trace(data[:5]), trace(data[8:15], 8)]
    lost = [Loss(15 * NS, 20 * NS, "flat")]
    assert samples_lost([trace(data)], left, "flat") == lost
    masked = np.ma.masked_invalid(data)
    assert samples_lost([trace(masked)], left, "flat") == lost


@pytest.mark.parametrize("factor", [2, 4])
def test_a_lower_rate_loses_nothing(factor):
    """The last sample of the lower rate may end earlier, or later."""
    before = [trace(np.ones(99))]
    after = [trace(np.ones(99 // factor), 0, 1 / factor)]
    assert samples_lost(before, after, "resample") == []
