"""Distances and azimuths on the WGS84 ellipsoid, for arrays of points."""

from __future__ import annotations

import numpy as np
from geographiclib.geodesic import Geodesic
from numpy.typing import ArrayLike

from dispel4py.errors import ParameterError

__all__ = ["geodesic"]

# The WGS84 ellipsoid.
SEMI_MAJOR_M = 6_378_137.0
FLATTENING = 1 / 298.257223563
SEMI_MINOR_M = SEMI_MAJOR_M * (1 - FLATTENING)
# Pairs that are computed at the same time: their arrays fit into the processor's cache.
BLOCK = 8192
MAX_ITERATIONS = 20  # a few suffice, except for points that are nearly antipodal
CONVERGED_RAD = 1e-14  # last change of longitude: less than 0.1 micrometres
# Angle from the antipode below which geographiclib is used: there the iteration is slow
# and small errors turn the azimuth.
NEAR_ANTIPODE_RAD = 0.05
COINCIDE_KM = 1e-9  # points closer than a micrometre are the same point
# Distance, azimuth and back-azimuth of such points, as a column.
COINCIDING = np.array([[0.0], [0.0], [180.0]])


def geodesic(
    lat1: ArrayLike, lon1: ArrayLike, lat2: ArrayLike, lon2: ArrayLike
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return distances, azimuths and back-azimuths of pairs of points.

    Vincenty's inverse formula (1975, doi:10.1179/sre.1975.23.176.88) is iterated for
    all pairs at the same time. Pairs that are nearly antipodal are computed by
    geographiclib.

    Parameters
    ----------
    lat1, lon1, lat2, lon2 : array_like
        Latitudes and longitudes in degrees north and east; broadcast against each
        other.

    Returns
    -------
    distance_km : numpy.ndarray
        Length of the geodesic; float64, in the broadcast shape.
    azimuth_deg : numpy.ndarray
        Direction at point 1 towards point 2, clockwise from north, in [0, 360).
    back_azimuth_deg : numpy.ndarray
        Direction at point 2 towards point 1, clockwise from north, in [0, 360).

    If the points coincide (within a micrometre), distance and azimuth are 0 and the
    back-azimuth is 180: the radial direction is north at both, as for a second point
    just north of the first. All three are NaN if a coordinate is NaN.

    Raises
    ------
    ParameterError
        If a latitude is outside -90 to 90 degrees.

    Examples
    --------
    >>> distance_km, azimuth_deg, back_azimuth_deg = geodesic(0.0, 0.0, 0.0, 1.0)
    >>> round(float(distance_km), 6), float(azimuth_deg), float(back_azimuth_deg)
    (111.319491, 90.0, 270.0)
    """
    points = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (lat1, lon1, lat2, lon2))
    )
    shape = points[0].shape
    if np.any(np.abs(points[0]) > 90) or np.any(np.abs(points[2]) > 90):
        raise ParameterError("a latitude is outside -90 to 90 degrees")
    flat = [x.ravel() for x in points]
    result = np.empty((3, flat[0].size))
    for start in range(0, flat[0].size, BLOCK):
        block = slice(start, start + BLOCK)
        result[:, block] = _inverse(*(x[block] for x in flat))
    return result[0].reshape(shape), result[1].reshape(shape), result[2].reshape(shape)


def _inverse(
    lat1: np.ndarray, lon1: np.ndarray, lat2: np.ndarray, lon2: np.ndarray
) -> np.ndarray:
    sin1, cos1 = _reduced_latitude(lat1)
    sin2, cos2 = _reduced_latitude(lat2)
    longitude = np.radians(np.remainder(lon2 - lon1 + 180.0, 360.0) - 180.0)
    lam = longitude.copy()
    for _ in range(MAX_ITERATIONS):
        sin_lam, cos_lam = np.sin(lam), np.cos(lam)
        east = cos2 * sin_lam
        north = cos1 * sin2 - sin1 * cos2 * cos_lam
        sin_sigma = np.hypot(east, north)
        cos_sigma = sin1 * sin2 + cos1 * cos2 * cos_lam
        sigma = np.arctan2(sin_sigma, cos_sigma)
        sin_alpha = _ratio(cos1 * east, sin_sigma)
        cos2_alpha = 1 - sin_alpha**2
        cos_2m = cos_sigma - _ratio(2 * sin1 * sin2, cos2_alpha)
        c = FLATTENING / 16 * cos2_alpha * (4 + FLATTENING * (4 - 3 * cos2_alpha))
        step = sigma + c * sin_sigma * (cos_2m + c * cos_sigma * (2 * cos_2m**2 - 1))
        previous = lam
        lam = longitude + (1 - c) * FLATTENING * sin_alpha * step
        unfinished = np.abs(lam - previous) > CONVERGED_RAD
        if not unfinished.any():
            break
    distance_m = _arc_length(sigma, sin_sigma, cos_sigma, cos_2m, cos2_alpha)
    azimuth = np.arctan2(east, north)
    back = np.arctan2(-cos1 * sin_lam, cos2 * sin1 - sin2 * cos1 * cos_lam)
    result = np.array([distance_m / 1000, _compass(azimuth), _compass(back)])
    for i in np.flatnonzero(unfinished | (sigma > np.pi - NEAR_ANTIPODE_RAD)):
        result[:, i] = _exact(lat1[i], lon1[i], lat2[i], lon2[i])
    result[:, result[0] < COINCIDE_KM] = COINCIDING
    return result


def _reduced_latitude(latitude: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    phi = np.radians(latitude)
    sin, cos = (1 - FLATTENING) * np.sin(phi), np.cos(phi)
    radius = np.hypot(sin, cos)
    return sin / radius, cos / radius


def _ratio(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Divide; 0 where the divisor is 0 (points that coincide, or on the equator)."""
    return np.divide(a, b, out=np.zeros_like(a), where=b > 1e-30)


def _arc_length(
    sigma: np.ndarray,
    sin_sigma: np.ndarray,
    cos_sigma: np.ndarray,
    cos_2m: np.ndarray,
    cos2_alpha: np.ndarray,
) -> np.ndarray:
    u2 = cos2_alpha * ((SEMI_MAJOR_M / SEMI_MINOR_M) ** 2 - 1)
    a = 1 + u2 / 16384 * (4096 + u2 * (-768 + u2 * (320 - 175 * u2)))
    b = u2 / 1024 * (256 + u2 * (-128 + u2 * (74 - 47 * u2)))
    third = b / 6 * cos_2m * (4 * sin_sigma**2 - 3) * (4 * cos_2m**2 - 3)
    delta = b * sin_sigma * (cos_2m + b / 4 * (cos_sigma * (2 * cos_2m**2 - 1) - third))
    return SEMI_MINOR_M * a * (sigma - delta)


def _compass(angle_rad: np.ndarray) -> np.ndarray:
    degrees = np.remainder(np.degrees(angle_rad), 360.0)
    return np.where(degrees >= 360.0, 0.0, degrees)


def _exact(lat1: float, lon1: float, lat2: float, lon2: float) -> list[float]:
    line = Geodesic.WGS84.Inverse(lat1, lon1, lat2, lon2)
    degrees = [line["azi1"] % 360.0, (line["azi2"] + 180.0) % 360.0]
    return [line["s12"] / 1000, *degrees]
