"""Elements made of functions, and the preprocessing of traces."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes import preprocessing
from seismo_pes.items.waveforms import ChannelSpan, Waveforms

START = UTCDateTime(2024, 3, 1)


def trace(data, rate_hz=10.0, start=START) -> Trace:
    header = {"network": "XX", "station": "AAA", "channel": "HHZ"}
    header |= {"sampling_rate": rate_hz, "starttime": start}
    return Trace(np.asarray(data), header)


def outputs(pe, item) -> dict[str, list]:
    result: dict[str, list] = {"output": [], "skipped": []}
    for output in pe.process({"input": item}):
        for port, value in output.items():
            result[port].append(value)
    return result


@pytest.fixture
def span() -> ChannelSpan:
    return ChannelSpan("XX.AAA..HHZ", START.ns, (START + 60).ns, (), 0)


# -- elements ----------------------------------------------------------------------


def test_an_element_takes_trace_stream_and_waveforms(span) -> None:
    pe = preprocessing.Detrend(kind="demean")
    record = trace([1.0, 2.0, 3.0])
    for item in (record, Stream([record]), Waveforms.of(span, Stream([record]))):
        (result,) = outputs(pe, item)["output"]
        assert type(result) is type(item)
        stream = getattr(result, "stream", result)
        data = stream.data if isinstance(stream, Trace) else stream[0].data
        np.testing.assert_allclose(data, [-1, 0, 1])
    np.testing.assert_array_equal(record.data, [1, 2, 3])  # as it was


def test_an_element_can_be_pickled() -> None:
    pe = pickle.loads(pickle.dumps(preprocessing.Bandpass(low_hz=1.0, high_hz=2.0)))
    assert pe.parameters == {"low_hz": 1.0, "high_hz": 2.0}


def test_an_unknown_parameter_is_named() -> None:
    with pytest.raises(ParameterError, match=r"low_hs.*did you mean 'low_hz'"):
        preprocessing.Bandpass(low_hs=1.0, high_hz=2.0)


def test_a_refused_trace_is_reported_and_other_traces_pass(span) -> None:
    good, slow = trace(np.ones(100)), trace(np.ones(100), rate_hz=1.0)
    pe = preprocessing.Bandpass(low_hz=0.1, high_hz=2.0)
    result = outputs(pe, Waveforms.of(span, Stream([slow, good])))
    (output,) = result["output"]
    assert [tr.stats.sampling_rate for tr in output.stream] == [10.0]
    (skipped,) = result["skipped"]
    assert skipped.stage == "bandpass"
    assert skipped.what == "XX.AAA..HHZ"
    assert "0.5 Hz" in skipped.reason


def test_headers_survive(span) -> None:
    record = trace(np.arange(100.0))
    record.stats.sac = {"stla": 1.0}
    (result,) = outputs(preprocessing.Taper(seconds=1.0), record)["output"]
    assert result.stats.sac == {"stla": 1.0}
    assert result.stats.starttime == START


# -- resampling on the grid --------------------------------------------------------


@given(
    first=st.integers(0, 200),
    old_new=st.sampled_from([(100, 5), (40, 4), (20, 8), (100, 30), (50, 50), (1, 4)]),
)
def test_resampled_traces_lie_on_the_new_grid(first: int, old_new) -> None:
    old, new = old_new
    record = trace(np.ones(1000), float(old), START + first / old)
    result = preprocessing.resample(record, float(new), START.ns)
    at = (result.stats.starttime - START) * new
    # to half an old sample, as far as the old samples meet the new grid at all
    assert abs(at - round(at)) <= 0.5 * new / old + 1e-6
    assert result.stats.starttime >= record.stats.starttime


def test_too_short_to_resample() -> None:
    with pytest.raises(DataError, match="too few"):
        preprocessing.resample(trace([1.0], 100.0, START + 0.01), 1.0, START.ns)


# -- merging -----------------------------------------------------------------------


def test_merge_notes_where_data_are_flat(span) -> None:
    data = np.arange(600.0)
    data[100:350] = 7.0
    pe = preprocessing.Merge(START.ns, flat_s=20.0)
    pieces = Stream([trace(data[:200]), trace(data[200:], start=START + 20)])
    (result,) = outputs(pe, Waveforms.of(span, pieces))["output"]
    assert [tr.stats.npts for tr in result.stream] == [600]
    assert result.channels[0].flat == (((START + 10).ns, (START + 35).ns),)


@pytest.mark.parametrize("kind", ["none", "onebit", "ram", "clip"])
def test_time_normalisation_by_name(kind: str) -> None:
    rng = np.random.default_rng(1)
    record = trace(rng.standard_normal(500))
    result = preprocessing.normalize(record, kind, ram_window_s=2.0, clip_std=1.0)
    if kind == "none":
        assert result is record
    elif kind == "onebit":
        assert set(np.unique(result.data)) == {-1.0, 1.0}
    elif kind == "ram":
        k = 250
        expected = record.data[k] / np.abs(record.data[k - 10 : k + 11]).mean()
        assert result.data[k] == pytest.approx(expected)
    else:
        rms = np.sqrt(np.square(record.data).mean())
        assert np.abs(result.data).max() == pytest.approx(rms, rel=0.05)
