"""The work of the second phase of a run: stacks of substacks that are still to be made.

The first phase writes the rows of substacks. If these are not already the stacks of the
whole run, the second phase makes those stacks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from seismo_pes.items.times import DAY_NS
from xcorr_app.planning.plan import RunPlan
from xcorr_app.results.run_parts import (
    DERIVED,
    Part,
    Tile,
    counted,
    finished_tiles,
    parts_of,
    records_of,
    with_rules,
)
from xcorr_app.results.runfile import Redo, read_run, write_run
from xcorr_app.running.moving import MovingStack, moving_stacks
from xcorr_app.running.restack import DerivedStacks
from xcorr_app.running.substacks import RestackTile, substack_rows
from xcorr_app.running.work import Work

__all__ = ["RestackWork", "derived_stacks", "restack_work"]

Place = tuple[int, int]


@dataclass(frozen=True)
class RestackWork:
    """The work of the second phase in one start of a run.

    Parameters
    ----------
    parts
        The parts of the run.
    derived
        The stacks to make from the substacks.
    tiles
        Places of the rows of substacks, for each tile that is still to be made.
    """

    parts: tuple[Part, ...]
    derived: DerivedStacks
    tiles: tuple[RestackTile, ...]


def restack_work(work: Work) -> RestackWork | None:
    """Return the work of the second phase; None if there is no work.

    Stacks that were made before the last substacks are marked as outdated.

    Parameters
    ----------
    work
        The work of the first phase, which has ended.
    """
    if not work.division.derives:
        return None
    assert work.run is not None
    out = Path(work.plan.config.out)
    finished = finished_stacks(out, finished_tiles(out))
    if finished is None:
        run = read_run(out)
        rule = Redo(-1, DERIVED, work.run.session)
        write_run(out, replace(run, redo=with_rules(run.redo, [rule])))
        finished = set()
    parts, tiles = substack_rows(out)
    remaining = tuple(tile for place, tile in tiles.items() if place not in finished)
    return (
        RestackWork(parts, derived_stacks(work.plan), remaining) if remaining else None
    )


def finished_stacks(out: Path, finished: set[Tile]) -> set[Place] | None:
    """Return the tiles whose stacks of substacks are on the disk and up to date.

    None if substacks were written after the last of these stacks: then no stack is up
    to date.
    """
    last_substack = last_stack = 0
    redo = read_run(out).redo
    for part in parts_of(out):
        session = part.layout.session
        for _, records in records_of(out, part):
            valid = records[counted(records, session, redo)]
            derived = valid["tile"][:, 2] == DERIVED
            if not derived.all():
                last_substack = max(last_substack, session)
            if derived.any():
                last_stack = max(last_stack, session)
    if last_substack > last_stack:
        return None
    return {(row, column) for row, column, key in finished if key == DERIVED}


def derived_stacks(plan: RunPlan) -> DerivedStacks:
    """Return the stacks that a run makes from its substacks."""
    config = plan.config
    options = config.stack_options if config.stack != "linear" else None
    return DerivedStacks(
        plan.settings.rate_hz,
        config.stack,
        dict(options or {}),
        _moving(plan),
        config.uncertainty,
    )


def _moving(plan: RunPlan) -> tuple[MovingStack, ...]:
    config = plan.config
    if config.moving_s is None:
        return ()
    days = {span.period for span in plan.spans}
    step_s = config.moving_step_s
    assert step_s is not None  # has a value wherever moving_s has one
    return moving_stacks(
        min(days) * DAY_NS, (max(days) + 1) * DAY_NS, config.moving_s, step_s
    )
