"""The example of 2015 on two cores: ``python -m benchmarks.headline``.

One hour of a thousand stations: all 499,500 correlations with 10,001 lags, from
miniSEED and StationXML to files. It is compared with a kernel, a program that does only
the arithmetic and the writing, and has its traces in memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.command_cost import compile_ours
from benchmarks.headline.case import DTYPES, ROOT, Case, run_case
from benchmarks.machine import describe

RESULT = ROOT / "benchmarks" / "results" / "headline.json"
FOLDER = ROOT / ".bench"
N_QUICK = 100  # stations with --quick
#: Goals for the full example.
GOAL_RATIO, GOAL_LEAN_S, GOAL_PEAK_MB, GOAL_DIFFERENCE = 1.5, 60.0, 1500.0, 1e-6

COLUMNS = (
    ("stations", "n_stations", "{:d}"),
    ("mapping", "mapping", "{}"),
    ("wall s", "wall_s", "{:.1f}"),
    ("user s", "user_s", "{:.1f}"),
    ("sys s", "system_s", "{:.1f}"),
    ("MB/process", "peak_mb", "{:.0f}"),
    ("MB all", "peak_mb_of_all", "{:.0f}"),
    ("GB", "written_gb", "{:.2f}"),
    ("GB/s", "gb_s", "{:.2f}"),
    ("disk GB/s", "disk_gb_s", "{}"),
    ("kernel s", "kernel_s", "{}"),
    ("x kernel", "ratio_to_kernel", "{:.2f}"),
    ("us/pair", "us_per_pair", "{:.0f}"),
    ("difference", "largest_difference", "{:.1e}"),
    ("lag error", "largest_lag_error_samples", "{:.3f}"),
)


def cases(n_stations: int, form: str, mapping: str | None) -> list[Case]:
    """Return the cases: three sizes, and all mappings at half of the size."""
    if mapping is not None:
        return [Case(n_stations, form, mapping)]
    half = n_stations // 2
    return [
        Case(n_stations // 4, form),
        Case(half, form),
        Case(half, form, "simple"),
        Case(half, form, "mpi"),
        Case(n_stations, form),
    ]


def format_row(figures: dict[str, Any]) -> list[str]:
    """Return the cells of one case."""
    values = figures | {
        "disk_gb_s": "-".join(f"{speed:.1f}" for speed in figures["disk_gb_s"]),
        "kernel_s": "-".join(f"{run['wall_s']:.1f}" for run in figures["kernel"]),
        "us_per_pair": 1e6 * figures["wall_s"] / figures["n_pairs"],
    }
    return [text.format(values[key]) for _, key, text in COLUMNS]


def show(outcomes: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = [[title for title, *_ in COLUMNS], *map(format_row, outcomes)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (text.rjust(n) for text, n in zip(cells, widths, strict=True))
        print("  ".join(padded))


def verdicts(figures: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return each goal of the full example, and whether it is met."""
    goals = [
        (
            f"at most {GOAL_RATIO} times the time of the kernel",
            figures["ratio_to_kernel"] <= GOAL_RATIO,
        ),
        (
            f"less than {GOAL_PEAK_MB:.0f} MB per process",
            figures["peak_mb"] < GOAL_PEAK_MB,
        ),
        (
            f"equal to the direct sum to {GOAL_DIFFERENCE:g} of the peak",
            figures["largest_difference"] <= GOAL_DIFFERENCE,
        ),
        (
            "lag of the wave correct to half a sample",
            figures["largest_lag_error_samples"] <= 0.5,
        ),
    ]
    if figures["form"] == "lean":
        goals.insert(
            1, (f"less than {GOAL_LEAN_S:.0f} s", figures["wall_s"] < GOAL_LEAN_S)
        )
    return goals


def check_space(n_stations: int, form: str, folder: Path) -> None:
    """Exit with a message if the disk has too little free space."""
    needed = 1.1 * Case(n_stations, form).n_bytes + 3e9
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(
            f"{folder}: {free / 1e9:.0f} GB are free, {needed / 1e9:.0f} GB are "
            "needed: choose another --folder or fewer --stations"
        )


def store(form: str, outcomes: list[dict[str, Any]]) -> None:
    """Store the figures; the figures of other cases do not change."""
    stored = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    machine = describe()
    cases = {
        (case["n_stations"], case["mapping"]): case
        for case in stored.get(form, {"cases": []})["cases"]
    }
    for figures in outcomes:
        key = figures["n_stations"], figures["mapping"]
        cases[key] = {**figures, "date": machine["date"]}
    stored[form] = {"machine": machine, "cases": [cases[key] for key in sorted(cases)]}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(stored, indent=1) + "\n")
    print(f"stored in {RESULT.relative_to(ROOT)}")


def main(argv: list[str] | None = None) -> None:
    """Run the cases, print the table, store the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.headline", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--stations", type=int, default=1000, help="(default: 1000)")
    parser.add_argument(
        "--form",
        choices=tuple(DTYPES),
        default="lean",
        help="lean: float32, 20 GB; original: float64, 40 GB (default: lean)",
    )
    parser.add_argument(
        "--mapping",
        help="multi, simple or mpi: run only this mapping, with all stations",
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"(default: {FOLDER})"
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help=f"{N_QUICK} stations; the results are not stored",
    )
    given = parser.parse_args(argv)
    n_stations = N_QUICK if given.quick else given.stations
    given.folder.mkdir(parents=True, exist_ok=True)
    check_space(n_stations, given.form, given.folder)
    compile_ours()
    print(json.dumps(describe()))
    outcomes = []
    for case in cases(n_stations, given.form, given.mapping):
        print(f"{case.n_stations} stations, {case.mapping} ...", flush=True)
        outcomes.append(run_case(case, given.folder))
    show(outcomes)
    for goal, met in verdicts(outcomes[-1]):
        print(f"goal: {goal}: {'met' if met else 'NOT met'}")
    if not given.quick:
        store(given.form, outcomes)


if __name__ == "__main__":
    main()
