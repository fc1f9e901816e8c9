"""A flight recorder: the present work of a process, readable after its death."""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dispel4py.failure import Failure, describe
from dispel4py.mappings.wire import unpack, unpack_items
from dispel4py.message import Frame
from dispel4py.plan import Plan

_HEADER = 64
_ROOM = 128 * 1024
_INSTANCE, _ITEM, _LENGTH, _IS_SOURCE, _SINCE, _N_IDLE = range(6)


class FlightRecorder:
    """Notes the present instance and item of a process in a small shared file.

    A note costs a few tens of nanoseconds: the item itself stays in the bytes of its
    batch, which are copied once per batch.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        with open(self.path, "wb") as file:
            file.truncate(_HEADER + _ROOM)
        with open(self.path, "r+b") as file:
            self._map = mmap.mmap(file.fileno(), _HEADER + _ROOM)
        self._cells = memoryview(self._map)[:_HEADER].cast("q")
        self._cells[_INSTANCE] = -1

    def since(self, monotonic_ns: int) -> None:
        """Note the start of the present bounded call; 0 if there is none."""
        self._cells[_SINCE] = monotonic_ns

    def waited(self, is_in_vain: bool) -> None:
        """Note that the process waited for a frame, and whether it waited in vain."""
        self._cells[_N_IDLE] = self._cells[_N_IDLE] + 1 if is_in_vain else 0

    def source(self, instance: int, inputs: Any) -> None:
        """Note that a source is called.

        Parameters
        ----------
        instance : int
            The source, by index.
        inputs : object
            Arguments of the call.
        """
        self._note(instance, describe(inputs).encode(), is_source=True)

    def run_batch(
        self,
        instance: int,
        frame: Frame,
        items: list[Any],
        invoke_all: Callable[[list[Any], Any, int], None],
    ) -> None:
        """Give the items of a batch to an instance, which notes the place of each.

        Parameters
        ----------
        instance : int
            The instance, by index.
        frame : Frame
            The batch as it arrived; the record keeps it, to name the item later.
        items : list
        invoke_all : callable
            Gives all items to the instance.
        """
        cells = self._cells
        before = bytes(self._map[:_HEADER]), None
        self._note(instance, frame.head if not frame.buffers else b"", is_source=False)
        invoke_all(items, cells, _ITEM)
        self._map[:_HEADER] = before[0]
        cells[_LENGTH] = 0

    def around(
        self, instance: int, invoke: Callable[[Any], None]
    ) -> Callable[[Any], None]:
        """Wrap a call from another instance of the same process.

        Parameters
        ----------
        instance : int
            The instance that is called, by index.
        invoke : callable
            Gives it one item.
        """
        cells = self._cells

        def noted(item: Any) -> None:
            before = cells[_INSTANCE]
            cells[_INSTANCE] = instance
            invoke(item)
            cells[_INSTANCE] = before

        return noted

    def _note(self, instance: int, content: bytes, is_source: bool) -> None:
        cells = self._cells
        size = len(content) if len(content) <= _ROOM else 0
        cells[_LENGTH] = 0
        self._map[_HEADER : _HEADER + size] = content[:size]
        cells[_INSTANCE], cells[_ITEM] = instance, 0
        cells[_IS_SOURCE], cells[_LENGTH] = is_source, size


def seconds_in_call(path: str | Path) -> float:
    """Return how long the process of a record has been in one bounded call."""
    since_ns = _cell(path, _SINCE)
    return (time.monotonic_ns() - since_ns) / 1e9 if since_ns else 0.0


def waits_in_vain(path: str | Path) -> int:
    """Return how often in a row the process of a record has waited in vain."""
    return _cell(path, _N_IDLE)


def _cell(path: str | Path, cell: int) -> int:
    try:
        with open(path, "rb") as file:
            return memoryview(file.read(_HEADER)).cast("q")[cell]
    except (OSError, IndexError, TypeError):
        return 0


def read_record(path: str | Path, plan: Plan, process: int, cause: str) -> Failure:
    """Return the failure of a dead process, as far as its record tells.

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
    try:
        raw = Path(path).read_bytes()
    except OSError:
        raw = b""
    cells = memoryview(raw[:_HEADER]).cast("q") if len(raw) >= _HEADER else [-1] * 8
    index = cells[_INSTANCE]
    if not 0 <= index < len(plan.instances):
        hosted = ", ".join(spec.pe_id for spec in plan.in_process(process))
        return Failure("", 0, process, "worker", None, "", f"{cause}; it ran {hosted}")
    spec = plan.instances[index]
    content = raw[_HEADER : _HEADER + cells[_LENGTH]]
    port, item = None, "an unknown item"
    if cells[_IS_SOURCE]:
        item = f"inputs {content.decode(errors='replace')}"
    elif content:
        # the class of an item may be unknown outside the run
        with contextlib.suppress(Exception):
            port, item = _item_of(content, cells[_ITEM], plan, index)
    return Failure(spec.pe_id, spec.number, process, "process", port, item, cause)


def _item_of(
    content: bytes, number: int, plan: Plan, index: int
) -> tuple[str | None, str]:
    _, key, _, values, flags, *_ = unpack(content)
    item = describe(unpack_items(values, flags, ())[number])
    route = plan.routes[key.route]
    if index in route.destinations:
        return route.input, item
    return None, f"what came of {route.input!r} = {item}"


def cause_of_death(exitcode: int | None, by_kernel: bool = False) -> str:
    """Return in words how a process ended.

    Parameters
    ----------
    exitcode : int or None
        As of `multiprocessing.Process`; None if it is not known.
    by_kernel : bool
        Whether the kernel has lately killed a process to get memory.

    Examples
    --------
    >>> cause_of_death(-9)
    'killed by signal SIGKILL (out of memory, or by hand)'
    """
    import signal

    if by_kernel and exitcode in (None, -signal.SIGKILL):
        return "killed by the kernel (SIGKILL): out of memory"
    if exitcode is None:
        return "it stopped answering"
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
