"""The channels of a run that the archives hold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.reading import open_archives
from seismo_pes.reading.archives.archive import Archive, ChannelInfo
from seismo_pes.reading.archives.opening import select
from xcorr_app.planning.components import Components
from xcorr_app.planning.stations import StationList

__all__ = ["Limits", "RecordedChannels", "recorded_channels"]

Limits = tuple[int | None, int | None]


@dataclass(frozen=True)
class RecordedChannels:
    """The channels that the archives hold for the listed stations.

    Attributes
    ----------
    archive : Archive
        All archives as one.
    infos : dict of str to ChannelInfo
        Data of each channel in the archive, by id, sorted.
    limits : (int or None, int or None)
        Start and end of the time that may be used, nanoseconds since 1970; the end is
        excluded. None: the start or end of the data.
    skipped : list of Skipped
        Stations without data, and files that could not be read.
    without_data : list of str
        Entries of the station list for which the archive has no channel.
    """

    archive: Archive
    infos: dict[str, ChannelInfo]
    limits: Limits
    skipped: list[Skipped]
    without_data: list[str]


def recorded_channels(
    stations: StationList,
    data: Sequence[str] | Archive,
    limits: Limits,
    components: Components,
    recorded_hz: float | None = None,
) -> RecordedChannels:
    """Search the archives for the channels of the listed stations.

    Parameters
    ----------
    stations : StationList
        Stations and channel codes to search for.
    data : sequence of str or Archive
        The archives, or all of them as one.
    limits : (int or None, int or None)
        As in `RecordedChannels`.
    components : Components
        Components that the run works on.
    recorded_hz : float, optional
        True sampling rate of all data. By default that of the headers.

    Raises
    ------
    ParameterError
        If there is no such archive, or it has no such channel.
    """
    archive = data if isinstance(data, Archive) else open_archives(data)
    if recorded_hz is not None:
        archive.assume_rate(recorded_hz)
    codes = ",".join(stations.codes)
    infos, skipped = select(archive, stations.patterns, codes, *limits)
    if components.letters is not None:
        infos = _of_components(infos, components)
    without_data = [entry.what for entry in skipped]
    skipped = [*archive.skipped, *skipped]
    return RecordedChannels(archive, infos, limits, skipped, without_data)


def _of_components(
    infos: dict[str, ChannelInfo], components: Components
) -> dict[str, ChannelInfo]:
    letters = components.letters or frozenset()
    chosen = {id_: info for id_, info in infos.items() if id_[-1:] in letters}
    if not chosen:
        pairs, examples = " ".join(components.pairs or ()), ", ".join(list(infos)[:5])
        raise ParameterError(
            f"--components {pairs}: no channel has any of these; there are {examples}"
        )
    return chosen
