"""Units of ground motion in station metadata, with any prefix and spelling."""

from __future__ import annotations

import copy
import re

from obspy.core.inventory import Response

__all__ = ["ground_motion", "in_metres"]

UNIT = re.compile(
    r"(?P<prefix>[NUMC\u00b5\u03bc]?)M"
    r"(?P<velocity>/S(EC)?)?"
    r"(?P<acceleration>\*\*2|\^2|2|/S(EC)?|/\(S(EC)?\*\*2\))?",
    re.IGNORECASE,
)
# Units in a metre; the Greek letter is mu, to which the micro sign is folded.
PREFIXES = {"": 1.0, "c": 1e2, "m": 1e3, "u": 1e6, "\u03bc": 1e6, "n": 1e9}


def ground_motion(unit: str) -> tuple[str, float] | None:
    """Return ``M``, ``M/S`` or ``M/S**2``, and how many of the unit are one of it.

    Parameters
    ----------
    unit : str
        Such as ``nm/s`` or ``CM/SEC**2``.

    Returns
    -------
    (str, float) or None
        None if it is no unit of ground motion.

    Examples
    --------
    >>> ground_motion("um/s"), ground_motion("CM/(SEC**2)"), ground_motion("PA")
    (('M/S', 1000000.0), ('M/S**2', 100.0), None)
    """
    match = UNIT.fullmatch(unit)
    if match is None:
        return None
    velocity, acceleration = match["velocity"], match["acceleration"]
    in_parentheses = acceleration is not None and acceleration.startswith("/(")
    if acceleration and in_parentheses == bool(velocity):
        return None  # M/S/(S**2), M**2
    motion = "M/S**2" if acceleration else "M/S" if velocity else "M"
    return motion, PREFIXES[match["prefix"].casefold()]


def in_metres(response: Response) -> tuple[Response, float]:
    """Return a response for metres, and the factor of its values.

    obspy knows some units only: the response of others would count as one without
    units, or without the factor of its prefix.

    Parameters
    ----------
    response : obspy Response

    Returns
    -------
    response : obspy Response
        The same one if its input has no prefix or is no ground motion.
    factor : float
        By which its values have to be multiplied.
    """
    stages = response.response_stages
    unit = str(stages[0].input_units or "") if stages else ""
    known = ground_motion(unit)
    if known is None or known[0] == unit.upper():
        return response, 1.0
    first = copy.copy(stages[0])
    first.input_units, factor = known
    changed = Response(
        response.resource_id,
        response.instrument_sensitivity,
        response.instrument_polynomial,
        [first, *stages[1:]],
    )
    return changed, factor
