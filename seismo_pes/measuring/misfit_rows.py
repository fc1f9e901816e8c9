"""The row of a measurement in the ledger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from seismo_pes.items.comparison import MisfitRow
from seismo_pes.measuring.bands import Cut
from seismo_pes.signal.misfits import (
    MEASURES,
    Measurement,
    Rejection,
    settings_of,
)

__all__ = ["measured_row", "options_in_band", "with_numbers"]

# Columns of the ledger that come from the measured quantities.
QUANTITIES = ("observed", "synthetic", "cc", "dt_s", "dlna")


def options_in_band(
    name: str, options: Mapping[str, Any], band: tuple[float, float]
) -> dict[str, Any]:
    """Return the options of a measure; its periods are those of the band.

    Parameters
    ----------
    name : str
    options : mapping
        The given options, which take precedence.
    band : (float, float)
        Shortest and longest period, seconds.
    """
    known = settings_of(MEASURES[name].settings)
    limits = zip(("min_period_s", "max_period_s"), band, strict=True)
    return {key: limit for key, limit in limits if key in known} | dict(options)


def measured_row(
    row: MisfitRow,
    outcome: Measurement | Rejection,
    options: Mapping[str, Any],
    cut: Cut,
) -> MisfitRow:
    """Return the row of a measurement or of its rejection.

    Parameters
    ----------
    row : MisfitRow
        The row of the trace and the band.
    outcome : Measurement or Rejection
    options : mapping
        Options of the measure.
    cut : Cut
    """
    window_s = outcome.window_s or (0.0, cut.duration_s)
    window_s = window_s[0] + cut.start_s, window_s[1] + cut.start_s
    kind = MEASURES[outcome.name]
    quantities = {
        name: float(outcome.quantities[name])
        for name in QUANTITIES
        if name in outcome.quantities
    }
    if outcome.name == "psa":
        defaults = kind.settings()
        for name in ("period_s", "damping"):
            quantities[name] = float(options.get(name, getattr(defaults, name)))
    row = replace(row, measure=outcome.name, window_s=window_s, quantities=quantities)
    if isinstance(outcome, Rejection):
        reason = with_numbers(outcome.reason, outcome.quantities)
        return replace(row, status="rejected", stage="measure", reason=reason)
    if np.isfinite(outcome.uncertainty):
        quantities["uncertainty"] = float(outcome.uncertainty)
    return replace(
        row,
        value=float(outcome.value),
        misfit=float(outcome.misfit),
        unit=outcome.unit,
        weight=1.0,
        definition=f"{outcome.name} {outcome.definition} {outcome.convention}",
    )


def with_numbers(reason: str, numbers: Mapping[str, Any]) -> str:
    """Return a reason with its numbers in parentheses."""
    if not numbers:
        return reason
    parts = [
        f"{name} {value:.6g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in numbers.items()
    ]
    return f"{reason} ({', '.join(parts)})"
