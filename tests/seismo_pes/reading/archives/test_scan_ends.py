"""The first and the last record of a file say what all of them do."""

from io import BytesIO
from pathlib import Path

import numpy as np
import obspy
import pytest

from seismo_pes.reading.archives.scan import scan_ends, scan_file
from seismo_pes.reading.archives.sds import SdsArchive

OBSPY = Path(obspy.__file__).parent / "io" / "mseed"
#: Records that are not in the order of time, or lead nowhere: only all of them tell.
UNLIKE = {
    "Int32-oneseries-mixedlengths-mixedorder.mseed",
    "testdata-oneseries-mixedlengths-mixedorder.mseed2",
    "invalid-blockette-offset.mseed",
    "infinite-loop.mseed",
    "mseed_no_blkt_1000.mseed",  # blanks in its codes
}


def check(paths):
    """Compare what ends say with what all records say; return how many said it."""
    n = 0
    for path in paths:
        found = scan_ends(path)
        if found is None or path.name in UNLIKE:
            continue
        (entry,), _ = scan_file(path)
        n += 1
        names = "path", "file_format", "channel_id", "rate_hz"
        assert [getattr(found, x) for x in names] == [getattr(entry, x) for x in names]
        # starts of records are rounded, each to what its header can hold
        slack_ns = 0.01e9 / entry.rate_hz
        assert abs(found.start_ns - entry.start_ns) <= slack_ns
        assert abs(found.end_ns - entry.end_ns) <= slack_ns
    return n


@pytest.mark.filterwarnings("ignore")
def test_files_that_come_with_obspy():
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
def test_ends_that_differ_do_not_tell(tmp_path, stream):
    path = tmp_path / "file.mseed"
    path.write_bytes(b"".join(record(one) for one in stream))
    assert scan_ends(path) is None
    assert scan_file(path)[0]


def record(one):
    content = BytesIO()
    one.write(content, format="MSEED", reclen=512)
    return content.getvalue()


@pytest.mark.parametrize("content", [b"", b"text", b"000001D " + bytes(600)])
def test_what_is_no_miniseed_does_not_tell(tmp_path, content):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert scan_ends(path) is None


def test_an_archive_looks_at_ends_and_where_these_do_not_tell_at_all(tmp_path):
    streams = {"AAA": [trace()], "BBB": [trace(), trace("BHN")]}
    for station, stream in streams.items():
        for one in stream:
            one.stats.station = station
        folder = tmp_path / "1970" / "XX" / station / "BHZ.D"
        folder.mkdir(parents=True)
        path = folder / f"XX.{station}..BHZ.D.1970.001"
        path.write_bytes(b"".join(record(one) for one in stream))
    infos = SdsArchive("archive", tmp_path).channels()
    assert {id_: info.rates_hz for id_, info in infos.items()} == {
        "XX.AAA..BHZ": (20.0,),
        "XX.BBB..BHZ": (20.0,),
    }
