"""Options of the tables ``[bands]`` and ``[windows]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import When, option

__all__ = ["WindowOptions"]

_bands = partial(option, "bands")
_windows = partial(option, "windows")
PHASE_GROUPS = ("P", "S", "surface")
PICKED = When("window_method", "flexwin", "stages")


@dataclass(frozen=True, kw_only=True)
class WindowOptions(Configuration):
    """Period bands, and the windows in which records are compared."""

    periods_s: tuple[tuple[float, float], ...] | None = _bands(
        "bands",
        "shortest and longest period of each band",
        unit="s",
        required=True,
        example="[[10.0, 30.0], [30.0, 60.0]]",
    )
    corners: int = _bands(
        "count",
        "order of the Butterworth filter, forward and backward",
        default=4,
        rare=True,
    )
    windows: str | None = _windows(
        "text",
        "JSON file of windows: a list of objects with start_s and end_s (after the "
        "origin) and, to limit them, event, station, component, min_period_s, "
        "max_period_s; such a file is windows.json of a run",
        metavar="FILE",
        otherwise="they are picked, see --window-method",
    )
    revalidate: bool = _windows(
        "flag",
        "given windows must meet the criteria of quality of the picker",
        default=False,
        only_with=When("windows"),
    )
    window_method: str = _windows(
        "choice",
        "flexwin: windows of both records' signal, by the method of Maggi et al. "
        "(2009); stages: times at which a sliding window finds both records alike, as "
        "in Krischer et al. (2015); whole: the time that both records have",
        default="flexwin",
        choices=("flexwin", "stages", "whole"),
        replaced_by="windows",
    )
    picker: Mapping[str, Any] | None = _windows(
        "settings",
        "options of the picker, such as water_level=0.1 min_cc=0.8 (see "
        "docs/misfits.md)",
        metavar="NAME=VALUE",
        otherwise="those of the method",
        example="{ min_cc = 0.8 }",
    )
    phases: tuple[str, ...] = _windows(
        "texts",
        "seismic phases whose arrivals limit the windows; none: no travel times",
        default=("ttp",),
        metavar="PHASE",
    )
    phase_groups: tuple[str, ...] | None = _windows(
        "choices",
        "use the windows of these groups of phases: P before the first S arrival, "
        "surface after the arrival of the fastest surface wave, S between them",
        choices=PHASE_GROUPS,
        metavar="GROUP",
        otherwise="all",
        only_with=PICKED,
        example='["P", "S"]',
    )
    group_shift_periods: Mapping[str, Any] | None = _windows(
        "settings",
        "largest time shift in the windows of a group of phases, in periods, such as "
        "P=0.3 surface=0.5",
        metavar="GROUP=N",
        otherwise="max_shift_periods of the picker",
        only_with=When("window_method", "flexwin"),
        example="{ P = 0.3 }",
    )
    max_surface_velocity_km_s: float | None = _windows(
        "number",
        "velocity of the fastest surface wave, for the groups of phases",
        unit="km/s",
        above=0,
        fill=4.2,
        only_with=PICKED,
        rare=True,
    )
    earth_model: str = _windows(
        "text",
        "Earth model of the travel times, a name of obspy's TauP",
        default="ak135",
        metavar="MODEL",
    )
    min_surface_velocity_km_s: float | None = _windows(
        "number",
        "windows begin before the arrival of a wave of this velocity",
        unit="km/s",
        above=0,
        fill=2.0,
        only_with=PICKED,
    )
