"""The detection of a standstill, in which every process waits for another.

It should not happen. If it does, an error is better than a program that never ends.
"""

from __future__ import annotations

import time
from collections.abc import Set as AbstractSet
from pathlib import Path

from dispel4py.mappings.recorder import record_path, waits_in_vain

#: Waits in a row (of a second each) after which a process may be waiting for ever.
MOST_WAITS = 60
#: Between two looks at the flight records.
LOOK_SECONDS = 5.0


class Standstill:
    """Looks from time to time whether any process of a run works.

    Frames come from processes that work. If every process has waited in vain for long,
    and has done nothing else since the last look, no frame will ever come.

    Parameters
    ----------
    folder : Path
        The folder with the flight records of the run.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._seen: dict[int, int] = {}
        self._look_at = time.monotonic() + LOOK_SECONDS

    def is_found(self, running: AbstractSet[int]) -> bool:
        """Return whether these processes wait for ever; mostly without looking."""
        now = time.monotonic()
        if now < self._look_at:
            return False
        self._look_at = now + LOOK_SECONDS
        before = self._seen
        self._seen = {k: waits_in_vain(record_path(self._folder, k)) for k in running}
        return bool(running) and all(
            MOST_WAITS <= before.get(k, 0) < n for k, n in self._seen.items()
        )
