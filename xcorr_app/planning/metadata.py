"""The station metadata of a run, from files or from a data centre."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from obspy import Inventory

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.inventory import read_inventory

__all__ = ["StationMetadata", "station_metadata"]

FDSN = ("fdsn://", "fdsn+https://")


@dataclass(frozen=True)
class StationMetadata:
    """Station metadata, and the files that could not be read.

    Attributes
    ----------
    inventory : obspy.Inventory or None
        Coordinates, directions and responses. None: the user gave no metadata.
    skipped : list of Skipped
        Files that could not be read.
    """

    inventory: Inventory | None = None
    skipped: list[Skipped] = field(default_factory=list)


def station_metadata(
    source: str | None, channel_ids: Sequence[str], start_ns: int, end_ns: int
) -> StationMetadata:
    """Read station metadata from files, or request them from a data centre.

    Parameters
    ----------
    source : str or None
        File, folder or pattern, or ``fdsn://PROVIDER``.
    channel_ids : sequence of str
        Channels to request from a data centre.
    start_ns, end_ns : int
        The time of the run.

    Raises
    ------
    ParameterError
        If there is no such file, or the data centre does not answer.
    """
    if source is None:
        return StationMetadata()
    if not source.startswith(FDSN):
        return StationMetadata(*read_inventory(source))
    from seismo_pes.reading.archives.fdsn import fetch_inventory

    scheme, _, provider = source.partition("://")
    provider = provider.rstrip("/")
    provider = f"https://{provider}" if "https" in scheme else provider
    try:
        inventory = fetch_inventory(provider, channel_ids, start_ns, end_ns)
    except DataError as error:
        raise ParameterError(f"--inventory {source}: {error}") from error
    return StationMetadata(inventory)
