"""Records with a slightly wrong sampling rate, from files to merged traces."""

import io

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read

from seismo_pes.preprocessing import merge_segments, merge_stream
from seismo_pes.preprocessing.overlaps import resolve_overlaps
from seismo_pes.reading import read_file
from seismo_pes.signal.resample import interpolate_lanczos

START = UTCDateTime(2024, 3, 1)
HOUR_S = 3600


def ground_motion(t_s):
    """Return a motion known at any time: sines between 0.1 and 6 Hz."""
    rng = np.random.default_rng(3)
    f, p = rng.uniform(0.1, 6.0, 25), rng.uniform(0, 2 * np.pi, 25)
    return np.sin(2 * np.pi * np.outer(t_s, f) + p).sum(axis=1)


def pieces(true_hz, n, seconds, header_hz=20.0, late_s=0.0):
    """Return traces of n samples with true starts and an untrue rate."""
    traces = []
    for first in range(0, int(seconds * true_hz) // n * n, n):
        t_s = late_s + (first + np.arange(n)) / true_hz
        header = {"network": "XX", "station": "A", "channel": "HHZ"}
        header |= {"sampling_rate": header_hz, "starttime": START + t_s[0]}
        traces.append(Trace(ground_motion(t_s), header))
    return traces


def write_records(path, traces, shuffle=False, **options):
    """Write each trace as records of its own, one after the other."""
    blocks = []
    for trace in traces:
        content = io.BytesIO()
        Stream([trace]).write(content, "MSEED", **options)
        blocks.append(content.getvalue())
    if shuffle:
        np.random.default_rng(1).shuffle(blocks)
    path.write_bytes(b"".join(blocks))


def largest_error(segments, origin=START, margin=60):
    """Return the largest difference from the motion at the times of the grid."""
    errors = []
    for segment in segments:
        sample = segment.first_sample + np.arange(len(segment.data))
        truth = ground_motion(sample / segment.rate_hz)
        error = np.abs(segment.data - truth)
        errors.append(error[margin:-margin].max())
    return max(errors)


@pytest.mark.parametrize("ppm", [-50, 10, 400])
@pytest.mark.parametrize("shuffle", [False, True], ids=["in order", "out of order"])
def test_records_of_miniseed_lie_at_their_true_times(tmp_path, ppm, shuffle):
    traces = pieces(20 * (1 + ppm * 1e-6), 200, HOUR_S)
    path = tmp_path / "day.mseed"
    write_records(path, traces, shuffle, reclen=2048, encoding="FLOAT64")
    stream = read_file(path)
    if not shuffle:
        (trace,) = stream
        assert abs(trace.stats.sampling_rate / (20 * (1 + ppm * 1e-6)) - 1) < 3e-9
    segments, skipped = merge_segments(stream, START.ns)
    (segment,) = segments
    assert segment.rate_hz == 20.0
    assert abs(len(segment.data) - HOUR_S * 20) < 202
    assert largest_error(segments) < 0.03  # a time error of 0.01 samples at 6 Hz
    assert any(f"{ppm:+.2f} ppm" in item.reason for item in skipped)


@pytest.mark.parametrize("file_format", ["SAC", "MSEED"])
@pytest.mark.parametrize("ppm", [-50, 300])
def test_hourly_files_lie_at_their_true_times(tmp_path, file_format, ppm):
    stream = Stream()
    for k, trace in enumerate(pieces(20 * (1 + ppm * 1e-6), 72_000, 6 * HOUR_S + 60)):
        path = tmp_path / f"{k}.{file_format}"
        options = {"encoding": "FLOAT64"} if file_format == "MSEED" else {}
        trace.write(str(path), file_format, **options)
        stream += read_file(path)
    segments, skipped = merge_segments(stream, START.ns)
    assert len(segments) == 1
    # SAC keeps milliseconds of the start, and single precision
    assert largest_error(segments) < (0.2 if file_format == "SAC" else 0.03)
    assert sum(item.count for item in skipped) == len(stream)


def test_a_rate_that_changes_is_followed(tmp_path):
    """The rate goes from 40 ppm above to 40 ppm below within two hours."""
    n_records, n = 720, 200
    index = np.arange(n_records * n)
    part = index / index[-1]
    true_s = index / 20 * (1 - 4e-5 * (1 - part))
    traces = []
    for k in range(n_records):
        t_s = true_s[k * n : (k + 1) * n]
        header = {"sampling_rate": 20.0, "starttime": START + t_s[0]}
        traces.append(Trace(ground_motion(t_s), header))
    path = tmp_path / "x.mseed"
    write_records(path, traces, reclen=2048, encoding="FLOAT64")
    segments, _ = merge_segments(read_file(path), START.ns)
    assert len(segments) == 1
    slope = np.abs(np.diff(ground_motion(np.arange(0, HOUR_S, 0.05)))).max()
    assert largest_error(segments) < 0.05 * slope


@pytest.mark.parametrize("jitter_s", [0.0, 1e-6, 2e-5])
def test_jitter_changes_nothing_bit_for_bit(tmp_path, jitter_s):
    rng = np.random.default_rng(4)
    traces = pieces(20.0, 200, HOUR_S)
    for trace in traces:
        trace.stats.starttime += rng.uniform(-jitter_s, jitter_s)
    path = tmp_path / "x.mseed"
    write_records(path, traces, reclen=2048, encoding="FLOAT64")
    stream = read_file(path)
    assert stream[0].stats.sampling_rate == 20.0
    assert "header_rate_hz" not in stream[0].stats
    assert np.array_equal(stream[0].data, read(str(path))[0].data)
    (segment,), skipped = merge_segments(stream, START.ns)
    assert skipped == []
    assert np.array_equal(segment.data, stream[0].data)


def test_a_rate_beyond_the_bound_is_split_at_its_stamps(tmp_path):
    traces = pieces(20 * (1 - 2e-3), 200, 600)
    path = tmp_path / "x.mseed"
    write_records(path, traces, reclen=2048, encoding="FLOAT64")
    stream = read_file(path)
    assert len(stream) == len(traces)
    for read_trace, trace in zip(stream, traces, strict=True):
        assert abs(read_trace.stats.starttime - trace.stats.starttime) < 2e-6


def test_records_beyond_the_bound_are_counted(tmp_path):
    traces = pieces(20 * (1 - 2e-3), 200, 600)
    path = tmp_path / "x.mseed"
    write_records(path, traces, reclen=2048, encoding="FLOAT64")
    _, skipped = merge_segments(read_file(path), START.ns)
    (remark,) = [item for item in skipped if "ppm" in item.reason]
    assert "-2000 ppm, more than 1000: split" in remark.reason
    assert remark.count == len(traces)


@pytest.mark.parametrize("ppm", [-50, 400])
def test_records_of_miniseed_3_lie_at_their_true_times(tmp_path, ppm):
    pymseed = pytest.importorskip("pymseed")
    content = b""
    for trace in pieces(20 * (1 + ppm * 1e-6), 200, HOUR_S):
        record = pymseed.MS3Record()
        record.sourceid, record.reclen = "FDSN:XX_A__H_H_Z", 4096
        record.formatversion, record.encoding = 3, pymseed.DataEncoding.FLOAT64
        record.starttime, record.samprate = trace.stats.starttime.ns, 20.0
        packed = record.generate(data_samples=trace.data.tolist(), sample_type="d")
        content += b"".join(packed)
    path = tmp_path / "x.mseed3"
    path.write_bytes(content)
    segments, skipped = merge_segments(read_file(path), START.ns)
    assert len(segments) == 1
    assert largest_error(segments) < 0.03
    assert any(f"{ppm:+.2f} ppm" in item.reason for item in skipped)


def test_streams_are_merged_at_true_times_too():
    traces = pieces(20 * (1 + 5e-5), 2000, HOUR_S, late_s=0.0)
    (merged,) = merge_stream(traces)
    t_s = (merged.stats.starttime - START) + np.arange(merged.stats.npts) / 20
    assert np.abs(merged.data - ground_motion(t_s))[60:-60].max() < 0.03


def test_the_kernel_is_good_to_nine_tenths_of_nyquist():
    x = np.sin(0.9 * np.pi * np.arange(2000))
    y = interpolate_lanczos(x, 100.37, 1.00005, 1500, 40)
    truth = np.sin(0.9 * np.pi * (100.37 + 1.00005 * np.arange(1500)))
    assert np.abs(y - truth).max() < 2e-3


def cut(*times_s):
    """Return traces of the motion at 20 Hz, each with its true start and end."""
    header = {"network": "XX", "station": "A", "channel": "HHZ", "sampling_rate": 20.0}
    return [
        Trace(
            ground_motion(np.arange(begin_s, end_s - 0.01, 0.05)),
            header | {"starttime": START + begin_s},
        )
        for begin_s, end_s in times_s
    ]


def away_from(traces, joints_s, n=60):
    """Return the largest error of traces, apart from their ends and some times."""
    errors = []
    for trace in traces:
        t_s = trace.stats.starttime - START + np.arange(trace.stats.npts) / 20.0
        error = np.abs(trace.data - ground_motion(t_s))[n:-n]
        joints = [np.abs(t_s[n:-n] - joint_s) * 20 < n for joint_s in joints_s]
        errors.append(error[~np.any(joints, axis=0)].max())
    return max(errors)


@pytest.mark.parametrize("jump_s", [0.02, -0.02, 0.008])
@pytest.mark.parametrize("n_files", [2, 3, 8])
def test_traces_after_a_jump_lie_at_their_true_times(jump_s, n_files):
    starts = np.arange(n_files) * 60.0
    starts[n_files // 2 :] += jump_s
    traces = cut(*((start, start + 60) for start in starts))
    (trace,) = merge_stream(traces)
    assert away_from([trace], [starts[n_files // 2]]) < 0.03
    _, (report,) = merge_segments(traces, START.ns)
    assert report.count == 1
    assert "jump by a part of a sample" in report.reason


def test_each_of_a_few_files_has_its_own_fraction_of_a_sample():
    traces = cut((0.016, 60.016), (60.036, 120.036), (120.015, 180.015))
    (trace,) = merge_stream(traces)
    assert away_from([trace], [60, 120]) < 0.03
    _, (report,) = merge_segments(traces, START.ns)
    assert report.count == 2


def test_records_after_a_jump_lie_at_their_true_times(tmp_path):
    starts = np.arange(60) * 10.0
    starts[30:] += 0.018
    path = tmp_path / "x.mseed"
    traces = cut(*((start, start + 10) for start in starts))
    write_records(path, traces, reclen=2048, encoding="FLOAT64")
    (trace,) = merge_stream(read_file(path))
    assert away_from([trace], [300]) < 0.03


def test_overlapping_traces_with_other_fractions_of_a_sample():
    traces = cut((0, 60), (50.02, 120.02))
    segments, (report,) = merge_segments(traces, START.ns)
    assert len(segments) == 1
    assert largest_error(segments) < 0.03
    assert "overlapping traces differ" in report.reason


def test_equal_samples_are_not_moved():
    (whole,) = cut((0, 120))
    first, second = whole.slice(START, START + 60), whole.slice(START + 50).copy()
    second.stats.starttime += 0.02
    (segment,), skipped = merge_segments([first, second], START.ns)
    assert np.array_equal(segment.data, whole.data)
    assert not skipped


def test_equal_samples_of_a_flat_part_show_nothing():
    first, second = cut((0, 60), (50.02, 120.02))
    first.data[1000:], second.data[:200] = 0.0, 0.0
    (trace,) = merge_stream([first, second])
    t_s = np.arange(trace.stats.npts) / 20.0
    after = (t_s > 65) & (t_s < 115)
    assert np.abs(trace.data - ground_motion(t_s))[after].max() < 0.03


def test_a_filled_gap_does_not_move_the_samples_after_it():
    traces = cut((0, 60), (60.518, 120.518))
    (trace,) = merge_stream(traces, max_gap_s=1.0)
    assert away_from([trace], [60.25]) < 0.03


@pytest.mark.parametrize("rule", ["first", "last", "mean"])
def test_a_rule_of_overlaps_does_not_move_samples(rule):
    traces = cut((0, 60), (50.02, 120.02))
    resolved, _ = resolve_overlaps(Stream(traces), rule)
    assert len(resolved) == 1
    assert away_from(resolved, [50, 60]) < 0.03


def test_a_gap_of_an_overlap_does_not_move_samples():
    traces = cut((0, 60), (50.02, 120.02))
    resolved, _ = resolve_overlaps(Stream(traces), "drop")
    assert len(resolved) == 2
    assert away_from(resolved, []) < 0.03


def test_jumps_inside_a_file_of_records(tmp_path):
    """Jumps by a whole sample in three steps are not the drift of a wrong rate."""
    hours, jumps = (0.0, 1.1, 2.3, 3.05, 8.0), (0.0, 0.3, 0.4, 0.3)
    traces, late = [], 0.0
    for k, jump in enumerate(jumps):
        first, stop = (round(hour * HOUR_S * 4) for hour in hours[k : k + 2])
        late += jump
        t_s = (np.arange(first, stop) + late) / 4
        header = {"network": "XX", "station": "A", "channel": "HHZ"}
        header |= {"sampling_rate": 4.0, "starttime": START + t_s[0]}
        traces.append(Trace(np.sin(2 * np.pi * 0.8 * t_s).astype("f4"), header))
    path = tmp_path / "day.mseed"
    Stream(traces).write(str(path), "MSEED", reclen=512)
    (segment,), skipped = merge_segments(read_file(path), START.ns)
    truth = np.sin(2 * np.pi * 0.2 * np.arange(len(segment.data)))
    error = np.abs(segment.data - truth)
    for hour in hours:  # beside a jump, samples are not at equal distances
        error[max(0, round(hour * HOUR_S * 4) - 60) :][:120] = 0
    assert error.max() < 1e-3  # without interpolation it is up to 1
    assert [(s.count, s.reason[:16]) for s in skipped] == [(3, "time stamps jump")]
