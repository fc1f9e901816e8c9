"""A network of three stations over midnight, and its correlations by a batch run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from xcorr_app import store, workflow
from xcorr_app.config import Config

START = UTCDateTime(2024, 3, 1, 22)
RATE_HZ, HOURS = 4.0, 4
# Data of this time are missing at the second station: seconds after the start.
GAP_S = 5000, 5600


@pytest.fixture(scope="package")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data of three stations that record the same noise at different times."""
    folder = tmp_path_factory.mktemp("archive")
    rng = np.random.default_rng(16)
    n = int(HOURS * 3600 * RATE_HZ)
    common = rng.normal(size=n + 100)
    for k, station in enumerate(["AAA", "BBB", "CCC"]):
        noise = common[17 * k : 17 * k + n] + rng.normal(size=n)
        data = (1000 * noise + 2e4 * k).astype(np.int32)
        header = {
            "network": "XX",
            "station": station,
            "channel": "HHZ",
            "sampling_rate": RATE_HZ,
            "starttime": START,
        }
        traces = Stream([Trace(data, header)])
        if station == "BBB":
            traces = traces.slice(endtime=START + GAP_S[0]) + traces.slice(
                START + GAP_S[1]
            )
        traces.write(str(folder / f"{station}.mseed"), format="MSEED")
    return folder


@pytest.fixture(scope="package")
def config(archive: Path) -> Callable[..., Config]:
    """Return options of a run, by the folder of its results."""
    listed = archive.parent / "list.txt"
    listed.write_text("XX AAA 1.0 2.0 0\nXX BBB 1.1 2.0 0\nXX CCC 1.2 2.1 0\n")

    def make(out: Path, **more: Any) -> Config:
        values = {
            "stations": str(listed),
            "data": str(archive),
            "detrend": "none",  # see `test_a_trend_is_that_of_window_and_margins`
            "bandpass_hz": (0.1, 1.0),
            "taper_s": 20,
            "window_s": 900,
            "max_lag_s": 30,
            "substack": "hour",
            "quiet": True,
        }
        return Config(out=str(out), **values | more)

    return make


@pytest.fixture(scope="package")
def batch(
    config: Callable[..., Config], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The results of the batch run."""
    out = tmp_path_factory.mktemp("batch") / "out"
    workflow.run(config(out))
    return out


@pytest.fixture(scope="session")
def assert_equal_to() -> Callable[..., None]:
    """Compare the results of two runs: stacks, counts, times, correlations."""

    def compare(first: Path, second: Path, tolerance: float = 1e-6) -> None:
        with store.open(first) as a, store.open(second) as b:
            assert a.stacks == b.stacks
            for stack in a.stacks:
                rows, others = a.windows(stack), b.windows(stack)
                for name in ("n_windows", "start_ns", "end_ns"):
                    assert (rows[name] == others[name]).all(), (stack, name)
                for x, y in zip(
                    a.correlations(stack), b.correlations(stack), strict=True
                ):
                    np.testing.assert_allclose(
                        y.data, x.data, rtol=0, atol=tolerance * np.abs(x.data).max()
                    )

    return compare
