"""The frequencies that the correlations of a run have."""

from __future__ import annotations

import math

from dispel4py.errors import ParameterError
from xcorr_app.config import Config
from xcorr_app.results.stack_names import band_hz
from xcorr_app.store import Store

__all__ = ["band_of", "check_frequencies", "content_hz"]


def band_of(store: Store, stack: str) -> tuple[float, float] | None:
    """Return the frequency band of a stack in Hz, or None if it is unknown.

    It is the band that filters, whitening and the pre-filter of the response have in
    common.
    """
    nyquist = store.sampling_rate_hz / 2
    own_hz = _own_band(store, stack)
    bands = [own_hz, store.config.get("bandpass_hz")]
    bands.append(None if own_hz else store.config.get("whiten_hz"))
    if not any(bands):
        return None
    corners_hz = store.config.get("pre_filt")
    if corners_hz:
        bands.append((corners_hz[1], corners_hz[2]))
    known = [(float(low), float(high)) for low, high in filter(None, bands)]
    low_hz = max(low for low, _ in known)
    high_hz = min(0.95 * nyquist, *(high for _, high in known))
    return (low_hz, high_hz) if low_hz < high_hz else known[0]


def _own_band(store: Store, stack: str) -> tuple[float, float] | None:
    """Return the band of ``--bands-hz``; if it is one, names of stacks lack it."""
    bands_hz = list(store.config.get("bands_hz") or [])
    if len(bands_hz) != 1:
        return band_hz(stack)
    low_hz, high_hz = bands_hz[0]
    return float(low_hz), float(high_hz)


def content_hz(store: Store, stack: str) -> tuple[float, float]:
    """Return the frequencies outside which a stack is zero, with the flanks of bands.

    Parameters
    ----------
    store
        Open results.
    stack
        Name of the stack.
    """
    config = store.config
    low_hz, high_hz = 0.0, store.sampling_rate_hz / 2
    band = _own_band(store, stack) or config.get("whiten_hz")
    if band:
        flank = 2 ** config.get("edge_octaves", Config.edge_octaves)
        low_hz, high_hz = band[0] / flank, min(high_hz, band[1] * flank)
    corners_hz = config.get("pre_filt")
    if corners_hz:
        low_hz, high_hz = max(low_hz, corners_hz[0]), min(high_hz, corners_hz[-1])
    return float(low_hz), float(high_hz)


def check_frequencies(
    store: Store, stack: str, option: str, low_hz: float, high_hz: float
) -> None:
    """Refuse frequencies at which a stack is zero.

    Parameters
    ----------
    store, stack
        The stack that is measured.
    option
        The option with its values, for the message.
    low_hz, high_hz
        The frequencies.

    Raises
    ------
    ParameterError
        If one of them is outside of the content of the stack.
    """
    least_hz, most_hz = content_hz(store, stack)
    slack = 1 + 1e-6
    if low_hz * slack < least_hz or high_hz > most_hz * slack:
        limits = f"{least_hz:.3g} to {most_hz:.3g} Hz"
        if math.isclose(least_hz, 0):
            limits = f"up to {most_hz:.3g} Hz"
        raise ParameterError(
            f"{option}: stack {stack!r} has only frequencies {limits} (whitening, "
            "bands and pre-filter of the run)"
        )
