"""Time stamps of miniSEED records against those that obspy reads one by one."""

import io
from pathlib import Path

import numpy as np
import obspy
import pytest
from obspy import Stream, Trace, UTCDateTime
from obspy.io.mseed.util import get_record_information

from seismo_pes.reading.formats.record_times import read_record_times

DATA = Path(obspy.__file__).parent / "io" / "mseed" / "tests" / "data"
START = UTCDateTime(2024, 2, 29, 23, 59, 59, 123456)


def written(trace, **options):
    content = io.BytesIO()
    Stream([trace]).write(content, "MSEED", **options)
    return content.getvalue()


def one_by_one(content):
    """Return (start, samples) of each record, as obspy reads them."""
    rows, place, stream = [], 0, io.BytesIO(content)
    while place + 64 < len(content):
        information = get_record_information(stream, place)
        if information["npts"]:
            rows.append((information["starttime"].ns, information["npts"]))
        place += information["record_length"]
    return rows


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("reclen", [256, 512, 4096])
def test_stamps_are_those_of_the_records(byteorder, reclen):
    data = np.random.default_rng(1).integers(-999, 999, 5000, dtype=np.int32)
    trace = Trace(data, {"network": "XX", "station": "AB", "channel": "HHZ"})
    trace.stats.starttime, trace.stats.sampling_rate = START, 100.0
    content = written(trace, byteorder=byteorder, reclen=reclen)
    (times,) = read_record_times(content)
    assert times.channel_id == "XX.AB..HHZ"
    assert list(zip(times.start_ns, times.n_samples, strict=True)) == one_by_one(
        content
    )
    assert times.n_samples.sum() == 5000


FILES = [
    "BW.BGLD.__.EHE.D.2008.001.first_10_records",
    "test.mseed",
    "timingquality.mseed",
]


@pytest.mark.parametrize("name", FILES)
def test_stamps_of_real_files(name):
    content = (DATA / name).read_bytes()
    times = read_record_times(content)
    rows = [row for t in times for row in zip(t.start_ns, t.n_samples, strict=True)]
    assert sorted(rows) == sorted(one_by_one(content))


def test_two_channels_in_one_file():
    traces = [
        Trace(np.arange(3000, dtype=np.int32), {"station": s, "starttime": START})
        for s in ("A", "B")
    ]
    content = b"".join(written(trace) for trace in traces)
    assert [t.channel_id for t in read_record_times(content)] == [".A..", ".B.."]


@pytest.mark.parametrize("content", [b"", b"x" * 100, bytes(4096), b"\x00\x01" * 900])
def test_other_content_has_no_stamps(content):
    assert read_record_times(content) == []


def test_damaged_content_never_raises():
    trace = Trace(np.arange(3000, dtype=np.int32), {"station": "A"})
    content = bytearray(written(trace))
    rng = np.random.default_rng(2)
    for _ in range(300):
        damaged = bytearray(content)
        for place in rng.integers(0, len(content), 8):
            damaged[place] = rng.integers(0, 256)
        read_record_times(bytes(damaged))
        read_record_times(bytes(damaged[: rng.integers(0, len(content))]))
