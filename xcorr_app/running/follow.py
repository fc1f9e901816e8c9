"""From the counts of the elements to the progress of a run."""

from __future__ import annotations

from typing import Any

from dispel4py.observe import Count, Observer
from seismo_pes.application.progress import Progress
from xcorr_app.running.work import Work

__all__ = ["Follow"]


class Follow(Observer):
    """Tells how far both phases have come; what was done before does not count.

    Parameters
    ----------
    work : Work
        What this start of the run does.
    progress : Progress
        What shows it.
    """

    def __init__(self, work: Work, progress: Progress) -> None:
        self._progress = progress
        self._totals = {"Tiles": work.n_spans, "CorrelateTiles": work.n_tiles}
        self._before = dict.fromkeys(self._totals, 0)
        self._now = dict(self._before)
        self._n_restack = 0
        self._ids: dict[str, str] = {}

    def restacking(self, n_tiles: int) -> None:
        """Say how much the second phase has to do."""
        self._n_restack = n_tiles

    def started(self, plan: Any) -> None:
        """See a graph start."""
        self._ids = {pe.name: pe.id for pe in plan.pes}
        self._before = dict(self._now)

    def progress(self, counts: dict[str, Count]) -> None:
        """See how many items have come and gone."""
        if "RestackPairs" in self._ids:
            done = counts[self._ids["RestackPairs"]][0]
            self._progress.update("stack", done, self._n_restack)
            return
        for name, stage in (
            ("Tiles", "read and transform"),
            ("CorrelateTiles", "correlate"),
        ):
            done = counts[self._ids[name]][0]
            self._now[name] = self._before[name] + done
            if done or name == "Tiles":
                self._progress.update(stage, self._now[name], self._totals[name])
