"""PEs with faults, and with threads, files and processes; as a program for MPI."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

N = 20


class Source(ProducerPE):
    """Send 0 to N - 1."""

    def _process(self, inputs: Any) -> None:
        for number in range(N):
            self.write("output", number)


class Pass(IterativePE):
    """Send items on."""

    def _process(self, data: Any) -> Any:
        return data


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


# ------------------------------------------------------------------- copies


class GivesObjects(ProducerPE):
    """Send an array of lists, and a read-only one."""

    def _process(self, inputs: Any) -> None:
        for is_writeable in (True, False):
            array = np.empty(2, object)
            array[:] = [[1], [2]]
            array.flags.writeable = is_writeable
            self.write("output", array)
            self.write("output", np.array([(3, [4])], [("n", int), ("list", object)]))


class Changes(IterativePE):
    """Append to the lists in an array."""

    def _process(self, data: Any) -> Any:
        lists = data["list"] if data.dtype.names else data
        for entry in lists:
            entry.append("changed")
        return [list(entry) for entry in lists]


def changed(**how: Any) -> Any:
    """Return the results of two PEs that change the same arrays."""
    graph, source, pes = WorkflowGraph(), GivesObjects(), [Changes() for _ in range(3)]
    for pe in pes:
        graph.connect(source, "output", pe, "input")
    result = run(graph, **how)
    return [result.output(pe.id) for pe in pes] if result.complete else None


EXPECTED_CHANGED = [[[[1, "changed"], [2, "changed"]], [[4, "changed"]]] * 2] * 3


# ------------------------------------------------------------------- threads


class WritesInThreads(IterativePE):
    """Write from a pool of threads in each call, and from a thread between calls."""

    single = True

    def preprocess(self) -> None:
        self.pool = ThreadPoolExecutor(3)
        self.is_over = threading.Event()
        self.beside = threading.Thread(target=self.write_beside)
        self.beside.start()

    def write_beside(self) -> None:
        for k in range(5):
            self.write("output", f"beside {k}")
            time.sleep(0.05)
        self.is_over.set()

    def _process(self, data: Any) -> None:
        futures = [
            self.pool.submit(self.write, "output", f"{data} {k}") for k in range(3)
        ]
        for future in futures:
            future.result()

    def postprocess(self) -> None:
        self.is_over.wait()
        self.beside.join()
        self.pool.shutdown()


def written_in_threads(**how: Any) -> Any:
    writes, last = WritesInThreads(), Pass()
    result = run(chain(Source(), writes, last), **how)
    return sorted(result.output(last.id)) if result.complete else None


EXPECTED_WRITTEN = sorted(
    [f"beside {k}" for k in range(5)] + [f"{n} {k}" for n in range(N) for k in range(3)]
)


class WritesTooLate(Pass):
    """Write from a thread after the end of the PE."""

    def postprocess(self) -> None:
        self.thread = threading.Thread(target=self.write_late)
        self.thread.start()

    def write_late(self) -> None:
        time.sleep(0.3)
        self.write("output", "late")


class Lingers(ConsumerPE):
    """Keep a file open, and write to it from a thread after the last item."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def preprocess(self) -> None:
        self.file = open(self.folder / f"items-{os.getpid()}", "w")  # noqa: SIM115

    def _process(self, data: Any) -> None:
        self.file.write(f"{data}\n")

    def postprocess(self) -> None:
        threading.Thread(target=self.write_late).start()

    def write_late(self) -> None:
        time.sleep(0.5)
        self.file.write("late\n")


class KeepsPool(Pass):
    """Keep a pool of processes and a program; the PE may fail."""

    def __init__(self, fails: bool) -> None:
        super().__init__()
        self.fails = fails

    def preprocess(self) -> None:
        self.pool = ProcessPoolExecutor(2)
        self.program = subprocess.Popen(["sleep", "300"])

    def _process(self, data: Any) -> Any:
        found = self.pool.submit(abs, -data).result()
        if self.fails and data == 3:
            time.sleep(1.5)
            raise ValueError("three is too many")
        return found


# ------------------------------------------------------------------- errors


class BadText(Exception):
    """An error whose text raises an error."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


class BadAtReceiver:
    """An item that can be pickled, but not unpickled."""

    def __reduce__(self) -> Any:
        return fail_to_unpickle, ()


def fail_to_unpickle() -> None:
    raise LookupError("no such thing here")


class WorseText(Exception):
    """An error whose text raises no Exception."""

    def __str__(self) -> str:
        raise GeneratorExit


def make_error(kind: str) -> BaseException:
    if kind == "worse text":
        return WorseText()
    if kind == "controls":
        return ValueError("day\x1b[2J\u202e")
    if kind == "long":
        return ValueError("x" * 10**6)
    if kind == "bad text":
        return BadText()
    if kind == "cancelled":
        return asyncio.CancelledError("by a friend")
    if kind == "generator exit":
        return GeneratorExit("left")
    if kind == "lines":
        return ValueError("a line\nand another")
    if kind == "loop":
        error = ValueError("a loop")
        error.__cause__ = error
        return error
    inner = BaseExceptionGroup if kind == "base group" else ExceptionGroup
    members: list[Any] = [ValueError("first"), KeyError("second")]
    if kind == "base group":
        members.append(asyncio.CancelledError())
    return inner("both", members)


ERRORS = {
    "bad text": "BadText: <its text raises RuntimeError>",
    "worse text": "WorseText: <its text raises GeneratorExit>",
    "controls": "ValueError: day\\x1b[2J\\u202e",
    "long": f"ValueError: {'x' * 1997}...",
    "cancelled": "CancelledError: by a friend",
    "generator exit": "GeneratorExit: left",
    "lines": "ValueError: a line and another",
    "loop": "ValueError: a loop",
    "group": "ExceptionGroup: both (2 sub-exceptions) "
    "[ValueError: first; KeyError: 'second']",
    "base group": "BaseExceptionGroup: both (3 sub-exceptions) "
    "[ValueError: first; KeyError: 'second'; CancelledError]",
}


class Fails(Pass):
    """Raise an error for item 3, or only at the first attempt."""

    def __init__(self, kind: str, once: bool = False) -> None:
        super().__init__()
        self.kind, self.once = kind, once

    def _process(self, data: Any) -> Any:
        if data == 3 and self.kind:
            kind = self.kind
            self.kind = "" if self.once else kind
            raise make_error(kind)
        return data


class Forks(Pass):
    """Return in a child process, too.

    The parent waits for its end: the end of the run would kill it before its message.
    """

    def _process(self, data: Any) -> Any:
        if data == 3 and (child := os.fork()):
            os.waitpid(child, 0)
        return data


class Interrupts(Pass):
    """Raise the exception of Ctrl-C."""

    def _process(self, data: Any) -> Any:
        if data == 3:
            raise KeyboardInterrupt("not by the user")
        return data


class GivesBad(Pass):
    """Send an item that cannot be unpickled instead of 3."""

    def _process(self, data: Any) -> Any:
        return BadAtReceiver() if data == 3 else (data,)


# ------------------------------------------------------------------- the end


class TearsDown(Pass):
    """Note the end of the PE; it may fail, or need a long time."""

    def __init__(self, folder: Path, does: str = "") -> None:
        super().__init__()
        self.folder, self.does = folder, does

    def preprocess(self) -> None:
        with open(self.folder / f"started-{self.name}", "a") as file:
            file.write("started\n")
        if self.does == "fails at start":
            raise ValueError("cannot start")

    def _process(self, data: Any) -> Any:
        if self.does == "fails" and data == 3:
            raise ValueError("three is too many")
        if self.does == "sleeps":
            (self.folder / "sleeps").touch()
            time.sleep(60)
        return data

    def teardown(self) -> None:
        with open(self.folder / f"ended-{self.name}", "a") as file:
            file.write("ended\n")
        if self.does == "fails at the end":
            raise ValueError("cannot close")


class Endless(ProducerPE):
    """Write numbers without end, in one call."""

    def _process(self, inputs: Any) -> None:
        for number in itertools.count():
            self.write("output", number)


class EndlessGenerator(ProducerPE):
    """Yield numbers without end."""

    def process(self, inputs: Any) -> Iterator[Any]:
        for number in itertools.count():
            yield {"output": number}


class CallsAgain(ProducerPE):
    """A source that is called without end."""

    n = 0

    def _process(self, inputs: Any) -> int:
        self.n += 1
        self.call_again(0.001)
        return self.n - 1


class Takes(IterativePE):
    """Take the first items, then stop the stream."""

    def __init__(self, n: int = 10) -> None:
        super().__init__()
        self.n, self.taken = n, 0
        self.single = True

    def _process(self, data: Any) -> Any:
        self.taken += 1
        if self.taken == self.n:
            self.stop_stream()
        return data if self.taken <= self.n else None

    def _postprocess(self) -> None:
        self.write("output", "end")


ENDLESS = {"writes": Endless, "yields": EndlessGenerator, "calls again": CallsAgain}


def taken(kind: str, **how: Any) -> Any:
    """Return the items before the stop of an endless stream."""
    takes = Takes()
    if kind == "inputs":
        first = Pass()
        graph = chain(first, Pass(), takes)
        how["inputs"] = {first: ({"input": k} for k in itertools.count())}
    else:
        graph = chain(ENDLESS[kind](), Pass(), takes)
    result = run(graph, **how)
    if not result.complete:
        return None
    found = result.output(takes.id)
    return [len(found), found[-1]]


class TearsDownAlone(TearsDown):
    """Each instance notes its end in its own file; one instance may fail.

    With "fails at the end" it fails while the others are in their method `teardown`.
    """

    numprocesses = 3

    def __init__(self, folder: Path, does: str, failing: int) -> None:
        super().__init__(folder, "")
        self.kind, self.failing = does, failing

    def _process(self, data: Any) -> Any:
        if self.kind == "fails at the end":
            return data
        if self.rank == self.failing:
            self.meet("works")
            raise ValueError("three is too many")
        (self.folder / f"works-{self.rank}").touch()
        if self.kind == "sleeps":
            time.sleep(300)  # longer than the test waits
        return data

    def meet(self, what: str) -> None:
        """Wait until the other instances are there."""
        (self.folder / f"{what}-{self.rank}").touch()
        while len(list(self.folder.glob(f"{what}-*"))) < 3:
            time.sleep(0.02)

    def teardown(self) -> None:
        if self.kind == "fails at the end":
            self.meet("ends")
            if self.rank == self.failing:
                raise ValueError("cannot close")
            time.sleep(0.5)
        (self.folder / f"ended-{self.rank}").touch()


class InterruptsAtEnd(TearsDown):
    """Interrupt the run at its end."""

    def teardown(self) -> None:
        super().teardown()
        raise KeyboardInterrupt


def fail_at_one(folder: str, does: str, failing: str, **how: Any) -> None:
    """Run a graph of which one instance fails, under MPI."""
    pe = TearsDownAlone(Path(folder), does, int(failing))
    run(chain(Source(), pe), **({"mapping": "mpi"} | how))


def under_policies(kind: str) -> Any:
    """Return the failure and the items of a PE that fails, if it is skipped or retried.

    ``kind`` is one of `ERRORS`, or "unreadable": then an item cannot be unpickled.
    """
    last = Pass()
    if kind == "unreadable":
        skipped = run(
            chain(Source(), GivesBad(), Pass(), last), None, "mpi", on_error="skip"
        )
        kept = [k for (k,) in skipped.output(last.id)]
        return [str(f) for f in skipped.failures], sorted(kept), list(range(N))
    skipped = run(chain(Source(), Fails(kind), last), None, "mpi", on_error="skip")
    again = Pass()
    graph = chain(Source(), Fails(kind, once=True), again)
    retried = run(graph, None, "mpi", on_error="retry:1")
    failures = [str(failure) for failure in skipped.failures]
    return failures, sorted(skipped.output(last.id)), sorted(retried.output(again.id))


if __name__ == "__main__" and sys.argv[1:2] == ["stop"]:
    _, _, kind, folder = sys.argv
    second = Fails(kind) if kind in ERRORS else TearsDown(Path(folder), kind)
    second = Interrupts() if kind == "interrupts" else second
    run(chain(Source(), TearsDown(Path(folder)), second), mapping="mpi")
elif __name__ == "__main__" and sys.argv[1:2] == ["policies"]:
    found = {kind: under_policies(kind) for kind in (*ERRORS, "unreadable")}
    last = Pass()
    forked = run(chain(Source(), Forks(), last), None, "mpi").output(last.id)
    run(chain(Source(), KeepsPool(False), Pass()), mapping="mpi")
    run(chain(Source(), Lingers(Path(sys.argv[2]))), mapping="mpi")
    if found["unreadable"][1]:  # rank 0
        sys.stdout.write(json.dumps([sorted(forked), found]))
elif __name__ == "__main__" and len(sys.argv) > 1:
    fail_at_one(*sys.argv[1:])
elif __name__ == "__main__":
    results: dict[str, Any] = {
        "changed": changed(mapping="mpi"),
        "written": written_in_threads(mapping="mpi"),
        "taken": [taken(kind, mapping="mpi") for kind in (*ENDLESS, "inputs")],
    }
    if results["changed"] is not None:
        sys.stdout.write(json.dumps(results))
