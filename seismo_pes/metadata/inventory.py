"""Station metadata: reading many files, and finding the epoch that holds."""

from __future__ import annotations

import contextlib
import gc
import glob
import logging
import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from obspy import Inventory, UTCDateTime
from obspy import read_inventory as read_one
from obspy.core.inventory import Channel as XmlChannel
from obspy.core.inventory import Network as XmlNetwork
from obspy.core.inventory import Station as XmlStation

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.asdf import is_asdf, read_asdf_inventory
from seismo_pes.metadata.deferred import read_stationxml
from seismo_pes.metadata.poles_zeros import is_pole_zero, read_pole_zero

__all__ = ["Position", "StationEpochs", "StationInventories", "read_inventory"]

logger = logging.getLogger(__name__)

SUFFIXES = frozenset(
    {".xml", ".stationxml", ".dless", ".dataless", ".seed", ".xseed", ".resp"}
)
ASDF_SUFFIXES = frozenset({".h5", ".hdf5", ".asdf"})


@dataclass(frozen=True)
class Position:
    """Coordinates as StationXML gives them."""

    latitude: float
    longitude: float
    elevation_m: float


def read_inventory(source: str | Path) -> tuple[Inventory, list[Skipped]]:
    """Read station metadata from a file, a pattern, or a folder and all below it.

    Parameters
    ----------
    source : str or Path
        StationXML, StationXML inside ASDF files, poles and zeros of SAC
        (`metadata.poles_zeros`), or any other format that obspy reads (dataless SEED,
        RESP). Of a folder, the files with the suffixes of these formats are read, at
        any depth; files with events (QuakeML) are left out.

    Returns
    -------
    inventory : obspy.Inventory
        Everything together.
    skipped : list of Skipped
        The files that cannot be read, stage ``"inventory"``.

    Raises
    ------
    ParameterError
        If there is no such file, or none that can be read.
    """
    inventory = _nothing()
    skipped: list[Skipped] = []
    for path in (paths := _files(Path(source))):
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                inventory += _read(path)
        except Exception as error:  # noqa: BLE001 - obspy's readers raise anything
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            skipped.append(Skipped("inventory", str(path), reason))
            continue
        for warning in caught:
            logger.warning("%s: %s", path, warning.message)
    if not inventory.networks:
        reason = f"; {skipped[0].what}: {skipped[0].reason}" if skipped else ""
        raise ParameterError(
            f"inventory {source}: none of {len(paths)} files has station metadata"
            + reason
        )
    return inventory, skipped


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Let the garbage collector rest: an inventory is a million objects, none garbage.

    It would look through all of them again and again: a third of the time.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _read(path: Path) -> Inventory:
    if is_asdf(path):
        return read_asdf_inventory(path)
    if is_pole_zero(path):
        return read_pole_zero(path)
    with _no_collection():
        found = read_stationxml(path)
        # obspy takes a text for a pattern
        return read_one(glob.escape(str(path))) if found is None else found


def _files(source: Path) -> list[Path]:
    if source.is_file():
        return [source]
    if source.is_dir():
        return sorted(path for path in source.rglob("*") if _is_metadata(path))
    matches = sorted(map(Path, glob.glob(str(source), recursive=True)))
    files = [path for path in matches if path.is_file()]
    if not files:
        raise ParameterError(
            f"inventory {source}: no such file, folder or pattern that matches a file"
        )
    return files


def _is_metadata(path: Path) -> bool:
    if path.is_dir():
        return False
    if path.suffix.lower() in ASDF_SUFFIXES:
        return is_asdf(path)
    if is_pole_zero(path):
        return True
    if path.suffix.lower() not in SUFFIXES and not path.name.startswith("RESP."):
        return False
    try:
        with path.open("rb") as file:
            return b"quakeml" not in file.read(1000).lower()
    except OSError:
        return True  # reading it will say what is wrong


class StationInventories:
    """The inventories of single stations, in which a channel is found at once.

    Parameters
    ----------
    source : str, Path or obspy.Inventory
        A path is read by `read_inventory`.
    """

    def __init__(self, source: str | Path | Inventory) -> None:
        whole = source if isinstance(source, Inventory) else read_inventory(source)[0]
        self._stations: dict[str, list[tuple[str, XmlStation]]] = {}
        for network in whole:
            for station in network:
                found = self._stations.setdefault(f"{network.code}.{station.code}", [])
                found.append((network.code, station))

    def of(self, channel_id: str) -> Inventory:
        """Return the metadata of the station of a channel; empty where it has none."""
        found = _nothing()
        for code, station in self._stations.get(_station_of(channel_id), ()):
            found.networks.append(XmlNetwork(code, stations=[station]))
        return found


def _nothing() -> Inventory:
    return Inventory(networks=[], source="dispel4py-seismo")


class StationEpochs:
    """Positions by channel, in the epochs that cover a time.

    Parameters
    ----------
    inventory : obspy.Inventory, optional
        Where to look; nothing is found without.
    start_ns, end_ns : int, optional
        The time of the run; any epoch will do where these are not given.
    """

    def __init__(
        self,
        inventory: Inventory | None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> None:
        self._start_ns = -math.inf if start_ns is None else start_ns
        self._end_ns = math.inf if end_ns is None else end_ns
        self._stations: dict[str, list[XmlStation]] = {}
        for network in inventory.networks if inventory is not None else ():
            for station in network:
                code = f"{network.code}.{station.code}"
                self._stations.setdefault(code, []).append(station)

    def positions(self, channel_id: str) -> list[Position]:
        """Return what is known: of the channel first, then of its station."""
        stations = self._stations.get(_station_of(channel_id), [])
        channels = self._covering(_channels(stations, channel_id))
        return [_position(x) for x in [*channels, *self._covering(stations)]]

    def has_other_epochs(self, channel_id: str) -> bool:
        """Say whether the station is there, but at other times only."""
        return bool(self._stations.get(_station_of(channel_id))) and not self.positions(
            channel_id
        )

    def _covering(
        self, epochs: list[XmlStation] | list[XmlChannel]
    ) -> list[XmlStation | XmlChannel]:
        """Return the epochs that overlap the time, the longest overlap first."""
        overlaps = []
        for epoch in epochs:
            start = max(self._start_ns, _ns(epoch.start_date, -math.inf))
            end = min(self._end_ns, _ns(epoch.end_date, math.inf))
            if start < end:
                overlaps.append((start - end, epoch))
        return [epoch for _, epoch in sorted(overlaps, key=lambda pair: pair[0])]


def _station_of(channel_id: str) -> str:
    return ".".join(channel_id.split(".")[:2])


def _channels(stations: list[XmlStation], channel_id: str) -> list[XmlChannel]:
    location, code = [*channel_id.split("."), "", ""][2:4]
    return [
        channel
        for station in stations
        for channel in station
        if channel.location_code == location and channel.code == code
    ]


def _ns(time: UTCDateTime | None, default: float) -> float:
    return default if time is None else time.ns


def _position(place: XmlStation | XmlChannel) -> Position:
    values: Iterator[float] = (
        math.nan if value is None else float(value)
        for value in (place.latitude, place.longitude, place.elevation)
    )
    return Position(*values)
