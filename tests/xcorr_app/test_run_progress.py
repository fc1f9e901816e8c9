"""Progress of both phases, whose totals are known from the beginning."""

from __future__ import annotations

import io
import re

import pytest

from seismo_pes.application.progress import Progress
from tests.xcorr_app.conftest import DAY
from xcorr_app.config import Config
from xcorr_app.workflow import run


@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_the_remaining_work_is_counted(write_trace, rng, tmp_path, mapping):
    for station in ("AAA", "BBB", "CCC"):
        for day in range(2):
            data = rng.standard_normal(7200).astype("f4")
            write_trace(station, data, DAY + 86400 * day)
    listing = tmp_path / "stations.txt"
    listing.write_text("XX *\n")
    options = {
        "stations": str(listing),
        "data": str(tmp_path / "data"),
        "out": str(tmp_path / "out"),
        "window_s": 60,
        "max_lag_s": 5,
        "substack": "day",
        "mapping": mapping,
        "processes": 2,
    }
    progress = Progress(stream=io.StringIO(), interval_s=0)
    run(Config(**options), progress)
    line = progress.line()
    for stage, n in (("read and transform", 6), ("correlate", 6), ("stack", 3)):
        assert re.search(rf"{stage} {n}/{n} \(100 %\)", line), line
    again = Progress(stream=io.StringIO(), interval_s=0)
    summary = run(Config(**options, resume=True), again)
    assert summary is not None
    assert (summary.n_tiles, summary.n_kept) == (0, 6)
    assert again.line() == ""
