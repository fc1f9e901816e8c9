"""Options of the tables ``[measures]`` and ``[output]``."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.errors import ParameterError, suggest
from misfit_app.config.categories import category_weights
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import When, option

__all__ = [
    "ADJOINT_FORMATS",
    "MEASURE_NAMES",
    "PAIR_MEASURES",
    "MeasureOptions",
    "OutputOptions",
]

_measures = partial(option, "measures")
_output = partial(option, "output")
NamedOptions = tuple[str, dict[str, Any]]

# Measures of two stations, and all measures; `seismo_pes.signal.misfits` has them.
PAIR_MEASURES = ("convolved", "dd_waveform", "dd_cc", "dd_mt")
MEASURE_NAMES = (
    "waveform",
    "cc_coefficient",
    "convolved",
    "cc_time",
    "cc_amplitude",
    "mt_time",
    "mt_amplitude",
    "exponentiated_phase",
    "instantaneous_phase",
    "envelope",
    "tf_envelope",
    "tf_phase",
    "dd_waveform",
    "dd_cc",
    "dd_mt",
    "pgd",
    "pgv",
    "pga",
    "psa",
)
ADJOINT_FORMATS = ("specfem", "sac", "asdf")
WEIGHTS = ("category", "density", "azimuth")


def _check_options(value: Any, label: str, config: Any) -> None:
    for word in value:
        name, dot, rest = word.partition(".")
        option_name, equals, text = rest.partition("=")
        if not (dot and equals and option_name and text):
            raise ParameterError(f"{label}: {word!r} is not MEASURE.NAME=VALUE")
        if name not in config.measures:
            hint = suggest(name, config.measures)
            raise ParameterError(f"{label}: {name} is not measured: {hint}")


def _check_categories(value: Any, label: str, config: Any) -> None:
    names = config.components, config.periods_s or (), config.measures
    category_weights(value, *names, label)


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


@dataclass(frozen=True, kw_only=True)
class MeasureOptions(Configuration):
    """What is measured in each window."""

    measures: tuple[str, ...] = _measures(
        "choices",
        "measures of misfit; convolved and dd_... compare two stations",
        default=("cc_time", "cc_amplitude"),
        choices=MEASURE_NAMES,
        metavar="MEASURE",
    )
    measure_options: tuple[str, ...] | None = _measures(
        "texts",
        "options of measures, such as cc_time.sigma_s=2 (see docs/misfits.md)",
        otherwise="those of each measure",
        example='["cc_time.sigma_s=2"]',
        metavar="MEASURE.NAME=VALUE",
        check=_check_options,
    )
    psa_periods_s: tuple[float, ...] = _measures(
        "numbers",
        "periods of the measure psa",
        default=(0.3, 1.0, 3.0),
        metavar="SECONDS",
        unit="s",
        rare=True,
    )
    taper_fraction: float | None = _measures(
        "number",
        "length of the tapers at both ends of a window together, as a part of it",
        least=0,
        otherwise="0.3",
        example="0.3",
        rare=True,
    )
    convention: str = _measures(
        "choice",
        "definitions of the values: native, or those of pyadjoint",
        default="native",
        choices=("native", "pyadjoint"),
        rare=True,
    )
    pair_distance_km: float | None = _measures(
        "number",
        "largest distance of the two stations of convolved and dd_...",
        unit="km",
        above=0,
        otherwise="any",
        example="200.0",
    )
    pair_reference: str | None = _measures(
        "text",
        "station that each pair of convolved and dd_... has",
        metavar="NET.STA",
        otherwise="any",
    )
    weights: tuple[str, ...] | None = _measures(
        "choices",
        "weights of misfits and adjoint sources: category: each component, band and "
        "measure of an event counts alike; density: stations near each other share "
        "their weight; azimuth: so do stations in one sector of azimuths",
        choices=WEIGHTS,
        metavar="KIND",
        otherwise="all weights are 1",
        example='["category", "density"]',
    )
    category_weights: Mapping[str, Any] | None = _measures(
        "settings",
        "weights of categories of measurements: a component, a band, a measure, or "
        "several of them with colons, such as T=2 Z:10-30:cc_time=0.5; the weights of "
        "all categories of a measurement are multiplied",
        metavar="CATEGORY=N",
        otherwise="1 each",
        example='{ T = 2.0, "Z:10-30" = 0.5 }',
        check=_check_categories,
    )
    weight_distance_km: float | None = _measures(
        "number",
        "distance below which stations share their weight by density",
        unit="km",
        above=0,
        otherwise="a tenth of the largest distance of two stations",
        only_with=When("weights"),
        rare=True,
    )
    weight_sectors: int | None = _measures(
        "count",
        "number of sectors of azimuths",
        fill=12,
        only_with=When("weights"),
        rare=True,
    )

    @property
    def measure_list(self) -> tuple[NamedOptions, ...]:
        """The measures of one station with their options; psa for each period."""
        return tuple(row for row in self._all_measures() if row[0] not in PAIR_MEASURES)

    @property
    def pair_measure_list(self) -> tuple[NamedOptions, ...]:
        """The measures of two stations with their options."""
        return tuple(row for row in self._all_measures() if row[0] in PAIR_MEASURES)

    def _all_measures(self) -> list[NamedOptions]:
        options: dict[str, dict[str, Any]] = {name: {} for name in self.measures}
        for word in self.measure_options or ():
            name, _, rest = word.partition(".")
            key, _, text = rest.partition("=")
            options[name][key] = _value(text)
        rows: list[NamedOptions] = []
        for name, given in options.items():
            if name == "psa" and "period_s" not in given:
                rows += [(name, {**given, "period_s": p}) for p in self.psa_periods_s]
            else:
                rows.append((name, given))
        return rows


@dataclass(frozen=True, kw_only=True)
class OutputOptions(Configuration):
    """Where results go."""

    out: str | None = _output(
        "text", "folder of the results", metavar="OUT", required=True
    )
    adjoint: tuple[str, ...] | None = _output(
        "choices",
        "write adjoint sources on the times of the synthetics; those of specfem are "
        "always for displacement, also if the synthetics are velocity or acceleration",
        example='["specfem"]',
        choices=ADJOINT_FORMATS,
        metavar="FORMAT",
        otherwise="none",
    )
    figures: bool = _output(
        "flag",
        "draw the records of each station with its windows, and time-frequency misfits",
        default=False,
    )
