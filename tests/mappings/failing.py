"""Graphs that fail, each in its own way: for ``dispel4py MAPPING failing -a NAME``."""

from __future__ import annotations

import contextlib
import itertools
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

from dispel4py.base import ConsumerPE, IterativePE, ProducerPE
from dispel4py.workflow_graph import WorkflowGraph


class Source(ProducerPE):
    """Sends 0 to 9."""

    def _process(self, inputs: Any) -> None:
        for number in range(10):
            self.write("output", number)


class Pass(IterativePE):
    """Passes items on."""

    def _process(self, data: Any) -> Any:
        return data


class Sink(ConsumerPE):
    """Takes items."""


class Raising(Pass):
    """Raises on 3, from another error."""

    def _process(self, data: Any) -> Any:
        if data == 3:
            try:
                return 1 // 0
            except ZeroDivisionError as error:
                raise ValueError("three is too many") from error
        return data


class RaisingLeaf(ConsumerPE):
    """Raises on 3; no PE follows it."""

    def _process(self, data: Any) -> None:
        if data == 3:
            raise KeyError("no place for three")


class Careless(Pass):
    """Catches every error of the items that it writes, and goes on."""

    def _process(self, data: Any) -> None:
        with contextlib.suppress(BaseException):  # as a bare except
            self.write("output", data)


class CarelessAtTheEnd(Pass):
    """Writes all items at its end, and catches every error."""

    def preprocess(self) -> None:
        self.items: list[Any] = []

    def _process(self, data: Any) -> None:
        self.items.append(data)

    def postprocess(self) -> None:
        for item in self.items:
            with contextlib.suppress(BaseException):
                self.write("output", item)


class CarelesslyUnpicklable(Careless):
    """Catches the error about an item that cannot be sent."""

    def _process(self, data: Any) -> None:
        super()._process(threading.Lock() if data == 3 else data)


class Exiting(Pass):
    """Calls `sys.exit` on 3."""

    def _process(self, data: Any) -> Any:
        if data == 3:
            raise SystemExit("had enough")
        return data


class Killed(Pass):
    """Is killed on 3, as by the kernel when memory is short."""

    def _process(self, data: Any) -> Any:
        if data == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return data


class Hoarding(Pass):
    """On 3, takes memory until none is left."""

    def _process(self, data: Any) -> Any:
        hoard = []
        while data == 3:
            hoard.append(b"x" * 8_000_000)
        return data


class Vanishing(Pass):
    """Ends its process on 3 without a message."""

    def _process(self, data: Any) -> Any:
        if data == 3:
            os._exit(3)
        return data


class Unpicklable(Pass):
    """Sends an item that cannot be pickled."""

    def _process(self, data: Any) -> Any:
        return threading.Lock() if data == 3 else data


class BadStart(Pass):
    """Fails before the first item."""

    def preprocess(self) -> None:
        raise OSError("no such catalogue")


class BadEnd(Pass):
    """Fails after the last item."""

    def postprocess(self) -> None:
        raise OSError("disk full")


class Unspeakable:
    """An item whose `repr` raises an error."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")


class GivesUnspeakable(ProducerPE):
    """Sends an item whose `repr` raises an error."""

    def _process(self, inputs: Any) -> Any:
        return Unspeakable()


class ChokesOnIt(Pass):
    """Raises on any item."""

    def _process(self, data: Any) -> Any:
        raise ValueError("cannot take this")


class RaisingSource(ProducerPE):
    """Raises after it has sent some items."""

    def process(self, inputs: Any) -> Any:
        yield {"output": 1}
        raise LookupError("the archive is gone")


class WrongPort(Pass):
    """Writes to an output that does not exist."""

    def _process(self, data: Any) -> None:
        self.write("ouput", data)


class WrongReturn(Pass):
    """Returns a number instead of a dict."""

    def process(self, inputs: Any) -> Any:
        return 7


class Sleeper(Pass):
    """Works for a long time, and notes that it has begun."""

    def preprocess(self) -> None:
        Path(os.environ["STARTED"]).touch()

    def _process(self, data: Any) -> Any:
        time.sleep(60)
        return data


def chain(*pes: Any) -> WorkflowGraph:
    graph = WorkflowGraph()
    for source, sink in itertools.pairwise(pes):
        graph.connect(source, "output", sink, "input")
    return graph


def in_the_middle(pe: Any) -> WorkflowGraph:
    return chain(Source(), pe, Sink())


def raising() -> WorkflowGraph:
    return in_the_middle(Raising())


def raising_leaf() -> WorkflowGraph:
    return chain(Source(), Pass(), RaisingLeaf())


def raising_source() -> WorkflowGraph:
    return chain(RaisingSource(), Pass(), Sink())


def careless() -> WorkflowGraph:
    return chain(Source(), Careless(), Raising(), Sink())


def careless_at_the_end() -> WorkflowGraph:
    return chain(Source(), CarelessAtTheEnd(), Raising(), Sink())


def carelessly_unpicklable() -> WorkflowGraph:
    return in_the_middle(CarelesslyUnpicklable())


def careless_sleeper() -> WorkflowGraph:
    return chain(Source(), Careless(), Sleeper(), Sink())


def exiting() -> WorkflowGraph:
    return in_the_middle(Exiting())


def killed() -> WorkflowGraph:
    return in_the_middle(Killed())


def hoarding() -> WorkflowGraph:
    return in_the_middle(Hoarding())


def vanishing() -> WorkflowGraph:
    return in_the_middle(Vanishing())


def unpicklable() -> WorkflowGraph:
    return in_the_middle(Unpicklable())


def bad_start() -> WorkflowGraph:
    return in_the_middle(BadStart())


def bad_end() -> WorkflowGraph:
    return in_the_middle(BadEnd())


def unspeakable() -> WorkflowGraph:
    return chain(GivesUnspeakable(), ChokesOnIt(), Sink())


def wrong_port() -> WorkflowGraph:
    return in_the_middle(WrongPort())


def wrong_return() -> WorkflowGraph:
    return in_the_middle(WrongReturn())


def sleeper() -> WorkflowGraph:
    return in_the_middle(Sleeper())
