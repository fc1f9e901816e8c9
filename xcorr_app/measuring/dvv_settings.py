"""Settings of a measurement of velocity changes, completed from those of the run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError, suggest
from seismo_pes.methods import SIDES, VELOCITY_CHANGES
from xcorr_app.defaults import DVV_METHOD, DVV_SIDE, DVV_VELOCITY_KM_S, MAX_DVV
from xcorr_app.measuring.frequencies import band_of, check_frequencies
from xcorr_app.results.stack_names import UNITS, over_time
from xcorr_app.store import Store

__all__ = ["BY_FREQUENCY", "DvvSettings", "choose_settings"]

BY_FREQUENCY = ("wcs", "wts")
N_FREQUENCIES = 8


@dataclass(frozen=True)
class DvvSettings:
    """How velocity changes are measured.

    Parameters
    ----------
    method
        One of `seismo_pes.methods.VELOCITY_CHANGES`.
    band_hz
        Band of the correlations, or the band to which they are filtered.
    filtered
        Filter the correlations to ``band_hz`` first.
    reference
        Name of the stack with which the others are compared.
    current
        Names of the stacks that are compared with it, in the order of time.
    lag_s
        Range of absolute lag; None: see ``velocity_km_s`` and ``length_s``.
    velocity_km_s
        Without ``lag_s``, the lags begin one period of ``band_hz[0]`` after the arrival
        of a wave of this velocity.
    length_s
        Without ``lag_s``, the length of the range; None: to the longest lag.
    side
        ``both``, ``causal`` or ``acausal``; other methods than stretching need both.
    max_dvv
        Largest relative change that is searched.
    window_s
        Length of the windows of lag, for mwcs and wcc; None: a few periods.
    frequencies_hz
        Frequencies of wcs and wts; empty: eight in the band.
    """

    method: str
    band_hz: tuple[float, float]
    filtered: bool
    reference: str
    current: tuple[str, ...]
    lag_s: tuple[float, float] | None = None
    velocity_km_s: float = DVV_VELOCITY_KM_S
    length_s: float | None = None
    side: str = DVV_SIDE
    max_dvv: float = MAX_DVV
    window_s: float | None = None
    frequencies_hz: tuple[float, ...] = ()


def choose_settings(
    store: Store,
    *,
    method: str = DVV_METHOD,
    reference: str | None = None,
    period: str | None = None,
    band: tuple[float, float] | None = None,
    **settings: Any,
) -> DvvSettings:
    """Return the settings for a run; options that are not given follow from the run.

    Parameters
    ----------
    store
        Open results.
    method
        One of `seismo_pes.methods.VELOCITY_CHANGES`.
    reference
        Name of a stack; by default the stack of the whole run.
    period
        Substacks that are compared with the reference: ``moving``, ``day``, ``hour`` or
        ``window``; by default the longest of these that the results have.
    band
        Filter the correlations to this band, in Hz.
    settings
        Other fields of `DvvSettings`.

    Raises
    ------
    ParameterError
        If there are no such stacks, if no band is known, or if a setting is out of
        range.
    """
    if method not in VELOCITY_CHANGES:
        raise ParameterError(f"--method {method}: {suggest(method, VELOCITY_CHANGES)}")
    if period is not None and period not in UNITS:
        raise ParameterError(f"--period {period}: {suggest(period, UNITS)}")
    name = store.default_stack if reference is None else reference
    store.windows(name)  # raises if there is no such stack
    current = [
        other for other in over_time(store.stacks, name, period) if other != name
    ]
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
    chosen = DvvSettings(
        method, band_hz, band is not None, name, tuple(current), **settings
    )
    _check(chosen, store)
    if method in BY_FREQUENCY and not chosen.frequencies_hz:
        low, high = band_hz
        frequencies = np.geomspace(low * 1.1, high / 1.1, N_FREQUENCIES)
        return replace(
            chosen, frequencies_hz=tuple(float(f"{f:.4g}") for f in frequencies)
        )
    return chosen


def _check(settings: DvvSettings, store: Store) -> None:
    low, high = settings.band_hz
    nyquist = store.sampling_rate_hz / 2
    if not 0 < low < high < nyquist:
        raise ParameterError(
            f"--filter-hz {low:g} {high:g}: needs 0 < LO < HI < {nyquist:g}, half the "
            "sampling rate"
        )
    if settings.filtered:
        option = f"--filter-hz {low:g} {high:g}"
        check_frequencies(store, settings.reference, option, low, high)
    if settings.side not in SIDES:
        raise ParameterError(f"--side {settings.side}: {suggest(settings.side, SIDES)}")
    if settings.side != "both" and settings.method != "stretching":
        raise ParameterError(
            f"--side {settings.side}: {settings.method} needs both sides"
        )
    if not 0 < settings.max_dvv < 0.5:
        raise ParameterError(
            f"--max-dvv {100 * settings.max_dvv:g}: must be between 0 and 50 (%)"
        )
    if not settings.velocity_km_s > 0:
        raise ParameterError(f"--velocity {settings.velocity_km_s:g}: must be above 0")
    for frequency in settings.frequencies_hz:
        if not 0 < frequency < nyquist:
            raise ParameterError(
                f"--frequencies-hz {frequency:g}: needs 0 < HZ < {nyquist:g}"
            )
        option = f"--frequencies-hz {frequency:g}"
        check_frequencies(store, settings.reference, option, frequency, frequency)
    max_lag_s = float(store.lags_s[-1])
    if settings.lag_s is not None and not 0 <= settings.lag_s[0] < max_lag_s:
        raise ParameterError(
            f"--lag-s {settings.lag_s[0]:g} {settings.lag_s[1]:g}: the lags of the "
            f"results go from 0 to {max_lag_s:g} s"
        )
