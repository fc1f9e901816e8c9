"""Records go from the segments of runs into the store.

A segment is read from where the last reading ended. Rows and the position in the
segment are written in one transaction, so nothing is read twice, also if several
processes ingest at the same time or one of them is killed.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from dispel4py.errors import DataError
from dispel4py.provenance.batch import Batch
from dispel4py.provenance.model import read_records, run_folders, segments
from dispel4py.provenance.store import Store

__all__ = ["Ingested", "ingest"]

#: Records of one transaction: enough that its cost does not count, and few megabytes.
_AT_ONCE = 20_000


class Ingested(NamedTuple):
    """What a call of `ingest` has read.

    Attributes
    ----------
    n_runs, n_records, n_cut : int
        Numbers of runs, of records, and of lines that were cut.
    unread : list of str
        The folders and files that could not be read, each with the reason.
    """

    n_runs: int
    n_records: int
    n_cut: int
    unread: list[str]


def ingest(store: Store, folder: str | Path) -> Ingested:
    """Read the new records of all runs of a folder into a store.

    Parameters
    ----------
    store : Store
    folder : str or Path
        The folder of ``--provenance``. What cannot be read in it, such as the run of
        another user, is left for the next time.

    Raises
    ------
    DataError
        If a segment has a call that was read already.
    OSError
        If the folder itself cannot be listed.
    """
    n_runs = n_records = n_cut = 0
    unread: list[str] = []

    def report(error: OSError) -> None:
        unread.append(f"{error.filename}: {error.strerror}")

    for path in run_folders(Path(folder), report):
        grown = list(_grown(store, path, report))
        if grown:
            n_runs += 1
        for segment in grown:
            try:
                with _without_search_for_cycles():
                    records, cut = _read_segment(store, path, segment)
            except store.database.conflict as error:
                raise DataError(
                    f"{segment}: it has a call or product that was read already; if "
                    "it is a copy of another file, move it out of the folder"
                ) from error
            except OSError as error:
                report(OSError(error.errno, error.strerror, str(segment)))
                continue
            n_records, n_cut = n_records + records, n_cut + cut
    if n_records:
        store.database.note_sizes()
    return Ingested(n_runs, n_records, n_cut, unread)


def _grown(
    store: Store, path: Path, report: Callable[[OSError], object]
) -> Iterator[Path]:
    """Yield the segments of a run that have new records."""
    known = _positions(store, path.name)
    for segment in segments(path):
        try:
            if segment.stat().st_size > known.get(segment.name, 0):
                yield segment
        except OSError as error:
            report(error)


@contextlib.contextmanager
def _without_search_for_cycles() -> Iterator[None]:
    """Let Python not look for cycles of objects: records have none, and it is slow.

    The memory of a batch is freed without this search.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _positions(store: Store, run: str) -> dict[str, int]:
    rows = store.rows(
        "SELECT segment.name, position FROM segment JOIN run ON run.n = segment.run "
        "WHERE run.id = ?",
        [run],
    )
    return {str(name): int(position) for name, position in rows}


def _read_segment(store: Store, folder: Path, path: Path) -> tuple[int, int]:
    """Read the rest of a segment; return the numbers of records and cut lines."""
    n_records = n_cut = 0
    position = _positions(store, folder.name).get(path.name, 0)
    while True:
        lines = read_records(path, position)
        first = next(lines, None)
        if first is None:
            return n_records, n_cut
        with store.database.transaction():
            known = _positions(store, folder.name).get(path.name, 0)
            if known != position:  # another process has read some lines
                position = known
                continue
            batch = Batch(store, folder)
            # each line is read when it is taken: few are in memory at a time
            batch.take(path.name, chain([first], islice(lines, _AT_ONCE - 1)))
            batch.write()
        position = batch.end
        n_records, n_cut = n_records + batch.n_records, n_cut + batch.n_cut
