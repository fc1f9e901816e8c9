"""Measurements that deviate from the others of their component, band and measure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["LIMIT", "Outlier", "outliers"]

# Standard deviations from the median beyond which a measurement is an outlier, unless
# another limit is given: of 10,000 normally distributed measurements less than one.
LIMIT = 4.0
# Fewer measurements than this have no meaningful median and deviation.
LEAST_MEMBERS = 5
# Standard deviation of normally distributed values, in units of their median and of
# their mean absolute deviation.
PER_MEDIAN_DEVIATION, PER_MEAN_DEVIATION = 1.4826, 1.2533
SHIFTS = ("cc_time", "mt_time", "dd_cc", "dd_mt")
RATIOS = ("cc_amplitude", "mt_amplitude")
MOTIONS = ("pgd", "pgv", "pga", "psa")

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Outlier:
    """A measurement far from the median of its category.

    Attributes
    ----------
    row : mapping
        Its row of the ledger.
    quantity : str
        What is compared: ``dt_s``, ``dlna``, ``value``, or ``ln value``.
    number, median : float
        The quantity, and its median in the category.
    deviations : float
        Distance from the median, in standard deviations.
    n_members : int
        Measurements of the category.
    """

    row: Row
    quantity: str
    number: float
    median: float
    deviations: float
    n_members: int


def outliers(rows: Iterable[Row], limit: float = LIMIT) -> list[Outlier]:
    """Return the outliers of each component, band and measure, the largest first.

    The standard deviation is 1.4826 times the median distance from the median, which
    outliers do not change (Rousseeuw and Croux 1993,
    doi:10.1080/01621459.1993.10476408). If that is zero, it is 1.2533 times the mean
    distance. Compared are shifts, logarithms of amplitude ratios and of ground motions,
    and for other measures the logarithm of the value.

    Parameters
    ----------
    rows
        Rows of a ledger, of one or several events.
    limit
        Number of standard deviations.
    """
    categories: dict[tuple[Any, ...], list[tuple[Row, str, float]]] = {}
    for row in rows:
        if row["status"] == "measured":
            quantity, number = _quantity(row)
            if np.isfinite(number):
                names = ("component", "min_period_s", "max_period_s", "measure")
                key = (*(row[name] for name in names), row["period_s"])
                categories.setdefault(key, []).append((row, quantity, number))
    chosen = [
        outlier
        for members in categories.values()
        if len(members) >= LEAST_MEMBERS
        for outlier in _of_category(members, limit)
    ]
    return sorted(chosen, key=lambda outlier: -outlier.deviations)


def _quantity(row: Row) -> tuple[str, float]:
    measure = row["measure"]
    for name, measures in (("dt_s", SHIFTS), ("dlna", RATIOS), ("value", MOTIONS)):
        if measure in measures:
            return name, np.nan if row[name] is None else float(row[name])
    value = row["value"]
    return "ln value", float(np.log(value)) if value else np.nan


def _of_category(
    members: list[tuple[Row, str, float]], limit: float
) -> Iterable[Outlier]:
    numbers = np.array([number for _, _, number in members])
    median = float(np.median(numbers))
    apart = np.abs(numbers - median)
    deviation = PER_MEDIAN_DEVIATION * float(np.median(apart))
    deviation = deviation or PER_MEAN_DEVIATION * float(apart.mean())
    for (row, quantity, number), distance in zip(members, apart, strict=True):
        if deviation and distance > limit * deviation:
            times = float(distance / deviation)
            yield Outlier(row, quantity, number, median, times, len(members))
