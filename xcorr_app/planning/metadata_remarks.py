"""Station metadata that change in a run, contradict each other, or mislead."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from obspy import Inventory, UTCDateTime

from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.metadata.deferred import DeferredResponse
from seismo_pes.metadata.epochs import (
    DIRECTION,
    PLACE,
    RESPONSE,
    TOLERANCE_S,
    Aspect,
    Metadata,
    channel_epochs,
    direction,
    has_response,
    is_position,
    overlaps,
    place_epochs,
    timeline,
)
from seismo_pes.metadata.inventory import StationInventories
from seismo_pes.metadata.stations import PatternIndex
from seismo_pes.preprocessing.epochs import MOVED_M, distance_m
from seismo_pes.preprocessing.orientation import NOMINAL, alignment
from xcorr_app.config import Config
from xcorr_app.planning.components import Components
from xcorr_app.planning.stations import StationList
from xcorr_app.planning.steps import parse_steps
from xcorr_app.planning.table import ChannelTable

__all__ = ["MetadataChecks", "MetadataUse", "check_metadata", "metadata_use"]

STAGE = "inventory"
LEAST_MOVE_M = 1.0  # coordinates are written to a metre or so
ASKEW_DEG = 5.0  # SEED calls components N and E, and Z, up to this angle
# Input units of responses to ground motion, as evalresp knows them.
MOTION = {
    prefix + unit
    for prefix in ("", "N", "U", "M", "C")
    for unit in ("M", "M/S", "M/SEC", "M/S**2", "M/(S**2)", "M/S/S", "M/SEC**2")
} | {"M/(SEC**2)"}


@dataclass(frozen=True)
class MetadataUse:
    """The metadata of its channels that a run uses.

    Attributes
    ----------
    responses, directions : bool
        Whether responses are removed, and components rotated.
    places : mapping of str to (float, float)
        Latitude and longitude of the channels, by the id of the record, where they
        come from the inventory.
    """

    responses: bool
    directions: bool
    places: Mapping[str, tuple[float, float]]

    @property
    def aspects(self) -> list[Aspect]:
        """The values whose changes matter."""
        return [RESPONSE] * self.responses + [DIRECTION] * self.directions


@dataclass(frozen=True)
class MetadataChecks:
    """The results of the checks of the metadata of a run.

    Attributes
    ----------
    use : MetadataUse
        The metadata that the run uses.
    changing : obspy.Inventory or None
        The stations whose records are split. None: there are none.
    away : dict of str to list of (int, int)
        Times at which channels stood too far from their coordinates in the run: their
        data are left out. Nanoseconds since 1970.
    remarks : list of Skipped
        Changes at which records are split, epochs that contradict each other, moves of
        stations, misaligned components that are not rotated, and responses that are not
        of ground motion.
    """

    use: MetadataUse
    changing: Inventory | None
    away: dict[str, list[tuple[int, int]]]
    remarks: list[Skipped]


def metadata_use(
    config: Config,
    stations: StationList,
    table: ChannelTable,
    components: Components,
) -> MetadataUse:
    """Return the metadata of its channels that a run uses.

    Parameters
    ----------
    config : Config
        The options.
    stations : StationList
        Coordinates in it outrank those of the inventory.
    table : ChannelTable
        The channels with their coordinates.
    components : Components
        Whether components are oriented.
    """
    steps = () if config.steps is None else parse_steps(config.steps)
    responses = config.response != "none" or any(
        step.name == "RemoveResponse" for step in steps
    )
    index = PatternIndex(stations.patterns)
    located = {channel.id: channel for channel in table.channels}
    places = {}
    for id_, name in table.names.items():
        channel = located[name]
        is_listed = any(
            is_position(pattern.latitude, pattern.longitude)
            for pattern in index.matching(id_)
        )
        if not is_listed and is_position(channel.latitude, channel.longitude):
            places[id_] = channel.latitude, channel.longitude
    return MetadataUse(responses, components.oriented, places)


def check_metadata(
    inventory: Inventory | None,
    spans: Mapping[str, tuple[int, int]],
    use: MetadataUse,
) -> MetadataChecks:
    """Compare the metadata of channels with the time of a run.

    Parameters
    ----------
    inventory : obspy.Inventory or None
        The metadata.
    spans : mapping of str to (int, int)
        First and last time of the data of each channel in the run.
    use : MetadataUse
        The metadata that the run uses.

    Returns
    -------
    MetadataChecks
        The remarks, and the stations whose metadata change.
    """
    if inventory is None:
        return MetadataChecks(use, None, {}, [])
    stations = StationInventories(inventory)
    remarks: list[Skipped] = []
    changing: dict[str, Inventory] = {}
    away: dict[str, list[tuple[int, int]]] = {}
    for channel_id, span in spans.items():
        of_station = stations.of(channel_id)
        epochs = _of_time(channel_epochs(of_station, channel_id), span)
        reasons = [*_changes(epochs, span, use)]
        if channel_id in use.places:
            places = place_epochs(of_station, channel_id)
            moves = _moves(places, span, use.places[channel_id])
            reasons += [move.remark for move in moves]
            away[channel_id] = [move.time for move in moves if move.is_long]
        if reasons:
            changing[".".join(channel_id.split(".")[:2])] = of_station
        for aspect in use.aspects:
            reasons += _overlaps(epochs, aspect, span)
        if channel_id in use.places:
            reasons += _overlaps(places, PLACE, span)
        if not use.directions:
            reasons += _askew(channel_id, epochs, span)
        if use.responses:
            reasons += _units(epochs)
        remarks += [Skipped(STAGE, channel_id, reason) for reason in reasons]
    networks = [network for part in changing.values() for network in part]
    subset = Inventory(networks, source=inventory.source) if networks else None
    away = {channel_id: times for channel_id, times in away.items() if times}
    return MetadataChecks(use, subset, away, remarks)


def _changes(
    epochs: Sequence[Metadata], span: tuple[int, int], use: MetadataUse
) -> Iterator[str]:
    """Yield the times at which records are split."""
    if len(epochs) < 2:
        return
    for aspect in use.aspects:
        for change in timeline(epochs, aspect, *span)[1:]:
            if span[0] < change.start_ns < span[1]:
                time = UTCDateTime(ns=change.start_ns)
                yield (
                    f"its {aspect.name} changes on {time}: records are split there, "
                    "and each part gets its own"
                )


def _overlaps(
    epochs: Sequence[Metadata], aspect: Aspect, span: tuple[int, int]
) -> Iterator[str]:
    """Yield the times at which two epochs contradict each other."""
    if len(epochs) < 2:
        return
    for overlap in overlaps(epochs, aspect, *span):
        start, end = (UTCDateTime(ns=t) for t in (overlap.start_ns, overlap.end_ns))
        yield (
            f"two epochs with different {aspect.name} overlap from {start} to {end}: "
            f"the epoch that begins on {overlap.metadata.start_date} is used"
        )


@dataclass(frozen=True)
class _Move:
    """A time at which a channel stood elsewhere."""

    time: tuple[int, int]
    away_m: float

    @property
    def is_long(self) -> bool:
        """Whether the data of this time are left out."""
        return self.away_m > MOVED_M

    @property
    def remark(self) -> str:
        """The move in words."""
        start, end = (UTCDateTime(ns=t) for t in self.time)
        how = "its data of this time are used with these coordinates"
        if self.is_long:
            how = "its data of this time are left out: use them in a separate run"
        return (
            f"moved: from {start} to {end} it stood {self.away_m:,.0f} m from the "
            f"coordinates of most of the time; {how}"
        )


def _moves(
    epochs: Sequence[Metadata], span: tuple[int, int], place: tuple[float, float]
) -> list[_Move]:
    moves = []
    for epoch in timeline(epochs, PLACE, *span):
        time = max(epoch.start_ns, span[0]), min(epoch.end_ns, span[1])
        away_m = distance_m(epoch.metadata, place)
        if time[1] - time[0] > TOLERANCE_S * NS and away_m >= LEAST_MOVE_M:
            moves.append(_Move(time, away_m))
    return moves


def _askew(
    channel_id: str, epochs: Iterable[Metadata], span: tuple[int, int]
) -> Iterator[str]:
    """Yield a remark if a channel does not point in the direction of its code."""
    if channel_id[-1:] not in NOMINAL:
        return
    for epoch in timeline(epochs, DIRECTION, *span):
        values = direction(epoch.metadata)
        assert values is not None
        angle_deg = np.degrees(np.arccos(alignment(channel_id, *values)))
        if angle_deg > ASKEW_DEG + 1e-6:
            yield (
                f"points {angle_deg:.0f} degrees from {channel_id[-1]} (azimuth "
                f"{values[0]:g}, dip {values[1]:g} in the inventory), and is used as "
                "recorded; --orient rotates it"
            )


def _of_time(epochs: Iterable[Metadata], span: tuple[int, int]) -> list[Metadata]:
    """Return the epochs that overlap a time."""
    start, end = (UTCDateTime(ns=t) for t in span)
    return [
        epoch
        for epoch in epochs
        if (epoch.start_date is None or epoch.start_date <= end + TOLERANCE_S)
        and (epoch.end_date is None or start - TOLERANCE_S <= epoch.end_date)
    ]


def _units(epochs: Iterable[Metadata]) -> Iterator[str]:
    for units in dict.fromkeys(map(_input_units, epochs)):
        if units and units.upper().replace(" ", "") not in MOTION:
            yield (
                f"its response has the input unit {units}, which is not a unit of "
                "ground motion: the result is in this unit, for any --response"
            )


def _input_units(metadata: Metadata) -> str:
    response = metadata.response
    if isinstance(response, DeferredResponse) and not response.is_parsed:
        return response.input_units
    if not has_response(metadata):
        return ""
    return str(response.response_stages[0].input_units or "")
