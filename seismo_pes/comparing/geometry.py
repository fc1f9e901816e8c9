"""The place of a station relative to an event, and the epoch of its records."""

from __future__ import annotations

import math
from collections.abc import Sequence

from obspy import Inventory, Stream, Trace

from dispel4py.errors import DataError
from seismo_pes.items.events import Event
from seismo_pes.metadata.epochs import Aspect, channel_epochs, split_trace
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.metadata.inventory import Position, StationEpochs

__all__ = ["station_geometry", "within_epoch"]


def station_geometry(
    event: Event, inventory: Inventory, observed: Stream, synthetic: Stream
) -> dict[str, float]:
    """Return coordinates, distance and azimuths of the station of a stream.

    Parameters
    ----------
    event : Event
    inventory : obspy.Inventory
        Metadata of the station.
    observed, synthetic : obspy.Stream
        Traces of the station: the epoch is that of the time that both sides have.

    Returns
    -------
    dict
        ``latitude``, ``longitude``, ``elevation_m``, ``burial_m`` (the last two are 0
        if the metadata do not have them), ``distance_km``, ``azimuth_deg`` at the event
        and ``back_azimuth_deg`` at the station.

    Raises
    ------
    DataError
        If the metadata have no coordinates at this time.
    """
    start_ns, end_ns = _span(observed)
    first_ns, last_ns = _span(synthetic)
    if first_ns < end_ns and start_ns < last_ns:
        start_ns, end_ns = max(start_ns, first_ns), min(end_ns, last_ns)
    epochs = StationEpochs(inventory, start_ns, end_ns)
    for trace in observed:
        for place in epochs.positions(trace.id, (start_ns, end_ns)):
            if math.isfinite(place.latitude) and math.isfinite(place.longitude):
                return _geometry(event, place)
    raise DataError("no coordinates of the station at the time of the event")


def _span(stream: Stream) -> tuple[int, int]:
    """Return the first and the last time of all traces."""
    return (
        min(trace.stats.starttime.ns for trace in stream),
        max(trace.stats.endtime.ns for trace in stream),
    )


def within_epoch(
    trace: Trace,
    inventory: Inventory,
    start_ns: int,
    end_ns: int,
    aspects: Sequence[Aspect],
) -> Trace:
    """Return the part of a record with the metadata of a time.

    A record with a pad may reach into another epoch: then the pad ends there. If the
    metadata change within the time, the whole record is returned.

    Parameters
    ----------
    trace : obspy.Trace
    inventory : obspy.Inventory
        Metadata of the station.
    start_ns, end_ns : int
        The time, nanoseconds since 1970.
    aspects : sequence of Aspect
        The values that may not change.
    """
    epochs = channel_epochs(inventory, trace.id)
    for aspect in aspects:
        parts = [
            part
            for part, _ in split_trace(trace, epochs, aspect)
            if part.stats.starttime.ns < end_ns and part.stats.endtime.ns > start_ns
        ]
        if len(parts) == 1:
            trace = parts[0]
    return trace


def _geometry(event: Event, place: Position) -> dict[str, float]:
    distance_km, azimuth, back_azimuth = geodesic(
        event.latitude, event.longitude, place.latitude, place.longitude
    )
    heights = {"elevation_m": place.elevation_m, "burial_m": place.burial_m}
    return {
        "latitude": place.latitude,
        "longitude": place.longitude,
        **{name: h if math.isfinite(h) else 0.0 for name, h in heights.items()},
        "distance_km": float(distance_km),
        "azimuth_deg": float(azimuth),
        "back_azimuth_deg": float(back_azimuth),
    }
