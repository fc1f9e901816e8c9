"""Scanning only the first and the last record of a file gives the same entry."""

from io import BytesIO
from pathlib import Path

import numpy as np
import obspy
import pytest

from seismo_pes.reading.archives.scan import scan_ends, scan_file
from seismo_pes.reading.archives.sds import SdsArchive

OBSPY = Path(obspy.__file__).parent / "io" / "mseed"
#: Files whose records are out of order or damaged: their ends are not enough.
UNLIKE = {
    "Int32-oneseries-mixedlengths-mixedorder.mseed",
    "testdata-oneseries-mixedlengths-mixedorder.mseed2",
    "invalid-blockette-offset.mseed",
    "infinite-loop.mseed",
    "mseed_no_blkt_1000.mseed",  # blanks in its codes
}


def check(paths):
    """Compare scans of the ends with scans of all records; return how many agree."""
    n = 0
    for path in paths:
        ends = scan_ends(path)
        if ends is None or path.name in UNLIKE:
            continue
        (entry,), _ = scan_file(path)
        n += 1
        names = "path", "file_format", "channel_id", "rate_hz"
        assert [getattr(ends, x) for x in names] == [getattr(entry, x) for x in names]
        # starts of records are rounded to the resolution of their headers
        slack_ns = 0.01e9 / entry.rate_hz
        assert abs(ends.start_ns - entry.start_ns) <= slack_ns
        assert abs(ends.end_ns - entry.end_ns) <= slack_ns
    return n


@pytest.mark.filterwarnings("ignore")
def test_files_of_obspy():
    assert check(path for path in sorted(OBSPY.rglob("*")) if path.is_file()) > 50


def test_files_of_networks(shared_data):
    assert check(path for path in sorted(shared_data.rglob("*.ms*"))) > 10


def trace(channel="BHZ", rate_hz=20.0, start=0.0):
    header = {"network": "XX", "station": "AAA", "channel": channel}
    header |= {"sampling_rate": rate_hz, "starttime": obspy.UTCDateTime(start)}
    return obspy.Trace(np.arange(3000, dtype=np.int32), header)


@pytest.mark.parametrize(
    "stream",
    [
        [trace(), trace("BHN")],
        [trace(), trace(rate_hz=40.0, start=500)],
        [trace(start=500), trace()],
    ],
    ids=["channels", "rates", "order"],
)
def test_different_ends_are_not_enough(tmp_path, stream):
    path = tmp_path / "file.mseed"
    path.write_bytes(b"".join(record(trace) for trace in stream))
    assert scan_ends(path) is None
    assert scan_file(path)[0]


def record(trace):
    content = BytesIO()
    trace.write(content, format="MSEED", reclen=512)
    return content.getvalue()


@pytest.mark.parametrize("content", [b"", b"text", b"000001D " + bytes(600)])
def test_other_formats_are_not_scanned_by_their_ends(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert scan_ends(path) is None


def test_an_archive_scans_ends_and_if_needed_whole_files(tmp_path):
    streams = {"AAA": [trace()], "BBB": [trace(), trace("BHN")]}
    for station, stream in streams.items():
        for part in stream:
            part.stats.station = station
        folder = tmp_path / "1970" / "XX" / station / "BHZ.D"
        folder.mkdir(parents=True)
        path = folder / f"XX.{station}..BHZ.D.1970.001"
        path.write_bytes(b"".join(record(part) for part in stream))
    infos = SdsArchive("archive", tmp_path).channels()
    assert {id_: info.rates_hz for id_, info in infos.items()} == {
        "XX.AAA..BHZ": (20.0,),
        "XX.BBB..BHZ": (20.0,),
    }
