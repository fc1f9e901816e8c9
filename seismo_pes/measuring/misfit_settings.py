"""Options of the measurement of misfits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.measuring.phase_groups import PHASE_GROUPS
from seismo_pes.signal.errors import ParameterError as SignalError
from seismo_pes.signal.misfits import MEASURES
from seismo_pes.signal.misfits.settings import Settings, checked
from seismo_pes.signal.windowing import PickerSettings, StageSettings

__all__ = ["MisfitSettings"]

WINDOWS = ("whole", "picked", "stages", "given")
Band = tuple[float, float]


@dataclass(frozen=True)
class MisfitSettings:
    """How stations are measured.

    Attributes
    ----------
    bands : tuple of (float, float)
        Shortest and longest period of each band, seconds.
    measures : tuple of (str, mapping)
        Names of measures with their options; a name may stand several times.
    pair_measures : tuple of (str, mapping)
        Measures of two stations, see `measure_pairs`.
    filters : bool
        Whether the records are filtered to the bands; False if they are already.
    corners : int
        Order of the Butterworth filter.
    windows : str
        ``whole``: the time that both records have; ``picked``: by `pick_windows`;
        ``stages``: by `pick_windows_in_stages`;
        ``given``: those of `given`.
    given : tuple of mapping
        Windows with ``start_s``, ``end_s`` after the origin, and ``station``,
        ``component``, ``event``, ``min_period_s``, ``max_period_s`` as far as they are
        limited to these.
    judges : bool
        Whether given windows must meet the criteria of quality of the picker.
    picker : mapping
        Options of `PickerSettings`; with stages, of `StageSettings`.
    earth_model, phases
        Of the travel times, see `TravelTimes`; without phases no travel times are
        computed.
    min_surface_velocity_km_s : float, optional
        Picked windows begin before the arrival of a wave of this velocity.
    phase_groups : tuple of str
        Picked windows are of these groups, see `PhaseGroups`; none: of any.
    group_shift_periods : mapping of str to float
        Largest time shift of the windows of a group, in periods, in place of
        ``max_shift_periods`` of the picker.
    max_surface_velocity_km_s : float
        Velocity of the fastest surface wave.
    taper_fraction : float, optional
        See `measure`.
    convention : str
        See `measure`.
    adjoints : bool
        Whether adjoint sources are kept.
    keeps_records : bool
        Whether the records are kept, for figures.
    keeps_bands : bool
        Whether the records in each band are kept, and the adjoint sources of each
        measure in place of their sums: for measures of two stations and for weights.
    """

    bands: tuple[Band, ...]
    measures: tuple[tuple[str, Mapping[str, Any]], ...]
    pair_measures: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    filters: bool = True
    corners: int = 4
    windows: str = "whole"
    given: tuple[Mapping[str, Any], ...] = ()
    judges: bool = False
    picker: Mapping[str, Any] = field(default_factory=dict)
    earth_model: str = "ak135"
    phases: tuple[str, ...] = ()
    min_surface_velocity_km_s: float | None = None
    phase_groups: tuple[str, ...] = ()
    group_shift_periods: Mapping[str, float] = field(default_factory=dict)
    max_surface_velocity_km_s: float = 4.2
    taper_fraction: float | None = None
    convention: str = "native"
    adjoints: bool = False
    keeps_records: bool = False
    keeps_bands: bool = False

    @property
    def filter_order(self) -> int | None:
        """The order of the filter; None if the records are not filtered."""
        return self.corners if self.filters else None

    @property
    def picker_class(self) -> type[Settings]:
        """The class that declares the options of the picker."""
        return StageSettings if self.windows == "stages" else PickerSettings

    @property
    def needs_arrivals(self) -> bool:
        """Whether the picker needs all arrivals, not only the first one."""
        picker = checked(self.picker_class, dict(self.picker))
        return bool(getattr(picker, "needs_arrival", False))

    def check(self) -> None:
        """Check all options.

        Raises
        ------
        ParameterError
            If one is unknown or not allowed.
        """
        if self.windows not in WINDOWS:
            raise ParameterError(f"windows {self.windows!r}: one of {WINDOWS}")
        if self.windows == "stages" and not self.phases:
            raise ParameterError("windows in stages need phases: travel times")
        if self.windows == "stages" and self.group_shift_periods:
            raise ParameterError("windows in stages have no limits of shifts by group")
        for group in (*self.phase_groups, *self.group_shift_periods):
            if group not in PHASE_GROUPS:
                listed = ", ".join(PHASE_GROUPS)
                raise ParameterError(f"phase group {group!r}: one of {listed} is known")
        try:
            checked(self.picker_class, dict(self.picker))
            for limit in self.group_shift_periods.values():
                checked(PickerSettings, {"max_shift_periods": limit})
            for name, options in self.measures:
                self._check_measure(name, options, is_double=False)
            for name, options in self.pair_measures:
                self._check_measure(name, options, is_double=True)
        except SignalError as error:
            raise ParameterError(str(error)) from None

    def _check_measure(
        self, name: str, options: Mapping[str, Any], is_double: bool
    ) -> None:
        if name not in MEASURES:
            listed = ", ".join(MEASURES)
            raise ParameterError(f"measure {name!r}: one of {listed} is known")
        measure = MEASURES[name]
        if measure.is_double != is_double:
            needed = "two stations" if measure.is_double else "one station"
            raise ParameterError(f"measure {name}: compares {needed}")
        checked(measure.settings, dict(options))
        if self.convention not in measure.conventions:
            raise ParameterError(
                f"measure {name}: is not defined in the convention {self.convention}"
            )
