"""The ratio of short-term to long-term averages of an envelope."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import fft

from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal._recursive import filtered
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.stack import analytic

__all__ = ["sta_lta"]

# The long-term average is over twelve times as many periods as the short-term average.
_LONG_TERM = 12


def sta_lta(
    synthetic: ArrayLike, delta_s: float, period_s: float, noise_level: float = 0.01
) -> FloatArray:
    """Return the ratio of two recursive averages of the envelope of a synthetic.

    S_i = a S_(i-1) + e_i with a = 10^(-delta / period), and L the same with twelve
    periods; the result is S / L. It is about 1/12 where the envelope e does not change,
    and rises with each arrival. Before the record, the envelope counts as constant.
    Noise is added to L, because synthetics have none: waves that are much smaller, such
    as the rise of a filtered pulse, do not count as arrivals.

    Parameters
    ----------
    synthetic
        Shape ``(n,)``, n >= 2.
    delta_s
        Sampling interval.
    period_s
        Shortest period of the signal.
    noise_level
        Noise, as a part of the largest envelope.

    Returns
    -------
    float64, shape ``(n,)``; zero for a zero record.

    Raises
    ------
    ParameterError
        If a time is not positive, or the noise is not.

    References
    ----------
    Maggi, Tape, Chen, Chao and Tromp (2009), doi:10.1111/j.1365-246X.2009.04234.x.

    Examples
    --------
    >>> quiet = sta_lta(np.sin(np.arange(1000)), 0.1, 1.0)
    >>> bool(abs(quiet[500] - (1 - 10 ** (-0.1 / 12)) / (1 - 10**-0.1)) < 0.01)
    True
    """
    x = as_float(synthetic, "synthetic").astype(np.float64)
    if not (delta_s > 0 and period_s > 0):
        raise ParameterError(f"delta_s {delta_s} and period_s {period_s} must be > 0")
    if not noise_level > 0:
        raise ParameterError(f"noise_level must be above 0, not {noise_level}")
    # zeros after the record: without them a wave at its end is also at its start
    n_padded = fft.next_fast_len(2 * x.size)
    envelope = np.abs(analytic(np.pad(x, (0, n_padded - x.size)))[: x.size])
    largest = float(envelope.max())
    if largest == 0:
        return np.zeros(x.size)
    short, long = (10 ** (-delta_s / (k * period_s)) for k in (1, _LONG_TERM))
    rise, level = (_average(envelope, decay) for decay in (short, long))
    return np.asarray(rise / (level + noise_level * largest / (1 - long)))


def _average(envelope: FloatArray, decay: float) -> FloatArray:
    """Recursive sum, which begins as if the first value had always been there."""
    section = np.array([[1.0, 0.0, 0.0, 1.0, -decay, 0.0]])
    changes = filtered(section, envelope - envelope[0], zero_phase=False)
    return changes + envelope[0] / (1 - decay)
