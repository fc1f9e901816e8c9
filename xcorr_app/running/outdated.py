"""Results of earlier starts that are damaged, or whose data have changed since."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from pathlib import Path

from dispel4py.errors import DataError, ParameterError
from dispel4py.file_search import files_named
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.part_damage import close_abandoned
from seismo_pes.writing.part_files import read_layout
from xcorr_app.config import Config
from xcorr_app.planning.division import Division
from xcorr_app.planning.plan import RunPlan
from xcorr_app.results.runfile import Redo
from xcorr_app.running.fingerprints import Fingerprints, changed_blocks
from xcorr_app.running.metadata_digests import changed_periods
from xcorr_app.running.resume import few_names

__all__ = ["block_finder", "close_parts", "redo_changed", "redo_failed"]

logger = logging.getLogger(__name__)


def close_parts(out: Path) -> None:
    """Close the parts of killed writers, and remove their temporary files.

    The caller holds the lock of the folder.

    Parameters
    ----------
    out
        Folder of the run.
    """
    folder = parts_folder(out)
    for path in files_named(folder, ".part-*"):
        path.unlink(missing_ok=True)
    for path in files_named(folder, "part-*.h5"):
        layout = read_layout(path, torn=True)
        if not layout.sealed:
            try:
                close_abandoned(path, layout)
            except DataError as error:  # the next start checks the part again
                logger.warning("%s", error)


def redo_changed(
    plan: RunPlan,
    division: Division,
    before: Fingerprints,
    now: Fingerprints,
    session: int,
    growing: bool,
) -> list[Redo]:
    """Return rules that mark rows as outdated whose data have changed.

    Parameters
    ----------
    plan
        The plan of the run.
    division
        The blocks of channels and groups of periods.
    before, now
        Fingerprints of the data of earlier starts, and of this start.
    session
        Number of this start.
    growing
        Data and metadata may be added.

    Raises
    ------
    ParameterError
        If metadata have changed, and the run does not grow.
    """
    block_of = block_finder(plan, division)
    changes = changed_blocks(before, now, plan.spans, block_of)
    known = {period for period, _ in before.files}
    renewed = changed_periods(before.metadata, now.metadata, plan.spans, known)
    if renewed:
        _report_renewed(plan.config, sorted(renewed), growing)
    changes |= {(day, block_of(id_)) for id_, days in renewed.items() for day in days}
    keys = division.keys({period for period, _ in changes})
    rules = {Redo(block, keys[period], session) for period, block in changes}
    return sorted(rules, key=lambda rule: (rule.key, rule.block))


def redo_failed(
    plan: RunPlan, division: Division, failed: Iterable[Skipped], session: int
) -> list[Redo]:
    """Return rules that mark rows as outdated whose files could not be read.

    Parameters
    ----------
    plan, division, session
        As for `redo_changed`.
    failed
        What earlier starts could not read.
    """
    block_of = block_finder(plan, division)
    times: dict[str, list[Skipped]] = {}
    for entry in failed:
        times.setdefault(entry.what, []).append(entry)
    changes = {
        (span.period, block_of(span.channel_id))
        for span in plan.spans
        for path in span.files
        if any(_concerns(entry, span) for entry in times.get(path, ()))
    }
    keys = division.keys({period for period, _ in changes})
    rules = {Redo(block, keys[period], session) for period, block in changes}
    return sorted(rules, key=lambda rule: (rule.key, rule.block))


def _concerns(entry: Skipped, span: ChannelSpan) -> bool:
    if entry.start_ns is None or entry.end_ns is None:
        return True
    return entry.start_ns < span.end_ns and entry.end_ns > span.start_ns


def _report_renewed(config: Config, ids: list[str], growing: bool) -> None:
    if not growing:
        raise ParameterError(
            f"{config.out}: --resume, but the metadata of {few_names(ids)} changed "
            "since the run was started: use --update"
        )
    logger.warning(
        "metadata of %s changed: correlations with them are computed again",
        few_names(ids),
    )


def block_finder(plan: RunPlan, division: Division) -> Callable[[str], int]:
    """Return a function from the id of a recorded channel to its block.

    Parameters
    ----------
    plan
        The plan of the run.
    division
        The blocks of channels.
    """
    blocks = {}
    for k, channel in enumerate(plan.channels):
        block = division.block_of(k)
        if block >= 0:
            blocks[channel.id] = blocks[channel.id[:-1]] = block

    def block_of(channel_id: str) -> int:
        name = plan.names.get(channel_id, channel_id)
        return blocks[name] if name in blocks else blocks[name[:-1]]

    return block_of
