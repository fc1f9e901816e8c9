"""The element at the end of a live run: stacks, status, and what is left out."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import Any

from dispel4py.core import GenericPE
from seismo_pes.correlating.substacks import window_name
from seismo_pes.items.account import WindowAccount
from seismo_pes.items.live import ChannelHealth
from seismo_pes.items.skipped import FAILED_READ, Skipped
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.reading.live.ordering import LATE
from seismo_pes.signal.window import WindowGrid
from xcorr_app.live.items import ClosedWindow, LiveStates
from xcorr_app.live.late import note_late, note_missing
from xcorr_app.live.result_folder import ResultFolder, live_folder
from xcorr_app.live.status import Reporter
from xcorr_app.results.runfile import RunInfo

__all__ = ["FAILED_AFTER", "LiveStack"]

# A window in which a step has failed is given up when this many windows later is
# complete: more than one process is behind the others.
FAILED_AFTER = 20
FAILED = "a tile failed: its pairs are without this window"


class LiveStack(GenericPE):
    """Add the correlations of each window to the running stacks, and write them.

    A window is added when the rows of all its tiles have arrived, in the order in which
    windows were closed. Windows that an earlier start has added are left out.

    Ports
    -----
    closed : ClosedWindow
        Each window, before its rows. The data that it lacks are listed for mending.
    rows : CorrelationRows
        Correlations of single windows.
    states : LiveStates
        The states of the channels, for the status.
    health : ChannelHealth
        The health of the channels, for the status.
    account : WindowAccount
        The windows used and lost of each channel, for the status.
    skipped : Skipped
        What other elements left out. Late data, and those of files that could not be
        read, are listed for mending.

    Parameters
    ----------
    out : str
        The result folder.
    run : RunInfo
        Description of the run and of this start.
    grid : WindowGrid
        The windows.
    n_tiles : int
        Number of tiles of each window.
    unit : str
        The substacks that users see, see `RunningStack`.
    reporter : Reporter
        Writes status and views, and gives alerts.
    tiles_may_fail : bool
        Whether the run continues when a tile fails: then a window is added without its
        tiles when a much later window is complete.
    """

    single = True
    stateful = True

    def __init__(
        self,
        out: str,
        run: RunInfo,
        grid: WindowGrid,
        n_tiles: int,
        unit: str,
        reporter: Reporter,
        tiles_may_fail: bool = False,
    ) -> None:
        super().__init__()
        kinds = {
            "closed": ClosedWindow,
            "rows": CorrelationRows,
            "states": LiveStates,
            "health": ChannelHealth,
            "account": WindowAccount,
            "skipped": Skipped,
        }
        for port, kind in kinds.items():
            self._add_input(port, tuple_type=kind)
        self.out, self.run, self.grid = out, run, grid
        self.n_tiles, self.unit, self.reporter = n_tiles, unit, reporter
        self.tiles_may_fail = tiles_may_fail

    def _preprocess(self) -> None:
        self._folder = ResultFolder(self.out, self.run)
        self._stack = self._folder.read(self.unit)
        if self._stack.next_window is not None:
            self._folder.show(self._stack, self._start_ns(self._stack.next_window))
        self._waiting: deque[ClosedWindow] = deque()
        self._rows: dict[int, list[CorrelationRows]] = {}
        self._n_ended: Counter[int] = Counter()
        self.reporter.begin(self.grid)

    def process(self, inputs: dict[str, Any]) -> None:
        """Take one item."""
        for port, item in inputs.items():
            getattr(self, f"_take_{port}")(item)

    def _take_states(self, states: LiveStates) -> None:
        self.reporter.report(states)

    def _take_health(self, health: ChannelHealth) -> None:
        self.reporter.take_health(health)

    def _take_account(self, account: WindowAccount) -> None:
        self.reporter.take_account(account)

    def _take_skipped(self, skipped: Skipped) -> None:
        self.reporter.count(skipped)
        has_failed = skipped.stage == FAILED_READ and skipped.start_ns is not None
        if has_failed or skipped.reason == LATE:
            note_late(live_folder(self.out), skipped)

    def _take_closed(self, closed: ClosedWindow) -> None:
        self._waiting.append(closed)
        self._add_complete()

    def _take_rows(self, rows: CorrelationRows) -> None:
        window = rows.tile[2]
        self._rows.setdefault(window, []).append(rows)
        self._n_ended[window] += rows.last
        self._add_complete()

    def _add_complete(self) -> None:
        while self._waiting:
            window = self._waiting[0].window
            n_missing = self.n_tiles - self._n_ended[window]
            if n_missing and not self._is_overtaken():
                break
            closed = self._waiting.popleft()
            if n_missing:
                name = window_name(closed.start_ns)
                self.reporter.count(Skipped("correlate", name, FAILED, n_missing))
            del self._n_ended[window]
            self._add(closed, self._rows.pop(window, []))

    def _is_overtaken(self) -> bool:
        """Return whether the first window has failed: much later ones are complete."""
        if not self.tiles_may_fail or len(self._waiting) <= FAILED_AFTER:
            return False
        return self._n_ended[self._waiting[FAILED_AFTER].window] == self.n_tiles

    def _add(self, closed: ClosedWindow, rows: Sequence[CorrelationRows]) -> None:
        stack = self._stack
        if stack.next_window is not None and closed.window < stack.next_window:
            return  # an earlier start has added it
        if closed.missing:  # before the window is on disk: a kill loses no entry
            note_missing(live_folder(self.out), closed.missing)
        stack.add(rows, closed.start_ns)
        stack.next_window = closed.window + 1
        stack.needed_ns, stack.origin_ns = closed.needed_ns, self.grid.origin_ns
        stack.positions = closed.positions
        self.reporter.add(closed, rows, stack)  # the day is complete in it
        self._folder.write(stack, self._start_ns(stack.next_window))
        if closed.arrived_s is not None:
            self.reporter.stack_latency(time.monotonic() - closed.arrived_s)
        self.reporter.write_view()

    def _start_ns(self, window: int) -> int:
        return int(self.grid.start_ns(window))

    def postprocess(self) -> None:
        """Write the last status."""
        self._folder.close()
        self.reporter.end()
