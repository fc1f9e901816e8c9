"""Common checks of arrays and numbers, and work memory, for all modules of signal."""

import threading
from collections.abc import Iterator
from math import prod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from seismo_pes.signal.errors import ParameterError

FloatArray = NDArray[Any]
ComplexArray = NDArray[Any]
KEPT_BYTES = 64_000_000  # largest work array that a thread keeps between calls


def as_float(x: ArrayLike, name: str = "x") -> FloatArray:
    """Return `x` unchanged if it is float32 or float64, else a copy as float64.

    Raises `ParameterError` for scalars and complex numbers: the last axis holds
    samples.
    """
    array = np.asarray(x)
    if array.ndim == 0:
        raise ParameterError(f"{name}: a scalar, but the last axis holds the samples")
    if np.iscomplexobj(array):
        raise ParameterError(f"{name}: complex, but real samples are needed")
    if array.dtype == np.float32 or array.dtype == np.float64:
        return array
    try:
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ParameterError(f"{name}: {array.dtype}, but numbers are needed") from None


def as_complex(spectrum: ComplexArray, name: str) -> ComplexArray:
    """Return `spectrum` as complex64 if it has single precision, else as complex128.

    Raises
    ------
    ParameterError
        If the spectrum is a scalar.
    """
    array = np.asarray(spectrum)
    if array.ndim == 0:
        raise ParameterError(f"{name}: a scalar, but the last axis holds the bins")
    if array.dtype == np.complex64 or array.dtype == np.complex128:
        return array
    return array.astype(np.complex64 if array.dtype == np.float32 else np.complex128)


def require_rate(rate_hz: float, name: str = "rate_hz") -> float:
    """Return `rate_hz` as a float, or raise unless it is positive and finite."""
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ParameterError(f"{name} must be a positive number of Hz, not {rate_hz}")
    return float(rate_hz)


def require_band(
    low_hz: float, high_hz: float, rate_hz: float, name: str = "band"
) -> None:
    """Raise unless 0 < low < high <= Nyquist."""
    if not 0 < low_hz < high_hz <= rate_hz / 2:
        raise ParameterError(
            f"{name} {low_hz:g} to {high_hz:g} Hz: needs 0 < low < high <= "
            f"{rate_hz / 2:g} Hz, the Nyquist frequency of {rate_hz:g} Hz data"
        )


def require_count(value: int, name: str, least: int = 0) -> int:
    """Return `value` as an int, or raise unless it is whole and at least `least`."""
    if value != int(value) or value < least:
        raise ParameterError(
            f"{name} must be a whole number of at least {least}, not {value}"
        )
    return int(value)


def scratch(name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
    """Return work memory of this thread, with undefined contents.

    The same memory is returned for the same name in the next call: page faults of new
    arrays of some megabytes take longer than the transforms that fill them. An array of
    more than `KEPT_BYTES` is not kept.
    """
    dtype = np.dtype(dtype)
    size = prod(shape) * dtype.itemsize
    memory = _memory.arrays.get(name)
    if memory is None or memory.size < size:
        memory = np.empty(size, dtype=np.uint8)
        if size <= KEPT_BYTES:
            _memory.arrays[name] = memory
    return memory[:size].view(dtype).reshape(shape)


def batches(start: int, stop: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (start, size) of consecutive batches."""
    for i in range(start, stop, max(1, size)):
        yield i, min(size, stop - i)


class _Memory(threading.local):
    def __init__(self) -> None:
        self.arrays: dict[str, NDArray[Any]] = {}


_memory = _Memory()
