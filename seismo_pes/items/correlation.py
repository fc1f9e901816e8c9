"""The correlation of two channels, window by window or stacked."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from obspy import Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.extras import optional
from seismo_pes.signal import folding

__all__ = ["Correlation"]

Place = tuple[float, float, float]
UNKNOWN_PLACE = (np.nan, np.nan, np.nan)


@dataclass(frozen=True, eq=False)
class Correlation:
    """The correlation of a pair of channels: a stack, or one row for each window.

    ``c(k) = sum over n of first[n] second[n + k]``: at positive lags the wave reaches
    the second channel later.

    Parameters
    ----------
    first, second : str
        Channel ids, ``NET.STA.LOC.CHA``.
    data : numpy.ndarray
        Shape (n_lags,) for a stack, (n_windows, n_lags) for windows.
    rate_hz : float
        Samples of lag per second.
    first_lag : int
        Lag of the first column in samples; ``-(n_lags // 2)`` for lags -K..K.
    start_ns, end_ns : numpy.ndarray
        Shape of ``data`` without its last axis, int64: start and end of each window;
        for a stack, start of its first and end of its last window. Nanoseconds since
        1970.
    n_windows : numpy.ndarray
        Same shape, int64: number of windows of each row.
    kind : str
        Kind of correlation: ``cc``, ``coherency``, ...
    distance_km, azimuth_deg, back_azimuth_deg : float
        From the first to the second; NaN where unknown.
    deviation : numpy.ndarray, optional
        Standard deviation of ``data``, from a bootstrap.
    stack : str
        Name of the stack in a result folder, ``"all"`` or ``"2022-05-17"``.
    first_place, second_place : (float, float, float)
        Latitude, longitude, elevation in metres; NaN where unknown.

    Examples
    --------
    >>> stack = Correlation.of("X.A..Z", "X.B..Z", np.zeros((2, 5)), rate_hz=2.0)
    >>> stack.id, stack.lags_s
    ('X.A..Z_X.B..Z', array([-1. , -0.5,  0. ,  0.5,  1. ]))
    """

    first: str
    second: str
    data: np.ndarray
    rate_hz: float
    first_lag: int
    start_ns: np.ndarray
    end_ns: np.ndarray
    n_windows: np.ndarray
    kind: str = "cc"
    distance_km: float = np.nan
    azimuth_deg: float = np.nan
    back_azimuth_deg: float = np.nan
    deviation: np.ndarray | None = field(default=None, repr=False)
    stack: str = ""
    first_place: Place = UNKNOWN_PLACE
    second_place: Place = UNKNOWN_PLACE

    @classmethod
    def of(
        cls,
        first: str,
        second: str,
        data: np.ndarray,
        rate_hz: float,
        first_lag: int | None = None,
        **known: Any,
    ) -> Correlation:
        """Make a correlation from arrays of any origin; times are 0 if not given.

        Raises
        ------
        ParameterError
            If the number of lags is even and ``first_lag`` is not given.
        """
        data = np.asarray(data)
        rows = data.shape[:-1]
        if first_lag is None:
            if data.shape[-1] % 2 == 0:
                raise ParameterError(
                    f"{first}_{second}: {data.shape[-1]} lags are not -K..K; give "
                    "first_lag"
                )
            first_lag = -(data.shape[-1] // 2)
        zeros = np.zeros(rows, np.int64)
        times = {"start_ns": zeros, "end_ns": zeros, "n_windows": zeros + 1}
        return cls(first, second, data, rate_hz, first_lag, **(times | known))

    @property
    def id(self) -> str:
        """``FIRST_SECOND``."""
        return f"{self.first}_{self.second}"

    @property
    def components(self) -> str:
        """Last letters of the two channels, e.g. ``ZZ``."""
        return self.first[-1:] + self.second[-1:]

    @property
    def lags_s(self) -> np.ndarray:
        """Lags of the columns in seconds."""
        return (self.first_lag + np.arange(self.data.shape[-1])) / self.rate_hz

    @property
    def rows(self) -> np.ndarray:
        """The data with an axis of windows, of length 1 for a stack."""
        return self.data.reshape(-1, self.data.shape[-1])

    def stacked(self, data: np.ndarray, **changes: Any) -> Correlation:
        """Return one row made of all windows."""
        used = self.n_windows > 0
        start = self.start_ns[used].min() if used.any() else 0
        end = self.end_ns[used].max() if used.any() else 0
        return replace(
            self,
            data=data,
            start_ns=np.asarray(start, np.int64),
            end_ns=np.asarray(end, np.int64),
            n_windows=np.asarray(self.n_windows.sum(), np.int64),
            **changes,
        )

    def reversed(self) -> Correlation:
        """Return the correlation of the second with the first channel."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            data=self.data[..., ::-1].copy(),
            first_lag=-(self.first_lag + self.data.shape[-1] - 1),
            azimuth_deg=self.back_azimuth_deg,
            back_azimuth_deg=self.azimuth_deg,
            first_place=self.second_place,
            second_place=self.first_place,
            deviation=None if self.deviation is None else self.deviation[..., ::-1],
        )

    def peak(self) -> tuple[float, float]:
        """Return lag in seconds and signed value of the largest peak of a stack."""
        lag_s, value = folding.peaks(self.rows, self.lags_s)
        return float(lag_s[0]), float(value[0])

    def symmetric(self) -> tuple[np.ndarray, np.ndarray]:
        """Return lags >= 0 in seconds and the mean of both branches."""
        mean = folding.sides(self.data).symmetric
        return self.lags_s[-mean.shape[-1] :], mean

    def signal_to_noise(self) -> float:
        """Return `seismo_pes.signal.folding.outer_signal_to_noise` of a stack."""
        return float(folding.outer_signal_to_noise(self.rows)[0])

    def to_trace(self) -> Trace:
        """Return a stack as a trace of the second channel; lag 0 is at 1970-01-01.

        ``stats.xcorr`` has channels, stack, times and geometry.
        """
        network, station, location, channel = self.second.split(".")
        header = {
            "network": network,
            "station": station,
            "location": location,
            "channel": channel,
            "sampling_rate": self.rate_hz,
            "starttime": UTCDateTime(float(self.lags_s[0])),
        }
        trace = Trace(np.ascontiguousarray(self.data), header)
        trace.stats.xcorr = {
            "first": self.first,
            "second": self.second,
            "stack": self.stack,
            "n_windows": int(self.n_windows),
            "start_ns": int(self.start_ns),
            "end_ns": int(self.end_ns),
            "distance_km": self.distance_km,
            "azimuth_deg": self.azimuth_deg,
            "back_azimuth_deg": self.back_azimuth_deg,
        }
        return trace

    def to_xarray(self) -> Any:
        """Return the correlations as an `xarray.DataArray`, which shares their memory.

        Its dimensions are ``window`` (times as coordinates), unless it is a stack, and
        ``lag`` in seconds; channels and geometry are its attributes. xarray writes it
        to netCDF and Zarr.

        Raises
        ------
        ParameterError
            If xarray is not installed.

        Examples
        --------
        >>> c = Correlation.of("X.A..Z", "X.B..Z", np.eye(3), rate_hz=2.0)
        >>> c.to_xarray().sel(lag=0.5).values
        array([0., 0., 1.])
        """
        rows = ("window",) if self.data.ndim == 2 else ()
        coordinates: dict[str, Any] = {"lag": ("lag", self.lags_s, {"units": "s"})}
        for name in ("start", "end"):
            times = getattr(self, f"{name}_ns").astype("datetime64[ns]")
            coordinates[name] = (rows, times)
        coordinates["n_windows"] = (rows, self.n_windows)
        if self.deviation is not None:
            coordinates["deviation"] = ((*rows, "lag"), self.deviation)
        known = ("distance_km", "azimuth_deg", "back_azimuth_deg")
        geometry = {name: float(getattr(self, name)) for name in known}
        return optional("xarray").DataArray(
            self.data,
            coordinates,
            (*rows, "lag"),
            "correlation",
            {"first": self.first, "second": self.second, "kind": self.kind} | geometry,
        )

    def __deepcopy__(self, memo: dict[int, Any]) -> Correlation:
        return self  # its arrays are never written to
