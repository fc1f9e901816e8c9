"""Amplitudes of records: the largest absolute value and the root mean square."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float, batches
from seismo_pes.signal.errors import ParameterError

#: Bytes of the rows of a batch: they stay in the cache of a core between the passes.
_BATCH_BYTES = 500_000
#: Samples of a sum in the precision of the record. More would be less exact, and BLAS
#: would use threads, whose number changes the last digits.
_SAMPLES = 4096


def peak_and_rms(x: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Largest absolute value and root mean square of each record.

    The samples are divided by the largest of them before they are squared, so very
    small and very large values lose nothing.

    Parameters
    ----------
    x
        Records, shape ``(..., n)``, with at least one sample.

    Returns
    -------
    Two arrays of the shape ``(...)``, float64; NaN for a record with NaN. The root mean
    square of float32 records is exact to about 1e-7.

    Raises
    ------
    ParameterError
        If the records are complex, or have no samples.

    Examples
    --------
    >>> peak_and_rms([[3.0, -4.0], [1.0, 1.0]])
    (array([4., 1.]), array([3.53553391, 1.        ]))
    """
    x = as_float(x)
    *shape, n = x.shape
    if not n:
        raise ParameterError("x: no samples")
    rows = x.reshape(-1, n)
    peaks, rms = np.empty(len(rows)), np.empty(len(rows))
    step = max(1, _BATCH_BYTES // max(1, n * x.itemsize))
    scaled = np.empty((min(step, len(rows)), n), x.dtype)
    least = np.finfo(x.dtype).tiny
    for i, k in batches(0, len(rows), step):
        batch = rows[i : i + k]
        largest = np.maximum(batch.max(axis=1), -batch.min(axis=1))
        unit = np.maximum(largest, least)
        with np.errstate(invalid="ignore"):  # infinite values
            np.multiply(batch, (1 / unit)[:, None], out=scaled[:k])
        total = np.zeros(k)
        for j, m in batches(0, n, _SAMPLES):
            part = scaled[:k, j : j + m]
            total += np.vecdot(part, part)
        peaks[i : i + k] = largest
        rms[i : i + k] = np.sqrt(total / n) * unit
    return peaks.reshape(shape), rms.reshape(shape)
