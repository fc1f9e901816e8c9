"""The methods that measure velocity changes of one pair, and their ranges of lag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from dispel4py.errors import DataError
from seismo_pes import measuring
from seismo_pes.items.correlation import Correlation
from seismo_pes.signal.filter import bandpass
from seismo_pes.signal.taper import taper
from xcorr_app.measuring.dvv_settings import DvvSettings

__all__ = ["filter_correlation", "lag_range", "measure_changes"]

# Lags that are used, as a part of the longest lag: near the end no data are left to
# stretch or to shift.
LAST_PART = 0.98
# Least strain that warping may find: a smaller bound leaves its steps no freedom.
LEAST_STRAIN = 0.02


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
        If the lags are too short, or the distance is unknown.
    """
    last_s = LAST_PART * max_lag_s / (1 + settings.max_dvv)
    if settings.lag_s is not None:
        low_s, high_s = settings.lag_s
    else:
        if not np.isfinite(distance_km):
            raise DataError("the distance is unknown: give --lag-s LO HI")
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


def measure_changes(
    correlation: Correlation, reference: Correlation, settings: DvvSettings
) -> measuring.VelocityChanges:
    """Measure the changes of a series of correlations against a reference.

    Parameters
    ----------
    correlation
        Data of shape (n, n_lags), lags -K..K.
    reference
        Data of shape (n_lags,).
    settings
        Method, band and range of lags.

    Raises
    ------
    DataError
        If the lags are too short, or the distance is unknown.
    """
    if settings.filtered:
        correlation, reference = (
            filter_correlation(item, settings.band_hz)
            for item in (correlation, reference)
        )
    max_lag_s = float(correlation.lags_s[-1])
    low_s, high_s = lag_range(settings, correlation.distance_km, max_lag_s)
    low_hz, high_hz = settings.band_hz
    max_dvv = settings.max_dvv
    common: dict[str, Any] = {
        "low_s": low_s,
        "high_s": high_s,
        "max_dvv": max_dvv,
        "reference": reference,
    }
    window_s = _window_s(settings, high_s - low_s)
    windows: dict[str, Any] = {"window_s": window_s, "step_s": window_s / 4}
    delay_s = max(max_dvv * high_s, 2 / correlation.rate_hz)
    methods: dict[str, Callable[[], measuring.VelocityChanges]] = {
        "stretching": lambda: measuring.stretch_windows(
            correlation,
            side=settings.side,
            band_hz=settings.band_hz,
            **common,
        ),
        "mwcs": lambda: measuring.mwcs(
            correlation, low_hz=low_hz, high_hz=high_hz, **windows, **common
        ),
        "wcc": lambda: measuring.cross_correlate_windows(
            correlation, max_delay_s=min(delay_s, 0.45 * window_s), **windows, **common
        ),
        "dtw": lambda: measuring.warp(
            correlation,
            max_delay_s=delay_s,
            max_strain=min(max(2 * max_dvv, LEAST_STRAIN), 1.0),
            **common,
        ),
        "wcs": lambda: measuring.wavelet(
            correlation, frequency_hz=settings.frequencies_hz, **common
        ),
        "wts": lambda: measuring.wavelet_stretch_windows(
            correlation,
            frequency_hz=settings.frequencies_hz,
            **common,
        ),
    }
    return methods[settings.method]()


def _window_s(settings: DvvSettings, length_s: float) -> float:
    """Return the length of the windows: a few periods, at most half the range."""
    if settings.window_s is not None:
        return settings.window_s
    low, high = settings.band_hz
    return min(max(4 / (high - low), 3 / np.sqrt(low * high)), length_s / 2)


def filter_correlation(c: Correlation, band: tuple[float, float]) -> Correlation:
    """Return a correlation that is tapered at its ends and filtered."""
    edge = round(c.rate_hz / band[0])
    return replace(c, data=bandpass(taper(c.data, edge), c.rate_hz, *band))
