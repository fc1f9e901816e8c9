"""The windows that are lost before anything is read: no file, or no pair."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from seismo_pes.correlating.spectra.accounting import lost_windows
from seismo_pes.items.account import LostWindows, WindowAccount
from xcorr_app.planning.plan import RunPlan

__all__ = ["absent_windows"]


def absent_windows(plan: RunPlan) -> Iterator[WindowAccount]:
    """Yield the accounts of the channels and days that are not read.

    A day on which no channel has a file does not belong to the run.

    Parameters
    ----------
    plan : RunPlan
        The plan of the run.
    """
    days = sorted({span.period for span in plan.spans})
    present = {(span.channel_id, span.period) for span in plan.spans}
    needed = set(plan.pairs.recorded_ids)
    for channel_id, name in plan.names.items():
        cause = "no file" if channel_id in needed else "no pair"
        absent = [day for day in days if (channel_id, day) not in present]
        yield from lost_days(plan, name, absent, cause)
    for name in plan.without_data:
        yield from lost_days(plan, name, days, "no file")


def lost_days(
    plan: RunPlan, channel_id: str, days: Sequence[int], cause: str
) -> Iterator[WindowAccount]:
    """Yield the accounts of days of which a channel has lost all windows.

    Parameters
    ----------
    plan : RunPlan
        The plan of the run.
    channel_id : str
        The channel, as in the channel table.
    days : sequence of int
        Days since 1970.
    cause : str
        See `seismo_pes.items.account.CAUSES`.
    """
    for day in days:
        windows = plan.grid.windows.windows_between(*plan.periods[day])
        lost: tuple[LostWindows, ...] = ()
        if len(windows):
            numbers = np.array(windows)
            causes = np.full(len(windows), cause)
            lost = lost_windows(numbers, causes, plan.grid.windows)
        yield WindowAccount(channel_id, day, len(windows), 0, lost)
