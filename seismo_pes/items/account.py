"""The account of windows: those of a channel and day that are possible, used, lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from seismo_pes.items.intervals import Interval

__all__ = ["CAUSES", "LostWindows", "WindowAccount"]

# The causes of lost windows, in the order in which data are processed. A window has one
# cause. For an element that is not listed here, the cause is its name.
CAUSES = {
    "no file": "the archive has no file of the day",
    "no pair": "no pair needs the channel",
    "unreadable": "a file cannot be read, or has impossible values",
    "no data": "the window has no samples, and is before or after the data of the day",
    "begin or end": "the data of the day begin or end within the window",
    "gap": "samples are missing within the data, or their times jump",
    "rate": "the data have another sampling rate than the run uses",
    "flat": "all samples of the window are equal, or flat samples were removed",
    "clipped": "clipped samples were removed",
    "transient": "loud samples were removed",
    "overlap": "records that contradict each other were removed",
    "epoch": "the data were recorded at another place",
    "response": "no response is valid at the time, or it cannot be removed",
    "orient": "components are missing, or their directions are not known",
    "components": "another component of the instrument does not have the window",
    "band": "the record has no frequencies in any of the bands",
    "rejected": "the window is too loud, or its level is unusual (--reject-...)",
    "failed": "a step failed (--on-error skip)",
}


class LostWindows(NamedTuple):
    """Windows that are lost for the same cause.

    Attributes
    ----------
    cause : str
        A key of `CAUSES`, or the name of an element.
    n_windows : int
        Their number.
    times : tuple of (int, int)
        Their times, nanoseconds since 1970; windows that touch share an interval.
    """

    cause: str
    n_windows: int
    times: tuple[Interval, ...]


@dataclass(frozen=True, slots=True)
class WindowAccount:
    """The windows of a channel in a period: possible = used + the sum of the lost.

    Attributes
    ----------
    channel_id : str
        ``NET.STA.LOC.CHA``, as in the table of channels of the run.
    period : int
        Number of the period; in `xcorr-app` days since 1970.
    n_possible, n_used : int
        Windows of the grid in the period, and those with a spectrum.
    lost : tuple of LostWindows
        The other windows, one entry for each cause.
    """

    channel_id: str
    period: int
    n_possible: int
    n_used: int
    lost: tuple[LostWindows, ...] = ()
