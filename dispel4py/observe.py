"""Watch a run without taking part in it.

An observer defines any of the methods of `Observer`. The methods in `WORKER_HOOKS` are
called in the process that does the work, so an observer with one of them is copied into
each worker. The other methods are called in the process that called `run`. An observer
that fails is reported once in each process where it fails, and switched off there: it
never changes a result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from dispel4py.core import GenericPE
from dispel4py.failure import Failure
from dispel4py.lineage import Call, Key
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import RunResult

_log = logging.getLogger(__name__)

WORKER_HOOKS = (
    "worker_started",
    "called",
    "noted",
    "emitted",
    "delivered",
    "worker_finished",
)


#: A list with one callable, which can be replaced.
Listener = list[Callable[[Any], None]]


class Count(NamedTuple):
    """The progress of a PE: items received, sent, waiting for it, and skipped."""

    n_in: int = 0
    n_out: int = 0
    n_waiting: int = 0
    n_failed: int = 0


class Observer:
    """The events of a run, as methods; every method is optional."""

    def started(self, plan: Plan) -> None:
        """The run has started; called in the process that called `run`."""

    def progress(self, counts: dict[str, Count]) -> None:
        """The counts of each PE, by its id; called a few times per second."""

    def failed(self, failure: Failure) -> None:
        """A PE or a process has failed."""

    def finished(self, result: RunResult) -> None:
        """The run has ended; it may have skipped items on which a PE failed."""

    def interrupted(self, error: BaseException) -> None:
        """The run ends by an error, such as a failure of a PE or Ctrl-C."""

    def worker_started(self, plan: Plan, process: int) -> None:
        """A process has started.

        Parameters
        ----------
        plan : Plan
            The plan of the run.
        process : int
            The process.
        """

    def called(self, call: Call) -> None:
        """A call of a PE has ended: the items received and sent, and the outcome."""

    def noted(
        self, instance: InstanceSpec, port: str, notes: Mapping[str, Any]
    ) -> None:
        """A PE gives notes about the item that is emitted next, or names an item.

        Parameters
        ----------
        instance : InstanceSpec
            The sender.
        port : str
            Its output; "" if the PE names the item that it received.
        notes : mapping
            The arguments of `GenericPE.write`, or ``state`` with the name.
        """

    def emitted(self, instance: InstanceSpec, port: str, item: Any) -> None:
        """A PE sends an item.

        Parameters
        ----------
        instance : InstanceSpec
            The sender.
        port : str
            Its output.
        item : object
            The item. Do not change it.
        """

    def delivered(
        self, instance: InstanceSpec, port: str, names: list[tuple[Key, int]]
    ) -> None:
        """The item that was emitted last by an instance has its names.

        Between `emitted` and this event, PEs in the same process may have received the
        item, and sent items of their own.

        Parameters
        ----------
        instance : InstanceSpec
            The sender.
        port : str
            Its output.
        names : list of (Key, int)
            The name of the item in each channel that it was sent through; empty if no
            observer listens to calls.
        """

    def taken(
        self, instance: InstanceSpec, pe: GenericPE, start: int, memory: Any
    ) -> None:
        """A process takes an instance that other processes may have had.

        Only mappings whose workers share instances report this event and `settled`.
        Events of the instance that were not settled before do not count.

        Parameters
        ----------
        instance : InstanceSpec
            The instance.
        pe : GenericPE
            Its PE in this process.
        start : int
            A number that no process had before with this instance. It grows if the
            instance belongs to one process at a time.
        memory : object
            What `memory_of` returned in the process that had it; None at the first
            start.
        """

    def memory_of(self, instance: InstanceSpec) -> Any:
        """Return what the observer needs in the next process of an instance.

        Parameters
        ----------
        instance : InstanceSpec
            The instance.

        Returns
        -------
        object
            Can be pickled.
        """

    def settled(self, instance: InstanceSpec, is_done: bool) -> None:
        """Work of an instance can no longer be lost.

        Parameters
        ----------
        instance : InstanceSpec
            The instance.
        is_done : bool
            Whether all its calls count. If not, only the items that it has sent before
            the current item are settled; another process may repeat the calls, and
            then gives these items the same names.
        """

    def worker_finished(self, process: int) -> None:
        """A process has ended."""


class Observers:
    """Several observers; each event of a run is one call for all of them."""

    def __init__(self, observers: Iterable[Any] = ()) -> None:
        self.members = list(observers)
        self._has_failed = [False] * len(self.members)

    def at_worker(self) -> Observers:
        """Return the observers that have methods of `WORKER_HOOKS`."""
        return Observers(
            o for o in self.members if any(_defines(o, hook) for hook in WORKER_HOOKS)
        )

    def listener(self, event: str) -> Callable[..., None] | None:
        """Return one callable for ``event``; None if no observer has this method."""
        hooks = [
            self._guard(number, event)
            for number, observer in enumerate(self.members)
            if _defines(observer, event)
        ]
        if len(hooks) <= 1:
            return hooks[0] if hooks else None

        def call_hooks(*args: Any) -> None:
            for hook in hooks:
                hook(*args)

        return call_hooks

    def replaceable_listener(self, event: str) -> Listener | None:
        """Return the listener of an event in a list, in which it can be replaced.

        The listener may raise an error. Its caller then calls `switch_off`, which puts
        another function into the list. For a call per item this is faster than a
        listener that catches the errors itself.
        """
        hooks = [o for o in self.members if _defines(o, event)]
        if len(hooks) == 1:
            return [getattr(hooks[0], event)]
        listener = self.listener(event)
        return None if listener is None else [listener]

    def switch_off(self, listener: Listener) -> None:
        """Log the current error, and replace a listener by one that does nothing.

        Parameters
        ----------
        listener : list of callable
            From `replaceable_listener`; its only observer has failed.
        """
        owner = getattr(listener[0], "__self__", None)
        for number, observer in enumerate(self.members):
            if observer is owner:
                self._has_failed[number] = True
        _log.exception("observer %r failed and is switched off", listener[0])
        listener[0] = _do_nothing

    def notify(self, event: str, *args: Any) -> None:
        """Call every observer of an event.

        Parameters
        ----------
        event : str
            The method of `Observer`.
        *args
            Its arguments.
        """
        listener = self.listener(event)
        if listener is not None:
            listener(*args)

    def memories(self, instance: InstanceSpec) -> list[Any]:
        """Return what each observer needs in the next process of an instance."""
        found: list[Any] = [None] * len(self.members)
        for number, observer in enumerate(self.members):
            if _defines(observer, "memory_of"):
                remember = self._guard(number, "memory_of", found)
                remember(instance)
        return found

    def take(
        self, instance: InstanceSpec, pe: GenericPE, start: int, memories: list[Any]
    ) -> None:
        """Report to each observer that a process takes an instance.

        Parameters
        ----------
        instance : InstanceSpec
        pe : GenericPE
        start : int
            See `Observer.taken`.
        memories : list
            From `memories` in the process that had the instance; empty if none had it.
        """
        for number, observer in enumerate(self.members):
            if _defines(observer, "taken"):
                memory = memories[number] if memories else None
                self._guard(number, "taken")(instance, pe, start, memory)

    def _guard(
        self, number: int, event: str, answers: list[Any] | None = None
    ) -> Callable[..., None]:
        """Return a function that calls a method until the observer fails.

        Its answer is put into the list, if there is one.
        """
        hook, has_failed = getattr(self.members[number], event), self._has_failed

        def call_hook(*args: Any) -> None:
            if not has_failed[number]:
                try:
                    answer = hook(*args)
                    if answers is not None:
                        answers[number] = answer
                except Exception:  # noqa: BLE001 - an observer may fail alone
                    has_failed[number] = True
                    _log.exception("observer %r failed and is switched off", hook)

        return call_hook


def _do_nothing(event: Any) -> None:
    """Ignore an event after the observer was switched off."""


def _defines(observer: Any, event: str) -> bool:
    method = getattr(type(observer), event, None)
    return method is not None and method is not getattr(Observer, event)
