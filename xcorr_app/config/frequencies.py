"""Checks that the options of frequency share."""

from __future__ import annotations

from typing import Any

from dispel4py.errors import ParameterError

__all__ = ["bands_below_nyquist", "below_nyquist", "corner_below_nyquist"]


def below_nyquist(band: tuple[float, float], label: str, config: Any) -> None:
    """Refuse a band that does not end below half of ``--sampling-rate-hz``."""
    _check(band, f"{label} {band[0]:g} {band[1]:g}", config.sampling_rate_hz)


def bands_below_nyquist(bands: tuple[Any, ...], label: str, config: Any) -> None:
    """Refuse bands unless all end below half of ``--sampling-rate-hz``."""
    for band in bands:
        _check(band, f"{label} {band[0]:g}-{band[1]:g}", config.sampling_rate_hz)


def _check(band: tuple[float, float], label: str, rate_hz: float | None) -> None:
    if rate_hz is not None and band[1] >= rate_hz / 2:
        raise ParameterError(
            f"{label}: HI must be below half of --sampling-rate-hz {rate_hz:g}: "
            f"lower HI below {rate_hz / 2:g} or raise the rate"
        )


def corner_below_nyquist(corner_hz: float, label: str, config: Any) -> None:
    """Refuse a corner frequency of half of ``--sampling-rate-hz`` or more.

    The filters come before the resampling, but frequencies above are lost with it.
    """
    rate_hz = config.sampling_rate_hz
    if rate_hz is not None and corner_hz >= rate_hz / 2:
        raise ParameterError(
            f"{label} {corner_hz:g}: must be below half of --sampling-rate-hz "
            f"{rate_hz:g}"
        )
