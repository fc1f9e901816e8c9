"""Slepian tapers, and the transfer function of two windows that they estimate."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy import fft

from seismo_pes.signal._arrays import ComplexArray, FloatArray
from seismo_pes.signal.errors import ParameterError, Rejected

__all__ = ["Transfer", "slepian_tapers"]


@lru_cache(maxsize=128)
def slepian_tapers(n: int, nw: float, n_tapers: int) -> FloatArray:
    """Return discrete prolate spheroidal sequences of unit energy.

    The last 128 are kept.

    Parameters
    ----------
    n
        Number of samples, more than ``2 nw``.
    nw
        Time-bandwidth product: the tapers concentrate energy within ``nw / n`` of the
        sampling rate.
    n_tapers
        From 1 to ``2 nw``.

    Returns
    -------
    float64, shape ``(n_tapers, n)``, read-only.

    Raises
    ------
    ParameterError
        If `n_tapers` is not in this range.
    Rejected
        If `n` is too small.

    References
    ----------
    Slepian (1978), doi:10.1002/j.1538-7305.1978.tb02104.x.

    Examples
    --------
    >>> tapers = slepian_tapers(100, 4.0, 5)
    >>> bool(np.allclose(tapers @ tapers.T, np.eye(5)))
    True
    """
    from scipy.signal import windows  # slow to import, for some measures only

    if not 1 <= n_tapers <= 2 * nw:
        raise ParameterError(f"n_tapers must be from 1 to {2 * nw:g}, not {n_tapers}")
    if n <= 2 * nw:
        raise Rejected("window too short", {"n_samples": n})
    tapers = np.asarray(windows.dpss(n, nw, n_tapers))
    tapers.flags.writeable = False
    return tapers


@dataclass(frozen=True)
class Transfer:
    """Transfer function of two windows by multitapers, in a band of frequencies.

    Attributes
    ----------
    tapers
        Shape ``(n_tapers, n)``.
    n_fft
        Length of the transforms.
    bins
        Bins of the band, without those of frequency zero and Nyquist.
    first, second
        Spectra of the tapered windows in the band, shape ``(n_tapers, n_bins)``.
    """

    tapers: FloatArray
    n_fft: int
    bins: slice
    first: ComplexArray
    second: ComplexArray

    @cached_property
    def omega(self) -> FloatArray:
        """Angular frequencies, radians per sample, shape ``(n_bins,)``."""
        return 2 * np.pi / self.n_fft * np.arange(self.bins.start, self.bins.stop)

    @cached_property
    def cross(self) -> ComplexArray:
        """Cross-spectrum, the sum over the tapers, shape ``(n_bins,)``.

        Its imaginary part is exactly zero if the windows are equal.
        """
        a, b = self.first, self.second
        real = a.real * b.real + a.imag * b.imag
        imag = a.imag * b.real - a.real * b.imag
        return real.sum(axis=0) + 1j * imag.sum(axis=0)

    @cached_property
    def power(self) -> FloatArray:
        """Power of the second window, shape ``(n_bins,)``."""
        b = self.second
        return np.asarray((b.real * b.real + b.imag * b.imag).sum(axis=0))

    @cached_property
    def delay(self) -> FloatArray:
        """Samples by which the first window is later, shape ``(n_bins,)``.

        The phase is unwrapped from the bin with the most power.
        """
        phase = np.arctan2(self.cross.imag, self.cross.real)
        peak = int(self.power.argmax())
        followed = np.unwrap(phase)
        return (phase[peak] - followed[peak] + followed) / -self.omega

    @cached_property
    def log_amplitude(self) -> FloatArray:
        """ln of the ratio of the amplitudes, shape ``(n_bins,)``."""
        return np.log(np.abs(self.cross) / self.power)

    def delay_gradients(self, by_delay: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivative of a number by the windows from that by `delay`.

        Parameters
        ----------
        by_delay
            Shape ``(n_bins,)``.

        Returns
        -------
        By the first and by the second window, shape ``(n,)`` each.
        """
        by_phase = -1j * by_delay / -self.omega
        by_first = -by_phase * self.second / np.conj(self.cross)
        return self._by_samples(by_first), self._by_samples(
            by_phase * self.first / self.cross
        )

    def amplitude_gradients(
        self, by_amplitude: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Derivative of a number by the windows from that by `log_amplitude`.

        Parameters
        ----------
        by_amplitude
            Shape ``(n_bins,)``.

        Returns
        -------
        By the first and by the second window, shape ``(n,)`` each.
        """
        by_first = by_amplitude * self.second / np.conj(self.cross)
        by_second = by_amplitude * (
            self.first / self.cross - 2 * self.second / self.power
        )
        return self._by_samples(by_first), self._by_samples(by_second)

    def leave_one_out(self) -> tuple[FloatArray, FloatArray]:
        """Delays and logarithms of the amplitude, each without one of the tapers.

        Returns
        -------
        Shape ``(n_tapers, n_bins)`` each.
        """
        cross = self.cross - self.first * np.conj(self.second)
        power = self.power - np.abs(self.second) ** 2
        turned = np.angle(cross * np.conj(self.cross))
        return self.delay - turned / self.omega, np.log(np.abs(cross) / power)

    def _by_samples(self, by_spectra: ComplexArray) -> FloatArray:
        """Sum over tapers and bins: the transpose of taper and transform."""
        padded = np.zeros((len(by_spectra), self.n_fft // 2 + 1), dtype=complex)
        padded[:, self.bins] = by_spectra
        waves = fft.irfft(padded, self.n_fft, axis=-1)[:, : self.tapers.shape[1]]
        return np.einsum("ij,ij->j", self.tapers, waves) * (self.n_fft / 2)
