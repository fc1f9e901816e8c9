"""A live run: its graph, its folder, and its course."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from dispel4py.files import is_file
from dispel4py.mappings import place
from dispel4py.run import RunResult, share
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.application.files import write_whole
from seismo_pes.application.lock import RunLock
from seismo_pes.correlating.spectra.window_spectra import WindowSpectra
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles.blocks import Tiles, wanted_tiles
from seismo_pes.correlating.tiles.correlation import CorrelateTiles
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.skipped import FAILED_READ
from seismo_pes.reading.live import CHECKPOINT, LiveSource, read_checkpoint
from seismo_pes.regular_file import ReadFailed
from seismo_pes.writing.correlation_writer import FULL_DISK_NOTE
from xcorr_app.config import Config
from xcorr_app.live.alerts import Alerts
from xcorr_app.live.continuous_record import Position
from xcorr_app.live.late import drop_incomplete
from xcorr_app.live.planning import live_plan
from xcorr_app.live.result_folder import STACKS_FILE, live_folder
from xcorr_app.live.running_stack import WAY_OUT, RunningStack
from xcorr_app.live.source import LiveInput
from xcorr_app.live.stacking import FAILED_AFTER, LiveStack
from xcorr_app.live.status import Reporter
from xcorr_app.live.windows import LiveWindows
from xcorr_app.planning.components import Components
from xcorr_app.planning.division import divide
from xcorr_app.planning.memory import Resources
from xcorr_app.planning.plan import RunPlan
from xcorr_app.planning.preprocess import Preprocess
from xcorr_app.planning.stations import listed_stations
from xcorr_app.results.index import finalize
from xcorr_app.results.run_parts import parts_of
from xcorr_app.results.runfile import (
    RUN_FILE,
    RunInfo,
    create_run,
    new_session,
    read_run,
    write_run,
)
from xcorr_app.running.outdated import close_parts
from xcorr_app.running.resume import check_config

__all__ = [
    "LiveWork",
    "build_live_graph",
    "check_position",
    "open_live",
    "read_stacks",
    "run_live",
]

ENDING_S = 10.0  # longest time that a process takes to end after it was killed
# Pairs that are shown on the page, the first of the run.
MOST_SHOWN = 12


def run_live(
    config: Config,
    source: LiveInput,
    max_wait_s: float,
    alerts: Alerts,
    dvv_lags_s: tuple[float, float] | None = None,
    pair: tuple[str, str] | None = None,
) -> RunResult:
    """Correlate live data until the source ends or the process is stopped.

    Parameters
    ----------
    config : Config
        The options that live and batch runs share.
    source : LiveInput
        Where the data come from.
    max_wait_s : float
        Longest wait for missing data of a window, seconds.
    alerts : Alerts
        Conditions of alerts, and where they go.
    dvv_lags_s : (float, float), optional
        Range of lags for velocity changes, seconds. By default from a quarter to
        nine tenths of the longest lag.
    pair : (str, str), optional
        Two channels, of which the station list of the options is made.

    Raises
    ------
    ParameterError
        If an option does not fit the data, or the earlier results in the folder.
    """
    with RunLock(config.out) as lock, report_full_disk(config.out, FULL_DISK_NOTE):
        work = share(config.mapping, lambda: open_live(config, source, lock, pair))
        graph = _graph(work, source, max_wait_s, alerts, dvv_lags_s)
        result = run_graph(
            graph,
            1,
            mapping=config.mapping,
            processes=config.processes,
            on_error=config.on_error,
        )
        if result.complete and not place().rank:
            finalize(config.out)
        return result


@dataclass(frozen=True)
class LiveWork:
    """One start of a live run.

    Attributes
    ----------
    plan : RunPlan
        The plan.
    run : RunInfo
        Description of the run and of this start.
    blocks : list of (int, int)
        The blocks of channels.
    first : int or None
        The first window that the results do not have. None: that of the first data.
    positions : sequence of Position
        Where the records of the channels were after the window before it.
    """

    plan: RunPlan
    run: RunInfo
    blocks: Sequence[tuple[int, int]]
    first: int | None
    positions: Sequence[Position] = ()

    @property
    def margin_ns(self) -> int:
        """Time before and after a window that the preprocessing needs."""
        return self.plan.spans[0].margin_ns

    @property
    def start_ns(self) -> int | None:
        """Start of the data that are needed; None if the data begin."""
        if self.first is None:
            return None
        return int(self.plan.settings.grid.start_ns(self.first)) - self.margin_ns

    @property
    def n_tiles(self) -> int:
        """Number of tiles of each window."""
        pairs = self.plan.pairs
        return len(wanted_tiles(self.blocks, pairs.selection, pairs.rotation))


def open_live(
    config: Config,
    source: LiveInput,
    lock: RunLock,
    pair: tuple[str, str] | None = None,
) -> LiveWork:
    """Plan the run, and describe this start in its folder.

    Parameters
    ----------
    config, source, pair
        See `run_live`.
    lock : RunLock
        The lock of the folder, which is taken.

    Raises
    ------
    ParameterError
        If an option does not fit the data, or the earlier results in the folder.
    ReadFailed
        If a file that may have a channel cannot be read now.
    """
    out, folder = Path(config.out), live_folder(config.out)
    lock.take(wait_s=ENDING_S)
    run = earlier_run(config)
    if run is not None:
        check_config(run, config, growing=True, action="the live run goes on")
    else:
        if is_file(out / RUN_FILE) and not config.force:
            raise ParameterError(
                f"{out} has results of another run: choose another folder, or --force"
            )
        _clear(folder)
    if pair is not None:
        write_whole(Path(config.stations), "\n".join([*pair, ""]))
    components = Components(config.components, config.across_components, config.orients)
    stations = listed_stations(config.stations, config.channels, components)
    known = [] if run is None else run.channels["id"].tolist()
    plan = live_plan(config, known, *source.channels(stations, components, folder))
    for entry in plan.skipped:
        if entry.stage == FAILED_READ:  # the channels of a run do not change later
            raise ReadFailed(f"{entry.what}: {entry.reason}")
    blocks = divide(plan, Resources.of(config)).blocks
    if run is None:
        return LiveWork(plan, _create(config, plan), blocks, None)
    stack = read_stacks(out, run)
    check_position(out, stack)
    if stack is None:
        return LiveWork(plan, _continue(plan, run), blocks, None)
    state = stack.next_window, stack.positions
    return LiveWork(plan, _continue(plan, run), blocks, *state)


def earlier_run(config: Config) -> RunInfo | None:
    """Return the live run that was started in the folder, unless it is replaced.

    Parameters
    ----------
    config : Config
        The options.
    """
    if config.force or not is_file(Path(config.out) / RUN_FILE):
        return None
    run = read_run(config.out)
    return run if run.division.get("live") else None


def _create(config: Config, plan: RunPlan) -> RunInfo:
    return create_run(
        config.out,
        config=config.to_dict(),
        channels=plan.channels,
        sampling_rate_hz=plan.settings.rate_hz,
        n_lags=plan.n_lags,
        dtype=config.dtype,
        division={"live": True, "origin_ns": plan.settings.grid.origin_ns},
        overwrite=config.force,
    )


def _continue(plan: RunPlan, run: RunInfo) -> RunInfo:
    out = Path(plan.config.out)
    if plan.settings.grid.origin_ns != run.division["origin_ns"]:
        raise ParameterError(f"{out}: its windows start at other times: give --start")
    if [c.id for c in plan.channels] != run.channels["id"].tolist():
        raise ParameterError(
            f"{out}: has results of other channels: choose another folder, or --force"
        )
    drop_incomplete(live_folder(out))
    close_parts(out)
    run = new_session(run, "resume")
    write_run(out, run)
    return run


def read_stacks(out: Path, run: RunInfo) -> RunningStack | None:
    """Return the stacks that still grow; None before the first window.

    Parameters
    ----------
    out : Path
        The result folder.
    run : RunInfo
        The description of the run.

    Raises
    ------
    DataError
        If the file is damaged, of another run, or missing beside results.
    """
    path = live_folder(out) / STACKS_FILE
    stack = RunningStack.read(path, run.run_id)
    if stack is None and parts_of(out):
        raise DataError(f"{path}: missing: {WAY_OUT}")
    return stack


def check_position(out: Path, stack: RunningStack | None) -> None:
    """Refuse a position in the source after the data that the next window needs.

    Parameters
    ----------
    out : Path
        The result folder.
    stack : RunningStack or None
        From `read_stacks`.

    Raises
    ------
    DataError
        If data of the run would be lost.
    """
    folder = live_folder(out)
    position_ns = read_checkpoint(folder)
    needed_ns = None if stack is None else stack.needed_ns
    if position_ns is not None and (needed_ns is None or position_ns > needed_ns):
        raise DataError(
            f"{folder / CHECKPOINT}: is later than the data that {STACKS_FILE} needs: "
            "remove it, and the run continues at its stacks"
        )


def _clear(folder: Path) -> None:
    """Make the folder of the state, without files of an earlier run."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.suffix in (".npz", ".json", ".jsonl"):
            path.unlink()


def build_live_graph(
    work: LiveWork,
    source: LiveSource,
    max_wait_s: float,
    end: GenericPE,
    stop_ns: int | None = None,
) -> WorkflowGraph:
    """Connect the elements of a live run.

    Parameters
    ----------
    work : LiveWork
        One start of the run.
    source : LiveSource
        The records.
    max_wait_s : float
        Longest wait for missing data of a window, seconds.
    end : GenericPE
        Takes the correlations of each window, with the ports of `LiveStack`.
    stop_ns : int, optional
        No window ends later, nanoseconds since 1970.
    """
    plan = work.plan
    config, ids = plan.config, [channel.id for channel in plan.channels]
    recorded, table = plan.pairs.recorded_ids, {id_: k for k, id_ in enumerate(ids)}
    selection, rotation = plan.pairs.selection, plan.pairs.rotation
    names = {id_: plan.names.get(id_, id_) for id_ in recorded}
    shown_ids = {ids[k] for i, j, _ in shown_pairs(plan) for k in (i, j)}
    windows = LiveWindows(
        *(plan.settings.grid, recorded, work.margin_ns, max_wait_s, work.first),
        [id_ for id_, name in names.items() if name in shown_ids],
        stop_ns,
        work.positions,
    )
    preprocess = Preprocess(plan, recorded)
    spectra = WindowSpectra(plan.settings, table)
    numbers = [table[name] for name in names.values()]
    # each window has an item of each channel, so only failed items are missing; a wait
    # in data time would be over when one process is behind the others
    skips = config.on_error == "skip"
    wait_s = FAILED_AFTER * max(config.window_s, config.step_s) if skips else None
    tiles = Tiles(
        work.blocks, numbers, None, selection, rotate=rotation, max_wait_s=wait_s
    )
    correlate = CorrelateTiles(
        plan.settings, Substacks("window"), selection, ids, rotation
    )
    graph = WorkflowGraph()
    graph.connect(source, "output", windows, "input")
    graph.connect(windows, "closed", end, "closed")
    graph.connect(windows, "states", end, "states")
    graph.connect(windows, "output", preprocess, "input")
    graph.connect(preprocess, "output", spectra, "input")
    graph.connect(spectra, "output", tiles, "input")
    graph.connect(tiles, "output", correlate, "input")
    graph.connect(correlate, "output", end, "rows")
    # items of outputs without a connection would stay in memory to the end of the run
    graph.connect(source, "health", end, "health")
    graph.connect(spectra, "account", end, "account")
    for element in (source, windows, preprocess, spectra, tiles, correlate):
        graph.connect(element, "skipped", end, "skipped")
    return graph


def _graph(
    work: LiveWork,
    source: LiveInput,
    max_wait_s: float,
    alerts: Alerts,
    dvv_lags_s: tuple[float, float] | None,
) -> WorkflowGraph:
    """Return the graph of a run that writes to its folder."""
    plan, config = work.plan, work.plan.config
    folder, recorded = live_folder(config.out), plan.pairs.recorded_ids
    records = source.element(
        recorded, work.start_ns, max_wait_s, folder, work.margin_ns
    )
    reporter = Reporter(
        str(folder),
        shown_pairs(plan),
        plan.settings.rate_hz,
        dvv_lags_s or _usual_lags(plan),
        alerts,
    )
    stack = LiveStack(
        *(config.out, work.run, plan.settings.grid, work.n_tiles),
        *(config.substack, reporter),
        tiles_may_fail=config.on_error == "skip",
    )
    return build_live_graph(work, records, max_wait_s, stack, source.end_ns)


def shown_pairs(plan: RunPlan) -> list[tuple[int, int, str]]:
    """Return the first pairs of a run, which are shown, and their names.

    Parameters
    ----------
    plan : RunPlan
        The plan of the run.
    """
    ids = [channel.id for channel in plan.channels]
    allowed = plan.pairs.selection.allowed
    every = np.arange(len(ids))
    shown = []
    for i in range(len(ids)):
        for j in np.flatnonzero(allowed(every[i : i + 1], every)[0]).tolist():
            if j >= i:
                shown.append((i, j, f"{ids[i]} - {ids[j]}"))
            if len(shown) == MOST_SHOWN:
                return shown
    return shown


def _usual_lags(plan: RunPlan) -> tuple[float, float]:
    longest_s = plan.settings.max_lag / plan.settings.rate_hz
    return longest_s / 4, longest_s * 0.9
