"""The image of frequency-time analysis: envelopes over period and group velocity."""

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float, require_rate
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.ftan import gaussian_filters


def ftan_image(
    x: ArrayLike,
    rate_hz: float,
    distance_km: float,
    period_s: ArrayLike,
    velocity_km_s: ArrayLike,
    alpha: float | None = None,
) -> FloatArray:
    """Envelopes of the filtered records that `ftan.ftan` picks on.

    Parameters
    ----------
    x
        Record from lag (or time) zero, shape ``(n,)``.
    rate_hz, distance_km, period_s, alpha
        See `ftan.ftan`.
    velocity_km_s
        Group velocities, shape ``(n_velocities,)``.

    Returns
    -------
    Shape ``(n_periods, n_velocities)``; NaN where the record has ended.

    Raises
    ------
    ParameterError
        If distance, periods or velocities are not positive.

    Examples
    --------
    >>> import numpy as np
    >>> t = np.arange(2000) / 10
    >>> x = np.cos(2 * np.pi * (t - 100) / 5) * np.exp(-(((t - 100) / 8) ** 2))
    >>> velocity = np.arange(2.0, 5.0, 0.5)
    >>> image = ftan_image(x, 10.0, 300.0, [5.0], velocity)
    >>> float(velocity[np.argmax(image[0])])
    3.0
    """
    x = as_float(x).astype(np.float64)
    rate_hz = require_rate(rate_hz)
    periods = np.atleast_1d(np.asarray(period_s, dtype=np.float64))
    velocities = np.atleast_1d(np.asarray(velocity_km_s, dtype=np.float64))
    positive = distance_km > 0 and (periods > 0).all() and (velocities > 0).all()
    if x.ndim != 1 or not x.size or not positive:
        raise ParameterError(
            "ftan_image needs one record that is not empty, and positive distance, "
            "periods and velocities"
        )
    if alpha is None:
        alpha = max(5.0, 20 * np.sqrt(distance_km / 1000))
    envelope = np.abs(gaussian_filters(x, rate_hz, 1 / periods, alpha))
    at = distance_km / velocities * rate_hz
    samples = np.arange(len(x))
    rows = [np.interp(at, samples, row, right=np.nan) for row in envelope]
    return np.array(rows)
