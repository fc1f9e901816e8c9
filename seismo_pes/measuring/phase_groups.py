"""Groups of phases: body waves P and S, and surface waves."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["PHASE_GROUPS", "PhaseGroups"]

PHASE_GROUPS = ("P", "S", "surface")


@dataclass(frozen=True)
class PhaseGroups:
    """The times at which the groups of phases begin at a station.

    Attributes
    ----------
    s_arrival_s : float
        First arrival of an S wave after the origin time.
    surface_s : float
        Arrival of the fastest surface wave.

    Examples
    --------
    >>> groups = PhaseGroups(s_arrival_s=180.0, surface_s=240.0)
    >>> [groups.of(window) for window in [(90, 130), (170, 220), (200, 300)]]
    ['P', 'S', 'surface']
    """

    s_arrival_s: float
    surface_s: float

    def of(self, window_s: tuple[float, float]) -> str:
        """Return the group of a window: the last one that began before its centre.

        Parameters
        ----------
        window_s : (float, float)
            Start and end after the origin time.
        """
        centre_s = (window_s[0] + window_s[1]) / 2
        if centre_s < self.s_arrival_s:
            return "P"
        return "S" if centre_s < self.surface_s else "surface"
