"""Compare the engine with its predecessors: ``python -m benchmarks.engine``.

Every contender runs once per round, in turn, so that the state of the machine is equal
for all. The table has medians, and ratios to the better of the two predecessors. Start
and end of the processes are a large part of the time for 20,000 items, and a small part
for 200,000 items. Results are written to ``benchmarks/results/engine.json``; with
``--only`` the results of the other cases do not change.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.engine import latency, own
from benchmarks.machine import describe

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
PEERS = ROOT / ".peers"
RESULT = HERE.parent / "results" / "engine.json"
THREADS = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}

#: Name to packages for pip; each contender has its own environment.
PACKAGES = {
    "dispel4py 1.2.1": ["dispel4py==1.2.1", "numpy", "mpi4py", "mpich"],
    "stream-d4py": ["stream-d4py", "numpy", "mpi4py", "mpich"],
    "others": ["joblib", "dask", "numpy"],
}
#: (mapping, kind, items) to the goal: the speed relative to the better predecessor.
GOALS = {
    ("simple", "small", 20_000): 4.0,
    ("simple", "small", 200_000): 4.0,
    ("simple", "array", 1000): None,
    ("multi", "small", 20_000): 10.0,
    ("multi", "small", 200_000): 10.0,
    ("multi", "array", 300): 10.0,
    ("mpi", "small", 20_000): 3.0,
    ("mpi", "small", 200_000): 3.0,
    ("mpi", "array", 300): 5.0,
}
#: Goal for the peak memory, in MB.
MEMORY = {("simple", "array", 1000): 100.0}
OTHERS = ("loop", "pool", "joblib", "dask")
#: Cases of this engine alone.
OTHER_CASES: dict[str, Any] = {"own": own, "latency": latency}


def python_of(name: str) -> str:
    """Return the interpreter of a contender; install the contender if necessary."""
    if name == "ours":
        return sys.executable
    folder = PEERS / name.replace(" ", "-")
    python = folder / "bin" / "python"
    if not (folder / "installed").exists():
        print(f"installing {name} into {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        command = [str(python), "-m", "pip", "install", "--quiet", *PACKAGES[name]]
        subprocess.run(command, check=True)
        (folder / "installed").touch()
    return str(python)


def measure(command: list[str]) -> dict[str, float] | None:
    """Run one contender; None if it fails or takes more than five minutes."""
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=300,
            env=os.environ | THREADS,
            cwd="/",
        )
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (subprocess.TimeoutExpired, IndexError, ValueError):
        return None


def contenders(mapping: str, kind: str, n: int) -> dict[str, list[str]]:
    """Return the command of each contender of one case."""
    commands = {}
    for name in ("ours", "dispel4py 1.2.1", "stream-d4py"):
        python = python_of(name)
        command = [python, str(HERE / "chain.py"), mapping, kind, str(n)]
        if mapping == "mpi":
            mpiexec = str(Path(python).with_name("mpiexec"))
            command = [mpiexec, "-n", "4", *command]
        commands[name] = command
    if mapping == "multi":
        python = python_of("others")
        for how in OTHERS:
            commands[how] = [python, str(HERE / "others.py"), how, kind, str(n)]
    return commands


def run_case(case: tuple[str, str, int], rounds: int) -> dict[str, dict[str, float]]:
    """Run one case; return median, extremes and peak memory of each contender."""
    commands = contenders(*case)
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            result = measure(command)
            if result is not None:
                runs[name].append(result)
    summaries = {}
    for name, results in runs.items():
        if results:
            micros = sorted(1e6 * r["seconds"] / case[2] for r in results)
            summaries[name] = {
                "us_per_item": median(micros),
                "least": micros[0],
                "most": micros[-1],
                "peak_mb": max(r["peak_mb"] for r in results),
            }
    return summaries


def show(
    case: tuple[str, str, int],
    summaries: dict[str, dict[str, float]],
    goal: float | None = None,
) -> None:
    """Print the table of one case."""
    mapping, kind, n = case
    print(f"\n{mapping}, {n:,} items, {'ints' if kind == 'small' else '1 MB arrays'}")
    ours = summaries.get("ours", {}).get("us_per_item")
    print(f"  {'':18}{'us/item':>10}{'least':>10}{'most':>10}{'MB':>8}{'x ours':>9}")
    for name, row in summaries.items():
        ratio = f"{row['us_per_item'] / ours:.2f}" if ours else ""
        cells = "".join(f"{row[k]:>10.2f}" for k in ("us_per_item", "least", "most"))
        print(f"  {name:18}{cells}{row['peak_mb']:>8.0f}{ratio:>9}")
    if ours and case in MEMORY:
        peak_mb = summaries["ours"]["peak_mb"]
        verdict = "met" if peak_mb < MEMORY[case] else "NOT met"
        print(f"  goal: under {MEMORY[case]:g} MB; is {peak_mb:.0f}: {verdict}")
    old = [
        summaries[name]["us_per_item"]
        for name in ("dispel4py 1.2.1", "stream-d4py")
        if name in summaries
    ]
    if ours and old and goal:
        speedup = min(old) / ours
        verdict = "met" if speedup >= goal else "NOT met"
        print(f"  goal: {goal:g} times faster than the better predecessor; ", end="")
        print(f"is {speedup:.1f} times: {verdict}")


def read_record() -> dict[str, object]:
    """Return the results of earlier measurements."""
    try:
        record: dict[str, object] = json.loads(RESULT.read_text())
    except (OSError, ValueError):
        return {}
    return record


def write_record(record: dict[str, object]) -> None:
    """Write the results."""
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=1) + "\n")


def try_all(wanted: list[str]) -> None:
    """Run each of these cases once with few items, as a test."""
    for mapping, kind, n in GOALS:
        if f"{mapping}-{kind}-{n}" in wanted:
            small = (mapping, kind, n // 10)
            show(small, run_case(small, 1))
    for name, measurement in OTHER_CASES.items():
        if name in wanted:
            measurement.show(measurement.measure())


def main() -> None:
    """Run all cases, print the tables, write the results."""
    names = {"-".join(map(str, case)): case for case in GOALS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--only",
        action="append",
        choices=[*names, *OTHER_CASES],
        help="case to measure",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a tenth of the items, one round; no results are written",
    )
    arguments = parser.parse_args()
    machine = describe()
    print(json.dumps(machine))
    if arguments.quick:
        try_all(arguments.only or [*names, *OTHER_CASES])
        return
    record = read_record() if arguments.only else {}
    for name, case in names.items():
        if not arguments.only or name in arguments.only:
            summaries = run_case(case, arguments.rounds)
            record[name] = {"machine": machine, "contenders": summaries}
            show(case, summaries, GOALS[case])
            write_record(record)
    for name, measurement in OTHER_CASES.items():
        if not arguments.only or name in arguments.only:
            measured = measurement.measure()
            record[name] = {"machine": machine} | measured
            measurement.show(measured)
            write_record(record)
    print(f"\nwritten to {RESULT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
