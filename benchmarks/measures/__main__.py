"""Times of the measures of misfit: ``python -m benchmarks.measures``.

One window of 120 s of records of 10,000 samples, in one thread; CPU times. pyadjoint
measures the same records in the same run, and obspy makes the time-frequency misfits of
its figure: 20 wavelet transforms.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from obspy.signal import tf_misfit

from benchmarks.machine import describe
from benchmarks.measures import pyadjoint
from benchmarks.measures.records import DELTA_S, PERIODS_S, WINDOW_S, make_records
from benchmarks.peers.environments import ROOT, Unavailable
from seismo_pes.signal.misfits import MEASURES, measure
from seismo_pes.signal.misfits.time_frequency import time_frequency_misfit

RESULT = ROOT / "benchmarks" / "results" / "measures.json"
GOALS = {"time-frequency misfits": 8.0}
# What the figure of obspy computes, and the two numbers that are asked for with it.
OF_A_FIGURE = ("tfem", "tem", "fem", "em", "tfpm", "tpm", "fpm", "pm", "em", "pm")


def shortest_s(function: Callable[[], object], repeats: int) -> float:
    """Return the shortest CPU time of several calls, in seconds."""
    times = []
    for _ in range(repeats):
        begin = time.process_time()
        function()
        times.append(time.process_time() - begin)
    return min(times)


def ours(name: str, records: dict[str, np.ndarray], repeats: int) -> float:
    """Return the time of one of our measures with its adjoint source."""
    more: dict[str, Any] = {"window_s": WINDOW_S}
    if MEASURES[name].is_double:
        more["other"] = records["observed_2"], records["synthetic_2"]
    pair = records["observed"], records["synthetic"]
    return shortest_s(lambda: measure(name, *pair, DELTA_S, **more), repeats)


def time_frequency(records: dict[str, np.ndarray], quick: bool) -> dict[str, Any]:
    """Return the times of all time-frequency misfits, by us and by obspy."""
    n = 2_000 if quick else records["observed"].size
    pair = records["observed"][:n], records["synthetic"][:n]
    low_hz, high_hz = 1 / PERIODS_S[1], 1 / PERIODS_S[0]
    here = shortest_s(lambda: time_frequency_misfit(*pair, DELTA_S, low_hz, high_hz), 3)
    keys = {"dt": DELTA_S, "fmin": low_hz, "fmax": high_hz, "nf": 100}
    there = shortest_s(
        lambda: [getattr(tf_misfit, name)(*pair, **keys) for name in OF_A_FIGURE], 1
    )
    return {
        "measure": "time-frequency misfits",
        "ours_s": here,
        "peer": "obspy",
        "peer_s": there,
    }


def main(argv: list[str] | None = None) -> None:
    """Measure, print the table, store the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.measures", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--quick", action="store_true", help="few calls; the results are not stored"
    )
    quick = parser.parse_args(argv).quick
    repeats = 2 if quick else 9
    records = make_records()
    cases: list[dict[str, Any]] = [
        {"measure": name, "ours_s": ours(name, records, repeats)} for name in MEASURES
    ]
    try:
        with tempfile.TemporaryDirectory() as work:
            there = pyadjoint.measure(records, repeats, Path(work))
    except Unavailable as problem:
        print(f"pyadjoint cannot run: {problem}")
        there = {}
    for case in cases:
        if case["measure"] in there:
            case |= {"peer": "pyadjoint", "peer_s": there[case["measure"]]}
    cases.append(time_frequency(records, quick))
    for case in cases:
        show(case)
    if not quick:
        record = {"machine": describe(), "cases": cases}
        RESULT.write_text(json.dumps(record, indent=1) + "\n")
        print(f"stored in {RESULT.relative_to(ROOT)}")


def show(case: dict[str, Any]) -> None:
    """Print the times of a measure, and whether a goal is met."""
    line = f"{case['measure']:24}{1e3 * case['ours_s']:9.2f} ms"
    if "peer" in case:
        ratio = case["peer_s"] / case["ours_s"]
        line += f"  {case['peer']} {1e3 * case['peer_s']:9.2f} ms  {ratio:6.1f} times"
        goal = GOALS.get(case["measure"])
        if goal is not None:
            met = "met" if ratio >= goal else "NOT met"
            line += f"  goal {goal:g} times: {met}"
    print(line, flush=True)


if __name__ == "__main__":
    main()
