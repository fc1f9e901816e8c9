"""Weights of stations that are not evenly distributed around an event."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dispel4py.errors import ParameterError
from seismo_pes.metadata.geodesy import geodesic

__all__ = ["azimuth_weights", "density_weights"]

# The default reference distance, as a part of the largest distance of two stations.
APERTURE_PART = 0.1


def density_weights(
    latitude: ArrayLike, longitude: ArrayLike, reference_km: float | None = None
) -> np.ndarray:
    """Return weights that decrease with the number of stations nearby.

    w_i = 1 / sum_j exp(-(D_ij / D_0)^2), where D_ij is the distance of two stations and
    j = i belongs to the sum (Ruan et al. 2019, doi:10.1093/gji/ggz356); then they are
    divided by their mean.

    Parameters
    ----------
    latitude, longitude : array_like
        Degrees, shape ``(n,)``.
    reference_km : float, optional
        D_0: stations much closer than this share their weight; by default a tenth of
        the largest distance of two stations.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, with the mean 1.

    Raises
    ------
    ParameterError
        If the reference distance is not above 0.

    Examples
    --------
    >>> weights = density_weights([0, 0, 50], [0, 0, 0], reference_km=100)
    >>> weights.round(3).tolist()
    [0.75, 0.75, 1.5]
    """
    latitude, longitude = (np.asarray(x, float) for x in (latitude, longitude))
    if reference_km is not None and not reference_km > 0:
        raise ParameterError(f"reference_km must be above 0, not {reference_km}")
    if latitude.size == 0:
        return np.zeros(0)
    distance_km, _, _ = geodesic(
        latitude[:, None], longitude[:, None], latitude, longitude
    )
    if reference_km is None:
        reference_km = float(distance_km.max()) * APERTURE_PART or 1.0
    weights = 1 / np.exp(-((distance_km / reference_km) ** 2)).sum(axis=1)
    return np.asarray(weights / weights.mean())


def azimuth_weights(azimuth_deg: ArrayLike, n_sectors: int = 12) -> np.ndarray:
    """Return weights with the same sum in each sector of azimuths that has stations.

    Parameters
    ----------
    azimuth_deg : array_like
        Azimuths at the event, shape ``(n,)``.
    n_sectors : int
        Number of sectors; the first one begins in the north.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``, with the mean 1.

    Raises
    ------
    ParameterError
        If there is no sector.

    Examples
    --------
    >>> azimuth_weights([10, 20, 100], n_sectors=4).tolist()
    [0.75, 0.75, 1.5]
    """
    if n_sectors < 1:
        raise ParameterError(f"n_sectors must be 1 or more, not {n_sectors}")
    azimuth = np.asarray(azimuth_deg, float) % 360.0
    sector = np.floor(azimuth / (360.0 / n_sectors)).astype(int) % n_sectors
    if sector.size == 0:
        return np.zeros(0)
    weights = 1 / np.bincount(sector, minlength=n_sectors)[sector]
    return np.asarray(weights / weights.mean())
