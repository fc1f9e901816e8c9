"""Reading spans of channels."""

import gzip
import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import DataError
from seismo_pes.items.waveforms import ChannelSpan, cut
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.formats.waveform_files import (
    find_defect,
    read_content,
    read_file,
)
from seismo_pes.reading.spans import ReadWaveforms, read_span

DAY = UTCDateTime(2022, 1, 2)
DAY_S = 86400
NS = 1_000_000_000


def trace(n=100, start=DAY, rate_hz=1.0, station="AAA", channel="LHZ", first=0):
    header = {"network": "XX", "station": station, "channel": channel}
    data = np.arange(first, first + n, dtype="i4")
    return Trace(data, {**header, "starttime": start, "sampling_rate": rate_hz})


def span(*paths, start=DAY, end=DAY + DAY_S, **more):
    files = tuple(map(str, paths))
    return ChannelSpan("XX.AAA..LHZ", start.ns, end.ns, files, 0, **more)


def reasons(skipped):
    return " | ".join(f"{s.stage}: {s.reason}" for s in skipped)


@pytest.mark.parametrize("name", ["MSEED", "SAC", "GSE2", "SLIST"])
def test_samples_of_the_span_in_each_format(tmp_path, name):
    path = tmp_path / "x"
    trace(1000).write(str(path), name)
    for formats in ((), (name,)):
        wanted = span(path, start=DAY + 100, end=DAY + 200, formats=formats)
        stream, skipped = read_span(wanted)
        assert not skipped
        assert stream[0].data.tolist() == list(range(100, 200))
        assert stream[0].stats.starttime == DAY + 100


def test_integers_stay_integers(tmp_path):
    trace().write(str(tmp_path / "x"), "MSEED")
    stream, _ = read_span(span(tmp_path / "x"))
    assert stream[0].data.dtype == np.int32


@pytest.mark.parametrize(
    ("start_s", "n", "expected"),
    [
        (0.0, 30, (0, 10)),
        (0.4, 30, (0, 10)),
        (0.000002, 30, (0, 10)),
        (-0.4, 30, (0, 11)),
        (-0.6, 30, (1, 11)),
        (5.0, 30, (0, 5)),
        (-25.0, 30, (25, 30)),
        (9.9999, 30, None),
        (10.0, 30, None),
        (-30.0, 30, None),
    ],
)
def test_cut_to_start_included_end_excluded(start_s, n, expected):
    whole = trace(n, DAY + start_s)
    part = cut(whole, DAY.ns, (DAY + 10).ns)
    if expected is None:
        assert part is None
        return
    assert part.data.tolist() == list(range(*expected))
    shift = part.stats.starttime - whole.stats.starttime
    assert shift == pytest.approx(expected[0], abs=1e-6)
    assert len(whole) == n


def test_a_slightly_high_rate_in_the_header_adds_no_sample():
    whole = trace(1001, rate_hz=1 / float(np.float32(0.01)))
    assert len(cut(whole, DAY.ns, (DAY + 10).ns)) == 1000


def test_a_short_cut_does_not_keep_the_file_in_memory():
    whole = trace(1000)
    assert not np.shares_memory(cut(whole, DAY.ns, (DAY + 10).ns).data, whole.data)


def test_other_files_are_read_after_a_bad_one(tmp_path):
    trace(50).write(str(tmp_path / "good"), "MSEED")
    (tmp_path / "empty").touch()
    (tmp_path / "text.mseed").write_text("no samples\n" * 100)
    (tmp_path / "v3").write_bytes(b"MS\x03" + bytes(200))
    names = ("empty", "text.mseed", "gone", "v3", "good")
    stream, skipped = read_span(span(*(tmp_path / n for n in names)))
    assert len(stream) == 1
    assert [s.what.rpartition("/")[2] for s in skipped] == list(names[:4])
    assert "empty" in skipped[0].reason
    assert "No such file" in skipped[2].reason
    assert "miniSEED 3" in skipped[3].reason
    assert not any(str(tmp_path) in s.reason for s in skipped)


def test_wrong_format_from_the_scan(tmp_path):
    (tmp_path / "x").write_text("no samples")
    stream, skipped = read_span(span(tmp_path / "x", formats=("MSEED",)))
    assert not stream
    assert [s.stage for s in skipped] == ["read", "read"]


def test_truncated_miniseed_gives_its_whole_records(tmp_path, caplog):
    path = tmp_path / "x.mseed"
    trace(20000).write(str(path), "MSEED", reclen=512)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2 + 100])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream, skipped = read_span(span(path))
    assert not skipped
    assert 5000 < len(stream[0]) < 15000
    assert "x.mseed" in caplog.text


def test_a_span_without_files(tmp_path):
    trace(10).write(str(tmp_path / "x"), "MSEED")
    stream, (item,) = read_span(span(tmp_path / "x", start=DAY + 100))
    assert not stream
    assert item.what == "XX.AAA..LHZ"
    assert item.reason == "no data"
    assert (item.start_ns, item.end_ns) == (
        (DAY + 100).ns,
        (DAY + DAY_S).ns,
    )


def test_other_channels_of_a_file_are_ignored(tmp_path):
    Stream([trace(), trace(station="BBB")]).write(str(tmp_path / "x"), "MSEED")
    stream, skipped = read_span(span(tmp_path / "x"))
    assert [t.id for t in stream] == ["XX.AAA..LHZ"]
    assert not skipped


def test_file_with_another_channel_than_its_name(tmp_path):
    trace(station="BBB").write(str(tmp_path / "x"), "MSEED")
    stream, skipped = read_span(span(tmp_path / "x", one_channel=True))
    assert not stream
    assert "header has XX.BBB..LHZ, not XX.AAA..LHZ" in skipped[0].reason


def test_text_and_traces_without_a_rate_are_left_out(shared_data):
    path = shared_data / "mseed3" / "reference-testdata-text.mseed2"
    text_trace = read_file(path)[0]
    start = text_trace.stats.starttime
    wanted = ChannelSpan(text_trace.id, start.ns, (start + 10).ns, (str(path),), 0)
    stream, skipped = read_span(wanted)
    assert not stream
    assert "left out" in skipped[0].reason


# -- midnight in an SDS archive -------------------------------------------------------


def sds_day(root, day, data):
    folder = root / "2022" / "XX" / "AAA" / "LHZ.D"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"XX.AAA..LHZ.D.2022.{day.julday:03d}"
    data.write(str(path), "MSEED")
    return path


def read_names(monkeypatch):
    names = []

    def noting(path, *args, **kwargs):
        names.append(str(path)[-3:])
        return read_file(path, *args, **kwargs)

    monkeypatch.setattr("seismo_pes.reading.spans.read_file", noting)
    return names


def test_record_over_midnight_is_found_in_the_day_before(tmp_path, monkeypatch):
    sds_day(tmp_path, DAY, trace(DAY_S + 50))
    next_day = trace(DAY_S - 50, DAY + DAY_S + 50, first=DAY_S + 50)
    sds_day(tmp_path, DAY + DAY_S, next_day)
    archive = open_archive(tmp_path)
    periods = [((DAY + i * DAY_S).ns, (DAY + (i + 1) * DAY_S).ns) for i in range(2)]
    first, second = archive.spans(["XX.AAA..LHZ"], periods)
    names = read_names(monkeypatch)
    stream, _ = read_span(first)
    assert sum(map(len, stream)) == DAY_S
    assert names == ["002"]
    stream, _ = read_span(second)
    samples = np.concatenate([t.data for t in stream])
    np.testing.assert_array_equal(np.sort(samples), np.arange(DAY_S, 2 * DAY_S))
    assert names == ["002", "003", "002"]


def test_whole_days_are_read_once(tmp_path, monkeypatch):
    for i in range(3):
        start = DAY + i * DAY_S
        sds_day(tmp_path, start, trace(DAY_S, start + 0.3))
    archive = open_archive(tmp_path)
    (middle,) = archive.spans(
        ["XX.AAA..LHZ"], [((DAY + DAY_S).ns, (DAY + 2 * DAY_S).ns)]
    )
    names = read_names(monkeypatch)
    stream, skipped = read_span(middle)
    assert len(stream[0]) == DAY_S
    assert not skipped
    assert names == ["003"]
    assert len(middle.files) == 3


def test_file_of_another_channel_in_an_sds_archive(tmp_path):
    sds_day(tmp_path, DAY, trace(100))
    sds_day(tmp_path, DAY + DAY_S, trace(100, DAY + DAY_S, station="BBB"))
    archive = open_archive(tmp_path)
    (span_,) = archive.spans(
        ["XX.AAA..LHZ"], [((DAY + DAY_S).ns, (DAY + 2 * DAY_S).ns)]
    )
    stream, skipped = read_span(span_)
    assert not stream
    assert "header has XX.BBB..LHZ" in reasons(skipped)


# -- the element ----------------------------------------------------------------------


def test_element(tmp_path):
    trace().write(str(tmp_path / "x"), "MSEED")
    element = pickle.loads(pickle.dumps(ReadWaveforms()))
    good = span(tmp_path / "x")
    (item,) = element.process({"input": good})
    assert item["output"].spans[0] == good
    assert item["output"].stream[0].data.tolist() == list(range(100))
    first, second = element.process({"input": replace(good, files=())})
    assert "no data" in first["skipped"].reason
    assert not second["output"].stream


def test_two_microseconds_and_real_coverage(shared_data):
    archive = open_archive(shared_data / "ci_cca_hec")
    spans = archive.spans(
        ["CI.CCA..BHN", "CI.HEC..BHN"], [(DAY.ns, DAY.ns + 86400 * NS)]
    )
    for span_ in spans:
        stream, skipped = read_span(span_)
        assert [t.stats.npts for t in stream] == [3_456_000]
        assert not skipped


def test_read_file_reports_an_error_in_one_line(tmp_path):
    for content in (b"", b"x" * 300, bytes(5000), b"000001D " + b"\xff" * 600):
        path = tmp_path / "x"
        path.write_bytes(content)
        with pytest.raises(DataError) as caught:
            read_file(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="may run code"):
        read_file(path, "PICKLE")


def test_errors_name_the_users_file_not_a_temporary_one(tmp_path):
    path = tmp_path / "bad.gz"
    path.write_bytes(gzip.compress(b"no waveform" * 50))
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert str(caught.value) == f"{path}: not a waveform format that obspy can read"
    with pytest.raises(DataError) as caught:
        read_content(b"no waveform" * 50, name="the answer")
    assert str(caught.value) == "the answer: not a waveform format that obspy can read"


@pytest.mark.parametrize("extreme", [np.nan, np.inf, 1e17])
def test_traces_with_impossible_samples_are_left_out(extreme):
    entry = trace()
    entry.data = entry.data.astype("f4")
    entry.data[3] = extreme
    assert find_defect(entry) == ""  # NaN is removed later, 1e17 is possible
    entry.data[4] = -2e30
    reason = "left out: samples of up to 2e+30; is its byte order right?"
    assert find_defect(entry) == reason
