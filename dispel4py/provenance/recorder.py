"""Records the provenance of a run: an observer, which never changes the run.

The process that called `run` writes what the run is; each worker writes its calls, the
items that they received, and the products that they sent.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.failure import Failure
from dispel4py.files import exists
from dispel4py.lineage import Call, Key
from dispel4py.observe import Observer
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.provenance.derivation import check_derives
from dispel4py.provenance.files import FileNotes
from dispel4py.provenance.instance_records import InstanceRecords, error_record
from dispel4py.provenance.model import (
    FORMAT,
    RUN_SEGMENT,
    Writer,
    make_run_id,
    segment_name,
)
from dispel4py.provenance.run_record import Provenance, run_record
from dispel4py.provenance.selection import read_selection
from dispel4py.result import RunResult

__all__ = ["Recorder"]

_log = logging.getLogger(__name__)


class Recorder(Observer):
    """Writes the provenance of one run.

    Parameters
    ----------
    settings : Provenance
        Where, and which terms.
    mapping : str
        Name of the mapping, for the record.

    Attributes
    ----------
    run_id : str
    """

    def __init__(self, settings: Provenance, mapping: str) -> None:
        self.run_id = make_run_id()
        self._settings, self._mapping = settings, mapping
        self._selection = read_selection(settings.capture)
        self._folder = Path(os.path.abspath(settings.folder)) / self.run_id
        self._run_writer: Writer | None = None
        self._instances: dict[int, InstanceRecords] = {}
        self._segments: dict[int, tuple[Writer, FileNotes]] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what belongs to this process."""
        own: dict[str, Any] = {"_run_writer": None, "_instances": {}, "_segments": {}}
        return vars(self) | own

    # -- the process that called `run` -----------------------------------------------

    def check(self, plan: Plan) -> None:
        """Check the declarations of the PEs and the selection, before a run.

        Raises
        ------
        ParameterError
            If they are invalid.
        """
        self._selection.check(plan.pes, self._settings.names)
        for pe in plan.pes:
            check_derives(pe)

    def started(self, plan: Plan) -> None:
        """Write the record of the run."""
        self._run_writer = Writer(self._folder / RUN_SEGMENT)
        record = run_record(self.run_id, plan, self._settings, self._mapping)
        self._run_writer.write(record)

    def failed(self, failure: Failure) -> None:
        """Write a failure that no worker can write, such as a killed process."""
        if self._run_writer is None or failure.traceback:
            return
        record = {
            "kind": "failure",
            "pe": failure.pe_id,
            "instance": failure.instance,
            "process": failure.process,
            "phase": failure.phase,
            "port": failure.port,
            "error": error_record(failure),
            "time": time.time(),
        }
        self._run_writer.write(record)

    def finished(self, result: RunResult) -> None:
        """Write the end of the run."""
        self._end("complete", result.n_failures)

    def interrupted(self, error: BaseException) -> None:
        """Write the end of a run that failed, or that was interrupted."""
        is_failure = isinstance(error, Exception)
        self._end("failed" if is_failure else "interrupted", None)

    def _end(self, outcome: str, n_failures: int | None) -> None:
        if self._run_writer is None:
            return
        record = {"kind": "end", "ended": time.time(), "outcome": outcome}
        if n_failures is not None:
            record["n_failures"] = n_failures
        self._run_writer.write(record)
        self._run_writer.close()
        self._run_writer = None

    # -- the workers -----------------------------------------------------------------

    def worker_started(self, plan: Plan, process: int) -> None:
        """Begin the segment of a process."""
        start = 0
        with contextlib.suppress(OSError):  # the writer reports it
            while exists(self._folder / segment_name(process, start)):
                start += 1
        writer = Writer(self._folder / segment_name(process, start))
        specs = plan.in_process(process)
        writer.write(
            {
                "kind": "process",
                "format": FORMAT,
                "run": self.run_id,
                "process": process,
                "start": start,
                "began": time.time(),
                "host": socket.gethostname(),
                "pid": os.getpid(),
                "instances": {str(s.index): [s.pe_id, s.number] for s in specs},
            }
        )
        self._segments[process] = writer, FileNotes(writer)
        for spec in specs:
            self._begin(spec, plan.pes[spec.pe_index], start, False)

    def _begin(
        self, spec: InstanceSpec, pe: GenericPE, start: int, is_kept: bool
    ) -> InstanceRecords:
        """Begin the records of an instance in its process."""
        segment = self._segments[spec.process]
        self._instances[spec.index] = records = InstanceRecords(
            *(pe, spec.index, *segment, self._selection, start, is_kept)
        )
        return records

    def taken(
        self, instance: InstanceSpec, pe: GenericPE, start: int, memory: Any
    ) -> None:
        """Begin the records of an instance that other processes may have had."""
        before = self._instances.get(instance.index)
        records = self._begin(instance, pe, start, True)
        if before is not None and before.writer is records.writer:
            records.n_undescribed = before.n_undescribed
        if memory is not None:
            records.remember(memory)

    def memory_of(self, instance: InstanceSpec) -> Any:
        """Return what the next process of an instance needs."""
        return self._instances[instance.index].memory()

    def settled(self, instance: InstanceSpec, is_done: bool) -> None:
        """Write the records of work that can no longer be lost."""
        self._instances[instance.index].settle(is_done)

    def noted(
        self, instance: InstanceSpec, port: str, notes: Mapping[str, Any]
    ) -> None:
        """Keep the notes of a PE about its next item."""
        self._instances[instance.index].note(port, notes)

    def emitted(self, instance: InstanceSpec, port: str, item: Any) -> None:
        """Describe an item, before its receivers get it."""
        self._instances[instance.index].describe(port, item)

    def delivered(
        self, instance: InstanceSpec, port: str, names: list[tuple[Key, int]]
    ) -> None:
        """Add the names of an item to its record."""
        self._instances[instance.index].name(names)

    def called(self, call: Call) -> None:
        """Write the record of a call."""
        self._instances[call.site.instance.index].write(call)

    def worker_finished(self, process: int) -> None:
        """End the segment of a process."""
        writer, _ = self._segments.pop(process)
        own = [i for i in self._instances.values() if i.writer is writer]
        n_undescribed = sum(instance.n_undescribed for instance in own)
        record = {"kind": "process_end", "ended": time.time()}
        record |= {"lost": writer.n_lost} if writer.n_lost else {}
        record |= {"undescribed": n_undescribed} if n_undescribed else {}
        writer.write(record)
        writer.close()
        if writer.n_lost:
            _log.warning(
                "provenance of process %d: %d of %d records could not be written",
                *(process, writer.n_lost, writer.n_lost + writer.n_written),
            )
