"""The range of lags and the captions that several figures have in common."""

from __future__ import annotations

import numpy as np

from xcorr_app.reporting.info import describe
from xcorr_app.results.stack_names import stack_notes
from xcorr_app.store import Store

__all__ = ["lags_within", "name_pair", "time_and_windows"]


def lags_within(store: Store, max_lag_s: float | None) -> slice:
    """Return the lags within ``max_lag_s``: at least one on either side of lag 0.

    All lags, if ``max_lag_s`` is None.
    """
    half = len(store.lags_s) // 2
    n_lags = half
    if max_lag_s is not None:
        n_samples = round(max_lag_s * store.sampling_rate_hz)
        n_lags = min(max(n_samples, min(half, 1)), half)
    return slice(half - n_lags, half + n_lags + 1)


def time_and_windows(store: Store, stack: str | None) -> list[str]:
    """Return band, time span and number of windows of a stack, for a caption."""
    notes = stack_notes(store, stack)
    about = describe(store, stack)
    if not about["start"]:
        return [*notes, "no windows"]
    least, most = about["n_windows"]
    count = f"{most}" if least == most else f"{least} to {most}"
    times = [about[edge][:16].replace("T", " ") for edge in ("start", "end")]
    return [*notes, " to ".join(times), f"{count} windows per pair"]


def name_pair(pair: np.void) -> str:
    """Return the two station codes, or the channel ids if the codes are equal."""
    first, second = str(pair["first_id"]), str(pair["second_id"])
    first_station, second_station = first.split(".")[1], second.split(".")[1]
    if first_station != second_station:
        return f"{first_station}–{second_station}"
    return f"{first}–{second}"
