"""Shift of a record by a fraction of a sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.taper import cosine_edge

__all__ = ["phase_shift"]

_PAD = 512  # samples: errors from the ends decay as one over the distance


def phase_shift(x: ArrayLike, shift: float) -> FloatArray:
    """Evaluate records ``shift`` samples later, by a phase shift.

    ``y[n] = x(n + shift)`` of the band-limited record: each bin is multiplied by
    ``exp(2 pi i f shift)``. The line from the first to the last sample is subtracted
    before, and its shifted values are added after. Beyond its ends the record is
    continued point-symmetrically. So constants and lines are exact. Sines up to 80 % of
    the Nyquist frequency have errors of 3e-3 from the 20th sample on, and of 2e-4 from
    the 100th sample on; near the ends, errors of high frequencies reach one half.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``. float32 stays float32, anything else becomes
        float64. NaN spreads over its record; empty stays empty.
    shift
        Samples, from -1 to 1; for whole samples change the start time.

    Returns
    -------
    A new array of the same shape.

    Raises
    ------
    ParameterError
        If the shift is larger.

    Examples
    --------
    >>> n = np.arange(1000)
    >>> y = phase_shift(np.sin(0.3 * n), 0.25)
    >>> bool(np.abs(y - np.sin(0.3 * (n + 0.25)))[50:-50].max() < 1e-4)
    True
    """
    x = as_float(x)
    if not abs(shift) <= 1:
        raise ParameterError(f"shift must be from -1 to 1 samples, not {shift}")
    n = x.shape[-1]
    if shift == 0 or x.size == 0:
        return x.copy()
    slope = (x[..., -1:] - x[..., :1]) / max(n - 1, 1)
    line = x[..., :1] + slope * np.arange(n, dtype=x.dtype)
    padded, pad = _padded(x - line)
    moved = _shift_phase(padded, shift)[..., pad : pad + n]
    return np.asarray(moved + line + slope * shift).astype(x.dtype, copy=False)


def _padded(x: FloatArray) -> tuple[FloatArray, int]:
    """Continue a record that begins and ends at zero by its mirror image, faded out."""
    n = x.shape[-1]
    pad = min(_PAD, n - 1)
    fade = np.concatenate((np.zeros(1), cosine_edge(max(pad - 1, 0)))).astype(x.dtype)
    left = -x[..., pad:0:-1] * fade[:pad]
    right = -x[..., -2 : -pad - 2 : -1] * fade[:pad][::-1]
    return np.concatenate((left, x, right), axis=-1), pad


def _shift_phase(x: FloatArray, shift: float) -> FloatArray:
    n_fft = fft.next_fast_len(x.shape[-1], real=True)
    spectrum = fft.rfft(x, n_fft, axis=-1)
    phase = 2 * np.pi * shift / n_fft * np.arange(spectrum.shape[-1])
    with np.errstate(invalid="ignore", over="ignore"):  # NaN and infinity spread
        spectrum *= np.exp(1j * phase).astype(spectrum.dtype)
    return np.asarray(fft.irfft(spectrum, n_fft, axis=-1))[..., : x.shape[-1]]
