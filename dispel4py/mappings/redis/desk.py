"""An instance at a worker, with the items that its current work has sent."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from dispel4py.instance import Instance
from dispel4py.lineage import COLLECTOR, Key
from dispel4py.mappings.redis import saving
from dispel4py.mappings.redis.contents import Output, output_of
from dispel4py.mappings.redis.moving import Follower
from dispel4py.mappings.redis.parcels import Parcel, Place
from dispel4py.mappings.redis.streams import RESULTS, Stream, is_shared, targets_of
from dispel4py.mappings.redis.tasks import Commit, Task
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.router import Router
from dispel4py.watch import Deliver, count_deliveries

#: Items that wait in a worker are sent within a call when they have this many bytes, or
#: when the last were sent this many seconds ago.
_MOST_BYTES, _LONGEST_WAIT_S = 2_000_000, 0.1
#: Work on the parcels of a task is committed after this time. Saving the state may take
#: up to the tenth part of the time.
_SLICE_S, _SLICE_PER_SAVING = 0.05, 10.0


class Left(NamedTuple):
    """The part of a task on which the work has not been done at its commit.

    Attributes
    ----------
    n_untouched : int
        Parcels on which the work has not begun, the last ones.
    rest : list of bytes
        Parcels with the items before these.
    due_s : float or None
        Time (`time.time`) of the next call of a source.
    """

    n_untouched: int = 0
    rest: Sequence[bytes] = ()
    due_s: float | None = None


class Desk:
    """One instance at one worker.

    Parameters
    ----------
    plan : Plan
    stream : Stream
    instance : Instance
    send : callable
        Called with this desk within a call, if many items wait.
    observers : Observers
        The observers of this process.
    """

    def __init__(
        self,
        plan: Plan,
        stream: Stream,
        instance: Instance,
        send: Callable[[Desk], None],
        observers: Observers,
    ) -> None:
        self.stream, self.instance = stream, instance
        self.version = "0"
        self.level = 0
        self.is_stopped = False  # a source that is not called again
        self._plan, self._send = plan, send
        self._parcels: list[Parcel] = []
        self._last: dict[str, Parcel] = {}
        self._n_bytes = 0
        #: Items sent by the current work, and those that need not be sent again.
        self.n_emitted = self._n_known = 0
        self._is_muted = False
        self._sent_at = 0.0
        self._saving_s = 0.0
        self._at_start: Any = None
        self._counted = (0, 0, 0)
        self._routers: list[Router] = []
        self._n_undeclared = 0
        self._connect()
        self.follower: Follower | None = None
        if instance.watch is not None:
            self.follower = Follower(instance, self._routers, observers)

    # -- the outputs of the instance -----------------------------------

    def _connect(self) -> None:
        plan, spec = self._plan, self.stream.spec
        outputs: dict[str, list[Deliver]] = {}
        ports = list(self.instance.pe.outputconnections)
        for port in plan.unconnected_outputs(spec.pe_index):
            outputs[port] = [self._to_results(port, ports.index(port))]
        for route in plan.routes:
            if route.source_pe == spec.pe_index:
                targets = [
                    self._to_one(
                        *(stream, Place(route.input), route.output),
                        Key(spec.index, route.index, index),
                    )
                    for stream, index in targets_of(plan, route).items()
                ]
                deliver = targets[0]
                if not is_shared(plan, route.destination_pe):
                    router = Router(route.grouping, len(targets), spec.number)
                    self._routers.append(router)
                    deliver = self._to_chosen(targets, router)
                outputs.setdefault(route.output, []).append(deliver)
        self.instance.outputs.connect(outputs, self._undeclared)
        self.instance.outputs.allow_threads()

    def _to_results(self, output: str, number: int) -> Deliver:
        channel = Key(self.stream.spec.index, -1 - number, COLLECTOR)
        return self._to_one(RESULTS, Place(tuple(channel)), output, channel)

    def _undeclared(self, name: str) -> list[Deliver]:
        """Return the functions for an output that the PE does not declare."""
        number = len(self.instance.pe.outputconnections) + self._n_undeclared
        self._n_undeclared += 1
        put = self._to_results(name, number)
        return [lambda item: put((name, item))]

    def _to_one(self, stream: str, place: Place, output: str, channel: Key) -> Deliver:
        """Return the function that sends items to a stream.

        They have names if an observer listens to calls.
        """
        watch = self.instance.watch
        if watch is None:
            return lambda item: self.put(stream, place, item)
        counter = watch.output(output, channel)
        counts, cell = counter.counts, counter.cell

        def put_named(item: Any) -> None:
            self.put(stream, Place(place.port, channel, counts[cell]), item)

        return count_deliveries(put_named, counter)

    def _to_chosen(self, targets: list[Deliver], router: Router) -> Deliver:
        def deliver(item: Any) -> None:
            for number in router.choose(item):
                targets[number](item)

        return deliver

    def put(self, stream: str, place: Place, item: Any) -> None:
        """Add an item to the parcels that wait; it is copied.

        Parameters
        ----------
        stream : str
        place : Place
            For a result, the port is the name of the channel.
        item : object

        Raises
        ------
        ItemError
            If the item cannot be pickled.
        """
        if self._is_muted:
            return
        if self.n_emitted < self._n_known:
            Parcel(stream, place).add(item)  # fails again if it failed before
            self.n_emitted += 1
            return
        parcel = self._last.get(stream)
        is_new = parcel is None or parcel.is_full
        if parcel is None or is_new or not parcel.continues_with(place):
            parcel, is_new = Parcel(stream, place), True
        self._n_bytes += parcel.add(item)
        self.n_emitted += 1
        if is_new:
            self._last[stream] = parcel
            self._parcels.append(parcel)
        is_late = time.monotonic() - self._sent_at > _LONGEST_WAIT_S
        if not self.stream.is_shared and (self.is_loaded or is_late):
            self._send(self)

    @property
    def is_loaded(self) -> bool:
        """Whether many bytes wait to be sent."""
        return self._n_bytes >= _MOST_BYTES

    @property
    def targets(self) -> list[str]:
        """The streams for which items wait."""
        return list(self._last)

    def outputs(self) -> list[Output]:
        """Return the parcels that wait; they wait no longer."""
        parcels, self._parcels, self._last = self._parcels, [], {}
        self._n_bytes, self._sent_at = 0, time.monotonic()
        return [output_of(parcel.stream, parcel.to_bytes()) for parcel in parcels]

    # -- a task -----------------------------------

    def begin(self, task: Task, level: int) -> None:
        """Begin the work on a task; start the instance, if it has not started.

        Parameters
        ----------
        task : Task
        level : int
            How deep this work is nested in other work of the worker.

        Raises
        ------
        Stop
            If the method ``preprocess`` of the PE fails.
        """
        self.level, self._n_known = level, task.n_sent
        self._sent_at = time.monotonic()
        if not self.instance.has_started:
            self._start(task)
        self.version = task.version

    def _start(self, task: Task) -> None:
        state = task.state
        if self.follower is not None:
            self.follower.begin(task)
        # an earlier worker has committed what ``preprocess`` sends
        self._is_muted = task.version != "0"
        self.instance.start()
        self._is_muted = False
        self._at_start = saving.attributes(self.instance.pe)
        if state and self.follower is not None:
            state = self.follower.unpack(state)
        if state:
            saving.restore(self.instance.pe, state)

    @property
    def slice_s(self) -> float:
        """Time after which the work on a task is committed, in seconds."""
        return max(_SLICE_S, _SLICE_PER_SAVING * self._saving_s)

    def commit(self, left: Left) -> Commit:
        """Return the outcome of the task.

        Parameters
        ----------
        left : Left
            What the work has left of the task.
        """
        state, pinned, instance = b"", "", self.instance
        kind = "shared" if self.stream.is_shared else "owned"
        if instance.finished:
            kind = "finish"
        elif kind == "owned":
            state, pinned = self._save()
        n_sent = max(0, self._n_known - self.n_emitted)
        counts = (instance.n_in, instance.n_out, instance.n_failed)
        pe = instance.spec.pe_index
        added = {
            f"{pe}:{name}": new - old
            for name, new, old in zip(
                ("in", "out", "failed"), counts, self._counted, strict=True
            )
            if new != old
        }
        self._counted, self.n_emitted, self._n_known = counts, 0, 0
        outputs = self.outputs()
        return Commit(
            *(kind, left.n_untouched, left.rest, outputs, added),
            *(state, pinned, n_sent, left.due_s),
        )

    def _save(self) -> tuple[bytes, str]:
        """Return what the next worker needs; or no bytes, and why it has to stay."""
        began = time.perf_counter()
        state, pinned = b"", ""
        if self.instance.pe.stateful is not False:
            state, pinned = saving.save(self.instance.pe, self._at_start)
        if self.follower is not None and not pinned:
            state = self.follower.pack(state)
        self._saving_s = time.perf_counter() - began
        return state, pinned
