"""The headline of 2015 on two cores: ``python -m benchmarks.headline``.

A thousand stations, one hour, all 499,500 correlations of 10,001 lags, from miniSEED
and StationXML to files, beside a bare kernel that has its traces in memory.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.headline.case import DTYPES, ROOT, Case, run_case
from benchmarks.machine import describe
from benchmarks.process import compile_ours

RESULT = ROOT / "benchmarks" / "results" / "headline.json"
FOLDER = ROOT / ".bench"
QUICK = 100
#: What is asked for of the whole job.
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
    """Return what is run: three sizes, and the mappings beside each other at half."""
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


def row(found: dict[str, Any]) -> list[str]:
    """Return the cells of one case."""
    told = found | {
        "disk_gb_s": "-".join(f"{speed:.1f}" for speed in found["disk_gb_s"]),
        "kernel_s": "-".join(f"{one['wall_s']:.1f}" for one in found["kernel"]),
        "us_per_pair": 1e6 * found["wall_s"] / found["n_pairs"],
    }
    return [text.format(told[key]) for _, key, text in COLUMNS]


def show(all_found: list[dict[str, Any]]) -> None:
    """Print the table."""
    table = [[title for title, *_ in COLUMNS], *map(row, all_found)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for cells in table:
        padded = (text.rjust(n) for text, n in zip(cells, widths, strict=True))
        print("  ".join(padded))


def verdicts(found: dict[str, Any]) -> list[tuple[str, bool]]:
    """Return each goal of the whole job, and whether it is met."""
    goals = [
        (
            f"at most {GOAL_RATIO} times the bare kernel",
            found["ratio_to_kernel"] <= GOAL_RATIO,
        ),
        (
            f"less than {GOAL_PEAK_MB:.0f} MB for a process",
            found["peak_mb"] < GOAL_PEAK_MB,
        ),
        (
            f"the textbook's numbers to {GOAL_DIFFERENCE:g} of their peak",
            found["largest_difference"] <= GOAL_DIFFERENCE,
        ),
        (
            "the wave's lag to half a sample",
            found["largest_lag_error_samples"] <= 0.5,
        ),
    ]
    if found["form"] == "lean":
        goals.insert(
            1, (f"less than {GOAL_LEAN_S:.0f} s", found["wall_s"] < GOAL_LEAN_S)
        )
    return goals


def check_room(n_stations: int, form: str, folder: Path) -> None:
    """Refuse to fill the disk."""
    needed = 1.1 * Case(n_stations, form).n_bytes + 3e9
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise SystemExit(
            f"{folder}: {free / 1e9:.0f} GB free, {needed / 1e9:.0f} GB are needed: "
            "choose another --folder or fewer --stations"
        )


def keep(form: str, all_found: list[dict[str, Any]]) -> None:
    """Put the figures over those of the same cases, beside those of others."""
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    machine = describe()
    cases = {
        (one["n_stations"], one["mapping"]): one
        for one in kept.get(form, {"cases": []})["cases"]
    }
    for found in all_found:
        key = found["n_stations"], found["mapping"]
        cases[key] = {**found, "date": machine["date"]}
    kept[form] = {"machine": machine, "cases": [cases[key] for key in sorted(cases)]}
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(kept, indent=1) + "\n")
    print(f"kept in {RESULT.relative_to(ROOT)}")


def main(argv: list[str] | None = None) -> None:
    """Run the cases, print the table, keep the figures."""
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
        "--mapping", help="multi, simple or mpi: only that one, at the full size"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"(default: {FOLDER})"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{QUICK} stations; nothing is kept"
    )
    given = parser.parse_args(argv)
    n_stations = QUICK if given.quick else given.stations
    given.folder.mkdir(parents=True, exist_ok=True)
    check_room(n_stations, given.form, given.folder)
    compile_ours()
    print(json.dumps(describe()))
    all_found = []
    for case in cases(n_stations, given.form, given.mapping):
        print(f"{case.n_stations} stations, {case.mapping} ...", flush=True)
        all_found.append(run_case(case, given.folder))
    show(all_found)
    for goal, met in verdicts(all_found[-1]):
        print(f"goal: {goal}: {'met' if met else 'NOT met'}")
    if not given.quick:
        keep(given.form, all_found)


if __name__ == "__main__":
    main()
