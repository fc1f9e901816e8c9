"""Correlations of the four stations of Kansas under two mappings."""

from __future__ import annotations

from pathlib import Path

import numpy as np


def words(shared_data: Path, folder: Path) -> list[str]:
    """Return the options of `xcorr-app`; the station list is written into a folder."""
    stations = folder / "stations.txt"
    stations.write_text("KS *\n")
    return [
        *("--stations", str(stations), "--channels", "LHZ", "--quiet"),
        *("--data", str(shared_data.resolve() / "kansas4"), "--memory-gb", "4"),
        *("--window-s", "3600", "--step-s", "3600", "--max-lag-s", "100"),
    ]


def assert_same(first: Path, second: Path) -> None:
    """Assert that two folders of results have the same six correlations."""
    # not above: the processes of many tests import this module
    from xcorr_app import store

    with store.open(first) as opened, store.open(second) as expected:
        pairs = list(zip(opened, expected, strict=True))
        assert len(pairs) == 6
        for a, b in pairs:
            assert (a.first, a.second, a.n_windows) == (b.first, b.second, b.n_windows)
            # sums in another order, in single precision
            np.testing.assert_allclose(a.data, b.data, rtol=0, atol=1e-6)
