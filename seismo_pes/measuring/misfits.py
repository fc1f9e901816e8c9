"""Misfits of a station: bands, windows and measures, as rows of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from seismo_pes.element import ItemElement
from seismo_pes.items.comparison import (
    ComparedComponent,
    ComparedRecords,
    MeasuredBand,
    MisfitRow,
    RejectedTrace,
    StationMisfits,
)
from seismo_pes.items.events import Event
from seismo_pes.measuring.band_adjoints import before_filter, sum_adjoints
from seismo_pes.measuring.bands import Cut, RejectedBand, cut_to_band
from seismo_pes.measuring.misfit_rows import (
    measured_row,
    options_in_band,
    with_numbers,
)
from seismo_pes.measuring.misfit_settings import MisfitSettings
from seismo_pes.measuring.phase_groups import PhaseGroups
from seismo_pes.measuring.travel_times import TravelTimes
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.signal.misfits import (
    MEASURES,
    Measurement,
    measure_windows,
    settings_of,
)
from seismo_pes.signal.misfits.pairs import TAPER_FRACTION
from seismo_pes.signal.misfits.settings import checked
from seismo_pes.signal.windowing import (
    Arrivals,
    PickerSettings,
    Picks,
    RejectedWindow,
    StageSettings,
    Window,
    judge_window,
    noise_before,
    pick_windows,
    pick_windows_in_stages,
)

__all__ = ["MeasureMisfits", "MisfitSettings", "measure_station"]

MOTION_UNITS = {"displacement": "m", "velocity": "m/s", "acceleration": "m/s^2"}
Interval = tuple[float, float]
Band = tuple[float, float]
S_PHASES = ("tts",)  # names of TauP: all first arrivals of S waves
PICKED_REASONS = 4  # reasons that the row of a trace without windows names


def measure_station(
    compared: ComparedRecords,
    settings: MisfitSettings,
    travel_times: TravelTimes | None = None,
) -> StationMisfits:
    """Measure the misfits of a station in all bands.

    Parameters
    ----------
    compared : ComparedRecords
    settings : MisfitSettings
    travel_times : TravelTimes, optional
        Travel times of earlier calls.

    Returns
    -------
    StationMisfits
        Each trace and band has at least one row.
    """
    times = travel_times or TravelTimes(settings.earth_model, settings.phases)
    work = _StationWork(compared, settings, times)
    for trace in compared.rejected:
        work.reject_trace(trace)
    for component in compared.components:
        for band in settings.bands:
            work.measure(component, band)
    if not (compared.components or compared.rejected):
        work.reject_trace(RejectedTrace("", "", "read", "no record of the station"))
    return work.result()


class MeasureMisfits(ItemElement):
    """Measure the misfits of a station in all bands: `measure_station` as an element.

    Parameters
    ----------
    settings : MisfitSettings
        Bands, measures, and how windows are picked.

    Ports
    -----
    input : ComparedRecords
    output : StationMisfits

    Raises
    ------
    ParameterError
        If an option is not allowed.
    """

    takes = ComparedRecords
    gives = StationMisfits

    def __init__(self, settings: MisfitSettings) -> None:
        super().__init__()
        settings.check()
        self.settings = settings

    def _preprocess(self) -> None:
        self._times = TravelTimes(self.settings.earth_model, self.settings.phases)

    def transform(self, item: ComparedRecords) -> StationMisfits:
        """Measure one station."""
        return measure_station(item, self.settings, self._times)


class _StationWork:
    """The rows of one station, as they are made."""

    def __init__(
        self, compared: ComparedRecords, settings: MisfitSettings, times: TravelTimes
    ) -> None:
        self.compared, self.settings, self.times = compared, settings, times
        self._needs_arrivals = settings.needs_arrivals
        self.rows: list[MisfitRow] = []
        self.windows: list[Mapping[str, Any]] = []
        self.bands: list[MeasuredBand] = []

    def result(self) -> StationMisfits:
        compared, side = self.compared, self.compared.side
        adjoints: tuple[Any, ...] = ()
        keeps = self.settings.keeps_bands
        sources = sum_adjoints((band, band.adjoints) for band in self.bands)
        if side is not None and sources and not keeps:
            adjoints = side.adjoint_traces(sources)
        return StationMisfits(
            compared.event,
            compared.station,
            compared.geometry,
            tuple(self.rows),
            tuple(self.windows),
            adjoints,
            compared if self.settings.keeps_records else None,
            tuple(self.bands) if keeps else (),
            compared.remarks,
        )

    def reject_trace(self, trace: RejectedTrace) -> None:
        """Add a row for each band of a trace that was not compared."""
        for band in self.settings.bands:
            row = self._row(trace.location, trace.component, band)
            reason = with_numbers(trace.reason, trace.numbers)
            self.rows.append(
                replace(row, status="rejected", stage=trace.stage, reason=reason)
            )

    def measure(self, component: ComparedComponent, band: Band) -> None:
        """Add the rows of a component in one band."""
        row = self._row(component.location, component.component, band)
        try:
            cut = cut_to_band(
                component, self.compared.delta_s, band, self.settings.filter_order
            )
            windows = self._windows(component, band, cut, row)
        except RejectedBand as rejected:
            self._reject(row, rejected.stage, rejected.reason, rejected.numbers)
            return
        before = len(self.rows)
        adjoints: dict[str, np.ndarray] = {}
        for options in self._groups(band):
            self._apply(options, windows, cut, row, adjoints)
        if len(self.rows) == before and not windows:
            self._reject(row, "windows", "no window", {})
        if windows and (self.settings.adjoints or self.settings.keeps_bands):
            self._keep(component, band, cut, windows, adjoints)

    def _row(self, location: str, component: str, band: Band) -> MisfitRow:
        event: Event = self.compared.event
        where = (event.id, self.compared.station, location, component)
        return MisfitRow(*where, *band, status="measured")

    def _reject(
        self,
        row: MisfitRow,
        stage: str,
        reason: str,
        numbers: Mapping[str, Any],
        window_s: Interval | None = None,
    ) -> None:
        self.rows.append(
            replace(
                row,
                status="rejected",
                stage=stage,
                reason=with_numbers(reason, numbers),
                window_s=window_s,
            )
        )

    # -- windows --------------------------------------------------------------------

    def _windows(
        self, component: ComparedComponent, band: Band, cut: Cut, row: MisfitRow
    ) -> list[Interval | None]:
        """Return the windows, seconds after the first sample of the cut."""
        if self.settings.windows == "whole":
            return [None]
        if self.settings.windows == "given":
            return self._given(component, band, cut, row)
        picks = self._picks(band, cut)
        if not picks.windows:
            reasons = sorted(picks.reasons.items(), key=lambda pair: -pair[1])
            text = "; ".join(f"{n} {why}" for why, n in reasons[:PICKED_REASONS])
            reason = "no window found" + (f" ({text})" if text else "")
            raise RejectedBand("windows", reason, {})
        chosen = [w for w in picks.windows if self._fits_group(w, band, cut, row)]
        for window in chosen:
            self._note_window(component, band, cut, window)
        return [(window.start_s, window.end_s) for window in chosen]

    def _picks(self, band: Band, cut: Cut) -> Picks:
        records = cut.observed, cut.synthetic, cut.delta_s, band[0]
        picker, arrivals = dict(self.settings.picker), self._arrivals(cut)
        if self.settings.windows == "stages":
            assert arrivals is not None
            stages = checked(StageSettings, picker)
            return pick_windows_in_stages(*records, arrivals, stages)
        limits = self.settings.group_shift_periods.values()
        if limits:  # each window is judged again with the limit of its group
            own = checked(PickerSettings, picker).max_shift_periods
            picker["max_shift_periods"] = max(own, *limits)
        settings = checked(PickerSettings, picker)
        return pick_windows(*records, settings, arrivals, taper_fraction=self._taper)

    @property
    def _taper(self) -> float:
        """The taper of the measures in windows."""
        fraction = self.settings.taper_fraction
        return TAPER_FRACTION if fraction is None else fraction

    def _fits_group(self, window: Window, band: Band, cut: Cut, row: MisfitRow) -> bool:
        """Return whether a window is of a chosen group, and within its limit."""
        settings = self.settings
        if not (settings.phase_groups or settings.group_shift_periods):
            return True
        window_s = window.start_s + cut.start_s, window.end_s + cut.start_s
        group = self._phase_groups().of(window_s)
        if settings.phase_groups and group not in settings.phase_groups:
            reason = "a window of another group of phases"
            self._reject(row, "windows", reason, {"group": group}, window_s)
            return False
        if not settings.group_shift_periods:
            return True
        picker = dict(settings.picker)
        if group in settings.group_shift_periods:
            picker["max_shift_periods"] = settings.group_shift_periods[group]
        judged = self._judged(band, cut, (window.start_s, window.end_s), picker)
        if isinstance(judged, RejectedWindow):
            numbers = {**judged.numbers, "group": group}
            self._reject(row, judged.stage, judged.reason, numbers, window_s)
            return False
        return True

    def _phase_groups(self) -> PhaseGroups:
        event = self.compared.event
        if event.depth_m is None:
            raise RejectedBand("travel times", "the event has no depth", {})
        distance_km = self.compared.geometry["distance_km"]
        arrivals = self.times.of(event.depth_m, distance_km, S_PHASES)
        if not arrivals:
            numbers = {"distance_km": distance_km}
            raise RejectedBand("travel times", "no arrival of an S wave", numbers)
        surface_s = distance_km / self.settings.max_surface_velocity_km_s
        return PhaseGroups(min(arrivals.values()), surface_s)

    def _arrivals(self, cut: Cut) -> Arrivals | None:
        if not self.settings.phases:
            return None
        event, geometry = self.compared.event, self.compared.geometry
        if event.depth_m is None:
            raise RejectedBand(
                "travel times", "the event has no depth (or --phases none)", {}
            )
        distance_km = geometry["distance_km"]
        where = event.depth_m, distance_km
        if self._needs_arrivals:
            arrivals_s = list(self.times.of(*where).values())
        else:  # those after the first one have no effect
            first_s = self.times.first(*where)
            arrivals_s = [] if first_s is None else [first_s]
        if not arrivals_s:
            numbers = {"distance_km": distance_km}
            raise RejectedBand("travel times", "no arrival of these phases", numbers)
        velocity = self.settings.min_surface_velocity_km_s
        latest_s = np.inf if velocity is None else distance_km / velocity - cut.start_s
        return Arrivals([t - cut.start_s for t in arrivals_s], latest_s)

    def _given(
        self, component: ComparedComponent, band: Band, cut: Cut, row: MisfitRow
    ) -> list[Interval | None]:
        windows: list[Interval | None] = []
        seen: set[Interval] = set()
        for entry in self.settings.given:
            where = entry["start_s"], entry["end_s"]
            if where in seen or not self._fits(entry, component, band):
                continue
            seen.add(where)
            window_s = entry["start_s"] - cut.start_s, entry["end_s"] - cut.start_s
            if where[1] - where[0] < band[0]:
                numbers = {"window_s": where[1] - where[0], "min_period_s": band[0]}
                reason = "window shorter than the shortest period"
                self._reject(row, "windows", reason, numbers, where)
                continue
            if self.settings.judges:
                judged = self._judged(band, cut, window_s, self.settings.picker)
                if isinstance(judged, RejectedWindow):
                    why = judged.stage, judged.reason, judged.numbers
                    self._reject(row, *why, where)
                    continue
            windows.append(window_s)
            self.windows.append(self._window_entry(component, band, cut, window_s))
        return windows

    def _judged(
        self, band: Band, cut: Cut, window_s: Interval, options: Mapping[str, Any]
    ) -> Window | RejectedWindow:
        picker = checked(PickerSettings, dict(options))
        arrivals = self._arrivals(cut)
        noise_s = arrivals and noise_before(arrivals, band[0], cut.delta_s)
        records = cut.observed, cut.synthetic, cut.delta_s, band[0]
        return judge_window(*records, window_s, picker, noise_s, self._taper)

    def _fits(
        self, entry: Mapping[str, Any], component: ComparedComponent, band: Band
    ) -> bool:
        mine = self._place(component, band).items()
        return all(entry.get(name) in (None, value) for name, value in mine)

    def _place(self, component: ComparedComponent, band: Band) -> dict[str, Any]:
        """Return what a window belongs to, by the names of the file of windows."""
        return {
            "event": self.compared.event.id,
            "station": self.compared.station,
            "component": component.component,
            "min_period_s": band[0],
            "max_period_s": band[1],
        }

    def _note_window(
        self, component: ComparedComponent, band: Band, cut: Cut, window: Window
    ) -> None:
        entry = self._window_entry(component, band, cut, (window.start_s, window.end_s))
        more = {"cc": window.cc, "dt_s": window.dt_s, "dlna": window.dlna}
        self.windows.append(entry | more)

    def _window_entry(
        self, component: ComparedComponent, band: Band, cut: Cut, window_s: Interval
    ) -> dict[str, Any]:
        start_s, end_s = (round(t_s + cut.start_s, 9) for t_s in window_s)
        return self._place(component, band) | {"start_s": start_s, "end_s": end_s}

    # -- measures -------------------------------------------------------------------

    def _groups(self, band: Band) -> Iterable[dict[str, dict[str, Any]]]:
        """Yield measures with their options: in each group a name stands once."""
        groups: list[dict[str, dict[str, Any]]] = []
        for name, given in self.settings.measures:
            options = options_in_band(name, given, band)
            if "motion" in settings_of(MEASURES[name].settings):
                options.setdefault("motion", self.compared.motion)
            free = next((group for group in groups if name not in group), None)
            if free is None:
                groups.append(free := {})
            free[name] = options
        return groups

    def _apply(
        self,
        options: Mapping[str, Mapping[str, Any]],
        windows: Sequence[Interval | None],
        cut: Cut,
        row: MisfitRow,
        adjoints: dict[str, np.ndarray],
    ) -> None:
        """Add the rows of all windows, and the adjoint source of each measure."""
        try:
            outcomes = measure_windows(
                options,
                cut.observed,
                cut.synthetic,
                cut.delta_s,
                windows,
                taper_fraction=self.settings.taper_fraction,
                convention=self.settings.convention,
                record_unit=MOTION_UNITS[self.compared.motion],
            )
        except SignalError as error:  # an option that these records do not allow
            self._reject(row, "measure", str(error), {})
            return
        for outcome in outcomes:
            self.rows.append(measured_row(row, outcome, options[outcome.name], cut))
            if isinstance(outcome, Measurement) and self.settings.adjoints:
                others = adjoints.get(outcome.name, 0.0)
                adjoints[outcome.name] = others + outcome.adjoint

    def _keep(
        self,
        component: ComparedComponent,
        band: Band,
        cut: Cut,
        windows: Sequence[Interval | None],
        adjoints: Mapping[str, np.ndarray],
    ) -> None:
        """Keep the records in the band, and the adjoint sources before the filter."""
        times_s = tuple(
            (window[0] + cut.start_s, window[1] + cut.start_s)
            for window in windows
            if window is not None
        )
        measured = MeasuredBand(
            component.location,
            component.component,
            band,
            MOTION_UNITS[self.compared.motion],
            cut.delta_s,
            cut.observed,
            cut.synthetic,
            cut.start_s,
            cut.first,
            component.synthetic.size,
            None if None in windows else times_s,
        )
        order = self.settings.filter_order
        sources = {
            name: before_filter(measured, part, order)
            for name, part in adjoints.items()
        }
        self.bands.append(replace(measured, adjoints=sources))
