"""A workflow that measures on all pairs of a run, in batches and in bounded memory.

::

    PairBatches -> MeasurePairs -> WriteInOrder

Each instance of MeasurePairs reads the correlations of its batches. The measurements
travel to one writer, which writes them in the order of the pairs.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

import numpy as np

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from dispel4py.observe import Count, Observer
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.application.files import write_whole
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.skipped import Skipped
from seismo_pes.regular_file import ReadFailed
from seismo_pes.signal.errors import ParameterError as SignalError
from xcorr_app import store as stores
from xcorr_app.store import Store

__all__ = [
    "BATCH_BYTES",
    "Batch",
    "BatchRows",
    "MeasurePairs",
    "Measurement",
    "Sink",
    "describe_skipped",
    "measure_and_record",
    "run_batches",
    "write_settings",
]

BATCH_BYTES = 8 << 20  # of correlations in a batch: small beside a process's memory
NO_TABLE = "no table of this measurement was written"
MOST_EXAMPLES = 3  # pairs that are named for each reason
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Batch:
    """The indices of some pairs of a store, and the number of the batch."""

    number: int
    indices: np.ndarray


@dataclass(frozen=True, eq=False)
class BatchRows:
    """The measurements of a batch, as rows of a structured array."""

    number: int
    rows: np.ndarray


class Sink(Protocol):
    """Files in a folder that take the rows of all batches, in order."""

    folder: str

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files."""

    def open(self) -> None:
        """Begin the files."""

    def add(self, rows: np.ndarray) -> None:
        """Write the rows of the pairs of a batch."""

    def close(self) -> None:
        """Finish the files, after the last batch."""


Table = TypeVar("Table", bound=Sink)


class Measurement(NamedTuple, Generic[Table]):
    """What was measured on the pairs of a run.

    Attributes
    ----------
    table
        The files with the rows.
    n_pairs
        Number of all pairs.
    skipped
        The pairs that could not be measured.
    """

    table: Table
    n_pairs: int
    skipped: list[Skipped]


class PairBatches(IterativePE):
    """The source: sends out the batches."""

    def _process(self, data: Batch) -> Batch:
        return data


class MeasurePairs(GenericPE):
    """Measures on each pair of a batch; subclasses override `measurements`.

    Parameters
    ----------
    out
        Folder of the run.
    """

    stage = "measure"

    def __init__(self, out: str) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")
        self._add_output("skipped")
        self.out = out
        self._store: Store | None = None

    def _preprocess(self) -> None:
        self._store = stores.open(self.out)

    def _postprocess(self) -> None:
        store, self._store = self._store, None
        if store is not None:
            store.close()

    def process(self, inputs: dict[str, Any]) -> Any:
        """Measure on the pairs of a batch; a pair that fails is reported as skipped."""
        batch: Batch = inputs["input"]
        assert self._store is not None, "preprocess opens the store"
        rows = [self.no_rows]
        for index, measure in self.measurements(self._store, batch.indices):
            pair = self._store.pairs[index]
            try:
                rows.append(measure())
            except ReadFailed:
                raise
            except (DataError, SignalError) as error:
                name = f"{pair['first_id']} - {pair['second_id']}"
                reason = str(error).removeprefix(
                    f"{pair['first_id']}_{pair['second_id']}: "
                )
                yield {"skipped": Skipped(self.stage, name, reason)}
        yield {"output": BatchRows(batch.number, np.concatenate(rows))}

    no_rows: np.ndarray

    def measurements(self, store: Store, indices: np.ndarray) -> Any:
        """Yield the index of each pair and a function that returns its rows."""
        raise NotImplementedError


class WriteInOrder(GenericPE):
    """Writes the rows of the batches to a sink in the order of the batches."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("written")
        self.sink = sink
        self._waiting: dict[int, np.ndarray] = {}
        self._next = 0

    def _preprocess(self) -> None:
        self._waiting, self._next = {}, 0
        with report_full_disk(self.sink.folder, NO_TABLE):
            self.sink.open()

    def process(self, inputs: dict[str, Any]) -> None:
        """Write the rows of a batch, or keep them until earlier batches arrive."""
        batch: BatchRows = inputs["input"]
        self._waiting[batch.number] = batch.rows
        while self._next in self._waiting:
            with report_full_disk(self.sink.folder, NO_TABLE):
                self.sink.add(self._waiting.pop(self._next))
            self._next += 1

    def _postprocess(self) -> None:
        with report_full_disk(self.sink.folder, NO_TABLE):
            self.sink.close()


def run_batches(
    measure: MeasurePairs,
    sink: Sink,
    indices: np.ndarray,
    batch_pairs: int,
    *,
    mapping: str = "simple",
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Skipped] | None:
    """Measure on pairs, write the rows, and return the pairs that were skipped.

    Parameters
    ----------
    measure, sink
        The element that measures, and the files for its rows.
    indices
        Indices of the pairs in the store.
    batch_pairs
        Largest number of pairs in a batch. Batches are smaller if there would be fewer
        than 8 per process.
    mapping, processes
        As for `dispel4py.run.run`.
    progress
        Called with the number of pairs done and the number of all pairs.

    Returns
    -------
    list or None
        None in the processes of an MPI run that do not have the results.
    """
    batch_pairs = max(min(batch_pairs, -(-len(indices) // (8 * (processes or 1)))), 1)
    batches = [
        {"input": Batch(number, indices[begin : begin + batch_pairs])}
        for number, begin in enumerate(range(0, len(indices), batch_pairs))
    ]
    source, write = PairBatches(), WriteInOrder(sink)
    graph = WorkflowGraph()
    graph.connect(source, "output", measure, "input")
    graph.connect(measure, "output", write, "input")
    pairs_done = _PairProgress(measure.name, len(batches), len(indices), progress)
    result = run_graph(
        graph,
        {source: batches},
        mapping=mapping,
        processes=processes,
        observers=[] if progress is None else [pairs_done],
    )
    if not result.complete:
        return None
    skipped: list[Skipped] = result.output(measure.id, "skipped")
    return sorted(skipped, key=lambda skip: (skip.reason, skip.what))


class _PairProgress(Observer):
    """Converts the number of batches done into the number of pairs done."""

    def __init__(
        self, name: str, n_batches: int, n_pairs: int, progress: Progress | None
    ) -> None:
        self.name, self.n_batches, self.n_pairs = name, n_batches, n_pairs
        self.report = progress
        self._id = ""

    def started(self, plan: Any) -> None:
        self._id = next(pe.id for pe in plan.pes if pe.name == self.name)

    def progress(self, counts: dict[str, Count]) -> None:
        fraction = counts[self._id].n_in / max(self.n_batches, 1)
        if self.report is not None:
            self.report(round(fraction * self.n_pairs), self.n_pairs)


def measure_and_record(
    store: Store,
    path: Path,
    settings: Mapping[str, Any],
    measure: MeasurePairs,
    table: Table,
    indices: np.ndarray,
    *,
    n_stacks: int,
    **options: Any,
) -> Measurement[Table] | None:
    """Measure as `run_batches` does, and write the settings to ``path``.

    Parameters
    ----------
    store
        Open results.
    path
        The JSON file of the settings, the number of pairs, and the skipped pairs.
    settings
        Settings of the measurement.
    measure, table, indices, options
        As for `run_batches`.
    n_stacks
        Number of correlations that are read for one pair; a batch has about
        `BATCH_BYTES`.

    Returns
    -------
    Measurement or None
        None in the processes of an MPI run that do not have the results.
    """
    pair_bytes = len(store.lags_s) * store.dtype.itemsize * n_stacks
    skipped = run_batches(measure, table, indices, BATCH_BYTES // pair_bytes, **options)
    if skipped is None:
        return None
    outcome = {
        "n_pairs": len(indices),
        "skipped": [[skip.what, skip.reason] for skip in skipped],
    }
    write_settings(store, path, {**settings, **outcome})
    return Measurement(table, len(indices), skipped)


def write_settings(store: Store, path: Path, settings: Mapping[str, Any]) -> Path:
    """Write the settings of a measurement, and the run that was measured."""
    record = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": store.run_id,
        "software": store.software,
        "settings": dict(settings),
        "configuration": store.config,
    }
    write_whole(path, json.dumps(record, indent=1))
    return path


def describe_skipped(skipped: Sequence[Skipped], n_pairs: int) -> list[str]:
    """Return lines of text about the pairs that were skipped, by reason.

    Raises
    ------
    ParameterError
        If all pairs were skipped.
    """
    reasons = Counter(skip.reason for skip in skipped)
    if n_pairs and len(skipped) >= n_pairs:
        reason, _ = reasons.most_common(1)[0]
        raise ParameterError(
            f"none of the {n_pairs:,} pairs could be measured: {reason}"
        )
    lines = [f"{len(skipped):,} of {n_pairs:,} pairs skipped:"] if skipped else []
    for reason, count in reasons.most_common():
        names = [skip.what for skip in skipped if skip.reason == reason]
        more = f" and {count - MOST_EXAMPLES:,} more" if count > MOST_EXAMPLES else ""
        lines.append(f"  {reason}: {', '.join(names[:MOST_EXAMPLES])}{more}")
    return lines
