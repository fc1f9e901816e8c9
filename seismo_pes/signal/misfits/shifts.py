"""Measures of a time shift and an amplitude ratio by cross-correlation."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, isfinite, sqrt

import numpy as np

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.alignment import (
    Alignment,
    AlignmentSettings,
    align,
    require_cycle,
)
from seismo_pes.signal.misfits.correlation import correlation_peak, whole_shift
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import setting

__all__ = [
    "AmplitudeSettings",
    "TimeSettings",
    "cc_amplitude",
    "cc_time",
]

WEIGHTINGS = ("fixed", "error")


@dataclass(frozen=True)
class TimeSettings(AlignmentSettings):
    """Options of `cc_time`."""

    sigma_s: float = setting(
        1.0, "standard error by which the time is divided", unit="s", above=0
    )
    weighting: str | None = setting(
        None,
        "error: the measured error replaces sigma if it is larger; the "
        "adjoint source treats it as a constant. By default fixed, and error in the "
        "convention of pyadjoint",
        choices=WEIGHTINGS,
    )


@dataclass(frozen=True)
class AmplitudeSettings(AlignmentSettings):
    """Options of `cc_amplitude`."""

    sigma: float = setting(
        0.5, "standard error by which the logarithm is divided", above=0
    )
    weighting: str | None = setting(
        None,
        "error: the measured error replaces sigma if it is larger; the "
        "adjoint source treats it as a constant. By default fixed, and error in the "
        "convention of pyadjoint",
        choices=WEIGHTINGS,
    )


def cc_time(pair: Pair, options: TimeSettings) -> Result:
    """Half of the squared time shift over its error.

    chi = 1/2 (dt / sigma)^2 (Luo and Schuster 1991, doi:10.1190/1.1443081). The shift
    dt = T_obs - T_syn maximises the correlation coefficient of the shifted observed
    record, in the window, with the synthetic; the adjoint source follows from the
    condition that its slope is zero there, without the assumption that the waveforms
    are alike. In the convention of pyadjoint, dt is the whole-sample maximum of the
    correlation of the tapered windows, and the adjoint source is dt / sigma^2 times the
    derivative of the maximum between samples.

    Parameters
    ----------
    pair
        The windows.
    options
        `TimeSettings`.

    Returns
    -------
    `Result` with ``dt_s``, ``dlna``, ``cc`` and ``sigma_s``; the uncertainty is that of
    ``dt_s``.

    Raises
    ------
    Rejected
        If the shift is not known within the limits.
    """
    delta_s = pair.delta_s
    if pair.is_exact:
        alignment = align(pair, options)
        shift, dlna, cc = alignment.shift, alignment.dlna, alignment.cc
        error_s = remaining_error(pair, alignment)[0] * delta_s
        gradient = alignment.shift_gradient
    else:
        whole = pair.share("whole", lambda: whole_shift(pair.observed, pair.synthetic))
        shift, dlna, error_s = float(whole.shift), whole.dlna, whole.error * delta_s
        cc = require_cycle(pair, options, whole.shift)
        peak = correlation_peak(pair.observed, pair.synthetic, near=shift)
        gradient = peak.second_gradient * pair.weights
    dt_s = shift * delta_s
    sigma_s = weighted(pair, options.weighting, options.sigma_s, error_s)
    # the derivative of dt_s by a sample, divided by the sampling interval, is
    # that of the shift in samples
    adjoint = pair.place(dt_s / sigma_s**2 * gradient, tapered=False)
    quantities = {"dt_s": dt_s, "dlna": dlna, "cc": cc, "sigma_s": sigma_s}
    return Result(0.5 * (dt_s / sigma_s) ** 2, adjoint, quantities, error_s)


def cc_amplitude(pair: Pair, options: AmplitudeSettings) -> Result:
    """Half of the squared logarithm of the amplitude ratio over its error.

    chi = 1/2 (dlna / sigma)^2, dlna = 1/2 ln(int d^2 dt / int s^2 dt) (Dahlen and Baig
    2002, doi:10.1046/j.1365-246X.2002.01718.x), with the observed record shifted
    relative to the window as in `cc_time`; in the convention of pyadjoint, without a
    shift.

    Parameters
    ----------
    pair
        The windows.
    options
        `AmplitudeSettings`.

    Returns
    -------
    `Result` with ``dt_s``, ``dlna``, ``cc`` and ``sigma``; the uncertainty is that of
    ``dlna``.

    Raises
    ------
    Rejected
        If the shift is not known within the limits.
    """
    if pair.is_exact:
        alignment = align(pair, options)
        shift, dlna, cc = alignment.shift, alignment.dlna, alignment.cc
        error = remaining_error(pair, alignment)[1]
        gradient = alignment.dlna_gradient
    else:
        whole = pair.share("whole", lambda: whole_shift(pair.observed, pair.synthetic))
        shift, dlna, error = float(whole.shift), whole.dlna, whole.error_dlna
        cc = require_cycle(pair, options, whole.shift)
        s = pair.synthetic
        gradient = -s * pair.weights / float(s @ s)
    sigma = weighted(pair, options.weighting, options.sigma, error)
    density = dlna / sigma**2 * gradient / pair.delta_s
    quantities = {
        "dt_s": shift * pair.delta_s,
        "dlna": dlna,
        "cc": cc,
        "sigma": sigma,
    }
    adjoint = pair.place(density, tapered=False)
    return Result(0.5 * (dlna / sigma) ** 2, adjoint, quantities, error)


def weighted(pair: Pair, weighting: str | None, sigma: float, error: float) -> float:
    """Return the standard error by which a measurement is divided.

    Parameters
    ----------
    pair
        The windows, for their convention.
    weighting
        Option of the measure.
    sigma
        Fixed value, and smallest value.
    error
        The measured error.

    Raises
    ------
    Rejected
        If the error is needed and not known.
    """
    if (weighting or ("fixed" if pair.is_exact else "error")) == "fixed":
        return sigma
    if not isfinite(error):
        raise Rejected("aligned windows do not overlap")
    return max(sigma, error)


def remaining_error(pair: Pair, alignment: Alignment) -> tuple[float, float]:
    """Return errors of the shift, in samples, and of dlna.

    They are the root-mean-square difference that remains after correction of shift and
    factor, divided by the root-mean-square of the velocity, or of the synthetic. This
    assumes that errors are correlated over the window.

    Parameters
    ----------
    pair
        The windows.
    alignment
        Their alignment.
    """
    fitted = exp(alignment.dlna) * pair.synthetic
    remaining = alignment.observed * pair.weights - fitted
    velocity: FloatArray = np.gradient(fitted)
    size = float(remaining @ remaining)
    return (
        sqrt(size / float(velocity @ velocity)),
        sqrt(size / float(fitted @ fitted)),
    )
