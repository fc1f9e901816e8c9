"""The periods of a run: UTC days, with the times of their windows."""

from __future__ import annotations

from collections.abc import Sequence

from dispel4py.errors import ParameterError
from seismo_pes.correlating.substacks import window_name
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.signal.window import WindowGrid

__all__ = ["between_windows", "far_times", "no_window_fits", "window_periods"]

HOUR_NS = 3600 * NS
# Gap in time after which data get a remark: longer than the pauses of most networks,
# shorter than the errors of unset clocks (1970, 1980, 1024 weeks).
FAR_NS = 5 * 365 * DAY_NS


def window_periods(
    windows: WindowGrid,
    end_ns: int,
    data: str,
    times: Sequence[tuple[int, int]] | None = None,
) -> dict[int, tuple[int, int]]:
    """Divide the windows of a run by the UTC day in which they start.

    Only days with data are examined, so that years without data between two records
    take no time.

    Parameters
    ----------
    windows : WindowGrid
        The windows.
    end_ns : int
        No window ends after this time, nanoseconds since 1970.
    data : str
        Name of the archive.
    times : sequence of (int, int), optional
        The intervals for which there are data. By default all the time of the run.

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
    origin_ns, step_ns = windows.origin_ns, windows.step_ns
    periods = {}
    for day in _days(windows, times or [(origin_ns, end_ns)]):
        first = max(0, -((origin_ns - day * DAY_NS) // step_ns))
        last = ((day + 1) * DAY_NS - 1 - origin_ns) // step_ns
        last = min(last, numbers[-1])
        if first <= last:
            end = windows.start_ns(last) + windows.length_ns
            periods[day] = windows.start_ns(first), end
    return periods


def _days(windows: WindowGrid, times: Sequence[tuple[int, int]]) -> list[int]:
    """Return the days in which windows start that may overlap the data, ascending."""
    days: set[int] = set()
    for start_ns, end_ns in times:
        # a sample may lie up to half a sample before the interval to which it belongs
        first = max(start_ns - windows.length_ns - NS, windows.origin_ns) // DAY_NS
        days.update(range(first, (end_ns + NS) // DAY_NS + 1))
    return sorted(days)


def far_times(times: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the intervals of data that lie years away from most of the data.

    Such a year usually comes from a clock that was not set.

    Parameters
    ----------
    times : sequence of (int, int)
        The intervals for which there are data, ascending, nanoseconds since 1970.

    Examples
    --------
    >>> far_times([(0, DAY_NS), (14_000 * DAY_NS, 14_030 * DAY_NS)])
    [(0, 86400000000000)]
    """
    groups: list[list[tuple[int, int]]] = []
    for interval in times:
        if groups and interval[0] - groups[-1][-1][1] <= FAR_NS:
            groups[-1].append(interval)
        else:
            groups.append([interval])
    if len(groups) < 2:
        return []
    lengths = [sum(end - start for start, end in group) for group in groups]
    main = lengths.index(max(lengths))
    return [
        interval for k, group in enumerate(groups) if k != main for interval in group
    ]


def between_windows(windows: WindowGrid, times: Sequence[tuple[int, int]]) -> str:
    """Return a line if data are long enough for a window, but contain none.

    Parameters
    ----------
    windows : WindowGrid
        The windows.
    times : sequence of (int, int)
        The intervals for which there are data, nanoseconds since 1970.

    Returns
    -------
    str
        The line names a start that gives a window; "" if data contain a window, or
        are too short.
    """
    for start_ns, end_ns in times:
        if len(windows.windows_between(start_ns - NS // 2, end_ns + NS)):
            return ""
    start_ns, end_ns = max(times, key=lambda t: t[1] - t[0], default=(0, 0))
    if end_ns + NS - start_ns < windows.length_ns:
        return ""
    rule = f"every {windows.step_ns / NS:g} s from {window_name(windows.origin_ns)}"
    if windows.step_ns == HOUR_NS and windows.origin_ns % HOUR_NS == 0:
        rule = "at full hours"
    start, end = window_name(start_ns), window_name(end_ns)
    return (
        f"windows start {rule}: {start[11:]}-{end[11:]} contains no window; "
        f"give --start {start}"
    )


def no_window_fits(windows: WindowGrid, data: str) -> ParameterError:
    """Return the error of data in which no window fits."""
    return ParameterError(
        f"{data}: no window of --window-s {windows.length_ns / NS:g} fits the data of "
        "the listed stations; choose a shorter one or check --start and --end"
    )
