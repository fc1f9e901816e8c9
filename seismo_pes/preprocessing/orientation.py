"""Orientation of components: to Z, N, E, and to radial and transverse of a pair."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from obspy import Inventory, Stream, Trace
from obspy.core.inventory import Channel

from dispel4py.errors import DataError
from seismo_pes.element import Element, element
from seismo_pes.items.traces import aligned, with_data
from seismo_pes.metadata.inventory import StationInventories
from seismo_pes.signal.rotation import to_rt, to_zne

__all__ = [
    "Orient",
    "Rotate",
    "orient",
    "rotate",
    "rotate_pair",
]

COMPONENTS = "ZNE"
ROTATED = "ZRT"


def orient(stream: Stream, inventory: Inventory) -> Stream:
    """Turn the components of an instrument to Z, N and E.

    Their true directions are the azimuth and dip of the inventory, whatever the codes
    say: 1 and 2, or N and E that were buried askew.

    Parameters
    ----------
    stream : obspy.Stream
        Three components of one instrument; two horizontals alone become N and E. Only
        times at which all are there are kept.
    inventory : obspy.Inventory
        Its channels have azimuth and dip at the time of the traces.

    Returns
    -------
    obspy.Stream
        Channels ending in Z, N and E.

    Raises
    ------
    DataError
        If a direction is unknown, or there are other than two or three components.
    """
    made = Stream()
    for traces, data in aligned(stream):
        azimuth, dip = np.array([_direction(t, inventory) for t in traces]).T
        if len(traces) == 3:
            rows, names = to_zne(data, azimuth, dip), COMPONENTS
        elif len(traces) == 2 and np.abs(dip).max() < 5:
            upright = np.concatenate([np.zeros((1, data.shape[1]), data.dtype), data])
            rows = to_zne(upright, [0.0, *azimuth], [-90.0, 0.0, 0.0])[1:]
            names = COMPONENTS[1:]
        else:
            said = ", ".join(trace.id for trace in traces)
            raise DataError(f"{said}: three components are needed, or two horizontals")
        made.extend(_named(traces[0], rows, names))
    return made


def _direction(trace: Trace, inventory: Inventory) -> tuple[float, float]:
    network, station, location, code = trace.id.split(".")
    found = inventory.select(
        network, station, location, code, time=trace.stats.starttime
    )
    for net in found:
        for place in net:
            for channel in place:
                if channel.location_code == location and _is_known(channel):
                    return float(channel.azimuth), float(channel.dip)
    raise DataError(f"{trace.id}: the inventory has no azimuth and dip of it")


def _is_known(channel: Channel) -> bool:
    return channel.azimuth is not None and channel.dip is not None


def _named(trace: Trace, rows: np.ndarray, names: str) -> list[Trace]:
    code = trace.stats.channel[:-1]
    return [
        with_data(trace, row, channel=code + name)
        for name, row in zip(names, rows, strict=True)
    ]


def rotate(stream: Stream, radial_deg: float) -> Stream:
    """Turn north and east to radial and transverse; the vertical stays.

    Parameters
    ----------
    stream : obspy.Stream
        Components of one instrument whose codes end in N and E; `orient` makes them
        of others. Only times at which both are there are kept.
    radial_deg : float
        Direction of the radial, degrees clockwise from north: where the wave goes.

    Returns
    -------
    obspy.Stream
        Channels ending in R and T, and those that are not horizontal as they were.

    Raises
    ------
    DataError
        If north or east is missing; components 1 and 2 want `orient` first.
    """
    level = [trace for trace in stream if trace.id[-1] in "NE"]
    if {trace.id[-1] for trace in level} != {"N", "E"}:
        found = ", ".join(sorted({trace.id for trace in stream}))
        raise DataError(f"{found}: needs components N and E; orient it first")
    made = Stream([trace for trace in stream if trace.id[-1] not in "NE"])
    for traces, (east, north) in aligned(level):
        rows = to_rt(north, east, radial_deg)
        made.extend(_named(traces[0], rows, ROTATED[1:]))
    return made


def rotate_pair(
    first: Stream, second: Stream, azimuth_deg: float, back_azimuth_deg: float
) -> tuple[Stream, Stream]:
    """Turn the components of two stations to the great circle between them.

    Parameters
    ----------
    first, second : obspy.Stream
        Components N and E, and Z if there is one.
    azimuth_deg, back_azimuth_deg : float
        From the first to the second and back, as `geodesy.geodesic` has them.

    Returns
    -------
    (obspy.Stream, obspy.Stream)
        The radial points from the first to the second at both.

    Examples
    --------
    >>> def station(name):
    ...     headers = [{"station": name, "channel": code} for code in ("HHN", "HHE")]
    ...     return Stream([Trace(np.ones(2), header) for header in headers])
    >>> one, other = rotate_pair(station("A"), station("B"), 90.0, 270.0)
    >>> [(trace.id, trace.data.round(12).tolist()) for trace in other]
    [('.B..HHR', [1.0, 1.0]), ('.B..HHT', [-1.0, -1.0])]
    """
    return rotate(first, azimuth_deg), rotate(second, back_azimuth_deg + 180)


Rotate = element(rotate, "Rotate", per="station")


class Orient(Element):
    """Turn the components of each instrument to Z, N and E by their true directions.

    Parameters
    ----------
    inventory : str, Path or obspy.Inventory
        Station metadata with azimuth and dip; a path is read when the run starts.
    """

    per = "station"

    def __init__(self, inventory: str | Path | Inventory) -> None:
        super().__init__()
        self.inventory = inventory

    def _preprocess(self) -> None:
        self._stations = StationInventories(self.inventory)

    def transform(self, part: Stream) -> Stream:
        """Turn one instrument."""
        return orient(part, self._stations.of(part[0].id))
