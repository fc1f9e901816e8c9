"""Reading station metadata from many files, and choosing the epochs of a time."""

from __future__ import annotations

import contextlib
import gc
import glob
import logging
import math
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from obspy import Inventory
from obspy import read_inventory as read_with_obspy
from obspy.core.inventory import Channel as XmlChannel
from obspy.core.inventory import Network as XmlNetwork
from obspy.core.inventory import Station as XmlStation

from dispel4py.errors import DataError, ParameterError
from dispel4py.file_search import files_below, matching_files
from dispel4py.files import is_file, is_folder
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.metadata.asdf import is_asdf, read_asdf_inventory
from seismo_pes.metadata.deferred import read_stationxml
from seismo_pes.metadata.epochs import ANY_PLACE, location_code, timeline
from seismo_pes.metadata.poles_zeros import is_pole_zero, read_pole_zero
from seismo_pes.regular_file import (
    ReadFailed,
    copied_to_memory,
    is_failed_read,
    open_regular,
)

__all__ = [
    "MissingMetadata",
    "Position",
    "StationEpochs",
    "StationInventories",
    "read_ahead",
    "read_inventory",
]

logger = logging.getLogger(__name__)

# Suffixes of files with station metadata. Other files in a folder are not opened.
SUFFIXES = frozenset(
    {".xml", ".stationxml", ".dless", ".dataless", ".seed", ".xseed", ".resp"}
)
ASDF_SUFFIXES = frozenset({".h5", ".hdf5", ".asdf"})


class MissingMetadata(DataError):
    """The inventory has no metadata of a channel at the time of its data."""


@dataclass(frozen=True)
class Position:
    """Coordinates in StationXML: degrees, degrees, metres; NaN if not given.

    The burial is the depth of the sensor below the surface, which a station has not.
    """

    latitude: float
    longitude: float
    elevation_m: float
    burial_m: float


def read_inventory(
    source: str | Path | Sequence[str | Path],
) -> tuple[Inventory, list[Skipped]]:
    """Read station metadata from a file, a pattern, or a folder and its subfolders.

    Parameters
    ----------
    source : str, Path or sequence of them
        StationXML, StationXML inside ASDF files, poles and zeros of SAC
        (`metadata.poles_zeros`), or any other format that obspy reads (dataless SEED,
        RESP). In a folder, the files with the suffixes of these formats are read, at
        any depth; files with events (QuakeML) are left out.

    Returns
    -------
    inventory : obspy.Inventory
        The metadata of all files.
    skipped : list of Skipped
        The files that cannot be read, stage ``"inventory"``; ``"input"`` if the
        operating system cannot read them now. Folders that it cannot list, too.

    Raises
    ------
    ParameterError
        If there is no such file, or no file has station metadata.
    """
    inventory = _empty_inventory()
    skipped: list[Skipped] = []
    sources = [source] if isinstance(source, str | Path) else list(source)
    paths = list(dict.fromkeys(p for s in sources for p in _files(Path(s), skipped)))
    for path in paths:
        try:
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                inventory += _read(path)
        except Exception as error:  # noqa: BLE001 - obspy's readers raise anything
            reason = _reason(error, path)
            stage = FAILED_READ if is_failed_read(error) else "inventory"
            skipped.append(Skipped(stage, str(path), reason))
            continue
        for warning in caught:
            logger.warning("%s: %s", path, warning.message)
    if not inventory.networks:
        raise ParameterError(_no_metadata(" ".join(map(str, sources)), paths, skipped))
    return inventory, skipped


def _reason(error: Exception, path: Path) -> str:
    """Return the text of an error in one line, without the name of the file."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).removeprefix(f"{path}: ").split())
    return text[:200] or type(error).__name__


def _no_metadata(name: str, paths: Sequence[Path], skipped: Sequence[Skipped]) -> str:
    first = skipped[0] if skipped else None
    if first is not None and first.what == name:
        return f"inventory {name}: no station metadata: {first.reason}"
    reason = "" if first is None else f"; {first.what}: {first.reason}"
    return f"inventory {name}: none of {len(paths)} files has station metadata{reason}"


_ahead: dict[tuple[tuple[str, int, int], ...], Inventory] = {}


def read_ahead(
    source: str | Path | Sequence[str | Path],
) -> tuple[Inventory, list[Skipped]]:
    """Read metadata as `read_inventory`, also for the next `StationInventories`.

    The next one of the same files, if these are unchanged, does not read them again:
    that of this process, and those of the processes that are forked from it.

    Parameters
    ----------
    source
        See `read_inventory`.

    Returns
    -------
    inventory, skipped
        See `read_inventory`; the inventory may not be changed.

    Raises
    ------
    ParameterError
        See `read_inventory`.
    """
    _ahead.clear()
    state = _state_of(source)
    inventory, skipped = read_inventory(source)
    if not skipped:
        _ahead[state] = inventory
    return inventory, skipped


def _state_of(
    source: str | Path | Sequence[str | Path],
) -> tuple[tuple[str, int, int], ...]:
    """Return the files of a source, with sizes and times of their last changes."""
    sources = [source] if isinstance(source, str | Path) else source
    paths = [path for one in sources for path in _files(Path(one), [])]
    return tuple((str(path), *_state(path)) for path in paths)


def _state(path: Path) -> tuple[int, int]:
    """Return size and time of the last change of a file; -1 if they are not known."""
    try:
        status = path.stat()
    except OSError:  # the reader will report it
        return -1, -1
    return status.st_size, status.st_mtime_ns


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
            with copied_to_memory(path) as copy:
                # escaped, because obspy reads a string as a pattern
                inventory = read_with_obspy(glob.escape(copy))
        return inventory


def _files(source: Path, skipped: list[Skipped]) -> list[Path]:
    """Return the files of a source; append the folders that cannot be listed."""
    try:
        if is_file(source):
            return [source]
        if is_folder(source):
            return sorted(_files_below(source, skipped))
    except OSError as error:  # of a folder above it
        skipped.append(_failed(error))
        return []
    unlisted: list[Skipped] = []
    matches = matching_files(str(source), lambda error: unlisted.append(_failed(error)))
    files = sorted(set(matches))
    skipped += unlisted
    if not files and not unlisted:
        raise ParameterError(
            f"inventory {source}: no such file, folder or pattern that matches a file"
        )
    return files


def _files_below(folder: Path, skipped: list[Skipped]) -> Iterator[Path]:
    paths = files_below(folder, lambda error: skipped.append(_failed(error)))
    return filter(_is_metadata, paths)


def _failed(error: OSError) -> Skipped:
    return Skipped(FAILED_READ, str(error.filename), error.strerror or str(error))


def _is_metadata(path: Path) -> bool:
    suffix = path.suffix.lower()
    if is_pole_zero(path):
        return True
    if suffix not in SUFFIXES | ASDF_SUFFIXES and not path.name.startswith("RESP."):
        return False
    try:
        if suffix in ASDF_SUFFIXES:
            return is_asdf(path)
        with open_regular(path) as file:
            return b"quakeml" not in file.read(1000).lower()
    except (DataError, OSError):
        return True  # the reason is reported when the file is read


class StationInventories:
    """An inventory divided by stations, so that the search for a channel is short.

    Parameters
    ----------
    source : str, Path, sequence of them, or obspy.Inventory
        Paths are read by `read_inventory`.
    warns : bool
        Whether files that cannot be read are logged; an application lists them.

    Raises
    ------
    ParameterError
        If no metadata can be read from a path.
    """

    def __init__(
        self,
        source: str | Path | Sequence[str | Path] | Inventory,
        warns: bool = True,
    ) -> None:
        skipped: list[Skipped] = []
        if not isinstance(source, Inventory):
            ahead = _ahead.pop(_state_of(source), None) if _ahead else None
            source, skipped = (
                (ahead, []) if ahead is not None else read_inventory(source)
            )
        for entry in skipped if warns else ():
            logger.warning("%s: not used: %s", entry.what, entry.reason)
        self._failed = [entry for entry in skipped if entry.stage == FAILED_READ]
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

    def refuse_failed_reads(self) -> None:
        """Refuse to go on without a file that may be readable later.

        A station lacks metadata, and such a file may have them.

        Raises
        ------
        ReadFailed
            If the operating system could not read one of the files.
        """
        for entry in self._failed:
            raise ReadFailed(f"{entry.what}: {entry.reason}")

    @contextlib.contextmanager
    def searched(self) -> Iterator[None]:
        """Refuse metadata as missing, if they may be in a file that was not read.

        Raises
        ------
        ReadFailed
            In place of `MissingMetadata`, see `refuse_failed_reads`.
        """
        try:
            yield
        except MissingMetadata:
            self.refuse_failed_reads()
            raise


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
        """Return whether the station has epochs, but none that overlaps the time."""
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
        for value in (
            place.latitude,
            place.longitude,
            place.elevation,
            getattr(place, "depth", None),
        )
    )
    return Position(*values)
