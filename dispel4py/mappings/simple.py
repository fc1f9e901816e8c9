"""The mapping ``simple``: everything in this process, one item at a time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from dispel4py.errors import RunError
from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.process import raise_allocator_thresholds

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult

#: Calls on the stack while an item passes through a PE, of which Python bounds the
#: number; what a PE itself needs is within the 500 besides.
_FRAMES_PER_PE = 8


class Simple(Mapping):
    """Runs in this process: each item goes through the whole graph before the next."""

    name = "simple"
    in_one_process = True
    start_s = 0.3

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return 1, whatever is wanted."""
        return 1

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Run ``plan`` in this process."""
        from dispel4py.instance import Stop
        from dispel4py.mappings.collector import Collector
        from dispel4py.mappings.worker import Worker

        raise_allocator_thresholds()
        needed = _FRAMES_PER_PE * len(plan.pes) + 500
        if sys.getrecursionlimit() < needed:
            sys.setrecursionlimit(needed)
        collector = Collector(plan, observers, self.options.dead_letters)
        worker = Worker(
            plan, 0, None, inputs, self.options, observers, collector, root=0
        )
        began = time.perf_counter()
        try:
            worker.run()
        except Stop as stop:
            raise RunError([stop.failure]) from stop.__cause__
        return collector.finish(time.perf_counter() - began)
