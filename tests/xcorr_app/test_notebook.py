"""The functions for notebooks give the results of the application."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from obspy import read

from seismo_pes.correlating import correlate_pair
from seismo_pes.methods import CORRELATIONS, WHITENINGS
from xcorr_app import store
from xcorr_app.config import Config
from xcorr_app.workflow import run

BAND_HZ = (0.5, 2.0)
# coherency and deconvolution divide by the amplitudes themselves
CASES = [
    (kind, whiten)
    for kind, whiten in itertools.product(CORRELATIONS, WHITENINGS)
    if whiten == "none" or kind not in ("coherency", "deconvolution")
]


@pytest.fixture
def paths(write_trace, rng) -> list[Path]:
    data = np.cumsum(rng.standard_normal((2, 3000)), axis=1)
    data[1, 7:] += data[0, :-7]
    return [write_trace(name, x) for name, x in zip(("AAA", "BBB"), data, strict=True)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("kind", "whiten"), CASES)
def test_a_pair_is_that_of_the_application(paths, tmp_path, kind, whiten, dtype):
    stations = tmp_path / "stations.txt"
    stations.write_text("XX AAA 0 0\nXX BBB 0 0.1\n")
    band = {"bands_hz": (BAND_HZ,)}
    settings = Config(
        stations=str(stations),
        data=str(tmp_path / "data"),
        out=str(tmp_path / "out"),
        window_s=60.0,
        step_s=30.0,
        max_lag_s=5.0,
        kind=kind,
        whiten=whiten,
        dtype=dtype,
        substack="window",
        detrend="none",
        taper_s=0,
        mapping="simple",
        **band,
    )
    run(settings)
    first, second = (read(str(path))[0] for path in paths)
    pair = correlate_pair(
        *(first, second, 5.0), window_s=60.0, step_s=30.0, kind=kind, whiten=whiten,
        dtype=dtype, **band,
    )  # fmt: skip
    assert len(pair.data) == 9
    with store.open(tmp_path / "out") as results:
        names = [name for name in results.stacks if name[:4] == "2024"]
        assert len(names) == 9
        for name, row in zip(sorted(names), pair.data, strict=True):
            (stacked,) = results.correlations(name)
            size = np.abs(row).max()
            np.testing.assert_allclose(stacked.data, row, rtol=0, atol=1e-6 * size)
