"""The state of a live run, read from its files."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import DataError
from seismo_pes.correlating.substacks import period_name
from xcorr_app.live.history import PairHistory
from xcorr_app.live.result_folder import live_folder
from xcorr_app.live.status import VIEW, read_status
from xcorr_app.results.runfile import read_run

__all__ = ["RunView", "health"]

# A run whose status is older has stopped or hangs, seconds. It is written every two
# seconds, but not while a large window is processed.
OLDEST_STATUS_S = 120.0
# Most samples of a correlation on the page: more than a screen has columns.
MOST_LAGS = 1200


@dataclass
class RunView:
    """The files of a live run.

    Parameters
    ----------
    out : Path
        The result folder.
    """

    out: Path

    def status(self) -> Mapping[str, Any]:
        """Return the last status; empty before the first."""
        return read_status(live_folder(self.out)) or {}

    def history(self) -> PairHistory:
        """Return the shown pairs over time; without lags before the first window."""
        names = self.pair_names()
        return PairHistory.read(live_folder(self.out) / VIEW, len(names))

    def pair_names(self) -> list[str]:
        """Return the names of the shown pairs."""
        return [str(name) for name in self.status().get("shown", ())]

    def changed_ns(self) -> int:
        """Return when the view was written; 0 before the first window."""
        try:
            return (live_folder(self.out) / VIEW).stat().st_mtime_ns
        except FileNotFoundError:
            return 0

    def stations(self) -> list[tuple[str, float, float]]:
        """Return name, latitude and longitude of each station, NaN if unknown."""
        try:
            channels = read_run(self.out).channels
        except (DataError, OSError):
            return []
        rows = {".".join(str(row["id"]).split(".")[:2]): row for row in channels}
        return [
            (name, float(row["latitude"]), float(row["longitude"]))
            for name, row in rows.items()
        ]

    def lags_s(self) -> np.ndarray:
        """Return the lags of correlations, seconds."""
        return read_run(self.out).lags_s

    def pair(self, k: int) -> dict[str, Any]:
        """Return one pair for the page, ready for JSON; empty before the first window.

        Parameters
        ----------
        k : int
            Number of the pair.
        """
        history = self.history()
        if not history.stacked.shape[1] or not 0 <= k < len(history.stacked):
            return {}
        step = -(-history.stacked.shape[1] // MOST_LAGS)
        lags_s = self.lags_s()
        dvv = [None if np.isnan(v) else v for v in history.dvv[:, k].tolist()]
        return {
            "lags_s": [float(lags_s[0]), float(lags_s[-1])],
            "last": _thinned(history.last[k], step),
            "stacked": _thinned(history.stacked[k], step),
            "days": [period_name(int(day)) for day in history.days],
            "rows": [_bytes(row, step) for row in history.rows[:, k]],
            "dvv": dvv,
            "n_windows": int(history.n_windows[k]),
        }


def _thinned(data: np.ndarray, step: int) -> list[float]:
    """Return a waveform with the largest value of each group of samples."""
    groups = np.pad(data, (0, -len(data) % step)).reshape(-1, step)
    at = np.abs(groups).argmax(axis=1)
    values = groups[np.arange(len(groups)), at]
    return [float(f"{value:.4g}") for value in values]


def _bytes(row: np.ndarray, step: int) -> list[int]:
    """Return a row of the waterfall, -100 to 100 of its largest value."""
    values = np.array(_thinned(row, step))
    largest = np.abs(values).max() or 1.0
    return np.rint(100 * values / largest).astype(int).tolist()


def health(status: Mapping[str, Any], now_s: float | None = None) -> tuple[bool, str]:
    """Return whether a run is well, and a word about it.

    Parameters
    ----------
    status : mapping
        Its last status.
    now_s : float, optional
        The time now, seconds since 1970.

    Examples
    --------
    >>> health({"written_at": 0.0, "is_over": False}, 5.0)
    (True, 'running')
    >>> health({"written_at": 0.0, "is_over": False}, 500.0)
    (False, 'no news for 500 s')
    """
    if not status:
        return False, "not started"
    if status["is_over"]:
        return True, "ended"
    age_s = (time.time() if now_s is None else now_s) - status["written_at"]
    if age_s > OLDEST_STATUS_S:
        return False, f"no news for {age_s:.0f} s"
    return True, "running"
