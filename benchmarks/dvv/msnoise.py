"""MWCS by MSNoise on the same stacks, in the environment of MSNoise."""

from __future__ import annotations

import subprocess
from pathlib import Path

import numpy as np

from benchmarks.dvv.stacks import BAND_HZ, LAG_S, RATE_HZ, PairStacks
from benchmarks.peers.msnoise import PACKAGE
from seismo_pes.signal.delays import VelocityChange, velocity_change

__all__ = ["measure"]

# Defaults of MSNoise for the delays that enter the fit: least coherence, largest error.
LEAST_COHERENCE, LARGEST_ERROR_S = 0.65, 0.1

PROGRAM = """
import sys, time
import numpy as np
from msnoise.move2obspy import mwcs
stored = np.load(sys.argv[1])
low_hz, high_hz, rate_hz, first_s, window_s, step_s = stored["settings"]
begin = time.process_time()
delays = [
    mwcs(row, reference, low_hz, high_hz, rate_hz, first_s, window_s, step_s)
    for reference, rows in zip(stored["references"], stored["rows"])
    for row in rows
]
np.savez(sys.argv[2], delays=delays, spent_s=time.process_time() - begin)
"""


def measure(
    pairs: list[PairStacks], lags_s: tuple[float, float], window_s: float, work: Path
) -> tuple[list[VelocityChange], float]:
    """Return the change of each pair and day, and the CPU time in seconds.

    Raises
    ------
    Unavailable
        If MSNoise cannot be installed.
    """
    python = PACKAGE.program().parent / "python"
    given, output = work / "stacks.npz", work / "delays.npz"
    np.savez(
        given,
        references=[pair.reference.data for pair in pairs],
        rows=[pair.stacks.data for pair in pairs],
        settings=[*BAND_HZ, RATE_HZ, LAG_S[0], window_s, window_s / 4],
    )
    subprocess.run(
        [str(python), "-c", PROGRAM, str(given), str(output)],
        check=True,
        capture_output=True,
        timeout=600,
    )
    stored = np.load(output)
    changes = []
    for lag, delay, error, coherence in np.moveaxis(stored["delays"], 2, 1):
        use = (np.abs(lag) >= lags_s[0]) & (np.abs(lag) <= lags_s[1])
        use &= (coherence >= LEAST_COHERENCE) & (error <= LARGEST_ERROR_S)
        changes.append(velocity_change(lag[use], delay[use], error[use]))
    return changes, float(stored["spent_s"])
