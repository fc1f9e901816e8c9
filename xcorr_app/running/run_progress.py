"""The progress of a run, from the counts of its elements."""

from __future__ import annotations

from typing import Any

from dispel4py.observe import Count, Observer
from seismo_pes.application.progress import Progress
from xcorr_app.running.work import Work

__all__ = ["RunProgress"]

# Elements of the first phase, and the stages that their counts measure.
STAGES = {"Tiles": "read and transform", "CorrelateTiles": "correlate"}
SECOND_PHASE = "RestackPairs"


class RunProgress(Observer):
    """Shows the progress of both phases of one start of a run.

    The counts begin with this start, without the work of earlier starts.

    Parameters
    ----------
    work : Work
        The work of this start.
    progress : Progress
        The display.
    """

    def __init__(self, work: Work, progress: Progress) -> None:
        self._progress = progress
        self._totals = {"Tiles": work.n_spans, "CorrelateTiles": work.n_tiles}
        self._before = dict.fromkeys(self._totals, 0)  # counts of earlier graphs
        self._now = dict(self._before)
        self._n_restack = 0
        self._ids: dict[str, str] = {}

    def expect_second_phase(self, n_tiles: int) -> None:
        """Set the total of the second phase.

        Parameters
        ----------
        n_tiles : int
            Number of tiles that it stacks.
        """
        self._n_restack = n_tiles

    def started(self, plan: Any) -> None:
        """Note the elements of a graph that starts."""
        self._ids = {pe.name: pe.id for pe in plan.pes}
        self._before = dict(self._now)

    def progress(self, counts: dict[str, Count]) -> None:
        """Show the counts of items that the elements have received."""
        if SECOND_PHASE in self._ids:
            done = counts[self._ids[SECOND_PHASE]][0]
            self._progress.update("stack", done, self._n_restack)
            return
        for name, stage in STAGES.items():
            done = counts[self._ids[name]][0]
            self._now[name] = self._before[name] + done
            if done or name == "Tiles":
                self._progress.update(stage, self._now[name], self._totals[name])
