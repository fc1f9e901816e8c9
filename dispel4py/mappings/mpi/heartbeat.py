"""Heartbeats between the ranks of an MPI run, to notice a host that is silent.

MPI itself waits for ever for a rank whose host is down, cut off, or stopped. So every
rank sends a message to rank 0 at regular intervals, and rank 0 to every rank. A thread
does this also while the rank is in a long call of a PE.

The thread cannot send while a PE holds the interpreter. Such a rank is slow, not
silent: a message also lists the other ranks of its host that the kernel neither stopped
nor ended.

The same thread interrupts the rank when another rank has failed, so that the PEs are
torn down before MPI_Abort ends all ranks.
"""

from __future__ import annotations

import signal
import threading
import time
from array import array
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dispel4py.mappings.process import is_running

#: The messages of a rank are this number of times as frequent as necessary.
_N_BEATS = 4
#: Longest time between two messages, in seconds.
_LONGEST_INTERVAL = 15.0
#: Time between two looks for a failure, in seconds, if PEs are to be torn down.
_LOOK_INTERVAL = 0.2
#: Tags of the messages: a rank is alive, a rank has failed, the PEs are torn down.
_BEAT, _END, _TORN_DOWN = 1, 2, 3
_ROOT = 0


class Heartbeat:
    """Sends and receives the heartbeats of one rank.

    Parameters
    ----------
    library : module
        ``mpi4py.MPI``.
    comm : communicator
        A communicator for heartbeats only.
    neighbours : mapping
        The ranks of this host, and their process ids; 0 if an id is not known.
    silence_s : float
        A rank is reported if nothing has come from it for so many seconds.
    report : callable
        Called with the silent rank and the seconds, in the thread.
    tears_down : bool
        Whether the ranks have PEs to tear down after a failure.
    """

    def __init__(
        self,
        library: Any,
        comm: Any,
        neighbours: Mapping[int, int],
        silence_s: float,
        report: Callable[[int, float], None],
        tears_down: bool = False,
    ) -> None:
        self._comm, self._byte = comm, library.BYTE
        self._number = library.INT64_T
        self._any, self._status = library.ANY_SOURCE, library.Status()
        self._others = [k for k in range(comm.size) if k != comm.rank]
        self._peers = self._others if comm.rank == _ROOT else [_ROOT]
        self._neighbours = {k: neighbours[k] for k in neighbours if k != comm.rank}
        # on the host of rank 0 one more rank informs all ranks: rank 0 may be slow
        is_second = comm.rank == min({*neighbours} - {_ROOT}, default=_ROOT)
        is_beside = _ROOT in neighbours and is_second
        self._receivers = self._others if is_beside else self._peers
        self._silence_s, self._report = silence_s, report
        self._interval_s = min(silence_s / _N_BEATS, _LONGEST_INTERVAL)
        self._requests: dict[int, tuple[Any, Any]] = {}
        self.tears_down = tears_down
        #: Another rank has failed, and this rank was interrupted.
        self.is_interrupted = False
        self._has_torn_down = threading.Event()
        self._has_failed = threading.Event()
        self._answers = threading.Semaphore(0)
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End."""
        self._is_over.set()
        if self._thread.is_alive():
            self._thread.join()

    def note_torn_down(self) -> None:
        """Note that the PEs of this rank are torn down: it need not be interrupted."""
        self._has_torn_down.set()

    def interrupt_others(self, timeout_s: float) -> None:
        """Interrupt all other ranks after a failure; wait until they tore down PEs.

        Parameters
        ----------
        timeout_s : float
            Longest time to wait.
        """
        self._has_torn_down.set()
        if not (self.tears_down and self._thread.is_alive()):
            return
        self._has_failed.set()
        deadline = time.monotonic() + timeout_s
        for _ in self._others:
            if not self._answers.acquire(timeout=max(deadline - time.monotonic(), 0)):
                return

    def _run(self) -> None:
        heard = dict.fromkeys(self._peers, time.monotonic())
        due = time.monotonic() + self._interval_s
        look_s = _LOOK_INTERVAL if self.tears_down else self._interval_s
        ending = self._follow_end()
        while not self._is_over.wait(min(look_s, self._interval_s)):
            next(ending)
            now = time.monotonic()
            if now < due:
                continue
            running = [k for k, pid in self._neighbours.items() if is_running(pid)]
            self._send(running)
            known = {*running, *self._reported_ranks()}
            heard |= dict.fromkeys(known & heard.keys(), now)
            if now > due + self._silence_s / 2:  # this rank itself was stopped
                heard = dict.fromkeys(self._peers, now)
            due = now + self._interval_s
            for peer, since in heard.items():
                if now - since > self._silence_s:
                    self._report(peer, now - since)
                    return

    def _follow_end(self) -> Iterator[None]:
        """Send and receive the messages after a failure, at each step."""
        waiting: set[int] = set()  # ranks that have failed
        requests: list[Any] = []  # kept until the end, as MPI uses their buffers
        has_told = False
        while True:
            if self._has_failed.is_set() and not has_told:
                requests += [self._empty(peer, _END) for peer in self._others]
                has_told = True
            failed = self._received(_END)
            waiting |= failed
            if failed and not (self.is_interrupted or self._has_torn_down.is_set()):
                self.is_interrupted = True
                main = threading.main_thread().ident
                assert main is not None
                signal.pthread_kill(main, signal.SIGTERM)
            if self._has_torn_down.is_set():
                requests += [self._empty(peer, _TORN_DOWN) for peer in waiting]
                waiting.clear()
            for _ in self._received(_TORN_DOWN):
                self._answers.release()
            yield

    def _empty(self, peer: int, tag: int) -> Any:
        return self._comm.Isend([b"", self._byte], peer, tag)

    def _send(self, running: list[int]) -> None:
        content = array("q", running)  # kept by its request
        for peer in self._receivers:
            request, _ = self._requests.get(peer, (None, None))
            if request is None or request.Test():
                sent = self._comm.Isend([content, self._number], peer, _BEAT)
                self._requests[peer] = sent, content

    def _reported_ranks(self) -> set[int]:
        """Return the ranks that have sent a message, or that a message lists."""
        ranks = set()
        message = self._comm.Improbe(self._any, _BEAT, self._status)
        while message is not None:
            content = array("q", bytes(8 * self._status.Get_count(self._number)))
            message.Recv([content, self._number])
            ranks |= {self._status.source, *content}
            message = self._comm.Improbe(self._any, _BEAT, self._status)
        return ranks

    def _received(self, tag: int) -> set[int]:
        """Return the ranks from which a message has come."""
        found = set()
        message = self._comm.Improbe(self._any, tag, self._status)
        while message is not None:
            message.Recv([bytearray(1), 0, self._byte])
            found.add(self._status.source)
            message = self._comm.Improbe(self._any, tag, self._status)
        return found
