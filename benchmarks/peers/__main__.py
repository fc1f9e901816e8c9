"""The same job by MSNoise, NoisePy and this suite: ``python -m benchmarks.peers``.

Installs the others into environments of their own where that works. Each runs once, in
turn, with two workers, and the lag of the known wave is checked for every pair.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import describe
from benchmarks.peers import job, msnoise, noisepy, ours
from benchmarks.peers.environments import ROOT, Unavailable
from benchmarks.planewave import make
from benchmarks.process import CommandFailed, compile_ours

RESULT = ROOT / "benchmarks" / "results" / "peers.json"
FOLDER = ROOT / ".bench"
CONTENDERS: dict[str, Callable[..., job.Outcome]] = {
    "ours": ours.run,
    "msnoise": msnoise.run,
    "noisepy": noisepy.run,
}
#: How many times faster than a contender, from files to files; the correlation alone.
GOALS = {"MSNoise": 20.0, "NoisePy": 10.0}
GOAL_CORRELATE, GOAL_PEAK_MB, GOAL_LAG = 25.0, 1000.0, 0.5


def outcomes(
    names: list[str], place: Path, wave: Any, work: Path
) -> tuple[list[job.Outcome], dict[str, str]]:
    """Run contenders; return what they did, and why others did not run."""
    found, missing = [], {}
    for name in names:
        print(f"{name} ...", flush=True)
        try:
            found.append(CONTENDERS[name](place, wave, work / name))
        except (Unavailable, CommandFailed) as problem:
            missing[name] = str(problem)
            print(f"  does not run here: {problem}")
    return found, missing


def show(found: list[job.Outcome]) -> None:
    """Print the stages of each contender, and all of them beside each other."""
    for outcome in found:
        print(f"\n{outcome.name} {outcome.version}")
        for stage, cost in outcome.stages.items():
            print(f"  {stage:20}{cost.wall_s:9.1f} s{cost.peak_mb:9.0f} MB")
        print(f"  correlation: {outcome.correlate_is}")
    print(
        f"\n{'':10}{'wall s':>9}{'pair-days/s':>13}{'correlate s':>13}"
        f"{'pair-days/s':>13}{'MB/process':>12}{'worst lag':>11}"
    )
    for outcome in found:
        print(
            f"{outcome.name:10}{outcome.wall_s:9.1f}{outcome.pair_days_s:13.1f}"
            f"{outcome.correlate_s:13.2f}{outcome.correlate_pair_days_s:13.1f}"
            f"{outcome.peak_mb:12.0f}{outcome.worst_lag_samples:11.3f}"
        )


def verdicts(found: list[job.Outcome]) -> list[tuple[str, float, bool]]:
    """Return each goal, what was reached, and whether that meets it."""
    mine = next((outcome for outcome in found if outcome.name == "ours"), None)
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
    for other in found:
        if other is mine:
            continue
        whole = mine.pair_days_s / other.pair_days_s
        alone = mine.correlate_pair_days_s / other.correlate_pair_days_s
        least = GOALS[other.name]
        goals += [
            (f"{least:g} times {other.name}, files to files", whole, whole >= least),
            (
                f"{GOAL_CORRELATE:g} times {other.name}, correlation",
                alone,
                alone >= GOAL_CORRELATE,
            ),
        ]
    return goals


def main(argv: list[str] | None = None) -> None:
    """Run the contenders, print the tables, keep the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--stations", type=int, default=50, help="(default: 50)")
    parser.add_argument("--days", type=int, default=2, help="1 to 3 (default: 2)")
    parser.add_argument(
        "--only", nargs="+", choices=[*CONTENDERS, "kinds", "bands"], help="some of it"
    )
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help=f"(default: {FOLDER})"
    )
    parser.add_argument(
        "--quick", action="store_true", help="8 stations; nothing is kept"
    )
    given = parser.parse_args(argv)
    n_stations = 8 if given.quick else given.stations
    names = given.only or [*CONTENDERS, "kinds", "bands"]
    wave, work = job.wave(n_stations, given.days), given.folder / "peers"
    given.folder.mkdir(parents=True, exist_ok=True)
    place = make(wave, given.folder)
    compile_ours()
    record: dict[str, Any] = {"machine": describe(), "data": wave.name}
    print(json.dumps(record["machine"]))
    found, missing = outcomes(
        [name for name in names if name in CONTENDERS], place, wave, work
    )
    if found:
        show(found)
    record["outcomes"] = [outcome.to_dict() for outcome in found]
    record["missing"] = missing
    for goal, reached, met in verdicts(found):
        print(f"goal: {goal}: is {reached:.1f}: {'met' if met else 'NOT met'}")
    if "kinds" in names:
        record["kinds"] = ours.kinds(place, wave, work)
        print(f"worst lag by kind, samples: {record['kinds']}")
    if "bands" in names:
        record["bands"] = ours.bands(place, work)
        print(f"ten bands: {record['bands']}")
    if not given.quick:
        keep(record)


def keep(record: dict[str, Any]) -> None:
    """Put figures of this run over those of the last; parts not run stay."""
    kept = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    if kept.get("data") == record["data"]:
        new = {one["name"] for one in record["outcomes"]}
        record["outcomes"] += [
            one for one in kept["outcomes"] if one["name"] not in new
        ]
        for part in ("kinds", "bands"):
            if part in kept:
                record.setdefault(part, kept[part])
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(record, indent=1) + "\n")
    print(f"kept in {RESULT.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
