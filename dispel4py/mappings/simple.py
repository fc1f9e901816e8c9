"""The mapping ``simple``: a run in this process, one item at a time."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from dispel4py.errors import RunError
from dispel4py.grouping import share_hashes
from dispel4py.mappings.base import Mapping, SourceInputs
from dispel4py.mappings.process import raise_allocator_thresholds

if TYPE_CHECKING:
    from dispel4py.observe import Observers
    from dispel4py.plan import Plan
    from dispel4py.result import RunResult

#: Nested calls of the engine for each PE that an item passes. Python limits their
#: number. Further `_FRAMES_OF_CODE` calls are for the code of a PE itself.
_FRAMES_PER_PE = 8
_FRAMES_OF_CODE = 500


class Simple(Mapping):
    """Runs in this process: each item goes through the whole graph before the next."""

    name = "simple"
    in_one_process = True
    start_s = 0.3

    @classmethod
    def expected(cls, wanted: int | None) -> int:
        """Return 1, for any wanted number."""
        return 1

    def execute(
        self, plan: Plan, inputs: SourceInputs, observers: Observers
    ) -> RunResult:
        """Run ``plan`` in this process."""
        from dispel4py.mappings.collector import Collector
        from dispel4py.mappings.worker import Worker
        from dispel4py.stop import Stop
        from dispel4py.terminal import end_after_clean_up

        raise_allocator_thresholds()
        share_hashes(True)
        limit = _FRAMES_PER_PE * len(plan.pes) + _FRAMES_OF_CODE
        if sys.getrecursionlimit() < limit:
            sys.setrecursionlimit(limit)
        collector = Collector(plan, observers, self.options)
        worker = Worker(
            plan, 0, None, inputs, self.options, observers, collector, root=0
        )
        began = time.perf_counter()
        try:
            with end_after_clean_up():
                worker.run()
        except Stop as stop:
            raise RunError([stop.failure]) from stop.__cause__
        return collector.finish(time.perf_counter() - began)
