"""A small network whose correlations are known, as files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

DAY = UTCDateTime(2024, 3, 1)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240301)


@pytest.fixture
def write_trace(tmp_path: Path) -> Callable[..., Path]:
    """Write one trace to the folder ``data``; return its path."""

    def write(
        station: str,
        data: np.ndarray,
        start: UTCDateTime = DAY,
        rate_hz: float = 10.0,
        channel: str = "HHZ",
        name: str | None = None,
    ) -> Path:
        header = {
            "network": "XX",
            "station": station,
            "channel": channel,
            "sampling_rate": rate_hz,
            "starttime": start,
        }
        folder = tmp_path / "data"
        folder.mkdir(exist_ok=True)
        path = folder / (name or f"{station}.{channel}.{start.ns}.mseed")
        trace = Trace(np.ascontiguousarray(data), header=header)
        Stream([trace]).write(str(path), format="MSEED")
        return path

    return write
