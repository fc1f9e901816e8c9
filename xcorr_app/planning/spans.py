"""The spans of a run: which channel is read in which period from which files."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeVar

from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading.archives.archive import Archive, ChannelInfo
from seismo_pes.signal.window import WindowGrid
from xcorr_app.planning.grid import RunGrid
from xcorr_app.planning.periods import no_window_fits

__all__ = ["channels_by_period", "data_times", "spans_to_read"]

T = TypeVar("T", bound=Hashable)


def spans_to_read(
    archive: Archive,
    channel_ids: Sequence[str],
    periods: Mapping[int, tuple[int, int]],
    windows: WindowGrid,
    margin_ns: int = 0,
) -> list[ChannelSpan]:
    """Return the spans of channels for which the archive has files.

    Parameters
    ----------
    archive : Archive
        All archives as one.
    channel_ids : sequence of str
        Recorded channels that pairs need.
    periods : mapping of int to (int, int)
        Start and end of each period, from `window_periods`.
    windows : WindowGrid
        The windows.
    margin_ns : int
        Time before and after each period that the preprocessing needs.

    Returns
    -------
    list of ChannelSpan
        Period by period.

    Raises
    ------
    ParameterError
        If there are no files in any period.
    """
    days = list(periods)
    spans = archive.spans(channel_ids, list(periods.values()), margin_ns)
    if not spans:
        raise no_window_fits(windows, archive.name)
    return [replace(span, period=days[span.period]) for span in spans]


def data_times(
    infos: Mapping[str, ChannelInfo], channel_ids: Iterable[str], grid: RunGrid
) -> dict[str, tuple[int, int]]:
    """Return first and last time of the data of each channel within a run.

    Parameters
    ----------
    infos : mapping of str to ChannelInfo
        The data of each channel in the archives.
    channel_ids : iterable of str
        Recorded channels that pairs need.
    grid : RunGrid
        The time of the run.
    """
    return {
        id_: (
            max(infos[id_].start_ns, grid.windows.origin_ns),
            min(infos[id_].end_ns, grid.end_ns),
        )
        for id_ in channel_ids
    }


def channels_by_period(
    spans: Iterable[ChannelSpan], numbers: Mapping[str, T]
) -> dict[int, frozenset[T]]:
    """Return the channels that have data in each period.

    Periods with the same channels share one set.

    Parameters
    ----------
    spans : iterable of ChannelSpan
        The spans of a run, or of one of its rounds.
    numbers : mapping of str to object
        Number, or another name, of each recorded channel by its id.
    """
    channels: dict[int, list[T]] = {}
    for span in spans:
        channels.setdefault(span.period, []).append(numbers[span.channel_id])
    shared: dict[frozenset[T], frozenset[T]] = {}
    by_period = {}
    for period, listed in channels.items():
        members = frozenset(listed)
        by_period[period] = shared.setdefault(members, members)
    return by_period
