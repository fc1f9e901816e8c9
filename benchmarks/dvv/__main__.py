"""Velocity changes for known changes: ``python -m benchmarks.dvv``.

All methods of ``xcorr-app dvv``, and the MWCS of MSNoise if it can be installed,
measure the same synthetic stacks of station pairs, with little and with much noise.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dvv import msnoise
from benchmarks.dvv.stacks import BAND_HZ, PairStacks, make_stacks
from benchmarks.machine import describe
from benchmarks.peers.environments import ROOT, Unavailable
from seismo_pes.methods import VELOCITY_CHANGES
from xcorr_app.measuring.dvv_methods import measure_changes
from xcorr_app.measuring.dvv_settings import BY_FREQUENCY, DvvSettings

RESULT = ROOT / "benchmarks" / "results" / "dvv.json"
NOISE = (0.02, 0.3, 1.0)
LAGS_S = (10.0, 80.0)
FREQUENCIES_HZ = (0.3, 0.45, 0.65)
WINDOW_S = 10.0


def measure(method: str, pairs: list[PairStacks]) -> dict[str, Any]:
    """Return the accuracy of a method: see `figures`."""
    settings = DvvSettings(
        method,
        BAND_HZ,
        False,
        "all",
        (),
        lag_s=LAGS_S,
        window_s=WINDOW_S,
        frequencies_hz=FREQUENCIES_HZ if method in BY_FREQUENCY else (),
    )
    begin = time.process_time()
    results = [measure_changes(p.stacks, p.reference, settings) for p in pairs]
    spent_s = time.process_time() - begin
    shape = len(pairs), len(pairs[0].truth), -1
    dvv, error = (
        np.reshape([getattr(result, name) for result in results], shape)
        for name in ("dvv", "error")
    )
    return figures(dvv, error, pairs, spent_s)


def by_msnoise(pairs: list[PairStacks]) -> dict[str, Any]:
    """Return the accuracy of the MWCS of MSNoise."""
    with tempfile.TemporaryDirectory() as work:
        changes, spent_s = msnoise.measure(pairs, LAGS_S, WINDOW_S, Path(work))
    shape = len(pairs), len(pairs[0].truth), -1
    dvv = np.reshape([change.dvv for change in changes], shape)
    error = np.reshape([change.error for change in changes], shape)
    return figures(dvv, error, pairs, spent_s)


def figures(
    dvv: np.ndarray, error: np.ndarray, pairs: list[PairStacks], spent_s: float
) -> dict[str, Any]:
    """Compare changes with the truth.

    Parameters
    ----------
    dvv, error
        Shape (pairs, days, frequencies).
    pairs
        The pairs, with their true changes.
    spent_s
        CPU time in seconds.

    Returns
    -------
    dict
        Root mean square error and bias of dv/v; the slope of measured over true
        changes; the part of the true changes within one standard error, and of changes
        without a value; milliseconds for a pair and day.
    """
    truth = np.array([pair.truth for pair in pairs])[..., None] + 0 * dvv
    known = np.isfinite(dvv)
    off = dvv[known] - truth[known]
    return {
        "rms": float(np.sqrt(np.mean(off**2))),
        "bias": float(off.mean()),
        "slope": float(np.polyfit(truth[known], dvv[known], 1)[0]),
        "within_error": float((np.abs(off) <= error[known]).mean()),
        "without_value": float(1 - known.mean()),
        "ms_per_pair_day": 1e3 * spent_s / truth[..., 0].size,
    }


def main(argv: list[str] | None = None) -> None:
    """Measure, print the table, store the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dvv", description=__doc__.splitlines()[0]
    )
    parser.add_argument(
        "--quick", action="store_true", help="2 pairs; the results are not stored"
    )
    quick = parser.parse_args(argv).quick
    n_pairs, n_days = (2, 10) if quick else (6, 30)
    record: dict[str, Any] = {"machine": describe(), "pairs": n_pairs, "days": n_days}
    cases = record["cases"] = []
    for noise in NOISE:
        pairs = [make_stacks(pair, n_days, noise) for pair in range(n_pairs)]
        for method in VELOCITY_CHANGES:
            cases.append({"noise": noise, "method": method} | measure(method, pairs))
            show(cases[-1])
        try:
            other = by_msnoise(pairs)
        except Unavailable as problem:
            print(f"MSNoise cannot run: {problem}")
            continue
        cases.append({"noise": noise, "method": "mwcs of MSNoise"} | other)
        show(cases[-1])
        mine = next(c for c in cases if (c["noise"], c["method"]) == (noise, "mwcs"))
        met = "met" if mine["rms"] <= other["rms"] else "NOT met"
        print(f"goal: MWCS as accurate as that of MSNoise at noise {noise:g}: {met}")
    if not quick:
        RESULT.write_text(json.dumps(record, indent=1) + "\n")
        print(f"stored in {RESULT.relative_to(ROOT)}")


def show(case: dict[str, Any]) -> None:
    """Print the figures of a method."""
    print(
        f"noise {case['noise']:<5g}{case['method']:17}"
        f"rms {1e6 * case['rms']:7.1f} ppm  bias {1e6 * case['bias']:+7.1f} ppm  "
        f"slope {case['slope']:.4f}  in error bar {100 * case['within_error']:3.0f} %  "
        f"no value {100 * case['without_value']:3.0f} %  "
        f"{case['ms_per_pair_day']:.1f} ms",
        flush=True,
    )


if __name__ == "__main__":
    main()
