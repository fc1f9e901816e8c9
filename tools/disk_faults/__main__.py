"""The program: see `tools.disk_faults`."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import tools.disk_faults as package
from tools.disk_faults.commands import COMMANDS
from tools.disk_faults.kinds import KINDS
from tools.disk_faults.preloading import preloaded_library
from tools.disk_faults.trials import LIBRARY, Trials


def sweep(name: str, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Yield the faults of a command, and what is wrong after each."""
    with tempfile.TemporaryDirectory() as folder:
        trials = Trials(name, Path(folder), options.new_interpreters)
        sys.stdout.write(f"{name}: {trials.calls()}\n")
        if options.power:
            faults, trial = list(trials.failures_of_power()), trials.power
        else:
            faults, trial = list(trials.faults_of(options.kinds)), trials.trial
        if options.call is not None:
            faults = [fault for fault in faults if fault.call == options.call]
        if options.draw is not None:
            n = min(options.draw, len(faults))
            faults = random.Random(options.seed).sample(faults, n)
        for fault in faults[:: options.every]:
            yield f"{name}: {fault}", trial(fault)


def preloaded(words: list[str]) -> int:
    """Start this program again, with the library that counts calls."""
    with preloaded_library() as variables:
        program = [sys.executable, "-m", "tools.disk_faults", *words]
        return subprocess.run(program, env=os.environ | variables).returncode


def main(words: list[str]) -> int:
    """Run the trials; return 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.disk_faults",
        description=package.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("commands", nargs="*", default=list(COMMANDS))
    parser.add_argument("--kinds", nargs="+", default=list(KINDS), choices=KINDS)
    parser.add_argument("--power", action="store_true", help="failures of power")
    parser.add_argument("--call", type=int, help="the n-th call of each kind only")
    parser.add_argument("--every", type=int, default=1, help="each n-th trial only")
    parser.add_argument("--draw", type=int, help="this number of trials, by chance")
    parser.add_argument("--seed", type=int, default=1, help="of --draw")
    parser.add_argument(
        "--new-interpreters",
        action="store_true",
        help="start reading processes, and do not fork them: slower, with the calls of "
        "their imports in the working folder",
    )
    options = parser.parse_args(words)
    if LIBRARY not in os.environ:
        return preloaded(words)
    n_wrong = n_trials = 0
    for name in options.commands:
        for label, problem in sweep(name, options):
            n_trials += 1
            n_wrong += bool(problem)
            if problem:
                sys.stdout.write(f"{label}: {problem}\n")
                sys.stdout.flush()
    sys.stdout.write(f"{n_trials} trials, {n_wrong} with problems\n")
    return 1 if n_wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
