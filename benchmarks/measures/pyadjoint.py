"""Times of pyadjoint on the same records, in an environment of its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import numpy as np

from benchmarks.measures.records import DELTA_S, PERIODS_S, WINDOW_S
from benchmarks.peers.environments import Package

__all__ = ["KINDS", "measure"]

PACKAGE = Package("pyadjoint", ("pyadjoint==0.2.3",), "python")
#: Our measures, and what pyadjoint calls them.
KINDS = {
    "waveform": "waveform",
    "convolved": "convolution_dd",
    "cc_time": "cc_traveltime",
    "mt_time": "multitaper",
    "exponentiated_phase": "exponentiated_phase",
    "dd_waveform": "waveform_dd",
    "dd_cc": "cc_traveltime_dd",
    "dd_mt": "multitaper_dd",
}

PROGRAM = """
import json, logging, sys, time, warnings
import numpy as np
import obspy, pyadjoint
warnings.simplefilter("ignore")
logging.disable(50)
stored = np.load(sys.argv[1])
given = json.loads(sys.argv[2])
def trace(name):
    return obspy.Trace(stored[name], {"delta": given["delta_s"], "channel": "BXZ"})
times = {}
for kind in given["kinds"]:
    config = pyadjoint.get_config(kind, *given["periods_s"])
    windows = [tuple(given["window_s"])]
    more = {}
    if kind.endswith("_dd"):
        more = dict(
            observed_2=trace("observed_2"),
            synthetic_2=trace("synthetic_2"),
            windows_2=windows,
        )
    records = trace("observed"), trace("synthetic")
    best = float("inf")
    for _ in range(given["repeats"]):
        begin = time.process_time()
        pyadjoint.calculate_adjoint_source(*records, config, windows, **more)
        best = min(best, time.process_time() - begin)
    times[kind] = best
print(json.dumps(times))
"""


def measure(
    records: dict[str, np.ndarray], repeats: int, work: Path
) -> dict[str, float]:
    """Return the CPU time of each of our measures in pyadjoint, in seconds.

    Parameters
    ----------
    records
        From `records.make_records`.
    repeats
        The shortest time of so many calls counts.
    work
        A folder for files.

    Raises
    ------
    Unavailable
        If pyadjoint cannot be installed.
    """
    python = PACKAGE.program()
    stored = work / "records.npz"
    np.savez(
        stored,
        observed=records["observed"],
        synthetic=records["synthetic"],
        observed_2=records["observed_2"],
        synthetic_2=records["synthetic_2"],
    )
    given = {
        "delta_s": DELTA_S,
        "periods_s": PERIODS_S,
        "window_s": WINDOW_S,
        "kinds": list(KINDS.values()),
        "repeats": repeats,
    }
    done = subprocess.run(
        [str(python), "-c", PROGRAM, str(stored), json.dumps(given)],
        check=True,
        capture_output=True,
        text=True,
        timeout=600,
    )
    times = json.loads(done.stdout.splitlines()[-1])
    return {name: times[kind] for name, kind in KINDS.items()}
