"""The workers of a Dask cluster, and the start of the agents of a run on them."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from dispel4py.errors import MappingUnavailable
from dispel4py.failure import root_cause
from dispel4py.files import is_file
from dispel4py.mappings.tcp.agent import tend
from dispel4py.mappings.tcp.hosts import Host, common_address, share_out
from dispel4py.mappings.tcp.run import Part
from dispel4py.mappings.tcp.ticket import Ticket

_log = logging.getLogger(__name__)

#: Seconds to wait for the scheduler.
_CONNECT_SECONDS = 10.0
#: Longest time, in seconds, for an answer of the scheduler.
_ANSWER_SECONDS = 10.0
#: Seconds to wait for workers of a cluster that has too few threads: it may just start.
WORKER_SECONDS = 30.0
#: Seconds between two looks at the workers.
_LOOK_SECONDS = 0.2
#: Seconds that the tasks have to end after the run.
_END_SECONDS = 8.0


class DaskWorker(NamedTuple):
    """A worker of the cluster, its host, and its number of threads."""

    address: str
    host: str
    n: int


@contextlib.contextmanager
def client_of(scheduler: str | None) -> Iterator[Any]:
    """Connect to a cluster; a client that the program has is used, and stays open.

    Parameters
    ----------
    scheduler : str or None
        Address of the scheduler, or its file.

    Raises
    ------
    MappingUnavailable
        If there is no cluster.
    """
    import dask
    import distributed

    if scheduler is None:
        with contextlib.suppress(ValueError):
            yield distributed.default_client()
            return
        scheduler = dask.config.get("scheduler-address", None)
    if scheduler is None:
        raise MappingUnavailable(
            "which Dask cluster? Give its scheduler by --scheduler ADDRESS or by "
            "DASK_SCHEDULER_ADDRESS; 'dask scheduler' and 'dask worker ADDRESS' start "
            "one"
        )
    where: dict[str, Any] = {"address": scheduler}
    if is_file(scheduler):
        where = {"scheduler_file": scheduler}
    try:
        client = _connected(where)
    except (OSError, ValueError) as error:
        raise MappingUnavailable(
            f"there is no Dask scheduler at {scheduler}: {root_cause(error)}"
        ) from error
    with client:
        yield client


def _connected(where: dict[str, Any]) -> Any:
    """Return a client.

    It is made in a thread: a scheduler that is stopped accepts connections, and the
    client waits for its first message for ever.

    Raises
    ------
    OSError
        If the scheduler does not answer.
    """
    import distributed

    outcomes: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def connect() -> None:
        try:
            outcomes.put(
                distributed.Client(
                    **where, timeout=_CONNECT_SECONDS, set_as_default=False
                )
            )
        except Exception as error:  # noqa: BLE001 - raised in the other thread
            outcomes.put(error)

    threading.Thread(target=connect, daemon=True).start()
    try:
        outcome = outcomes.get(timeout=_CONNECT_SECONDS + _ANSWER_SECONDS)
    except queue.Empty:
        raise TimeoutError("it does not answer") from None
    if isinstance(outcome, Exception):
        raise outcome
    return outcome


def workers_of(client: Any, n: int) -> list[DaskWorker]:
    """Return the workers of a cluster, those of a host together.

    Parameters
    ----------
    client : distributed.Client
    n : int
        Number of threads that are needed; the cluster may get workers meanwhile.

    Raises
    ------
    MappingUnavailable
        If the cluster has too few threads.
    """
    deadline = time.monotonic() + WORKER_SECONDS
    has_warned = False
    while True:
        workers = [
            DaskWorker(address, worker["host"], worker["nthreads"])
            for address, worker in _known_workers(client).items()
        ]
        n_threads = sum(worker.n for worker in workers)
        if n_threads >= n:
            return sorted(workers, key=lambda worker: worker.host)
        text = f"{n} processes need a thread each, the Dask cluster has {n_threads}"
        if time.monotonic() > deadline:
            raise MappingUnavailable(f"{text}: start more workers, or use -n")
        if not has_warned:
            _log.warning("%s: waiting for workers", text)
            has_warned = True
        time.sleep(_LOOK_SECONDS)


def _known_workers(client: Any) -> dict[str, Any]:
    """Return what the scheduler tells about its workers, by their addresses.

    Raises
    ------
    MappingUnavailable
        If it does not answer: `Client.scheduler_info` would wait for ever.
    """
    try:
        answer = client.sync(
            client.scheduler.identity, n_workers=-1, callback_timeout=_ANSWER_SECONDS
        )
    except (TimeoutError, OSError) as error:
        raise MappingUnavailable(
            f"the Dask scheduler {client.scheduler.address} does not answer: "
            f"{root_cause(error)}"
        ) from error
    workers: dict[str, Any] = answer["workers"]
    return workers


class DaskStarter:
    """Starts the agents of a run as tasks of Dask, one for each process of the plan.

    Parameters
    ----------
    client : distributed.Client
    n : int
        Number of processes.
    address : str, optional
        Address of this host, as the workers reach it.

    Raises
    ------
    MappingUnavailable
        If the cluster has too few threads.
    """

    name = "dask"
    needs = "it needs free threads of Dask workers, and must reach"

    def __init__(self, client: Any, n: int, address: str | None = None) -> None:
        self._client = client
        workers = workers_of(client, n)
        shares = share_out(n, [Host(worker.address, worker.n) for worker in workers])
        hosts = {worker.address: worker.host for worker in workers}
        #: The worker of each process.
        self._workers = [part.host for part in shares for _ in part.processes]
        self.parts = [
            Part(hosts[worker], (process,))
            for process, worker in enumerate(self._workers)
        ]
        self.address = address or common_address(hosts.values())
        self._tasks: list[Any] = []

    def start(self, tickets: Sequence[Ticket]) -> None:
        """Submit a task for each ticket."""
        self._tasks = [
            self._client.submit(
                tend, ticket, workers=[worker], pure=False, allow_other_workers=False
            )
            for worker, ticket in zip(self._workers, tickets, strict=True)
        ]

    def check(self, awaited: Collection[int]) -> None:
        """Look whether a task has ended before its agent was there.

        Parameters
        ----------
        awaited : collection of int
            The agents, by index.

        Raises
        ------
        MappingUnavailable
            If one has.
        """
        for k in sorted(awaited):
            task = self._tasks[k]
            if task.status in ("pending", "finished"):
                continue
            why = task.status
            if why == "error":
                why = root_cause(task.exception())
            worker = self._workers[k]
            raise MappingUnavailable(f"the Dask worker {worker} cannot be used: {why}")

    def close(self) -> None:
        """Wait for the end of the tasks on workers that exist, and forget all tasks."""
        deadline = time.monotonic() + _END_SECONDS
        with contextlib.suppress(MappingUnavailable):  # then nobody knows the tasks
            while self._n_running and time.monotonic() < deadline:
                time.sleep(0.05)
        for task in self._tasks:
            task.release()  # `Client.cancel` would wait for the scheduler
        self._tasks = []

    @property
    def _n_running(self) -> int:
        """The number of tasks that run on workers that exist."""
        known = _known_workers(self._client)
        pairs = zip(self._tasks, self._workers, strict=False)
        return sum(
            task.status == "pending" and worker in known for task, worker in pairs
        )
