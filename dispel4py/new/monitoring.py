"""Time measurement of PEs and wrappers, as in dispel4py 1.x.

In new code use `dispel4py.observe`, which does not change the PEs.
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
    """An object that has the class, attributes and methods of another object.

    A subclass overrides methods, and calls the methods of ``self.baseObject``.
    """

    def __new__(cls, baseObject: Any) -> Any:
        """Return an object of a new class, derived from this class and its class."""
        kind = type(baseObject)
        return object.__new__(type(kind.__name__, (cls, kind), {}))

    def __init__(self, baseObject: Any) -> None:
        # Both objects share one dict of attributes. It is a new dict, as Python 3.13
        # loses the content of a dict that it makes only on demand.
        baseObject.__dict__ = dict(baseObject.__dict__)
        self.__dict__ = baseObject.__dict__
        self.baseObject = baseObject

    def __reduce_ex__(self, protocol: Any) -> Any:
        # the new class cannot be pickled: another process makes it again
        return type(self).__mro__[1], (self.baseObject,)


class ReadTimingWrapper(MonitoringWrapper):
    """Measures the time between the reads of a `GenericWrapper`."""

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
    """Measures the time of a PE for an item, and logs the mean at the end."""

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
