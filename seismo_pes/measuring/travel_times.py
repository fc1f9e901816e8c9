"""Travel times of seismic phases, computed once for each depth and distance."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import is_file

__all__ = ["TravelTimes"]

KM_PER_DEGREE = 111.19492664455873  # on a sphere of 6371 km
DEPTH_STEP_KM = 0.1  # depths are rounded to this: its travel time is 0.02 s


class TravelTimes:
    """Travel times in a spherical Earth model.

    Parameters
    ----------
    earth_model : str
        Name of a model of obspy's TauP, such as ``ak135``, or of a file: ``./ak135``.
    phases : sequence of str
        Names of phases, such as ``P`` or ``ttbasic``.

    Examples
    --------
    >>> times = TravelTimes("ak135", ["P", "S"])
    >>> [(name, round(t)) for name, t in times.of(10_000.0, 5559.7).items()]
    [('P', 534), ('S', 965)]
    """

    def __init__(self, earth_model: str, phases: Sequence[str]) -> None:
        self.earth_model, self.phases = earth_model, tuple(phases)
        self._known: dict[tuple[Any, ...], dict[str, float]] = {}
        self._first: dict[tuple[float, float], float | None] = {}
        self._sources: dict[tuple[Any, ...], Any] = {}

    def check(self) -> None:
        """Check the model and the phases, which stay in memory.

        Processes that are forked later need not read the model again.

        Raises
        ------
        ParameterError
            If the model or a phase is unknown.
        """
        if self.phases:
            self._source(0.0, self.phases)

    def of(
        self,
        depth_m: float,
        distance_km: float,
        phases: tuple[str, ...] | None = None,
    ) -> dict[str, float]:
        """Return the first arrival of each phase, seconds after the origin.

        Parameters
        ----------
        depth_m : float
            Depth of the source; above the surface counts as the surface.
        distance_km : float
        phases : tuple of str, optional
            Names of other phases than those of the object.

        Raises
        ------
        ParameterError
            If the model or a phase is unknown.
        DataError
            If the travel times cannot be computed.
        """
        key = depth_m, distance_km, phases
        if key not in self._known:
            source = self._source(depth_m, phases or self.phases)
            with _named_errors():
                source.calc_time(_degrees(distance_km))
            times: dict[str, float] = {}
            for arrival in source.arrivals:  # by time
                times.setdefault(arrival.name, float(arrival.time))
            self._known[key] = times
        return self._known[key]

    def first(self, depth_m: float, distance_km: float) -> float | None:
        """Return the first arrival of any phase; None if none arrives.

        Phases that arrive later are not computed.

        Parameters
        ----------
        depth_m, distance_km
            See `of`.

        Raises
        ------
        ParameterError, DataError
            See `of`.
        """
        key = depth_m, distance_km
        if key not in self._first:
            source, degrees = self._source(depth_m, self.phases), _degrees(distance_km)
            least = [_least_time_s(phase, degrees) for phase in source.phases]
            first_s = math.inf
            with _named_errors():
                for number in np.argsort(least).tolist():
                    if least[number] > first_s:
                        break
                    for arrival in source.phases[number].calc_time(degrees):
                        first_s = min(first_s, float(arrival.time))
            self._first[key] = first_s if math.isfinite(first_s) else None
        return self._first[key]

    def _source(self, depth_m: float, phases: tuple[str, ...]) -> Any:
        """Return the phases of a source at a depth, for any distance.

        `TauPyModel.get_travel_times` makes them for each distance again, which takes
        much of its time.
        """
        from obspy.taup.taup_time import TauPTime

        depth_km = max(round(depth_m / 1000 / DEPTH_STEP_KM) * DEPTH_STEP_KM, 0.0)
        key = depth_km, phases
        if key not in self._sources:
            model = _model(self.earth_model).model
            source = TauPTime(model, list(phases), depth_km, 0.0)
            with _named_errors():
                source.depth_correct(depth_km, 0.0)
            try:
                source.recalc_phases()
            except ValueError as error:
                raise ParameterError(f"phases {' '.join(phases)}: {error}") from error
            self._sources[key] = source
        return self._sources[key]


def _degrees(distance_km: float) -> float:
    return distance_km / KM_PER_DEGREE


def _least_time_s(phase: Any, degrees: float) -> float:
    """Return a lower limit of the first arrival of a phase; infinite without one.

    Travel times rise with the distance between two samples of a travel-time curve, so
    an arrival is not earlier than the earlier one of them.
    """
    distance = math.radians(degrees)
    low, high = np.sort([phase.dist[:-1], phase.dist[1:]], axis=0)
    times_s = np.minimum(phase.time[:-1], phase.time[1:])
    least_s = math.inf
    for turn in range(int(phase.max_distance / (2 * math.pi)) + 1):
        for target in (
            distance + 2 * math.pi * turn,
            2 * math.pi * (turn + 1) - distance,
        ):
            inside = (low <= target) & (target <= high)
            least_s = min(least_s, float(times_s[inside].min(initial=math.inf)))
    return least_s


@contextlib.contextmanager
def _named_errors() -> Iterator[None]:
    """Raise what obspy raises at the limits of a model as one kind of error."""
    try:
        yield
    except Exception as error:  # it may be any exception
        raise DataError(f"no travel times: {error}") from error


@lru_cache(maxsize=2)
def _model(name: str) -> Any:
    from obspy import taup

    # obspy takes a file or folder of this name in the working folder for the model
    own = Path(taup.__file__).parent / "data" / f"{name.lower()}.npz"
    try:
        is_own = os.sep not in name and is_file(own)
        return taup.TauPyModel(str(own) if is_own else name)
    except FileNotFoundError:
        names = "ak135, iasp91 and prem are known, for instance, and files of obspy"
        raise ParameterError(f"earth model {name!r}: {names}") from None
    except Exception as error:  # obspy raises anything for an unknown name
        raise ParameterError(f"earth model {name!r}: {error}") from error
