"""Rules for bad data, each on a trace with a known defect."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.measuring.quality_metrics import (
    MeasureQuality,
    measure_quality,
    psd_percentiles,
)
from seismo_pes.preprocessing import quality
from seismo_pes.preprocessing.clock_correction import CorrectClock
from seismo_pes.preprocessing.overlaps import RULES, ResolveOverlaps, resolve_overlaps

START = UTCDateTime(2024, 3, 1)
PRIME = 1009


def trace(data, rate_hz=10.0, start=START, station="AAA") -> Trace:
    header = {"network": "XX", "station": station, "channel": "HHZ"}
    header |= {"sampling_rate": rate_hz, "starttime": start}
    return Trace(np.asarray(data), header)


def noise(n=PRIME, seed=1) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def pieces(stream) -> list[tuple[float, int]]:
    return [(t.stats.starttime - START, t.stats.npts) for t in stream]


# -- all rules ----------------------------------------------------------------------

ELEMENTS = [
    quality.FillGaps(max_gap_s=1.0),
    quality.DropDuplicates(),
    quality.DropFlat(shortest_s=1.0),
    quality.DropClipped(),
    quality.DropTransients(k=10.0, window_s=5.0),
    quality.Despike(k=10.0, window_s=2.0),
    quality.AlignSamples(),
    quality.RestoreRate(rate_hz=10.0),
    ResolveOverlaps(),
    CorrectClock(table=()),
]
NAMES = [type(pe).__name__ for pe in ELEMENTS]


def outputs(pe, item) -> dict[str, list]:
    results: dict[str, list] = {}
    for output in pe.process({"input": item}):
        for port, value in output.items():
            results.setdefault(port, []).append(value)
    return results


@pytest.mark.parametrize("pe", ELEMENTS, ids=NAMES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32])
def test_good_data_pass_unchanged(pe, dtype) -> None:
    pe = pickle.loads(pickle.dumps(pe))
    # a wave that is not flat at its peaks and has no sample at its limit twice
    x = (1000 * np.sin(0.37 * np.arange(PRIME)) + 50 * noise()).astype(dtype)
    record = trace(x)
    before = record.copy()
    span = ChannelSpan("XX.AAA..HHZ", START.ns, (START + 100).ns, (), 0)
    result = outputs(pe, Waveforms.of(span, Stream([record])))
    (output,) = result["output"][0].stream
    assert output.data.dtype == dtype
    np.testing.assert_array_equal(output.data, x)
    assert output.stats.starttime == record.stats.starttime
    assert "skipped" not in result
    assert record == before


@pytest.mark.parametrize("pe", ELEMENTS, ids=NAMES)
@pytest.mark.parametrize(
    "data",
    [
        np.zeros(1),
        np.ones(PRIME, np.float32),
        np.full(20, np.nan),
        np.where(np.arange(PRIME) % 100 < 3, np.nan, 1.0),
        np.ma.masked_less(np.arange(20), 10),
        np.zeros(0),
    ],
    ids=["one", "constant", "nan", "holes", "masked", "empty"],
)
def test_odd_data_do_no_harm(pe, data) -> None:
    stream = Stream([trace(data), trace(data, start=START + 500)])
    before = copy.deepcopy(stream)
    (result,) = outputs(pe, stream)["output"]
    assert isinstance(result, Stream)
    for old, new in zip(stream, before, strict=True):
        np.testing.assert_array_equal(np.ma.filled(old.data), np.ma.filled(new.data))


# -- gaps, doubles and overlaps -----------------------------------------------------


def test_short_gaps_are_filled_and_long_ones_stay() -> None:
    a, b = trace(np.arange(100.0)), trace(np.arange(105.0, 200.0), start=START + 10.5)
    c = trace(np.zeros(10), start=START + 60)
    filled, remarks = quality.fill_gaps(Stream([a, b, c]), 1.0)
    assert pieces(filled) == [(0, 200), (60, 10)]
    np.testing.assert_allclose(filled[0].data, np.arange(200.0))
    assert remarks == [
        Skipped("quality", a.id, "gaps of up to 1 s filled by straight lines"),
        Skipped("quality", a.id, "gaps of more than 1 s stay"),
    ]


def test_a_repeated_record_is_left_out() -> None:
    a, b = trace(np.arange(5)), trace(np.arange(1, 6))
    masked = trace(np.ma.masked_equal(np.arange(5), 3), start=START + 9)
    stream = Stream([a, a.copy(), b, a.copy(), masked, masked.copy()])
    left, remarks = quality.drop_duplicates(stream)
    assert len(left) == 3
    assert left[1] == b
    assert [(r.what, r.count) for r in remarks] == [(a.id, 3)]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("first", [[1, 1, 1, 1, 2, 2]]),
        ("last", [[1, 1, 2, 2, 2, 2]]),
        ("mean", [[1, 1, 1.5, 1.5, 2, 2]]),
        ("drop", [[1, 1], [2, 2]]),
    ],
)
def test_overlaps_in_conflict_are_decided_by_rule(rule, expected) -> None:
    a = trace(np.full(4, 1, np.int32))
    b = trace(np.full(4, 2, np.int32), start=START + 0.2)
    far = trace(np.full(3, 9, np.int32), start=START + 5)
    left, remarks = resolve_overlaps(Stream([b, far, a]), rule)
    assert [t.data.tolist() for t in left] == [*expected, [9, 9, 9]]
    assert left[-2].stats.endtime == b.stats.endtime
    assert remarks == [
        Skipped(
            "quality", a.id, f"overlapping traces differ in 2 samples; {RULES[rule]}"
        )
    ]


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(1, 30)), min_size=1, max_size=6),
    st.sampled_from(sorted(RULES)),
)
@settings(max_examples=50, deadline=None)
def test_overlaps_that_agree_are_silent(parts, rule) -> None:
    truth = np.arange(100, dtype=np.int32)
    stream = Stream([trace(truth[i : i + n], start=START + i / 10) for i, n in parts])
    left, remarks = resolve_overlaps(stream, rule)
    assert not remarks
    covered = set()
    for part in left:
        first = round((part.stats.starttime - START) * 10)
        np.testing.assert_array_equal(part.data, truth[first : first + len(part)])
        assert part.data.dtype == np.int32
        covered |= set(range(first, first + len(part)))
    assert covered == {k for i, n in parts for k in range(i, i + n)}


def test_overlap_rules_keep_rates_apart() -> None:
    slow = trace(np.ones(10), rate_hz=5.0)
    left, remarks = resolve_overlaps(Stream([trace(np.zeros(10)), slow]), "mean")
    assert len(left) == 2
    assert not remarks
    with pytest.raises(ParameterError, match="not one of first, last, mean, drop"):
        resolve_overlaps(Stream([slow]), "newest")


# -- samples that cannot be true ----------------------------------------------------


def test_flat_runs_are_taken_out() -> None:
    x = noise()
    x[100:130], x[500:520], x[700:705] = 0.0, 3.0, 0.0
    left, (remark,) = quality.drop_flat(trace(x), 1.0)
    assert pieces(left) == [(0, 100), (13.0, 370), (52.0, 489)]
    assert (remark.reason, remark.count) == ("5 s flat, removed", 2)
    zeros, (remark,) = quality.drop_flat(trace(x), 1.0, value=0)
    assert pieces(zeros) == [(0, 100), (13.0, 879)]
    assert remark.reason == "3 s equal to 0, removed"


def test_clipped_samples_are_taken_out_with_a_margin() -> None:
    x = noise().clip(-2.9, 2.9)
    x[300:306] = 5.0
    x[600:604] = -4.0
    left, (remark,) = quality.drop_clipped(trace(x), pad_s=0.5)
    assert pieces(left) == [(0, 295), (31.1, 284), (60.9, 400)]
    assert remark.count == 2
    everything, _ = quality.drop_clipped(trace(x), level=2.9, shortest=1)
    assert max(np.abs(t.data).max() for t in everything) < 2.9


def test_windows_with_a_transient_are_taken_out() -> None:
    x = noise()
    x[412] = 100.0
    left, (remark,) = quality.drop_transients(trace(x), 10.0, 10.0)
    assert pieces(left) == [(0, 400), (50.0, 509)]
    assert remark.reason == "10 s louder than 10 MAD, removed"


def test_the_valid_samples_of_a_trace_with_nan_are_used() -> None:
    x = noise()
    x[200:210] = np.nan
    x[412] = 100.0
    left, _ = quality.drop_transients(trace(x), 10.0, 10.0)
    # windows are counted from the piece's first sample: 210, 310, 410 ...
    assert pieces(left) == [(0, 200), (21.0, 200), (51.0, 499)]


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_spikes_are_replaced(dtype) -> None:
    x = (100 * noise()).astype(dtype)
    y = x.copy()
    y[[50, 700]] = 30_000
    left, (remark,) = quality.despike(trace(y), 10.0, 4.0)
    assert left[0].data.dtype == dtype
    changed = np.flatnonzero(left[0].data != x)
    assert changed.tolist() == [50, 700]
    assert np.abs(left[0].data[changed]).max() < 200
    assert remark.count == 2


# -- times --------------------------------------------------------------------------


@pytest.mark.parametrize("shift_s", [0.049, 0.03, -0.02, 0.0123])
def test_samples_are_moved_onto_the_grid(shift_s) -> None:
    start = START + shift_s
    t = shift_s + np.arange(PRIME) / 10
    left, (remark,) = quality.align_samples(trace(np.sin(2 * t), start=start), START.ns)
    (result,) = left
    assert result.stats.starttime == START
    error = np.abs(result.data - np.sin(2 * np.arange(PRIME) / 10))
    assert error[20:-20].max() < 1e-4
    assert remark.reason == f"moved by {-shift_s * 10:+.4f} samples onto the grid"


def test_an_aligned_trace_keeps_its_type_and_samples() -> None:
    record = trace(np.arange(5), start=START + 3600.000001)
    left, remarks = quality.align_samples(record, START.ns)
    assert left[0].data.dtype == record.data.dtype
    assert not remarks


@pytest.mark.parametrize("rate_hz", [20.0, 8.0, 10.02])
def test_a_wrong_rate_is_corrected(rate_hz) -> None:
    n = round(100 * rate_hz)
    wave = trace(np.sin(2 * np.arange(n) / rate_hz), rate_hz=rate_hz)
    left, (remark,) = quality.restore_rate(wave, 10.0)
    (result,) = left
    assert result.stats.sampling_rate == 10.0
    assert result.stats.starttime == START
    k = np.arange(len(result.data))
    assert abs(len(k) - 1000) <= 2
    # the ends affect 33 samples of the anti-alias filter, see signal.resample
    error = np.abs(result.data - np.sin(2 * k / 10))[40:-40].max()
    assert error < 1e-3
    assert f"from {rate_hz:g} Hz to 10 Hz" in remark.reason


def test_rates_that_differ_by_rounding_only_are_nominal() -> None:
    record = trace(np.arange(100), rate_hz=10.0001)
    left, remarks = quality.restore_rate(record, 10.0)
    assert left[0].stats.sampling_rate == 10.0
    assert left[0].data.dtype == record.data.dtype
    assert not remarks


def test_a_rate_that_is_no_ratio_is_refused() -> None:
    with pytest.raises(DataError, match=r"XX\.AAA\.\.HHZ: its rate of 14\.142135"):
        quality.restore_rate(trace(noise(), rate_hz=10 * np.sqrt(2)), 10.0)


@pytest.mark.parametrize(
    "call",
    [
        lambda: quality.fill_gaps(Stream(), -1.0),
        lambda: quality.drop_flat(trace(noise()), 0.0),
        lambda: quality.drop_clipped(trace(noise()), pad_s=-1.0),
        lambda: quality.drop_clipped(trace(noise()), level=-1.0),
        lambda: quality.drop_transients(trace(noise()), 0.0, 10.0),
        lambda: quality.despike(trace(noise()), 5.0, float("nan")),
        lambda: quality.restore_rate(trace(noise()), 0.0),
        lambda: measure_quality(trace(noise()), 10.0, segment_s=11.0),
    ],
)
def test_parameters_out_of_range(call) -> None:
    with pytest.raises(ValueError, match="must be"):
        call()


# -- measures -----------------------------------------------------------------------


def test_windows_are_measured_on_the_grid() -> None:
    x = np.concatenate([noise(1000), 10 * noise(1000, 2)])
    record = trace(x, start=START + 30)
    (result,) = measure_quality(record, 20.0, step_s=10.0, origin_ns=START.ns)
    expected = [(START + s).ns for s in range(30, 220, 10)]
    assert result.start_ns.tolist() == expected
    first = x[:200]
    assert result.rms[0] == pytest.approx(first.std())
    assert result.peak[0] == pytest.approx(np.abs(first - first.mean()).max())
    assert result.psd_db.shape == (19, len(result.frequency_hz))
    assert result.frequency_hz[-1] == 5.0
    # white noise of deviation 1 and 10: 10 log10(2 / 10 Hz) and 20 dB more
    np.testing.assert_allclose(result.psd_db[:8].mean(), -7 - 1.2, atol=1.5)
    louder = result.psd_db[-8:].mean() - result.psd_db[:8].mean()
    assert louder == pytest.approx(20, abs=1.5)


def test_a_window_with_a_gap_is_not_measured() -> None:
    x = noise(600)
    x[250] = np.nan
    result = measure_quality(trace(x), 10.0)
    starts = np.concatenate([item.start_ns for item in result])
    assert ((starts - START.ns) // NS).tolist() == [0, 10, 30, 40, 50]
    ((channel_id, (frequency, levels)),) = psd_percentiles(result, [0, 50, 100]).items()
    assert channel_id == "XX.AAA..HHZ"
    assert levels.shape == (3, len(frequency))
    assert (np.diff(levels, axis=0) >= 0).all()


def test_measuring_lets_the_item_pass() -> None:
    stream = Stream([trace(noise(400))])
    result = outputs(pickle.loads(pickle.dumps(MeasureQuality(10.0))), stream)
    assert result["output"][0] is stream
    assert len(result["measures"][0].rms) == 4
    assert measure_quality(trace(noise(50)), 10.0) == []
