"""Clocks around PEs and wrappers, as dispel4py 1.x has them.

`dispel4py.observe` watches a run without a change to its PEs.
"""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any


class Timer:
    """Measures a block: ``with Timer() as timer: ...``, then ``timer.secs``.

    Parameters
    ----------
    verbose : bool
        Without effect.
    """

    def __init__(self, verbose: bool = False) -> None:
        self.verbose = verbose
        self.secs = 0.0

    def __enter__(self) -> Timer:
        self.start = time.perf_counter()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        self.end = time.perf_counter()
        self.secs = self.end - self.start


class MonitoringWrapper:
    """Replaces an object, with its class, its attributes and its methods.

    A subclass overrides methods and calls those of ``self.baseObject``.
    """

    def __new__(cls, baseObject: Any) -> Any:
        """Return an object of a new class, derived from this class and the object's."""
        kind = type(baseObject)
        return object.__new__(type(kind.__name__, (cls, kind), {}))

    def __init__(self, baseObject: Any) -> None:
        # One state for both objects, in a new dict: Python 3.13 loses the content of
        # the dict that it makes on demand.
        baseObject.__dict__ = dict(baseObject.__dict__)
        self.__dict__ = baseObject.__dict__
        self.baseObject = baseObject

    def __reduce_ex__(self, protocol: Any) -> Any:
        # another process makes the new class again
        return type(self).__mro__[1], (self.baseObject,)


class ReadTimingWrapper(MonitoringWrapper):
    """Measures how often a `GenericWrapper` reads."""

    def __init__(self, baseObject: Any) -> None:
        super().__init__(baseObject)
        self.readtime: float | None = None
        self.readrate: list[float] = []

    def _read(self) -> Any:
        now = time.perf_counter()
        if self.readtime is not None:
            self.readrate.append(now - self.readtime)
        self.readtime = now
        return self.baseObject._read()

    def _terminate(self) -> None:
        if self.readrate:
            mean = sum(self.readrate) / len(self.readrate)
            self.baseObject.pe.log(f"Average read rate : {mean}")
        self.baseObject._terminate()


class ProcessTimingPE(MonitoringWrapper):
    """Measures how long a PE works on an item, and logs the mean when it ends."""

    def __init__(self, baseObject: Any) -> None:
        super().__init__(baseObject)
        self.times_total = 0.0
        self.times_count = 0

    def process(self, inputs: Any) -> Any:
        """Let the PE work on one item."""
        with Timer() as timer:
            result = self.baseObject.process(inputs)
        self.times_total += timer.secs
        self.times_count += 1
        return result

    def postprocess(self) -> None:
        """Let the PE finish, and log."""
        self.baseObject.postprocess()
        if self.times_count:
            mean = self.times_total / self.times_count
            self.baseObject.log(f"Average processing time: {mean}")
