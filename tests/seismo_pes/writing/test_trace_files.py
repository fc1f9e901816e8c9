import pickle
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime, read

from dispel4py.errors import ParameterError
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.waveforms import ChannelSpan, Waveforms
from seismo_pes.writing.asdf import AsdfWriter
from seismo_pes.writing.trace_files import WriteAsdf, WriteMiniseed, WriteNpz, WriteSac

START = UTCDateTime(2024, 2, 29, 23, 59, 59, 500_000)


@dataclass
class Pair:
    first: str
    second: str
    data: np.ndarray
    lags_s: np.ndarray
    start_ns: int = 0
    n_windows: int = 24


def trace(data, start=START, station="AAA"):
    header = {"network": "XX", "station": station, "channel": "HHZ", "location": "00"}
    header |= {"sampling_rate": 10.0, "starttime": start}
    return Trace(np.asanyarray(data), header)


def pair(rows=None, start_ns=0):
    shape = (5,) if rows is None else (rows, 5)
    data = np.random.default_rng(1).standard_normal(shape).astype("f4")
    lags_s = np.arange(-2, 3) / 4
    return Pair("XX.AAA..HHZ", "XX.BBB.10.HHZ", data, lags_s, start_ns)


def run(pe, *items):
    """Return the items at the output ports, without an engine."""
    results = {"written": [], "skipped": []}
    pe = pickle.loads(pickle.dumps(pe))
    pe.write = lambda port, item: results[port].append(item)
    pe._preprocess() if hasattr(pe, "_preprocess") else None
    for item in items:
        for ports in pe.process({"input": item}):
            for port, value in ports.items():
                results[port].append(value)
    getattr(pe, "_postprocess", lambda: None)()
    return results


@pytest.fixture
def gappy():
    data = np.ma.masked_equal(np.arange(10, dtype="i4"), 5)
    return trace(data)


def test_sac(tmp_path, gappy):
    results = run(WriteSac(tmp_path / "new"), gappy, Stream([trace(np.ones(3))]))
    names = [path.rsplit("/", 1)[1] for path in results["written"]]
    assert names == [
        "XX.AAA.00.HHZ.20240229T235959_500000.sac",
        "XX.AAA.00.HHZ.20240301T000000_100000.sac",
        "XX.AAA.00.HHZ.20240229T235959_500000.sac",
    ]
    (later,) = read(results["written"][1])
    np.testing.assert_array_equal(later.data, [6, 7, 8, 9])
    assert later.stats.starttime == START + 0.6
    assert np.ma.is_masked(gappy.data), "the input stays as it was"
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == sorted(set(names))


def test_sac_of_a_correlation(tmp_path):
    (path,) = run(WriteSac(tmp_path), pair())["written"]
    assert path.endswith("XX.AAA..HHZ_XX.BBB.10.HHZ.sac")
    (sac_trace,) = read(path)
    np.testing.assert_array_equal(sac_trace.data, pair().data)
    assert sac_trace.stats.sampling_rate == 4
    assert sac_trace.stats.starttime == UTCDateTime(-0.5)
    assert sac_trace.id == "XX.BBB.10.HHZ"
    header = sac_trace.stats.sac
    assert (header.b, header.user0, header.kevnm.strip()) == (-0.5, 24, "XX.AAA..HHZ")
    assert "dist" not in header


def test_correlations_of_windows_keep_their_geometry(tmp_path):
    data = np.random.default_rng(2).standard_normal((2, 9))
    item = Correlation.of(
        *("XX.AAA..HHZ", "XX.BBB..HHZ", data),
        rate_hz=2.0,
        distance_km=12.5,
        azimuth_deg=90.0,
        start_ns=np.array([10**18, 10**18 + 60 * 10**9]),
    )
    paths = run(WriteSac(tmp_path), item)["written"]
    assert len(paths) == 2
    for path, row in zip(paths, data, strict=True):
        (sac_trace,) = read(path)
        np.testing.assert_array_equal(sac_trace.data, row.astype("f4"))
        header = sac_trace.stats.sac
        assert (header.dist, header.az, header.b) == (12.5, 90, -2)


def test_miniseed_has_all_segments_of_a_channel(tmp_path, gappy):
    span = ChannelSpan("XX.AAA.00.HHZ", 0, 1, (), 0)
    stream = Stream([gappy, trace(np.ones(3, "f4"), station="BBB")])
    results = run(WriteMiniseed(tmp_path), Waveforms.of(span, stream))
    assert len(results["written"]) == 2
    here = read(results["written"][0])
    assert [len(entry) for entry in here] == [5, 4]
    assert here[1].data.dtype == np.int32


@pytest.mark.parametrize("kind", ["i2", "i4", "i8", "u2", "f4", "f8", ">i4", ">f4"])
def test_miniseed_keeps_values_of_any_type(tmp_path, kind):
    data = np.array([0, 1, 200, 30_000], kind)
    (path,) = run(WriteMiniseed(tmp_path), trace(data))["written"]
    np.testing.assert_array_equal(read(path)[0].data, data)


def test_miniseed_reports_values_that_do_not_fit(tmp_path):
    results = run(WriteMiniseed(tmp_path), trace(np.array([2**60 + 1, 0])))
    assert results["written"] == []
    (skipped,) = results["skipped"]
    assert (skipped.stage, skipped.what) == ("write", "XX.AAA.00.HHZ")
    assert "do not fit" in skipped.reason
    assert list(tmp_path.iterdir()) == []


def test_npz(tmp_path, gappy):
    path = tmp_path / "all.npz"
    results = run(WriteNpz(path), gappy, pair(rows=1, start_ns=10**18), gappy)
    assert results["written"] == [str(path)]
    assert [
        entry.reason.endswith("already has an array of this name")
        for entry in results["skipped"]
    ] == [True] * 2
    with np.load(path) as file:
        names = [n for n in file if not n.endswith(("start_ns", "rate_hz"))]
        assert names[2] == "XX.AAA..HHZ_XX.BBB.10.HHZ.20010909T014640"
        np.testing.assert_array_equal(file[names[1]], [6, 7, 8, 9])
        assert file[names[1] + ".start_ns"] == (START + 0.6).ns
        assert file[names[2] + ".rate_hz"] == 4
    assert list(tmp_path.iterdir()) == [path]


def test_asdf(tmp_path, gappy):
    pyasdf = pytest.importorskip("pyasdf")
    path = tmp_path / "all.h5"
    results = run(WriteAsdf(path, tag="prep"), gappy, gappy, pair(), trace([1 + 1j]))
    assert results["written"] == [str(path)]
    (skipped,) = results["skipped"]
    assert "cannot store the type complex128" in skipped.reason
    with pyasdf.ASDFDataSet(str(path), mode="r", mpi=False) as file:
        stream = file.waveforms["XX.AAA"]["prep"]
        assert [entry.stats.starttime for entry in stream] == [START, START + 0.6]
        np.testing.assert_array_equal(stream[1].data, [6, 7, 8, 9])
        entry = file.auxiliary_data["CrossCorrelations"]["XX.AAA..HHZ"]["XX.BBB.10.HHZ"]
        np.testing.assert_array_equal(entry.data[:], pair().data)
        assert (entry.parameters["dt"], entry.parameters["first_lag_s"]) == (0.25, -0.5)


def test_asdf_names_are_checked(tmp_path):
    with AsdfWriter(tmp_path / "x.h5") as file:
        with pytest.raises(ParameterError, match="does not allow the name 'a b'"):
            file.add_auxiliary(np.zeros(1), "a b", "c", {})
        with pytest.raises(ParameterError, match="tag 'A'"):
            file.add_waveform(trace([1.0]), "A")
        file.add_auxiliary(np.zeros(1), "a", "b/c", {})
        with pytest.raises(ParameterError, match="already has a/b/c"):
            file.add_auxiliary(np.zeros(1), "a", "b/c", {})


def test_asdf_stationxml(tmp_path):
    from obspy import read_inventory

    pyasdf = pytest.importorskip("pyasdf")
    inventory = read_inventory()
    with AsdfWriter(tmp_path / "x.h5") as file:
        file.add_inventory(inventory)
    with pyasdf.ASDFDataSet(str(tmp_path / "x.h5"), mode="r", mpi=False) as file:
        station = file.waveforms.list()[0]
        inventory_read = file.waveforms[station].StationXML
        assert f"{inventory_read[0].code}.{inventory_read[0][0].code}" == station


def test_without_items_no_file_is_written(tmp_path):
    for pe in (WriteAsdf(tmp_path / "a"), WriteNpz(tmp_path / "n")):
        assert run(pe)["written"] == []
    assert list(tmp_path.iterdir()) == []


def test_other_items_are_refused(tmp_path):
    with pytest.raises(ParameterError, match="int: not a trace"):
        run(WriteSac(tmp_path), 3)


def test_one_file_has_one_writer():
    graph = WorkflowGraph()
    from dispel4py.base import IterativePE

    source, sink = IterativePE(), WriteNpz("x.npz")
    graph.connect(source, "output", sink, "input")
    assert sink.inputconnections["input"]["grouping"] == "global"


def test_the_file_is_hdf5_of_version_1_0_3(tmp_path):
    AsdfWriter(tmp_path / "x.h5").close()
    with h5py.File(tmp_path / "x.h5") as file:
        assert file.attrs["file_format"] == b"ASDF"
        assert file.attrs["file_format_version"] == b"1.0.3"
