"""The continuous wavelet transform of time-frequency misfits, and its transpose.

The wavelet is sampled in time, as in Kristekova et al. (2006): the values of the
transform are half a sample after those of the record, and a wavelet that is longer than
the record is cut.
"""

from __future__ import annotations

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray
from seismo_pes.signal.errors import ParameterError

__all__ = ["Wavelets", "wavelets"]

# Bytes of the transforms that are computed at once; they should fit in the caches of a
# core.
_CHUNK_BYTES = 1_000_000
# Spectra of wavelets that a process keeps: those of four bands of 10,000 samples at 100
# frequencies.
_KEPT_BYTES = 160_000_000


class Wavelets:
    """Morlet wavelets at some frequencies, for records of one length.

    Parameters
    ----------
    n
        Largest number of samples of a record.
    delta_s
        Sampling interval.
    frequency_hz
        Shape ``(n_frequencies,)``.
    w0
        Angular frequency of the mother wavelet: radians in one standard deviation of
        its envelope.
    """

    def __init__(
        self, n: int, delta_s: float, frequency_hz: FloatArray, w0: float
    ) -> None:
        self.n = n
        self.frequency_hz = frequency_hz
        self.n_fft = int(fft.next_fast_len(2 * n - 1))
        self._rows = max(1, _CHUNK_BYTES // (16 * self.n_fft))
        lag = np.arange(1 - n, n)
        self._spectra = np.zeros((frequency_hz.size, self.n_fft), dtype=complex)
        for k, f in enumerate(frequency_hz):
            scale = w0 / (2 * np.pi * f)
            u = (lag - 0.5) * (delta_s / scale)
            wave = np.zeros(self.n_fft, dtype=complex)
            envelope = np.exp(-0.5 * np.minimum(u**2, 1400.0))  # 1e-304: no underflow
            wave[lag] = np.pi**-0.25 * delta_s / np.sqrt(scale) * envelope
            wave[lag] *= np.exp(1j * w0 * u)
            self._spectra[k] = fft.fft(wave)

    @property
    def n_bytes(self) -> int:
        """Size of the spectra of the wavelets."""
        return self._spectra.nbytes

    def transform(self, x: FloatArray) -> ComplexArray:
        """Return the transform of a record.

        Parameters
        ----------
        x
            Shape ``(n,)``.

        Returns
        -------
        complex128, shape ``(n_frequencies, n)``.
        """
        spectrum = fft.fft(x, self.n_fft)
        out = np.empty((self.frequency_hz.size, x.size), dtype=complex)
        for rows in self._chunks():
            product = self._spectra[rows] * spectrum
            out[rows] = fft.ifft(product, axis=-1, overwrite_x=True)[:, : x.size]
        return out

    def transpose(self, weights: ComplexArray) -> FloatArray:
        """Return the derivative of a real number by the samples of the record.

        Parameters
        ----------
        weights
            Derivative G by the transform W, shape ``(n_frequencies, n)``: the number
            changes by the real part of the sum of conj(G) dW.

        Returns
        -------
        float64, shape ``(n,)``.
        """
        total = np.zeros(self.n_fft, dtype=complex)
        for rows in self._chunks():
            spectra = fft.fft(weights[rows], self.n_fft, axis=-1)
            total += np.einsum("ij,ij->j", spectra, np.conj(self._spectra[rows]))
        return np.asarray(fft.ifft(total).real[: weights.shape[1]])

    def _chunks(self) -> list[slice]:
        starts = range(0, self.frequency_hz.size, self._rows)
        return [slice(start, start + self._rows) for start in starts]


def wavelets(
    n: int,
    delta_s: float,
    low_hz: float,
    high_hz: float,
    n_frequencies: int,
    w0: float,
) -> Wavelets:
    """Return wavelets at equal steps of the logarithm of the frequency.

    The last ones are kept. They serve shorter records, too, so their length is rounded
    up: windows of many lengths share few tables.

    Parameters
    ----------
    n, delta_s
        Number of samples of a record, and their interval.
    low_hz, high_hz
        Lowest and highest frequency, both included.
    n_frequencies
        1 or more.
    w0
        See `Wavelets`.

    Raises
    ------
    ParameterError
        Unless 0 < low < high <= Nyquist.

    Examples
    --------
    >>> t = np.arange(1000) / 10
    >>> table = wavelets(1000, 0.1, 0.1, 1.0, 11, 6.0)
    >>> size = abs(table.transform(np.cos(2 * np.pi * 0.5 * t)))[:, 500]
    >>> round(float(table.frequency_hz[size.argmax()]), 3)
    0.501
    """
    if not 0 < low_hz < high_hz <= 0.5 / delta_s * (1 + 1e-9):
        raise ParameterError(
            f"low_hz {low_hz:g} to high_hz {high_hz:g}: needs 0 < low < high <= "
            f"{0.5 / delta_s:g} Hz, the Nyquist frequency"
        )
    step = max(64, 2 ** (n.bit_length() - 4))
    longer = -(-n // step) * step
    key = (longer, delta_s, low_hz, high_hz, n_frequencies, w0)
    table = _kept.pop(key, None)
    if table is None:
        frequency_hz = np.logspace(np.log10(low_hz), np.log10(high_hz), n_frequencies)
        table = Wavelets(longer, delta_s, frequency_hz, w0)
    _kept[key] = table
    while sum(kept.n_bytes for kept in list(_kept.values())) > _KEPT_BYTES:
        _kept.pop(next(iter(_kept)), None)
    return table


_kept: dict[tuple[float, ...], Wavelets] = {}
