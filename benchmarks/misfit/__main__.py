"""Misfits of an event, also beside pyatoa: ``python -m benchmarks.misfit``.

`many_stations` has the event of 1,000 stations. Beside pyatoa, both programs read the
same files, pick windows, measure time shifts by cross-correlation in the same windows,
and write adjoint sources of SPECFEM. The CPU times are those in one thread, without
imports. The time shifts are compared with the truth.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

import misfit_app
from benchmarks.machine import describe
from benchmarks.misfit import pyatoa
from benchmarks.misfit.many_stations import N_STATIONS, many_stations
from benchmarks.misfit.task import BANDS, write_task
from benchmarks.peers.environments import ROOT, Unavailable
from misfit_app.synthetic import scene_inputs

RESULT = ROOT / "benchmarks" / "results" / "misfit.json"
GOAL = 5.0
START_S = -5.0  # of the synthetics, after the origin
COMPONENTS = 3


def ours(folder: Path, out: Path) -> tuple[float, list[dict[str, Any]]]:
    """Return the CPU time of our run, and the rows of its ledger.

    Parameters
    ----------
    folder
        The files of the event.
    out
        Folder of the results.
    """
    begin = time.process_time()
    summary = misfit_app.measure(
        **scene_inputs(folder),
        synthetic_motion="velocity",
        periods_s=BANDS,
        measures=["cc_time"],
        adjoint=["specfem"],
        out=str(out),
    )
    return time.process_time() - begin, summary.rows


def largest_errors(
    rows: Sequence[Mapping[str, Any]], truths: Mapping[str, float]
) -> dict[str, float]:
    """Return the median and the largest difference of time shifts from the truth."""
    errors = [abs(row["dt_s"] - truths[row["station"]]) for row in rows]
    return {"median_s": float(np.median(errors)), "largest_s": float(max(errors))}


def largest_difference(
    rows: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]]
) -> float:
    """Return the largest difference of the time shifts of both programs."""
    names = ("station", "component", "min_period_s")
    known = {
        (*(row[name] for name in names), round(row["window_start_s"], 3)): row["dt_s"]
        for row in rows
    }
    differences = [
        abs(
            known[(*(row[name] for name in names), round(row["start_s"], 3))]
            - row["dt_s"]
        )
        for row in others
    ]
    return float(max(differences))


def main(argv: list[str] | None = None) -> None:
    """Measure, print the comparison, store the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.misfit", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--quick", action="store_true", help="few stations; the results are not stored"
    )
    parser.add_argument(
        "--only", choices=("pyatoa", "stations"), help="one of the two measurements"
    )
    options = parser.parse_args(argv)
    record: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as work:
        if options.only != "stations":
            record |= compare(4 if options.quick else 30, Path(work))
        if options.only != "pyatoa":
            n_stations = 16 if options.quick else N_STATIONS
            cases = many_stations(n_stations, Path(work))
            record["many_stations"] = {"machine": describe(), "cases": cases}
    if not options.quick:
        stored = json.loads(RESULT.read_text()) | record
        if options.only != "stations":
            stored["machine"] = describe()
        RESULT.write_text(json.dumps(stored, indent=1) + "\n")
        print(f"stored in {RESULT.relative_to(ROOT)}")


def compare(n_stations: int, work: Path) -> dict[str, Any]:
    """Run both programs, print and return the figures.

    Parameters
    ----------
    n_stations
        Number of stations.
    work
        A folder for files.
    """
    truths = {t.station: t.dt_s for t in write_task(n_stations, work / "event")}
    ours(work / "event", work / "first")  # imports, plans of transforms
    cpu_s, rows = ours(work / "event", work / "ours")
    measured = [row for row in rows if row["status"] == "measured"]
    n_bands = n_stations * COMPONENTS * len(BANDS)
    record: dict[str, Any] = {
        "n_stations": n_stations,
        "n_trace_bands": n_bands,
        "ours": {
            "cpu_s": cpu_s,
            "n_windows": len(measured),
            **largest_errors(measured, truths),
        },
    }
    show("misfit-app", record["ours"], n_bands)
    windows = json.loads((work / "ours" / "windows.json").read_text())
    try:
        peer = pyatoa.measure(
            work / "event", sorted(truths), windows, START_S, work / "pyatoa"
        )
    except Unavailable as problem:
        print(f"pyatoa cannot run: {problem}")
        return record
    record["pyatoa"] = {
        "version": pyatoa.VERSION,
        "cpu_s": peer.cpu_s,
        "n_windows": peer.n_windows,
        "n_failed": peer.n_failed,
        **largest_errors(peer.rows, truths),
    }
    show("pyatoa", record["pyatoa"], n_bands)
    print(
        f"pyflex refused {peer.n_failed} of {n_bands // COMPONENTS} stations and bands"
    )
    ratio = peer.cpu_s / cpu_s
    record["ratio"] = ratio
    record["largest_difference_s"] = largest_difference(measured, peer.rows)
    met = "met" if ratio >= GOAL else "NOT met"
    print(f"{ratio:.1f} times as fast; goal {GOAL:g} times: {met}")
    print(
        f"largest difference of the time shifts in {len(peer.rows)} equal windows: "
        f"{record['largest_difference_s']:.3f} s (pyadjoint measures whole samples)"
    )
    return record


def show(name: str, case: Mapping[str, Any], n_bands: int) -> None:
    """Print the figures of a program."""
    print(
        f"{name:12}{1e3 * case['cpu_s'] / n_bands:8.1f} ms for a trace and band, "
        f"{case['n_windows']:4} windows; error of the time shifts: median "
        f"{1e3 * case['median_s']:.1f} ms, largest {1e3 * case['largest_s']:.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
