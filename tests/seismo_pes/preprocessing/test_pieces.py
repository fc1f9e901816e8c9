"""A day in pieces gives the same output as the whole day."""

import itertools
import pickle

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.waveforms import ChannelSpan, Waveforms, with_data
from seismo_pes.preprocessing.filters import Bandpass, Bandstop, Highpass, Lowpass
from seismo_pes.preprocessing.normalization import (
    Agc,
    Clip,
    Envelope,
    MultibandRam,
    OneBit,
    RunningAbsoluteMean,
)
from seismo_pes.preprocessing.resampling import Decimate, Resample, ResampleLanczos

START = UTCDateTime(2024, 3, 1, 0, 0, 0, 120_000)
RATE = 20.0
DAY = 86_400
ELEMENTS = {
    "Bandpass": (Bandpass, {"low_hz": 0.1, "high_hz": 1.0, "zero_phase": False}),
    "Bandstop": (Bandstop, {"low_hz": 0.1, "high_hz": 1.0, "zero_phase": False}),
    "Lowpass": (Lowpass, {"corner_hz": 1.0, "corners": 2, "zero_phase": False}),
    "Highpass": (Highpass, {"corner_hz": 0.01, "zero_phase": False}),
    "Resample": (Resample, {"rate_hz": 4.0}),
    "Decimate": (Decimate, {"factor": 5}),
    "ResampleLanczos": (ResampleLanczos, {"rate_hz": 25.0}),
    "RunningAbsoluteMean": (RunningAbsoluteMean, {"window_s": 30.0}),
    "Agc": (Agc, {"window_s": 10.0}),
    "Envelope": (Envelope, {"n": 15}),
    "MultibandRam": (
        MultibandRam,
        {"bands_hz": [(0.1, 1.0), (1.0, 4.0)], "window_s": 30.0, "zero_phase": False},
    ),
}

every = pytest.mark.parametrize(
    ("element", "options"), ELEMENTS.values(), ids=list(ELEMENTS)
)


def record(seconds, channel="HHZ", seed=1, start=START):
    x = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    x = (1000 * x.cumsum()).astype(np.int32)
    header = {"network": "XX", "station": "AAA", "channel": channel}
    return Trace(x, {**header, "starttime": start, "sampling_rate": RATE})


def cut(trace, indices):
    """Cut a trace before some samples, as a recorder does: times to a microsecond."""
    pieces = []
    for begin, data in zip(
        [0, *indices], np.split(trace.data, list(indices)), strict=True
    ):
        start = trace.stats.starttime + begin / RATE
        pieces.append(with_data(trace, data, starttime=start))
    return pieces


def through(pe, items):
    """Return the items that an element sends, and those that it sends at the end."""
    sent = [out for item in items for out in pe.process({"input": item})]
    assert not [out for out in sent if "skipped" in out]
    late = []
    pe.write = lambda port, item: late.append(item)
    pe.postprocess()
    return [out["output"] for out in sent], late


def joined(traces):
    """Join traces, and check that each begins where the last one ended."""
    for item, following in itertools.pairwise(traces):
        end_ns = item.stats.starttime.ns + len(item) * 10**9 / item.stats.sampling_rate
        assert abs(following.stats.starttime.ns - end_ns) < 2000
    return np.concatenate([trace.data for trace in traces])


def check(pieces, whole):
    assert pieces[0].id == whole.id
    assert abs(pieces[0].stats.starttime - whole.stats.starttime) < 2e-6
    assert {trace.stats.sampling_rate for trace in pieces} == {
        whole.stats.sampling_rate
    }
    data = joined(pieces)
    assert data.shape == whole.data.shape
    assert np.abs(data - whole.data).max() <= 1e-12 * np.abs(whole.data).max()


@every
def test_a_day_cut_at_random_equals_the_uncut_day(element, options):
    day = record(DAY)
    indices = np.random.default_rng(2).integers(1, len(day), 300)
    pieces = cut(day, np.unique(indices))
    final, rest = through(element(**options, continuous=True), pieces)
    (whole,), nothing = through(element(**options), [day])
    assert nothing == []
    check(final + rest, whole)


@every
def test_packets_of_two_channels_in_turn(element, options):
    records = [record(60, "HHZ", 1), record(60, "HHN", 2)]
    turns = zip(*(cut(r, range(97, len(r), 97)) for r in records), strict=True)
    packets = [packet for turn in turns for packet in turn]
    final, rest = through(element(**options, continuous=True), packets)
    for item in records:
        (whole,), _ = through(element(**options), [item])
        check([t for t in final + rest if t.id == item.id], whole)


@every
def test_a_gap_begins_a_new_record(element, options):
    first, second = record(600, seed=1), record(600, seed=2, start=START + 601.03)
    pieces = [*cut(first, [5000, 9000]), *cut(second, [100, 10_000])]
    final, rest = through(element(**options, continuous=True), pieces)
    traces = final + rest
    for item in (first, second):
        (whole,), _ = through(element(**options), [item])
        begin, end = item.stats.starttime - 1, item.stats.endtime + 0.5
        check([t for t in traces if begin < t.stats.starttime < end], whole)


def test_times_follow_a_clock_that_drifts():
    whole = record(1000)
    pieces = cut(whole, range(200, len(whole), 200))
    for i, piece in enumerate(pieces):
        piece.stats.starttime += 1e-3 * i  # together two samples
    pe = Resample(4.0, continuous=True)
    final, rest = through(pe, pieces)
    last = (final + rest)[-1]
    ahead = last.stats.endtime - pieces[-1].stats.endtime
    assert -1 / 4.0 < ahead < 1 / 4.0
    (expected,), _ = through(Resample(4.0), [whole])
    assert sum(len(t) for t in final + rest) == len(expected)


def test_another_rate_begins_a_new_record():
    first, second = record(60), record(60, seed=2, start=START + 60)
    second.stats.sampling_rate = 10.0
    pe = RunningAbsoluteMean(4.0, continuous=True)
    final, rest = through(pe, [first, second])
    assert [t.stats.sampling_rate for t in final + rest] == [20, 20, 10, 10]
    assert sum(len(t) for t in final) == 2400 - 20


def test_a_piece_that_is_not_finite_is_skipped_and_begins_a_new_record():
    pieces = cut(record(60), [400, 800])
    pieces[1].data = np.full(400, np.nan)
    pe = Lowpass(1.0, zero_phase=False, continuous=True)
    sent = [out for piece in pieces for out in pe.process({"input": piece})]
    assert [list(out) for out in sent] == [["output"], ["skipped"], ["output"]]
    assert "not finite" in sent[1]["skipped"].reason
    (alone,), _ = through(Lowpass(1.0, zero_phase=False), [pieces[2]])
    assert np.allclose(sent[2]["output"].data, alone.data, rtol=1e-12)


def test_streams_and_waveforms_keep_their_type():
    pieces = cut(record(60), [400, 800])
    span = ChannelSpan("XX.AAA..HHZ", 0, 10**18, (), 0)
    (whole,), _ = through(Agc(2.0), [record(60)])
    for wrapped in (lambda t: Stream([t]), lambda t: Waveforms.of(span, [t])):
        final, rest = through(
            Agc(2.0, continuous=True), [wrapped(piece) for piece in pieces]
        )
        assert {type(item) for item in final + rest} == {type(wrapped(whole))}
        traces = [
            trace for item in final + rest for trace in getattr(item, "stream", item)
        ]
        check(traces, whole)


def test_functions_of_single_samples_need_no_state():
    day = record(600)
    for element, options in ((OneBit, {}), (Clip, {"level": 500.0})):
        (whole,), _ = through(element(**options), [day])
        final, rest = through(element(**options), cut(day, [17, 1000]))
        assert np.array_equal(joined(final + rest), whole.data)


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_chain_of_them_in_a_run(mapping):
    records = [record(300, "HHZ", 1), record(300, "HHN", 2)]
    chain = [
        Bandpass(0.1, 1.0, zero_phase=False, continuous=True),
        Resample(4.0, continuous=True),
        Agc(20.0, continuous=True),
    ]
    graph = WorkflowGraph()
    for pe, following in itertools.pairwise(chain):
        graph.connect(pe, "output", following, "input")
    turns = zip(*(cut(r, range(412, len(r), 412)) for r in records), strict=True)
    items = [{"input": packet} for turn in turns for packet in turn]
    processes = 5 if mapping == "multi" else None
    result = run(graph, {chain[0]: items}, mapping=mapping, processes=processes)
    traces = result.outputs[chain[-1].id]["output"]
    for item in records:
        whole = item
        for element, options in (
            (Bandpass, {"low_hz": 0.1, "high_hz": 1.0, "zero_phase": False}),
            (Resample, {"rate_hz": 4.0}),
            (Agc, {"window_s": 20.0}),
        ):
            (whole,), _ = through(element(**options), [whole])
        check([t for t in traces if t.id == item.id], whole)


def test_an_element_with_state_can_be_pickled():
    pieces = cut(record(60), [400, 800])
    pe = Resample(4.0, continuous=True)
    before = [out["output"] for out in pe.process({"input": pieces[0]})]
    final, rest = through(pickle.loads(pickle.dumps(pe)), pieces[1:])
    (whole,), _ = through(Resample(4.0), [record(60)])
    check(before + final + rest, whole)


def test_functions_that_need_whole_records_are_refused():
    with pytest.raises(ParameterError, match="zero_phase=False"):
        Bandpass(0.1, 1.0, continuous=True)
    with pytest.raises(ParameterError, match="across_components=False"):
        Agc(10.0, across_components=True, continuous=True)
    pe = ResampleLanczos(3.0, continuous=True)
    (out,) = pe.process({"input": record(60)})
    assert "use Resample" in out["skipped"].reason


def test_default_is_as_before():
    assert not Bandpass(0.1, 1.0).continuous
    assert Bandpass(0.1, 1.0).parameters == {"low_hz": 0.1, "high_hz": 1.0}
    assert Bandpass(0.1, 1.0).stateful is None
