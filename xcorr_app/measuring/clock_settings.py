"""Settings of a measurement of clock errors, with defaults from the run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dispel4py.errors import DataError, ParameterError, suggest
from xcorr_app.defaults import GROUP_VELOCITY_KM_S, ZERO
from xcorr_app.measuring.dvv_settings import band_of
from xcorr_app.results.stack_names import UNITS, over_time
from xcorr_app.store import Store

__all__ = ["ZEROS", "ClockSettings", "choose_settings", "lag_range", "station_of"]

ZEROS = ("symmetry", "mean", "first")
#: Compared lags before the fastest and after the slowest arrival, in periods of the
#: lowest frequency.
PERIODS_BEFORE, PERIODS_AFTER = 1.0, 3.0
#: Smallest lag of arrivals whose symmetry defines the zero, in periods of the geometric
#: mean of the band.
PERIODS_APART = 2.0
#: Largest clock error that is searched by default, as a part of the longest lag.
PART_OF_LAGS = 0.25


@dataclass(frozen=True)
class ClockSettings:
    """Settings of the measurement of clock errors.

    Parameters
    ----------
    band_hz
        Band of the correlations, or the band to which they are filtered.
    filtered
        Filter the correlations to ``band_hz`` first.
    stacks
        Names of the stacks, in the order of time.
    max_shift_s
        Largest clock error that is searched.
    zero
        One of `ZEROS`: which clock error is zero.
    right
        Stations whose clocks are right; empty: those that agree best.
    lag_s
        Range of absolute lag; None: by ``velocity_km_s``.
    velocity_km_s
        Slowest and fastest velocity of the waves.
    """

    band_hz: tuple[float, float]
    filtered: bool
    stacks: tuple[str, ...]
    max_shift_s: float
    zero: str = ZERO
    right: tuple[str, ...] = ()
    lag_s: tuple[float, float] | None = None
    velocity_km_s: tuple[float, float] = GROUP_VELOCITY_KM_S

    @property
    def apart_s(self) -> float:
        """Smallest lag of arrivals whose symmetry defines the zero."""
        low, high = self.band_hz
        return float(PERIODS_APART / (low * high) ** 0.5)


def station_of(channel_id: str) -> str:
    """Return the station, which is the unit of clocks.

    >>> station_of("XX.A.00.HHZ")
    'XX.A'
    """
    return ".".join(channel_id.split(".")[:2])


def choose_settings(
    store: Store,
    *,
    stack: str | None = None,
    period: str | None = None,
    band: tuple[float, float] | None = None,
    max_shift_s: float | None = None,
    **settings: Any,
) -> ClockSettings:
    """Return the settings for a run; options that are not given follow from the run.

    Parameters
    ----------
    store
        Open results.
    stack
        A stack in the chosen band; by default the usual one.
    period
        Substacks that are compared: ``moving``, ``day``, ``hour`` or ``window``; by
        default the longest of these that the results have.
    band
        Filter the correlations to this band, in Hz.
    max_shift_s
        Largest clock error; by default a quarter of the longest lag.
    settings
        Other fields of `ClockSettings`.

    Raises
    ------
    ParameterError
        If there are no such stacks, if no band is known, or if a setting is out of
        range.
    """
    if period is not None and period not in UNITS:
        raise ParameterError(f"--period {period}: {suggest(period, UNITS)}")
    name = store.default_stack if stack is None else stack
    current = over_time(store.stacks, name, period)
    if not current:
        kind = "substacks" if period is None else f"substacks of each {period}"
        raise ParameterError(
            f"{store.path}: the results have no {kind}; correlate with --substack day"
        )
    band_hz = band or band_of(store, name)
    if band_hz is None:
        raise ParameterError(
            f"{store.path}: the run has no filter band: give --filter-hz LO HI"
        )
    longest_s = float(store.lags_s[-1])
    chosen = ClockSettings(
        band_hz,
        band is not None,
        tuple(current),
        PART_OF_LAGS * longest_s if max_shift_s is None else max_shift_s,
        **settings,
    )
    _check(chosen, store)
    return chosen


def _check(settings: ClockSettings, store: Store) -> None:
    low, high = settings.band_hz
    nyquist = store.sampling_rate_hz / 2
    if not 0 < low < high < nyquist:
        raise ParameterError(
            f"--filter-hz {low:g} {high:g}: needs 0 < LO < HI < {nyquist:g}, half the "
            "sampling rate"
        )
    longest_s = float(store.lags_s[-1])
    if not 0 < settings.max_shift_s < longest_s:
        raise ParameterError(
            f"--max-shift-s {settings.max_shift_s:g}: must be above 0 and below "
            f"{longest_s:g} s, the longest lag"
        )
    if settings.zero not in ZEROS:
        raise ParameterError(f"--zero {settings.zero}: {suggest(settings.zero, ZEROS)}")
    slow, fast = settings.velocity_km_s
    if not 0 < slow < fast:
        raise ParameterError(f"--velocity-km-s {slow:g} {fast:g}: needs 0 < LO < HI")
    lag_s = settings.lag_s
    if lag_s is not None and not 0 <= lag_s[0] < lag_s[1]:
        raise ParameterError(f"--lag-s {lag_s[0]:g} {lag_s[1]:g}: needs 0 <= LO < HI")
    known = sorted({station_of(name) for name in store.channels["id"].tolist()})
    for station in settings.right:
        if station not in known:
            raise ParameterError(f"--right-clocks {station}: {suggest(station, known)}")


def lag_range(
    settings: ClockSettings, distance_km: float, max_lag_s: float
) -> tuple[float, float]:
    """Return the range of absolute lags of a pair, in seconds.

    It has the arrivals of waves of all velocities; without a distance, all lags.

    Raises
    ------
    DataError
        If the longest lag is before the arrivals.
    """
    period_s = 1 / settings.band_hz[0]
    if settings.lag_s is not None:
        low, high = settings.lag_s
    elif distance_km >= 0:
        slow, fast = settings.velocity_km_s
        low = max(distance_km / fast - PERIODS_BEFORE * period_s, 0.0)
        high = distance_km / slow + PERIODS_AFTER * period_s
    else:
        low, high = 0.0, max_lag_s
    high = min(high, max_lag_s)
    if high - low < period_s:
        raise DataError(
            f"lags end before the arrivals: from {low:.0f} s on they are needed, and "
            f"the longest is {max_lag_s:g} s (--max-lag-s of the run)"
        )
    return low, high
