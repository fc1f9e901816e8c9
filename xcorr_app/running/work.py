"""The work of one start of a run: the tiles that are still to be computed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from xcorr_app.planning.division import (
    Division,
    Needed,
    Place,
    pairs_of_tiles,
    rounds_of,
)
from xcorr_app.planning.memory import Load, Resources, Shares, check_pairs, shares
from xcorr_app.planning.plan import RunPlan
from xcorr_app.results.run_parts import Tile
from xcorr_app.results.runfile import RunInfo

__all__ = ["Work", "needed_tiles", "work_left"]


@dataclass(frozen=True)
class Work:
    """The work of one start of a run.

    Parameters
    ----------
    plan
        The plan of the run.
    division
        The blocks of channels and groups of periods.
    resources
        Processes and memory.
    shares
        How the memory is shared.
    rounds
        Tiles of each period. The data are read once in each round.
    n_kept
        Number of tiles of earlier starts, counted for each period.
    run
        Description of the run in its folder. None: nothing is written yet.
    how
        ``start``, ``resume`` or ``update``.
    """

    plan: RunPlan
    division: Division
    resources: Resources
    shares: Shares
    rounds: Sequence[Needed]
    n_kept: int = 0
    run: RunInfo | None = None
    how: str = "start"

    @property
    def out(self) -> Path:
        """Folder of the run."""
        return Path(self.plan.config.out)

    @property
    def n_tiles(self) -> int:
        """Number of tiles to compute, counted for each period."""
        return sum(len(places) for needed in self.rounds for places in needed.values())

    @property
    def n_spans(self) -> int:
        """Number of spans to read in all rounds."""
        counts = Counter(span.period for span in self.plan.spans)
        return sum(counts[period] for needed in self.rounds for period in needed)


def work_left(
    plan: RunPlan,
    division: Division,
    resources: Resources,
    finished: Collection[Tile] = frozenset(),
) -> Work:
    """Return the remaining work of a run.

    Parameters
    ----------
    plan
        The plan of the run.
    division
        The blocks of channels and groups of periods.
    resources
        Processes and memory.
    finished
        Tiles of earlier starts.

    Raises
    ------
    ParameterError
        If the memory is too small.
    """
    load, pairs = Load.of(plan), pairs_of_tiles(plan.pairs, division.blocks)
    check_pairs(resources, sum(pairs.values()))
    needed = needed_tiles(plan, division, pairs, frozenset(finished))
    places = set().union(*needed.values()) if needed else set()
    sums = 0
    if division.sums_up:
        sums = load.sums * sum(pairs[place] for place in places)
    share = shares(resources, load, sums)
    rounds = rounds_of(needed, division, pairs, load, share.sums)
    work = Work(plan, division, resources, share, rounds)
    n_all = sum(map(len, needed_tiles(plan, division, pairs).values()))
    return replace(work, n_kept=n_all - work.n_tiles)


def needed_tiles(
    plan: RunPlan,
    division: Division,
    places: Iterable[Place],
    finished: Collection[Tile] = frozenset(),
) -> Needed:
    """Return the tiles of each period that are still to be computed.

    Parameters
    ----------
    plan
        The plan of the run; its spans show which periods have data.
    division
        A group of periods is computed as a whole.
    places
        Tiles (row, column) that have pairs.
    finished
        Tiles of earlier starts.
    """
    listed = list(places)
    keys = division.keys(sorted({span.period for span in plan.spans}))
    remaining = {
        key: frozenset(place for place in listed if (*place, key) not in finished)
        for key in set(keys.values())
    }
    return {period: remaining[key] for period, key in keys.items() if remaining[key]}
