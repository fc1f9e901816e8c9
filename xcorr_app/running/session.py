"""One start of a run: its plan, its description in the folder, its work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from dispel4py.errors import ParameterError
from seismo_pes.application.lock import RunLock
from seismo_pes.correlating.substacks import period_name
from xcorr_app.config import Config
from xcorr_app.planning.division import Division, divide, extend
from xcorr_app.planning.memory import Resources
from xcorr_app.planning.plan import RunPlan, plan_run
from xcorr_app.results.account_sums import close_journals
from xcorr_app.results.run_parts import with_rules
from xcorr_app.results.runfile import (
    channel_table,
    create_run,
    new_session,
    read_run,
    write_run,
)
from xcorr_app.running.accounted import accounted_tiles
from xcorr_app.running.accounting import open_account
from xcorr_app.running.fingerprints import Fingerprints, file_fingerprints
from xcorr_app.running.metadata_digests import used_metadata
from xcorr_app.running.outdated import (
    block_finder,
    close_parts,
    redo_changed,
    redo_failed,
)
from xcorr_app.running.resume import (
    check_config,
    check_plan,
    failed_reads,
    read_started,
    was_planned,
)
from xcorr_app.running.second_phase import derived_stacks
from xcorr_app.running.work import Work, work_left

__all__ = ["open_session"]

ENDING_S = 3.0  # longest time that a process takes to end after it was killed


def open_session(config: Config, lock: RunLock) -> Work:
    """Plan the work of one start of a run, and describe the start in its folder.

    Parameters
    ----------
    config
        The options.
    lock
        The lock of the folder, which is taken.

    Raises
    ------
    ParameterError
        If an option does not fit the data or the results of earlier starts.
    """
    if config.resume or config.update:
        return _continue(config, lock, "update" if config.update else "resume")
    plan = plan_run(config)
    derived_stacks(plan).check(plan.n_lags)
    resources = Resources.of(config)
    division = divide(plan, resources)
    work = work_left(plan, division, resources)
    lock.take()
    run = create_run(
        config.out,
        config=config.to_dict(),
        channels=plan.channels,
        sampling_rate_hz=plan.settings.rate_hz,
        n_lags=plan.n_lags,
        dtype=config.dtype,
        division=_division_entry(division, plan),
        overwrite=config.force,
    )
    _fingerprints(plan, division).write(Path(config.out), run.run_id)
    work = replace(work, run=run)
    open_account(work)
    return work


def _continue(config: Config, lock: RunLock, how: str) -> Work:
    """Start a run again, to ``resume`` it or to ``update`` it."""
    out, growing = Path(config.out), how == "update"
    read_started(out, f"--{how}")
    lock.take(wait_s=ENDING_S)
    run = read_run(out)
    before = Fingerprints.read(out, run.run_id)
    check_config(run, config, growing)
    close_journals(out)
    failed = failed_reads(out)
    growing = growing or not all(map(was_planned, failed))
    plan = plan_run(config, run.channels["id"].tolist())
    check_plan(run, plan, before, growing)
    close_parts(out)
    resources = Resources.of(config)
    division = Division.from_dict(run.division)
    if growing:
        division = extend(division, plan, len(run.channels), resources)
    now = _fingerprints(plan, division)
    if not growing:
        _check_periods(config, before, now)
    rules = redo_changed(plan, division, before, now, run.session + 1, growing)
    if rules and not growing:
        raise ParameterError(
            f"{config.out}: --resume, but the data of {period_name(rules[0].key)} "
            "changed since the run was started: use --update"
        )
    rules += redo_failed(plan, division, failed, run.session + 1)
    run = new_session(run, how, redo=with_rules(run.redo, rules))
    if growing:
        run = replace(
            run,
            config=config.to_dict(),
            channels=channel_table(plan.channels),
            division=_division_entry(division, plan),
        )
    write_run(out, run)
    # written last: if the process ends before, the next start finds the changes again
    now.write(out, run.run_id)
    work = work_left(plan, division, resources, accounted_tiles(out, plan, division))
    work = replace(work, run=run, how=how)
    open_account(work)
    return work


def _fingerprints(plan: RunPlan, division: Division) -> Fingerprints:
    files = file_fingerprints(plan.spans, block_finder(plan, division))
    return replace(files, metadata=used_metadata(plan))


def _check_periods(config: Config, before: Fingerprints, now: Fingerprints) -> None:
    """Refuse data of new periods, unless the run is updated."""
    new = {period for period, _ in now.files} - {period for period, _ in before.files}
    if new and before.files:
        raise ParameterError(
            f"{config.out}: --resume, but there are data of {period_name(min(new))} "
            "now that the run did not have: use --update"
        )


def _division_entry(division: Division, plan: RunPlan) -> dict[str, object]:
    """Return the division in the form of ``run.json``."""
    return division.to_dict() | {"origin_ns": plan.settings.grid.origin_ns}
