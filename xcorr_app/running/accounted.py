"""Tiles that are finished: their rows and their lines of the account are on the disk.

The rows of a tile have checksums, so rows that a power failure has lost are found.
Lines of a journal that it has lost leave no trace. But in the session that writes a
tile, each of its channels has a line for each day, and so has the tile, after what was
skipped in it. If one of these lines is absent, the tile is not finished, and is
computed again.
"""

from __future__ import annotations

import logging
from pathlib import Path

from seismo_pes.items.account import WindowAccount
from seismo_pes.writing.correlation_writer import TileWritten
from xcorr_app.planning.division import Division
from xcorr_app.planning.plan import RunPlan
from xcorr_app.results.account import entries
from xcorr_app.results.account_sums import last_ended
from xcorr_app.results.run_parts import DERIVED, Tile, sessions_of_tiles
from xcorr_app.running.outdated import block_finder

__all__ = ["accounted_tiles"]

logger = logging.getLogger(__name__)


def accounted_tiles(out: Path, plan: RunPlan, division: Division) -> set[Tile]:
    """Return the finished tiles of a run of which no line of the account is lost.

    Parameters
    ----------
    out
        Folder of the run.
    plan
        The plan of the run.
    division
        The blocks of channels and groups of periods.
    """
    finished, ended = sessions_of_tiles(out), last_ended(out)
    recent = {
        tile: session
        for tile, session in finished.items()
        if session > ended and tile[2] != DERIVED  # of substacks that have lines
    }
    if not recent:
        return set(finished)
    written: dict[Tile, int] = {}
    read: dict[tuple[str, int], int] = {}
    for session, entry in entries(out):
        if isinstance(entry, TileWritten):
            written[entry.tile] = session
        elif isinstance(entry, WindowAccount):
            read[entry.channel_id, entry.period] = session
    of_blocks = _oldest_by_block(plan, division, read)
    lost = set()
    for (row, column, key), session in recent.items():
        # a block without data on these days has no lines
        lines = [of_blocks.get((block, key), session) for block in (row, column)]
        if session > min(written.get((row, column, key), 0), *lines):
            lost.add((row, column, key))
    if lost:
        logger.info("%d tiles have lost lines of the account", len(lost))
    return set(finished) - lost


def _oldest_by_block(
    plan: RunPlan, division: Division, read: dict[tuple[str, int], int]
) -> dict[tuple[int, int], int]:
    """Return for each block and group of periods the session that all lines reach.

    Of a channel and day the last session counts that has a line of it.
    """
    block_of = block_finder(plan, division)
    keys = division.keys({span.period for span in plan.spans})
    oldest: dict[tuple[int, int], int] = {}
    for span in plan.spans:
        place = block_of(span.channel_id), keys[span.period]
        session = read.get((plan.names[span.channel_id], span.period), 0)
        oldest[place] = min(oldest.get(place, session), session)
    return oldest
