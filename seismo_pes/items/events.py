"""An earthquake, as the elements that compare seismograms need it."""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Event"]

LONGEST_LABEL = 100  # characters: it becomes a part of the names of files
NOT_IN_LABELS = re.compile(r"[^A-Za-z0-9._-]")


@dataclass(frozen=True)
class Event:
    """An earthquake with its preferred origin.

    Attributes
    ----------
    id : str
        Public id, as in QuakeML.
    time_ns : int
        Origin time, nanoseconds since 1970.
    latitude, longitude : float
        Degrees north and east.
    depth_m : float, optional
        Depth in metres; None if it is not known.
    magnitude : float, optional
        Preferred magnitude; None if it is not known.
    """

    id: str
    time_ns: int
    latitude: float
    longitude: float
    depth_m: float | None = None
    magnitude: float | None = None

    @property
    def label(self) -> str:
        """The last part of the id, as a name of files.

        >>> Event("smi:x.org/event/1/query?eventId=1744261", 0, 0.0, 0.0).label
        '1744261'
        """
        last = re.split(r"[/=?#:]", self.id.rstrip("/=?#:"))[-1]
        return NOT_IN_LABELS.sub("_", last[-LONGEST_LABEL:]) or "event"
