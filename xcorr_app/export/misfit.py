"""A folder for misfit-app: each station as a source of Green's functions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.event import Catalog, Event, Origin, ResourceIdentifier
from obspy.core.inventory import Channel, Network, Site, Station

from dispel4py.errors import ParameterError
from seismo_pes.application.files import new_folder
from seismo_pes.application.skipped import write_skipped
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.skipped import Skipped
from seismo_pes.whole_file import whole_file
from xcorr_app.export.target import Progress, iterate, write_about
from xcorr_app.store import Store

__all__ = ["export_misfit", "green_function"]

# The origin time of all sources. Synthetics whose times are near 1970 count from it.
ORIGIN = UTCDateTime(2000, 1, 1)
EVENT_ID = "smi:local/source/{}"


@dataclass
class _Source:
    """A station as a source: its place, and the channels that receive from it."""

    place: tuple[float, float, float]
    channels: dict[str, tuple[tuple[float, float, float], float | None, float | None]]
    rate_hz: float


def green_function(correlation: Correlation) -> np.ndarray:
    """Return the empirical Green's function of a stack, at all its lags.

    It is minus the derivative of the mean of both branches: at positive lags the
    displacement at the second station by a force at the first one, apart from its
    amplitude spectrum; at negative lags the same with the other sign (Yao et al. 2006,
    doi:10.1111/j.1365-246X.2006.03028.x).

    Parameters
    ----------
    correlation
        With the lags -K..K.

    Returns
    -------
    float64, shape ``(2 K + 1,)``.
    """
    _, mean = correlation.symmetric()
    mean = np.asarray(mean, np.float64)
    both = np.concatenate([mean[:0:-1], mean])
    return -np.asarray(np.gradient(both, 1 / correlation.rate_hz))


def export_misfit(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    stack: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Path:
    """Write empirical Green's functions as the input of misfit-app.

    Each station and component is a source, the event ``NET.STA.C`` at depth 0 in
    ``events.xml``. Its records are the Green's functions of all pairs with this
    station, ``observed/NET.STA.C/NET.STA.LOC.CHA.mseed``, see `green_function`. Lag 0
    is the origin time. Directions of vertical and of rotated channels are in
    ``stations/NET.STA.C.xml``; for others, misfit-app needs the StationXML of the
    network. Pairs that cannot be used are in ``skipped.tsv``.

    Parameters
    ----------
    store, dest, stack, force, progress
        As for `export_sac`.

    Raises
    ------
    ParameterError
        If no pair can be used, or ``dest`` exists as for `export_sac`.
    """
    folder = new_folder(dest, force, "misfit")
    sources: dict[str, _Source] = {}
    skipped: list[Skipped] = []
    for correlation in iterate(store, stack, progress):
        if reason := _defect(correlation):
            skipped.append(Skipped("export", correlation.id, reason))
            continue
        for way in _ways(correlation):
            _add(folder, sources, way)
    if not sources:
        reason = f": {skipped[0].what}: {skipped[0].reason}" if skipped else ""
        raise ParameterError(f"no pair can be used as source and receiver{reason}")
    with whole_file(folder / "events.xml") as temporary:
        _events(sources).write(str(temporary), format="QUAKEML")
    (folder / "stations").mkdir(exist_ok=True)
    for name, source in sources.items():
        path = folder / "stations" / f"{name}.xml"
        with whole_file(path, sync=False) as temporary:
            _inventory(source).write(str(temporary), format="STATIONXML")
    write_skipped(folder, skipped)
    write_about(folder, store, stack)
    return folder


def _defect(correlation: Correlation) -> str:
    """Return why a correlation has no Green's function of two stations, or ""."""
    places = correlation.first_place[:2], correlation.second_place[:2]
    if _station(correlation.first) == _station(correlation.second):
        return "both channels are of one station"
    if not np.isfinite(places).all():
        return "a station has no coordinates"
    if not np.isfinite(correlation.data).all():
        return "values that are not finite"
    if set(correlation.components) <= {"R", "T"}:
        return "the direction of the source is different for each receiver"
    return ""


def _station(channel_id: str) -> str:
    return ".".join(channel_id.split(".")[:2])


def _ways(correlation: Correlation) -> Iterator[Correlation]:
    """Yield both ways, from the first and from the second station."""
    if correlation.first[-1] not in "RT":
        yield correlation
    if correlation.second[-1] not in "RT":
        back = correlation.reversed()
        # the radial and the transverse change their signs with the direction
        sign = -1.0 if back.second[-1] in "RT" else 1.0
        yield replace(back, data=sign * back.data)


def _add(folder: Path, sources: dict[str, _Source], way: Correlation) -> None:
    """Write one record, and note its channel."""
    name = f"{_station(way.first)}.{way.first[-1]}"
    source = sources.setdefault(name, _Source(way.first_place, {}, way.rate_hz))
    source.channels[way.second] = (way.second_place, *_direction(way))
    network, station, location, channel = way.second.split(".")
    data = green_function(way)
    header: dict[str, Any] = {
        "network": network,
        "station": station,
        "location": location,
        "channel": channel,
        "sampling_rate": way.rate_hz,
        "starttime": ORIGIN - (data.size // 2) / way.rate_hz,
    }
    path = folder / "observed" / name / f"{way.second}.mseed"
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, sync=False) as temporary:
        Trace(data, header).write(str(temporary), format="MSEED", encoding="FLOAT64")


def _direction(way: Correlation) -> tuple[float | None, float | None]:
    """Return azimuth and dip of the second channel, as far as its name has them."""
    radial_deg = (way.back_azimuth_deg + 180.0) % 360.0
    component = way.second[-1]
    if component == "Z":
        return 0.0, -90.0
    if component == "R":
        return radial_deg, 0.0
    if component == "T":
        return (radial_deg + 90.0) % 360.0, 0.0
    return None, None


def _events(sources: dict[str, _Source]) -> Catalog:
    events = []
    for name, source in sources.items():
        origin = Origin(
            resource_id=ResourceIdentifier(f"smi:local/origin/{name}"),
            time=ORIGIN,
            latitude=source.place[0],
            longitude=source.place[1],
            depth=0.0,
        )
        event = Event(
            resource_id=ResourceIdentifier(EVENT_ID.format(name)), origins=[origin]
        )
        event.preferred_origin_id = origin.resource_id
        events.append(event)
    return Catalog(events, resource_id=ResourceIdentifier("smi:local/sources"))


def _inventory(source: _Source) -> Inventory:
    networks: dict[str, dict[str, Station]] = {}
    for channel_id, (place, azimuth, dip) in source.channels.items():
        network, code, location, channel = channel_id.split(".")
        elevation = place[2] if np.isfinite(place[2]) else 0.0
        where = {"latitude": place[0], "longitude": place[1], "elevation": elevation}
        stations = networks.setdefault(network, {})
        if code not in stations:
            stations[code] = Station(code, **where, site=Site(code))
        entry = Channel(
            channel,
            location,
            **where,
            depth=0.0,
            azimuth=azimuth,
            dip=dip,
            sample_rate=source.rate_hz,
        )
        stations[code].channels.append(entry)
    return Inventory(
        [Network(name, list(stations.values())) for name, stations in networks.items()],
        source="xcorr-app",
    )
