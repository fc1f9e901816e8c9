"""Correlations of a tile window by window, if spectra of windows cannot be summed.

A phase cross-correlation of power one is not a product of spectra, and a non-linear
stack needs each window. Pairs are correlated one after another, so that memory stays
small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np
from scipy import fft

from dispel4py.errors import ParameterError, suggest
from seismo_pes.correlating.pairs.rotation import InstrumentPairs, rotate_tensors
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.tiles import Block
from seismo_pes.signal._lags import lag_range, lags_from_spectra
from seismo_pes.signal.coherency import phase_sums
from seismo_pes.signal.stack import analytic_phase
from seismo_pes.stacking.stacks import STACKS

__all__ = ["WindowStacks", "check_stack"]

_KEPT = 48  # channels whose prepared windows stay in memory for further pairs
_COLUMNS = 16  # second channels per step, fewer than _KEPT, so that their windows stay


def check_stack(kind: str) -> None:
    """Refuse a stack that does not exist.

    Raises
    ------
    ParameterError
        If there is no stack of this kind.
    """
    if kind not in STACKS:
        raise ParameterError(f"window_stack {kind!r}: {suggest(kind, list(STACKS))}")


class WindowStacks:
    """Correlates single windows of two blocks of a tile, and stacks them.

    Parameters
    ----------
    a, b : Block
        Spectra of the two blocks in one band, over the same windows.
    windows : slice
        The windows to stack.
    bins : slice
        The bins of the transform that the blocks have.
    settings : SpectraSettings
    kind, options : str and mapping
        Kind and options of the stack, see `seismo_pes.stacking.stacks.stack`.
    """

    def __init__(
        self,
        a: Block,
        b: Block,
        windows: slice,
        bins: slice,
        settings: SpectraSettings,
        kind: str,
        options: Mapping[str, Any],
    ) -> None:
        self._usable = a.usable[:, windows], b.usable[:, windows]
        self._settings, self._bins = settings, bins
        self._kind, self._options = kind, dict(options)
        index = np.arange(windows.start, windows.stop)
        self._a = _with_cache(lambda k: self._prepared(a.of_channel(k, index)))
        self._b = _with_cache(lambda k: self._prepared(b.of_channel(k, index)))

    def of_pairs(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        """Return the stacks of pairs of channels, shape (n, n_lags)."""
        out = np.empty((len(i), self._n_lags), self._settings.dtype)
        for row in np.lexsort((j, i, j // _COLUMNS)).tolist():
            first, second = int(i[row]), int(j[row])
            out[row] = self._stacked(self._correlated(first, second))
        return out

    def of_tensors(self, tensors: InstrumentPairs) -> np.ndarray:
        """Return the wanted stacks of windows that are rotated one by one."""
        rows = []
        for k in range(len(tensors)):
            needed, wanted = tensors.needed[k], tensors.wanted[k]
            shared = self._shared(int(tensors.a[k, 0]), int(tensors.b[k, 0]))
            components = np.zeros(
                (3, 3, shared.sum(), self._n_lags), self._settings.dtype
            )
            for p, q in np.argwhere(needed).tolist():
                first, second = int(tensors.a[k, p]), int(tensors.b[k, q])
                components[p, q] = self._correlated(first, second)
            matrices = tensors.matrices[k][None]
            rotated = rotate_tensors(components.reshape(1, 3, 3, -1), matrices).reshape(
                components.shape
            )
            rows += [
                self._stacked(rotated[p, q]) for p, q in np.argwhere(wanted).tolist()
            ]
        return np.array(rows).reshape(len(rows), self._n_lags)

    @property
    def _n_lags(self) -> int:
        return 2 * self._settings.max_lag + 1

    def _shared(self, i: int, j: int) -> np.ndarray:
        return np.asarray(self._usable[0][i] & self._usable[1][j])

    def _prepared(self, spectra: np.ndarray) -> np.ndarray:
        """Return the spectra, or for ``pcc1`` the phasors of their records."""
        settings = self._settings
        if settings.kind != "pcc1":
            return spectra
        full = np.zeros((len(spectra), settings.n_fft // 2 + 1), spectra.dtype)
        full[:, self._bins] = spectra[:, 0]
        records = fft.irfft(full, settings.n_fft)[:, : settings.n_samples]
        return analytic_phase(records)

    def _correlated(self, i: int, j: int) -> np.ndarray:
        """Return the correlations of the windows that two channels share."""
        settings, shared = self._settings, self._shared(i, j)
        a, b = self._a(i)[shared], self._b(j)[shared]
        if settings.kind == "pcc1":
            lags = lag_range(settings.max_lag)
            rows = [
                phase_sums(u, v, lags, 1.0, settings.dtype)
                for u, v in zip(a, b, strict=True)
            ]
            return np.array(rows)
        cross = (np.conj(a) * b).sum(axis=1)
        return lags_from_spectra(
            cross, settings.n_fft, self._bins, settings.max_lag, dtype=settings.dtype
        )

    def _stacked(self, rows: np.ndarray) -> np.ndarray:
        windows = Correlation.of("", "", rows, self._settings.rate_hz)
        try:
            return STACKS[self._kind](windows, rows, **self._options)
        except TypeError as error:
            raise ParameterError(f"window_stack {self._kind!r}: {error}") from None


def _with_cache(function: Callable[[int], np.ndarray]) -> Callable[[int], np.ndarray]:
    return lru_cache(maxsize=_KEPT)(function)
