"""Each format is read back in the way of the program for which it is written."""

import json
import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import pytest
from obspy import UTCDateTime, read

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import store
from xcorr_app.export import FORMATS, export, to_dataset, zarr
from xcorr_app.export.target import ABOUT_FILE
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

START_NS = UTCDateTime(2022, 5, 17).ns
DAY_NS = 86_400 * 10**9
STACKS = ("all", "2022-05-17", "2022-05-18")
NAMES = ("CI.CCA..BHZ", "CI.HEC.00.BHZ", "XX.LOST..BHZ")
PAIRS = np.array([[0, 0], [0, 1], [0, 2], [1, 2]], "i4")
FILES = ("npz", "asdf", "netcdf")


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


def make(out, names=NAMES, pairs=PAIRS, dtype="f4"):
    places = [(35.15, -118.3, 1000.0), (34.83, -116.3, 900.0)]
    channels = [
        Place(name, *(places[i] if i < 2 else ())) for i, name in enumerate(names)
    ]
    create_run(
        out,
        config={"window_s": 3600},
        channels=channels,
        sampling_rate_hz=20.0,
        n_lags=101,
        dtype=dtype,
    )
    data = np.random.default_rng(3).standard_normal((len(pairs), 101)).astype(dtype)
    with CorrelationWriter(out) as writer:
        for k, stack in enumerate(STACKS):
            start_ns = np.full(len(pairs), START_NS + max(k - 1, 0) * DAY_NS)
            end_ns = start_ns + (DAY_NS if k else 2 * DAY_NS)
            n_windows = np.full(len(pairs), 24 if k else 48, "i4")
            rows = (n_windows, start_ns, end_ns, data * (k + 1), (0, 0, k), True)
            writer.write(CorrelationRows(stack, pairs, *rows))
    finalize(out)
    return store.open(out)


@pytest.fixture(params=["f4", "f8"])
def results(tmp_path, request):
    with make(tmp_path / "out", dtype=request.param) as opened:
        yield opened


@pytest.fixture
def single(tmp_path):
    with make(tmp_path / "out") as opened:
        yield opened


def seconds(time):
    return float((time - np.datetime64(0, "ns")) / np.timedelta64(1, "s"))


# ------------------------------------------------------------------ all formats


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_protects_existing_files_and_reports_progress(
    single, tmp_path, kind
):
    dest, seen = tmp_path / "new" / "dest", []
    assert export(single, dest, kind, progress=lambda *a: seen.append(a)) == dest
    assert dest.is_file() is (kind in FILES)
    assert [p.name for p in dest.parent.iterdir()] == ["dest"]
    assert seen[-1] == (4, 4)
    with pytest.raises(ParameterError, match="--force"):
        export(single, dest, kind)
    assert export(single, dest, kind, force=True) == dest
    wrong = tmp_path / "wrong"
    wrong.mkdir() if kind in FILES else wrong.write_text("")
    with pytest.raises(ParameterError, match=f"{kind} needs the name of a f"):
        export(single, wrong, kind, force=True)


def test_unknown_format(single, tmp_path):
    with pytest.raises(ParameterError, match=r"netcd.*did you mean 'netcdf'"):
        export(single, tmp_path / "x", "netcd")


def attributes(path):
    with h5py.File(path) as file:
        return dict(file.attrs)


READ_ORIGIN = {
    "npz": lambda d: json.loads(str(np.load(d)["about"])),
    "sac": lambda d: json.loads((d / ABOUT_FILE).read_text()),
    "mseed": lambda d: json.loads((d / ABOUT_FILE).read_text()),
    "asdf": lambda d: dict(
        h5py.File(d)["AuxiliaryData/Run/Configuration"].attrs  # closed with the test
    ),
    "netcdf": attributes,
    "zarr": lambda d: json.loads((d / ".zattrs").read_text()),
    "noisepy": lambda d: attributes(next(d.glob("CCF/*.h5"))),
    "msnoise": lambda d: attributes(next(d.rglob("REF/ZZ/*.nc"))),
    "misfit": lambda d: json.loads((d / ABOUT_FILE).read_text()),
}


@pytest.mark.parametrize("kind", FORMATS)
def test_each_format_has_the_origin_of_the_data(single, tmp_path, kind):
    single.run_id = "67dff9d6-7bde-4197-bc90-8e2bc068beb5"
    origin = READ_ORIGIN[kind](export(single, tmp_path / "x", kind))
    assert origin["run_id"] == single.run_id
    for name, expected in (
        ("configuration", single.config),
        ("software", single.software),
    ):
        value = origin[name]
        value = json.loads(value) if isinstance(value, str) else value
        assert value == expected


# ------------------------------------------------------------------ single formats


def test_mseed(results, tmp_path):
    export(results, tmp_path / "m", "mseed", stack="2022-05-18")
    (trace,) = read(str(tmp_path / "m" / f"{NAMES[0]}_{NAMES[1]}_2022-05-18.mseed"))
    assert trace.id == NAMES[1]
    assert trace.stats.sampling_rate == 20
    assert trace.stats.starttime == UTCDateTime(-2.5)
    expected = results.get(NAMES[0], NAMES[1], "2022-05-18").data
    assert trace.data.dtype == expected.dtype
    np.testing.assert_array_equal(trace.data, expected)


def test_asdf_is_valid_and_complete(results, tmp_path):
    pyasdf = pytest.importorskip("pyasdf")
    path = export(results, tmp_path / "x.h5", "asdf")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pyasdf.ASDFDataSet(str(path), mode="r", mpi=False) as file:
            assert file.asdf_format_version == "1.0.3"
            kind = file.auxiliary_data["CrossCorrelations"]
            for correlation in results:
                entry = kind[correlation.first][correlation.second]
                np.testing.assert_array_equal(entry.data[:], correlation.data)
                assert entry.parameters["n_windows"] == 48
                assert entry.parameters["dt"] == 0.05
                assert entry.parameters["start_ns"] == correlation.start_ns
            located, unlocated = kind[NAMES[0]][NAMES[1]], kind[NAMES[0]][NAMES[2]]
            km = results[NAMES[0], NAMES[1]].distance_km
            assert located.parameters["distance_km"] == km
            assert located.parameters["second_elevation_m"] == 900
            assert "distance_km" not in unlocated.parameters
            run = file.auxiliary_data["Run"]["Configuration"].parameters
            assert json.loads(run["configuration"]) == {"window_s": 3600}


def open_netcdf(path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    return xarray.open_dataset(path, engine="h5netcdf")


def open_zarr(path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("zarr")
    return xarray.open_zarr(path)


@pytest.mark.parametrize(
    ("kind", "opened"), [("netcdf", open_netcdf), ("zarr", open_zarr)]
)
def test_xarray_reads_netcdf_and_zarr(results, tmp_path, kind, opened, monkeypatch):
    monkeypatch.setattr(zarr, "CHUNK_BYTES", 2500)  # several chunks, the last not full
    path = export(results, tmp_path / f"x.{kind}", kind)
    with opened(path) as dataset:
        check_dataset(dataset, results)
        assert dataset["lag"].attrs["units"] == "s"


def check_dataset(dataset, results):
    assert dataset["correlation"].dims == ("pair", "lag")
    assert dataset["correlation"].dtype == results.dtype
    np.testing.assert_array_equal(dataset["lag"], results.lags_s)
    assert [str(name) for name in dataset["pair"].values] == [c.id for c in results]
    for row, correlation in enumerate(results):
        pair = dataset.isel(pair=row)
        np.testing.assert_array_equal(pair["correlation"], correlation.data)
        assert str(pair["first"].values) == correlation.first
        assert str(pair["second"].values) == correlation.second
        assert int(pair["n_windows"]) == 48
        assert seconds(pair["start"].values) == correlation.start_ns / 1e9
        assert seconds(pair["end"].values) == correlation.end_ns / 1e9
        for name in ("distance_km", "azimuth_deg", "back_azimuth_deg"):
            np.testing.assert_equal(float(pair[name]), getattr(correlation, name))
    assert float(dataset["second_latitude"][1]) == 34.83
    assert json.loads(dataset.attrs["configuration"]) == {"window_s": 3600}
    assert dataset.attrs["stack"] == "all"


def test_netcdf_has_what_the_netcdf_library_needs(single, tmp_path):
    path = export(single, tmp_path / "x.nc", "netcdf")
    with h5py.File(path) as file:
        data = file["correlation"]
        assert [scale.keys()[0] for scale in data.dims] == ["pair", "lag"]
        assert {file[n].attrs["_Netcdf4Dimid"] for n in ("lag", "pair")} == {0, 1}
        assert file["lag"].attrs["CLASS"] == b"DIMENSION_SCALE"


def test_zarr_removes_the_chunks_of_an_older_export(tmp_path, monkeypatch):
    zarr_package = pytest.importorskip("zarr")
    monkeypatch.setattr(zarr, "CHUNK_BYTES", 1)
    with make(tmp_path / "large") as large:
        export(large, tmp_path / "x.zarr", "zarr")
    with make(tmp_path / "small", pairs=PAIRS[:1]) as small:
        export(small, tmp_path / "x.zarr", "zarr", force=True)
    assert zarr_package.open_group(tmp_path / "x.zarr")["correlation"].shape == (1, 101)
    assert sorted(p.name for p in (tmp_path / "x.zarr/correlation").iterdir()) == [
        ".zarray",
        ".zattrs",
        "0.0",
    ]


# ------------------------------------------------------------------ other programs


def test_noisepy(single, tmp_path):
    """Read as by ASDFStackStore and ASDFCCStore of noisepy-seis-io 0.3.5."""
    pyasdf = pytest.importorskip("pyasdf")
    dest = export(single, tmp_path / "np", "noisepy")
    files = sorted(p.relative_to(dest).as_posix() for p in dest.rglob("*.h5"))
    span = "2022_05_17_00_00_00T2022_05_19_00_00_00.h5"
    assert files == [
        "CCF/2022_05_17_00_00_00T2022_05_18_00_00_00.h5",
        "CCF/2022_05_18_00_00_00T2022_05_19_00_00_00.h5",
        f"STACK/CI.CCA/CI.CCA/{span}",
        f"STACK/CI.CCA/CI.HEC/{span}",
        f"STACK/CI.CCA/XX.LOST/{span}",
        f"STACK/CI.HEC/XX.LOST/{span}",
    ]
    correlation = single[NAMES[0], NAMES[1]]
    path = dest / "STACK/CI.CCA/CI.HEC" / span
    with pyasdf.ASDFDataSet(str(path), mode="r", mpi=False, compression=None) as ds:
        assert ds.auxiliary_data.list() == ["Allstack_linear"]
        assert ds.auxiliary_data["Allstack_linear"].list() == ["ZZ"]
        entry = ds.auxiliary_data["Allstack_linear"]["ZZ"]
        np.testing.assert_array_equal(entry.data[:], correlation.data)
        parameters = entry.parameters
    assert parameters["dt"] == 0.05
    assert parameters["maxlag"] == 2.5
    assert parameters["dist"] == pytest.approx(
        correlation.distance_km, rel=1e-6
    )  # float32
    assert parameters["ngood"] == 48
    assert parameters["time"] == START_NS / 1e9
    day = dest / files[1]
    with pyasdf.ASDFDataSet(str(day), mode="r", mpi=False, compression=None) as ds:
        assert "CI.CCA_CI.HEC" in ds.auxiliary_data.list()
        assert ds.auxiliary_data["CI.CCA_CI.HEC"].list() == ["bhz_bhz_00"]
        entry = ds.auxiliary_data["CI.CCA_CI.HEC"]["bhz_bhz_00"]
        np.testing.assert_array_equal(entry.data[:], 3 * correlation.data)
        assert not entry.parameters["substack"]


def test_noisepy_components_share_a_file(tmp_path):
    names = ("CI.CCA..BHZ", "CI.HEC..BHN", "CI.HEC..BHZ")
    with make(tmp_path / "out", names, PAIRS[1:3]) as results:
        dest = export(results, tmp_path / "np", "noisepy", stack="all")
        export(results, tmp_path / "np", "noisepy", stack="all", force=True)
    (path,) = dest.rglob("*.h5")
    with h5py.File(path) as file:
        assert sorted(file["AuxiliaryData/Allstack_linear"]) == ["ZN", "ZZ"]


def test_msnoise(single, tmp_path):
    """Read as by xr_get_ref and xr_get_ccf_daily of msnoise.core.io (2.0dev)."""
    dest = export(single, tmp_path / "ms", "msnoise")
    pair, correlation = "CI.CCA.--_CI.HEC.00", single[NAMES[0], NAMES[1]]
    lineage = ["preprocess_1", "cc_1", "filter_1", "stack_1", "refstack_1"]
    path = Path(dest, *lineage, "_output", "REF", "ZZ", f"{pair}.nc")
    with open_netcdf(path) as dataset:
        np.testing.assert_array_equal(dataset.REF, correlation.data)
        np.testing.assert_array_equal(dataset.taxis, single.lags_s)
        assert dataset.REF.dims == ("taxis",)
    daily = Path(dest, *lineage[:2], "filter_1", "_output", "daily", "ZZ", pair)
    assert sorted(p.name for p in daily.iterdir()) == ["2022-05-17.nc", "2022-05-18.nc"]
    with open_netcdf(daily / "2022-05-18.nc") as dataset:
        np.testing.assert_array_equal(dataset["CCF"], 3 * correlation.data)


def make_banded(out):
    """A run of two bands with hourly and daily stacks and a standard deviation."""
    channels = [Place(name) for name in NAMES[:2]]
    create_run(out, config={}, channels=channels, sampling_rate_hz=1.0, n_lags=5)
    periods = ("all", "all.std", "2022-05-17", "2022-05-17T06")
    with CorrelationWriter(out) as writer:
        for k, period in enumerate(periods):
            for m, band in enumerate(("0.1-0.5Hz", "0.05-0.1Hz")):
                start_ns = np.array([START_NS])
                rows = (np.array([24], "i4"), start_ns, start_ns + DAY_NS,
                        np.full((1, 5), 10 * k + m, "f4"), (0, 0, k), True)  # fmt: skip
                stack = CorrelationRows(f"{period}@{band}", PAIRS[1:2], *rows)
                writer.write(stack)
    return store.open(out)


def test_each_band_has_its_own_folder(tmp_path):
    with make_banded(tmp_path / "out") as results:
        noisepy = export(results, tmp_path / "np", "noisepy")
        msnoise = export(results, tmp_path / "ms", "msnoise")
    files = {p.relative_to(noisepy).as_posix() for p in noisepy.rglob("*.h5")}
    day, hour = "00_00_00T2022_05_18_00_00_00", "06_00_00T2022_05_17_07_00_00"
    assert files == {
        f"{band}/{place}_{span}.h5"
        for band in ("0.1-0.5Hz", "0.05-0.1Hz")
        for place, span in (
            ("CCF/2022_05_17", day),
            ("CCF/2022_05_17", hour),
            ("STACK/CI.CCA/CI.HEC/2022_05_17", day),
        )
    }
    files = {
        p.relative_to(msnoise / "preprocess_1/cc_1") for p in msnoise.rglob("*.nc")
    }
    assert {(path.parts[0], path.name) for path in files} == {
        (filter_, name)
        for filter_ in ("filter_1", "filter_2")
        for name in ("CI.CCA.--_CI.HEC.00.nc", "2022-05-17.nc")
    }
    (low,) = (p for p in files if (p.parts[0], p.name[:2]) == ("filter_1", "20"))
    with h5py.File(msnoise / "preprocess_1/cc_1" / low) as file:
        assert file["CCF"][0] == 21  # of 0.05 to 0.1 Hz


@pytest.mark.parametrize("kind", ["noisepy", "msnoise"])
def test_two_pairs_with_the_same_name_are_refused(tmp_path, kind):
    names = ("CI.CCA..BHZ", "CI.HEC..BHZ", "CI.HEC..HHZ")
    with (
        make(tmp_path / "out", names, PAIRS[1:3]) as results,
        pytest.raises(
            ParameterError,
            match=r"BHZ and CI.CCA..BHZ_CI.HEC..HHZ have the same name",
        ),
    ):
        export(results, tmp_path / "dest", kind)


# ------------------------------------------------------------------ xarray


def test_xarray_dataset_reads_only_the_rows_that_are_used(results, monkeypatch):
    pytest.importorskip("xarray")
    dataset = to_dataset(results)
    check_dataset(dataset, results)
    assert dataset.sizes == {"pair": 4, "lag": 101}
    read_rows, blocks = [], results.blocks

    def counted(stack, indices):
        read_rows.extend(indices)
        return blocks(stack, indices)

    monkeypatch.setattr(results, "blocks", counted)
    near = to_dataset(results, "2022-05-18").sel(lag=slice(-1, 1)).isel(pair=[2, 0])
    whole = [results.get(NAMES[0], NAMES[i], "2022-05-18").data[30:71] for i in (2, 0)]
    np.testing.assert_array_equal(near["correlation"], whole)
    assert sorted(read_rows) == [0, 2]


def test_without_xarray_the_extra_is_named(single, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr("seismo_pes.extras.importlib.import_module", missing)
    with pytest.raises(
        ParameterError, match=r"pip install 'dispel4py-seismo\[xarray\]'"
    ):
        to_dataset(single)
