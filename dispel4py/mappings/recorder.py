"""A flight recorder: the current work of a process, readable after its death."""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispel4py.failure import Failure, describe
from dispel4py.mappings.segments import allocate
from dispel4py.mappings.wire import unpack, unpack_items
from dispel4py.message import Frame
from dispel4py.plan import Plan

_HEADER = 64
_CONTENT_SIZE = 128 * 1024
#: Bytes of a record.
RECORD_BYTES = _HEADER + _CONTENT_SIZE
_INSTANCE, _ITEM, _LENGTH, _SOURCE, _CALL_START, _N_WAITS = range(6)
#: In the cell of the source, if a batch is processed.
_NONE = -1


class FlightRecorder:
    """Notes the current instance and item of a process in a small shared file.

    A note takes a few tens of nanoseconds: only the position of the item is noted for
    each item. The bytes of a batch are copied once.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open(self.path, "wb") as file:
            allocate(file.fileno(), RECORD_BYTES)
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), RECORD_BYTES)
        self._cells = memoryview(self._map)[:_HEADER].cast("q")
        self._cells[_INSTANCE] = -1

    def note_call_start(self, monotonic_ns: int) -> None:
        """Note the start of the current call with a time limit; 0 at its end."""
        self._cells[_CALL_START] = monotonic_ns

    def note_wait(self, is_without_frame: bool) -> None:
        """Note that the process waited for a frame, and whether no frame arrived."""
        self._cells[_N_WAITS] = self._cells[_N_WAITS] + 1 if is_without_frame else 0

    def note_source(self, instance: int, inputs: Any) -> None:
        """Note that a source is called.

        Parameters
        ----------
        instance : int
            The source, by index.
        inputs : object
            Arguments of the call.
        """
        self._note(instance, describe(inputs).encode(), source=instance)

    def run_batch(
        self,
        instance: int,
        frame: Frame,
        items: list[Any],
        invoke_all: Callable[[list[Any], Any, int], None],
    ) -> None:
        """Call an instance with a batch of items; it notes the position of each item.

        Parameters
        ----------
        instance : int
            The instance, by index.
        frame : Frame
            The frame of the batch; the record keeps its bytes to name the item later.
        items : list
        invoke_all : callable
            Calls the instance with all items.
        """
        cells = self._cells
        header = bytes(self._map[:_HEADER])
        self._note(instance, frame.head if not frame.buffers else b"", source=_NONE)
        invoke_all(items, cells, _ITEM)
        self._map[:_HEADER] = header
        cells[_LENGTH] = 0

    def wrap(
        self, instance: int, invoke: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        """Wrap a call from another instance of the same process.

        Parameters
        ----------
        instance : int
            The instance that is called, by index.
        invoke : callable
            Calls it with one item.
        """
        cells = self._cells

        def noted_call(item: Any) -> None:
            before = cells[_INSTANCE]
            cells[_INSTANCE] = instance
            invoke(item)
            cells[_INSTANCE] = before

        return noted_call

    def _note(self, instance: int, content: bytes, source: int) -> None:
        cells = self._cells
        size = len(content) if len(content) <= _CONTENT_SIZE else 0
        cells[_LENGTH] = 0
        self._map[_HEADER : _HEADER + size] = content[:size]
        cells[_INSTANCE], cells[_ITEM] = instance, 0
        cells[_SOURCE], cells[_LENGTH] = source, size


def seconds_in_call(path: str | Path) -> float:
    """Return the seconds that the process has been in one call with a time limit."""
    since_ns = _cell(path, _CALL_START)
    return (time.monotonic_ns() - since_ns) / 1e9 if since_ns else 0.0


def waits_without_frame(path: str | Path) -> int:
    """Return the number of waits without a frame since the last frame."""
    return _cell(path, _N_WAITS)


def _cell(path: str | Path, cell: int) -> int:
    try:
        with open(path, "rb") as file:
            return memoryview(file.read(_HEADER)).cast("q")[cell]
    except (OSError, IndexError, TypeError):
        return 0


def read_record(path: str | Path, plan: Plan, process: int, cause: str) -> Failure:
    """Return the failure of a dead process, as far as its record has it.

    Parameters
    ----------
    path : path
        The record.
    plan : Plan
    process : int
        The process of the plan.
    cause : str
        Why it ended.
    """
    return failure_of_record(content_of_record(path), plan, process, cause)


def content_of_record(path: str | Path) -> bytes:
    """Return the content of a record; no bytes if there is none."""
    try:
        return Path(path).read_bytes()
    except OSError:
        return b""


def failure_of_record(raw: bytes, plan: Plan, process: int, cause: str) -> Failure:
    """Return the failure of a dead process, from the content of its record.

    Parameters
    ----------
    raw : bytes
        The content.
    plan : Plan
    process : int
        The process of the plan.
    cause : str
        Why it ended.
    """
    cells = memoryview(raw[:_HEADER]).cast("q") if len(raw) >= _HEADER else [-1] * 8
    index = cells[_INSTANCE]
    if not 0 <= index < len(plan.instances):
        pes = ", ".join(spec.pe_id for spec in plan.in_process(process))
        return Failure("", 0, process, "worker", None, "", f"{cause}; it ran {pes}")
    spec = plan.instances[index]
    content = raw[_HEADER : _HEADER + cells[_LENGTH]]
    port, item = None, "an unknown item"
    if cells[_SOURCE] != _NONE:
        item = f"inputs {content.decode(errors='replace')}"
        if cells[_SOURCE] != index:
            item = f"an item made of {item}"
    elif content:
        # it may be impossible to import the class of the item here
        with contextlib.suppress(Exception):
            port, item = _read_item(content, cells[_ITEM], plan, index)
    return Failure(spec.pe_id, spec.number, process, "process", port, item, cause)


def _read_item(
    content: bytes, number: int, plan: Plan, index: int
) -> tuple[str | None, str]:
    _, key, _, values, flags, *_ = unpack(content)
    item = describe(unpack_items(values, flags, ())[number])
    route = plan.routes[key.route]
    if index in route.destinations:
        return route.input, item
    return None, f"an item made of {route.input!r} = {item}"


def cause_of_death(exitcode: int | None, by_kernel: bool = False) -> str:
    """Return a description of the end of a process.

    Parameters
    ----------
    exitcode : int or None
        As in `multiprocessing.Process`; None if it is not known.
    by_kernel : bool
        Whether the kernel has killed a process for lack of memory during the run.

    Examples
    --------
    >>> cause_of_death(-9)
    'killed by signal SIGKILL (out of memory, or by hand)'
    """
    import signal

    if by_kernel and exitcode in (None, -signal.SIGKILL):
        return "killed by the kernel (SIGKILL): out of memory"
    if exitcode is None:
        return "the process stopped responding"
    if exitcode >= 0:
        return f"the process ended with exit status {exitcode}"
    try:
        name = signal.Signals(-exitcode).name
    except ValueError:
        name = str(-exitcode)
    hint = " (out of memory, or by hand)" if name == "SIGKILL" else ""
    return f"killed by signal {name}{hint}"


def record_path(folder: str | os.PathLike[str], process: int) -> Path:
    """Return the path of the record of one process.

    Parameters
    ----------
    folder : path
        The folder of the run.
    process : int
    """
    return Path(folder) / f"record-{process}"
