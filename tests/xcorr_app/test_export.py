import math
from dataclasses import dataclass

import numpy as np
import pytest
from obspy import UTCDateTime, read
from obspy.io.sac import SACTrace

from dispel4py.errors import ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import store
from xcorr_app.export import export_npz, export_sac
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import create_run

START_NS = UTCDateTime(2022, 5, 17).ns
NAMES = ("CI.CCA..BHZ", "CI.HEC.00.BHZ", "XX.LOST..BHZ")
PAIRS = np.array([[0, 1], [0, 2], [1, 2]], "i4")


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


@pytest.fixture
def results(tmp_path):
    channels = [
        Place(NAMES[0], 35.15, -118.3, 1000.0),
        Place(NAMES[1], 34.83, -116.3, 900.0),
        Place(NAMES[2]),
    ]
    out = tmp_path / "out"
    create_run(out, config={}, channels=channels, sampling_rate_hz=20.0, n_lags=101)
    data = np.random.default_rng(3).standard_normal((3, 101)).astype("f4")
    start_ns = np.full(3, START_NS)
    with CorrelationWriter(out) as writer:
        for stack, factor in (("all", 1), ("2022-05-17", 2)):
            writer.write(
                CorrelationRows(
                    stack,
                    PAIRS,
                    np.full(3, 24, "i4"),
                    start_ns,
                    start_ns + 86_400 * 10**9,
                    data * np.float32(factor),
                    (0, 0, -1),
                    True,
                )
            )
    finalize(out)
    with store.open(out) as opened:
        yield opened


def test_npz(results, tmp_path):
    seen = []
    path = export_npz(
        results, tmp_path / "deep" / "c.npz", progress=lambda *a: seen.append(a)
    )
    with np.load(path, allow_pickle=False) as file:
        assert sorted(file) == sorted(
            ["about", "lags_s", *(f"{NAMES[i]}_{NAMES[j]}" for i, j in PAIRS)]
        )
        np.testing.assert_array_equal(file["lags_s"], results.lags_s)
        for correlation in results:
            data = file[correlation.id]
            assert data.dtype == np.float32
            np.testing.assert_array_equal(data, correlation.data)
    assert seen == [(1, 3), (2, 3), (3, 3)]
    assert [p.name for p in path.parent.iterdir()] == ["c.npz"]


def test_npz_of_a_stack(results, tmp_path):
    path = export_npz(results, tmp_path / "day.npz", stack="2022-05-17")
    with np.load(path) as file:
        correlation = results[NAMES[0], NAMES[1]]
        np.testing.assert_array_equal(file[correlation.id], 2 * correlation.data)


def test_sac(results, tmp_path):
    folder = export_sac(results, tmp_path / "sac")
    assert len(list(folder.glob("*.sac"))) == 3
    correlation = results[NAMES[0], NAMES[1]]
    path = folder / f"{NAMES[0]}_{NAMES[1]}.sac"
    sac = SACTrace.read(str(path))
    np.testing.assert_array_equal(sac.data, correlation.data)
    assert sac.b == -2.5
    assert sac.e == pytest.approx(2.5, abs=1e-6)  # float32 of SAC
    assert sac.delta == pytest.approx(0.05)
    assert (sac.knetwk, sac.kstnm, sac.khole, sac.kcmpnm) == ("CI", "HEC", "00", "BHZ")
    assert sac.kevnm.strip() == NAMES[0]
    assert (sac.stla, sac.evlo) == pytest.approx((34.83, -118.3))
    assert sac.stel == 900
    assert sac.dist == pytest.approx(correlation.distance_km)
    assert sac.az == pytest.approx(correlation.azimuth_deg)
    assert sac.baz == pytest.approx(correlation.back_azimuth_deg)
    assert (sac.user0, sac.user1, sac.kuser0.strip()) == (24, 86400, "all")
    assert sac.reftime == UTCDateTime(ns=START_NS)
    (trace,) = read(str(path))
    assert trace.id == NAMES[1]
    assert trace.stats.starttime == UTCDateTime(ns=START_NS) - 2.5


def test_sac_without_coordinates(results, tmp_path):
    folder = export_sac(results, tmp_path / "sac", stack="2022-05-17")
    sac = SACTrace.read(str(folder / f"{NAMES[0]}_{NAMES[2]}_2022-05-17.sac"))
    assert sac.stla is sac.dist is None
    assert sac.evla == pytest.approx(35.15)
    assert sac.kuser0.strip() == "20220517"


@pytest.mark.parametrize(("export", "name"), [(export_npz, "x.npz"), (export_sac, "x")])
def test_existing_files_are_replaced_only_with_force(results, tmp_path, export, name):
    path = export(results, tmp_path / name)
    with pytest.raises(ParameterError, match="--force"):
        export(results, tmp_path / name)
    assert export(results, tmp_path / name, force=True) == path


def test_a_file_and_a_folder_are_not_confused(results, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ParameterError, match="is a file"):
        export_sac(results, tmp_path / "file", force=True)
    with pytest.raises(ParameterError, match="is a folder"):
        export_npz(results, tmp_path, force=True)


def test_a_failed_export_leaves_no_file(results, tmp_path):
    with pytest.raises(KeyError, match="no stack"):
        export_npz(results, tmp_path / "x.npz", stack="2022-05-18")
    assert not list(tmp_path.glob("*x.npz*"))
