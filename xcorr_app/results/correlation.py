"""One correlation of two channels, with what is known about it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from obspy import Trace

__all__ = ["Correlation", "branch_ratios", "peaks", "signal_to_noise"]

Place = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Correlation:
    """A stacked correlation.

    Parameters
    ----------
    first, second
        Channels, ``NET.STA.LOC.CHA``.
    stack
        Name of the stack.
    data
        Shape (n_lags,).
    lags_s
        Shape (n_lags,), seconds; positive: the wave reaches ``second`` later.
    n_windows, start_ns, end_ns
        Windows stacked, start of the first and end of the last, ns since 1970 UTC.
    distance_km, azimuth_deg, back_azimuth_deg
        Geodesic from ``first`` to ``second``; azimuth at ``first`` towards ``second``.
    first_place, second_place
        Latitude, longitude, elevation in metres.
    """

    first: str
    second: str
    stack: str
    data: np.ndarray
    lags_s: np.ndarray
    n_windows: int
    start_ns: int
    end_ns: int
    distance_km: float
    azimuth_deg: float
    back_azimuth_deg: float
    first_place: Place
    second_place: Place

    @property
    def name(self) -> str:
        """``NET.STA.LOC.CHA_NET.STA.LOC.CHA``."""
        return f"{self.first}_{self.second}"

    @property
    def components(self) -> str:
        """Last letters of the two channels, e.g. ``ZZ``."""
        return self.first[-1:] + self.second[-1:]

    @property
    def sampling_rate_hz(self) -> float:
        """Rate of the lag axis; infinite for a single lag."""
        half = len(self.lags_s) // 2
        return half / float(self.lags_s[-1]) if half else float("inf")

    def reversed(self) -> Correlation:
        """Return the correlation of the second with the first channel."""
        return replace(
            self,
            first=self.second,
            second=self.first,
            data=self.data[::-1].copy(),
            azimuth_deg=self.back_azimuth_deg,
            back_azimuth_deg=self.azimuth_deg,
            first_place=self.second_place,
            second_place=self.first_place,
        )

    def peak(self) -> tuple[float, float]:
        """Return lag in seconds and value where the correlation is largest, signed."""
        lag_s, value = peaks(self.data[None], self.lags_s)
        return float(lag_s[0]), float(value[0])

    def symmetric(self) -> tuple[np.ndarray, np.ndarray]:
        """Return lags >= 0 in seconds and the mean of both branches."""
        half = len(self.data) // 2
        mean = (self.data[half:] + self.data[half::-1]) / 2
        return self.lags_s[half:], mean

    def signal_to_noise(self) -> float:
        """Return the ratio of `signal_to_noise`."""
        return float(signal_to_noise(self.data[None])[0])

    def to_trace(self) -> Trace:
        """Return an obspy Trace: the second channel's name, time 0 at 1970 is lag 0.

        What else is known stands in ``stats.xcorr``.
        """
        from obspy import Trace, UTCDateTime

        network, station, location, channel = self.second.split(".")
        trace = Trace(
            np.ascontiguousarray(self.data),
            {
                "network": network,
                "station": station,
                "location": location,
                "channel": channel,
                "sampling_rate": self.sampling_rate_hz,
                "starttime": UTCDateTime(float(self.lags_s[0])),
            },
        )
        trace.stats.xcorr = {
            name: getattr(self, name)
            for name in (
                "first",
                "second",
                "stack",
                "n_windows",
                "start_ns",
                "end_ns",
                "distance_km",
                "azimuth_deg",
                "back_azimuth_deg",
            )
        }
        return trace


def peaks(data: np.ndarray, lags_s: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return lag in seconds and value of the largest absolute value of each row.

    A row with NaN in it, or without lags, gives NaN.

    >>> lag_s, value = peaks(np.array([[0.1, -0.9, 0.3]]), np.array([-1.0, 0.0, 1.0]))
    >>> float(lag_s[0]), float(value[0])
    (0.0, -0.9)
    """
    if not len(data):
        return np.zeros(0), np.zeros(0)
    place = np.argmax(np.abs(data), axis=1)
    value = data[np.arange(len(data)), place].astype(float)
    return np.where(np.isnan(value), np.nan, lags_s[place]), value


def signal_to_noise(data: np.ndarray) -> np.ndarray:
    """Return largest absolute value over RMS of the outer half of the lags, per row.

    Arrivals are expected in the inner half, |lag| < max / 2, and the outer half is
    taken for noise. NaN where there are fewer than 16 lags or no noise to compare with.
    """
    n_lags = data.shape[1]
    if n_lags < 16:
        return np.full(len(data), np.nan)
    half = n_lags // 2
    inner = slice(half - half // 2, half + half // 2 + 1)
    noise = np.concatenate([data[:, : inner.start], data[:, inner.stop :]], axis=1)
    rms = np.sqrt(np.mean(np.square(noise, dtype=np.float64), axis=1))
    largest = np.max(np.abs(data), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = largest / rms
    return np.where(rms > 0, ratio, np.nan)


def branch_ratios(data: np.ndarray) -> np.ndarray:
    """Return `signal_to_noise` of each branch, shape (n, 2): positive, negative lags.

    The largest absolute value of the inner half of a branch over the RMS of its outer
    half.

    >>> row = np.r_[np.ones(20), np.zeros(19), 0, np.zeros(19), 2 * np.ones(20)]
    >>> row[[30, 48]] = 5, 6
    >>> branch_ratios(row[None])
    array([[3., 5.]])
    """
    half = data.shape[1] // 2
    if half < 8:
        return np.full((len(data), 2), np.nan)
    ratios = []
    for branch in (data[:, half:], data[:, half::-1]):
        inner, outer = branch[:, : half // 2 + 1], branch[:, half // 2 + 1 :]
        rms = np.sqrt(np.mean(np.square(outer, dtype=np.float64), axis=1))
        ratio = np.abs(inner).max(axis=1) / np.where(rms > 0, rms, np.nan)
        ratios.append(ratio)
    return np.stack(ratios, axis=1)
