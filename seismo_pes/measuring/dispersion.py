"""Measuring the dispersion of surface waves in correlations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from dispel4py.errors import DataError, ParameterError
from seismo_pes.element import item_element
from seismo_pes.items.correlation import Correlation
from seismo_pes.methods import DISPERSION_SIDES
from seismo_pes.signal.folding import sides
from seismo_pes.signal.ftan import Dispersion, ftan
from seismo_pes.signal.stack import linear

__all__ = ["DispersionCurve", "Ftan", "measure_dispersion"]


@dataclass(frozen=True, eq=False)
class DispersionCurve:
    """Group and phase velocity of one station pair.

    Attributes
    ----------
    first, second : str
        Channel ids.
    distance_km : float
        Distance between the stations.
    side : str
        ``symmetric``, ``causal`` or ``acausal``: the lags that were measured.
    picks : Dispersion
        Velocities at each period, see `seismo_pes.signal.ftan.Dispersion`.
    """

    first: str
    second: str
    distance_km: float
    side: str
    picks: Dispersion

    @property
    def id(self) -> str:
        """``FIRST_SECOND``."""
        return f"{self.first}_{self.second}"


def measure_dispersion(
    correlation: Correlation,
    period_s: Sequence[float],
    velocity_km_s: tuple[float, float] = (1.0, 5.0),
    side: str = "symmetric",
    distance_km: float | None = None,
    reference_km_s: float | None = None,
    alpha: float | None = None,
    phase_shift_rad: float = np.pi / 4,
) -> DispersionCurve:
    """Measure group and phase velocity by frequency-time analysis (FTAN).

    If the correlation has several rows, their mean is measured.

    Parameters
    ----------
    period_s : sequence of float
        Periods, seconds.
    velocity_km_s : (float, float)
        Smallest and largest group velocity of the search, km/s.
    side : str
        ``symmetric`` (the mean of both sides), ``causal`` or ``acausal``.
    distance_km : float
        Distance between the stations; by default that of the correlation.
    reference_km_s : float
        Approximate phase velocity at the longest period, km/s; by default phase
        velocities are not measured.
    alpha : float
        Width of the Gaussian filters, see `seismo_pes.signal.ftan.ftan`.
    phase_shift_rad : float
        Phase of the wave at zero distance; pi/4 for a correlation of noise that comes
        from all directions.

    Raises
    ------
    ParameterError
        If the side is unknown, or a period, velocity or width is not valid.
    DataError
        If the distance is unknown, or the lags are neither -K to K nor 0 to K.
    """
    c = correlation
    if side not in DISPERSION_SIDES:
        raise ParameterError(f"side {side!r}: one of {', '.join(DISPERSION_SIDES)}")
    distance = c.distance_km if distance_km is None else distance_km
    if not distance > 0:
        raise DataError(f"{c.id}: the distance is unknown; give distance_km")
    row = linear(c.rows)
    if c.first_lag == -(len(row) // 2):
        row = getattr(sides(row), side)
    elif c.first_lag or side != "symmetric":
        raise DataError(f"{c.id}: the lags are neither -K..K nor 0..K")
    picks = ftan(
        row,
        c.rate_hz,
        distance,
        period_s,
        velocity_km_s,
        reference_km_s,
        alpha,
        phase_shift_rad,
    )
    return DispersionCurve(c.first, c.second, distance, side, picks)


Ftan = item_element(measure_dispersion, "Ftan", "Correlation", "DispersionCurve")
