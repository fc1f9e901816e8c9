"""Several archives as one, and station metadata from wherever they come."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace

from obspy import Inventory

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.metadata.inventory import read_inventory
from seismo_pes.metadata.stations import PatternIndex, StationPattern
from seismo_pes.reading.archives.archive import Archive, ChannelInfo
from seismo_pes.reading.archives.opening import open_archive

__all__ = ["Archives", "open_archives", "open_inventory"]

FDSN = ("fdsn://", "fdsn+https://")


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
        self.skipped = [one for member in members for one in member.skipped]

    def _look_up(self, index: PatternIndex | None, start_ns: int, end_ns: int) -> None:
        raise NotImplementedError("the members look for themselves")

    def channels(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> dict[str, ChannelInfo]:
        """Return what exists, by channel id, sorted; see `Archive.channels`."""
        listed = None if patterns is None else list(patterns)
        found: dict[str, ChannelInfo] = {}
        for member in self.members:
            for id_, info in member.channels(listed, start_ns, end_ns, codes).items():
                found[id_] = _joined(found[id_], info) if id_ in found else info
        return dict(sorted(found.items()))

    def channel_ids(
        self,
        patterns: Iterable[StationPattern] | None = None,
        start_ns: int | None = None,
        end_ns: int | None = None,
        codes: Sequence[str] = ("*",),
    ) -> list[str]:
        """Return the ids that `channels` would; see `Archive.channel_ids`."""
        listed = None if patterns is None else list(patterns)
        found: set[str] = set()
        for member in self.members:
            found.update(member.channel_ids(listed, start_ns, end_ns, codes))
        return sorted(found)

    def spans(
        self, channel_ids: Sequence[str], periods: Sequence[tuple[int, int]]
    ) -> list[ChannelSpan]:
        """Return the units of reading, period by period; see `Archive.spans`."""
        order = {id_: k for k, id_ in enumerate(channel_ids)}
        found: dict[tuple[int, int], ChannelSpan] = {}
        for member in self.members:
            for span in member.spans(channel_ids, periods):
                key = span.period, order[span.channel_id]
                found[key] = _both(found[key], span) if key in found else span
        return [found[key] for key in sorted(found)]


def _joined(a: ChannelInfo, b: ChannelInfo) -> ChannelInfo:
    firsts = [x.first_sample_ns for x in (a, b) if x.first_sample_ns is not None]
    place = b if math.isnan(a.latitude) else a
    return ChannelInfo(
        a.channel_id,
        min(a.start_ns, b.start_ns),
        max(a.end_ns, b.end_ns),
        tuple(dict.fromkeys(a.files + b.files)),
        tuple(sorted({*a.rates_hz, *b.rates_hz})),
        *(place.latitude, place.longitude, place.elevation_m),
        first_sample_ns=min(firsts, default=None),
    )


def _both(a: ChannelSpan, b: ChannelSpan) -> ChannelSpan:
    """Join two spans of a channel: files of days before, of the day, of days after."""
    entries: list[tuple[str, str]] = []
    counts = []
    for part in range(3):
        now = [one for span in (a, b) for one in _parts(span)[part]]
        new = [one for one in dict.fromkeys(now) if one not in entries]
        entries += new
        counts.append(len(new))
    return replace(
        a,
        files=tuple(path for path, _ in entries),
        formats=tuple(format_ for _, format_ in entries),
        n_before=counts[0],
        n_after=counts[2],
        one_channel=a.one_channel and b.one_channel,
    )


def _parts(span: ChannelSpan) -> tuple[list[tuple[str, str]], ...]:
    formats = span.formats or ("",) * len(span.files)
    entries = list(zip(span.files, formats, strict=True))
    end = len(entries) - span.n_after
    return entries[: span.n_before], entries[span.n_before : end], entries[end:]


def open_archives(data: Sequence[str]) -> Archive:
    """Open one archive, or several as one; see `seismo_pes.reading.open_archive`."""
    opened = [open_archive(one) for one in data]
    return opened[0] if len(opened) == 1 else Archives(opened)


def open_inventory(
    source: str, channel_ids: Sequence[str], start_ns: int, end_ns: int
) -> tuple[Inventory, list[Skipped]]:
    """Read station metadata from files, or ask a data centre for it.

    Parameters
    ----------
    source : str
        File, folder or pattern, or ``fdsn://PROVIDER``.
    channel_ids : sequence of str
        What a data centre is asked for.
    start_ns, end_ns : int
        The time of the run.

    Raises
    ------
    ParameterError
        If there is nothing there, or the data centre does not answer.
    """
    if not source.startswith(FDSN):
        return read_inventory(source)
    from seismo_pes.reading.archives.fdsn import fetch_inventory

    scheme, _, provider = source.partition("://")
    provider = provider.rstrip("/")
    provider = f"https://{provider}" if "https" in scheme else provider
    try:
        found = fetch_inventory(provider, channel_ids, start_ns, end_ns)
    except DataError as error:
        raise ParameterError(f"--inventory {source}: {error}") from error
    return found, []
