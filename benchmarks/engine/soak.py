"""A million items, and a hundred runs with workers killed: ``make soak``.

No process and no shared memory may remain, no run may hang, no number may be wrong. The
records of provenance of each killed run must be consistent.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

import numpy as np

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.errors import RunError
from dispel4py.provenance.model import read_records, run_folders, segments
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

KILLED_ITEMS = 3000
#: A run that takes longer hangs, in seconds: with records and a worker that is started
#: again it takes 2 s, and ten times as long on a busy machine.
LONGEST_S = 60


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
    chain = WorkflowGraph()
    source, first, second = Numbers(n, arrays), Pass(), Pass()
    chain.connect(source, "output", first, "input")
    chain.connect(first, "output", second, "input")
    chain.connect(second, "output", last, "input")
    return chain, last.id


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
    result = run(chain, mapping="multi", processes=4).output(last)
    seconds = time.perf_counter() - began
    assert sum(k for k, _ in result) == n, result
    assert sum(total for _, total in result) == n * (n - 1) // 2, result
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


def check_records(folder: Path) -> int:
    """Check the records of provenance of a run; return how many items are lost.

    Names are unique. The sender of each received item has a product with its name, or
    was lost with its process.
    """
    ids, sent, received, unended = Counter[str](), set(), set(), set[str]()
    (run_folder,) = run_folders(folder)
    for path in segments(run_folder):
        instances, has_ended = dict[str, object](), False
        for record, _ in read_records(path):
            kind = "" if record is None else record["kind"]
            if record is None or kind not in ("process", "call", "products"):
                has_ended |= kind == "process_end"
                continue
            instances |= record.get("instances", {})
            number = f"{record.get('i')}/{record.get('n')}"
            ids.update([number] if kind == "call" else [])
            if "got" in record:
                received.add(record["got"][1])
            for product in record.get("out", ()):
                ids[f"{number}/{product['port']}/{product.get('k', 0)}"] += 1
                sent |= set(product["items"])
        unended |= set() if has_ended else set(instances)
    assert ids.total() == len(ids), ids.most_common(3)
    lost = {name for name in received - sent if not name.startswith("-2.")}
    strange = {name for name in lost if name.split(".")[0] not in unended}
    assert not strange, sorted(strange)[:3]
    return len(lost)


def killed(runs: int, folder: Path) -> Counter[str]:
    """Run with workers killed at random; return how the runs ended.

    Parameters
    ----------
    runs : int
        Number of runs.
    folder : Path
        For the records of provenance.
    """
    generator, ends = random.Random(2015), Counter[str]()
    for number in range(runs):
        restart = number % 2 == 0
        chain, last = graph(KILLED_ITEMS, True, Pass())
        delay_s = generator.uniform(0.0, 0.4)
        killer = threading.Thread(target=kill_some, args=(generator, delay_s))
        killer.start()
        began = time.perf_counter()
        try:
            result = run(
                *(chain, None, "multi", 4),
                restart_workers=restart,
                provenance=folder / str(number),
            )
        except RunError as failure:
            if "SIGKILL" not in str(failure):
                raise
            ends["failed with a reason"] += 1
        else:
            output = set(result.output(last))
            assert output == set(range(KILLED_ITEMS)), KILLED_ITEMS - len(output)
            ends["complete" if killer.is_alive() else "complete (restarted)"] += 1
        seconds = time.perf_counter() - began
        killer.join()
        assert seconds < LONGEST_S, f"run {number} took {seconds:.0f} s"
        assert not leftovers(), leftovers()
        ends["items lost with a process"] += check_records(folder / str(number))
    return ends


def main() -> None:
    """Run both tests."""
    million(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
    assert not leftovers(), leftovers()
    with tempfile.TemporaryDirectory() as folder:
        print(f"killed at random: {dict(killed(100, Path(folder)))}; nothing left")


if __name__ == "__main__":
    main()
