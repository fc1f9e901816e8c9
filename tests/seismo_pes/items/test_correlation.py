"""Correlations as items, and as labelled arrays."""

import numpy as np
import pytest

from dispel4py.errors import ParameterError
from seismo_pes import extras
from seismo_pes.items.correlation import Correlation
from seismo_pes.stacking.stacks import bootstrap

DAY_NS = 86_400_000_000_000


def series(dtype=np.float32):
    data = np.random.default_rng(1).standard_normal((4, 21)).astype(dtype)
    start = np.arange(4) * DAY_NS
    return Correlation.of(
        *("XX.A..HHZ", "XX.B..HHZ", data, 10.0),
        start_ns=start,
        end_ns=start + DAY_NS,
        distance_km=12.5,
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_labelled_windows(dtype):
    pytest.importorskip("xarray")
    c = series(dtype)
    view = c.to_xarray()
    assert view.dims == ("window", "lag")
    assert view.dtype == dtype
    assert np.shares_memory(view.values, c.data)
    picked = view.sel(lag=slice(-0.5, 0.5)).mean("window")
    np.testing.assert_allclose(picked, c.data[:, 5:16].mean(axis=0), rtol=1e-5)
    third = view.isel(window=view.start == np.datetime64("1970-01-03"))
    np.testing.assert_array_equal(third.values[0], c.data[2])
    assert (view.attrs["first"], view.attrs["distance_km"]) == ("XX.A..HHZ", 12.5)


def test_a_labelled_stack_with_its_uncertainty(tmp_path):
    xarray = pytest.importorskip("xarray")
    pytest.importorskip("h5netcdf")
    first = bootstrap(series())
    view = first.to_xarray()
    assert view.dims == ("lag",)
    assert int(view.n_windows) == 4
    np.testing.assert_array_equal(view.deviation, first.deviation)
    view.to_netcdf(tmp_path / "one.nc", engine="h5netcdf")
    with xarray.open_dataarray(tmp_path / "one.nc", engine="h5netcdf") as again:
        np.testing.assert_array_equal(again.values, first.data)
        assert again.end.values == np.datetime64("1970-01-05")


def test_without_xarray_the_extra_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ParameterError, match=r"dispel4py-seismo\[xarray\]"):
        series().to_xarray()
