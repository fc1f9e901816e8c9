"""Download of the observed records of an event, and of their station metadata."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from obspy import Inventory, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists
from seismo_pes.items.codes import defective_code, file_name_of
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.epochs import location_code
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.reading.fetching import datacentre
from seismo_pes.regular_file import read_text
from seismo_pes.whole_file import whole_file

__all__ = ["Request", "download", "read_request"]

KM_PER_M = 1e-3
BOX = ("minlatitude", "maxlatitude", "minlongitude", "maxlongitude")


@dataclass(frozen=True)
class Request:
    """Which records are wanted.

    Attributes
    ----------
    start_ns, end_ns : int
        The time, nanoseconds since 1970.
    box : tuple of float
        Lowest and highest latitude, lowest and highest longitude.
    channels : tuple of str
        Patterns of channel codes; the first one that a station has is used.
    locations : tuple of str
        Location codes, in the same sense.
    least_distance_m : float
        Of two stations that are closer, only the first by code is used.
    """

    start_ns: int
    end_ns: int
    box: tuple[float, float, float, float]
    channels: tuple[str, ...]
    locations: tuple[str, ...]
    least_distance_m: float


def read_request(path: str) -> Request:
    """Read a download file of VERCE, such as ``misfit_download_conf.json``.

    Parameters
    ----------
    path : str

    Raises
    ------
    ParameterError
        If it cannot be read, or a key is missing or wrong.
    """
    try:
        content = json.loads(read_text(path))
        values = content["downloadPE"][0]["input"]
        start = UTCDateTime(values["ORIGIN_TIME"])
        duration_s = float(values["NSTEP"]) * float(values["DT"])
        south, north, west, east = (float(values[name]) for name in BOX)
        return Request(
            start.ns,
            (start + duration_s).ns,
            (south, north, west, east),
            tuple(map(str, values["channel_priorities"])),
            tuple(map(str, values["location_priorities"])),
            float(values.get("minimum_interstation_distance_in_m", 0.0)),
        )
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror or error}") from None
    except KeyError as error:
        raise ParameterError(f"{path}: {error.args[0]} is missing") from None
    except (DataError, ValueError, TypeError, IndexError, RecursionError) as error:
        raise ParameterError(f"{path}: not a download file: {error}") from None


def download(
    request: Request,
    provider: str,
    out: Path,
    advance: Callable[[int, int], None] | None = None,
) -> tuple[int, list[Skipped]]:
    """Download records and metadata; files that exist already are kept.

    Parameters
    ----------
    request : Request
    provider : str
        Data centre, see `seismo_pes.reading.fetching.datacentre.client`.
    out : Path
        Gets ``data/NET.STA.LOC.CHA.mseed`` and ``stations/NET.STA.xml``.
    advance : callable, optional
        Called with the numbers of stations that are done, and of all.

    Returns
    -------
    n_channels : int
        Channels whose records are there now.
    skipped : list of Skipped
        Channels and stations without data, with reasons.

    Raises
    ------
    ParameterError
        If the data centre is unknown or has no station in the box.
    """
    service = datacentre.client(provider)
    chosen = _chosen(_stations(service, request), request)
    if not chosen:
        raise ParameterError(f"fdsn://{provider}: no such channel in the box")
    for name in ("data", "stations"):
        (out / name).mkdir(parents=True, exist_ok=True)
    skipped: list[Skipped] = []
    n_channels = 0
    for number, (code, channel_ids) in enumerate(chosen.items(), start=1):
        try:
            _save_metadata(service, request, code, out)
        except DataError as error:
            skipped.append(Skipped("download", code, str(error)))
            continue
        for channel_id in channel_ids:
            try:
                n_channels += _save_records(service, request, channel_id, out)
            except DataError as error:
                skipped.append(Skipped("download", channel_id, str(error)))
        if advance is not None:
            advance(number, len(chosen))
    return n_channels, skipped


def _times(request: Request) -> dict[str, UTCDateTime]:
    return {
        "starttime": UTCDateTime(ns=request.start_ns),
        "endtime": UTCDateTime(ns=request.end_ns),
    }


def _stations(service: Any, request: Request) -> Inventory:
    box = dict(zip(BOX, request.box, strict=True))
    found = datacentre.ask(
        "stations",
        lambda: service.get_stations(level="channel", **box, **_times(request)),
    )
    return found if found is not None else Inventory(networks=[], source="")


def _chosen(inventory: Inventory, request: Request) -> dict[str, list[str]]:
    """Return the channels of each station by the priorities and the distance."""
    chosen: dict[str, list[str]] = {}
    places: list[tuple[float, float]] = []
    stations = [
        (f"{network.code}.{station.code}", station)
        for network in inventory
        for station in network
    ]
    stations.sort(key=lambda pair: pair[0])
    for code, station in stations:
        channel_ids = next(_by_priority(code, station, request), [])
        place = float(station.latitude), float(station.longitude)
        if not channel_ids or code in chosen or _is_close(place, places, request):
            continue
        chosen[code] = channel_ids
        places.append(place)
    return chosen


def _by_priority(code: str, station: Any, request: Request) -> Iterator[list[str]]:
    for pattern in request.channels:
        for location in request.locations:
            channel_ids = {
                f"{code}.{location}.{channel.code}"
                for channel in station
                if location_code(channel) == location
                and fnmatch.fnmatchcase(channel.code, pattern)
            }
            sound = sorted(name for name in channel_ids if not defective_code(name))
            if sound:
                yield sound


def _is_close(
    place: tuple[float, float], places: Sequence[tuple[float, float]], request: Request
) -> bool:
    if not places or request.least_distance_m <= 0:
        return False
    latitudes, longitudes = zip(*places, strict=True)
    distance_km, _, _ = geodesic(*place, latitudes, longitudes)
    return bool((distance_km < request.least_distance_m * KM_PER_M).any())


def _save_metadata(service: Any, request: Request, code: str, out: Path) -> None:
    path = out / "stations" / f"{file_name_of(code)}.xml"
    if exists(path):
        return
    network, station = code.split(".")
    inventory = datacentre.ask(
        code,
        lambda: service.get_stations(
            network=network, station=station, level="response", **_times(request)
        ),
    )
    if inventory is None:
        raise DataError("no metadata with responses")
    with whole_file(path) as temporary:
        inventory.write(str(temporary), format="STATIONXML")


def _save_records(service: Any, request: Request, channel_id: str, out: Path) -> int:
    path = out / "data" / f"{file_name_of(channel_id)}.mseed"
    if not exists(path):
        content = datacentre.request_waveforms(
            service, channel_id, request.start_ns, request.end_ns
        )
        if not content:
            raise DataError("the data centre has no data of this time")
        with whole_file(path) as temporary:
            temporary.write_bytes(content)
    return 1
