"""The periods of a run: UTC days, with the times of their windows."""

from __future__ import annotations

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.signal.window import WindowGrid

__all__ = ["no_window_fits", "window_periods"]


def window_periods(
    windows: WindowGrid, end_ns: int, data: str
) -> dict[int, tuple[int, int]]:
    """Divide the windows of a run by the UTC day in which they start.

    Parameters
    ----------
    windows : WindowGrid
        The windows.
    end_ns : int
        No window ends after this time, nanoseconds since 1970.
    data : str
        Name of the archive.

    Returns
    -------
    dict of int to (int, int)
        For each day, counted from 1970: start of its first and end of its last
        window, nanoseconds since 1970.

    Raises
    ------
    ParameterError
        If no window fits the time.
    """
    numbers = windows.windows_between(windows.origin_ns, end_ns)
    if not len(numbers):
        raise no_window_fits(windows, data)
    starts_ns = windows.start_ns(np.asarray(numbers, np.int64))
    days = starts_ns // DAY_NS
    firsts = np.flatnonzero(np.diff(days, prepend=days[0] - 1))
    lasts = [*(firsts[1:] - 1), len(days) - 1]
    return {
        int(days[a]): (int(starts_ns[a]), int(starts_ns[b]) + windows.length_ns)
        for a, b in zip(firsts, lasts, strict=True)
    }


def no_window_fits(windows: WindowGrid, data: str) -> ParameterError:
    """Return the error of data in which no window fits."""
    return ParameterError(
        f"{data}: no window of --window-s {windows.length_ns / NS:g} fits the data of "
        "the listed stations; choose a shorter one or check --start and --end"
    )
