"""Checks whether a run can be resumed or updated with the present options and data."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dispel4py.errors import ParameterError
from seismo_pes.application.options import options_of
from seismo_pes.application.run_record import check_started, refuse_other_options
from seismo_pes.application.times import time_ns
from seismo_pes.items.skipped import FAILED_READ, Skipped
from xcorr_app.config import Config
from xcorr_app.planning.plan import RunPlan
from xcorr_app.results.account import read_account
from xcorr_app.results.runfile import RunInfo, read_run
from xcorr_app.running.fingerprints import Fingerprints

__all__ = [
    "check_config",
    "check_plan",
    "failed_reads",
    "few_names",
    "read_started",
    "was_planned",
]

# Options for the start of a run, which do not change its results.
STARTING = frozenset({"out", "force", "resume", "update"})
# Options that may change when a run is updated.
GROWING = frozenset({"stations", "new_stations", "data", "inventory", "end"})


def read_started(out: Path, option: str) -> RunInfo:
    """Return the run that was started in a folder.

    Parameters
    ----------
    out
        The folder.
    option
        ``--resume`` or ``--update``.

    Raises
    ------
    ParameterError
        If no run was started in the folder, or it is a live run.
    """
    check_started(out, option)
    run = read_run(out)
    if run.division.get("live"):
        raise ParameterError(
            f"{option}: {out} has a live run: xcorr-app live continues it"
        )
    return run


# ------------------------------------------------------------------ options


def check_config(
    run: RunInfo, config: Config, growing: bool, action: str | None = None
) -> None:
    """Refuse options whose results would differ from those in the folder.

    Parameters
    ----------
    run
        The record of the run.
    config
        The present options.
    growing
        Stations and days may be added.
    action
        What continues the run, for messages; by default --update or --resume.

    Raises
    ------
    ParameterError
        If an option differs.
    """
    action = action or ("--update" if growing else "--resume")
    options = options_of(type(config))
    free = STARTING | {name for name, opt in options.items() if opt.table == "run"}
    free |= GROWING if growing else frozenset()
    refuse_other_options(run.config, config, free, f"{config.out}: {action}")
    if growing:
        _check_end(run, config, action)


def _check_end(run: RunInfo, config: Config, action: str) -> None:
    before = run.config.get("end")
    before_ns = None if before is None else time_ns(before)
    if config.end_ns is not None and (before_ns is None or config.end_ns < before_ns):
        raise ParameterError(
            f"{config.out}: {action} with --end {config.end}, but the results there "
            f"end at {before or 'the end of the earlier data'}: give a later --end or "
            "leave it out"
        )


# ------------------------------------------------------------------ data


def failed_reads(out: Path) -> list[Skipped]:
    """Return what the operating system could not read at earlier starts of a run.

    Parameters
    ----------
    out
        Folder of the run.
    """
    return [entry for entry in read_account(out).skipped if entry.stage == FAILED_READ]


def was_planned(entry: Skipped) -> bool:
    """Return whether an input that could not be read belongs to the plan of the run.

    Inputs that could not be read in the search for data are not in the plan: when they
    can be read, they may add stations, days and metadata.

    Parameters
    ----------
    entry
        From `failed_reads`.
    """
    return entry.start_ns is not None


def check_plan(
    run: RunInfo, plan: RunPlan, before: Fingerprints, growing: bool
) -> None:
    """Refuse data whose results would differ from those in the folder.

    Parameters
    ----------
    run
        The record of the run.
    plan
        The present plan.
    before
        Fingerprints of the data of earlier starts.
    growing
        Stations and days may be added.

    Raises
    ------
    ParameterError
        If channels are missing, or may not be added, or the lag axis or the windows
        differ.
    """
    option = f"{plan.config.out}: {'--update' if growing else '--resume'}"
    known = run.channels["id"].tolist()
    _check_channels(option, known, plan, before, growing)
    rate_hz, before_hz = plan.settings.rate_hz, run.sampling_rate_hz
    if (rate_hz, plan.n_lags) != (before_hz, run.n_lags):
        raise ParameterError(
            f"{option}, but most data have {rate_hz:g} Hz now, and the results there "
            f"{before_hz:g} Hz: give --sampling-rate-hz {before_hz:g}"
        )
    grid, origin_ns = plan.settings.grid, run.division.get("origin_ns")
    if origin_ns is not None and (grid.origin_ns - origin_ns) % grid.step_ns:
        raise ParameterError(
            f"{option}, but there are earlier data now, and windows that start with "
            "them do not coincide with the windows of the results there: give the "
            "first day of the results as --start"
        )
    if plan.settings.coherent:
        _check_instruments(option, len(known), plan)


def _check_channels(
    option: str, known: list[str], plan: RunPlan, before: Fingerprints, growing: bool
) -> None:
    ids = [channel.id for channel in plan.channels]
    if not growing and len(ids) > len(known):
        raise ParameterError(
            f"{option}, but there are stations that the run did not have "
            f"({few_names(ids[len(known) :])}): use --update"
        )
    missing = before.channels - {span.channel_id for span in plan.spans}
    if missing or ids[: len(known)] != known:
        names = few_names(sorted(missing) or sorted(set(known) - set(ids)))
        raise ParameterError(
            f"{option}, but there are no data of {names} any more: put them back into "
            "the list and the archive, or choose another --out"
        )


def _check_instruments(option: str, n_known: int, plan: RunPlan) -> None:
    """Refuse new components of known instruments.

    The blocks of known channels do not change, and an instrument lies in one block.
    """
    computed = {"R", "T"} if plan.pairs.rotation is not None else set()
    instruments = {channel.id[:-1] for channel in plan.channels[:n_known]}
    new = [channel.id for channel in plan.channels[n_known:]]
    components = [
        id_ for id_ in new if id_[:-1] in instruments and id_[-1:] not in computed
    ]
    if components:
        raise ParameterError(
            f"{option}, but {few_names(components)} are new components of instruments "
            "of the run: choose another --out"
        )


def few_names(names: Iterable[str]) -> str:
    """Return the first names of a list, and the number of the remaining names.

    >>> few_names("ABCDE")
    'A, B, C and 2 more'
    """
    listed = list(names)
    more = f" and {len(listed) - 3} more" if len(listed) > 3 else ""
    return ", ".join(listed[:3]) + more
