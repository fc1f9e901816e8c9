"""How velocity changes of a run are measured: settings, ranges of lag, measuring."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dispel4py.errors import DataError, ParameterError, suggest
from seismo_pes.items.correlation import Correlation
from seismo_pes.measuring import velocity_change as dvv
from seismo_pes.signal.filter import bandpass
from seismo_pes.signal.taper import taper
from xcorr_app.results.stacks import UNITS, band_hz, over_time
from xcorr_app.store import Store

__all__ = [
    "BY_FREQUENCY",
    "METHODS",
    "DvvSettings",
    "band_of",
    "lag_range",
    "measure",
    "plan",
]

METHODS = ("stretching", "mwcs", "wcc", "dtw", "wcs", "wts")
BY_FREQUENCY = ("wcs", "wts")
N_FREQUENCIES = 8
SIDES = ("both", "causal", "acausal")
LAST_PART = 0.98  # of the longest lag
LEAST_STRAIN = 0.02


@dataclass(frozen=True)
class DvvSettings:
    """How velocity changes are measured.

    Parameters
    ----------
    method
        One of `METHODS`.
    band_hz
        Band of the correlations, or the band they are filtered to.
    filtered
        Filter them.
    reference
        Name of the stack that the others are compared with.
    current
        Names of these, in the order of time.
    lag_s
        Range of absolute lag; None: from a wave of ``velocity_km_s`` on.
    velocity_km_s
        The lags begin when a wave so slow has passed, and a period of ``band_hz[0]``.
    length_s
        Length of the range; None: to the longest lag.
    side
        ``both``, ``causal`` or ``acausal``; all but stretching take both.
    max_dvv
        Largest relative change searched.
    window_s
        Windows of lag of mwcs and wcc; None: a few periods.
    frequencies_hz
        Of wcs and wts; empty: eight in the band.
    """

    method: str
    band_hz: tuple[float, float]
    filtered: bool
    reference: str
    current: tuple[str, ...]
    lag_s: tuple[float, float] | None = None
    velocity_km_s: float = 1.0
    length_s: float | None = None
    side: str = "both"
    max_dvv: float = 0.02
    window_s: float | None = None
    frequencies_hz: tuple[float, ...] = ()


def plan(
    store: Store,
    *,
    method: str = "stretching",
    reference: str | None = None,
    period: str | None = None,
    band: tuple[float, float] | None = None,
    **settings: Any,
) -> DvvSettings:
    """Return the settings for a run, what is not given taken from the run.

    Parameters
    ----------
    store
        Open results.
    method
        One of `METHODS`.
    reference
        Name of a stack; by default the usual one.
    period
        What is compared with it: ``moving``, ``day``, ``hour`` or ``window``; by
        default the longest of these that there is.
    band
        Filter the correlations to this band, Hz.
    settings
        As of `DvvSettings`.

    Raises
    ------
    ParameterError
        If there are no such stacks, or no band is known.
    """
    if method not in METHODS:
        raise ParameterError(f"--method {method}: {suggest(method, METHODS)}")
    if period is not None and period not in UNITS:
        raise ParameterError(f"--period {period}: {suggest(period, UNITS)}")
    name = store.default_stack if reference is None else reference
    store.windows(name)  # it is there
    current = [one for one in over_time(store.stacks, name, period) if one != name]
    if not current:
        what = "stacks over time" if period is None else f"stacks of each {period}"
        raise ParameterError(
            f"{store.path}: keeps no {what}; correlate with --substack day"
        )
    known = band or band_of(store, name)
    if known is None:
        raise ParameterError(
            f"{store.path}: the run has no filter band: give --filter-hz LO HI"
        )
    made = DvvSettings(
        method, known, band is not None, name, tuple(current), **settings
    )
    _check(made, store)
    if method in BY_FREQUENCY and not made.frequencies_hz:
        low, high = known
        frequencies = np.geomspace(low * 1.1, high / 1.1, N_FREQUENCIES)
        return replace(
            made, frequencies_hz=tuple(float(f"{f:.4g}") for f in frequencies)
        )
    return made


def band_of(store: Store, stack: str) -> tuple[float, float] | None:
    """Return the band that a stack was made in, as far as it is known."""
    nyquist = store.sampling_rate_hz / 2
    for known in (
        band_hz(stack),
        store.config.get("bandpass_hz"),
        store.config.get("whiten_hz"),
    ):
        if known:
            low, high = known
            return float(low), min(float(high), 0.95 * nyquist)
    return None


def _check(settings: DvvSettings, store: Store) -> None:
    low, high = settings.band_hz
    nyquist = store.sampling_rate_hz / 2
    if not 0 < low < high < nyquist:
        raise ParameterError(
            f"--filter-hz {low:g} {high:g}: needs 0 < LO < HI < {nyquist:g}, half the "
            "sampling rate"
        )
    if settings.side not in SIDES:
        raise ParameterError(f"--side {settings.side}: {suggest(settings.side, SIDES)}")
    if settings.side != "both" and settings.method != "stretching":
        raise ParameterError(f"--side: {settings.method} takes both sides")
    if not 0 < settings.max_dvv < 0.5:
        raise ParameterError(f"--max-dvv {settings.max_dvv:g}: from 0 to 0.5")
    if not settings.velocity_km_s > 0:
        raise ParameterError(f"--velocity {settings.velocity_km_s:g}: must be above 0")
    for frequency in settings.frequencies_hz:
        if not 0 < frequency < nyquist:
            raise ParameterError(
                f"--frequencies-hz {frequency:g}: needs 0 < HZ < {nyquist:g}"
            )
    max_lag_s = float(store.lags_s[-1])
    if settings.lag_s is not None and not 0 <= settings.lag_s[0] < max_lag_s:
        raise ParameterError(f"--lag-s: lags reach from 0 to {max_lag_s:g} s")


def lag_range(
    settings: DvvSettings, distance_km: float, max_lag_s: float
) -> tuple[float, float]:
    """Return the range of absolute lags of a pair, in seconds.

    >>> settings = DvvSettings("mwcs", (0.5, 2.0), False, "all", (), max_dvv=0.01)
    >>> low_s, high_s = lag_range(settings, 10.0, 60.0)
    >>> low_s, round(high_s, 1)
    (12.0, 58.2)

    Raises
    ------
    DataError
        If the lags do not reach far enough.
    """
    last_s = LAST_PART * max_lag_s / (1 + settings.max_dvv)
    if settings.lag_s is not None:
        low_s, high_s = settings.lag_s
    else:
        if not np.isfinite(distance_km):
            raise DataError("the distance is not known: give --lag-s LO HI")
        low_s = distance_km / settings.velocity_km_s + 1 / settings.band_hz[0]
        high_s = last_s if settings.length_s is None else low_s + settings.length_s
    high_s = min(high_s, last_s)
    if high_s - low_s < 2 / settings.band_hz[0]:
        raise DataError(
            f"less than two periods between {settings.velocity_km_s:g} km/s and the "
            "longest lag: raise --velocity, give --lag-s, or correlate with longer lags"
            if settings.lag_s is None
            else "--lag-s is shorter than two periods"
        )
    return float(low_s), float(high_s)


def measure(
    correlation: Correlation, reference: Correlation, settings: DvvSettings
) -> dvv.VelocityChanges:
    """Measure the changes of a series of correlations against a reference.

    Parameters
    ----------
    correlation
        Data of shape (n, n_lags), lags -K..K.
    reference
        Data of shape (n_lags,).
    settings
        How.

    Raises
    ------
    DataError
        If the lags do not reach far enough.
    """
    if settings.filtered:
        correlation, reference = (
            _filtered(one, settings.band_hz) for one in (correlation, reference)
        )
    max_lag_s = float(correlation.lags_s[-1])
    low_s, high_s = lag_range(settings, correlation.distance_km, max_lag_s)
    low_hz, high_hz = settings.band_hz
    lags: dict[str, Any] = {"low_s": low_s, "high_s": high_s, "reference": reference}
    change = settings.max_dvv
    window_s = _window_s(settings, high_s - low_s)
    windows: dict[str, Any] = {"window_s": window_s, "step_s": window_s / 4}
    delay_s = max(change * high_s, 2 / correlation.rate_hz)
    calls: dict[str, Callable[[], dvv.VelocityChanges]] = {
        "stretching": lambda: dvv.stretch_windows(
            correlation,
            max_dvv=change,
            side=settings.side,
            band_hz=settings.band_hz,
            **lags,
        ),
        "mwcs": lambda: dvv.mwcs(
            correlation, low_hz=low_hz, high_hz=high_hz, **windows, **lags
        ),
        "wcc": lambda: dvv.cross_correlate_windows(
            correlation, max_delay_s=min(delay_s, 0.45 * window_s), **windows, **lags
        ),
        "dtw": lambda: dvv.warp(
            correlation,
            max_delay_s=delay_s,
            max_strain=min(max(2 * change, LEAST_STRAIN), 1.0),
            **lags,
        ),
        "wcs": lambda: dvv.wavelet(
            correlation, frequency_hz=settings.frequencies_hz, **lags
        ),
        "wts": lambda: dvv.wavelet_stretch_windows(
            correlation,
            frequency_hz=settings.frequencies_hz,
            max_dvv=change,
            **lags,
        ),
    }
    return calls[settings.method]()


def _window_s(settings: DvvSettings, length_s: float) -> float:
    """Return the length of windows of lag: a few periods, at most half the range."""
    if settings.window_s is not None:
        return settings.window_s
    low, high = settings.band_hz
    return min(max(4 / (high - low), 3 / np.sqrt(low * high)), length_s / 2)


def _filtered(c: Correlation, band: tuple[float, float]) -> Correlation:
    edge = round(c.rate_hz / band[0])
    return replace(c, data=bandpass(taper(c.data, edge), c.rate_hz, *band))
