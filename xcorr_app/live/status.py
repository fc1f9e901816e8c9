"""The status of a live run, a few seconds old, and the numbers for its pictures."""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.correlating.substacks import window_name
from seismo_pes.items.account import WindowAccount
from seismo_pes.items.live import ChannelHealth
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.items.times import NS
from seismo_pes.signal import folding
from seismo_pes.signal.window import WindowGrid
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.history import PairHistory
from xcorr_app.live.items import ChannelState, ClosedWindow, LiveStates
from xcorr_app.live.journal import close_journal, open_journal
from xcorr_app.live.running_stack import RunningStack

__all__ = ["STATUS", "VIEW", "Reporter", "read_status"]

STATUS, VIEW = "status.json", "view.npz"
FORMAT, VERSION = "live status", 1
WAY_OUT = "the next start of the run writes it again"
# Delays from the last packet to the stack on disk that are remembered.
MOST_DELAYS = 100
# Different reasons of left-out data that are counted one by one.
MOST_REASONS = 100
# What is counted of the records of a channel, see `ChannelHealth`.
COUNTS = (
    *("records", "used", "doubled", "different", "late", "early", "future"),
    *("gaps", "gap_s"),
)


class Reporter:
    """Writes ``status.json`` and ``view.npz``, and gives alerts.

    Parameters
    ----------
    folder : str
        The folder of the state of the run.
    pairs : sequence of (int, int, str)
        The pairs that are shown: two indices into the channel table, and a name.
    rate_hz : float
        Sampling rate of the lags.
    dvv_lags_s : (float, float)
        Range of lags for velocity changes, seconds.
    alerts : Alerts
        The conditions of alerts.
    """

    def __init__(
        self,
        folder: str,
        pairs: Sequence[tuple[int, int, str]],
        rate_hz: float,
        dvv_lags_s: tuple[float, float],
        alerts: Alerts,
    ) -> None:
        self.folder, self.alerts = folder, alerts
        self.pairs, self.rate_hz, self.dvv_lags_s = list(pairs), rate_hz, dvv_lags_s

    def begin(self, grid: WindowGrid) -> None:
        """Start in the process that writes the results.

        Parameters
        ----------
        grid : WindowGrid
            The windows of the run.
        """
        self._grid = grid
        self._journal = open_journal(Path(self.folder))
        self._journal.info("started")
        self._counts: Counter[str] = Counter()
        self._delays_s: deque[float] = deque(maxlen=MOST_DELAYS)
        self._windows = 0
        self._last: ClosedWindow | None = None
        self._health: dict[str, dict[str, Any]] = {}
        self._window_counts: dict[str, Counter[str]] = {}
        path = Path(self.folder) / VIEW
        self._history = PairHistory.read(path, len(self.pairs), writes=True)
        self._pair_terms = self._terms_of_pairs()  # of the last start
        self._is_over = False
        self._states: LiveStates | None = None
        self._write()

    def count(self, skipped: Skipped) -> None:
        """Count what was left out, by its reason."""
        reason = f"{skipped.stage}: {skipped.reason}"
        if reason not in self._counts and len(self._counts) >= MOST_REASONS:
            reason = "other reasons"
        self._counts[reason] += skipped.count
        self._journal.info("%s: %s: %s", skipped.stage, skipped.what, skipped.reason)

    def take_health(self, health: ChannelHealth) -> None:
        """Note the last health of a channel, and add up what is counted."""
        earlier = self._health.get(health.channel_id, {})
        self._health[health.channel_id] = _health_terms(health, earlier)

    def take_account(self, account: WindowAccount) -> None:
        """Count the windows of a channel that are used, and those that are lost."""
        counts = self._window_counts.setdefault(account.channel_id, Counter())
        counts["windows_used"] += account.n_used
        counts["windows_lost"] += account.n_possible - account.n_used

    def stack_latency(self, delay_s: float) -> None:
        """Note the time from the last packet of a window to the stack on disk."""
        self._delays_s.append(delay_s)

    def add(
        self,
        closed: ClosedWindow,
        rows: Sequence[CorrelationRows],
        stack: RunningStack,
    ) -> None:
        """Note a window that is added to the stacks; `write_view` follows.

        Parameters
        ----------
        closed : ClosedWindow
        rows : sequence of CorrelationRows
            Its correlations.
        stack : RunningStack
            The stacks with it.
        """
        self._windows += 1
        self._last = closed
        window = window_name(closed.start_ns)
        self._journal.info("window %s; %d channels missing", window, closed.n_missing)
        name = min((n for n in stack.stacks if n.startswith("all")), default=None)
        if name is None:
            return
        keys = [(i << 32) | j for i, j, _ in self.pairs]
        self._history.add(closed.start_ns, keys, rows, name, stack)

    def write_view(self) -> None:
        """Measure the shown pairs, and write them, after a window was added."""
        assert self._last is not None
        if not self._history.stacked.shape[1]:
            return
        self._history.measure(self.rate_hz, self.dvv_lags_s)
        self._history.write(Path(self.folder) / VIEW)
        self._pair_terms = self._terms_of_pairs()

    def _terms_of_pairs(self) -> list[dict[str, Any]]:
        if not self._history.stacked.shape[1]:
            return []
        return [self._terms_of(k, label) for k, (_, _, label) in enumerate(self.pairs)]

    def _terms_of(self, k: int, label: str) -> dict[str, Any]:
        mean, n = self._history.stacked[k], int(self._history.n_windows[k])
        terms: dict[str, Any] = {"pair": label, "n_windows": n}
        if n:
            snr = float(folding.outer_signal_to_noise(mean[None])[0])
            terms["snr"] = round(snr, 3) if np.isfinite(snr) else None
        dvv = self._history.newest_dvv(k)
        if dvv is not None:
            terms["dvv"] = dvv
        return {name: value for name, value in terms.items() if value is not None}

    def report(self, states: LiveStates) -> None:
        """Write the status, and give the alerts that begin or end."""
        self._states = states
        subjects = [(term["pair"], term) for term in self._pair_terms]
        for state in states.channels:
            terms = self._channel_terms(state)
            shown = (int, float, str)
            known = {k: v for k, v in terms.items() if isinstance(v, shown)}
            subjects.append((state.channel, known))
        for alert in self.alerts.look(subjects):
            self._journal.info("alert %(state)s: %(of)s: %(condition)s", alert)
        self._write()

    def _channel_terms(self, state: ChannelState) -> dict[str, Any]:
        name = state.channel
        counts = self._window_counts.get(name, Counter())
        return vars(state) | self._health.get(name, {}) | dict(counts)

    def end(self) -> None:
        """Write the last status of a run whose data have ended."""
        self._is_over = True
        self._write()
        self.alerts.close()
        self._journal.info("ended")
        close_journal(self._journal)

    def _write(self) -> None:
        states = self._states
        last = self._last
        percentiles = _percentiles(self._delays_s)
        values = {
            "written_at": time.time(),
            "pid": os.getpid(),
            "is_over": self._is_over,
            "clock": None
            if states is None
            else window_name(states.clock_ns // NS * NS),
            "windows": self._windows,
            "last_window": None if last is None else window_name(last.start_ns),
            "missing_channels": None if last is None else last.n_missing,
            "stack_latency_s": percentiles,
            "left_out": dict(self._counts),
            "shown": [name for _, _, name in self.pairs],
            "pairs": self._pair_terms,
            "alerts": self.alerts.active,
            "channels": []
            if states is None
            else [self._channel_terms(state) for state in states.channels],
        }
        content = {"format": FORMAT, "version": VERSION} | values
        path = Path(self.folder) / STATUS
        try:
            write_checked(path, content, None, sync=False)
        except ValueError:  # NaN, which is rare: to look for it takes most of the time
            write_checked(path, _as_json(content), None, sync=False)


def _health_terms(health: ChannelHealth, earlier: Mapping[str, Any]) -> dict[str, Any]:
    """Return the last health of a channel; its counts are those since the start."""
    terms: dict[str, Any] = {}
    for name in ("rms", "offset"):  # a packet may be longer than a minute
        value = getattr(health, name)
        terms[name] = earlier.get(name) if value is None else _rounded(value)
    for name in ("data_latency_s", "feed_latency_s"):
        values = getattr(health, name)
        for level in ("p50", "p95", "p99"):
            value = None if values is None else getattr(values, level)
            terms[f"{name[:-2]}_{level}_s"] = _rounded(value)
    for name in COUNTS:
        new = getattr(health, name if name == "gap_s" else f"n_{name}")
        terms[name] = earlier.get(name, 0) + new
    return terms | {"new_gaps": health.n_gaps, "new_late": health.n_late}


def _as_json(value: Any) -> Any:
    """Return a value with None in place of NaN and infinity, which JSON has not."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {name: _as_json(entry) for name, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(entry) for entry in value]
    return value


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.6g}")


def _percentiles(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    levels = {p: float(np.percentile(list(values), p)) for p in (50, 95, 99)}
    return {f"p{p}": round(value, 3) for p, value in levels.items()}


def read_status(folder: str | Path) -> Mapping[str, Any] | None:
    """Return the last status of a run; None if there is none.

    Parameters
    ----------
    folder : str or Path
        The folder of the state of the run.

    Raises
    ------
    DataError
        If it is damaged, perhaps by a power failure.
    """
    try:
        return read_checked(Path(folder) / STATUS, FORMAT, VERSION, WAY_OUT)
    except FileNotFoundError:
        return None
