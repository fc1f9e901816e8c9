"""The comparison with pyatoa: its event, and the differences that it reports."""

from obspy import read

from benchmarks.misfit.__main__ import largest_difference, largest_errors, ours
from benchmarks.misfit.task import BANDS, write_task


def test_the_true_shifts_are_measured(tmp_path):
    """All channels are north, east and up, so that pyatoa knows them."""
    truths = {t.station: t.dt_s for t in write_task(1, tmp_path / "event")}
    names = sorted(path.name for path in (tmp_path / "event" / "synthetic").iterdir())
    assert names == [f"{name}.mseed" for name in truths]
    for side in ("observed", "synthetic"):
        stream = read(str(tmp_path / "event" / side / names[0]))
        assert "".join(sorted(t.stats.component for t in stream)) == "ENZ"
    cpu_s, rows = ours(tmp_path / "event", tmp_path / "out")
    assert cpu_s > 0
    assert len(rows) == 3 * len(BANDS)
    assert largest_errors(rows, truths)["largest_s"] < 0.01
    others = [
        {**row, "start_s": row["window_start_s"], "dt_s": row["dt_s"] + 0.25}
        for row in rows[:2]
    ]
    assert abs(largest_difference(rows, others) - 0.25) < 1e-12
