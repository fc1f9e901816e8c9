"""Components in wanted directions, as sums of components in other directions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from seismo_pes.signal.rotation import directions

__all__ = ["Combination", "combinations", "nominal", "remark_on_letter"]

# Largest part of a wanted direction that the components may miss: 1 degree.
MISSED = np.sin(np.radians(1.0))
# Components that are nearly in one plane would be multiplied by more.
LARGEST_WEIGHT = 10.0
UNUSED = 1e-9
# Angle between a channel and the line that its letter stands for, above which the
# letter or the metadata may be wrong: it is nearer to another line.
LARGEST_ANGLE_DEG = 45.0


@dataclass(frozen=True)
class Combination:
    """The weights of components whose sum has a wanted direction.

    Attributes
    ----------
    weights : dict of int to float
        By the number of the component; those that are not needed are absent.
    reason : str
        Why there is none; "" if there is one.
    """

    weights: dict[int, float]
    reason: str = ""


def nominal(letter: str, back_azimuth_deg: float) -> tuple[float, float] | None:
    """Return azimuth and dip of the direction that a letter stands for.

    Parameters
    ----------
    letter : str
        Z, N, E, R or T; R points away from the event, T is 90 degrees clockwise of it.
        X and Y of a solver with Cartesian axes are east and north.
    back_azimuth_deg : float

    Examples
    --------
    >>> nominal("R", 200.0), nominal("1", 200.0)
    ((20.0, 0.0), None)
    """
    radial = (back_azimuth_deg + 180.0) % 360.0
    table = {
        "Z": (0.0, -90.0),
        "N": (0.0, 0.0),
        "E": (90.0, 0.0),
        "X": (90.0, 0.0),
        "Y": (0.0, 0.0),
        "R": (radial, 0.0),
        "T": ((radial + 90.0) % 360.0, 0.0),
    }
    return table.get(letter)


def combinations(
    given: Sequence[tuple[float, float]], wanted: Sequence[tuple[float, float]]
) -> list[Combination]:
    """Return how components with given directions give those in wanted directions.

    Parameters
    ----------
    given, wanted : sequence of (float, float)
        Azimuths and dips in degrees, as in StationXML.

    Examples
    --------
    >>> north_east = combinations([(0, 0), (90, 0)], [(45, 0), (0, -90)])
    >>> {k: round(w, 3) for k, w in north_east[0].weights.items()}
    {0: 0.707, 1: 0.707}
    >>> north_east[1].reason
    'the components have no motion in this direction'
    """
    if not given:
        return [Combination({}, "no component") for _ in wanted]
    axes = directions(*np.array(given, dtype=float).T)
    targets = directions(*np.array(wanted, dtype=float).T)
    results = []
    for target in targets:
        weights, *_ = np.linalg.lstsq(axes.T, target, rcond=1e-3)
        if np.linalg.norm(axes.T @ weights - target) > MISSED:
            reason = "the components have no motion in this direction"
            results.append(Combination({}, reason))
        elif np.abs(weights).max() > LARGEST_WEIGHT:
            reason = "the components are nearly in one plane"
            results.append(Combination({}, reason))
        else:
            used = np.flatnonzero(np.abs(weights) > UNUSED)
            results.append(Combination({int(k): float(weights[k]) for k in used}))
    return results


def remark_on_letter(letter: str, direction: tuple[float, float]) -> str:
    """Return a remark on a channel whose letter and metadata disagree; "" without one.

    A channel may have the opposite polarity, and letters other than Z, N and E stand
    for no direction.

    Parameters
    ----------
    letter : str
        Last letter of the code of the channel.
    direction : (float, float)
        Its azimuth and dip in degrees, as in StationXML.

    Examples
    --------
    >>> remark_on_letter("N", (180.0, 0.0)), remark_on_letter("1", (90.0, 0.0))
    ('', '')
    >>> remark_on_letter("N", (90.0, 0.0)).partition(":")[0]
    'azimuth 90 and dip 0 of the metadata are 90 degrees from the line of the letter N'
    """
    stands_for = nominal(letter, 0.0) if letter in ("Z", "N", "E") else None
    if stands_for is None:
        return ""
    one, other = directions(*zip(stands_for, direction, strict=True))
    angle_deg = float(np.degrees(np.arccos(min(abs(one @ other), 1.0))))
    if angle_deg <= LARGEST_ANGLE_DEG + 1e-6:
        return ""
    azimuth_deg, dip_deg = direction
    return (
        f"azimuth {azimuth_deg:g} and dip {dip_deg:g} of the metadata are "
        f"{angle_deg:.0f} degrees from the line of the letter {letter}: the metadata "
        "are used; check that channels are not interchanged"
    )
