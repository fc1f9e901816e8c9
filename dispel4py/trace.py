"""A record of every call of a run in the Chrome trace format.

Open the file in ``chrome://tracing`` or in Perfetto: one row per process, nested calls
below each other.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, TextIO

from dispel4py.files import list_folder
from dispel4py.lineage import PROCESS, Call
from dispel4py.observe import Observer
from dispel4py.outputs import check_can_be_written
from dispel4py.plan import Plan

__all__ = ["Trace"]


class Trace(Observer):
    """An observer that writes ``path``; each process writes a part beside it.

    Parameters
    ----------
    path : str or Path
        The trace file, JSON. An existing file is replaced.

    Raises
    ------
    ParameterError
        If the file cannot be written.
    """

    def __init__(self, path: str | Path) -> None:
        check_can_be_written("trace", path)
        self.path = Path(path).absolute()
        self._file: TextIO | None = None
        self._plan: Plan | None = None

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_file": None, "_plan": None}

    def started(self, plan: Plan) -> None:
        """Make an empty file, and remove old parts."""
        self._plan = plan
        self.path.write_text("")
        for part in self._parts():
            part.unlink()

    def worker_started(self, plan: Plan, process: int) -> None:
        """Open the part of this process.

        Parameters
        ----------
        plan : Plan
            The plan of the run.
        process : int
            The process.
        """
        name = f"{self.path.name}.{process}.{os.getpid()}.part"
        self._file = open(self.path.with_name(name), "w")  # noqa: SIM115
        names = {"name": f"process {process}"}
        self._write(
            {"ph": "M", "name": "process_name", "pid": process, "tid": 0, "args": names}
        )

    def called(self, call: Call) -> None:
        """Write one call of ``process``."""
        if call.phase != PROCESS:
            return
        event = {
            "ph": "X",
            "name": call.instance.pe_id,
            "cat": call.port or "source",
            "pid": call.instance.process,
            "tid": 0,
            "ts": round(call.began * 1e6, 1),
            "dur": round((call.ended - call.began) * 1e6, 1),
            "args": {"instance": call.instance.number, "outcome": call.outcome},
        }
        self._write(event)

    def worker_finished(self, process: int) -> None:
        """Close the part of this process."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def finished(self, result: Any) -> None:
        """Join the parts to one file."""
        parts = self._parts()
        events = []
        for part in parts:
            events += [line for line in part.read_text().splitlines() if line]
        self.path.write_text('{"traceEvents": [\n' + ",\n".join(events) + "\n]}\n")
        for part in parts:
            part.unlink()

    def _parts(self) -> list[Path]:
        _, names = list_folder(self.path.parent)
        begin = f"{self.path.name}."
        parts = (n for n in names if n.startswith(begin) and n.endswith(".part"))
        return [self.path.with_name(name) for name in parts]

    def _write(self, event: dict[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(event) + "\n")
