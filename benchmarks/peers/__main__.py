"""The same correlations by MSNoise, NoisePy and us: ``python -m benchmarks.peers``.

MSNoise and NoisePy are installed into their own environments, if that is possible. Each
program runs with two workers, one after the other. The lag of the plane wave in the
data is checked for every pair.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.command_cost import CommandFailed, compile_ours
from benchmarks.machine import describe
from benchmarks.peers import msnoise, noisepy, ours, task
from benchmarks.peers.environments import ROOT, Unavailable
from benchmarks.planewave import make_archive

RESULT = ROOT / "benchmarks" / "results" / "peers.json"
FOLDER = ROOT / ".bench"
CONTENDERS: dict[str, Callable[..., task.Outcome]] = {
    "ours": ours.run,
    "msnoise": msnoise.run,
    "noisepy": noisepy.run,
}
#: Our speed divided by that of another program, from files to files.
GOALS = {"MSNoise": 20.0, "NoisePy": 10.0}
#: The same for the correlation alone; memory of a process; error of a lag, samples.
GOAL_CORRELATE, GOAL_PEAK_MB, GOAL_LAG = 25.0, 1000.0, 0.5


def run_contenders(
    names: list[str], place: Path, wave: Any, work: Path
) -> tuple[list[task.Outcome], dict[str, str]]:
    """Run contenders; return their outcomes, and why some of them cannot run."""
    outcomes, missing = [], {}
    for name in names:
        print(f"{name} ...", flush=True)
        try:
            outcomes.append(CONTENDERS[name](place, wave, work / name))
        except (Unavailable, CommandFailed) as problem:
            missing[name] = str(problem)
            print(f"  cannot run: {problem}")
    return outcomes, missing


def show(outcomes: list[task.Outcome]) -> None:
    """Print the stages of each contender, and a table of all contenders."""
    for outcome in outcomes:
        print(f"\n{outcome.name} {outcome.version}")
        for stage, cost in outcome.stages.items():
            print(f"  {stage:20}{cost.wall_s:9.1f} s{cost.peak_mb:9.0f} MB")
        print(f"  correlation: {outcome.correlate_is}")
    print(
        f"\n{'':10}{'wall s':>9}{'pair-days/s':>13}{'correlate s':>13}"
        f"{'pair-days/s':>13}{'MB/process':>12}{'worst lag':>11}"
    )
    for outcome in outcomes:
        print(
            f"{outcome.name:10}{outcome.wall_s:9.1f}{outcome.pair_days_s:13.1f}"
            f"{outcome.correlate_s:13.2f}{outcome.correlate_pair_days_s:13.1f}"
            f"{outcome.peak_mb:12.0f}{outcome.worst_lag_samples:11.3f}"
        )


def verdicts(outcomes: list[task.Outcome]) -> list[tuple[str, float, bool]]:
    """Return each goal, the value that was reached, and whether the goal is met."""
    mine = next((outcome for outcome in outcomes if outcome.name == "ours"), None)
    if mine is None:
        return []
    goals = [
        (f"under {GOAL_PEAK_MB:g} MB", mine.peak_mb, mine.peak_mb < GOAL_PEAK_MB),
        (
            f"lag of the wave within {GOAL_LAG:g} samples",
            mine.worst_lag_samples,
            mine.worst_lag_samples <= GOAL_LAG,
        ),
    ]
    for other in outcomes:
        if other is mine:
            continue
        total = mine.pair_days_s / other.pair_days_s
        correlation = mine.correlate_pair_days_s / other.correlate_pair_days_s
        least = GOALS[other.name]
        goals += [
            (f"{least:g} times {other.name}, files to files", total, total >= least),
            (
                f"{GOAL_CORRELATE:g} times {other.name}, correlation",
                correlation,
                correlation >= GOAL_CORRELATE,
            ),
        ]
    return goals


def main(argv: list[str] | None = None) -> None:
    """Run the contenders, print the tables, store the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--stations", type=int, default=50, help="(default: 50)")
    parser.add_argument("--days", type=int, default=2, help="1 to 3 (default: 2)")
    parser.add_argument(
        "--only",
        nargs="+",
        choices=[*CONTENDERS, "kinds", "bands"],
        help="run only these parts",
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"(default: {FOLDER})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="8 stations; the results are not stored"
    )
    given = parser.parse_args(argv)
    n_stations = 8 if given.quick else given.stations
    names = given.only or [*CONTENDERS, "kinds", "bands"]
    wave, work = task.wave(n_stations, given.days), given.folder / "peers"
    given.folder.mkdir(parents=True, exist_ok=True)
    place = make_archive(wave, given.folder)
    compile_ours()
    record: dict[str, Any] = {"machine": describe(), "data": wave.name}
    print(json.dumps(record["machine"]))
    outcomes, missing = run_contenders(
        [name for name in names if name in CONTENDERS], place, wave, work
    )
    if outcomes:
        show(outcomes)
    record["outcomes"] = [outcome.to_dict() for outcome in outcomes]
    record["missing"] = missing
    for goal, reached, met in verdicts(outcomes):
        print(f"goal: {goal}: reached {reached:.1f}: {'met' if met else 'NOT met'}")
    if "kinds" in names:
        record["kinds"] = ours.kinds(place, wave, work)
        print(f"worst lag by kind, samples: {record['kinds']}")
    if "bands" in names:
        record["bands"] = ours.bands(place, work)
        print(f"ten bands: {record['bands']}")
    if not given.quick:
        store(record)


def store(record: dict[str, Any]) -> None:
    """Store the figures of this run; the figures of other parts do not change."""
    stored = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if stored.get("data") == record["data"]:
        names = {outcome["name"] for outcome in record["outcomes"]}
        record["outcomes"] += [
            old for old in stored["outcomes"] if old["name"] not in names
        ]
        for part in ("kinds", "bands"):
            if part in stored:
                record.setdefault(part, stored[part])
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    print(f"stored in {RESULT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
