"""Time-frequency misfits of envelope and phase (Kristekova et al. 2006, 2009)."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import ComplexArray, FloatArray
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.misfits.outcomes import Result
from seismo_pes.signal.misfits.pairs import Pair, Records
from seismo_pes.signal.misfits.settings import Settings, setting
from seismo_pes.signal.misfits.wavelets import Wavelets, wavelets

__all__ = [
    "TimeFrequencyMisfit",
    "TimeFrequencySettings",
    "goodness_of_fit",
    "tf_envelope",
    "tf_phase",
    "time_frequency_misfit",
]

REFERENCES = ("synthetic", "observed")
NORMS = ("global", "local")


@dataclass(frozen=True)
class TimeFrequencySettings(Settings):
    """Options of `tf_envelope` and `tf_phase`."""

    min_period_s: float | None = setting(
        None,
        "shortest period; by default a quarter of the period of the observed window",
        unit="s",
        above=0,
    )
    max_period_s: float | None = setting(
        None,
        "longest period; by default four times the period of the observed window",
        unit="s",
        above=0,
    )
    n_frequencies: int = setting(
        100, "number of frequencies, equal steps of the logarithm", least=2
    )
    w0: float = setting(
        6.0,
        "angular frequency of the Morlet wavelet: larger values resolve "
        "frequencies better, smaller values times",
        least=1,
    )
    reference: str = setting(
        "synthetic",
        "reference record, by which misfits are divided",
        choices=REFERENCES,
    )


class _Maps(NamedTuple):
    """Transforms of both windows, and the parameters of the comparison."""

    table: Wavelets
    observed: ComplexArray
    synthetic: ComplexArray
    size_observed: FloatArray
    size_synthetic: FloatArray


@dataclass(frozen=True)
class TimeFrequencyMisfit:
    """Misfits of a record relative to the reference, by time and frequency.

    Envelope misfits are positive where the record is larger than the reference. Phase
    misfits are fractions of pi, positive where the phase of the record is ahead.

    Attributes
    ----------
    frequency_hz
        Shape ``(n_frequencies,)``.
    tfem, tfpm
        Envelope and phase misfit over frequency and time, shape ``(n_frequencies, n)``.
    tem, tpm
        Over time, shape ``(n,)``.
    fem, fpm
        Over frequency, shape ``(n_frequencies,)``.
    em, pm
        Single numbers.
    """

    frequency_hz: FloatArray
    tfem: FloatArray
    tem: FloatArray
    fem: FloatArray
    em: float
    tfpm: FloatArray
    tpm: FloatArray
    fpm: FloatArray
    pm: float


def time_frequency_misfit(
    observed: ArrayLike,
    synthetic: ArrayLike,
    delta_s: float,
    low_hz: float,
    high_hz: float,
    n_frequencies: int = 100,
    w0: float = 6.0,
    reference: str = "synthetic",
    norm: str = "global",
) -> TimeFrequencyMisfit:
    """Compare envelopes and phases over time and frequency.

    Parameters
    ----------
    observed, synthetic
        Shape ``(n,)``.
    delta_s
        Sampling interval.
    low_hz, high_hz, n_frequencies
        Frequencies, in equal steps of the logarithm.
    w0
        Parameter of the Morlet wavelet.
    reference
        ``"synthetic"`` or ``"observed"``: the record whose envelope the misfits are
        divided by.
    norm
        ``"global"`` divides by the largest envelope, ``"local"`` by that of the same
        time and frequency; `em` and `pm` are the same.

    Returns
    -------
    `TimeFrequencyMisfit`.

    Raises
    ------
    ParameterError
        If a parameter is not allowed.
    Rejected
        If a record is not finite, zero or constant.

    References
    ----------
    Kristekova, Kristek, Moczo and Day (2006), doi:10.1785/0120060012; Kristekova,
    Kristek and Moczo (2009), doi:10.1111/j.1365-246X.2009.04177.x.

    Examples
    --------
    >>> t = np.arange(500) / 50
    >>> wave = np.exp(-((t - 5) ** 2)) * np.sin(12 * t)
    >>> misfit = time_frequency_misfit(1.1 * wave, wave, 0.02, 1.0, 5.0, 20)
    >>> round(misfit.em, 9), round(misfit.pm, 9)
    (0.1, 0.0)
    """
    if reference not in REFERENCES or norm not in NORMS:
        raise ParameterError(
            f"reference {reference!r} must be one of {', '.join(REFERENCES)}, "
            f"norm {norm!r} one of {', '.join(NORMS)}"
        )
    pair = Pair(Records(observed, synthetic, delta_s))
    table = wavelets(pair.n, pair.delta_s, low_hz, high_hz, n_frequencies, w0)
    maps = _transform(pair, table)
    w, size, size_ref = _ordered(maps, reference)
    difference = size - size_ref
    phase = size_ref * _phase(*w)
    norm_power = float(np.sum(size_ref**2))
    tfem, tem, fem = _by_axis(difference, size_ref, norm)
    tfpm, tpm, fpm = _by_axis(phase, size_ref, norm)
    return TimeFrequencyMisfit(
        table.frequency_hz,
        tfem,
        tem,
        fem,
        sqrt(float(np.sum(difference**2)) / norm_power),
        tfpm,
        tpm,
        fpm,
        sqrt(float(np.sum(phase**2)) / norm_power),
    )


def goodness_of_fit(
    envelope_misfit: ArrayLike, phase_misfit: ArrayLike, k: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Return the goodness of fit of envelope and phase, 10 for a perfect fit.

    10 exp(-abs(EM)^k) and 10 (1 - abs(PM)^k) (Kristekova et al. 2009, equations 15 and
    16): above 8 is excellent, 6 to 8 good, 4 to 6 fair, below 4 poor.

    Parameters
    ----------
    envelope_misfit, phase_misfit
        Numbers or arrays of `TimeFrequencyMisfit`.
    k
        Sensitivity, above 0.

    Examples
    --------
    >>> goodness_of_fit(0.1, 0.1)[0].round(3), goodness_of_fit(0.1, 0.1)[1].round(3)
    (np.float64(9.048), np.float64(9.0))
    """
    envelope = 10 * np.exp(-(np.abs(np.asarray(envelope_misfit)) ** k))
    return envelope, 10 * (1 - np.abs(np.asarray(phase_misfit)) ** k)


def tf_envelope(pair: Pair, options: TimeFrequencySettings) -> Result:
    """The time-frequency envelope misfit EM.

    chi = EM = sqrt(sum (abs(W_d) - abs(W_s))^2 / sum abs(W_ref)^2), where W are
    wavelet transforms, summed over frequency and time (Kristekova et al. 2006,
    doi:10.1785/0120060012). EM of a pure factor k = d/s is abs(k - 1), or abs(1/k - 1)
    with the observed record as reference. At EM = 0 there is no derivative; the adjoint
    source is zero there.

    Parameters
    ----------
    pair
        The windows.
    options
        `TimeFrequencySettings`.

    Returns
    -------
    `Result` with ``em`` and ``goodness``.
    """
    maps = _maps(pair, options)
    difference = maps.size_synthetic - maps.size_observed
    by_synthetic = options.reference == "synthetic"
    reference = maps.size_synthetic if by_synthetic else maps.size_observed
    norm_power = float(np.sum(reference**2))
    em = sqrt(float(np.sum(difference**2)) / norm_power)
    quantities = {"em": em, "goodness": float(goodness_of_fit(em, 0)[0])}
    if em == 0:
        return Result(0.0, np.zeros(pair.records.n), quantities)
    by_size = difference - (em**2 * reference if by_synthetic else 0.0)
    weights = _divided(by_size, maps.size_synthetic) * maps.synthetic
    density = maps.table.transpose(weights) / (em * norm_power * pair.delta_s)
    return Result(em, pair.place(density), quantities)


def tf_phase(pair: Pair, options: TimeFrequencySettings) -> Result:
    """The time-frequency phase misfit PM.

    chi = PM = sqrt(sum (abs(W_ref) arg(W_d / W_s) / pi)^2 / sum abs(W_ref)^2), from 0
    to 1 (Kristekova et al. 2006, doi:10.1785/0120060012). Pure factors have no effect.
    At PM = 0 there is no derivative; the adjoint source is zero there. With the
    observed record as reference, the adjoint source is large where the synthetic is
    weak and the observed record is not.

    Parameters
    ----------
    pair
        The windows.
    options
        `TimeFrequencySettings`.

    Returns
    -------
    `Result` with ``pm`` and ``goodness``.
    """
    maps = _maps(pair, options)
    phase = _phase(maps.observed, maps.synthetic)
    by_synthetic = options.reference == "synthetic"
    power = (maps.size_synthetic if by_synthetic else maps.size_observed) ** 2
    norm_power = float(np.sum(power))
    pm = sqrt(float(np.sum(power * phase**2)) / norm_power)
    quantities = {"pm": pm, "goodness": float(goodness_of_fit(0, pm)[1])}
    if pm == 0:
        return Result(0.0, np.zeros(pair.records.n), quantities)
    if by_synthetic:
        by_transform = phase**2 - pm**2 - 1j / np.pi * phase
    else:
        ratio = _divided(power, maps.size_synthetic**2)
        by_transform = -1j / np.pi * phase * ratio
    density = maps.table.transpose(by_transform * maps.synthetic)
    return Result(
        pm, pair.place(density / (pm * norm_power * pair.delta_s)), quantities
    )


def _maps(pair: Pair, options: TimeFrequencySettings) -> _Maps:
    duration_s = pair.n * pair.delta_s
    period_s = min(max(pair.observed_period_s, 4 * pair.delta_s), duration_s / 2)
    short_s = options.min_period_s or max(period_s / 4, 2 * pair.delta_s)
    long_s = options.max_period_s or min(4 * period_s, duration_s)
    if not 2 * pair.delta_s * (1 - 1e-9) <= short_s < long_s:
        raise ParameterError(
            f"min_period_s {short_s:g} and max_period_s {long_s:g}: needs "
            f"{2 * pair.delta_s:g} s <= min < max"
        )
    key = (1 / long_s, 1 / short_s, int(options.n_frequencies), float(options.w0))
    table = wavelets(pair.n, pair.delta_s, *key)
    return pair.share(("wavelets", *key), lambda: _transform(pair, table))


def _transform(pair: Pair, table: Wavelets) -> _Maps:
    observed = table.transform(pair.observed)
    synthetic = table.transform(pair.synthetic)
    return _Maps(table, observed, synthetic, np.abs(observed), np.abs(synthetic))


def _ordered(
    maps: _Maps, reference: str
) -> tuple[tuple[ComplexArray, ComplexArray], FloatArray, FloatArray]:
    """Return the transforms and amplitudes of the record and of the reference."""
    if reference == "synthetic":
        both = maps.observed, maps.synthetic
        return both, maps.size_observed, maps.size_synthetic
    return (maps.synthetic, maps.observed), maps.size_synthetic, maps.size_observed


def _phase(w: ComplexArray, reference: ComplexArray) -> FloatArray:
    """Phase of w relative to the reference, as a fraction of pi; exactly 0 if equal."""
    sine = w.imag * reference.real - w.real * reference.imag
    cosine = w.real * reference.real + w.imag * reference.imag
    return np.arctan2(sine, cosine) / np.pi


def _by_axis(
    x: FloatArray, size_ref: FloatArray, norm: str
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a map, its sums over frequency and over time, divided by the norm."""
    maps = [(x, size_ref)] + [(x.sum(axis=k), size_ref.sum(axis=k)) for k in (0, 1)]
    tf, t, f = (
        part / norms.max() if norm == "global" else _divided(part, norms)
        for part, norms in maps
    )
    return tf, t, f


def _divided(x: FloatArray, y: FloatArray) -> FloatArray:
    return np.divide(x, y, out=np.zeros_like(x), where=y > 0)
