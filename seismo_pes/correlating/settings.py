"""How windows become spectra: the settings that all channels of a run share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.methods import CORRELATIONS, WHITENINGS
from seismo_pes.signal.spectra import fft_length
from seismo_pes.signal.whiten import band_weights
from seismo_pes.signal.window import WindowGrid, n_lags

__all__ = ["Band", "SpectraSettings"]

LONGEST_BAND_NAME = 16  # a name of a stack holds a time to the second and a band

Band = tuple[float, float]


@dataclass(frozen=True)
class SpectraSettings:
    """How windows become spectra, equal for all channels of a run.

    Parameters
    ----------
    grid : WindowGrid
        The windows, on absolute time.
    rate_hz : float
        Sampling rate of the traces.
    max_lag_s : float
        Longest lag that will be correlated: spectra are padded for it.
    window_detrend : str
        ``none``, ``demean`` or ``linear``.
    whiten_hz : (float, float), optional
        Band to whiten; the same as one band in ``bands_hz``.
    unit_energy : bool, optional
        Divide each window by the root of its energy, in each band. Only ``kind`` ``cc``
        allows it, and does it by default.
    dtype : str
        ``float32`` or ``float64``.
    bands_hz : tuple of (float, float)
        Pass-bands: a window's spectrum is made once, and correlated in each of them.
        Their edges are those of `seismo_pes.signal.whiten.band_weights`; the filter is
        zero-phase. None: all frequencies.
    whiten : str, optional
        ``none``; ``band``: divide by the amplitude itself; ``running-mean``: by its
        running mean over frequency; ``psd``: by the root of the power, mean over the
        windows of the period and smoothed over frequency. All but ``none`` need a
        band. By default ``band`` if there is a ``whiten_hz``.
    whiten_smooth_hz : float
        Half width in Hz of the smoothing of ``psd`` and ``running-mean``; at least
        one bin.
    edge_octaves : float
        Width of the edges of the bands in octaves.
    kind : str
        ``cc``, ``coherency``, ``deconvolution``, ``pcc1`` or ``pcc2``: what the
        spectra are for.
    water_level : float
        Water level of the deconvolution, as a fraction of the mean power of each
        window.
    smooth_hz : float
        Half width in Hz over which coherency and deconvolution smooth their divisor.
    coherent : bool
        The components of an instrument are divided by one amplitude and one energy,
        the root mean squares over them, and windows are used where all have them:
        then correlations of rotated components are the rotated correlations.

    content_hz : (float, float), optional
        Lowest and highest frequency that preprocessing leaves in the traces, such
        as the outer corners of a pre-filter. Spectra are zero outside. None: all
        frequencies.

    Raises
    ------
    ParameterError
        If a word is unknown, or options contradict each other.

    Examples
    --------
    >>> grid = WindowGrid(0, 60 * 10**9, 60 * 10**9)
    >>> two = SpectraSettings(grid, 20.0, 5.0, bands_hz=((0.5, 1.0), (2.0, 4.0)))
    >>> two.band_names, two.bins, two.band(1)[0]
    (('0.5-1Hz', '2-4Hz'), slice(27, 341, None), slice(81, 314, None))
    """

    grid: WindowGrid
    rate_hz: float
    max_lag_s: float
    window_detrend: str = "demean"
    whiten_hz: Band | None = None
    unit_energy: bool | None = None
    dtype: str = "float32"
    bands_hz: tuple[Band, ...] = ()
    whiten: str | None = None
    whiten_smooth_hz: float = 0.01
    edge_octaves: float = 1 / 3
    kind: str = "cc"
    water_level: float = 0.01
    smooth_hz: float = 0.0
    coherent: bool = False
    content_hz: Band | None = None

    def __post_init__(self) -> None:
        bands = tuple((float(low), float(high)) for low, high in self.bands_hz)
        fixed = {
            "bands_hz": bands,
            "whiten_hz": self.whiten_hz and (self.whiten_hz[0], self.whiten_hz[1]),
            "whiten": self.whiten or ("band" if self.whiten_hz else "none"),
            "unit_energy": (
                self.kind == "cc" if self.unit_energy is None else self.unit_energy
            ),
        }
        for name, value in fixed.items():
            object.__setattr__(self, name, value)
        _check_words(self)
        _check_bands(self)
        _check_kind(self)

    # -- time ----------------------------------------------------------------------

    @cached_property
    def max_lag(self) -> int:
        """Longest lag in samples."""
        return n_lags(self.max_lag_s, self.rate_hz)

    @cached_property
    def n_samples(self) -> int:
        """Samples of a window."""
        return self.grid.n_samples(self.rate_hz)

    @cached_property
    def n_fft(self) -> int:
        """Length of the transforms."""
        return fft_length(self.n_samples, self.max_lag)

    # -- frequency -----------------------------------------------------------------

    def content_of(self, recorded_hz: float | None) -> Band | None:
        """Return the frequencies that a record has at the sampling rate of the run.

        Parameters
        ----------
        recorded_hz : float or None
            Sampling rate of the record. None: unknown.

        Returns
        -------
        (float, float) or None
            None: all from 0 to the Nyquist frequency of the run.
        """
        if recorded_hz is None or recorded_hz >= self.rate_hz * (1 - 1e-6):
            return self.content_hz
        low_hz, high_hz = self.content_hz or (0.0, math.inf)
        return low_hz, min(high_hz, recorded_hz / 2)

    def bands_outside(self, content_hz: Band | None) -> list[int]:
        """Return the numbers of the bands that do not lie within the content.

        Parameters
        ----------
        content_hz : (float, float) or None
            The frequencies of a record, as `content_of` returns them.
        """
        if content_hz is None:
            return []
        low_hz, high_hz = content_hz
        bands = self.bands_hz or ((self.whiten_hz,) if self.whiten_hz else ())
        return [
            k for k, (low, high) in enumerate(bands) if low < low_hz or high >= high_hz
        ]

    @cached_property
    def bins(self) -> slice:
        """The stored bins: from the lowest to the highest bin of all bands.

        All bins if there is no band, and for ``pcc1`` and ``pcc2``, whose records are
        made of the whole spectrum.
        """
        if self.kind.startswith("pcc"):
            return slice(0, self.n_fft // 2 + 1)
        return self.band_bins

    @cached_property
    def band_bins(self) -> slice:
        """From the lowest to the highest bin of all bands; all if there is none."""
        bands = self._bands()
        if not bands:
            return slice(0, self.n_fft // 2 + 1)
        return slice(min(b.start for b, _ in bands), max(b.stop for b, _ in bands))

    @property
    def n_bands(self) -> int:
        """Number of bands; 0 if all frequencies are used without a band."""
        return len(self.bands_hz)

    @property
    def has_band(self) -> bool:
        """Whether there is a band, in ``bands_hz`` or ``whiten_hz``."""
        return bool(self.bands_hz or self.whiten_hz)

    @property
    def band_names(self) -> tuple[str, ...]:
        """Names of the bands, as in ``"0.1-0.5Hz"``."""
        return tuple(f"{low:g}-{high:g}Hz" for low, high in self.bands_hz)

    @property
    def rows_per_window(self) -> int:
        """Spectra of each window: two for ``pcc2``, cosine and sine of the phase."""
        return 2 if self.kind == "pcc2" else 1

    def band(self, k: int) -> tuple[slice, np.ndarray]:
        """Return the bins of band ``k``, and its weights.

        Parameters
        ----------
        k : int
            Index into ``bands_hz``; 0 is also the band of ``whiten_hz``.

        Returns
        -------
        where : slice
            Range of the last axis of `Spectra.data`.
        weights : numpy.ndarray
            Shape (n,), real, read-only. `Spectra.data` include them if there is only
            one band.
        """
        bins, weights = self._bands()[k]
        first = self.bins.start
        return slice(bins.start - first, bins.stop - first), weights

    @property
    def whiten_smooth_bins(self) -> int:
        """Half width of the smoothing of whitening, in bins."""
        return max(1, round(self.whiten_smooth_hz * self.n_fft / self.rate_hz))

    @property
    def smooth_bins(self) -> int:
        """Half width of the smoothing of coherency and deconvolution, in bins."""
        return round(self.smooth_hz * self.n_fft / self.rate_hz)

    def _bands(self) -> tuple[tuple[slice, np.ndarray], ...]:
        bands = self.bands_hz or ((self.whiten_hz,) if self.whiten_hz else ())
        return _layout(self.n_fft, self.rate_hz, bands, self.edge_octaves, self.dtype)


@lru_cache(maxsize=16)
def _layout(
    n_fft: int,
    rate_hz: float,
    bands_hz: tuple[Band, ...],
    edge_octaves: float,
    dtype: str,
) -> tuple[tuple[slice, np.ndarray], ...]:
    """Return the bins of each band, and its weights in them."""
    bands = []
    for low_hz, high_hz in bands_hz:
        weights, bins = band_weights(
            n_fft, rate_hz, low_hz, high_hz, edge_octaves, np.dtype(dtype)
        )
        inside = weights[bins].copy()
        inside.flags.writeable = False
        bands.append((bins, inside))
    return tuple(bands)


def _check_words(settings: SpectraSettings) -> None:
    for name, value, known in (
        ("whiten", settings.whiten, WHITENINGS),
        ("kind", settings.kind, CORRELATIONS),
        ("dtype", settings.dtype, ("float32", "float64")),
    ):
        if value not in known:
            raise ParameterError(f"{name} {value!r}: one of {', '.join(known)}")
    for name in ("whiten_smooth_hz", "smooth_hz"):
        value = getattr(settings, name)
        if not (np.isfinite(value) and value >= 0):
            raise ParameterError(f"{name} must be at least 0 Hz, not {value}")
    if not (np.isfinite(settings.water_level) and settings.water_level > 0):
        raise ParameterError(f"water_level {settings.water_level}: must be positive")


def _check_bands(settings: SpectraSettings) -> None:
    if settings.bands_hz and settings.whiten_hz:
        raise ParameterError(
            "whiten_hz and bands_hz: give one of them; each band is whitened"
        )
    if settings.whiten_hz and settings.whiten == "none":
        raise ParameterError("whiten_hz has no effect with whiten 'none'")
    if settings.whiten != "none" and not (settings.bands_hz or settings.whiten_hz):
        raise ParameterError(f"whiten {settings.whiten!r} needs whiten_hz or bands_hz")
    names = settings.band_names
    for k, name in enumerate(names):
        if name in names[:k]:
            raise ParameterError(f"bands_hz: two bands are called {name}")
        if len(names) > 1 and len(name) > LONGEST_BAND_NAME:
            raise ParameterError(
                f"bands_hz: the name {name} is longer than {LONGEST_BAND_NAME} "
                "characters; give frequencies with fewer digits"
            )


def _check_kind(settings: SpectraSettings) -> None:
    kind = settings.kind
    if settings.unit_energy and kind != "cc":
        raise ParameterError(f"unit_energy needs kind 'cc', not {kind!r}")
    if settings.whiten != "none" and kind in ("coherency", "deconvolution"):
        raise ParameterError(
            f"kind {kind!r} divides by the amplitude itself: use whiten 'none' and "
            "give the band by bands_hz"
        )
    if kind == "pcc2" and len(settings.bands_hz) > 1:
        raise ParameterError(
            "kind 'pcc2' takes one band: each band has its own phases; make one run "
            "for each band"
        )
    if settings.coherent and kind not in ("cc", "coherency"):
        raise ParameterError(
            f"kind {kind!r} cannot be rotated: it is not linear in the components; "
            "rotate the traces before, or use kind 'cc'"
        )
