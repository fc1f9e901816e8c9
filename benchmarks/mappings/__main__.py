"""All mappings side by side: ``python -m benchmarks.mappings``.

A chain of four PEs has one item, 100,000 numbers, or 300 arrays of 1 MB. The start-up
is the wall time of the command with one item, as users type it, with the start of
Python. The time per item is that from the first item at the source to the last at the
sink, without that of one item. Then ``xcorr-app`` correlates all pairs of 100 stations
of the example of 2015. Redis and Dask run before the command; Storm and Spark are
started by it. Each command runs three times; one that takes long, once or twice.
Results are written to ``benchmarks/results/mappings.json``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.command_cost import CommandFailed, compile_ours, measure
from benchmarks.headline.case import ROOT, Case, check
from benchmarks.machine import describe
from benchmarks.mappings.chain import (
    BEGIN,
    END,
    FOLDER_VARIABLE,
    arrays,
    numbers,
    one,
)
from benchmarks.mappings.services import service
from benchmarks.planewave import make_archive
from dispel4py.errors import MappingUnavailable
from dispel4py.mappings import available, mapping_class

RESULT = ROOT / "benchmarks" / "results" / "mappings.json"
FOLDER = ROOT / ".bench"
#: The Storm of `make test`.
STORM = ROOT / ".tools" / "storm"
N_PROCESSES = 4
N_STATIONS = 100
N_NUMBERS, N_ARRAYS = 100_000, 300
#: No further round of a chain begins after this time, and a command may take this time,
#: both in seconds.
ROUNDS_S, LONGEST_S = 15.0, 300.0
#: Largest relative difference of a correlation from the direct sum.
GOAL_DIFFERENCE = 1e-6


def run_chain(
    mapping: str, graph: Any, variables: dict[str, str]
) -> tuple[float, float]:
    """Run a chain; return the wall times of the command, and of its items."""
    words = [sys.executable, "-m", "dispel4py", mapping, "benchmarks.mappings.chain"]
    words += ["-a", graph.__name__, "--quiet"]
    words += [] if mapping == "simple" else ["-n", str(N_PROCESSES)]
    with tempfile.TemporaryDirectory() as folder:
        more = {**variables, FOLDER_VARIABLE: folder}
        cost, _ = measure(words, ROOT, more, LONGEST_S)
        begin, end = (float(Path(folder, n).read_text()) for n in (BEGIN, END))
    return cost.wall_s, end - begin


def time_chain(
    mapping: str, graph: Any, rounds: int, variables: dict[str, str]
) -> tuple[float, float]:
    """Return the medians of several runs of a chain; see `run_chain`."""
    runs: list[tuple[float, float]] = []
    until = time.monotonic() + ROUNDS_S
    while not runs or (len(runs) < rounds and time.monotonic() < until):
        runs.append(run_chain(mapping, graph, variables))
    commands, items = zip(*runs, strict=True)
    return median(commands), median(items)


def job(
    mapping: str, n_stations: int, variables: dict[str, str], folder: Path = FOLDER
) -> dict[str, Any]:
    """Return cost and errors of the example of 2015 under a mapping."""
    case = Case(n_stations, "lean", mapping)
    place, out = make_archive(case.wave, folder), folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    try:
        cost, _ = measure(case.words(place, out), ROOT, variables, LONGEST_S)
        return cost.to_dict() | check(case, place, out, 40)
    finally:
        shutil.rmtree(out, ignore_errors=True)


def figures(mapping: str, rounds: int, n_stations: int) -> dict[str, Any]:
    """Return the figures of one mapping, or why it cannot run."""
    try:
        mapping_class(mapping).require()
    except MappingUnavailable as reason:
        return {"reason": str(reason)}
    with service(mapping) as variables:
        start_s, one_s = time_chain(mapping, one, rounds, variables)
        _, numbers_s = time_chain(mapping, numbers, rounds, variables)
        _, arrays_s = time_chain(mapping, arrays, rounds, variables)
        return {
            "start_s": round(start_s, 2),
            "us_per_number": round(1e6 * (numbers_s - one_s) / N_NUMBERS, 2),
            "ms_per_array": round(1e3 * (arrays_s - one_s) / N_ARRAYS, 3),
            "job": job(mapping, n_stations, variables),
        }


def show(name: str, row: dict[str, Any]) -> None:
    """Print the line of one mapping."""
    if "reason" in row:
        print(f"{name:8} {row['reason']}", flush=True)
        return
    print(
        f"{name:8}{row['start_s']:10.2f}{row['us_per_number']:12.2f}"
        f"{row['ms_per_array']:12.3f}{row['job']['wall_s']:10.1f}"
        f"{row['job']['largest_difference']:12.1e}",
        flush=True,
    )


def main() -> int:
    """Measure all mappings, print the table, write the results."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=available())
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--quick", action="store_true", help="one round; no results are written"
    )
    arguments = parser.parse_args()
    compile_ours()
    if STORM.is_dir():
        os.environ.setdefault("STORM_HOME", str(STORM))
    machine = describe()
    print(json.dumps(machine))
    print(f"{'start-up s':>18}{'us/number':>12}{'ms/array':>12}", end="")
    print(f"{'job s':>10}{'difference':>12}")
    rows: dict[str, Any] = {}
    for name in arguments.only or available():
        try:
            rows[name] = figures(
                name, 1 if arguments.quick else arguments.rounds, N_STATIONS
            )
        except (CommandFailed, FileNotFoundError) as error:
            rows[name] = {"reason": str(error)}
        show(name, rows[name])
    jobs = [row["job"] for row in rows.values() if "job" in row]
    is_equal = all(j["largest_difference"] <= GOAL_DIFFERENCE for j in jobs)
    print(f"goal: equal to the direct sum to {GOAL_DIFFERENCE:g}: ", end="")
    print("met" if is_equal else "NOT met")
    if not arguments.quick and not arguments.only:
        record = {"machine": machine, "n_stations": N_STATIONS, "mappings": rows}
        RESULT.write_text(json.dumps(record, indent=1) + "\n")
        print(f"written to {RESULT.relative_to(ROOT)}")
    return 0 if is_equal and jobs else 1


if __name__ == "__main__":
    sys.exit(main())
