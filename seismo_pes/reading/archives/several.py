"""Several archives that are read as one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from seismo_pes.items.intervals import union
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.stations import PatternIndex, StationPattern
from seismo_pes.reading.archives.archive import (
    Archive,
    ChannelInfo,
    has_files,
    has_own_files,
)
from seismo_pes.reading.archives.opening import open_archive

__all__ = ["Archives", "open_archives"]


class Archives(Archive):
    """Several archives; a channel that is in more than one is read from all of them.

    Parameters
    ----------
    members : sequence of Archive
        The archives, in the order in which their files are read.
    """

    def __init__(self, members: Sequence[Archive]) -> None:
        super().__init__(", ".join(member.name for member in members))
        self.members = tuple(members)
        self.skipped = [row for member in members for row in member.skipped]

    def assume_rate(self, rate_hz: float) -> None:
        """Take a sampling rate as that of all records; see `Archive.assume_rate`."""
        for member in self.members:
            member.assume_rate(rate_hz)

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        raise NotImplementedError("each member searches its own files")

    def channels(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> dict[str, ChannelInfo]:
        """Return the channels with data, by id, sorted; see `Archive.channels`."""
        listed = None if patterns is None else list(patterns)
        infos: dict[str, ChannelInfo] = {}
        for member in self.members:
            for id_, info in member.channels(listed, start_ns, end_ns, codes).items():
                infos[id_] = _merge_infos(infos[id_], info) if id_ in infos else info
        self.skipped = [row for member in self.members for row in member.skipped]
        return dict(sorted(infos.items()))

    def channel_ids(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> list[str]:
        """Return the ids of `channels`; see `Archive.channel_ids`."""
        listed = None if patterns is None else list(patterns)
        ids: set[str] = set()
        for member in self.members:
            ids.update(member.channel_ids(listed, start_ns, end_ns, codes))
        return sorted(ids)

    def times(self, channel_ids: Iterable[str]) -> list[tuple[int, int]]:
        """Return the intervals for which there are files; see `Archive.times`."""
        ids = list(channel_ids)
        return union(times for member in self.members for times in member.times(ids))

    def spans(
        self,
        channel_ids: Sequence[str],
        periods: Sequence[tuple[int, int]],
        margin_ns: int = 0,
        only_margins: bool = False,
    ) -> list[ChannelSpan]:
        """Return the units of reading, period by period; see `Archive.spans`."""
        order = {id_: k for k, id_ in enumerate(channel_ids)}
        spans: dict[tuple[int, int], ChannelSpan] = {}
        for member in self.members:
            for span in member.spans(channel_ids, periods, margin_ns, True):
                key = span.period, order[span.channel_id]
                spans[key] = merge_spans(spans[key], span) if key in spans else span
        least = has_files if only_margins else has_own_files
        return [spans[key] for key in sorted(spans) if least(spans[key])]


def _merge_infos(a: ChannelInfo, b: ChannelInfo) -> ChannelInfo:
    """Return the entry of one channel in two archives."""
    place = b if math.isnan(a.latitude) else a
    return ChannelInfo(
        a.channel_id,
        min(a.start_ns, b.start_ns),
        max(a.end_ns, b.end_ns),
        tuple(dict.fromkeys(a.files + b.files)),
        tuple(sorted({*a.rates_hz, *b.rates_hz})),
        *(place.latitude, place.longitude, place.elevation_m),
    )


def merge_spans(a: ChannelSpan, b: ChannelSpan) -> ChannelSpan:
    """Return a span with the files of two spans of one channel and time.

    The files of earlier days stay first, and those of later days last.
    """
    entries: list[tuple[str, str]] = []
    counts = []
    for part in range(3):
        files = [file for span in (a, b) for file in _split_files(span)[part]]
        new = [file for file in dict.fromkeys(files) if file not in entries]
        entries += new
        counts.append(len(new))
    return replace(
        a,
        files=tuple(path for path, _ in entries),
        formats=tuple(format_ for _, format_ in entries),
        n_before=counts[0],
        n_after=counts[2],
        one_channel=a.one_channel and b.one_channel,
        measured_hz=tuple(dict.fromkeys(a.measured_hz + b.measured_hz)),
    )


def _split_files(span: ChannelSpan) -> tuple[list[tuple[str, str]], ...]:
    """Return files and formats of earlier days, of the time itself, of later days."""
    formats = span.formats or ("",) * len(span.files)
    entries = list(zip(span.files, formats, strict=True))
    end = len(entries) - span.n_after
    return entries[: span.n_before], entries[span.n_before : end], entries[end:]


def open_archives(data: Sequence[str]) -> Archive:
    """Open one archive, or several that are read as one; see `open_archive`.

    Raises
    ------
    ParameterError
        If one of the archives cannot be opened.
    """
    members = [open_archive(name) for name in data]
    return members[0] if len(members) == 1 else Archives(members)
