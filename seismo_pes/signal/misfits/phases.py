"""Measures of envelope and phase, by the analytic signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from seismo_pes.signal._arrays import FloatArray
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair
from seismo_pes.signal.misfits.settings import Settings, setting
from seismo_pes.signal.stack import analytic

__all__ = [
    "EnvelopeSettings",
    "PhaseSettings",
    "envelope",
    "exponentiated_phase",
    "instantaneous_phase",
]


@dataclass(frozen=True)
class PhaseSettings(Settings):
    """Options of `exponentiated_phase` and `instantaneous_phase`."""

    water_level: float = setting(
        0.2,
        "part of the largest envelope below which the phase has little weight",
        above=0,
        most=1,
    )


@dataclass(frozen=True)
class EnvelopeSettings(Settings):
    """Options of `envelope`."""

    logarithmic: bool = setting(
        False, "compare the logarithms of the envelopes; chi has no unit of amplitude"
    )
    water_level: float = setting(
        0.05,
        "with logarithmic: this part of the largest envelope is added to it",
        above=0,
        most=1,
    )


class _Analytic(NamedTuple):
    """A window, its Hilbert transform, its envelope, and a water level."""

    real: FloatArray
    imag: FloatArray
    envelope: FloatArray
    level: float
    peak: int

    @property
    def unit_real(self) -> FloatArray:
        """Derivative of the envelope by the window: the cosine of the phase."""
        return _quotient(self.real, self.envelope)

    @property
    def unit_imag(self) -> FloatArray:
        """Derivative of the envelope by the Hilbert transform: the sine."""
        return _quotient(self.imag, self.envelope)


def exponentiated_phase(pair: Pair, options: PhaseSettings) -> Result:
    """Half of the squared difference of the waveforms divided by their envelopes.

    chi = 1/2 int |d/E_d - s/E_s|^2 dt, where d and s are the analytic signals (Yuan et
    al. 2020, doi:10.1093/gji/ggaa063). A part of the largest envelope is added to E,
    so that phases of weak signals do not count; the adjoint source includes the
    derivative of that water level.

    Parameters
    ----------
    pair
        The windows.
    options
        `PhaseSettings`.

    Returns
    -------
    `Result` with ``phase_rms_rad``: the square root of 2 chi over the duration.
    """
    d, s = _signals(pair, options.water_level)
    norm_d, norm_s = d.envelope + d.level, s.envelope + s.level
    real = s.real / norm_s - d.real / norm_d
    imag = s.imag / norm_s - d.imag / norm_d
    misfit = 0.5 * (pair.integral(real**2) + pair.integral(imag**2))
    by_norm = -(real * s.real + imag * s.imag) / norm_s**2
    by_norm[s.peak] += options.water_level * by_norm.sum()
    density = _by_window(
        real / norm_s + by_norm * s.unit_real, imag / norm_s + by_norm * s.unit_imag
    )
    rms = float(np.sqrt(2 * misfit / (pair.n * pair.delta_s)))
    return Result(misfit, pair.place(density), {"phase_rms_rad": rms})


def instantaneous_phase(pair: Pair, options: PhaseSettings) -> Result:
    """Half of the squared difference of the instantaneous phases.

    chi = 1/2 int W (phi_d - phi_s)^2 dt with the difference between -pi and pi (Bozdag,
    Trampert and Tromp 2011, doi:10.1111/j.1365-246X.2011.04970.x). The weight W is the
    product of E^2 / (E^2 + e^2) for both windows, where e is the water level times the
    largest envelope E: without it chi has no derivative where an envelope is zero. The
    adjoint source includes the derivative of the weight. Amplitude factors have no
    effect.

    Parameters
    ----------
    pair
        The windows.
    options
        `PhaseSettings`.

    Returns
    -------
    `Result` with ``phase_rad``: the mean of the difference phi_d - phi_s with the
    weight W.
    """
    d, s = _signals(pair, options.water_level)
    difference = np.arctan2(
        d.imag * s.real - d.real * s.imag, d.real * s.real + d.imag * s.imag
    )
    power_s = s.envelope**2 + s.level**2
    weight_d = d.envelope**2 / (d.envelope**2 + d.level**2)
    weight = weight_d * s.envelope**2 / power_s
    misfit = 0.5 * pair.integral(weight * difference**2)
    # of the phase: W dphi_s = weight_d (s dh - h ds) / (E^2 + e^2)
    slope = -weight_d * difference / power_s
    # of the weight: by the envelope, and by the water level at its peak
    common = weight_d * difference**2 * s.envelope * s.level / power_s**2
    by_envelope = common * s.level
    by_envelope[s.peak] -= options.water_level * float(common @ s.envelope)
    density = _by_window(
        -slope * s.imag + by_envelope * s.unit_real,
        slope * s.real + by_envelope * s.unit_imag,
    )
    mean = float(weight @ difference / weight.sum())
    return Result(misfit, pair.place(density), {"phase_rad": mean})


def envelope(pair: Pair, options: EnvelopeSettings) -> Result:
    """Half of the squared difference of the envelopes, or of their logarithms.

    chi = 1/2 int (E_s - E_d)^2 dt, or 1/2 int ln((E_d + e_d) / (E_s + e_s))^2 dt
    (Bozdag, Trampert and Tromp 2011, doi:10.1111/j.1365-246X.2011.04970.x), where the
    water level e is a part of the largest envelope. Phases have no effect.

    Parameters
    ----------
    pair
        The windows.
    options
        `EnvelopeSettings`.

    Returns
    -------
    `Result` with ``dlna``: half of the logarithm of the ratio of the energies of the
    envelopes.
    """
    d, s = _signals(pair, options.water_level)
    if options.logarithmic:
        norm_s = s.envelope + s.level
        difference = np.log(norm_s / (d.envelope + d.level))
        by_envelope = difference / norm_s
        by_envelope[s.peak] += options.water_level * by_envelope.sum()
    else:
        difference = s.envelope - d.envelope
        by_envelope = difference
    density = _by_window(by_envelope * s.unit_real, by_envelope * s.unit_imag)
    energy_d, energy_s = d.envelope @ d.envelope, s.envelope @ s.envelope
    quantities = {"dlna": 0.5 * float(np.log(energy_d / energy_s))}
    misfit = 0.5 * pair.integral(difference**2)
    unit = "s" if options.logarithmic else None
    return Result(misfit, pair.place(density), quantities, unit=unit)


def _signals(pair: Pair, water_level: float) -> tuple[_Analytic, _Analytic]:
    transforms = pair.share(
        "hilbert", lambda: (_hilbert(pair.observed), _hilbert(pair.synthetic))
    )
    d, s = (
        _analytic(x, h, water_level)
        for x, h in zip((pair.observed, pair.synthetic), transforms, strict=True)
    )
    return d, s


def _analytic(x: FloatArray, hilbert: FloatArray, water_level: float) -> _Analytic:
    size = np.hypot(x, hilbert)
    peak = int(size.argmax())
    return _Analytic(x, hilbert, size, water_level * float(size[peak]), peak)


def _hilbert(x: FloatArray) -> FloatArray:
    return np.asarray(analytic(x).imag)


def _by_window(by_real: FloatArray, by_imag: FloatArray) -> FloatArray:
    """Derivative by the window from those by the window and its Hilbert transform.

    The Hilbert transform of a periodic record is antisymmetric: its transpose is minus
    itself.
    """
    return by_real - _hilbert(by_imag)


def _quotient(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.divide(x, y, out=np.zeros_like(x), where=y > 0)
