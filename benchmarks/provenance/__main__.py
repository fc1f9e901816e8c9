"""The cost of provenance: ``python -m benchmarks.provenance``.

The records of a run, questions to them, and the whole run with and without them, beside
stream-d4py, whose environment is that of ``python -m benchmarks.engine``. The store is
measured in SQLite and, if it is installed, in PostgreSQL. Results are written to
``benchmarks/results/provenance.json``. It takes about nine minutes on two cores;
``--only postgresql`` takes three, and keeps the other results.
"""

from __future__ import annotations

import argparse
import json
import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

from pathlib import Path
from typing import Any

from benchmarks.engine.__main__ import PEERS, python_of
from benchmarks.machine import describe
from benchmarks.provenance import recording, server, store

ROOT = Path(__file__).parent.parent.parent
RESULT = ROOT / "benchmarks" / "results" / "provenance.json"
FOLDER = ROOT / ".bench" / "provenance"
N_STATIONS = 1000
PARTS = ("recording", "sqlite", "postgresql")


def main() -> None:
    """Measure, print, and write the results."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="60 stations, few products"
    )
    parser.add_argument(
        "--stations",
        type=int,
        default=N_STATIONS,
        metavar="N",
        help=f"stations of the correlation job (default: {N_STATIONS}: 25 GB)",
    )
    parser.add_argument(
        "--only",
        choices=PARTS,
        action="append",
        help="measure this part, and keep the results of the others",
    )
    arguments = parser.parse_args()
    parts, quick = arguments.only or PARTS, arguments.quick
    results: dict[str, Any] = {}
    if arguments.only and not quick:
        results |= json.loads(RESULT.read_text(encoding="utf-8"))
    results["machine"] = describe()
    if "recording" in parts:
        results["recording"] = _recording(quick, arguments.stations)
    if "sqlite" in parts:
        results["sqlite"] = store.measure(quick)
    if "postgresql" in parts and server.programs() is not None:
        with server.server() as address:
            results["postgresql"] = store.measure(quick, address)
    if not quick:
        RESULT.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


def _recording(quick: bool, n_stations: int) -> dict[str, Any]:
    """Measure and print the cost of records; return the results."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    is_there = (PEERS / "stream-d4py" / "installed").exists()
    python = "" if quick and not is_there else python_of("stream-d4py")
    results = recording.measure(60 if quick else n_stations, FOLDER, python)
    recording.show(results)
    return results


if __name__ == "__main__":
    main()
