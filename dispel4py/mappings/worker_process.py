"""The work of one worker process, from its start to its end.

The processes of one host and those of several hosts differ in their post only.
"""

from __future__ import annotations

import contextlib
import logging
import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from dispel4py.failure import Failure, root_cause
from dispel4py.grouping import share_hashes
from dispel4py.mappings.channel import Post
from dispel4py.mappings.ending import has_teardown
from dispel4py.mappings.journal import Journal
from dispel4py.mappings.leftovers import clear_up
from dispel4py.mappings.options import Options
from dispel4py.mappings.process import die_with_parent, raise_allocator_thresholds
from dispel4py.mappings.recorder import FlightRecorder, read_record, record_path
from dispel4py.mappings.wire import FAILED, pack
from dispel4py.mappings.worker import Worker
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.stop import Stop
from dispel4py.terminal import (
    Terminated,
    delay_signals,
    is_output,
    set_worker_signals,
)

_log = logging.getLogger(__name__)


class WorkerPost(Post, Protocol):
    """The post of a worker process."""

    def deliver(self, timeout_s: float) -> None:
        """Wait until all frames have been sent; drop frames that arrive now."""

    def close(self) -> None:
        """Close the connections to the other processes."""


def begin_worker() -> None:
    """Set the signals of a worker, and let it end with its parent."""
    set_worker_signals()
    die_with_parent()


def work_in_process(
    folder: Path,
    process: int,
    post: WorkerPost,
    root: int,
    load_job: Callable[[], Any],
) -> None:
    """Do the work of one worker, and report its end to the process with the collector.

    Parameters
    ----------
    folder : Path
        The folder of the run on this host.
    process : int
        The process of the plan.
    post : WorkerPost
        Carries the frames; it is closed at the end.
    root : int
        The process that has the collector.
    load_job : callable
        Returns the work: the plan, the inputs, the options and the observers.
    """
    raise_allocator_thresholds()
    share_hashes(True)  # mappings give equal seeds to their workers
    worker = None
    try:
        try:
            worker = _make_worker(folder, process, post, load_job(), root)
            worker.work()
            with delay_signals([signal.SIGTERM]):
                worker.tear_down()
            sys.stdout.flush()  # an error of the output is a failure, too
            worker.report_done()
        except Stop as stop:
            post.send(root, pack(FAILED, process, stop.failure))
        except Terminated:
            raise
        except BaseException as error:  # noqa: BLE001 - reported to the parent
            failure = _outside_pes(folder, process, worker, error)
            post.send(root, pack(FAILED, process, failure))
        # no time limit: without the last frames their receiver would wait for ever
        post.deliver(math.inf)
    except Terminated:  # the parent needs no more frames
        pass
    finally:
        if worker is not None:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # it was or will be sent
        post.close()
        if worker is not None:
            worker.tear_down(has_failed=True)
            clear_up(instance.pe for instance in worker.instances.values())
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):  # it was reported above
            stream.flush()


def _outside_pes(
    folder: Path, process: int, worker: Worker | None, error: BaseException
) -> Failure:
    """Return the failure for an error outside the PEs, or a KeyboardInterrupt of a PE.

    A worker ignores Ctrl-C. So only a PE can raise this exception, or send itself the
    signal.
    """
    cause = root_cause(error)
    if worker is not None and isinstance(error, KeyboardInterrupt):
        return read_record(record_path(folder, process), worker.plan, process, cause)
    if isinstance(error, OSError) and is_output(error):
        return Failure("", 0, process, "worker", None, "", cause)
    _log.exception("process %d failed outside its PEs", process)
    if worker is not None:
        pes = ", ".join(spec.pe_id for spec in worker.plan.in_process(process))
        cause = f"{cause}; it ran {pes}"
    return Failure("", 0, process, "worker", None, "", cause)


def _make_worker(
    folder: Path, process: int, post: WorkerPost, job: Any, root: int
) -> Worker:
    plan, inputs, options, observers = job
    if any(has_teardown(plan.pes[s.pe_index]) for s in plan.in_process(process)):
        set_worker_signals(unwinds=True)
    recorder = FlightRecorder(record_path(folder, process))
    return Worker(
        *(plan, process, post, inputs, options, observers, None, root, recorder),
        journal=_journal(folder, plan, process, options, observers),
    )


def _journal(
    folder: Path, plan: Plan, process: int, options: Options, observers: Observers
) -> Journal | None:
    """Return the journal of a worker, if its successor needs the names of items."""
    if (
        options.keeps_frames
        and plan.is_restartable(process)
        and observers.listener("called") is not None
    ):
        return Journal(folder / f"journal-{process}")
    return None
