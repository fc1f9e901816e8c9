"""The summary of a run."""

from __future__ import annotations

from xcorr_app.running.summary import RunSummary


def summary(out, **more):
    return RunSummary(3, 2, 4, 40, 1.5, out, **more)


def test_the_tiles_of_earlier_starts_are_counted(tmp_path):
    assert "blocks" not in summary(tmp_path).headline()
    headline = summary(tmp_path, how="update", n_tiles=1200, n_kept=7).headline()
    assert headline.startswith(
        "update: 1,200 blocks of correlations computed, 7 kept; 2 pairs of 3 channels"
    )
