"""Late and missing data put right: the days that they touch are correlated again.

Only data that the archive has by now are put right; what it lacks stays on the lists.
The stack of the whole run is a sum of the sums of days. So a day is replaced by taking
its old sum away and adding its new one. All new sums are written to ``stacks.npz`` in
one step, from where they go to the parts as those of a live run do. If the process is
killed, the same command begins again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from dispel4py.run import run as run_graph
from seismo_pes.application.lock import RunLock
from seismo_pes.correlating.substacks import period_name
from seismo_pes.items.account import WindowAccount
from seismo_pes.items.intervals import difference
from seismo_pes.items.live import ChannelHealth
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.items.times import DAY_NS
from seismo_pes.signal.window import WindowGrid
from seismo_pes.writing.part_records import DAMAGED, MARKER
from xcorr_app.config import Config
from xcorr_app.live.items import ClosedWindow, LiveStates
from xcorr_app.live.late import LISTS, forget_late, read_late
from xcorr_app.live.presence import Present, lacking_s, n_pieces, times_in_archive
from xcorr_app.live.result_folder import TILE, ResultFolder, live_folder
from xcorr_app.live.running_stack import RunningStack, StackSums, day_of
from xcorr_app.live.session import LiveWork, build_live_graph, earlier_run, open_live
from xcorr_app.live.source import LiveInput, ReplayInput
from xcorr_app.results.index import finalize
from xcorr_app.results.row_reader import RowReader
from xcorr_app.results.run_parts import parts_of, records_of
from xcorr_app.results.window_tables import WINDOWS

__all__ = ["Mended", "mend"]

LOST = DAMAGED | MARKER


@dataclass(frozen=True)
class Mended:
    """What `mend` did.

    Attributes
    ----------
    days : tuple of str
        Days that were correlated again.
    refused : tuple of str
        Days of which the archive has fewer windows than the live run had; they are as
        before, and stay on the list.
    n_late : int
        Pieces of late or missing data that were put right: contiguous times of a
        channel.
    lacking_s : dict of str to float
        By channel, the time of data that the archive lacks, too, seconds; they stay on
        the list.
    """

    days: tuple[str, ...]
    refused: tuple[str, ...]
    n_late: int
    lacking_s: Mapping[str, float]

    def __str__(self) -> str:
        lines = [] if self.days or self.refused else ["No late data."]
        if self.days:
            days = ", ".join(self.days)
            lines = [f"{self.n_late} pieces of late data are in the stacks: {days}"]
        if self.lacking_s:
            lacking = ", ".join(f"{c} {s:.6g} s" for c, s in self.lacking_s.items())
            lines.append(f"The archive does not have these data, either: {lacking}")
        if self.refused:
            lines.append(
                f"Not changed, because the archive has less data than were live: "
                f"{', '.join(self.refused)}"
            )
        return "\n".join(lines)


def mend(config: Config, source: LiveInput, archive: str, max_wait_s: float) -> Mended:
    """Correlate the days with late data again, from an archive.

    Parameters
    ----------
    config : Config
        The options of the live run.
    source : LiveInput
        The source of the live run.
    archive : str
        The archive with the late data.
    max_wait_s : float
        As in the live run.

    Raises
    ------
    DataError
        If there is no live run in the folder.
    """
    if earlier_run(config) is None:
        raise DataError(f"{config.out}: has no live run")
    folder = live_folder(config.out)
    with RunLock(config.out) as lock:
        work = open_live(config, source, lock)
        late = [entry for name in LISTS for entry in read_late(folder, name)]
        present = times_in_archive(archive, work.plan.pairs.recorded_ids, late)
        done, refused = _replace_days(work, archive, max_wait_s, present)
        mended = {
            entry: [
                times
                for times in present[entry]
                if not set(_touched(work, *times)) & set(refused)
            ]
            for entry in late
        }
        forget_late(folder, lambda entry: difference([entry[1:]], mended[entry]))
    return Mended(
        tuple(map(period_name, done)),
        tuple(map(period_name, refused)),
        n_pieces(mended) if done else 0,
        lacking_s(present),
    )


def _replace_days(
    work: LiveWork, archive: str, max_wait_s: float, present: Present
) -> tuple[list[int], list[int]]:
    """Correlate the days of some data again; return those replaced, and refused."""
    config = work.plan.config
    results = ResultFolder(config.out, work.run)
    stack = results.read(config.substack)
    done, refused = [], []
    for day, windows in _days(work, present).items():
        new = _day_again(work, archive, max_wait_s, day, windows)
        if _replace_day(work, stack, new, period_name(day)):
            done.append(day)
        else:
            refused.append(day)
    if done:
        assert work.first is not None
        next_ns = int(work.plan.settings.grid.start_ns(work.first))
        results.write(stack, next_ns)  # with the sums of closed substacks
        results.write(stack, next_ns)  # without them: they are in the parts
    results.close()
    finalize(config.out)
    return done, refused


def _touched(work: LiveWork, start_ns: int, end_ns: int) -> dict[int, None]:
    """Return the days of the windows that need data of an interval."""
    grid, first = work.plan.settings.grid, work.first
    if first is None:
        return {}
    begin = start_ns - work.margin_ns - grid.length_ns - grid.origin_ns
    end = end_ns + work.margin_ns - grid.origin_ns
    numbers = range(
        max(0, begin // grid.step_ns + 1), min(first, -(-end // grid.step_ns))
    )
    return dict.fromkeys(int(grid.start_ns(k)) // DAY_NS for k in numbers)


def _days(work: LiveWork, present: Present) -> dict[int, tuple[int, int]]:
    """Return the days of some data: the first window, and the one after the last."""
    grid = work.plan.settings.grid
    touched = (_touched(work, *times) for parts in present.values() for times in parts)
    days = sorted(set().union(*touched))
    found = {}
    for day in days:
        begin, end = (
            max(0, -(-(t * DAY_NS - grid.origin_ns) // grid.step_ns))
            for t in (day, day + 1)
        )
        found[day] = begin, min(end, work.first or 0)
    return found


class SumWindows(GenericPE):
    """Sum the correlations of some windows.

    Ports
    -----
    rows : CorrelationRows
        Correlations of single windows.
    closed, states, health, account, skipped
        As those of `LiveStack`; they are not needed here.
    stack : RunningStack
        All sums, at the end of the data.

    Parameters
    ----------
    grid : WindowGrid
        The windows.
    n_lags : int
        Samples of a correlation.
    unit : str
        The substacks, see `RunningStack`.
    windows : (int, int)
        The first window, and the one after the last.
    """

    single = True
    stateful = True

    def __init__(
        self, grid: WindowGrid, n_lags: int, unit: str, windows: tuple[int, int]
    ) -> None:
        super().__init__()
        kinds = {
            "rows": CorrelationRows,
            "closed": ClosedWindow,
            "states": LiveStates,
            "health": ChannelHealth,
            "account": WindowAccount,
            "skipped": Skipped,
        }
        for port, kind in kinds.items():
            self._add_input(port, tuple_type=kind)
        self._add_output("stack", tuple_type=RunningStack)
        self.grid, self.n_lags, self.unit = grid, n_lags, unit
        self.windows = windows

    def _preprocess(self) -> None:
        self._stack = RunningStack(self.n_lags, self.unit)

    def process(self, inputs: dict[str, Any]) -> None:
        """Add the rows of a window."""
        rows = inputs.get("rows")
        if rows is not None and self.windows[0] <= rows.tile[2] < self.windows[1]:
            self._stack.add([rows], int(self.grid.start_ns(rows.tile[2])))

    def postprocess(self) -> None:
        """Send the sums."""
        self.write("stack", self._stack)


def _day_again(
    work: LiveWork,
    archive: str,
    max_wait_s: float,
    day: int,
    windows: tuple[int, int],
) -> RunningStack:
    """Correlate the windows of a day, as the live run does, from an archive."""
    plan, (first, stop) = work.plan, windows
    grid, config = plan.settings.grid, plan.config
    starts = int(grid.start_ns(first)), int(grid.start_ns(stop - 1))
    replay = ReplayInput(archive, end_ns=starts[1] + grid.length_ns)
    records = replay.element(
        *(plan.pairs.recorded_ids, starts[0] - work.margin_ns, max_wait_s),
        live_folder(config.out),
        work.margin_ns,
    )
    end = SumWindows(grid, plan.n_lags, config.substack, windows)
    again = replace(work, first=first, positions=())
    graph = build_live_graph(again, records, max_wait_s, end)
    result = run_graph(graph, 1, mapping=config.mapping, processes=config.processes)
    if result.failures:
        raise DataError(f"{period_name(day)}: {result.failures[0].summary}")
    (stack,) = result.output(end.id, "stack")
    return stack


def _replace_day(
    work: LiveWork, stack: RunningStack, new: RunningStack, day: str
) -> bool:
    """Replace the sums of a day; return False if this would lose windows."""
    shown = stack.unit == "day"
    changes = []
    for name, sums in new.stacks.items():
        interval, at, band = name.partition("@")
        if interval == "all":
            day_name = f"{day if shown else f'.{day}'}{at}{band}"
            old = stack.stacks.get(day_name)
            if old is None:
                old = _stored(work, day_name, stack.n_lags)
            if _loses(old, sums):
                return False
            changes.append((name, old, sums))
    for name, old, sums in changes:
        whole = stack.sums_of(name)
        whole.merge(old, -1)
        whole.merge(sums)
    for name, sums in new.stacks.items():
        if day_of(name) == day:
            stack.stacks[name] = sums
    return bool(changes)


def _loses(old: StackSums, new: StackSums) -> bool:
    """Return whether a pair has fewer windows than before."""
    if not len(old.keys):
        return False
    if not np.isin(old.keys, new.keys).all():
        return True
    return bool(
        (new.n_windows[np.searchsorted(new.keys, old.keys)] < old.n_windows).any()
    )


def _stored(work: LiveWork, name: str, n_lags: int) -> StackSums:
    """Return the sums of a closed substack from the parts; empty if there is none."""
    out, run = Path(work.plan.config.out), work.run
    parts, entries = parts_of(out), {}
    for number, part in enumerate(parts):
        for first_row, records in records_of(out, part):
            of_stack = (records["stack"] == name.encode()) & (
                records["flags"] & LOST == 0
            )
            for k in np.flatnonzero(of_stack).tolist():
                pair = int(records["first"][k]), int(records["second"][k])
                entry = np.zeros((), WINDOWS)
                for field in ("n_windows", "start_ns", "end_ns", "data_sum"):
                    entry[field] = records[field][k]
                entry["part"], entry["row"] = number, first_row + k
                entries[pair] = entry  # the last one counts
    sums = StackSums.empty(n_lags)
    if entries:
        windows = np.array(list(entries.values()), WINDOWS)
        data = RowReader(out, parts, n_lags, np.dtype(run.dtype)).read(windows)
        pairs = np.array(list(entries), np.int32)
        times = windows["start_ns"], windows["end_ns"]
        counts = windows["n_windows"]
        rows = CorrelationRows(name, pairs, counts, *times, data, TILE, last=True)
        sums.merge(StackSums.of(rows))
    return sums
