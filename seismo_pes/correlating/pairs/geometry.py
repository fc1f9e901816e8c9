"""Limits of distance and azimuth, tested for many pairs of places at once.

Chords through the Earth decide for most pairs, by a matrix product. Geodesics are
computed only for pairs that lie close to a limit.
"""

from __future__ import annotations

import numpy as np

from seismo_pes.metadata.geodesy import geodesic

__all__ = ["Reach"]

SEMI_MAJOR_KM = 6378.137
ECCENTRICITY_SQUARED = 0.00669437999014
# radii of curvature of the ellipsoid lie between these
LEAST_RADIUS_KM, LARGEST_RADIUS_KM = 6335.0, 6400.0
SLACK_KM = 0.001  # chords closer than this to a limit are decided by a geodesic
FAR_KM = 10_000.0  # chords above this need a geodesic for their azimuth
# up to FAR_KM the azimuths of chord and geodesic differ by less than this
SLACK = np.radians(0.2)
_ROWS = 32  # places per step: their arrays with a thousand places stay in cache


class Reach:
    """Limits of distance and azimuth for pairs of places.

    Parameters
    ----------
    places : numpy.ndarray
        Latitude and longitude in degrees, shape (n, 2); NaN where unknown.
    distance_km : (float, float), optional
        Shortest and longest distance.
    azimuth_deg : (float, float), optional
        Direction from either place to the other, clockwise from north, from the first
        angle to the second. Two stations at one place have no direction.

    Examples
    --------
    >>> reach = Reach(np.array([[0, 0], [0, 1], [3, 0]]), distance_km=(100, 200))
    >>> reach.within(np.array([0]), np.arange(3))
    array([[False,  True, False]])
    """

    def __init__(
        self,
        places: np.ndarray,
        distance_km: tuple[float, float] | None = None,
        azimuth_deg: tuple[float, float] | None = None,
    ) -> None:
        self._places = places
        self._distance_km, self._azimuth_deg = distance_km, azimuth_deg

    def subset(self, places: np.ndarray) -> Reach:
        """Return the same limits for a subset of the places, given by indices."""
        return Reach(self._places[places], self._distance_km, self._azimuth_deg)

    def within(
        self, i: np.ndarray, j: np.ndarray, wanted: np.ndarray | None = None
    ) -> np.ndarray:
        """Return which pairs are within the limits.

        Parameters
        ----------
        i, j : numpy.ndarray
            Indices of places, shapes (n,) and (m,).
        wanted : numpy.ndarray, optional
            Shape (n, m): pairs to test; other pairs count as outside the limits.

        Returns
        -------
        numpy.ndarray
            Shape (n, m), bool. Pairs with an unknown place count as outside the limits.
        """
        inside = np.ones((len(i), len(j)), bool) if wanted is None else wanted.copy()
        second = Frames(self._places[j])
        for row in range(0, len(i), _ROWS):
            rows = slice(row, row + _ROWS)
            inside[rows] = self._of_rows(i[rows], j, second, inside[rows])
        return inside

    def _of_rows(
        self, i: np.ndarray, j: np.ndarray, second: Frames, wanted: np.ndarray
    ) -> np.ndarray:
        first = Frames(self._places[i])
        squared = _squared_chords(first, second)
        inside = np.isfinite(squared) & wanted
        unsure = np.zeros_like(inside)
        if self._distance_km is not None:
            here, near = _chords_within(squared, *self._distance_km)
            unsure = near & inside
            inside &= here
        if self._azimuth_deg is not None:
            tested = inside | unsure
            here, near = self._directions(first, second, squared, tested)
            unsure[tested] = near | (here & unsure[tested])
            inside[tested] &= here
        rows, columns = np.nonzero(unsure)
        inside[rows, columns] = self._exactly(i[rows], j[columns])
        return inside

    def _directions(
        self, first: Frames, second: Frames, squared: np.ndarray, tested: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the pairs within the azimuths, and the uncertain pairs."""
        assert self._azimuth_deg is not None
        low, width = _sector(*self._azimuth_deg)
        middle, half = np.radians(low + width / 2), np.radians(width / 2)
        at_most = np.cos(half - SLACK) if half > SLACK else np.inf
        at_least = np.cos(half + SLACK) if half + SLACK < np.pi else -np.inf
        inside, outside = np.zeros_like(squared, bool), np.ones_like(squared, bool)
        towards = first.along(second, middle), second.along(first, middle).T
        for cosine in towards:
            inside |= cosine > at_most
            outside &= cosine < at_least
        clear = (squared > SLACK_KM**2) & (squared < FAR_KM**2)
        return (inside & clear)[tested], (~clear | ~(inside | outside))[tested]

    def _exactly(self, i: np.ndarray, j: np.ndarray) -> np.ndarray:
        distance_km, *azimuths = geodesic(*self._places[i].T, *self._places[j].T)
        inside = np.isfinite(distance_km)
        if self._distance_km is not None:
            low, high = self._distance_km
            inside &= (distance_km >= low) & (distance_km <= high)
        if self._azimuth_deg is not None:
            inside &= distance_km > 0
            low, width = _sector(*self._azimuth_deg)
            forward, backward = (np.remainder(x - low, 360) <= width for x in azimuths)
            inside &= forward | backward
        return inside


class Frames:
    """Places in space, in km, with their directions of east and north."""

    def __init__(self, places: np.ndarray) -> None:
        phi, lam = np.radians(places).T
        sin, cos = np.sin(phi), np.cos(phi)
        sin_lam, cos_lam = np.sin(lam), np.cos(lam)
        self.east = np.stack([-sin_lam, cos_lam, np.zeros_like(phi)], axis=1)
        self.north = np.stack([-sin * cos_lam, -sin * sin_lam, cos], axis=1)
        radius = SEMI_MAJOR_KM / np.sqrt(1 - ECCENTRICITY_SQUARED * sin**2)
        up = np.stack([cos * cos_lam, cos * sin_lam, sin], axis=1)
        self.point = up * radius[:, None] * [1, 1, 1 - ECCENTRICITY_SQUARED]

    def along(self, places: Frames, azimuth_rad: float) -> np.ndarray:
        """Return cosines of the angles between an azimuth and the chords to places.

        Shape (n, m): for each of these places and each of the other places.
        """
        east = self.east @ places.point.T  # a place is neither east nor west of itself
        north = self.north @ places.point.T
        north -= (self.north * self.point).sum(axis=1)[:, None]
        length = np.sqrt(east**2 + north**2)
        east *= np.sin(azimuth_rad)
        north *= np.cos(azimuth_rad)
        east += north
        return np.divide(east, length, out=east, where=length > 0)


def _sector(low_deg: float, high_deg: float) -> tuple[float, float]:
    """Return start and width of a sector, degrees.

    >>> _sector(350, 10), _sector(0, 360), _sector(-10, 10)
    ((350, 20), (0, 360), (350, 20))
    """
    low, high = (x % 360 if x != 360 else 360 for x in (low_deg, high_deg))
    return low, high - low if low <= high else high - low + 360


def _squared_chords(first: Frames, second: Frames) -> np.ndarray:
    squared = first.point @ (-2 * second.point.T)
    squared += (first.point**2).sum(axis=1)[:, None]
    squared += (second.point**2).sum(axis=1)
    return np.asarray(np.maximum(squared, 0, out=squared))


def _chords_within(
    squared: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the chords certainly within the distances, and the uncertain chords."""
    inside = squared > _chord_km(low, LARGEST_RADIUS_KM, SLACK_KM) ** 2
    inside &= squared < _chord_km(high, LEAST_RADIUS_KM, -SLACK_KM) ** 2
    outside = squared < _chord_km(low, LEAST_RADIUS_KM, -SLACK_KM) ** 2
    outside |= squared > _chord_km(high, LARGEST_RADIUS_KM, SLACK_KM) ** 2
    return inside, ~(inside | outside)


def _chord_km(distance_km: float, radius_km: float, slack_km: float) -> float:
    """Return the chord of an arc, at most the diameter, plus a slack.

    >>> round(_chord_km(100.0, 6400.0, 0.0), 3)
    99.999
    """
    half_angle = min(distance_km / (2 * radius_km), np.pi / 2)
    return max(float(2 * radius_km * np.sin(half_angle)) + slack_km, 0.0)
