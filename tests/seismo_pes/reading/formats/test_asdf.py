"""ASDF files as an ordinary format of archives."""

from __future__ import annotations

import warnings

import h5py
import numpy as np
import obspy
import pytest
from obspy import Trace, UTCDateTime
from obspy.core.util.base import get_example_file

from dispel4py.errors import DataError
from seismo_pes.metadata.asdf import is_asdf, read_asdf_inventory
from seismo_pes.metadata.inventory import read_inventory
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.archives.scan import find_files
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import read_span
from seismo_pes.regular_file import ReadFailed

START = UTCDateTime("2011-03-11T05:46:23.5")


def write_asdf(path, traces, tag="raw_recording", stationxml=b"") -> None:
    """Write as the definition of ASDF 1.0.3 says."""
    with h5py.File(path, "a") as file:
        file.attrs["file_format"] = np.bytes_("ASDF")
        file.attrs["file_format_version"] = np.bytes_("1.0.3")
        for trace in traces:
            stats = trace.stats
            group = file.require_group(f"Waveforms/{stats.network}.{stats.station}")
            times = (str(t)[:19] for t in (stats.starttime, stats.endtime))
            data = group.create_dataset(
                "__".join([trace.id, *times, tag]), data=trace.data
            )
            data.attrs["starttime"] = stats.starttime.ns
            data.attrs["sampling_rate"] = stats.sampling_rate
            if stationxml and "StationXML" not in group:
                group["StationXML"] = np.frombuffer(stationxml, dtype=np.int8)


def trace(channel="BHZ", n=1000, start=START, rate_hz=20.0) -> Trace:
    header = {"network": "BW", "station": "RJOB", "channel": channel}
    header |= {"starttime": start, "sampling_rate": rate_hz}
    return Trace(np.arange(n, dtype=np.int32), header)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "all.h5"
    xml = get_example_file("BW_RJOB__EHZ.xml")
    with open(xml, "rb") as metadata:
        write_asdf(path, [trace(), trace("BHN")], stationxml=metadata.read())
    return path


def test_an_archive_has_asdf_files_with_coordinates(file) -> None:
    (file.parent / "results.h5").write_bytes(b"no HDF5")
    with h5py.File(file.parent / "other.h5", "w"):
        pass  # HDF5, but not ASDF: passed over as any other file of results
    archive = open_archive(file.parent)
    assert not archive.skipped
    info = archive.channels()["BW.RJOB..BHZ"]
    assert info.start_ns == START.ns
    assert info.end_ns == (START + 50).ns
    assert info.rates_hz == (20.0,)
    assert (info.latitude, info.longitude) == pytest.approx((47.737, 12.796), abs=0.01)


def test_a_span_reads_only_its_samples(file) -> None:
    archive = open_archive(file)
    time = ((START + 10).ns, (START + 20).ns)
    (span,) = archive.spans(["BW.RJOB..BHZ"], [time])
    assert span.formats == ("ASDF",)
    stream, skipped = read_span(span)
    assert not skipped
    assert stream[0].stats.starttime == START + 10
    np.testing.assert_array_equal(stream[0].data, np.arange(200, 400))


def test_a_time_outside_is_no_data(file) -> None:
    assert not read_file(file, start_ns=(START + 100).ns, channel_id="BW.RJOB..BHZ")
    assert not read_file(file, end_ns=(START - 100).ns)
    assert not read_file(file, channel_id="BW.OTHER..BHZ")


def test_the_raw_version_is_read_where_there_are_several(file) -> None:
    changed = trace()
    changed.data = changed.data + 1
    write_asdf(file, [changed], tag="processed")
    (read_trace,) = read_file(file, channel_id="BW.RJOB..BHZ")
    np.testing.assert_array_equal(read_trace.data, trace().data)


def test_versions_without_a_raw_one_are_refused(tmp_path) -> None:
    path = tmp_path / "two.h5"
    write_asdf(path, [trace()], tag="a")
    write_asdf(path, [trace()], tag="b")
    with pytest.raises(DataError, match="the tags a, b and none with raw_recording"):
        read_file(path)


def test_station_metadata_is_read(file, tmp_path) -> None:
    inventory = read_asdf_inventory(file)
    assert [s.code for n in inventory for s in n] == ["RJOB"]
    for source in (file, file.parent):
        inventory, skipped = read_inventory(source)
        assert [s.code for n in inventory for s in n] == ["RJOB"]
        assert not skipped
    path = tmp_path / "bad.h5"
    write_asdf(path, [trace()], stationxml=b"<nonsense")
    with pytest.raises(DataError, match=r"StationXML of BW\.RJOB"):
        read_asdf_inventory(path)
    assert len(read_file(path)) == 1  # waveforms are there all the same


def test_broken_files_are_data_errors(tmp_path, file) -> None:
    cut = tmp_path / "cut.h5"
    cut.write_bytes(file.read_bytes()[:3000])
    other = tmp_path / "other"
    with h5py.File(other, "w"):
        pass
    for path, reason in ((cut, "ASDF"), (other, "not ASDF")):
        assert not is_asdf(path)
        with pytest.raises(DataError, match=reason):
            read_file(path)


def test_a_file_of_pyasdf_is_read_alike(tmp_path, shared_data) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pyasdf and what it imports, not ours
        pyasdf = pytest.importorskip("pyasdf")
        path = tmp_path / "pyasdf.h5"
        folder = shared_data / "events" / "pyasdf_tohoku"
        with pyasdf.ASDFDataSet(str(path), mpi=False) as data:
            data.add_waveforms(str(folder / "AE.113A..BHZ.mseed"), "raw_recording")
            data.add_stationxml(str(folder / "AE.113A..BH_.xml"))
    (expected,) = obspy.read(str(folder / "AE.113A..BHZ.mseed"))
    (read_trace,) = read_file(path)
    assert read_trace.id == expected.id
    assert read_trace.stats.starttime == expected.stats.starttime
    np.testing.assert_array_equal(read_trace.data, expected.data)
    info = open_archive(path).channels()[expected.id]
    assert info.latitude == pytest.approx(32.7683)
    assert read_asdf_inventory(path)[0][0].code == "113A"


def failing(*args, **kwargs):
    """Fail as h5py does: the number of the error is in its text only."""
    raise KeyError("file read failed: errno = 5, error message = 'EIO'")


def test_a_failed_read_does_not_hide_a_file(file, monkeypatch):
    monkeypatch.setattr(h5py, "File", failing)
    with pytest.raises(ReadFailed, match=f"{file}: Input/output error"):
        is_asdf(file)
    assert list(find_files(file.parent, [])) == [file]
