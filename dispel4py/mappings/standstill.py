"""The detection of a standstill, in which every process waits for another.

It should not happen. If it does, an error is better than a program that never ends.
"""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet
from pathlib import Path

from dispel4py.mappings.recorder import record_path, waits_without_frame

#: Number of waits of one second without a frame, after which a process may wait for
#: ever.
MOST_WAITS = 60
#: Seconds between two checks of the flight records.
CHECK_SECONDS = 5.0


class Standstill:
    """Checks regularly whether any process of a run works.

    Only a process that works sends frames. If every process has waited long without a
    frame, and has done nothing else since the last check, no frame will ever arrive.

    Parameters
    ----------
    folder : Path
        The folder with the flight records of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._n_waits: dict[int, int] = {}
        self._check_at = time.monotonic() + CHECK_SECONDS

    def is_detected(self, running: AbstractSet[int]) -> bool:
        """Return whether these processes wait for ever; False between two checks."""
        now = time.monotonic()
        if now < self._check_at:
            return False
        self._check_at = now + CHECK_SECONDS
        before = self._n_waits
        self._n_waits = {
            k: waits_without_frame(record_path(self._folder, k)) for k in running
        }
        return bool(running) and all(
            MOST_WAITS <= before.get(k, 0) < n for k, n in self._n_waits.items()
        )
