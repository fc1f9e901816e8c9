"""The MPI ranks of a program, from the first use of MPI to the exit.

Before each run all ranks check that they want the same run. If a rank has left, or has
another graph, the program ends, and no rank waits for ever.
"""

from __future__ import annotations

import atexit
import hashlib
import math
import os
import pickle
import platform
import sys
import time
import warnings
from array import array
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from dispel4py.errors import MappingUnavailable, PlanError
from dispel4py.mappings.base import Shared
from dispel4py.mappings.deaths import DeathWatch, can_watch, mpich_files
from dispel4py.mappings.folders import remove_files, run_folder
from dispel4py.mappings.leftovers import flush_open_files
from dispel4py.mappings.mpi.family import check_launcher, library_family
from dispel4py.mappings.mpi.launch import launched_by_mpi, launcher_sizes
from dispel4py.mappings.mpi.post import naps
from dispel4py.mappings.process import process_namespace
from dispel4py.plan import Plan

ROOT = 0
#: Longest sleep, in seconds, of a rank that waits for MPI.
_LONGEST_NAP = 0.005
#: The next step of a rank. Numbers from `_RUN` on identify the graph of its next run.
_LEAVE, _SHARE, _RUN = range(3)
#: Seconds that a rank that ends without a run waits for the other ranks to end.
_LEAVING_SECONDS = 5.0
#: Seconds before all ranks end; without this pause the launcher loses the last lines.
_FLUSH_SECONDS = 0.2


class World:
    """The ranks of a program, as one of them sees them.

    Attributes
    ----------
    library : module
        ``mpi4py.MPI``, initialised.
    rank, size : int
    local : communicator
        The communicator of the ranks on this host.
    neighbours : dict of int to int
        The ranks on this host, and their process ids; 0 where this process cannot see
        the other, as it is in another container.
    hosts : list of str
        The host of each rank.
    beats : communicator
        The communicator of heartbeats.
    watch : DeathWatch or None
        Reports ranks that are killed; None before the first run, and on systems that
        cannot watch processes.
    exit_message : str
        Line that this rank writes if it ends before the others; "" for a general line.
    """

    exit_message = ""

    def __init__(self, library: Any) -> None:
        self.library = library
        _check_size(library)
        # copies, so that our messages are apart from messages of PEs that use MPI
        self._comm = library.COMM_WORLD.Dup()
        self._intents = library.COMM_WORLD.Dup()
        #: For heartbeats; it stays, as some may arrive after a run.
        self.beats = library.COMM_WORLD.Dup()
        self._intent: tuple[Any, ...] = ()
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size
        self.local = self._comm.Split_type(library.COMM_TYPE_SHARED, self.rank)
        here = process_namespace()
        ranks = self.local.allgather((self.rank, os.getpid(), here))
        self.neighbours = {k: pid if place == here else 0 for k, pid, place in ranks}
        self.hosts: list[str] = self._comm.allgather(platform.node())
        self.watch: DeathWatch | None = None
        self._has_run = False
        atexit.register(self._leave)

    @property
    def has_threads(self) -> bool:
        """Whether there are several ranks, and each may use MPI in several threads."""
        level = self.library.Query_thread()
        return self.size > 1 and bool(level == self.library.THREAD_MULTIPLE)

    def begin(self, plan: Plan) -> Any:
        """Return a communicator for a run, when all ranks are ready for this run."""
        self._has_run = True
        self._agree_on(_digest(plan))
        self._watch(plan)
        return self._comm.Dup()

    def _watch(self, plan: Plan) -> None:
        """Start a watcher on each host, if a launcher started the ranks."""
        if not (can_watch() and launched_by_mpi()):
            return
        is_first = self.local.rank == 0
        if self.watch is None:
            pids = self.local.gather((self.rank, os.getpid()))
            if is_first:
                self.watch = DeathWatch(run_folder())
                self.watch.save_plan(plan)
                self.watch.start(dict(pids))
            folder = self.local.bcast(str(self.watch.folder) if self.watch else None)
            self.watch = self.watch or DeathWatch(Path(folder))
            self.watch.join(self.rank)
        elif is_first:
            self.watch.save_plan(plan)

    def share(self, make: Callable[[], Shared]) -> Shared:
        """Return the value of ``make()`` on rank 0, or raise its exception."""
        if self.size == 1:
            return make()
        text, size = b"", array("q", [0])
        if self.rank == ROOT:
            text = pickle.dumps(_call(make), 5)
            size[0] = len(text)
        self._agree_on(_SHARE)
        self._await(self._comm.Ibcast(size, root=ROOT))
        content = bytearray(text or size[0])
        self._await(self._comm.Ibcast(content, root=ROOT))
        value, error = pickle.loads(content)
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def _agree_on(self, intent: int) -> None:
        """Wait until all ranks have announced their next step.

        Raises
        ------
        PlanError
            If the steps differ.
        """
        lowest, highest = self._exchange_intents(intent) or (intent, intent)
        if lowest == highest:
            return
        if lowest == _LEAVE:
            time.sleep(
                _LEAVING_SECONDS
            )  # the rank that left reports its error and ends all ranks
            raise PlanError("a rank has ended its program while other ranks continue")
        if lowest == _SHARE:
            raise PlanError("some ranks begin a run, others call 'share'")
        raise PlanError(
            "the ranks have different graphs: build the same graph on every rank "
            "(give differences between hosts as inputs)"
        )

    def _exchange_intents(
        self, intent: int, timeout_s: float = math.inf
    ) -> tuple[int, int] | None:
        """Return the lowest and highest next step of all ranks; None at a timeout."""
        lowest_and_highest, reduced = array("q", [-intent, intent]), array("q", [0, 0])
        request = self._intents.Iallreduce(
            lowest_and_highest, reduced, op=self.library.MAX
        )
        # keep these arrays: MPI may write to them after the wait was interrupted
        self._intent = (request, lowest_and_highest, reduced)
        return (-reduced[0], reduced[1]) if self._await(request, timeout_s) else None

    def meet(self, comm: Any, timeout_s: float = math.inf) -> bool:
        """Wait until all ranks have called this; a waiting rank sleeps.

        Parameters
        ----------
        comm : communicator
        timeout_s : float
            Longest time to wait.

        Returns
        -------
        bool
            False after the timeout.
        """
        return self._await(comm.Ibarrier(), timeout_s)

    def abort(self, status: int) -> NoReturn:
        """End all ranks."""
        flush_open_files()
        sys.stdout.flush()
        sys.stderr.flush()
        if self.watch is not None:
            self.watch.mark_explained()
        remove_files(mpich_files())
        time.sleep(_FLUSH_SECONDS)
        self.library.COMM_WORLD.Abort(status)
        os._exit(status)  # never reached where MPI_Abort ends the process

    def _await(self, request: Any, timeout_s: float = math.inf) -> bool:
        deadline = time.monotonic() + timeout_s
        pauses = naps(_LONGEST_NAP)
        while not request.Test():
            if time.monotonic() > deadline:
                return False
            time.sleep(next(pauses))
        return True

    def _leave(self) -> None:
        """Wait for the other ranks at the exit; end them if they wait for this rank.

        If this rank leaves after an error while the other ranks are in a run, MPI
        itself would wait for ever.
        """
        flush_open_files()  # of PEs whose threads have ended
        if not self.library.Is_finalized():
            self._wait_for_others()
        elif self.watch is not None:
            self.watch.mark_explained()  # ranks may end at any time now
        if self.watch is not None:
            self.watch.stop()

    def _wait_for_others(self) -> None:
        has_failed = getattr(sys, "last_value", None) is not None
        is_orderly = self._has_run and not has_failed
        patience = math.inf if is_orderly else _LEAVING_SECONDS
        if self._exchange_intents(_LEAVE, patience) == (_LEAVE, _LEAVE):
            return
        if not has_failed:
            sys.stderr.write(
                self.exit_message
                or f"error: rank {self.rank} has ended its program while other ranks "
                "continue: every rank must do the same runs\n"
            )
        self.abort(1 if has_failed else 2)


def _check_size(library: Any) -> None:
    """Check that the ranks of the launcher have found each other.

    Raises
    ------
    MappingUnavailable
        If each of them is alone.
    """
    sizes = launcher_sizes()
    if library.COMM_WORLD.size > 1 or not sizes or 1 in sizes.values():
        return
    name, count = next(iter(sizes.items()))
    family = library_family(library) or "another MPI"
    raise MappingUnavailable(
        f"the launcher started {count} processes ({name}), but each of them is alone: "
        f"the MPI library of this Python is {family}; use the mpiexec of {family}"
    )


def mpi_library() -> Any:
    """Return ``mpi4py.MPI``, not initialised.

    Raises
    ------
    MappingUnavailable
        If mpi4py or an MPI library is not installed.
    """
    try:
        import mpi4py

        # The import does not start MPI, `world` does: a check for the library must not
        # start it.
        mpi4py.rc.initialize = False
        mpi4py.rc.finalize = True
        from mpi4py import MPI as library
    except (ImportError, RuntimeError, OSError) as error:
        raise MappingUnavailable(
            f"the mapping 'mpi' finds no MPI library ({error}): install one with "
            "'pip install dispel4py-seismo[mpi]'"
        ) from error
    return library


@cache
def world() -> World:
    """Return the ranks of this program; the first call initialises MPI.

    Raises
    ------
    MappingUnavailable
        If there is no MPI library, the launcher belongs to another MPI, or the program
        has started MPI for one thread.
    """
    library = mpi_library()
    if not library.Is_initialized():
        check_launcher(library)
        with warnings.catch_warnings():
            # the thread level is checked below
            warnings.filterwarnings("ignore", "suspicious MPI", RuntimeWarning)
            # the ticker may send while a PE uses MPI
            library.Init_thread(library.THREAD_MULTIPLE)
    if library.Query_thread() < library.THREAD_SERIALIZED:
        raise MappingUnavailable(
            "the mapping 'mpi' sends from two threads, but the program started MPI for "
            "one: do not set mpi4py.rc.thread_level"
        )
    return World(library)


def _digest(plan: Plan) -> int:
    """Return a number, at least `_RUN`, that is equal for equal layouts."""
    text = [
        *(f"{spec}" for spec in plan.instances),
        *(
            f"{r.index} {r.source_pe} {r.output} {r.destination_pe} {r.input} "
            f"{r.grouping.kind} {r.grouping.keys}"
            for r in plan.routes
        ),
    ]
    code = hashlib.blake2b("\n".join(text).encode(), digest_size=7).digest()
    return _RUN + int.from_bytes(code, "big")


def _call(make: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    """Call ``make``; return its value and None, or None and its error."""
    try:
        return make(), None
    except Exception as error:  # noqa: BLE001 - raised again, on every rank
        return None, error
