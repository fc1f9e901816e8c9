"""Correlation that divides by amplitude: coherency, deconvolution, phase.

Each method changes the spectra or records before the correlation in `correlate`, so
that all pairs and sums over windows use the same kernels.
"""

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from seismo_pes.signal._arrays import (
    ComplexArray,
    FloatArray,
    as_complex,
    as_float,
    require_count,
)
from seismo_pes.signal._lags import Lags, furthest, lag_range, lags_from_spectra
from seismo_pes.signal._phase_sums import are_many_phases, first_power_sums
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.normalize import running_mean
from seismo_pes.signal.spectra import fft_length, rfft_windows
from seismo_pes.signal.stack import analytic_phase
from seismo_pes.signal.whiten import whiten


def coherency_spectra(spectrum: ComplexArray, smooth_bins: int = 0) -> ComplexArray:
    """Spectra whose correlation is coherency: conj(A) B / (<|A|> <|B|>).

    Parameters
    ----------
    spectrum
        Shape ``(..., n_bins)``.
    smooth_bins
        Half width of the running mean < > over frequency; 0 leaves only the phase.

    Raises
    ------
    ParameterError
        If `smooth_bins` is negative or `spectrum` a scalar.

    References
    ----------
    Prieto, Lawrence and Beroza (2009), doi:10.1029/2008JB006067.

    Examples
    --------
    >>> import numpy as np
    >>> coherency_spectra(np.array([2j, -3.0])).round(6)
    array([ 0.+1.j, -1.+0.j])
    """
    spectrum = as_complex(spectrum, "spectrum")
    ones = np.ones(spectrum.shape[-1], dtype=spectrum.real.dtype)
    return whiten(spectrum, ones, smooth_bins)


def deconvolution_spectra(
    spectrum: ComplexArray, level: float = 0.01, smooth_bins: int = 0
) -> ComplexArray:
    """Spectra A / max(<|A|^2>, w): correlating them with b deconvolves b by a.

    ``conj(A) B / |A|^2 = B / A``. The water level w limits the quotient where A's
    spectrum is small.

    Parameters
    ----------
    spectrum
        A, the source's spectra, shape ``(..., n_bins)``; silence stays zero.
    level
        Water level, as a fraction of the mean of ``|A|^2`` of each spectrum, > 0.
    smooth_bins
        Half width of the running mean < > over frequency.

    Raises
    ------
    ParameterError
        If `level` is not positive or `smooth_bins` negative.

    References
    ----------
    Clayton and Wiggins (1976), Geophys. J. R. astr. Soc. 47, 151-177.

    Examples
    --------
    >>> import numpy as np
    >>> deconvolution_spectra(np.array([2j, -4.0])).round(6)
    array([ 0.  +0.5j, -0.25+0.j ])
    """
    spectrum = as_complex(spectrum, "spectrum")
    if not (np.isfinite(level) and level > 0):
        raise ParameterError(f"level must be positive, not {level}")
    smooth_bins = require_count(smooth_bins, "smooth_bins")
    if spectrum.shape[-1] == 0:
        return spectrum.copy()
    power = np.square(np.abs(spectrum), dtype=np.float64)
    water = level * power.mean(axis=-1, keepdims=True)
    if smooth_bins:
        power = running_mean(power, smooth_bins)
    divisor = np.maximum(power, water)
    divisor[np.broadcast_to(water == 0, divisor.shape)] = np.inf
    return (spectrum * (1 / divisor)).astype(spectrum.dtype)


def phase_records(x: ArrayLike) -> FloatArray:
    """Cosine and sine of the instantaneous phase, shape ``(..., 2, n)``.

    If the two are correlated like the records of two windows and summed, the result is
    n times the phase cross-correlation of power two (`phase_cross_correlate`), by the
    matrix products of any correlation.

    Examples
    --------
    >>> phase_records([5.0, 0.0, -5.0, 0.0]).round(12) + 0.0
    array([[ 1.,  0., -1.,  0.],
           [ 0.,  1.,  0., -1.]])
    """
    phasors = analytic_phase(x)
    return np.stack([phasors.real, phasors.imag], axis=-2)


def phase_cross_correlate(
    a: ArrayLike, b: ArrayLike, max_lag: Lags, power: float = 2.0
) -> FloatArray:
    """Compare instantaneous phases, without amplitudes: the phase cross-correlation.

    c(k) = sum over n of (|u[n] + v[n+k]|**p - |u[n] - v[n+k]|**p) / (2**p N), where u
    and v are the unit phasors of the analytic signals and N is the number of samples of
    a; c(0) is 1 for equal records. Power two is a correlation by FFT; other powers need
    a sum over the samples for each lag. For power one and float32 records, phases have
    16 bits: this is ten times as fast, with errors up to 6e-5, mostly 1e-6.

    Parameters
    ----------
    a, b
        Records of equal length, shape ``(n,)``. Two float32 give float32.
    max_lag
        Largest lag K in samples for the lags -K..K, or the first and the last lag.
    power
        p > 0: 1 is Schimmel's first form (PCC1), 2 the fast form (PCC2).

    Returns
    -------
    Shape ``(n_lags,)``, from the first lag to the last; positive: b later.

    Raises
    ------
    ParameterError
        If the records differ in length or a parameter is out of range.

    References
    ----------
    Schimmel (1999), doi:10.1785/BSSA0890051366; Ventosa, Schimmel and Stutzmann
    (2019), doi:10.1785/0220190022.

    Examples
    --------
    >>> import numpy as np
    >>> x = np.random.default_rng(1).standard_normal(100)
    >>> bool(abs(phase_cross_correlate(x, 7 * x, 5)[5] - 1) < 1e-12)
    True
    """
    a, b = as_float(a, "a"), as_float(b, "b")
    lags = lag_range(max_lag)
    if a.ndim != 1 or a.shape != b.shape:
        raise ParameterError(
            f"a {a.shape} and b {b.shape} must be records of one length"
        )
    if not (np.isfinite(power) and power > 0):
        raise ParameterError(f"power must be positive, not {power}")
    dtype = np.result_type(a, b)
    if a.size == 0:
        return np.zeros(len(lags), dtype=dtype)
    if power == 2:
        n_fft = fft_length(a.size, furthest(lags))
        u = rfft_windows(phase_records(a), n_fft)
        v = rfft_windows(phase_records(b), n_fft)
        total = np.einsum("wf,wf->f", u.conj(), v)
        return lags_from_spectra(
            total, n_fft, None, max_lag, dtype=dtype, scale=1 / a.size
        )
    return phase_sums(analytic_phase(a), analytic_phase(b), lags, power, dtype)


def phase_sums(
    u: ComplexArray, v: ComplexArray, lags: range, power: float, dtype: DTypeLike
) -> FloatArray:
    """Return the phase cross-correlation of two records of phasors.

    Examples
    --------
    >>> import numpy as np
    >>> phase_sums(np.array([1, 1j]), np.array([1, 1j]), range(1), 1.0, "f8")
    array([1.])
    """
    n = u.size
    out = np.zeros(len(lags), dtype=dtype)
    inside = range(max(lags.start, 1 - n), min(lags.stop, n))
    in_16_bits = power == 1 and out.dtype == np.float32
    if in_16_bits and are_many_phases(u) and are_many_phases(v):
        if len(inside):
            sums = first_power_sums(u, v, inside)
            out[inside.start - lags.start : inside.stop - lags.start] = sums / n
        return out
    for k in inside:
        p, q = u[max(0, -k) : n - max(0, k)], v[max(0, k) : n - max(0, -k)]
        terms = np.abs(p + q) ** power - np.abs(p - q) ** power
        out[k - lags.start] = terms.sum(dtype=np.float64) / (2**power * n)
    return out


def rotate_tensor(
    c: ArrayLike, azimuth_deg: float, back_azimuth_deg: float
) -> FloatArray:
    """Rotate the nine correlations of Z, N, E with Z, N, E to components Z, R, T.

    The radial points from the first station to the second at both stations. The
    transverse is 90 degrees clockwise from the radial, seen from above.

    Parameters
    ----------
    c
        Shape ``(..., 3, 3, n)``: component of the first station, of the second, lag;
        components in the order Z, N, E.
    azimuth_deg
        At the first station towards the second, degrees clockwise from north.
    back_azimuth_deg
        At the second station towards the first. For stations at one place give the
        azimuth plus 180, so that the radial is the same at both.

    Returns
    -------
    Same shape, components in the order Z, R, T.

    Raises
    ------
    ParameterError
        If the shape does not fit or an azimuth is not finite.

    Examples
    --------
    >>> import numpy as np
    >>> c = np.zeros((3, 3, 1))
    >>> c[2, 2] = 1  # east with east, second station east of the first
    >>> rotate_tensor(c, 90.0, 270.0)[1, 1].round(12)
    array([1.])
    """
    c = as_float(c, "c")
    if c.ndim < 3 or c.shape[-3:-1] != (3, 3):
        raise ParameterError(f"c must be (..., 3, 3, n), not of shape {c.shape}")
    if not np.isfinite([azimuth_deg, back_azimuth_deg]).all():
        raise ParameterError("azimuth_deg and back_azimuth_deg must be finite")
    first = _zne_to_zrt(azimuth_deg).astype(c.dtype)
    second = _zne_to_zrt(back_azimuth_deg + 180).astype(c.dtype)
    return np.asarray(
        np.einsum("ip,jq,...pqn->...ijn", first, second, c, optimize=True)
    )


def _zne_to_zrt(radial_deg: float) -> FloatArray:
    cos, sin = np.cos(np.deg2rad(radial_deg)), np.sin(np.deg2rad(radial_deg))
    return np.array([[1.0, 0.0, 0.0], [0.0, cos, sin], [0.0, -sin, cos]])
