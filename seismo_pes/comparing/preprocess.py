"""Preprocessing of the observed and the synthetic record of a station."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from obspy import Inventory, Trace, UTCDateTime
from obspy.core.inventory import Response

from dispel4py.errors import DataError, ParameterError
from seismo_pes.comparing.directions import (
    Combination,
    combinations,
    nominal,
    remark_on_letter,
)
from seismo_pes.comparing.geometry import station_geometry, within_epoch
from seismo_pes.comparing.pair_settings import PairSettings
from seismo_pes.comparing.synthetic_side import LinearSide, SpectralStep, chain_of
from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import (
    ComparedComponent,
    ComparedRecords,
    RejectedTrace,
    StationRecords,
)
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import NS
from seismo_pes.items.waveforms import with_data
from seismo_pes.metadata.deferred import DeferredResponse
from seismo_pes.metadata.epochs import (
    DIRECTION,
    RESPONSE,
    channel_epochs,
    direction,
    split_trace,
)
from seismo_pes.metadata.inventory import StationInventories
from seismo_pes.metadata.inverse import ResponseCache
from seismo_pes.metadata.units import ground_motion
from seismo_pes.preprocessing.response import remove_response
from seismo_pes.signal.detrend import detrend
from seismo_pes.signal.taper import taper
from seismo_pes.signal.time_axis import Axis, resampling

__all__ = ["PreprocessPair", "lacks_metadata"]

# Stages that reject a trace without coordinates, direction or response.
OF_METADATA = ("pair", "preprocess", "rotate", "response", "remove_response")

MOTIONS = ("displacement", "velocity", "acceleration")
OUTPUTS = {"displacement": "DISP", "velocity": "VEL", "acceleration": "ACC"}


class PreprocessPair(ItemElement):
    """Bring both records of a station to one motion, one axis and common directions.

    Observed data keep a pad before and after the synthetic while trend and response are
    removed. The axis is that of the lower rate; where the axes agree, no sample is
    changed. Components are rotated by azimuth and dip of the metadata. Each component
    keeps its own span of time, and a missing component loses only those that need it.

    Parameters
    ----------
    settings : PairSettings
        Motion, components, pad, response and source time function.
    inventory : str, Path, sequence of str, obspy.Inventory or mapping
        Station metadata; paths are read when the run starts. A mapping has the
        paths for each event, by its id, which are read when the event begins.

    Ports
    -----
    input : StationRecords
    output : ComparedRecords

    Raises
    ------
    ParameterError
        If a motion is unknown.
    """

    takes = StationRecords
    gives = ComparedRecords

    def __init__(
        self,
        settings: PairSettings,
        inventory: (
            str | Path | Sequence[str] | Inventory | Mapping[str, Sequence[str]]
        ),
    ) -> None:
        super().__init__()
        for motion in (settings.motion, settings.observed_motion):
            if motion not in MOTIONS:
                raise ParameterError(f"motion {motion!r}: one of {', '.join(MOTIONS)}")
        self.settings, self.inventory = settings, inventory

    def _preprocess(self) -> None:
        self._stations: dict[str, StationInventories] = {}
        self._cache = ResponseCache()
        if not isinstance(self.inventory, Mapping):
            self._stations[""] = StationInventories(self.inventory, warns=False)

    def transform(self, item: StationRecords) -> ComparedRecords:
        """Preprocess one station."""
        inventories = self._inventories(item.event.id)
        inventory = inventories.of(f"{item.station}..")
        compared = _Station(item, self.settings, inventory, self._cache).compared()
        if lacks_metadata(item, compared):
            inventories.refuse_failed_reads()
        return compared

    def _inventories(self, event: str) -> StationInventories:
        if not isinstance(self.inventory, Mapping):
            return self._stations[""]
        if event not in self._stations:  # stations come event by event: keep one
            self._stations = {
                event: StationInventories(self.inventory[event], warns=False)
            }
            self._cache = ResponseCache()
        return self._stations[event]


def lacks_metadata(records: StationRecords, compared: ComparedRecords) -> bool:
    """Return whether traces of both sides were rejected for lack of metadata.

    Parameters
    ----------
    records : StationRecords
        A station before its preprocessing.
    compared : ComparedRecords
        The station after it.
    """
    stages = {trace.stage for trace in compared.rejected[len(records.rejected) :]}
    has_both = bool(records.observed and records.synthetic)
    return has_both and not stages.isdisjoint(OF_METADATA)


@dataclass(frozen=True)
class _Component:
    """A processed trace: its samples on its own axis, and its direction."""

    trace: Trace
    axis: Axis
    data: np.ndarray
    direction: tuple[float, float]


class _Station:
    """The preprocessing of one station."""

    def __init__(
        self,
        records: StationRecords,
        settings: PairSettings,
        inventory: Inventory,
        cache: ResponseCache,
    ) -> None:
        self.records, self.settings = records, settings
        self.inventory, self.cache = inventory, cache
        self.rejected = list(records.rejected)
        self.remarks = list(records.remarks)

    def compared(self) -> ComparedRecords:
        records = self.records
        geometry: dict[str, float] = {}
        components: tuple[ComparedComponent, ...] = ()
        side, delta_s = None, 1.0
        try:
            self._require_both()
            sides = records.observed, records.synthetic
            geometry = station_geometry(records.event, self.inventory, *sides)
            back_azimuth = geometry["back_azimuth_deg"]
            synthetic = self._synthetics(back_azimuth)
            observed = self._observed(synthetic)
            if observed and synthetic:
                axis = self._axis(observed, synthetic)
                delta_s = axis.delta_s
                components, side = self._common(observed, synthetic, axis, back_azimuth)
        except DataError as error:
            self._reject_all(str(error))
        if not components and not self.rejected:
            self._reject_all("no component of both sides")
        return ComparedRecords(
            records.event,
            records.station,
            delta_s,
            self.settings.motion,
            components,
            geometry,
            tuple(self.rejected),
            side,
            tuple(self.remarks),
        )

    def _require_both(self) -> None:
        if not self.records.synthetic:
            raise DataError("no synthetic record")
        if not self.records.observed:
            raise DataError("no observed record")

    def _reject_all(self, reason: str) -> None:
        for letter in self.settings.components:
            self.rejected.append(RejectedTrace("", letter, "pair", reason))

    def _reject(self, trace: Trace, stage: str, reason: str) -> None:
        location, channel = trace.stats.location, trace.stats.channel
        reason = reason.removeprefix(f"{trace.id}: ")
        self.rejected.append(RejectedTrace(location, channel[-1:], stage, reason))

    def _axis_of(self, trace: Trace) -> Axis:
        start_s = (trace.stats.starttime.ns - self.records.event.time_ns) / NS
        return Axis(start_s, float(trace.stats.delta), len(trace))

    # -- each side --------------------------------------------------------------------

    def _synthetics(self, back_azimuth_deg: float) -> list[_Component]:
        """Return the synthetics as they were read, with the wanted motion if several.

        Raises
        ------
        DataError
            If there is none.
        """
        of_observed = [self._axis_of(trace) for trace in self.records.observed]
        begin_s = min(axis.start_s for axis in of_observed)
        end_s = max(axis.end_s for axis in of_observed)
        components = []
        for trace in self.records.synthetic:
            letter, axis = trace.stats.channel[-1:], self._axis_of(trace)
            where = nominal(letter, back_azimuth_deg)
            if axis.end_s < begin_s or axis.start_s > end_s:
                # one axis for all synthetics must not reach over years
                reason = "observed and synthetic: no common time"
                self._reject(trace, "common axis", reason)
            elif where is None:
                self._reject(trace, "rotate", "synthetic: the direction is not known")
            elif trace.stats.get("motion") not in MOTIONS:
                reason = "synthetic: the motion is not known: give --synthetic-motion"
                self._reject(trace, "units", reason)
            else:
                data = np.asarray(trace.data, dtype=np.float64)
                components.append(_Component(trace, axis, data, where))
        return components

    def _observed(self, synthetic: Sequence[_Component]) -> list[_Component]:
        """Return the observed traces without trend and response."""
        if not synthetic:
            return []
        start_s = min(c.axis.start_s for c in synthetic) - self.settings.pad_s
        end_s = max(c.axis.end_s for c in synthetic) + self.settings.pad_s
        origin_ns = self.records.event.time_ns
        start = UTCDateTime(ns=origin_ns + round(start_s * NS))
        end = UTCDateTime(ns=origin_ns + round(end_s * NS))
        pad_ns = round(self.settings.pad_s * NS)
        of_synthetic = start.ns + pad_ns, end.ns - pad_ns
        aspects = [DIRECTION, RESPONSE] if self.settings.response else [DIRECTION]
        components = []
        for trace in self.records.observed:
            stage = "preprocess"
            try:
                cut = trace.slice(start, end)
                if len(cut) < 2:
                    raise DataError("observed and synthetic: no common time")
                cut = within_epoch(cut, self.inventory, *of_synthetic, aspects)
                stage = "rotate"
                where = self._direction(cut)
                stage = "response"
                data = self._in_motion(cut)
            except (DataError, ParameterError) as error:
                self._reject(trace, stage, str(error))
                continue
            axis = self._axis_of(cut)
            axis = self._without_tapers(axis, start_s, end_s)
            first = round((axis.start_s - self._axis_of(cut).start_s) / axis.delta_s)
            data = data[first : first + axis.n]
            if axis.n < 2:
                self._reject(trace, "preprocess", "shorter than its tapers")
                continue
            components.append(_Component(cut, axis, data, where))
            if remark := remark_on_letter(trace.stats.channel[-1:], where):
                self.remarks.append(Skipped("rotate", trace.id, remark))
        return components

    def _without_tapers(self, axis: Axis, start_s: float, end_s: float) -> Axis:
        """Return the axis without the tapers of ends that lie within the synthetic.

        Parameters
        ----------
        axis
            Of an observed trace.
        start_s, end_s
            First and last time of the synthetics, with the pad.
        """
        taper_s, pad_s = self.settings.taper_s, self.settings.pad_s
        low_s, high_s = start_s + pad_s, end_s - pad_s
        first_s = axis.start_s + (taper_s if axis.start_s > low_s + taper_s else 0.0)
        last_s = axis.end_s - (taper_s if axis.end_s < high_s - taper_s else 0.0)
        return axis.within(first_s, last_s)

    def _direction(self, trace: Trace) -> tuple[float, float]:
        epochs = channel_epochs(self.inventory, trace.id)
        parts = split_trace(trace, epochs, DIRECTION)
        known = [channel for _, channel in parts if channel is not None]
        if len(parts) != 1 or not known:
            what = "changes within the record" if len(known) > 1 else "is not known"
            raise DataError(f"its direction {what}: azimuth and dip of the metadata")
        where = direction(known[0])
        if where is None:
            raise DataError("the metadata have no azimuth and dip")
        return where

    def _in_motion(self, trace: Trace) -> np.ndarray:
        """Return the samples without trend and response, in the compared motion."""
        settings, rate_hz = self.settings, float(trace.stats.sampling_rate)
        corners = settings.corners(rate_hz)
        data = detrend(np.asarray(trace.data, dtype=np.float64), "linear")
        n_taper = min(round(settings.taper_s * rate_hz), data.size // 2)
        data = taper(data, n_taper)
        if not settings.response:
            step = SpectralStep(settings.observed_motion, settings.motion, 0.0, corners)
            return step.apply(data, 1 / rate_hz)
        self._require_motion(trace)
        parts = remove_response(
            [with_data(trace, data)],
            self.inventory,
            OUTPUTS[settings.motion],
            corners,
            settings.water_level_db,
            self.cache,
        )
        if len(parts) != 1:
            raise DataError("the response changes within the record")
        data = np.asarray(parts[0].data)
        if not np.isfinite(data).all():
            raise DataError("the response gives values that are not finite")
        return data

    def _require_motion(self, trace: Trace) -> None:
        """Refuse instruments that do not measure ground motion."""
        for channel in channel_epochs(self.inventory, trace.id):
            unit = _input_unit(channel.response)
            if unit is not None and ground_motion(unit) is None:
                raise DataError(f"the response begins with {unit!r}, not ground motion")

    # -- both sides -------------------------------------------------------------------

    def _axis(
        self, observed: Sequence[_Component], synthetic: Sequence[_Component]
    ) -> Axis:
        """Return the grid of the lower rate, for the time of the synthetics."""
        slowest = max((*synthetic, *observed), key=lambda c: c.axis.delta_s).axis
        start_s = min(c.axis.start_s for c in synthetic)
        end_s = max(c.axis.end_s for c in synthetic)
        return slowest.within(start_s, end_s)

    def _common(
        self,
        observed: Sequence[_Component],
        synthetic: Sequence[_Component],
        axis: Axis,
        back_azimuth_deg: float,
    ) -> tuple[tuple[ComparedComponent, ...], LinearSide]:
        letters = self.settings.components
        wanted = [nominal(letter, back_azimuth_deg) or (0.0, 0.0) for letter in letters]
        chains = [chain_of(c.trace, c.axis, axis, self.settings) for c in synthetic]
        moved = [
            chain.apply(c.data) for chain, c in zip(chains, synthetic, strict=True)
        ]
        rows = []
        weights: dict[str, Mapping[int, float]] = {}
        spans: dict[str, tuple[int, int]] = {}
        for letter, of_observed, of_synthetic in zip(
            letters,
            combinations([c.direction for c in observed], wanted),
            combinations([c.direction for c in synthetic], wanted),
            strict=True,
        ):
            if reasons := [
                *_reasons("observed", of_observed, observed),
                *_reasons("synthetic", of_synthetic, synthetic),
            ]:
                self.rejected += [
                    RejectedTrace("", letter, "rotate", reason) for reason in reasons
                ]
                continue
            span = _shared(axis, [synthetic[k].axis for k in of_synthetic.weights])
            first = round((span.start_s - axis.start_s) / axis.delta_s)
            data = sum(w * moved[k] for k, w in of_synthetic.weights.items())
            weights[letter] = of_synthetic.weights
            spans[letter] = first, span.n
            rows.append(
                ComparedComponent(
                    letter,
                    observed[0].trace.stats.location,
                    *self._sum(observed, of_observed.weights, axis),
                    np.asarray(data)[first : first + span.n],
                    span.start_s,
                )
            )
        side_back = LinearSide(tuple(chains), weights, axis.delta_s, spans, axis.n)
        return tuple(rows), side_back

    def _sum(
        self,
        components: Sequence[_Component],
        weights: Mapping[int, float],
        axis: Axis,
    ) -> tuple[np.ndarray, float]:
        """Return a sum of observed components, where all of them have samples."""
        span = _shared(axis, [components[k].axis for k in weights])
        if span.n < 1:
            return np.zeros(0), axis.start_s
        total: Any = 0.0
        for k, weight in weights.items():
            c = components[k]
            total = total + weight * resampling(c.axis, span).apply(c.data)
        return total, span.start_s


def _input_unit(response: Response | None) -> str | None:
    """Return the unit of the input of a response; None without a stage."""
    if isinstance(response, DeferredResponse) and response.input_units:
        return response.input_units  # from the text, which is not parsed
    if response is None or not response.response_stages:
        return None
    return str(response.response_stages[0].input_units or "")


def _reasons(
    side: str, found: Combination, given: Sequence[_Component]
) -> Iterator[str]:
    """Yield why the components of a side do not give a wanted one, if they do not."""
    if found.reason:
        names = " ".join(c.trace.stats.channel for c in given)
        yield f"{side}: {found.reason}: {names}"


def _shared(grid: Axis, axes: Sequence[Axis]) -> Axis:
    """Return the axis on a grid for the time that all axes have."""
    start_s = max(axis.start_s for axis in axes)
    return grid.within(start_s, min(axis.end_s for axis in axes))
