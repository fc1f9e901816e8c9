"""Measuring on all pairs of a run: a small workflow, in batches and bounded memory.

::

    PairBatches -> a PE that measures -> WriteInOrder

The PE that measures reads rows of its own; rows of its results travel to one writer,
which puts them in the order of the pairs, however many processes there are.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dispel4py.base import IterativePE
from dispel4py.core import GenericPE
from dispel4py.errors import DataError, ParameterError
from dispel4py.observe import Count, Observer
from dispel4py.run import run as run_graph
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.full_disk import report_full_disk
from seismo_pes.items.skipped import Skipped
from seismo_pes.signal.errors import ParameterError as SignalError
from xcorr_app import store as stores
from xcorr_app.store import Store

__all__ = [
    "BATCH_BYTES",
    "Batch",
    "MeasurePairs",
    "Measured",
    "Sink",
    "run_and_tell",
    "run_batches",
    "tell_skipped",
    "write_about",
]

BATCH_BYTES = 8 << 20
EXAMPLES = 3
Progress = Callable[[int, int], None]


@dataclass(frozen=True, eq=False)
class Batch:
    """Some pairs of a store, and which batch they are."""

    number: int
    indices: np.ndarray


@dataclass(frozen=True, eq=False)
class Measured:
    """Rows of results of a batch: a structured array."""

    number: int
    rows: np.ndarray


class Sink(Protocol):
    """Where rows go, in order; it makes files in its folder when it is opened."""

    folder: str

    def open(self) -> None:
        """Begin."""

    def add(self, rows: np.ndarray) -> None:
        """Take the rows of some pairs."""

    def close(self) -> None:
        """Finish; nothing more comes."""


class PairBatches(IterativePE):
    """The source: deals out batches."""

    def _process(self, data: Batch) -> Batch:
        return data


class MeasurePairs(GenericPE):
    """Measures on each pair of a batch; override `measure`.

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
        """Measure on the pairs of a batch; what fails on one is said of that one."""
        batch: Batch = inputs["input"]
        assert self._store is not None, "preprocess comes first"
        found = []
        for index, make in self.measurements(self._store, batch.indices):
            pair = self._store.pairs[index]
            try:
                found.append(make())
            except (DataError, SignalError) as error:
                name = f"{pair['first_id']} - {pair['second_id']}"
                reason = str(error).removeprefix(
                    f"{pair['first_id']}_{pair['second_id']}: "
                )
                yield {"skipped": Skipped(self.stage, name, reason)}
        rows = np.concatenate([self.no_rows, *found])
        yield {"output": Measured(batch.number, rows)}

    no_rows: np.ndarray

    def measurements(self, store: Store, indices: np.ndarray) -> Any:
        """Yield for each pair its index, and a call that gives its rows."""
        raise NotImplementedError


class WriteInOrder(GenericPE):
    """Gives rows to a sink in the order of the batches, whichever comes first."""

    def __init__(self, sink: Sink) -> None:
        super().__init__()
        self._add_input("input", grouping="global")
        self._add_output("written")
        self.sink = sink
        self._waiting: dict[int, np.ndarray] = {}
        self._next = 0

    def _preprocess(self) -> None:
        self._waiting, self._next = {}, 0
        with report_full_disk(self.sink.folder):
            self.sink.open()

    def process(self, inputs: dict[str, Any]) -> None:
        """Take a batch."""
        measured: Measured = inputs["input"]
        self._waiting[measured.number] = measured.rows
        while self._next in self._waiting:
            with report_full_disk(self.sink.folder):
                self.sink.add(self._waiting.pop(self._next))
            self._next += 1

    def _postprocess(self) -> None:
        with report_full_disk(self.sink.folder):
            self.sink.close()


def run_batches(
    measure: MeasurePairs,
    sink: Sink,
    indices: np.ndarray,
    at_once: int,
    *,
    mapping: str = "simple",
    processes: int | None = None,
    progress: Progress | None = None,
) -> list[Skipped] | None:
    """Measure on pairs, write the rows, and return what was skipped.

    Parameters
    ----------
    measure, sink
        What is done with a batch, and where its rows go.
    indices
        Rows of the store's pairs.
    at_once
        Most pairs in a batch; there are fewer where processes would have nothing to do.
    mapping, processes
        As of `dispel4py.run.run`.
    progress
        Called with pairs done and pairs in all.

    Returns
    -------
    list or None
        None in processes of an MPI run that have nothing to tell.
    """
    at_once = max(min(at_once, -(-len(indices) // (8 * (processes or 1)))), 1)
    batches = [
        {"input": Batch(number, indices[begin : begin + at_once])}
        for number, begin in enumerate(range(0, len(indices), at_once))
    ]
    source, write = PairBatches(), WriteInOrder(sink)
    graph = WorkflowGraph()
    graph.connect(source, "output", measure, "input")
    graph.connect(measure, "output", write, "input")
    follow = _Follow(measure.name, len(batches), len(indices), progress)
    result = run_graph(
        graph,
        {source: batches},
        mapping=mapping,
        processes=processes,
        observers=[] if progress is None else [follow],
    )
    if not result.complete:
        return None
    skipped: list[Skipped] = result.output(measure.id, "skipped")
    return sorted(skipped, key=lambda one: (one.reason, one.what))


class _Follow(Observer):
    """Turns the counts of the PEs into pairs done."""

    def __init__(
        self, name: str, n_batches: int, n_pairs: int, progress: Progress | None
    ) -> None:
        self.name, self.n_batches, self.n_pairs = name, n_batches, n_pairs
        self.show = progress
        self._id = ""

    def started(self, plan: Any) -> None:
        self._id = next(pe.id for pe in plan.pes if pe.name == self.name)

    def progress(self, counts: dict[str, Count]) -> None:
        share = counts[self._id].n_in / max(self.n_batches, 1)
        if self.show is not None:
            self.show(round(share * self.n_pairs), self.n_pairs)


def run_and_tell(
    store: Store,
    path: Path,
    settings: Mapping[str, Any],
    measure: MeasurePairs,
    sink: Sink,
    indices: np.ndarray,
    row_bytes: int,
    **how: Any,
) -> list[Skipped] | None:
    """Measure as `run_batches` does, and write to ``path`` how it was done.

    Parameters
    ----------
    settings
        What is told, beside the number of pairs and those that were skipped.
    row_bytes
        What is read of a pair; a batch is of `BATCH_BYTES`.
    """
    skipped = run_batches(measure, sink, indices, BATCH_BYTES // row_bytes, **how)
    if skipped is not None:
        told = {
            "n_pairs": len(indices),
            "skipped": [[one.what, one.reason] for one in skipped],
        }
        write_about(store, path, {**settings, **told})
    return skipped


def write_about(store: Store, path: Path, settings: Mapping[str, Any]) -> Path:
    """Write how results were made: settings, and the run that they were made of."""
    known = {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "run_id": store.run_id,
        "software": store.software,
        "settings": dict(settings),
        "configuration": store.config,
    }
    path.write_text(json.dumps(known, indent=1), encoding="utf-8")
    return path


def tell_skipped(skipped: Sequence[Skipped], n_pairs: int) -> list[str]:
    """Return lines about pairs that were skipped, by reason.

    Raises
    ------
    ParameterError
        If nothing else is left.
    """
    reasons = Counter(one.reason for one in skipped)
    if n_pairs and len(skipped) >= n_pairs:
        reason, _ = reasons.most_common(1)[0]
        raise ParameterError(
            f"nothing could be measured on {n_pairs:,} pairs: {reason}"
        )
    lines = [f"{len(skipped):,} of {n_pairs:,} pairs skipped:"] if skipped else []
    for reason, count in reasons.most_common():
        names = [one.what for one in skipped if one.reason == reason]
        more = f" and {count - EXAMPLES:,} more" if count > EXAMPLES else ""
        lines.append(f"  {reason}: {', '.join(names[:EXAMPLES])}{more}")
    return lines
