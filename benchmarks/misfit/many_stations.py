"""One event of 1,000 stations with three components and four bands, without pictures.

The command runs as a user runs it, from its start to its end: synthetics as text of
SPECFEM, observed miniSEED with responses, time shifts and amplitudes by cross-
correlation, and adjoint sources of SPECFEM. A quarter of the stations is measured in
one process, too, so that the table shows how the time falls with a second one.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from misfit_app.store import read_ledger
from misfit_app.synthetic import Scene, scene_inputs, write_scene

__all__ = ["LIMIT_S", "N_STATIONS", "PROCESSES", "many_stations"]

N_STATIONS = 1000
PROCESSES = 2
LIMIT_S = 120.0  # wall clock of the largest case
BANDS = ("4-20", "5-15", "4-12", "6-20")


def many_stations(n_stations: int, work: Path) -> list[dict[str, Any]]:
    """Run and print the cases, and return their figures.

    Parameters
    ----------
    n_stations
        Stations of the largest case.
    work
        A folder for files, 1 MB for each station.
    """
    quarter = max(n_stations // 4, 2)
    cases = []
    for n, some in ((quarter, (1, PROCESSES)), (n_stations, (PROCESSES,))):
        folder = work / f"event_{n}"
        truths = {t.station: t.dt_s for t in write_scene(Scene(n_stations=n), folder)}
        for processes in some:
            out = work / f"results_{n}_{processes}"
            case: dict[str, Any] = {"n_stations": n, "processes": processes}
            case |= _measured(_command(folder, out, processes))
            rows = [row for row in read_ledger(out) if row["measure"] == "cc_time"]
            errors = [abs(r["dt_s"] - truths[r["station"]]) for r in rows if r["value"]]
            case |= {"n_windows": len(rows), "median_error_s": float(np.median(errors))}
            cases.append(case)
            show(case)
    return cases


def _command(folder: Path, out: Path, processes: int) -> list[str]:
    where = ["--mapping", "simple"]
    if processes > 1:
        where = ["--mapping", "multi", "--processes", str(processes)]
    return [
        *(sys.executable, "-m", "misfit_app", "--quiet"),
        *(w for name, at in scene_inputs(folder).items() for w in (f"--{name}", at)),
        *("--periods-s", *BANDS, "--adjoint", "specfem", "--out", str(out), *where),
    ]


def _measured(command: Sequence[str]) -> dict[str, float]:
    """Run a command; return its wall clock and the CPU time of all its processes."""
    env = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.perf_counter()
    subprocess.run(command, check=True, env=env)
    wall_s = time.perf_counter() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": wall_s, "cpu_s": cpu_s}


def show(case: dict[str, Any]) -> None:
    """Print the figures of a case."""
    verdict = ""
    if case["n_stations"] >= N_STATIONS:
        met = "met" if case["wall_s"] < LIMIT_S else "NOT met"
        verdict = f"; limit {LIMIT_S:g} s: {met}"
    print(
        f"{case['n_stations']:5} stations, {case['processes']} processes: "
        f"{case['wall_s']:6.1f} s, CPU {case['cpu_s']:6.1f} s, "
        f"{case['n_windows']:6,} windows, median error of the time shifts "
        f"{1e3 * case['median_error_s']:.1f} ms{verdict}",
        flush=True,
    )
