"""One start of a run: what is asked for, what is there, what is left to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dispel4py.errors import ParameterError
from seismo_pes.application.lock import RunLock
from seismo_pes.correlating.windows.substacks import period_name
from seismo_pes.items.times import DAY_NS
from xcorr_app.config import Config
from xcorr_app.planning.division import (
    Division,
    Needed,
    divide,
    extend,
    pairs_of_tiles,
    rounds_of,
)
from xcorr_app.planning.memory import (
    GB,
    Load,
    Shares,
    available_bytes,
    in_one_process,
    n_processes,
    shares,
)
from xcorr_app.planning.plan import RunPlan, plan_run
from xcorr_app.results.layout import Part, Tile, finished_tiles
from xcorr_app.results.runfile import (
    Redo,
    RunInfo,
    channel_table,
    create_run,
    new_session,
    read_run,
    write_run,
)
from xcorr_app.running.baserows import Moving, RestackTile, base_rows, moving_stacks
from xcorr_app.running.inputs import Inputs, fingerprints
from xcorr_app.running.metadata import used_metadata
from xcorr_app.running.restack import Derived
from xcorr_app.running.resume import (
    DERIVED,
    block_finder,
    check_config,
    check_plan,
    close_parts,
    finished_derived,
    needed_tiles,
    outdated,
    read_started,
    with_rules,
)

__all__ = ["Restack", "Todo", "open_session", "restacking", "to_do"]

# a run that was killed a moment ago may take so long to be gone
ENDING_S = 3.0
STEPS_S = {"hour": 3600.0, "day": 86400.0}


@dataclass(frozen=True)
class Todo:
    """What a start of a run does in its first phase.

    Parameters
    ----------
    plan
        What is asked for.
    division
        How it is divided.
    shares
        Who may take how much memory.
    rounds
        Tiles to make, by period; one round after the other.
    n_kept
        Tiles that earlier starts have made, counted for each period.
    run
        What is told of the run in its folder.
    how
        ``start``, ``resume`` or ``update``.
    """

    plan: RunPlan
    division: Division
    shares: Shares
    rounds: Sequence[Needed]
    n_kept: int = 0
    run: RunInfo | None = None
    how: str = "start"

    @property
    def n_tiles(self) -> int:
        """How many tiles are made, counted for each period."""
        return sum(len(places) for one in self.rounds for places in one.values())

    @property
    def n_spans(self) -> int:
        """How many spans are read, in all rounds."""
        counts = Counter(span.period for span in self.plan.spans)
        return sum(counts[period] for needed in self.rounds for period in needed)


@dataclass(frozen=True)
class Restack:
    """What a start of a run does in its second phase."""

    parts: tuple[Part, ...]
    derived: Derived
    tiles: tuple[RestackTile, ...]


# ------------------------------------------------------------------ opening


def open_session(config: Config, lock: RunLock) -> Todo:
    """Settle what there is to do; describe the start of the run in its folder.

    Raises
    ------
    ParameterError
        If an option does not fit the data, or what is there already.
    """
    if config.resume or config.update:
        return _continued(config, lock, "update" if config.update else "resume")
    plan = plan_run(config)
    derived(plan).check(n_lags_of(plan))
    processes, memory = n_processes(config), memory_bytes(config)
    division = divide(plan, processes, memory)
    todo = to_do(plan, division, processes, memory)
    lock.take()
    run = create_run(
        config.out,
        config=config.to_dict(),
        channels=plan.channels,
        sampling_rate_hz=plan.settings.rate_hz,
        n_lags=n_lags_of(plan),
        dtype=config.dtype,
        division=_told(division, plan),
        overwrite=config.force,
    )
    _inputs(plan, division).write(Path(config.out))
    return replace(todo, run=run)


def _continued(config: Config, lock: RunLock, how: str) -> Todo:
    out, growing = Path(config.out), how == "update"
    read_started(out, f"--{how}")
    lock.take(wait_s=ENDING_S)
    run, inputs = read_run(out), Inputs.read(out)
    check_config(run, config, growing)
    plan = plan_run(config, run.channels["id"].tolist())
    check_plan(run, plan, inputs, growing)
    close_parts(out)
    processes, memory = n_processes(config), memory_bytes(config)
    division = Division.from_dict(run.division)
    if growing:
        n_known = len(run.channels)
        division = extend(division, plan, n_known, processes, memory)
    now = _inputs(plan, division)
    if not growing:
        _check_periods(config, inputs, now)
    rules = outdated(inputs, plan, now, division, run.session + 1)
    if rules and not growing:
        raise ParameterError(
            f"{config.out}: --resume, but the data of {period_name(rules[0].key)} "
            "changed since the run was started: use --update"
        )
    run = new_session(run, how, redo=with_rules(run.redo, rules))
    if growing:
        run = replace(
            run,
            config=config.to_dict(),
            channels=channel_table(plan.channels),
            division=_told(division, plan),
        )
    write_run(out, run)
    now.write(out)  # after the rules: else what changed could be forgotten
    todo = to_do(plan, division, processes, memory, finished_tiles(out))
    return replace(todo, run=run, how=how)


def _inputs(plan: RunPlan, division: Division) -> Inputs:
    found = fingerprints(plan.spans, block_finder(plan, division))
    return replace(found, metadata=used_metadata(plan))


def _check_periods(config: Config, inputs: Inputs, now: Inputs) -> None:
    new = {period for period, _ in now.files} - {s for s, _ in inputs.files}
    if new and inputs.files:
        raise ParameterError(
            f"{config.out}: --resume, but there are data of {period_name(min(new))} "
            "now that the run did not have: use --update"
        )


def to_do(
    plan: RunPlan,
    division: Division,
    processes: int,
    memory: int,
    finished: Collection[Tile] = frozenset(),
) -> Todo:
    """Return what is left to do.

    Parameters
    ----------
    plan, division
        What is asked for, and how it is divided.
    processes, memory
        How many, and how many bytes for all of them.
    finished
        Tiles that are there.
    """
    load, pairs = Load.of(plan), pairs_of_tiles(plan.pairs, division.blocks)
    everything = needed_tiles(plan, division, pairs)
    needed = needed_tiles(plan, division, pairs, frozenset(finished))
    places = set().union(*needed.values()) if needed else set()
    sums = 0
    if division.sums_up:
        sums = load.sums * sum(pairs[place] for place in places)
    simple = in_one_process(plan.config)
    share = shares(memory, processes, load, sums, simple)
    rounds = rounds_of(needed, division, pairs, load, share.sums)
    todo = Todo(plan, division, share, rounds)
    return replace(todo, n_kept=sum(map(len, everything.values())) - todo.n_tiles)


def memory_bytes(config: Config) -> int:
    """Return what all processes together may take beside their modules."""
    if config.memory_gb is None:
        return available_bytes(n_processes(config))
    return round(config.memory_gb * GB)


def n_lags_of(plan: RunPlan) -> int:
    """Return the length of a correlation."""
    return 2 * plan.settings.max_lag + 1


def _told(division: Division, plan: RunPlan) -> dict[str, object]:
    return division.to_dict() | {"origin_ns": plan.settings.grid.origin_ns}


# ------------------------------------------------------------------ the second phase


def restacking(todo: Todo) -> Restack | None:
    """Look at what the first phase has left; return what to make of it, if anything."""
    if not todo.division.derives:
        return None
    assert todo.run is not None
    out = Path(todo.plan.config.out)
    done = finished_derived(out, finished_tiles(out))
    if done is None:
        run = read_run(out)
        rule = Redo(-1, DERIVED, todo.run.session)
        write_run(out, replace(run, redo=with_rules(run.redo, [rule])))
        done = set()
    parts, tiles = base_rows(out)
    left = tuple(tile for place, tile in tiles.items() if place not in done)
    return Restack(parts, derived(todo.plan), left) if left else None


def derived(plan: RunPlan) -> Derived:
    """Return what is made of the base rows of a plan."""
    config = plan.config
    options = config.stack_options if config.stack != "linear" else None
    return Derived(
        plan.settings.rate_hz,
        config.stack,
        dict(options or {}),
        _moving(plan),
        config.uncertainty,
    )


def _moving(plan: RunPlan) -> tuple[Moving, ...]:
    config = plan.config
    if config.moving_s is None:
        return ()
    days = {span.period for span in plan.spans}
    step_s = config.moving_step_s or STEPS_S.get(config.substack, config.step_s)
    return moving_stacks(
        min(days) * DAY_NS, (max(days) + 1) * DAY_NS, config.moving_s, step_s
    )
