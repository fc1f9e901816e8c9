"""Rotation of components to Z, N, E, or to the radial and transverse of a pair."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from obspy import Inventory, Stream, Trace

from dispel4py.errors import DataError
from seismo_pes.element import element
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.waveforms import aligned, with_data
from seismo_pes.metadata.epochs import (
    DIRECTION,
    VERTICAL_DEG,
    channel_epochs,
    direction,
    split_trace,
)
from seismo_pes.metadata.inventory import MissingMetadata, StationInventories
from seismo_pes.preprocessing.quality import WithRemarks
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.signal.rotation import directions, to_rt, to_zne

__all__ = [
    "NOMINAL",
    "Orient",
    "Rotate",
    "alignment",
    "orient",
    "rotate",
    "rotate_pair",
]

COMPONENTS = "ZNE"
HORIZONTAL_DEG = 5.0  # largest dip of two horizontals without a vertical
ROTATED = "ZRT"
# Azimuth and dip of the direction for which the last letter of a channel code stands.
NOMINAL = {"Z": (0.0, -90.0), "N": (0.0, 0.0), "E": (90.0, 0.0)}
MOST_TILT_DEG = 30.0  # of a single component: at this angle half of it is other motion
LEAST_ALIGNMENT = np.cos(np.radians(MOST_TILT_DEG)) + 1e-9
PARALLEL = np.cos(np.radians(90 - VERTICAL_DEG)) - 1e-9  # smaller ones are rounding


def orient(stream: Stream, inventory: Inventory) -> Stream:
    """Rotate the components of an instrument to Z, N and E.

    The directions of the components are the azimuth and dip of the inventory. Their
    codes do not matter: they may be 1 and 2, or N and E of a sensor with another
    orientation. Traces are split where the directions change (`metadata.epochs`).

    Parameters
    ----------
    stream : obspy.Stream
        Three components of one instrument. Two horizontals alone become N and E. A
        single component keeps its code: Z, N or E that point the other way change their
        sign, and an inclined one is divided by the cosine of the angle, up to 30
        degrees; then other motion remains in it.
        Only times at which all components have samples are kept.
    inventory : obspy.Inventory
        Station metadata with azimuth and dip of the channels at the time of the traces.

    Returns
    -------
    obspy.Stream
        Channels ending in Z, N and E.

    Raises
    ------
    DataError
        If a direction is unknown, or the components are neither three, nor two
        horizontals, nor one that points along the line of its code.
    """
    oriented = Stream()
    for traces, data in _simultaneous(stream, inventory):
        oriented.extend(_oriented(traces, data, inventory))
    return oriented


def _simultaneous(
    stream: Iterable[Trace], inventory: Inventory
) -> list[tuple[Stream, np.ndarray]]:
    """Cut traces to times at which all components have samples and fixed directions."""
    parts: list[Trace] = []
    for trace in stream:
        epochs = channel_epochs(inventory, trace.id)
        parts += [part for part, _ in split_trace(trace, epochs, DIRECTION)]
    return aligned(parts)


def _oriented(traces: Stream, data: np.ndarray, inventory: Inventory) -> list[Trace]:
    azimuth, dip = np.array([_direction(t, inventory) for t in traces]).T
    if len(traces) == 3:
        return _named(traces[0], to_zne(data, azimuth, dip), COMPONENTS)
    if len(traces) == 2 and np.abs(dip).max() < HORIZONTAL_DEG:
        upright = np.concatenate([np.zeros((1, data.shape[1]), data.dtype), data])
        rows = to_zne(upright, [0.0, *azimuth], [-90.0, 0.0, 0.0])[1:]
        return _named(traces[0], rows, COMPONENTS[1:])
    if len(traces) == 1:
        part = alignment(traces[0].id, azimuth[0], dip[0])
        if abs(part) > LEAST_ALIGNMENT:
            row = data[0] * data.dtype.type(np.sign(part))
            if abs(part) < PARALLEL:
                row = row / data.dtype.type(abs(part))
            return [with_data(traces[0], row)]
    channels = ", ".join(
        f"{t.id} (dip {d:g})" for t, d in zip(traces, dip, strict=True)
    )
    raise DataError(
        f"{channels}: three components are needed, or two horizontals, or one less "
        f"than {MOST_TILT_DEG:g} degrees from the line of its code"
    )


def alignment(channel_id: str, azimuth_deg: float, dip_deg: float) -> float:
    """Return the cosine of the angle between a channel and the direction of its code.

    Parameters
    ----------
    channel_id : str
        Codes that end in N and E are north and east. Any other letter is vertical if
        the dip is closer to it than to the horizontal.
    azimuth_deg, dip_deg : float
        Direction of the channel, as in StationXML.

    Returns
    -------
    float
        -1 for a channel that is upside down; 0 if the code does not tell a direction.

    Examples
    --------
    >>> round(alignment("XX.A..HHZ", 0.0, 90.0), 6)
    -1.0
    >>> round(alignment("XX.A..HHZ", 0.0, -80.0), 3)
    0.985
    """
    vertical = NOMINAL["Z"] if abs(dip_deg) > 45 else None
    nominal = NOMINAL.get(channel_id[-1:], vertical)
    if nominal is None:
        return 0.0
    one, other = directions(*zip(nominal, (azimuth_deg, dip_deg), strict=True))
    return float(np.clip(one @ other, -1, 1))


def _direction(trace: Trace, inventory: Inventory) -> tuple[float, float]:
    """Return azimuth and dip that are valid for most samples of a trace.

    Only samples at an end, within the tolerance of epochs, can have others.
    """
    epochs = channel_epochs(inventory, trace.id)
    parts = split_trace(trace, epochs, DIRECTION)
    _, channel = max(parts, key=lambda part: part[0].stats.npts)
    values = None if channel is None else direction(channel)
    if values is None:
        start, end = trace.stats.starttime, trace.stats.endtime
        raise MissingMetadata(
            f"{trace.id}: the inventory has no azimuth and dip of the channel from "
            f"{start} to {end}"
        )
    return values


def _named(trace: Trace, rows: np.ndarray, names: str) -> list[Trace]:
    code = trace.stats.channel[:-1]
    return [
        with_data(trace, row, channel=code + name)
        for name, row in zip(names, rows, strict=True)
    ]


def rotate(stream: Stream, radial_deg: float) -> Stream:
    """Rotate north and east to radial and transverse; the vertical does not change.

    Parameters
    ----------
    stream : obspy.Stream
        Components of one instrument whose codes end in N and E; `orient` makes them
        from other components. Only times at which both have data are kept.
    radial_deg : float
        Direction of the radial in degrees clockwise from north: the propagation
        direction of the wave.

    Returns
    -------
    obspy.Stream
        Channels with codes ending in R and T, and the unchanged vertical channels.

    Raises
    ------
    DataError
        If north or east is missing; components 1 and 2 need `orient` first.
    """
    level = [trace for trace in stream if trace.id[-1] in "NE"]
    if {trace.id[-1] for trace in level} != {"N", "E"}:
        listing = ", ".join(sorted({trace.id for trace in stream}))
        raise DataError(f"{listing}: needs components N and E; orient it first")
    rotated = Stream([trace for trace in stream if trace.id[-1] not in "NE"])
    for traces, (east, north) in aligned(level):
        rows = to_rt(north, east, radial_deg)
        rotated.extend(_named(traces[0], rows, ROTATED[1:]))
    return rotated


def rotate_pair(
    first: Stream, second: Stream, azimuth_deg: float, back_azimuth_deg: float
) -> tuple[Stream, Stream]:
    """Rotate the components of two stations to the great circle between them.

    Parameters
    ----------
    first, second : obspy.Stream
        Components N and E, and Z if there is one.
    azimuth_deg, back_azimuth_deg : float
        From the first to the second and back, see `geodesy.geodesic`.

    Returns
    -------
    (obspy.Stream, obspy.Stream)
        The radial points from the first to the second at both.

    Examples
    --------
    >>> def station(name):
    ...     headers = [{"station": name, "channel": code} for code in ("HHN", "HHE")]
    ...     return Stream([Trace(np.ones(2), header) for header in headers])
    >>> first, second = rotate_pair(station("A"), station("B"), 90.0, 270.0)
    >>> [(trace.id, trace.data.round(12).tolist()) for trace in second]
    [('.B..HHR', [1.0, 1.0]), ('.B..HHT', [-1.0, -1.0])]
    """
    return rotate(first, azimuth_deg), rotate(second, back_azimuth_deg + 180)


Rotate = element(rotate, "Rotate", per="station")


class Orient(WithRemarks):
    """Rotate the components of each instrument to Z, N and E by their true directions.

    Parameters
    ----------
    inventory : str, Path or obspy.Inventory
        Station metadata with azimuth and dip; a path is read when the run starts.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        The input stays unchanged.
    output : the same type
        New traces, see `orient`.
    skipped : Skipped
        Instruments that cannot be rotated, with the time; remarks on single components
        that are inclined.
    """

    per = "station"
    stage = "orient"

    def __init__(self, inventory: str | Path | Inventory) -> None:
        super().__init__()
        self.inventory = inventory

    def _preprocess(self) -> None:
        self._stations = StationInventories(self.inventory)

    def check(self, part: Stream) -> tuple[Stream, list[Skipped]]:
        """Rotate one instrument, as far as its directions are known."""
        inventory = self._stations.of(part[0].id)
        oriented, refused = Stream(), []
        for traces, data in _simultaneous(part, inventory):
            try:
                with self._stations.searched():
                    oriented.extend(_oriented(traces, data, inventory))
                refused += self._remarks_on(traces, inventory)
            except (DataError, SignalError) as error:
                refused.append(self.skip(traces[0].id, error))
        return oriented, refused

    def _remarks_on(self, traces: Stream, inventory: Inventory) -> list[Skipped]:
        """Return a remark on a single component that is inclined."""
        if len(traces) > 1:
            return []
        part = abs(alignment(traces[0].id, *_direction(traces[0], inventory)))
        if part >= PARALLEL:
            return []
        reason = (
            f"a single component, {np.degrees(np.arccos(part)):.0f} degrees from the "
            f"line of its code: divided by {part:.3f}, the cosine; "
            f"{100 * np.sqrt(1 - part**2) / part:.0f} % of the motion across this line "
            "remains in it"
        )
        return [Skipped(self.stage, traces[0].id, reason)]
