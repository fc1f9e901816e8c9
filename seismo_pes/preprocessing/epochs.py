"""Records whose metadata change: split, so that each part gets its own metadata."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from obspy import Inventory, Stream, Trace

from seismo_pes.element import dated
from seismo_pes.items.skipped import Skipped
from seismo_pes.metadata.epochs import (
    DIRECTION,
    PLACE,
    RESPONSE,
    Aspect,
    Metadata,
    channel_epochs,
    place_epochs,
    split_trace,
)
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.metadata.inventory import StationInventories
from seismo_pes.preprocessing.quality import WithRemarks

__all__ = ["MOVED_M", "SplitEpochs"]

# Longest move of a station, metres, within which its windows are stacked together: less
# than the wavelengths of most studies, and more than corrections of a survey.
MOVED_M = 100.0


class SplitEpochs(WithRemarks):
    """Split traces where response, direction or place of their channel change.

    Use it before trends are removed, so that a step of the gain is not treated as a
    step of the ground motion. The elements `RemoveResponse` and `Orient` find the
    metadata of each part.

    Parameters
    ----------
    inventory : str, Path or obspy.Inventory
        Station metadata; a path is read when the run starts.
    responses, directions : bool
        Whether traces are split where these change.
    places : mapping of channel id to (float, float), optional
        Latitude and longitude in degrees. Parts that were recorded more than `MOVED_M`
        from there are left out. Channels that are not in it may be anywhere.

    Ports
    -----
    input : obspy.Stream, obspy.Trace or Waveforms
        Traces without overlaps.
    output : the same type
        The traces, or their parts, which share the memory of the input.
    skipped : Skipped
        Parts from another place, stage ``"epoch"``; traces whose metadata may be in a
        file that could not be read, stage ``"input"``.
    """

    stage = "epoch"
    cause = "epoch"

    def __init__(
        self,
        inventory: str | Path | Inventory,
        responses: bool = True,
        directions: bool = True,
        places: Mapping[str, tuple[float, float]] | None = None,
    ) -> None:
        super().__init__()
        self.inventory = inventory
        self.aspects = [RESPONSE] * responses + [DIRECTION] * directions
        self.places = dict(places or {})

    def _preprocess(self) -> None:
        self._stations = StationInventories(self.inventory)
        self._epochs: dict[str, tuple[list[Metadata], list[Metadata]]] = {}

    def check(self, part: Trace) -> tuple[Stream, list[Skipped]]:
        """Split one trace."""
        if part.id not in self._epochs:
            inventory = self._stations.of(part.id)
            self._epochs[part.id] = (
                channel_epochs(inventory, part.id),
                place_epochs(inventory, part.id),
            )
        epochs, places = self._epochs[part.id]
        traces = [part]
        for aspect in self.aspects:
            traces = [t for t, _ in self._split(traces, epochs, aspect)]
        remarks: list[Skipped] = []
        if part.id in self.places:
            traces = self._at_place(traces, places, remarks)
        return Stream(traces), remarks

    def _at_place(
        self, traces: list[Trace], epochs: list[Metadata], remarks: list[Skipped]
    ) -> list[Trace]:
        """Return the parts that were recorded at the place of the channel."""
        kept = []
        for part, metadata in self._split(traces, epochs, PLACE):
            place = self.places[part.id]
            if metadata is None or (away_m := distance_m(metadata, place)) <= MOVED_M:
                kept.append(part)
                continue
            reason = (
                f"left out: the sensor stood {away_m:,.0f} m from the coordinates "
                "of this run"
            )
            remarks.append(dated(Skipped(self.stage, part.id, reason), part))
        return kept

    def _split(
        self, traces: list[Trace], epochs: list[Metadata], aspect: Aspect
    ) -> list[tuple[Trace, Metadata | None]]:
        """Split traces; refuse parts whose metadata may be in a file not read."""
        parts = [pair for t in traces for pair in split_trace(t, epochs, aspect)]
        if any(metadata is None for _, metadata in parts):
            self._stations.refuse_failed_reads()
        return parts


def distance_m(metadata: Metadata, place: tuple[float, float]) -> float:
    """Return the distance of a channel or station from a place, metres.

    Parameters
    ----------
    metadata : obspy Channel or Station
        Its coordinates are used.
    place : (float, float)
        Latitude and longitude in degrees.
    """
    distance_km, _, _ = geodesic(metadata.latitude, metadata.longitude, *place)
    return float(distance_km) * 1000
