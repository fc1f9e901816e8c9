"""Margins of the elements of `quality`, from their parameters: see `Element.margin_s`.

Each function takes the sampling rate of the input, Hz, and the parameters of its
element.
"""

from __future__ import annotations

__all__ = [
    "align_margin",
    "clipped_margin",
    "despike_margin",
    "fill_margin",
    "flat_margin",
    "rate_margin",
]

# samples on each side after which a shift of phase is good to 1e-4, see `phase_shift`
SHIFT_REACH = 200
# samples of the lower rate that an anti-alias filter or a Lanczos kernel reaches
RATE_REACH = 34


def fill_margin(rate_hz: float, max_gap_s: float) -> float:
    """Return the longest gap that is filled, seconds."""
    return max_gap_s + 2 / rate_hz


def flat_margin(rate_hz: float, shortest_s: float, value: float | None = None) -> float:
    """Return the shortest run that is removed, seconds."""
    return shortest_s + 2 / rate_hz


def clipped_margin(
    rate_hz: float, level: float | None = None, shortest: int = 3, pad_s: float = 0.0
) -> float:
    """Return the time that is removed around clipped samples, seconds."""
    return pad_s + (shortest + 1) / rate_hz


def despike_margin(rate_hz: float, k: float, window_s: float) -> float:
    """Return the width of the neighbourhood, seconds."""
    return window_s + 2 / rate_hz


def align_margin(rate_hz: float, origin_ns: int = 0, tolerance: float = 1e-4) -> float:
    """Return the reach of a shift of phase, seconds."""
    return SHIFT_REACH / rate_hz


def rate_margin(old_hz: float, /, rate_hz: float) -> float:
    """Return the reach of the filters that change the rate, seconds."""
    return RATE_REACH / min(old_hz, rate_hz)
