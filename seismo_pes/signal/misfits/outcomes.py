"""Results of a measure: a measurement, or a rejection with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from seismo_pes.signal._arrays import FloatArray

__all__ = ["Measurement", "Rejection", "Result", "Total", "total"]

Interval = tuple[float, float]


class Result(NamedTuple):
    """The numbers that a measure returns for one pair of windows.

    Attributes
    ----------
    misfit
        chi, 0 or larger.
    adjoint
        Adjoint source on the axis of the record, shape ``(n,)``.
    quantities
        Measured quantities, with units in the names.
    uncertainty
        Standard error of the measured quantity; NaN if there is none.
    value
        The number that represents the measurement, if it is not chi.
    adjoint_other
        Adjoint source of the other synthetic of a double difference, shape ``(m,)``.
    unit
        Unit of chi, if an option changes it.
    """

    misfit: float
    adjoint: FloatArray
    quantities: dict[str, float]
    uncertainty: float = float("nan")
    value: float | None = None
    adjoint_other: FloatArray | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Measurement:
    """One measure of one window of an observed and a synthetic record.

    Attributes
    ----------
    name
        Name of the measure.
    value
        chi; for ground motions ln(observed/synthetic).
    misfit
        chi, 0 or larger; for ground motions half of the squared value.
    unit
        Unit of `value`; "1" if it has none. ``u`` stands for the unit of the records
        if that was not given.
    uncertainty
        Standard error of the measured quantity (of ``dt_s`` for a time, of ``dlna`` for
        an amplitude); NaN if the measure has none.
    quantities
        Measured quantities, with units in the names: ``dt_s`` = T_obs - T_syn,
        ``dlna`` = ln(A_obs/A_syn), ``cc``, and others.
    adjoint
        float64, shape ``(n,)``, on the axis of the records and in their direction of
        time: the change of chi is the integral of adjoint times change of the
        synthetic, ``sum(adjoint * change) * delta_s``. Its unit is that of chi per unit
        of the record and second.
    adjoint_other
        The same for the other synthetic of a double difference, shape ``(m,)``.
    window_s
        Start and end in seconds after the first sample; None for the whole record.
    definition
        Version of the definition: values of different versions are not comparable.
    convention
        ``"native"``, or the program whose definition was used.
    """

    name: str
    value: float
    misfit: float
    unit: str
    uncertainty: float
    quantities: Mapping[str, float]
    adjoint: FloatArray = field(repr=False)
    adjoint_other: FloatArray | None = field(repr=False)
    window_s: Interval | None
    definition: int
    convention: str


@dataclass(frozen=True)
class Rejection:
    """A window on which a measure has no value.

    Attributes
    ----------
    name
        Name of the measure.
    reason
        A few words that are the same for all windows with this defect.
    quantities
        Quantities measured before the rejection, with units in the names.
    window_s
        Start and end in seconds after the first sample; None for the whole record.
    """

    name: str
    reason: str
    quantities: Mapping[str, float]
    window_s: Interval | None


class Total(NamedTuple):
    """Sums over windows and measures.

    Attributes
    ----------
    misfit
        Sum of chi; NaN without any measurement, because zero would be a perfect fit.
    adjoint
        Sum of the adjoint sources, also where windows overlap, shape ``(n,)``; None
        without any measurement.
    n_measured, n_rejected
        Numbers of measurements and rejections.
    """

    misfit: float
    adjoint: FloatArray | None
    n_measured: int
    n_rejected: int


def total(outcomes: Iterable[Measurement | Rejection]) -> Total:
    """Add misfits and adjoint sources of several windows of one record.

    Parameters
    ----------
    outcomes
        Measurements of records of one length, and rejections.

    Returns
    -------
    `Total`.

    Examples
    --------
    >>> total([Rejection("waveform", "zero record", {}, None)])
    Total(misfit=nan, adjoint=None, n_measured=0, n_rejected=1)
    """
    rows = list(outcomes)
    measured = [row for row in rows if isinstance(row, Measurement)]
    n_rejected = len(rows) - len(measured)
    if not measured:
        return Total(float("nan"), None, 0, n_rejected)
    adjoint = np.sum([row.adjoint for row in measured], axis=0)
    misfit = float(sum(row.misfit for row in measured))
    return Total(misfit, adjoint, len(measured), n_rejected)
