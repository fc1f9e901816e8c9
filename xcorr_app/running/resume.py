"""Going on with a run: what is done, what is not, what no longer counts."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError, ParameterError
from seismo_pes.application.options import options_of
from seismo_pes.application.run_record import check_started, refuse_other_options
from seismo_pes.application.times import time_ns
from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.part_files import close_abandoned, read_layout
from xcorr_app.config import Config
from xcorr_app.planning.division import Division, Needed, Place
from xcorr_app.planning.plan import RunPlan
from xcorr_app.results.layout import Tile, counted, iterate_parts
from xcorr_app.results.runfile import Redo, RunInfo, read_run
from xcorr_app.running.inputs import Inputs, changed
from xcorr_app.running.metadata import renewed

__all__ = [
    "check_config",
    "check_plan",
    "close_parts",
    "finished_derived",
    "needed_tiles",
    "outdated",
    "read_started",
    "with_rules",
]

DERIVED = -1
OWN = frozenset({"out", "force", "resume", "update"})
GROWING = frozenset({"stations", "new_stations", "data", "inventory", "end"})

logger = logging.getLogger(__name__)


# ------------------------------------------------------------------ may it go on?


def read_started(out: Path, option: str) -> RunInfo:
    """Return the run that was started in a folder.

    Raises
    ------
    ParameterError
        If there is none.
    """
    check_started(out, option)
    return read_run(out)


def check_config(run: RunInfo, config: Config, growing: bool) -> None:
    """Refuse options that would make other results than those that are there.

    Parameters
    ----------
    run
        What was started.
    config
        What is asked for now.
    growing
        More stations and days are welcome.

    Raises
    ------
    ParameterError
        If an option differs, naming it.
    """
    options = options_of(type(config))
    free = OWN | {name for name, opt in options.items() if opt.table == "run"}
    free |= GROWING if growing else frozenset()
    action = f"{config.out}: {'--update' if growing else '--resume'}"
    refuse_other_options(run.config, config, free, action)
    if growing:
        _check_end(run, config)


def _check_end(run: RunInfo, config: Config) -> None:
    before = run.config.get("end")
    before_ns = None if before is None else time_ns(before)
    if config.end_ns is not None and (before_ns is None or config.end_ns < before_ns):
        raise ParameterError(
            f"{config.out}: --update with --end {config.end}, but the results there go "
            f"to {before or 'the end of the data then'}: give a later one or leave "
            "--end out"
        )


def check_plan(run: RunInfo, plan: RunPlan, inputs: Inputs, growing: bool) -> None:
    """Refuse data that would make other results than those that are there.

    Raises
    ------
    ParameterError
        If channels are missing, or new where they may not be, or the lag axis or the
        windows would be others.
    """
    out, option = plan.config.out, "--update" if growing else "--resume"
    known = run.channels["id"].tolist()
    ids = [channel.id for channel in plan.channels]
    if not growing and len(ids) > len(known):
        raise ParameterError(
            f"{out}: --resume, but there are stations that the run did not have "
            f"({_few(ids[len(known) :])}): use --update"
        )
    gone = inputs.channels - {span.channel_id for span in plan.spans}
    if gone or ids[: len(known)] != known:
        lost = sorted(gone) or sorted(set(known) - set(ids))
        raise ParameterError(
            f"{out}: {option}, but of {_few(lost)} there are no data any more: put "
            "them back into the list and the archive, or choose another --out"
        )
    axis = run.sampling_rate_hz, run.n_lags
    asked = plan.settings.rate_hz, 2 * plan.settings.max_lag + 1
    if axis != asked:
        raise ParameterError(
            f"{out}: {option}, but most data have {asked[0]:g} Hz now, and the results "
            f"there {axis[0]:g} Hz: give --sampling-rate-hz {axis[0]:g}"
        )
    grid, origin_ns = plan.settings.grid, run.division.get("origin_ns")
    if origin_ns is not None and (grid.origin_ns - origin_ns) % grid.step_ns:
        raise ParameterError(
            f"{out}: {option}, but there are earlier data now, from which the windows "
            "of --step-s do not meet those of before: give --start as the first data "
            "had it"
        )
    _check_instruments(plan, len(known))


def _check_instruments(plan: RunPlan, n_known: int) -> None:
    """Refuse new components of instruments that are known, where they belong together.

    Their block is settled, and an instrument may not be cut in two.
    """
    if not plan.config.coherent:
        return
    made = {"R", "T"} if plan.pairs.rotation is not None else set()
    stems = {channel.id[:-1] for channel in plan.channels[:n_known]}
    new = [channel.id for channel in plan.channels[n_known:]]
    torn = [id_ for id_ in new if id_[:-1] in stems and id_[-1:] not in made]
    if torn:
        raise ParameterError(
            f"{plan.config.out}: --update, but {_few(torn)} are new components of "
            "instruments that are there: choose another --out"
        )


def _few(names: Iterable[str]) -> str:
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more


# ------------------------------------------------------------------ what is there


def close_parts(out: Path) -> None:
    """Finish the parts of writers that were killed, and remove what they left.

    The caller holds the lock of the folder.
    """
    folder = parts_folder(out)
    for left in folder.glob(".part-*"):
        left.unlink(missing_ok=True)
    for path in sorted(folder.glob("part-*.h5")):
        layout = read_layout(path)
        if not layout.sealed:
            try:
                close_abandoned(path, layout)
            except DataError as error:  # stays as it is, and is checked at each start
                logger.warning("%s", error)


def outdated(
    inputs: Inputs, plan: RunPlan, new: Inputs, division: Division, session: int
) -> list[Redo]:
    """Return the rules by which rows no longer count whose data have changed.

    Raises
    ------
    ParameterError
        If metadata have changed, and the run may only go on.
    """
    blocks = block_finder(plan, division)
    where = changed(inputs, new, plan.spans, blocks)
    known = {period for period, _ in inputs.files}
    others = renewed(inputs.metadata, new.metadata, plan.spans, known)
    where |= {(period, blocks(id_)) for id_, days in others.items() for period in days}
    if others:
        _tell_renewed(plan.config, sorted(others))
    keys = division.keys({period for period, _ in where})
    rules = {Redo(block, keys[period], session) for period, block in where}
    return sorted(rules, key=lambda rule: (rule.key, rule.block))


def _tell_renewed(config: Config, ids: list[str]) -> None:
    if config.update:
        what = "correlations with them are made again"
        logger.warning("metadata of %s changed: %s", _few(ids), what)
        return
    raise ParameterError(
        f"{config.out}: --resume, but the metadata of {_few(ids)} changed since the "
        "run was started: use --update"
    )


def block_finder(plan: RunPlan, division: Division) -> Any:
    """Return a function from the id of a channel that is read to its block."""
    table = {}
    for k, channel in enumerate(plan.channels):
        block = division.block_of(k)
        if block >= 0:
            table[channel.id] = table[channel.id[:-1]] = block

    def block_of(channel_id: str) -> int:
        name = plan.names.get(channel_id, channel_id)
        return table[name] if name in table else table[name[:-1]]

    return block_of


def with_rules(old: Iterable[Redo], new: Iterable[Redo]) -> tuple[Redo, ...]:
    """Add rules; of several about the same tiles the last counts."""
    table = {(rule.block, rule.key): rule for rule in (*old, *new)}
    return tuple(table.values())


def needed_tiles(
    plan: RunPlan,
    division: Division,
    places: Iterable[Place],
    finished: set[Tile] | frozenset[Tile] = frozenset(),
) -> Needed:
    """Return which tiles of which periods are still to be made.

    Parameters
    ----------
    plan
        The periods that have data are those of its spans.
    division
        A group of periods is made whole.
    places
        Tiles (row, column) that have pairs.
    finished
        Tiles that are done.
    """
    listed = list(places)
    keys = division.keys(sorted({span.period for span in plan.spans}))
    left = {
        key: frozenset(place for place in listed if (*place, key) not in finished)
        for key in set(keys.values())
    }
    return {period: left[key] for period, key in keys.items() if left[key]}


def finished_derived(out: Path, finished: set[Tile]) -> set[Place] | None:
    """Return the tiles whose stacks of stacks are done and up to date.

    None if base rows were written since: then none is.
    """
    last_base = last_derived = 0
    redo = read_run(out).redo
    for part, records in iterate_parts(out):
        session = part.layout.session
        kept = records[counted(records, session, redo)]
        derived = kept["tile"][:, 2] == DERIVED
        if not derived.all():
            last_base = max(last_base, session)
        if derived.any():
            last_derived = max(last_derived, session)
    if last_base > last_derived:
        return None
    return {(row, column) for row, column, key in finished if key == DERIVED}
