"""Fourier transforms: those of `scipy.fft`, by its kernel alone.

To import `scipy.fft` takes as long as to transform a day of samples forty times, for it
loads special functions and more. Where scipy's kernel is not as it was, all goes the
usual way.
"""

from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal._compiled import compiled

__all__ = ["fft", "ifft", "irfft", "next_fast_len", "rfft"]

Array = NDArray[Any]
_UNSCALED, _BY_LENGTH = 0, 2  # how the kernel normalises


def _kernel() -> ModuleType | None:
    """Return the kernel if it does what is expected of it."""
    try:
        found: ModuleType = compiled("fft._pocketfft.pypocketfft")
        ones = np.ones(4, np.float32)
        spectrum = found.r2c(ones, (0,), True, _UNSCALED, None, 1)
        back = found.c2r(spectrum, (0,), 4, False, _BY_LENGTH, None, 1)
        both = found.c2c(spectrum, (0,), False, _BY_LENGTH, None, 1)
        known = (back == ones).all() and both.dtype == spectrum.dtype
        return found if known and found.good_size(11, True) == 12 else None
    except Exception:  # noqa: BLE001 - of another version of scipy
        return None


_POCKET = _kernel()


def next_fast_len(length: int, real: bool = False) -> int:
    """Return the next length for which transforms are fast; see `scipy.fft`."""
    if _POCKET is None:
        return int(_usual().next_fast_len(length, real))
    return int(_POCKET.good_size(length, real))


def rfft(x: ArrayLike, n: int | None = None, axis: int = -1, workers: int = 1) -> Array:
    """Transform real records of length n, cut or filled up; see `scipy.fft.rfft`.

    Examples
    --------
    >>> rfft([1.0, 2.0, 3.0, 4.0]).tolist()
    [(10+0j), (-2+2j), (-2+0j)]
    """
    if _POCKET is None:
        return np.asarray(_usual().rfft(x, n, axis, workers=workers))
    records = _of_length(_native(x), n, axis)
    if records.dtype.kind == "c":
        raise TypeError("x must be real")
    return np.asarray(_POCKET.r2c(records, (axis,), True, _UNSCALED, None, workers))


def irfft(x: ArrayLike, n: int | None = None, axis: int = -1) -> Array:
    """Transform spectra of real records back; see `scipy.fft.irfft`."""
    if _POCKET is None:
        return np.asarray(_usual().irfft(x, n, axis))
    spectra = _native(x)
    if spectra.dtype.kind != "c":
        spectra = spectra + 0j
    length = 2 * (spectra.shape[axis] - 1) if n is None else n
    spectra = _of_length(spectra, length // 2 + 1, axis)
    back = _POCKET.c2r(spectra, (axis,), length, False, _BY_LENGTH, None, 1)
    return np.asarray(back)


def fft(x: ArrayLike, axis: int = -1, overwrite_x: bool = False) -> Array:
    """Transform complex records; see `scipy.fft.fft`."""
    return _both_ways(x, axis, overwrite_x, forward=True)


def ifft(x: ArrayLike, axis: int = -1, overwrite_x: bool = False) -> Array:
    """Transform spectra of complex records back; see `scipy.fft.ifft`."""
    return _both_ways(x, axis, overwrite_x, forward=False)


def _both_ways(x: ArrayLike, axis: int, overwrite_x: bool, forward: bool) -> Array:
    if _POCKET is None:
        transform = _usual().fft if forward else _usual().ifft
        return np.asarray(transform(x, axis=axis, overwrite_x=overwrite_x))
    records = _native(x)
    out = records if overwrite_x and records.dtype.kind == "c" else None
    scale = _UNSCALED if forward else _BY_LENGTH
    return np.asarray(_POCKET.c2c(records, (axis,), forward, scale, out, 1))


def _usual() -> Any:
    import scipy.fft

    return scipy.fft


def _native(x: ArrayLike) -> Array:
    """Return numbers as the kernel takes them: real or complex, floating."""
    x = np.asarray(x)
    if x.dtype.kind not in "fc":
        return x.astype(np.float64)
    wide = np.float32 if x.dtype == np.float16 else x.dtype.newbyteorder("=")
    return np.require(x, wide, ["ALIGNED"])


def _of_length(x: Array, n: int | None, axis: int) -> Array:
    """Cut an axis, or fill it up with zeros."""
    if n is None or n == x.shape[axis]:
        return x
    x = np.moveaxis(x, axis, -1)
    if n < x.shape[-1]:
        return np.moveaxis(x[..., :n], -1, axis)
    made = np.empty((*x.shape[:-1], n), x.dtype)
    made[..., : x.shape[-1]] = x
    made[..., x.shape[-1] :] = 0
    return np.moveaxis(made, -1, axis)
