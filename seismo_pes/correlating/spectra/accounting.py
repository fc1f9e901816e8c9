"""The cause for which each unused window of a channel is lost."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.items.account import LostWindows, WindowAccount
from seismo_pes.items.intervals import Interval, difference, measure, union
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import ChannelTraces
from seismo_pes.preprocessing.segments import Segment, window_places
from seismo_pes.signal.rates import exact_rate
from seismo_pes.signal.window import WindowGrid

__all__ = ["inside", "lost_windows", "window_accounts"]

Placed = tuple[ChannelTraces, Sequence[Segment]]


def window_accounts(
    channels: Sequence[Placed],
    used: np.ndarray,
    settings: SpectraSettings,
    out_of_band: bool = False,
) -> list[WindowAccount]:
    """Return the account of each channel of an instrument in a period.

    Parameters
    ----------
    channels : sequence of (ChannelTraces, sequence of Segment)
        The channels, and their segments, from which windows were cut.
    used : numpy.ndarray
        Shape (n,), int64: the windows that are used, which all channels share.
    settings : SpectraSettings
        The windows.
    out_of_band : bool
        Whether the record has no frequencies in any band.
    """
    grid = settings.grid
    start_ns = min(channel.span.start_ns for channel, _ in channels)
    end_ns = max(channel.span.end_ns for channel, _ in channels)
    between = grid.windows_between(start_ns, end_ns)
    lost = np.setdiff1d(np.arange(between.start, between.stop), used)
    rows: list[tuple[LostWindows, ...]] = [()] * len(channels)
    if len(lost):
        causes = np.array([_causes(placed, lost, settings) for placed in channels])
        n_without = (causes != "").sum(axis=0)
        # if the channel has all samples, its energy is too low, or another channel
        # lacks the window
        rest = np.where(n_without, "components", "band" if out_of_band else "flat")
        rows = [lost_windows(lost, np.where(c, c, rest), grid) for c in causes]
    spans = [channel.span for channel, _ in channels]
    return [
        WindowAccount(span.channel_id, span.period, len(between), len(used), entries)
        for span, entries in zip(spans, rows, strict=True)
    ]


def lost_windows(
    windows: np.ndarray, causes: np.ndarray, grid: WindowGrid
) -> tuple[LostWindows, ...]:
    """Group windows by cause, in the order of the first window of each cause.

    Parameters
    ----------
    windows : numpy.ndarray
        Shape (n,), int64: windows of the grid, ascending.
    causes : numpy.ndarray
        Shape (n,), text: the cause of each window.
    grid : WindowGrid
        The windows.

    Examples
    --------
    >>> lost_windows(np.array([0, 1, 5]), np.array(["gap"] * 3), WindowGrid(0, 9, 9))
    (LostWindows(cause='gap', n_windows=3, times=((0, 18), (45, 54))),)
    """
    rows = []
    for cause in dict.fromkeys(causes.tolist()):
        starts = grid.start_ns(windows[causes == cause]).tolist()
        times = union((start, start + grid.length_ns) for start in starts)
        rows.append(LostWindows(cause, len(starts), tuple(times)))
    return tuple(rows)


def inside(
    windows: np.ndarray, grid: WindowGrid, intervals: Sequence[Interval]
) -> np.ndarray:
    """Return which windows lie completely inside one of the intervals.

    Parameters
    ----------
    windows : numpy.ndarray
        Shape (n,), int64: windows of the grid.
    grid : WindowGrid
        The windows.
    intervals : sequence of (int, int)
        Start and end, nanoseconds since 1970.

    Returns
    -------
    numpy.ndarray
        Shape (n,), bool.
    """
    start = grid.start_ns(windows)
    is_inside = np.zeros(len(windows), bool)
    for begin, end in intervals:
        is_inside |= (start >= begin) & (start + grid.length_ns <= end)
    return is_inside


def _causes(
    placed: Placed, windows: np.ndarray, settings: SpectraSettings
) -> np.ndarray:
    """Return the cause of each lost window; "" where the channel has all samples."""
    channel, segments = placed
    grid, rate_hz = settings.grid, settings.rate_hz
    causes = np.full(len(windows), "", object)
    first = grid.first_sample(windows, rate_hz)
    stop = grid.stop_sample(windows, rate_hz)
    absent = ~window_places(segments, first, stop).covered
    causes[absent] = _absent(channel, segments, windows[absent], settings)
    for cause, times in (("rejected", channel.rejected), ("flat", channel.flat)):
        causes[~absent & inside(windows, grid, times)] = cause
    return causes


def _absent(
    channel: ChannelTraces,
    segments: Sequence[Segment],
    windows: np.ndarray,
    settings: SpectraSettings,
) -> np.ndarray:
    """Return for each window the cause of most of its missing time."""
    grid = settings.grid
    start_ns = grid.start_ns(windows)
    end_ns = start_ns + grid.length_ns
    covered = [_times(segment, settings) for segment in segments]
    missing_ns = grid.length_ns - measure(union(covered), start_ns, end_ns)
    removed = _removed(channel)
    # a gap is the missing time that no element has removed
    known = difference(itertools.chain.from_iterable(removed.values()), covered)
    lengths = [missing_ns - measure(known, start_ns, end_ns)]
    for times in removed.values():
        lengths.append(measure(difference(times, covered), start_ns, end_ns))
    recorded = union([*covered, *known])
    begin_ns, last_ns = (recorded[0][0], recorded[-1][1]) if recorded else (0, 0)
    outside = (end_ns <= begin_ns) | (start_ns >= last_ns)
    at_end = (start_ns < begin_ns) | (end_ns > last_ns)
    gap = np.where(outside, "no data", np.where(at_end, "begin or end", "gap"))
    kinds = [gap.astype(object), *(np.full(len(gap), name, object) for name in removed)]
    chosen = np.argmax(lengths, axis=0)
    return np.asarray(np.array(kinds)[chosen, np.arange(len(gap))])


def _removed(channel: ChannelTraces) -> dict[str, list[Interval]]:
    """Return the times of the span in which samples were removed, by cause."""
    start_ns, end_ns = channel.span.start_ns, channel.span.end_ns
    removed: dict[str, list[Interval]] = {}
    for loss in channel.losses:
        times = max(loss.start_ns, start_ns), min(loss.end_ns, end_ns)
        if times[0] < times[1]:
            removed.setdefault(loss.cause, []).append(times)
    return removed


def _times(segment: Segment, settings: SpectraSettings) -> Interval:
    """Return the interval of a segment, to the end of its last sample."""
    rate, origin_ns = exact_rate(settings.rate_hz), settings.grid.origin_ns
    start_ns = origin_ns + round(segment.first_sample * NS / rate)
    return start_ns, start_ns + round(len(segment.data) * NS / rate)
