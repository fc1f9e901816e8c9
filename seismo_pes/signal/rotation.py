"""Rotation of three components to Z, N, E; of north and east to radial, transverse."""

import numpy as np
from numpy.typing import ArrayLike

from seismo_pes.signal._arrays import FloatArray, as_float
from seismo_pes.signal.errors import ParameterError


def directions(azimuth_deg: ArrayLike, dip_deg: ArrayLike) -> FloatArray:
    """Unit vectors (up, north, east) of components, float64.

    Parameters
    ----------
    azimuth_deg, dip_deg
        Shape ``(n,)``: degrees clockwise from north, and down from the horizontal, as
        in StationXML: a vertical component with positive values upward has a dip of
        -90.

    Returns
    -------
    Shape ``(n, 3)``.

    Raises
    ------
    ParameterError
        If the shapes differ or a number is not finite.

    Examples
    --------
    >>> directions([0.0, 90.0], [-90.0, 0.0]).round(12) + 0.0
    array([[1., 0., 0.],
           [0., 0., 1.]])
    """
    azimuth, dip = (np.asarray(x, dtype=np.float64) for x in (azimuth_deg, dip_deg))
    if azimuth.ndim != 1 or azimuth.shape != dip.shape:
        raise ParameterError(f"azimuths {azimuth.shape} do not fit dips {dip.shape}")
    if not (np.isfinite(azimuth).all() and np.isfinite(dip).all()):
        raise ParameterError("azimuth_deg and dip_deg must be finite")
    azimuth, dip = np.deg2rad(azimuth), np.deg2rad(dip)
    flat = np.cos(dip)
    return np.stack([-np.sin(dip), flat * np.cos(azimuth), flat * np.sin(azimuth)], -1)


def to_zne(x: ArrayLike, azimuth_deg: ArrayLike, dip_deg: ArrayLike) -> FloatArray:
    """Ground motion up, north and east from three components of known directions.

    Parameters
    ----------
    x
        Shape ``(..., 3, n)``. float32 stays float32.
    azimuth_deg, dip_deg
        Directions of the three components, see `directions`.

    Returns
    -------
    Shape ``(..., 3, n)``, components Z, N, E.

    Raises
    ------
    ParameterError
        If there are not three components, or they lie nearly in one plane.

    Examples
    --------
    >>> x = [[1.0], [2.0], [3.0]]  # up, and two horizontals turned by 90 degrees
    >>> (to_zne(x, [0, 90, 180], [-90, 0, 0]).round(12) + 0.0).tolist()
    [[1.0], [-3.0], [2.0]]
    """
    x = as_float(x)
    if x.ndim < 2 or x.shape[-2] != 3:
        raise ParameterError(f"x must be (..., 3, n), not of shape {x.shape}")
    axes = directions(azimuth_deg, dip_deg)
    if axes.shape != (3, 3) or abs(np.linalg.det(axes)) < 0.05:
        raise ParameterError(
            "the three components are nearly in one plane: Z, N, E are undefined"
        )
    return np.asarray(np.linalg.inv(axes).astype(x.dtype) @ x)


def to_rt(north: ArrayLike, east: ArrayLike, radial_deg: float) -> FloatArray:
    """Radial and transverse from north and east.

    Parameters
    ----------
    north, east
        Shape ``(..., n)``. float32 stays float32.
    radial_deg
        Direction of the radial, degrees clockwise from north: for a pair of stations
        the azimuth from the first to the second at the first, the back-azimuth plus 180
        at the second; for an earthquake the back-azimuth plus 180. The transverse is 90
        degrees clockwise from the radial, seen from above.

    Returns
    -------
    Shape ``(2, ..., n)``: radial, transverse.

    Raises
    ------
    ParameterError
        If the shapes differ or the direction is not finite.

    Examples
    --------
    >>> (to_rt([1.0], [0.0], 90.0).round(12) + 0.0).tolist()
    [[0.0], [-1.0]]
    """
    n, e = as_float(north, "north"), as_float(east, "east")
    if n.shape != e.shape:
        raise ParameterError(f"north {n.shape} does not fit east {e.shape}")
    if not np.isfinite(radial_deg):
        raise ParameterError(f"radial_deg must be finite, not {radial_deg}")
    cos, sin = np.cos(np.deg2rad(radial_deg)), np.sin(np.deg2rad(radial_deg))
    dtype = np.result_type(n, e)
    c, s = dtype.type(cos), dtype.type(sin)
    return np.stack([c * n + s * e, c * e - s * n])
