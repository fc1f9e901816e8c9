"""The metadata that are valid at each time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Station

from seismo_pes.metadata.epochs import (
    DIRECTION,
    PLACE,
    TOLERANCE_S,
    channel_epochs,
    direction,
    overlaps,
    place_epochs,
    split_trace,
    timeline,
)

START = UTCDateTime(2024, 3, 1)
N, RATE_HZ = 1000, 1.0


def epoch(azimuth, start=None, end=None, dip=0.0):
    """Return a channel; times are seconds after the start of the trace."""
    times = [None if t is None else START + t for t in (start, end)]
    return Channel(
        *("BHN", "", 30.0, 0.0, 0.0, 0.0),
        azimuth=azimuth,
        dip=dip,
        start_date=times[0],
        end_date=times[1],
    )


def parts(epochs, rate_hz=RATE_HZ, n=N):
    """Return first sample, number of samples and azimuth of each part of a trace."""
    header = {"starttime": START, "sampling_rate": rate_hz}
    trace = Trace(np.arange(float(n)), header)
    result = split_trace(trace, epochs, DIRECTION)
    for part, _ in result:
        assert part.stats.starttime == START + part.data[0] / rate_hz
    return [
        (int(part.data[0]), len(part), None if channel is None else channel.azimuth)
        for part, channel in result
    ]


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [
        ([epoch(1)], [(0, N, 1)]),
        ([epoch(1, None, 400), epoch(2, 400)], [(0, 400, 1), (400, 600, 2)]),
        ([epoch(2, 400), epoch(1, None, 400)], [(0, 400, 1), (400, 600, 2)]),
        # equal values are one epoch
        ([epoch(1, None, 400), epoch(1, 400)], [(0, N, 1)]),
        # a gap of a second; ends within the tolerance
        ([epoch(1, None, 399), epoch(2, 400)], [(0, 400, 1), (400, 600, 2)]),
        ([epoch(1, 1.9, N - 2.9)], [(0, N, 1)]),
        ([epoch(1, 0.04)], [(0, N, 1)]),
        # a longer gap
        (
            [epoch(1, None, 400), epoch(2, 500)],
            [(0, 402, 1), (402, 96, None), (498, 502, 2)],
        ),
        ([epoch(1, None, 400)], [(0, 402, 1), (402, 598, None)]),
        ([epoch(1, 400)], [(0, 398, None), (398, 602, 1)]),
        ([epoch(1, None, -10)], [(0, N, None)]),
        ([], [(0, N, None)]),
        # the epoch that begins last is valid; of equal starts the epoch that ends first
        ([epoch(1), epoch(2, 400)], [(0, 400, 1), (400, 600, 2)]),
        (
            [epoch(1), epoch(2, 400, 500)],
            [(0, 400, 1), (400, 100, 2), (500, 500, 1)],
        ),
        ([epoch(1), epoch(2, None, 500)], [(0, 500, 2), (500, 500, 1)]),
        ([epoch(1), epoch(2)], [(0, N, 1)]),
        # a change within the tolerance of an end
        ([epoch(1, None, 2), epoch(2, 2)], [(0, N, 2)]),
        ([epoch(1, None, N - 1), epoch(2, N - 1)], [(0, N, 1)]),
        # unknown values are no epoch
        ([epoch(None), epoch(3)], [(0, N, 3)]),
    ],
)
def test_parts_of_a_trace(epochs, expected):
    assert parts(epochs) == expected


def test_a_sample_of_slow_data_is_no_part():
    # samples 10 s apart: an end 9 s before the last sample is none
    assert parts([epoch(1, 4, 9 * 10 - 9)], 0.1, 10) == [(0, 10, 1)]


def test_a_change_between_samples_belongs_to_the_next_sample():
    assert parts([epoch(1, None, 399.5), epoch(2, 399.5)]) == [
        (0, 400, 1),
        (400, 600, 2),
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(-20, 1020), st.integers(-20, 1020), st.integers(0, 2)),
        max_size=5,
    )
)
def test_each_sample_gets_a_valid_epoch(spans):
    epochs = [epoch(a, *sorted((s, e + 5 * (s == e)))) for s, e, a in spans]
    result = parts(epochs)
    assert [first for first, _, _ in result] == [
        0,
        *np.cumsum([n for _, n, _ in result])[:-1],
    ]
    slack = 2 * TOLERANCE_S + 1
    for first, n, azimuth in result:
        for sample in {first, first + n // 2, first + n - 1}:
            near = {
                e.azimuth
                for e in epochs
                if e.start_date - START <= sample + slack
                and sample - slack <= e.end_date - START
            }
            inside = [
                e
                for e in epochs
                if e.start_date - START + slack < sample < e.end_date - START - slack
            ]
            assert azimuth in near or azimuth is None
            assert azimuth is not None or not inside


def test_overlaps_that_differ():
    span = START.ns, (START + N).ns
    contradiction = [epoch(1, None, 500), epoch(2, 400)]
    (overlap,) = overlaps(contradiction, DIRECTION, *span)
    assert (overlap.start_ns, overlap.end_ns) == ((START + 400).ns, (START + 500).ns)
    assert overlap.metadata is contradiction[1]
    assert not overlaps([epoch(1, None, 401), epoch(2, 400)], DIRECTION, *span)
    assert not overlaps([epoch(1, None, 500), epoch(1, 400)], DIRECTION, *span)
    assert not overlaps([epoch(1, N), epoch(2, N + 5)], DIRECTION, *span)


def test_directions():
    assert direction(epoch(None, dip=-90.0)) == (0.0, -90.0)
    assert direction(epoch(None, dip=90.0)) == (0.0, 90.0)
    assert direction(epoch(None, dip=-60.0)) is None
    assert direction(epoch(10.0, dip=None)) is None


def test_places_come_from_the_station_where_the_channel_has_none():
    stations = [
        Station("AAA", 10.0, 0.0, 0.0, end_date=START),
        Station("AAA", 20.0, 0.0, 0.0, start_date=START),
    ]
    inventory = Inventory([Network("XX", stations)])
    places = place_epochs(inventory, "XX.AAA..BHN")
    assert [e.metadata.latitude for e in timeline(places, PLACE)] == [10.0, 20.0]
    stations[0].channels = [epoch(30.0)]
    assert place_epochs(inventory, "XX.AAA..BHN") == stations[0].channels


@pytest.mark.parametrize("code", ["", "--", "  "])
def test_empty_location_codes(code):
    channel = Channel("BHN", code, 1.0, 2.0, 0.0, 0.0)
    station = Station("AAA", 1.0, 2.0, 0.0, channels=[channel])
    inventory = Inventory([Network("XX", [station])])
    assert channel_epochs(inventory, "XX.AAA..BHN") == [channel]
    assert not channel_epochs(inventory, "XX.AAA.00.BHN")
