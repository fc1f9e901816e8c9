"""The stacks of a live run in its result folder: what is written when.

::

    OUT/run.json, OUT/parts/    as of a batch run; every command reads them
    OUT/live/stacks.npz         the sums that still grow, and the next window
    OUT/live/late.jsonl         late data, for `xcorr-app live --mend`
    OUT/live/status.json        the state of the run, a few seconds old

``stacks.npz`` decides which windows are in the results: it is written first and in one
step. The parts are written from it, so that a killed process leaves at most a part that
the next start replaces. The checkpoint of the source is written last.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import numpy as np

from seismo_pes.full_disk import name_errors
from seismo_pes.reading.live import write_checkpoint
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app.live.running_stack import RunningStack
from xcorr_app.results.run_parts import DERIVED, parts_of, records_of
from xcorr_app.results.runfile import INDEX_FILE, RunInfo

__all__ = ["STACKS_FILE", "ResultFolder", "live_folder"]

STACKS_FILE = "stacks.npz"
# Key of all rows: they are made from other rows.
TILE = 0, 0, DERIVED


def live_folder(out: str | Path) -> Path:
    """Return the folder of the state of a live run.

    >>> live_folder("results").as_posix()
    'results/live'
    """
    return Path(out) / "live"


class ResultFolder:
    """The result folder of a live run.

    Parameters
    ----------
    out : str
        The folder.
    run : RunInfo
        The description of the run and of this start.
    """

    def __init__(self, out: str, run: RunInfo) -> None:
        self.out, self.run = out, run
        self._closed_rows = self._writer()
        self._open_parts = [
            Path(out) / part.name
            for part in parts_of(Path(out))
            if any(_has_whole_run(rows) for _, rows in records_of(Path(out), part))
        ]

    def __reduce__(self) -> NoReturn:
        raise TypeError("its results are on disk, written by one process")

    @property
    def stacks_file(self) -> Path:
        """The file of the sums."""
        return live_folder(self.out) / STACKS_FILE

    def read(self, unit: str) -> RunningStack:
        """Return the stacks of earlier starts, or new ones.

        Parameters
        ----------
        unit : str
            See `RunningStack`.
        """
        run_id = self.run.run_id
        stack = RunningStack.read(self.stacks_file, run_id)
        if stack is None:
            return RunningStack(self.run.n_lags, unit, run_id=run_id)
        return stack

    def write(self, stack: RunningStack, next_start_ns: int) -> None:
        """Write the stacks after a window, and forget substacks that do not grow.

        Parameters
        ----------
        stack : RunningStack
        next_start_ns : int
            Start of the next window, nanoseconds since 1970.
        """
        stack.write(self.stacks_file)
        self.show(stack, next_start_ns)
        if stack.needed_ns is not None:
            write_checkpoint(live_folder(self.out), stack.needed_ns)

    def show(self, stack: RunningStack, next_start_ns: int) -> None:
        """Write the parts from the stacks.

        Parameters
        ----------
        stack : RunningStack
        next_start_ns : int
            Start of the next window, nanoseconds since 1970.
        """
        closed = stack.closed(next_start_ns)
        for name in closed:
            rows = stack.stacks[name].rows(name, self.run.dtype, TILE)
            self._closed_rows.write(rows)
            del stack.stacks[name]
        if closed:  # the sums on disk will not have them any more
            _sync(self._closed_rows.paths[-1])
        before = self._open_parts
        with self._writer() as writer:
            for name, sums in sorted(stack.stacks.items()):
                writer.write(sums.rows(name, self.run.dtype, TILE))
        self._open_parts = writer.paths
        (Path(self.out) / INDEX_FILE).unlink(missing_ok=True)  # it names the old parts
        for path in before:
            path.unlink(missing_ok=True)

    def _writer(self) -> CorrelationWriter:
        about, session = self.run.about(), self.run.session
        # not around the page cache: rows must outlive a killed process
        return CorrelationWriter(self.out, False, about, session, self.run.run_id)

    def close(self) -> None:
        """Close the file of the substacks that do not grow."""
        self._closed_rows.close()


def _sync(path: Path) -> None:
    with name_errors(path), path.open("rb") as file:
        os.fsync(file.fileno())


def _has_whole_run(records: np.ndarray) -> bool:
    """Return whether a part has stacks of the whole run, which grow."""
    return bool(np.char.startswith(records["stack"].astype(bytes), b"all").any())
