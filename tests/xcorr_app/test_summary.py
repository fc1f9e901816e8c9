"""What a run tells of itself."""

from __future__ import annotations

from seismo_pes.items.skipped import Skipped
from xcorr_app.running.summary import RunSummary


def summary(out, *skipped, **more):
    return RunSummary(3, 2, 4, 40, 1.5, out, skipped, **more)


def test_what_was_skipped_before_stays_listed(tmp_path):
    one, other = (Skipped("read", name, "broken") for name in ("a.mseed", "b.mseed"))
    path = summary(tmp_path, one).write(tmp_path)
    summary(tmp_path, one, other, how="resume").write(tmp_path)
    lines = ["stage\twhat\treason\tcount", "read\ta.mseed\tbroken\t1"]
    assert path.read_text().splitlines() == [*lines, "read\tb.mseed\tbroken\t1"]
    summary(tmp_path, how="update").write(tmp_path)
    assert len(path.read_text().splitlines()) == 3
    summary(tmp_path, one).write(tmp_path)  # a new run
    assert path.read_text().splitlines() == lines


def test_what_was_kept_is_told(tmp_path):
    assert "tiles" not in summary(tmp_path).headline()
    told = summary(tmp_path, how="update", n_tiles=1200, n_kept=7).headline()
    assert told.startswith("update: 1,200 tiles made, 7 kept; 2 pairs of 3 channels")
