"""The cost of a command: wall time, processor time and memory of all its processes."""

from __future__ import annotations

import compileall
import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

OURS = ("dispel4py", "seismo_pes", "xcorr_app", "benchmarks")
INTERVAL_S = 0.1  # between two looks at the memory of the processes
LAUNCHERS = ("mpiexec", "hydra_pmi_proxy")  # start processes and do no work


@dataclass(frozen=True)
class Cost:
    """Time and memory of one command.

    Attributes
    ----------
    wall_s, user_s, system_s
        Wall time, and processor time of all its processes, in seconds.
    peaks_mb
        Largest resident memory of each of its processes, largest first.
    """

    wall_s: float
    user_s: float
    system_s: float
    peaks_mb: tuple[float, ...]

    @property
    def peak_mb(self) -> float:
        """Largest resident memory of one process."""
        return max(self.peaks_mb, default=0.0)

    def to_dict(self) -> dict[str, object]:
        """Return the figures, ready for JSON."""
        return {
            "wall_s": round(self.wall_s, 2),
            "user_s": round(self.user_s, 2),
            "system_s": round(self.system_s, 2),
            "peak_mb": round(self.peak_mb),
            "peak_mb_of_all": round(sum(self.peaks_mb)),
        }


class CommandFailed(RuntimeError):
    """A measured command failed; the message has its last lines of output."""


def compile_ours() -> None:
    """Write the byte code of our packages, as pip does for installed packages.

    Otherwise each command would first compile a hundred modules if Python may not write
    byte code (``PYTHONDONTWRITEBYTECODE``).
    """
    for package in OURS:
        compileall.compile_dir(Path(__file__).parent.parent / package, quiet=2)


def measure(
    command: Sequence[str],
    folder: Path | None = None,
    more_env: Mapping[str, str] | None = None,
    timeout_s: float = 3600,
) -> tuple[Cost, str]:
    """Run a command; return its cost and its output.

    Raises
    ------
    CommandFailed
        If its exit status is not 0, or it takes too long.
    """
    began = time.perf_counter()
    with subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(more_env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as process:
        watch = _MemoryWatch(process.pid)
        killer = threading.Timer(timeout_s, process.kill)
        killer.start()
        assert process.stdout is not None
        text = process.stdout.read()
        # wait4 gives the processor time of the process and its children
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        killer.cancel()
        peaks = watch.stop()
    if process.returncode:
        last_lines = "\n".join(text.strip().splitlines()[-15:])
        raise CommandFailed(
            f"{' '.join(command)}: status {process.returncode}\n{last_lines}"
        )
    seconds = time.perf_counter() - began
    return Cost(seconds, usage.ru_utime, usage.ru_stime, peaks), text


class _MemoryWatch(threading.Thread):
    """Records the peak memory of a process and its descendants, ten times a second."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._peaks: dict[int, int] = {}
        self._end = threading.Event()
        self.start()

    def run(self) -> None:
        while not self._end.wait(INTERVAL_S):
            for pid in _list_descendants(self._pid):
                if (peak_kb := _peak_kb(pid)) is not None:
                    self._peaks[pid] = max(peak_kb, self._peaks.get(pid, 0))

    def stop(self) -> tuple[float, ...]:
        self._end.set()
        self.join()
        return tuple(sorted((kb / 1e3 for kb in self._peaks.values()), reverse=True))


def _list_descendants(pid: int) -> list[int]:
    """Return a process and its descendants."""
    processes, waiting = [], [pid]
    while waiting:
        process = waiting.pop()
        processes.append(process)
        with contextlib.suppress(OSError):  # it has ended
            for path in Path(f"/proc/{process}/task").glob("*/children"):
                waiting += map(int, path.read_text().split())
    return processes


def _peak_kb(pid: int) -> int | None:
    try:
        if Path(f"/proc/{pid}/comm").read_text().strip() in LAUNCHERS:
            return None
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
    except OSError:
        pass
    return None
