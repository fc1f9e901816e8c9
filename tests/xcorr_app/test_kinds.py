"""The lag of a known plane wave, by every kind of correlation and for every pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import planewave
from seismo_pes.methods import CORRELATIONS
from xcorr_app import cli, store

BAND_HZ = ("0.2", "2")
WAVE = planewave.PlaneWave(
    n_stations=6,
    channel="HHZ",
    rate_hz=10.0,
    seconds=3600.0,
    start="2015-04-06T00:00:00",
    diameter_km=30.0,
    band_hz=(0.1, 3.0),
    ground_rms_m_s=1e-6,
)


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    return planewave.make_archive(WAVE, tmp_path_factory.mktemp("wave"), processes=1)


@pytest.mark.parametrize("stack", ["linear", "phase-weighted"])
@pytest.mark.parametrize("kind", CORRELATIONS)
def test_the_lag_is_right_within_half_a_sample(place, tmp_path, kind, stack) -> None:
    words = ["--stations", place / "stations.txt", "--data", place / "archive"]
    words += ["--channels", "HHZ", "--window-s", 600, "--max-lag-s", 20]
    words += ["--kind", kind, "--window-stack", stack, "--out", tmp_path, "--quiet"]
    if kind == "cc":
        words += ["--whiten", "band", "--whiten-hz", *BAND_HZ]
    else:  # which divide by amplitudes themselves
        words += ["--bands-hz", "-".join(BAND_HZ)]
    assert cli.main(list(map(str, words))) == 0
    arrival_s = WAVE.positions_km()[:, 0] / WAVE.velocity_km_s
    with store.open(tmp_path) as results:
        assert len(results) == 15
        for item, pair in zip(results.correlations(), results.pairs, strict=True):
            true_s = arrival_s[pair["second"]] - arrival_s[pair["first"]]
            lag = planewave.peak_lag(item.data)
            assert np.abs(lag - true_s * WAVE.rate_hz) < 0.5, (item.first, item.second)
