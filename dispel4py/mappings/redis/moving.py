"""What observers of calls need to follow an instance from worker to worker.

The numbers of items move with the state of an instance. So a worker that repeats work
gives equal names to the items that a dead worker had already sent. A stream without
state has several workers at the same time; each numbers its items from a number of its
own.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from dispel4py.instance import Instance
from dispel4py.lineage import PROCESSES, Key
from dispel4py.mappings.redis.tasks import Task
from dispel4py.observe import Observers
from dispel4py.router import Router

#: Distance between the first numbers of the items of two workers of a stream.
ITEMS_PER_WORKER = 2**40


class Follower:
    """Reports to observers where an instance is, and which of its work counts.

    Parameters
    ----------
    instance : Instance
        It has a watch.
    routers : sequence of Router
        Choose the receivers of its items.
    observers : Observers
    """

    def __init__(
        self, instance: Instance, routers: Sequence[Router], observers: Observers
    ) -> None:
        assert instance.watch is not None
        self._instance, self._watch = instance, instance.watch
        self._routers, self._observers = routers, observers
        self._settled = observers.listener("settled")
        self._start = 0

    def begin(self, task: Task) -> None:
        """Report that the instance starts in this worker.

        Parameters
        ----------
        task : Task
            Its first work here.
        """
        n_moves = max(0, task.n_starts - 1)
        self._start = n_moves * PROCESSES + self._instance.spec.process
        self._take([])

    def _take(self, memories: list[object]) -> None:
        spec, pe = self._instance.spec, self._instance.pe
        self._observers.take(spec, pe, self._start, memories)

    def pack(self, state: bytes) -> bytes:
        """Return the state of the PE, with what the next worker needs.

        Parameters
        ----------
        state : bytes
        """
        numbers = {tuple(k): n for k, n in self._watch.numbers().items()}
        turns = [router.turn for router in self._routers]
        memories = self._observers.memories(self._instance.spec)
        return pickle.dumps((state, numbers, turns, memories), 5)

    def unpack(self, content: bytes) -> bytes:
        """Continue the work of another worker; return the state of the PE.

        Parameters
        ----------
        content : bytes
            From `pack`.
        """
        state: bytes
        state, numbers, turns, memories = pickle.loads(content)
        self._watch.continue_from({Key._make(k): n for k, n in numbers.items()})
        for router, turn in zip(self._routers, turns, strict=True):
            router.turn = turn
        self._take(memories)  # the repeated ``preprocess`` does not count
        return state

    def settle(self, is_done: bool) -> None:
        """Report that work can no longer be lost.

        Parameters
        ----------
        is_done : bool
            Whether all calls count, or only the items that were sent.
        """
        if self._settled is not None:
            self._settled(self._instance.spec, is_done)
