"""Reading station metadata from many files, and choosing the epochs of a time."""

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

from obspy import Inventory
from obspy import read_inventory as read_with_obspy
from obspy.core.inventory import Channel as XmlChannel
from obspy.core.inventory import Network as XmlNetwork
from obspy.core.inventory import Station as XmlStation

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.asdf import is_asdf, read_asdf_inventory
from seismo_pes.metadata.deferred import read_stationxml
from seismo_pes.metadata.epochs import ANY_PLACE, location_code, timeline
from seismo_pes.metadata.poles_zeros import is_pole_zero, read_pole_zero

__all__ = ["Position", "StationEpochs", "StationInventories", "read_inventory"]

logger = logging.getLogger(__name__)

# Suffixes of files with station metadata. Other files in a folder are not opened.
SUFFIXES = frozenset(
    {".xml", ".stationxml", ".dless", ".dataless", ".seed", ".xseed", ".resp"}
)
ASDF_SUFFIXES = frozenset({".h5", ".hdf5", ".asdf"})


@dataclass(frozen=True)
class Position:
    """Coordinates in StationXML: degrees, degrees, metres; NaN if not given."""

    latitude: float
    longitude: float
    elevation_m: float


def read_inventory(source: str | Path) -> tuple[Inventory, list[Skipped]]:
    """Read station metadata from a file, a pattern, or a folder and its subfolders.

    Parameters
    ----------
    source : str or Path
        StationXML, StationXML inside ASDF files, poles and zeros of SAC
        (`metadata.poles_zeros`), or any other format that obspy reads (dataless SEED,
        RESP). In a folder, the files with the suffixes of these formats are read, at
        any depth; files with events (QuakeML) are left out.

    Returns
    -------
    inventory : obspy.Inventory
        The metadata of all files.
    skipped : list of Skipped
        The files that cannot be read, stage ``"inventory"``.

    Raises
    ------
    ParameterError
        If there is no such file, or no file has station metadata.
    """
    inventory = _empty_inventory()
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
def _garbage_collection_off() -> Iterator[None]:
    """Switch the garbage collector off.

    A large inventory has a million objects, and none is garbage. The collector would
    check them many times, which is a third of the time of reading.
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
    with _garbage_collection_off():
        inventory = read_stationxml(path)
        if inventory is None:
            # escaped, because obspy reads a string as a pattern
            inventory = read_with_obspy(glob.escape(str(path)))
        return inventory


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
        return True  # the reason is reported when the file is read


class StationInventories:
    """An inventory divided by stations, so that the search for a channel is short.

    Parameters
    ----------
    source : str, Path or obspy.Inventory
        A path is read by `read_inventory`.

    Raises
    ------
    ParameterError
        If no metadata can be read from the path.
    """

    def __init__(self, source: str | Path | Inventory) -> None:
        if not isinstance(source, Inventory):
            source, _ = read_inventory(source)
        self._stations: dict[str, list[tuple[str, XmlStation]]] = {}
        for network in source:
            for station in network:
                code = f"{network.code}.{station.code}"
                epochs = self._stations.setdefault(code, [])
                epochs.append((network.code, station))

    def of(self, channel_id: str) -> Inventory:
        """Return the inventory of a channel's station, empty if there is none."""
        inventory = _empty_inventory()
        for code, station in self._stations.get(_station_code(channel_id), ()):
            inventory.networks.append(XmlNetwork(code, stations=[station]))
        return inventory


def _empty_inventory() -> Inventory:
    return Inventory(networks=[], source="dispel4py-seismo")


class StationEpochs:
    """Coordinates of channels, in the epochs that overlap a time.

    Parameters
    ----------
    inventory : obspy.Inventory, optional
        The metadata; None: no coordinates.
    start_ns, end_ns : int, optional
        The time, nanoseconds since 1970; by default any epoch is used.
    """

    def __init__(
        self,
        inventory: Inventory | None,
        start_ns: int | None = None,
        end_ns: int | None = None,
    ) -> None:
        self._start_ns, self._end_ns = start_ns, end_ns
        self._stations: dict[str, list[XmlStation]] = {}
        for network in inventory.networks if inventory is not None else ():
            for station in network:
                code = f"{network.code}.{station.code}"
                self._stations.setdefault(code, []).append(station)

    def positions(
        self, channel_id: str, limits: tuple[int, int] | None = None
    ) -> list[Position]:
        """Return the coordinates of a channel, and after them those of its station.

        Parameters
        ----------
        channel_id : str
            ``NET.STA.LOC.CHA``.
        limits : (int, int), optional
            First and last time of its data, nanoseconds since 1970.

        Returns
        -------
        list of Position
            Where the coordinates change with time, those of the longest time first.
        """
        stations = self._stations.get(_station_code(channel_id), [])
        channels = _channels(stations, channel_id)
        return [
            _position(place)
            for epochs in (channels, stations)
            for place in self._longest_first(epochs, limits)
        ]

    def has_other_epochs(self, channel_id: str) -> bool:
        """Say whether the station has epochs, but none that overlaps the time."""
        is_known = _station_code(channel_id) in self._stations
        return is_known and not self.positions(channel_id)

    def _longest_first(
        self, epochs: list[XmlStation] | list[XmlChannel], limits: tuple | None
    ) -> list[XmlStation | XmlChannel]:
        """Return epochs with different coordinates, those of the longest time first."""
        start_ns, end_ns = self._start_ns, self._end_ns
        if limits is not None:
            start_ns = limits[0] if start_ns is None else max(start_ns, limits[0])
            end_ns = limits[1] if end_ns is None else min(end_ns, limits[1])
        longest: dict[object, tuple[int, XmlStation | XmlChannel]] = {}
        for epoch in timeline(epochs, ANY_PLACE, start_ns, end_ns):
            low = epoch.start_ns if start_ns is None else max(epoch.start_ns, start_ns)
            high = epoch.end_ns if end_ns is None else min(epoch.end_ns, end_ns)
            value = ANY_PLACE.value(epoch.metadata)
            before, metadata = longest.get(value, (0, epoch.metadata))
            longest[value] = (before + max(high - low, 0), metadata)
        ordered = sorted(longest.values(), key=lambda pair: -pair[0])
        return [metadata for _, metadata in ordered]


def _station_code(channel_id: str) -> str:
    return ".".join(channel_id.split(".")[:2])


def _channels(stations: list[XmlStation], channel_id: str) -> list[XmlChannel]:
    location, code = [*channel_id.split("."), "", ""][2:4]
    return [
        channel
        for station in stations
        for channel in station
        if location_code(channel) == location and channel.code == code
    ]


def _position(place: XmlStation | XmlChannel) -> Position:
    values: Iterator[float] = (
        math.nan if value is None else float(value)
        for value in (place.latitude, place.longitude, place.elevation)
    )
    return Position(*values)
