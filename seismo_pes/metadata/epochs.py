"""The timeline of a channel: the metadata that are valid at each time.

The rules:

1. Where epochs overlap, the epoch that begins last is valid; of epochs that begin at
   the same time, the epoch that ends first; else the first of them in the inventory.
2. A gap of `TOLERANCE_S` or less between two epochs is closed: the earlier epoch is
   extended to the start of the later epoch. Before the first epoch, after the last
   epoch, and at the ends of longer gaps an epoch is valid for `TOLERANCE_S` more.
3. A part of a trace at its start or end that is no longer than `TOLERANCE_S` (and any
   part of a single sample) gets the metadata of the part beside it.
4. Consecutive epochs with the same values count as one epoch.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, TypeAlias

from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Channel as XmlChannel
from obspy.core.inventory import Response
from obspy.core.inventory import Station as XmlStation

from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import JITTER, with_data
from seismo_pes.metadata.deferred import DeferredResponse
from seismo_pes.metadata.inverse import digest
from seismo_pes.signal.rates import exact_rate

__all__ = [
    "ANY_PLACE",
    "DIRECTION",
    "PLACE",
    "RESPONSE",
    "TOLERANCE_S",
    "Aspect",
    "Epoch",
    "channel_epochs",
    "direction",
    "has_response",
    "is_position",
    "location_code",
    "overlaps",
    "place_epochs",
    "split_trace",
    "timeline",
]

# Seconds by which the start and the end of an epoch may be wrong. Data centres write
# ends as 23:59:59, and starts at the first sample of a new digitiser.
TOLERANCE_S = 2.0
SHORTEST = Fraction(3, 2)  # samples: shorter parts of a trace are not split off
VERTICAL_DEG = 85.0  # least dip of a vertical component: its azimuth means nothing
# Start and end of open epochs, nanoseconds; beyond all times of obspy.
ALWAYS_NS = 10**21

Metadata: TypeAlias = XmlChannel | XmlStation


@dataclass(frozen=True)
class Epoch:
    """An interval of time, and the metadata that are valid in it.

    Attributes
    ----------
    start_ns, end_ns : int
        The time, start <= t < end, nanoseconds since 1970.
    metadata : obspy Channel or Station
        The metadata.
    """

    start_ns: int
    end_ns: int
    metadata: Metadata


@dataclass(frozen=True)
class Aspect:
    """One kind of values in the metadata of a channel.

    Attributes
    ----------
    name : str
        Name of the values, for messages.
    is_known : callable
        Returns whether metadata have these values; other epochs are left out.
    value : callable
        Returns the values, which can be compared.
    """

    name: str
    is_known: Callable[[Metadata], bool]
    value: Callable[[Metadata], object]


def channel_epochs(inventory: Inventory, channel_id: str) -> list[XmlChannel]:
    """Return all epochs of a channel, in the order of the inventory.

    Parameters
    ----------
    inventory : obspy.Inventory
        Station metadata.
    channel_id : str
        ``NET.STA.LOC.CHA``.
    """
    network_code, station_code, location, code = channel_id.split(".")
    return [
        channel
        for network in inventory
        if network.code == network_code
        for station in network
        if station.code == station_code
        for channel in station
        if channel.code == code and location_code(channel) == location
    ]


def place_epochs(inventory: Inventory, channel_id: str) -> list[Metadata]:
    """Return the epochs that have the coordinates of a channel.

    They are those of the channel; where these have no coordinates, of its station.

    Parameters
    ----------
    inventory : obspy.Inventory
        Station metadata.
    channel_id : str
        ``NET.STA.LOC.CHA``.
    """
    channels = [c for c in channel_epochs(inventory, channel_id) if PLACE.is_known(c)]
    network_code, station_code, *_ = channel_id.split(".")
    return channels or [
        station
        for network in inventory
        if network.code == network_code
        for station in network
        if station.code == station_code
    ]


def location_code(channel: XmlChannel) -> str:
    """Return the location code of a channel; ``--`` and blanks are the empty code."""
    code = (channel.location_code or "").strip()
    return "" if code == "--" else code


# -- aspects ------------------------------------------------------------------------


def has_response(metadata: Metadata) -> bool:
    """Return whether metadata have a response with stages."""
    response: Response | None = getattr(metadata, "response", None)
    if isinstance(response, DeferredResponse) and response.gain_and_kind:
        return True
    return response is not None and bool(response.response_stages)


def direction(channel: Metadata) -> tuple[float, float] | None:
    """Return azimuth and dip of a channel in degrees; None where they are unknown.

    A vertical component needs no azimuth: it is 0.
    """
    azimuth, dip = channel.azimuth, channel.dip
    if dip is None:
        return None
    if azimuth is None and abs(dip) < VERTICAL_DEG:
        return None
    return float(azimuth or 0.0), float(dip)


def is_position(latitude: float | None, longitude: float | None) -> bool:
    """Return whether coordinates are on Earth, and other than 0, 0 (not set)."""
    if latitude is None or longitude is None:
        return False
    is_on_earth = abs(latitude) <= 90 and abs(longitude) <= 360
    return is_on_earth and not (latitude == longitude == 0)


def _response_digest(metadata: Any) -> Any:
    return digest(metadata.response)


def _has_direction(metadata: Any) -> bool:
    return direction(metadata) is not None


def _has_position(metadata: Any) -> bool:
    return is_position(metadata.latitude, metadata.longitude)


def _position(metadata: Any) -> Any:
    return float(metadata.latitude), float(metadata.longitude)


def _is_any(metadata: Any) -> bool:
    return True


def _place(metadata: Any) -> Any:
    return metadata.latitude, metadata.longitude, metadata.elevation


# functions with a name, so that elements that hold an aspect can be pickled
RESPONSE = Aspect("response", has_response, _response_digest)
DIRECTION = Aspect("direction", _has_direction, direction)
PLACE = Aspect("place", _has_position, _position)
# also where coordinates are not set
ANY_PLACE = Aspect("place", _is_any, _place)


# -- timelines ----------------------------------------------------------------------


def timeline(
    epochs: Iterable[Metadata],
    aspect: Aspect,
    start_ns: int | None = None,
    end_ns: int | None = None,
    tolerance_s: float = TOLERANCE_S,
) -> list[Epoch]:
    """Return the valid epochs, one after the other, by the rules of this module.

    Parameters
    ----------
    epochs : iterable of obspy Channel or Station
        All epochs of one channel or station.
    aspect : Aspect
        The values of interest.
    start_ns, end_ns : int, optional
        Epochs that do not overlap this time by the tolerance are left out.
    tolerance_s : float
        As `TOLERANCE_S`.
    """
    tolerance_ns = round(tolerance_s * NS)
    first = -ALWAYS_NS if start_ns is None else start_ns - tolerance_ns
    last = ALWAYS_NS if end_ns is None else end_ns + tolerance_ns
    spans = [span for span in _spans(epochs) if span.start_ns < last]
    spans = [span for span in spans if first < span.end_ns]
    spans = [span for span in spans if aspect.is_known(span.metadata)]
    return _without_gaps(_joined(_holding(spans), aspect, tolerance_ns), tolerance_ns)


def overlaps(
    epochs: Iterable[Metadata], aspect: Aspect, start_ns: int, end_ns: int
) -> list[Epoch]:
    """Return the times at which two epochs contradict each other.

    Parameters
    ----------
    epochs : iterable of obspy Channel or Station
        All epochs of one channel or station.
    aspect : Aspect
        The values that are compared.
    start_ns, end_ns : int
        Overlaps outside this time are left out, and so are overlaps no longer than
        `TOLERANCE_S`.

    Returns
    -------
    list of Epoch
        With the metadata that are valid in the overlap.
    """
    spans = [span for span in _spans(epochs) if aspect.is_known(span.metadata)]
    contradictions = []
    for first, second in itertools.combinations(spans, 2):
        low = max(first.start_ns, second.start_ns, start_ns)
        high = min(first.end_ns, second.end_ns, end_ns)
        if high - low <= TOLERANCE_S * NS:
            continue
        if aspect.value(first.metadata) != aspect.value(second.metadata):
            metadata = max([first, second], key=_rank).metadata
            contradictions.append(Epoch(low, high, metadata))
    return contradictions


def _spans(epochs: Iterable[Metadata]) -> list[Epoch]:
    return [
        Epoch(_ns(epoch.start_date, -ALWAYS_NS), _ns(epoch.end_date, ALWAYS_NS), epoch)
        for epoch in epochs
    ]


def _ns(time: UTCDateTime | None, default: int) -> int:
    return default if time is None else int(time.ns)


def _rank(span: Epoch) -> tuple[int, int]:
    """Return the key by which the valid epoch is the largest."""
    return span.start_ns, -span.end_ns


def _holding(spans: Sequence[Epoch]) -> list[Epoch]:
    """Return the epochs that are valid between all starts and ends."""
    if len(spans) == 1:
        return list(spans)
    edges = sorted({t for span in spans for t in (span.start_ns, span.end_ns)})
    holding = []
    for start_ns, end_ns in itertools.pairwise(edges):
        valid = [s for s in spans if s.start_ns <= start_ns and end_ns <= s.end_ns]
        if valid:
            metadata = max(valid, key=_rank).metadata
            holding.append(Epoch(start_ns, end_ns, metadata))
    return holding


def _joined(epochs: list[Epoch], aspect: Aspect, tolerance_ns: int) -> list[Epoch]:
    """Close short gaps, and join epochs with the same values."""
    joined: list[Epoch] = []
    for epoch in epochs:
        if joined and epoch.start_ns - joined[-1].end_ns <= tolerance_ns:
            before = joined[-1]
            is_same = before.metadata is epoch.metadata
            if is_same or aspect.value(before.metadata) == aspect.value(epoch.metadata):
                joined[-1] = replace(before, end_ns=epoch.end_ns)
                continue
            joined[-1] = replace(before, end_ns=epoch.start_ns)
        joined.append(epoch)
    return joined


def _without_gaps(epochs: list[Epoch], tolerance_ns: int) -> list[Epoch]:
    """Extend epochs by the tolerance to times without a valid epoch."""
    extended: list[Epoch] = []
    for k, epoch in enumerate(epochs):
        start_ns, end_ns = epoch.start_ns, epoch.end_ns
        if not k:
            start_ns -= tolerance_ns
        elif extended[-1].end_ns < start_ns:
            start_ns = max(extended[-1].end_ns, start_ns - tolerance_ns)
        if k + 1 == len(epochs):
            end_ns += tolerance_ns
        else:
            end_ns = min(end_ns + tolerance_ns, epochs[k + 1].start_ns)
        extended.append(Epoch(start_ns, end_ns, epoch.metadata))
    return extended


# -- traces -------------------------------------------------------------------------


def split_trace(
    trace: Trace, epochs: Iterable[Metadata], aspect: Aspect
) -> list[tuple[Trace, Any]]:
    """Split a trace where its metadata change.

    Parameters
    ----------
    trace : obspy.Trace
        A trace with samples; it is not changed.
    epochs : iterable of obspy Channel or Station
        All epochs of its channel.
    aspect : Aspect
        The values at whose changes it is split.

    Returns
    -------
    list of (obspy.Trace, obspy Channel or Station or None)
        The parts in the order of time, and the metadata of each; None where no epoch is
        valid. If there is only one part, it is the trace itself; otherwise the parts
        share its memory.
    """
    rate, n = exact_rate(trace.stats.sampling_rate), trace.stats.npts
    start_ns = trace.stats.starttime.ns
    tolerance_s = max(TOLERANCE_S, float(SHORTEST / rate))
    end_ns = start_ns + round(n * NS / rate)
    parts: list[tuple[int, int, Metadata | None]] = []
    at = 0
    for epoch in timeline(epochs, aspect, start_ns, end_ns, tolerance_s):
        low, high = (
            min(max(math.ceil(Fraction(t - start_ns, NS) * rate - JITTER), 0), n)
            for t in (epoch.start_ns, epoch.end_ns)
        )
        if at < low:
            parts.append((at, low, None))
        if max(at, low) < high:
            parts.append((max(at, low), high, epoch.metadata))
        at = max(at, high)
    if at < n:
        parts.append((at, n, None))
    parts = _without_short_ends(parts, tolerance_s * rate)
    if len(parts) == 1:
        return [(trace, parts[0][2])]
    return [
        (
            with_data(
                trace,
                trace.data[low:high],
                starttime=UTCDateTime(ns=start_ns + round(low * NS / rate)),
            ),
            metadata,
        )
        for low, high, metadata in parts
    ]


def _without_short_ends(
    parts: list[tuple[int, int, Metadata | None]], longest: float
) -> list[tuple[int, int, Metadata | None]]:
    """Give short parts at both ends the metadata of the parts beside them."""
    parts = list(parts)
    if (
        len(parts) > 1
        and parts[0][1] - parts[0][0] <= longest
        and parts[1][2] is not None
    ):
        parts[:2] = [(parts[0][0], *parts[1][1:])]
    if (
        len(parts) > 1
        and parts[-1][1] - parts[-1][0] <= longest
        and parts[-2][2] is not None
    ):
        parts[-2:] = [(parts[-2][0], parts[-1][1], parts[-2][2])]
    return parts
