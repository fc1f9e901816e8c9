"""The records of provenance: their names, their files, how they are written and read.

A run with provenance has a folder, ``DIR/<run id>/``. Each process appends to a file of
its own in it, a *segment*: ``prov-run.jsonl`` of the process that called `run`, and
``prov-<process>.jsonl`` of each worker. A worker that was started again writes
``prov-<process>.<start>.jsonl``. So no two processes write into one file, on any file
system.

Format
------
A segment is a file of lines in UTF-8. A line is a JSON object with the key ``kind``.
A key without a value is left out. Times are seconds since 1970. A line that is no JSON
was cut, by a full disk or because its process was killed: it is skipped and counted,
and the last line of a file is no record until it ends with a newline.

========== ==========================================================================
kind       keys
========== ==========================================================================
run        First line of ``prov-run.jsonl``. format (1), run, name, began, host, user,
           pid, folder, command (list), mapping, processes, versions (name to
           version), configuration (any object), files (list as of kind file), edges
           (list of source, output, destination, input, grouping), pes (list of pe,
           name, class, source, sha256, parameters, inputs, outputs, instances,
           derives)
process    First line of ``prov-<process>.jsonl``. format (1), run, process, start (0,
           or how often the worker was started again), began, host, pid, instances
           (number of the instance in the plan, as text, to [pe, number]; the same
           instance may be in several processes)
call       One call of an element, written at its end. i (the instance in the plan), n
           (number of the call of this instance, from 0), t ([began, ended]), phase
           (if not process), got ([port, item]), key, outcome (if not done:
           failed, skipped, interrupted), attempts (if not 1), error (object: type,
           message, traceback), out (list of products)
products   Products of a call that has not ended. i, n, out
earlier    Calls that another process made of an instance before it moved (`redis`). i,
           past (the number after the last of these calls). Some have no record if that
           process was killed before it wrote them
file       A file that was read. path, size, modified, sha256
note       A note about the run, in a file of its own. time, content (object)
failure    A failure outside a call. pe, instance, process, phase, port, error, time
process_end ended, lost (records that were not written), undescribed (items whose
           description failed)
end        Last line of ``prov-run.jsonl``. ended, outcome (complete, failed,
           interrupted), n_failures
========== ==========================================================================

A product is an item that was sent. Its keys: port, k (its place among the items of this
port in its call; left out if 0), items, type, terms (object), key, since, previous,
calls, parts (terms of the parts of a large item: name to list of the values of all
parts), files (paths that it was read from), location, format, size, sha256 (of the file
that it was written to).

An *item* is the name of an item in a channel (see `dispel4py.lineage`): the text
``source.route.destination.number``. A product has a name in each channel that it was
sent through. So a product of one segment and the call of another segment that got it
are joined by equal names.

A product was derived from the items that its call got. There are these exceptions:

- with ``since``: from the items that the calls ``since < number <= n`` of its instance
  got. If it has a ``key``, only from those calls among them with an equal ``key``. A
  key is a text or a number, or a list of them; lists with a common key count as equal.
- without ``since``, if its call got no item: from all items that its instance got, with
  this ``key`` if it has one.
- ``calls`` are numbers of other calls of its instance, whose items it was also derived
  from.
- ``previous`` (``n/port/k`` of the same instance) is a product that it was also derived
  from.

An item that no product has was sent by a process that was killed before it wrote the
record: it was *lost with the process*, as were earlier calls without a record. Names in
a channel whose source is -2 are inputs of the run.

Ids
---
Ids are made by counting: ``run``, ``run/pe/instance``, ``run/pe/instance/n`` of a call,
``run/pe/instance/n/port/k`` of a product. Calls of a worker that was started again
begin at the number ``start * 10**9``. If instances move between processes (`redis`),
``start`` is the number of the process plus a multiple of ``10**6``, and grows with each
move. Run ids sort by time.
"""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from dispel4py.file_search import files_named
from dispel4py.files import list_folder

_log = logging.getLogger(__name__)

FORMAT = 1
RUN_SEGMENT = "prov-run.jsonl"
#: Distance between the first call numbers of two starts of a worker. A worker would
#: need an hour to make so many calls even if each took 4 microseconds.
CALLS_PER_START = 10**9


def make_run_id(now: float | None = None) -> str:
    """Return a new id of a run, which sorts by time.

    Parameters
    ----------
    now : float, optional
        Seconds since 1970.

    >>> make_run_id(0.25)[:19]
    '19700101T000000.250'
    """
    moment = datetime.fromtimestamp(time.time() if now is None else now, UTC)
    text = moment.strftime("%Y%m%dT%H%M%S.%f")[:-3]
    return f"{text}-{secrets.token_hex(3)}"


def segment_name(process: int, start: int = 0) -> str:
    """Return the file name of the segment of a worker.

    Parameters
    ----------
    process : int
        The process of the plan.
    start : int
        How often the worker was started again.

    >>> segment_name(3), segment_name(3, 1)
    ('prov-3.jsonl', 'prov-3.1.jsonl')
    """
    return f"prov-{process}.jsonl" if not start else f"prov-{process}.{start}.jsonl"


class Address(NamedTuple):
    """The parts of an id; None for parts that it does not have."""

    run: str
    pe: str | None = None
    instance: int | None = None
    call: int | None = None
    port: str | None = None
    k: int | None = None

    def __str__(self) -> str:
        return "/".join(str(part) for part in self if part is not None)


def parse_id(text: str) -> Address:
    """Return the parts of an id.

    Parameters
    ----------
    text : str
        Id of a run, an instance, a call or a product. A port may contain slashes.

    Raises
    ------
    ValueError
        If it is no id.

    Examples
    --------
    >>> parse_id("R/Double1/0/17/output/2")
    Address(run='R', pe='Double1', instance=0, call=17, port='output', k=2)
    """
    parts = text.split("/")
    try:
        if len(parts) > 4:
            head, port, k = parts[:4], "/".join(parts[4:-1]), int(parts[-1])
            if not port:
                raise ValueError("no port")
            return Address(head[0], head[1], int(head[2]), int(head[3]), port, k)
        numbers = [int(part) for part in parts[2:]]
    except ValueError:
        raise ValueError(f"{text!r} is not the id of a run, call or product") from None
    if not all(parts) or len(parts) == 2:
        raise ValueError(f"{text!r} is not the id of a run, call or product")
    return Address(*parts[:2], *numbers)  # type: ignore[arg-type]


class Writer:
    """Appends records to a segment; a full disk never stops its process.

    Each record is written at once: what was written is kept if the process is killed.

    Parameters
    ----------
    path : Path
        The new file.

    Attributes
    ----------
    n_written, n_lost : int
        Records that were written, and those that could not be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.n_written = self.n_lost = 0
        self._is_torn = self._is_told = False
        self._file = -1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, flags, 0o666)
        except OSError as error:
            self._tell(error)

    def write(self, record: dict[str, Any]) -> None:
        """Append a record.

        Parameters
        ----------
        record : dict
            As described in this module; all its values can be written as JSON.
        """
        self.write_line(line_of(record))

    def write_line(self, line: bytes) -> None:
        """Append a record that is a line already.

        Parameters
        ----------
        line : bytes
            A JSON object and a newline.
        """
        if self._is_torn:
            line = b"\n" + line  # ends the part of a record that was written before
        try:
            n = os.write(self._file, line)
        except OSError as error:
            self._tell(error)
            self.n_lost += 1
            return
        if n == len(line):
            self.n_written += 1
            self._is_torn = False
        else:
            self._is_torn = self._is_torn or n > 0
            self.n_lost += 1

    def _tell(self, error: OSError) -> None:
        if not self._is_told:
            self._is_told = True
            _log.warning(
                "provenance cannot be written to %s (%s): the run continues, and "
                "records are lost",
                *(self._path, error.strerror or error),
            )

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def line_of(record: dict[str, Any]) -> bytes:
    """Return a record as a line of a segment.

    Parameters
    ----------
    record : dict
        As described in this module.

    Raises
    ------
    TypeError
        If it cannot be written as JSON in UTF-8.
    """
    return orjson.dumps(record, option=orjson.OPT_APPEND_NEWLINE)


#: A record and the end of its line, see `read_records`. A plain tuple: a named one
#: takes as long to make as a tenth of the reading.
Line = tuple[dict[str, Any] | None, int]


def read_records(path: Path, offset: int = 0) -> Iterator[Line]:
    """Read the records of a segment, also while a process appends to it.

    Parameters
    ----------
    path : Path
        The file.
    offset : int
        Where to begin: 0, or the end of a line.

    Yields
    ------
    record : dict or None
        The record of a complete line; None for a line that was cut. A last line without
        a newline is left for the next time.
    end : int
        Byte of the file after the line.
    """
    with open(path, "rb") as file:
        file.seek(offset)
        for line in file:
            if not line.endswith(b"\n"):
                return
            offset += len(line)
            if line == b"\n":
                continue
            try:
                record = orjson.loads(line)
            except ValueError:
                record = None
            yield (record if isinstance(record, dict) else None), offset


def segments(folder: Path) -> list[Path]:
    """Return the segments of a run, that of the process that called `run` first.

    Parameters
    ----------
    folder : Path
        ``DIR/<run id>``.
    """
    paths = files_named(folder, "prov-*.jsonl")
    return sorted(paths, key=lambda path: path.name != RUN_SEGMENT)


def run_folders(
    folder: Path, report: Callable[[OSError], object] | None = None
) -> list[Path]:
    """Return the folders of all runs in ``DIR``, the oldest first.

    Parameters
    ----------
    folder : Path
        The value of ``--provenance``.
    report : callable, optional
        Gets the error of each folder in ``DIR`` that cannot be listed.

    Raises
    ------
    OSError
        If ``DIR`` cannot be listed, or a folder in it without a ``report``.
    """
    runs = []
    for run in (folder / name for name in list_folder(folder)[0]):
        try:
            if segments(run):
                runs.append(run)
        except OSError as error:
            if report is None:
                raise
            report(error)
    return runs
