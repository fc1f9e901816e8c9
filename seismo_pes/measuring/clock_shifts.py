"""Measuring the shifts of correlations over time that clock errors cause."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.signal.lag_shifts import lag_shifts

__all__ = ["ClockShifts", "MeasureClockShifts", "measure_clock_shifts"]


@dataclass(frozen=True, eq=False)
class ClockShifts:
    """Shifts of the correlations of one station pair over time.

    A shift is the clock error of the second station minus that of the first.

    Parameters
    ----------
    first, second : str
        Channel ids.
    start_ns, end_ns : numpy.ndarray
        Shape (n_windows,), int64: time spans of the correlations, nanoseconds since
        1970.
    shift_s, error_s, coherence, at_edge : numpy.ndarray
        Shape (n_windows,): see `seismo_pes.signal.lag_shifts.LagShifts`. The shifts are
        relative to the mean of all correlations.
    centre_s, centre_error_s, symmetry : float
        Shift of the mean of all correlations, from the symmetry of its two sides.
    """

    first: str
    second: str
    start_ns: np.ndarray
    end_ns: np.ndarray
    shift_s: np.ndarray
    error_s: np.ndarray
    coherence: np.ndarray
    at_edge: np.ndarray
    centre_s: float
    centre_error_s: float
    symmetry: float

    @property
    def id(self) -> str:
        """``FIRST_SECOND``."""
        return f"{self.first}_{self.second}"


def measure_clock_shifts(
    correlation: Correlation,
    low_s: float,
    high_s: float,
    max_shift_s: float,
    min_symmetry: float = 0.5,
    apart_s: float = 0.0,
) -> ClockShifts:
    """Measure the shift of each correlation along the lag axis.

    Parameters
    ----------
    low_s, high_s : float
        Range of absolute lag that is compared, seconds.
    max_shift_s : float
        Largest shift of the search; larger shifts have no value.
    min_symmetry : float
        Smallest symmetry of the two sides of the mean of all correlations, 0 to 1; with
        a lower symmetry the shift of the mean is unknown. With a value above 1 it is
        not measured.
    apart_s : float
        Smallest lag of the arrivals from the centre of symmetry, about two periods.

    Raises
    ------
    ParameterError
        If the lags are not -K..K, or a parameter is out of range.
    """
    shifts = lag_shifts(
        correlation.rows,
        correlation.rate_hz,
        low_s,
        high_s,
        max_shift_s,
        min_symmetry,
        apart_s,
    )
    return ClockShifts(
        correlation.first,
        correlation.second,
        np.atleast_1d(correlation.start_ns),
        np.atleast_1d(correlation.end_ns),
        *shifts,
    )


MeasureClockShifts = item_element(
    measure_clock_shifts, "MeasureClockShifts", "Correlation", "ClockShifts"
)
