"""The graphs of a finished run, so that products can be made again from its records.

Blocks, groups and channels are those of the results, so the elements get the same items
as in the run. Data and substacks are read from the places of the run; what the elements
write goes to another folder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.file_search import files_named
from dispel4py.provenance.recorded_workflow import RecordedWorkflow
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.application.run_record import find_recorded
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.tiles.blocks import Tiles
from seismo_pes.items.correlation import Correlation
from seismo_pes.items.descriptions import source_id
from seismo_pes.items.tiles import CorrelationRows, Spectra
from seismo_pes.plotting.product_preview import AmplitudeSpectra
from seismo_pes.regular_file import open_regular
from seismo_pes.writing.account_journal import WriteAccount
from seismo_pes.writing.correlation_writer import WriteCorrelations, parts_folder
from seismo_pes.writing.part_files import count_rows, index_pieces, read_layout
from seismo_pes.writing.part_records import MARKER, RECORD
from xcorr_app import store
from xcorr_app.config import Config
from xcorr_app.planning.division import Division, Place
from xcorr_app.planning.memory import Resources
from xcorr_app.planning.plan import plan_run
from xcorr_app.results.runfile import RunInfo, read_run
from xcorr_app.running.second_phase import RestackWork, derived_stacks
from xcorr_app.running.substacks import substack_rows
from xcorr_app.running.work import Work, work_left
from xcorr_app.workflow import build_graph, build_restack_graph

__all__ = ["RecordedCorrelations", "reload"]

#: Most correlations of a preview; more lines cannot be told from each other.
MOST_SHOWN = 15


def reload(record: Mapping[str, Any], scratch: Path) -> RecordedCorrelations:
    """Return the graph of a phase of a recorded run.

    Parameters
    ----------
    record
        The record of the run in provenance.
    scratch
        Folder for the files that are made again.

    Raises
    ------
    ParameterError
        If the results of the run are not in their folder any more.
    """
    out, run = find_recorded(record["configuration"], read_run)
    given = run.config | {"out": str(out), "resume": False, "update": False}
    plan = plan_run(Config.from_dict(given), run.channels["id"].tolist())
    division = Division.from_dict(run.division)
    work = work_left(plan, division, Resources.of(plan.config))
    work = replace(work, run=run)
    inputs: Sequence[Any]
    if any(pe["name"] == "RestackPairs" for pe in record["pes"]):
        parts, tiles = substack_rows(out)
        inputs = list(tiles.values())
        restack = RestackWork(parts, derived_stacks(plan), tuple(inputs))
        graph = build_restack_graph(work, restack)
    else:
        inputs = plan.spans
        graph = build_graph(work, _all_rounds(work))
    for pe in graph.pes:
        if isinstance(pe, WriteCorrelations | WriteAccount):
            pe.out = str(scratch)
        elif isinstance(pe, Tiles):
            pe.spool_folder = scratch
    return RecordedCorrelations(graph, inputs, (out, scratch), run, plan.settings)


def _all_rounds(work: Work) -> dict[int, frozenset[Place]]:
    """Return the tiles of all rounds: each is made in one of them."""
    needed: dict[int, frozenset[Place]] = {}
    for places in work.rounds:
        for period, tiles in places.items():
            needed[period] = needed.get(period, frozenset()) | tiles
    return needed


class RecordedCorrelations(RecordedWorkflow):
    """The graph of a phase of a run; it finds correlations in the results.

    Parameters
    ----------
    graph, inputs, folders
        See `RecordedWorkflow`.
    run
        The description of the run.
    settings
        How windows became spectra.
    """

    def __init__(
        self,
        graph: WorkflowGraph,
        inputs: Sequence[Any],
        folders: tuple[Path, Path],
        run: RunInfo,
        settings: SpectraSettings,
    ) -> None:
        super().__init__(graph, inputs, folders)
        (self.out, self.scratch), self.run = folders, run
        self.settings = settings
        self._ids = run.channels["id"].tolist()

    def place_of(self, location: str) -> str:
        """Return the path of a file that is made again.

        A part has another name, as its writer is another one.

        Parameters
        ----------
        location
            Path of the file in the run.
        """
        path = Path(location)
        if path.parent != parts_folder(self.out):
            return super().place_of(location)
        number = path.stem.rpartition("-")[2]  # of the part among those of its writer
        parts = files_named(parts_folder(self.scratch), f"part-*-{number}.h5")
        newest = max(parts, key=lambda part: part.stat().st_mtime_ns, default=None)
        return str(newest or self.scratch / path.name)

    def file_values(self, path: Path) -> np.ndarray | None:
        """Return the correlations of a part, in the order of stacks and pairs.

        Parameters
        ----------
        path
            The file.
        """
        if path.suffix != ".h5":
            return super().file_values(path)
        records, data = _rows_of_part(path)
        order = np.lexsort((records["second"], records["first"], records["stack"]))
        return np.asarray(data[order].reshape(-1))

    def ancestors_of_part(
        self, terms: Mapping[str, Any]
    ) -> Callable[[Mapping[str, Any]], bool] | None:
        """Return whether an ancestor of a tile belongs to the stations of a pair."""
        if not {"first", "second"} <= set(terms):
            return None
        stations = {_station(source_id(terms[name])) for name in ("first", "second")}

        def is_of_pair(ancestor: Mapping[str, Any]) -> bool:
            name = ancestor.get("source_id")
            return not name or _station(name) in stations

        return is_of_pair

    def part(self, item: Any, k: int, terms: Mapping[str, Any]) -> Any:
        """Return the row of a pair."""
        if not isinstance(item, CorrelationRows):
            return None
        numbers = [self._ids.index(terms[name]) for name in ("first", "second")]
        rows = np.flatnonzero((item.pairs == numbers).all(axis=1))
        return _chosen(item, rows)

    def stored(self, item: Any) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the rows that the results have for correlations."""
        if not isinstance(item, CorrelationRows) or not len(item):
            return None
        with store.open(self.out) as results:
            if item.stack not in results.stacks:
                return None  # a group of days, which only the stack of the run has
            rows = []
            for first, second in item.pairs.tolist():
                names = self._ids[first], self._ids[second]
                rows.append(results.get(*names, stack=item.stack).data)
        return np.array(rows), item.data

    def drawable(self, item: Any) -> Any:
        """Return correlations with names and lags, spectra with frequencies."""
        if isinstance(item, Path) and item.suffix == ".h5":
            return self._of_part(item)
        if isinstance(item, CorrelationRows):
            chosen = _chosen(item, np.arange(min(len(item), MOST_SHOWN)))
            return self._correlations(chosen.pairs, chosen.data, [chosen.stack])
        if isinstance(item, Spectra):
            bins = np.arange(self.settings.n_fft // 2 + 1)[self.settings.bins]
            frequencies_hz = bins * self.settings.rate_hz / self.settings.n_fft
            note = f"{len(item.windows)} windows and their mean"
            return AmplitudeSpectra(frequencies_hz, np.abs(item.data), note)
        return item

    def _of_part(self, path: Path) -> list[Correlation]:
        """Return the first correlations of a file of results."""
        records, data = _rows_of_part(path, MOST_SHOWN)
        pairs = np.stack([records["first"], records["second"]], axis=1)
        stacks = [name.decode() for name in records["stack"].tolist()]
        return self._correlations(pairs, data, stacks)

    def _correlations(
        self, pairs: np.ndarray, data: np.ndarray, stacks: Sequence[str]
    ) -> list[Correlation]:
        with store.open(self.out) as results:
            places = {
                (int(pair["first"]), int(pair["second"])): float(pair["distance_km"])
                for pair in results.pairs
            }
        ids, rate_hz = self._ids, self.run.sampling_rate_hz
        return [
            Correlation.of(
                *(ids[first], ids[second], row, rate_hz),
                stack=stacks[min(k, len(stacks) - 1)],
                distance_km=places.get((first, second), np.nan),
            )
            for k, ((first, second), row) in enumerate(
                zip(pairs.tolist(), data, strict=True)
            )
        ]


def _rows_of_part(path: Path, most: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the records and the data of the correlations in a part."""
    layout = read_layout(path)
    pieces = list(index_pieces(path, layout, count_rows(path, layout)))
    records = np.concatenate([np.zeros(0, RECORD), *pieces])
    chosen = np.flatnonzero((records["flags"] & MARKER) == 0)[:most]
    n_rows = int(chosen[-1]) + 1 if len(chosen) else 0
    # not a map in memory: an error of the disk at it would end this process
    with open_regular(path) as file:
        file.seek(layout.data_offset)
        content = file.read(n_rows * layout.row_bytes)
    data = np.frombuffer(content, layout.dtype).reshape(n_rows, layout.n_lags)
    return records[chosen], data[chosen]


def _station(name: str) -> str:
    """Return network and station of a source identifier.

    >>> _station("FDSN:CI_FMP__B_H_Z")
    'FDSN:CI_FMP'
    """
    return "_".join(name.split("_")[:2])


def _chosen(item: CorrelationRows, rows: np.ndarray) -> CorrelationRows:
    names = ("pairs", "n_windows", "start_ns", "end_ns", "data")
    return replace(item, **{name: getattr(item, name)[rows] for name in names})
