"""Measures of misfit between observed and synthetic records, and adjoint sources.

An observed and a synthetic record with the same times enter, optionally with windows.
For each measure and window a `Measurement` leaves: value, unit, uncertainty, measured
quantities and adjoint source. If a measure has no value for the data, `measure` raises
`Rejected` and `measure_windows` returns a `Rejection`. `MEASURES` has all measures by
name, with their options. Their formulas are in the modules `waveforms`, `shifts`,
`phases`, `multitaper`, `time_frequency`, `double_differences`, `ground_motion`.

Signs: ``dt_s`` = T_obs - T_syn, ``dlna`` = ln(A_obs/A_syn). Adjoint sources are not
reversed in time.
"""

from seismo_pes.signal.misfits.outcomes import Measurement, Rejection, Total, total
from seismo_pes.signal.misfits.registry import (
    MEASURES,
    Measure,
    measure,
    measure_windows,
)
from seismo_pes.signal.misfits.settings import Setting, Settings, settings_of

__all__ = [
    "MEASURES",
    "Measure",
    "Measurement",
    "Rejection",
    "Setting",
    "Settings",
    "Total",
    "measure",
    "measure_windows",
    "settings_of",
    "total",
]
