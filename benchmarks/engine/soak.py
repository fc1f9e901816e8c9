"""A million items, and a hundred runs with workers killed: ``make soak``.

No process and no shared memory may remain, no run may hang, no number may be wrong.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.errors import RunError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

KILLED_ITEMS = 3000


class Numbers(ProducerPE):
    """Writes numbers, every tenth as a large array."""

    def __init__(self, n: int, arrays: bool) -> None:
        super().__init__()
        self.n, self.arrays = n, arrays

    def _process(self, inputs: object) -> None:
        for k in range(self.n):
            is_array = self.arrays and k % 10 == 0
            self.write("output", np.full(20_000, k) if is_array else k)


class Pass(IterativePE):
    """Returns the number."""

    def _process(self, data: object) -> int:
        return int(data[0]) if isinstance(data, np.ndarray) else int(str(data))


class Total(IterativePE):
    """Adds the numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.total = self.n = 0

    def _process(self, data: int) -> None:
        self.total, self.n = self.total + data, self.n + 1

    def _postprocess(self) -> None:
        self.write("output", (self.n, self.total))


def graph(n: int, arrays: bool, last: IterativePE) -> tuple[WorkflowGraph, str]:
    """Return a chain of four, and the id of its last PE."""
    found = WorkflowGraph()
    source, first, second = Numbers(n, arrays), Pass(), Pass()
    found.connect(source, "output", first, "input")
    found.connect(first, "output", second, "input")
    found.connect(second, "output", last, "input")
    return found, last.id


def leftovers() -> set[str]:
    """Return shared memory of runs, and children of this process."""
    shm = Path("/dev/shm")
    folders = shm.glob(f"dispel4py-{os.getpid()}-*") if shm.is_dir() else ()
    children = multiprocessing.active_children()
    return {path.name for path in folders} | {str(child) for child in children}


def million(n: int) -> None:
    """Send a million items through four processes."""
    chain, last = graph(n, False, Total())
    began = time.perf_counter()
    found = run(chain, mapping="multi", processes=4).output(last)
    seconds = time.perf_counter() - began
    assert sum(k for k, _ in found) == n, found
    assert sum(total for _, total in found) == n * (n - 1) // 2, found
    print(f"{n:,} items: {seconds:.1f} s, {1e6 * seconds / n:.2f} us an item")


def kill_some(generator: random.Random, delay_s: float) -> None:
    """Kill one to three workers of this process, shortly after each other."""
    time.sleep(delay_s)
    for _ in range(generator.randint(1, 3)):
        # not the worker of the source: its end would end the run
        children = multiprocessing.active_children()
        chosen = [child for child in children if not child.name.endswith("-0")]
        if not chosen:
            return
        with contextlib.suppress(
            ProcessLookupError, TypeError
        ):  # the worker has just ended
            os.kill(generator.choice(chosen).pid, signal.SIGKILL)  # type: ignore[arg-type]
        time.sleep(generator.uniform(0.0, 0.02))


def killed(runs: int) -> Counter[str]:
    """Run with workers killed at random; return how the runs ended."""
    generator, ends = random.Random(2015), Counter[str]()
    for number in range(runs):
        restart = number % 2 == 0
        chain, last = graph(KILLED_ITEMS, True, Pass())
        delay_s = generator.uniform(0.0, 0.4)
        killer = threading.Thread(target=kill_some, args=(generator, delay_s))
        killer.start()
        began = time.perf_counter()
        try:
            result = run(chain, mapping="multi", processes=4, restart_workers=restart)
        except RunError as failure:
            if "SIGKILL" not in str(failure):
                raise
            ends["failed, and said why"] += 1
        else:
            got = set(result.output(last))
            assert got == set(range(KILLED_ITEMS)), KILLED_ITEMS - len(got)
            ends["complete" if killer.is_alive() else "complete (restarted)"] += 1
        seconds = time.perf_counter() - began
        killer.join()
        assert seconds < 20, f"run {number} took {seconds:.0f} s"
        assert not leftovers(), leftovers()
    return ends


def main() -> None:
    """Run both tests."""
    million(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    assert not leftovers(), leftovers()
    print(f"killed at random: {dict(killed(100))}; nothing left behind")


if __name__ == "__main__":
    main()
