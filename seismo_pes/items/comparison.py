"""Observed and synthetic records of a station on their way to misfits.

`StationFiles` names the files, `StationRecords` has their traces, `ComparedRecords` the
samples on one axis of time, `StationMisfits` the rows of the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from obspy import Stream

from seismo_pes.items.events import Event
from seismo_pes.items.skipped import Skipped

__all__ = [
    "AdjointTrace",
    "ComparedComponent",
    "ComparedRecords",
    "MeasuredBand",
    "MeasuredStation",
    "MisfitRow",
    "RejectedTrace",
    "StationFiles",
    "StationMisfits",
    "StationRecords",
    "SyntheticSide",
]

FloatArray = np.ndarray


class _OfStation:
    """An item of one station and one event: its name in messages."""

    event: Event
    station: str

    @property
    def id(self) -> str:
        """Station and event."""
        return f"{self.station} of {self.event.id}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.id})"


@dataclass(frozen=True, repr=False)
class StationFiles(_OfStation):
    """The files of one station for one event.

    Attributes
    ----------
    event : Event
    station : str
        ``NET.STA``.
    observed, synthetic : tuple of str
        Files that have records of the station.
    """

    event: Event
    station: str
    observed: tuple[str, ...]
    synthetic: tuple[str, ...]


@dataclass(frozen=True)
class RejectedTrace:
    """A trace that cannot be compared, in any period band.

    Attributes
    ----------
    location, component : str
        Location code, and last letter of the channel code; "" for all components.
    stage : str
        Step of the processing.
    reason : str
        A few words that are the same for all traces with this defect.
    numbers : mapping of str to object
        What the step found.
    """

    location: str
    component: str
    stage: str
    reason: str
    numbers: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class StationRecords(_OfStation):
    """The traces of one station for one event.

    Attributes
    ----------
    event, station
        See `StationFiles`.
    observed, synthetic : obspy.Stream
        One trace for each component; the times of synthetics are absolute.
    rejected : tuple of RejectedTrace
        Traces that were read and are not in the streams.
    remarks : tuple of Skipped
        Remarks on traces that are in the streams.
    """

    event: Event
    station: str
    observed: Stream
    synthetic: Stream
    rejected: tuple[RejectedTrace, ...] = ()
    remarks: tuple[Skipped, ...] = ()


class SyntheticSide(Protocol):
    """The linear operations between the synthetics as read and the compared ones."""

    def adjoint_traces(
        self, adjoints: Mapping[str, FloatArray]
    ) -> tuple[AdjointTrace, ...]:
        """Return adjoint sources for the synthetics as read, from those compared."""


@dataclass(frozen=True)
class AdjointTrace:
    """An adjoint source on the axis of the synthetic as it was read.

    Attributes
    ----------
    channel_id : str
        Id of the synthetic.
    delta_s : float
        Sampling interval.
    start_s : float
        Time of the first sample after the origin time.
    data : numpy.ndarray
        float64, shape ``(n,)``; not reversed in time.
    motion : str
        ``displacement``, ``velocity`` or ``acceleration``: the motion of the synthetic.
    """

    channel_id: str
    delta_s: float
    start_s: float
    data: FloatArray = field(repr=False)
    motion: str


@dataclass(frozen=True)
class ComparedComponent:
    """Observed and synthetic samples of a component, with the same sampling interval.

    Attributes
    ----------
    component : str
        Z, R, T, N or E.
    location : str
        Location code of the observed trace.
    observed, synthetic : numpy.ndarray
        float64, of any lengths.
    observed_start_s, synthetic_start_s : float
        Times of their first samples after the origin time; the difference is a whole
        number of samples.
    """

    component: str
    location: str
    observed: FloatArray = field(repr=False)
    observed_start_s: float
    synthetic: FloatArray = field(repr=False)
    synthetic_start_s: float


@dataclass(frozen=True, repr=False)
class ComparedRecords(_OfStation):
    """The components of a station on one axis of time.

    Attributes
    ----------
    event, station
        See `StationFiles`.
    delta_s : float
        Sampling interval.
    motion : str
        ``displacement``, ``velocity`` or ``acceleration``, in SI units.
    components : tuple of ComparedComponent
    geometry : mapping of str to float
        ``latitude`` and ``longitude`` of the station, ``elevation_m``, ``burial_m``
        (depth of the sensor below the surface), ``distance_km``, ``azimuth_deg`` (at
        the event) and ``back_azimuth_deg`` (at the station).
    rejected : tuple of RejectedTrace
        Traces that cannot be compared.
    side : SyntheticSide, optional
        The way back to the synthetics as read; None if there is none.
    remarks : tuple of Skipped
        Remarks on traces that are used.
    """

    event: Event
    station: str
    delta_s: float
    motion: str
    components: tuple[ComparedComponent, ...]
    geometry: Mapping[str, float]
    rejected: tuple[RejectedTrace, ...] = ()
    side: SyntheticSide | None = None
    remarks: tuple[Skipped, ...] = ()


@dataclass(frozen=True)
class MisfitRow:
    """One row of the ledger; None is a value that does not exist.

    Attributes
    ----------
    event : str
        Public id.
    station : str
        ``NET.STA``.
    location, component : str
    min_period_s, max_period_s : float, optional
        The period band.
    status : str
        ``measured`` or ``rejected``.
    stage, reason : str
        Where and why it was rejected; the reason has the numbers.
    window_s : (float, float), optional
        Start and end after the origin time; as the columns ``window_start_s`` and
        ``window_end_s``.
    measure : str
        Name of the measure; "" if the trace or the window was rejected before.
    value : float, optional
    unit : str
    quantities : mapping of str to float
        ``uncertainty``, ``observed``, ``synthetic``, ``cc``, ``dt_s``, ``dlna``,
        ``period_s``, ``damping``, as far as the measure has them.
    pair : str
        The other trace of a double difference.
    weight : float, optional
    definition : str
        Version and convention of the definition.
    misfit : float, optional
        chi, which sums add; not a column of the ledger.
    """

    event: str
    station: str
    location: str
    component: str
    min_period_s: float | None
    max_period_s: float | None
    status: str
    stage: str = ""
    reason: str = ""
    window_s: tuple[float, float] | None = None
    measure: str = ""
    value: float | None = None
    unit: str = ""
    quantities: Mapping[str, float] = field(default_factory=dict)
    pair: str = ""
    weight: float | None = None
    definition: str = ""
    misfit: float | None = None


@dataclass(frozen=True)
class MeasuredBand:
    """A component in one period band, with its windows: for what follows the windows.

    Attributes
    ----------
    location, component : str
    band : (float, float)
        Shortest and longest period, seconds.
    unit : str
        Unit of the records.
    delta_s : float
        Sampling interval.
    observed, synthetic : numpy.ndarray
        The filtered records in their common time, shape ``(n,)``.
    start_s : float
        Time of the first sample after the origin time.
    first, n_whole : int
        Number of this sample in the whole synthetic, and samples of the latter.
    windows_s : tuple of (float, float), optional
        After the origin time; None: the common time is compared as a whole.
    adjoints : mapping of str to numpy.ndarray
        Adjoint source of each measure for the unfiltered component, shape
        ``(n_whole,)``.
    """

    location: str
    component: str
    band: tuple[float, float]
    unit: str
    delta_s: float
    observed: FloatArray = field(repr=False)
    synthetic: FloatArray = field(repr=False)
    start_s: float
    first: int
    n_whole: int
    windows_s: tuple[tuple[float, float], ...] | None
    adjoints: Mapping[str, FloatArray] = field(default_factory=dict, repr=False)

    @property
    def end_s(self) -> float:
        """Time of the last sample after the origin time."""
        return self.start_s + (self.observed.size - 1) * self.delta_s


@dataclass(frozen=True)
class MeasuredStation:
    """A station with its records in all bands, for measures of two stations.

    Attributes
    ----------
    event : str
        Public id.
    station : str
        ``NET.STA``.
    distance_km : float
        Distance from the event.
    bands : tuple of MeasuredBand
    """

    event: str
    station: str
    distance_km: float
    bands: tuple[MeasuredBand, ...]


@dataclass(frozen=True, repr=False)
class StationMisfits(_OfStation):
    """All rows of one station for one event, and its adjoint sources.

    Attributes
    ----------
    event, station, geometry
        See `ComparedRecords`.
    rows : tuple of MisfitRow
    windows : tuple of mapping
        The windows, as the option ``--windows`` reads them.
    adjoints : tuple of AdjointTrace
    records : ComparedRecords, optional
        The records, for figures.
    bands : tuple of MeasuredBand
        The records in each band, for measures of two stations and for weights.
    remarks : tuple of Skipped
        See `ComparedRecords`.
    """

    event: Event
    station: str
    geometry: Mapping[str, float]
    rows: tuple[MisfitRow, ...]
    windows: tuple[Mapping[str, Any], ...] = ()
    adjoints: tuple[AdjointTrace, ...] = ()
    records: ComparedRecords | None = None
    bands: tuple[MeasuredBand, ...] = ()
    remarks: tuple[Skipped, ...] = ()
