"""What a run returns: outputs, counts, failures, and a report of each process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from dispel4py.failure import Failure

#: Largest number of failures that a result keeps. Further failures are only counted, so
#: that a run in which every item fails does not fill the memory.
MOST_FAILURES = 1000


@dataclass(frozen=True)
class InstanceReport:
    """The work of one instance.

    Attributes
    ----------
    pe_id, number : str, int
        The PE, and the number of the instance.
    n_in, n_out : int
        Items received and sent.
    n_failed : int
        Items that were skipped after a failure.
    n_waiting : int
        Items that have arrived in the process and wait for the instance.
    busy_s : float or None
        Time in the code of the PE; None if it was not measured.
    """

    pe_id: str
    number: int
    n_in: int
    n_out: int
    n_failed: int = 0
    n_waiting: int = 0
    busy_s: float | None = None


@dataclass(frozen=True)
class ProcessReport:
    """The work of one process.

    Attributes
    ----------
    process : int
    seconds, waiting_s : float
        Time since its start, and the part in which it waited for other processes.
    peak_memory_mb : float
        Largest resident size; for a forked process with the memory of its parent.
    bytes_sent : dict
        ``{"source.output -> destination.input": bytes}`` to other processes.
    instances : tuple of InstanceReport
    restarts : int
        How often it was killed and started again. The other figures are then sums over
        all its starts, as far as they were reported: a process reports a few times per
        second. Items that it received twice are counted twice.
    """

    process: int
    seconds: float
    waiting_s: float
    peak_memory_mb: float
    bytes_sent: dict[str, int]
    instances: tuple[InstanceReport, ...]
    restarts: int = 0


def add_earlier_life(report: ProcessReport, earlier: ProcessReport) -> ProcessReport:
    """Return the work of a process before and after it was started again.

    Parameters
    ----------
    report : ProcessReport
        The work since the last start.
    earlier : ProcessReport
        The work before it.
    """
    pairs = zip(report.instances, earlier.instances, strict=True)
    return ProcessReport(
        report.process,
        report.seconds + earlier.seconds,
        report.waiting_s + earlier.waiting_s,
        max(report.peak_memory_mb, earlier.peak_memory_mb),
        bytes_sent([earlier, report]),
        tuple(
            replace(
                now,
                n_in=now.n_in + before.n_in,
                n_out=now.n_out + before.n_out,
                n_failed=now.n_failed + before.n_failed,
                busy_s=None
                if now.busy_s is None
                else now.busy_s + (before.busy_s or 0),
            )
            for now, before in pairs
        ),
        report.restarts,
    )


def bytes_sent(reports: Sequence[ProcessReport]) -> dict[str, int]:
    """Return the bytes that were sent between processes along each edge."""
    total: dict[str, int] = {}
    for report in reports:
        for edge, n in report.bytes_sent.items():
            total[edge] = total.get(edge, 0) + n
    return total


@dataclass
class RunResult:
    """The outcome of a run.

    Attributes
    ----------
    outputs : dict
        ``{pe_id: {port: [items]}}`` of the output ports without a connection.
    counts : dict
        ``{pe_id: (items in, items out)}``.
    failures : list of Failure
        The failures after which an item was skipped; at most the first `MOST_FAILURES`.
    n_failures : int
        Number of items that were skipped.
    processes : list of ProcessReport
        The work of each process.
    seconds : float
        Wall time from the start of the workers to the end of the last worker.
    n_processes : int
        Processes that took part.
    complete : bool
        False in a process that knows only its own part of the run, such as an MPI rank
        other than 0.
    """

    outputs: dict[str, dict[str, list[Any]]] = field(default_factory=dict)
    counts: dict[str, tuple[int, int]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    n_failures: int = 0
    processes: list[ProcessReport] = field(default_factory=list)
    seconds: float = 0.0
    n_processes: int = 1
    complete: bool = True

    def output(self, pe_id: str, port: str = "output") -> list[Any]:
        """Return the items of one unconnected output port.

        Parameters
        ----------
        pe_id, port : str
        """
        return self.outputs.get(pe_id, {}).get(port, [])

    def collect(self, pe_id: str, port: str, items: list[Any]) -> None:
        """Add items of an unconnected output port.

        Parameters
        ----------
        pe_id, port : str
        items : list
        """
        self.outputs.setdefault(pe_id, {}).setdefault(port, []).extend(items)

    def add_failure(self, failure: Failure) -> None:
        """Add the failure after which an item was skipped."""
        self.n_failures += 1
        if len(self.failures) < MOST_FAILURES:
            self.failures.append(failure)

    def count(self, pe_id: str, n_in: int, n_out: int) -> None:
        """Add the counts of one instance.

        Parameters
        ----------
        pe_id : str
        n_in, n_out : int
        """
        known_in, known_out = self.counts.get(pe_id, (0, 0))
        self.counts[pe_id] = (known_in + n_in, known_out + n_out)
