"""The report on workers that are stopped, by SIGSTOP or a debugger.

A stopped worker sends nothing and does not end, so its run would wait without a
message. A worker that computes, sleeps, or waits for a disk is not stopped.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

from dispel4py.mappings.process import is_stopped

_log = logging.getLogger(__name__)

#: Longest time between two checks, in seconds.
CHECK_SECONDS = 5.0
#: Seconds after which a stopped worker is reported.
REPORT_SECONDS = 60.0
#: Checks in the time after which a stopped worker ends the run.
_N_CHECKS = 4


class StoppedWorkers:
    """Checks regularly whether workers are stopped, and reports each of them once.

    Parameters
    ----------
    silence_s : float, optional
        Seconds after which a stopped worker is silent for too long; None: it is
        reported, and the run waits for it.
    """

    def __init__(self, silence_s: float | None = None) -> None:
        self._silence_s = silence_s
        self._interval_s = CHECK_SECONDS
        if silence_s is not None:
            self._interval_s = min(silence_s / _N_CHECKS, CHECK_SECONDS)
        self._checked_at = time.monotonic()
        #: Seconds for which each worker was stopped, from check to check.
        self._stopped_s: dict[int, float] = {}

    def check(self, workers: Mapping[int, int], pes: Mapping[int, str]) -> list[int]:
        """Check the workers, unless the last check was a short time ago.

        Parameters
        ----------
        workers : mapping
            Process of the plan to process id.
        pes : mapping
            Process of the plan to the names of its PEs.

        Returns
        -------
        list of int
            The processes that have been stopped for ``silence_s`` or longer.
        """
        elapsed_s = time.monotonic() - self._checked_at
        if elapsed_s < self._interval_s:
            return []
        self._checked_at += elapsed_s
        # the time since the last check may be long, if this process itself was stopped
        step_s = min(elapsed_s, 2 * self._interval_s)
        for process, pid in workers.items():
            before_s = self._stopped_s.get(process, 0.0)
            stopped_s = before_s + step_s if is_stopped(pid) else 0.0
            self._stopped_s[process] = stopped_s
            if before_s < REPORT_SECONDS <= stopped_s:
                _log.warning(
                    "process %d (%s, process id %d) has been stopped for %.3g s, and "
                    "the run waits for it: continue it by 'kill -CONT %d'",
                    *(process, pes[process], pid, stopped_s, pid),
                )
        if self._silence_s is None:
            return []
        return [k for k in workers if self._stopped_s[k] >= self._silence_s]

    def cause(self, process: int) -> str:
        """Return why a process is ended that has been stopped for too long.

        Parameters
        ----------
        process : int
            Process of the plan, from `check`.
        """
        seconds = self._stopped_s[process]
        return f"stopped for {seconds:.3g} s, by SIGSTOP or a debugger (--silence-s)"
