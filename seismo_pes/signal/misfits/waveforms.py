"""Measures of waveforms: least squares, correlation coefficient, convolution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from seismo_pes.signal._convolution import convolution
from seismo_pes.signal.errors import Rejected
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import Settings, setting

__all__ = [
    "ConvolvedSettings",
    "WaveformSettings",
    "cc_coefficient",
    "convolved",
    "waveform",
]


@dataclass(frozen=True)
class WaveformSettings(Settings):
    """Options of `waveform`."""

    normalised: bool = setting(
        False, "divide chi by the energy of the observed window; chi has no unit then"
    )


@dataclass(frozen=True)
class ConvolvedSettings(Settings):
    """Options of `convolved`."""

    normalised: bool = setting(
        False, "divide chi by the energy of the observed record convolved with itself"
    )


def waveform(pair: Pair, options: WaveformSettings) -> Result:
    """Half of the squared difference of the waveforms.

    chi = 1/2 int (s - d)^2 dt, adjoint s - d (Tromp, Tape and Liu 2005,
    doi:10.1111/j.1365-246X.2004.02453.x).

    Parameters
    ----------
    pair
        The windows.
    options
        `WaveformSettings`.

    Returns
    -------
    `Result` with ``difference_rms`` in the unit of the records.
    """
    difference = pair.synthetic - pair.observed
    scale = 1 / pair.integral(pair.observed**2) if options.normalised else 1.0
    quantities = {"difference_rms": float(np.sqrt(np.mean(difference**2)))}
    misfit = 0.5 * scale * pair.integral(difference**2)
    unit = "1" if options.normalised else None
    return Result(misfit, pair.place(scale * difference), quantities, unit=unit)


def cc_coefficient(pair: Pair, options: Settings) -> Result:
    """One minus the correlation coefficient without a shift.

    chi = 1 - cc, cc = int d s dt / sqrt(int d^2 dt int s^2 dt). The mean is not
    subtracted. Opposite polarity has cc = -1 and chi = 2.

    Parameters
    ----------
    pair
        The windows.
    options
        None.

    Returns
    -------
    `Result` with ``cc``.
    """
    d, s = pair.observed, pair.synthetic
    norm = np.sqrt(np.dot(d, d) * np.dot(s, s))
    cc = min(max(float(np.dot(d, s) / norm), -1.0), 1.0)
    density = (cc * s / np.dot(s, s) - d / norm) / pair.delta_s
    return Result(1.0 - cc, pair.place(density), {"cc": cc})


def convolved(pair: Pair, other: Pair, options: ConvolvedSettings) -> Result:
    """Difference of records convolved with those of a reference station.

    chi = 1/2 int (s * d_r - d * s_r)^2 dt with the observed and the synthetic record
    d_r, s_r of a reference station: each product has both source time functions, so a
    wrong source time function in the synthetics has no effect (Choi and Alkhalifah
    2011, doi:10.1190/geo2010-0210.1). In the convention of pyadjoint (its
    ``convolution_dd``), the convolutions have no factor of the sampling interval and
    are cut to the length of the window.

    Parameters
    ----------
    pair
        The windows.
    other
        The windows of the reference station.
    options
        `ConvolvedSettings`.

    Returns
    -------
    `Result` with the adjoint sources of both synthetics.

    Raises
    ------
    Rejected
        In the convention of pyadjoint, if the windows have different lengths.
    """
    s, d, s_ref, d_ref = pair.synthetic, pair.observed, other.synthetic, other.observed
    factor = pair.delta_s if pair.is_exact else 1.0
    n = s.size + s_ref.size - 1
    kept = slice(0, n)
    if not pair.is_exact:
        if s.size != s_ref.size:
            raise Rejected("windows of different length")
        kept = slice((s.size - 1) // 2, (s.size - 1) // 2 + s.size)
    residual = np.zeros(n)
    full = convolution(s, d_ref) - convolution(d, s_ref)
    residual[kept] = factor * full[kept]
    scale = 1.0
    if options.normalised:
        energy = pair.integral((factor * convolution(d, d_ref))[kept] ** 2)
        scale = 1 / energy
    misfit = 0.5 * scale * pair.integral(residual[kept] ** 2)
    density = scale * factor * _correlate(residual, d_ref)
    density_ref = -scale * factor * _correlate(residual, d)
    rms = float(np.sqrt(np.mean(residual[kept] ** 2)))
    return Result(
        misfit,
        pair.place(density),
        {"difference_rms": rms},
        adjoint_other=other.place(density_ref),
        unit="1" if options.normalised else None,
    )


def _correlate(residual: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the sums over k of ``residual[i + k] * b[k]``."""
    return convolution(residual, b[::-1])[b.size - 1 : residual.size]
