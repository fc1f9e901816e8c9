"""The stations of a run, and their channel codes."""

from __future__ import annotations

from dataclasses import dataclass, replace

from seismo_pes.metadata.stations import StationPattern, read_station_list
from xcorr_app.planning.components import Components

__all__ = ["StationList", "listed_stations"]

USUAL_CHANNELS = "??Z"


@dataclass(frozen=True)
class StationList:
    """The entries of a station list.

    Attributes
    ----------
    patterns : list of StationPattern
        The entries.
    codes : tuple of str
        Codes of the channels to search for, wildcards allowed.
    """

    patterns: list[StationPattern]
    codes: tuple[str, ...]


def listed_stations(
    path: str, codes: tuple[str, ...] | None, components: Components
) -> StationList:
    """Read a station list.

    A station that is listed without a channel means its vertical channels, unless the
    user gives channel codes or components.

    Parameters
    ----------
    path : str
        File of the station list.
    codes : tuple of str or None
        Channel codes that the user gives.
    components : Components
        Components that the user gives.

    Raises
    ------
    ParameterError
        If the list cannot be read or has no station.
    """
    patterns = read_station_list(path)
    if codes is not None:
        return StationList(patterns, codes)
    if components.codes is not None:
        return StationList(patterns, components.codes)
    verticals = [
        replace(pattern, channel=USUAL_CHANNELS) if pattern.channel == "*" else pattern
        for pattern in patterns
    ]
    return StationList(verticals, ("*",))
