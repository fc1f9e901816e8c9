"""Values of correlations between their samples, and errors of fits to them."""

from __future__ import annotations

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import FloatArray

__all__ = ["Rows", "filter_error", "n_independent"]

#: The data are interpolated between samples at this multiple of their rate.
FINE = 4


class Rows:
    """Rows of a correlation, evaluated between their samples."""

    def __init__(self, data: FloatArray) -> None:
        self.n = data.shape[-1]
        pad = min(self.n, 64)  # between the last sample and the first
        n_fft = fft.next_fast_len(self.n + pad, real=True)
        n_fft += n_fft % 2
        spectrum = fft.rfft(data, n_fft, axis=-1)
        self._fine = fft.irfft(spectrum, FINE * n_fft, axis=-1) * FINE
        turn = 2j * np.pi / n_fft * np.arange(spectrum.shape[-1])
        self._slope = fft.irfft(spectrum * turn, FINE * n_fft, axis=-1) * FINE

    def at(self, index: FloatArray) -> FloatArray:
        """Return values at fractional indices, shape ``(n_rows, m)``; 0 outside.

        The polynomial of third degree through four points.
        """
        return self._between(self._fine, index)

    def slope_at(self, index: FloatArray) -> FloatArray:
        """Return the derivatives at fractional indices, per sample; 0 outside."""
        return self._between(self._slope, index)

    def _between(self, fine: FloatArray, index: FloatArray) -> FloatArray:
        place = index * FINE
        base = np.floor(place).astype(np.int64)
        x = place - base
        weights = (
            -x * (x - 1) * (x - 2) / 6,
            (x + 1) * (x - 1) * (x - 2) / 2,
            -(x + 1) * x * (x - 2) / 2,
            (x + 1) * x * (x - 1) / 6,
        )
        last = fine.shape[-1] - 1
        values = np.zeros(index.shape)
        for k, weight in enumerate(weights):
            inside = np.clip(base + k - 1, 0, last)
            values += weight * np.take_along_axis(fine, inside, axis=-1)
        return np.where((index >= 0) & (index <= self.n - 1), values, 0.0)

    def product(self, centre: float, first: int, last: int) -> float:
        """Return the sum of the products of the first row on either side of a lag.

        The centre is a multiple of `1 / FINE`; the sum is over the distances from
        ``first`` to ``last``, samples, that are in the record on both sides.
        """
        place = round(centre * FINE)
        last = min(last, place // FINE, ((self.n - 1) * FINE - place) // FINE)
        if last < first:
            return 0.0
        values, near, far = self._fine[0], FINE * first, FINE * last
        later = values[place + near : place + far + 1 : FINE]
        earlier = values[place - far : place - near + 1 : FINE]
        return float(later @ earlier[::-1])


def filter_error(filters: FloatArray, misfit: FloatArray, n_unknown: int) -> FloatArray:
    """Return the standard error of sums of samples, from the spectrum of the misfit.

    The misfit is taken as stationary noise: the variance of ``sum(filter * noise)`` is
    the integral of its power spectrum times that of the filter. The periodogram of the
    misfit is smoothed, and scaled for the part that the fit has removed.

    Parameters
    ----------
    filters, misfit
        Shape ``(n_rows, n)``.
    n_unknown
        Number of fitted parameters.

    Examples
    --------
    >>> noise = np.random.default_rng(1).standard_normal((1, 4000))
    >>> error = filter_error(np.full((1, 4000), 1 / 4000), noise, 1)
    >>> bool(0.8 < error[0] * np.sqrt(4000) < 1.2)
    True
    """
    from scipy.ndimage import uniform_filter1d

    n = misfit.shape[1]
    power = _periodogram(misfit)
    n_free = n_independent(misfit)
    width = max(int(np.median(n_free) * power.shape[1] / n) // 8, 5)
    power = uniform_filter1d(power, width, axis=1, mode="wrap")
    response = np.abs(fft.fft(filters, power.shape[1])) ** 2
    variance = (response * power).sum(axis=1) / power.shape[1]
    scale = n_free / np.maximum(n_free - n_unknown, 1)
    return np.asarray(np.sqrt(variance * scale))


def n_independent(x: FloatArray) -> FloatArray:
    """Return the number of independent values: twice bandwidth times duration.

    Parameters
    ----------
    x
        Rows of noise, shape ``(n_rows, n)``.

    Examples
    --------
    >>> noise = np.random.default_rng(1).standard_normal((1, 4000))
    >>> bool(0.9 < n_independent(noise)[0] / 4000 < 1.1)
    True
    """
    n, power = x.shape[1], _periodogram(x)
    square = np.maximum((power**2).sum(axis=1), 1e-300)
    # the values of a periodogram scatter about the spectrum, which doubles the square
    bins = 2 * power.sum(axis=1) ** 2 / square
    return np.asarray(np.clip(bins * n / power.shape[1], 1, n))


def _periodogram(x: FloatArray) -> FloatArray:
    n_fft = fft.next_fast_len(2 * x.shape[1], real=True)
    return np.asarray(np.abs(fft.fft(x, n_fft)) ** 2 / x.shape[1])
