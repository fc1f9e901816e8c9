"""What recording costs: time and bytes of a record, and the time of whole runs.

Processor times are measured, and the least of several rounds is taken, as in `timeit`.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.command_cost import measure as cost_of
from benchmarks.headline.case import Case
from benchmarks.mappings.services import service
from benchmarks.planewave import make_archive
from dispel4py.base import IterativePE, ProducerPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

HERE = Path(__file__).parent
#: Goals: microseconds and bytes of a record with ten terms; part of the time of the
#: correlation job, for each tile and for each pair.
LONGEST_US, LARGEST_BYTES = 10.0, 450.0
GOAL_TILES, GOAL_PAIRS = 0.01, 0.05
N_PIPELINE = 2000


class Numbers(ProducerPE):
    """Sends numbers."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.n = n

    def _process(self, inputs: object) -> None:
        for k in range(self.n):
            self.write("output", k)


class Described(IterativePE):
    """Passes items on; they have ten terms."""

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return ten terms, as those of a correlation."""
        return {
            "station_1": "FMP",
            "station_2": "CIA",
            "channel": "BHZ",
            "start": "2015-04-06T06:00:00.000000Z",
            "rate_hz": 20.0,
            "peak": 1.25e-5 + item,
            "rms": 3.5e-7,
            "snr": 5.125,
            "lag_s": 12.35,
            "distance_km": 123.456,
        }

    def _process(self, data: Any) -> Any:
        return data


def chain(n: int, n_pes: int) -> WorkflowGraph:
    """Return a source and some PEs whose items have ten terms.

    Parameters
    ----------
    n : int
        Number of items.
    n_pes : int
        Number of PEs.
    """
    graph, last = WorkflowGraph(), Numbers(n)
    for _ in range(n_pes):
        pe = Described()
        graph.connect(last, "output", pe, "input")
        last = pe  # type: ignore[assignment]
    return graph


def least_s(function: Callable[[], object], rounds: int) -> float:
    """Return the least processor time of some calls, in seconds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return min(times)


def of_a_record(n: int = 5000, rounds: int = 9) -> dict[str, float]:
    """Return microseconds and bytes of the record of a call with its product.

    They are the difference of a chain of four PEs and a chain of one, so that the start
    of the records and the source do not count.

    Parameters
    ----------
    n : int
        Number of items.
    rounds : int
        The least of so many.
    """
    seconds, n_bytes = {}, 0.0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "records"

        def record(n_pes: int) -> None:
            shutil.rmtree(folder, ignore_errors=True)
            run(chain(n, n_pes), provenance=folder)

        for n_pes in (1, 4):
            on_s = least_s(partial(record, n_pes), rounds)
            off_s = least_s(lambda k=n_pes: run(chain(n, k)), rounds)  # type: ignore[misc]
            seconds[n_pes] = on_s - off_s
        (segment,) = folder.glob("*/prov-0.jsonl")
        lines = [line for line in segment.open("rb") if b'"terms":{"station_1' in line]
        n_bytes = sum(map(len, lines)) / len(lines)
    return {"us": 1e6 * (seconds[4] - seconds[1]) / (3 * n), "bytes": n_bytes}


def of_a_pipeline(
    python: str, mapping: str = "simple", n: int = N_PIPELINE, rounds: int = 3
) -> dict[str, Any]:
    """Return the seconds of a chain of six PEs without work, without and with records.

    Parameters
    ----------
    python : str
        Interpreter of an environment with stream-d4py, or "" for this package.
    mapping : str
        The mapping of this package.
    n : int
        Number of items.
    rounds : int
        The median of so many.
    """
    program = "old_pipeline.py" if python else "pipeline.py"
    # the other environment must not find this package
    left_out = "PYTHONPATH" if python else ""
    variables = {k: v for k, v in os.environ.items() if k != left_out}
    last = [] if python else [mapping]
    seconds: dict[str, list[float]] = {"off": [], "on": []}
    for _ in range(rounds):
        for how, times in seconds.items():
            with tempfile.TemporaryDirectory() as folder, service(mapping) as server:
                words = [python or sys.executable, str(HERE / program), how, str(n)]
                done = subprocess.run(
                    [*words, folder, *last],
                    capture_output=True,
                    text=True,
                    check=False,
                    env=variables | server,
                    cwd="/",
                )
            if done.returncode:
                return {"failed": done.stderr.strip().splitlines()[-1:]}
            times.append(float(json.loads(done.stdout.splitlines()[-1])))
    off, on = (statistics.median(seconds[how]) for how in ("off", "on"))
    return {"off_s": off, "on_s": on, "ratio": on / off}


def of_correlations(n_stations: int, folder: Path, rounds: int = 3) -> dict[str, float]:
    """Return the processor time of the correlation job, without and with provenance.

    Parameters
    ----------
    n_stations : int
        Number of stations.
    folder : Path
        Place of the archive and the results.
    rounds : int
        The least of so many.
    """
    case = Case(n_stations)
    place = make_archive(case.wave, folder)
    pairs = folder / "pairs.toml"
    pairs.write_text("[CorrelateTiles]\nparts = true\n")
    ways = {
        "off": [],
        "tiles": ["--provenance", str(folder / "provenance")],
        "pairs": [
            *("--provenance", str(folder / "provenance")),
            *("--capture", str(pairs)),
        ],
    }
    seconds: dict[str, list[float]] = {how: [] for how in ways}
    for _ in range(rounds):
        for how, words in ways.items():
            out = folder / "out"
            shutil.rmtree(out, ignore_errors=True)
            shutil.rmtree(folder / "provenance", ignore_errors=True)
            cost, _ = cost_of([*case.words(place, out), *words])
            seconds[how].append(cost.user_s + cost.system_s)
    shutil.rmtree(folder / "out", ignore_errors=True)
    least = {how: min(times) for how, times in seconds.items()}
    return {
        "n_pairs": case.n_pairs,
        **{f"{how}_s": value for how, value in least.items()},
        "tiles": least["tiles"] / least["off"] - 1,
        "pairs": least["pairs"] / least["off"] - 1,
    }


def show(results: dict[str, Any]) -> None:
    """Print the results and the goals."""
    record = results["a record with ten terms"]
    print(f"a record with ten terms: {record['us']:.2f} us, {record['bytes']:.0f} B")
    _verdict(record["us"], LONGEST_US, "us")
    _verdict(record["bytes"], LARGEST_BYTES, "B")
    print("\nsix PEs without work, 2,000 items: provenance off and on")
    for name, figures in results["pipeline"].items():
        if "ratio" in figures:
            print(
                f"  {name:30}{figures['off_s']:8.3f} s{figures['on_s']:8.3f} s"
                f"{figures['ratio']:8.1f} times"
            )
        else:
            print(f"  {name:20}{figures}")
    job = results["correlations"]
    print(f"\n{job['n_pairs']:,} correlations: {job['off_s']:.1f} s of processor time")
    for how, goal in (("tiles", GOAL_TILES), ("pairs", GOAL_PAIRS)):
        print(f"  records of {how}: {100 * job[how]:+.1f} %")
        _verdict(100 * job[how], 100 * goal, "%")


def _verdict(value: float, goal: float, unit: str) -> None:
    verdict = "met" if value <= goal else "NOT met"
    print(f"  goal: at most {goal:g} {unit}: {verdict}")


def measure(n_stations: int, folder: Path, python: str) -> dict[str, Any]:
    """Measure all cases.

    Parameters
    ----------
    n_stations : int
        Stations of the correlation job.
    folder : Path
        Place of large files.
    python : str
        Interpreter of an environment with stream-d4py; "" if there is none.
    """
    pipelines = {"dispel4py": of_a_pipeline("")}
    if shutil.which("redis-server") is not None:
        pipelines["dispel4py, redis, 2 processes"] = of_a_pipeline("", "redis")
    if python:
        pipelines["stream-d4py"] = of_a_pipeline(python)
    return {
        "a record with ten terms": of_a_record(),
        "pipeline": pipelines,
        "correlations": of_correlations(n_stations, folder),
    }
