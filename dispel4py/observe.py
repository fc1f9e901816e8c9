"""Watch a run without taking part in it.

An observer defines any of the methods of `Observer`. Those in `WORKER_HOOKS` are called
in the process where the work happens, so an observer that has one of them is copied
into each worker; the others are called where `run` was called. An observer that fails
is reported once, in each process where it fails, and switched off there: it never
changes a result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dispel4py.failure import Failure
from dispel4py.lineage import Call
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import RunResult

_log = logging.getLogger(__name__)

WORKER_HOOKS = ("worker_started", "called", "emitted", "worker_finished")


#: A list of one callable.
Listener = list[Callable[[Any], None]]


class Count(NamedTuple):
    """How far a PE has come: items in and out, waiting for it, skipped."""

    n_in: int = 0
    n_out: int = 0
    n_waiting: int = 0
    n_failed: int = 0


class Observer:
    """What can be observed; every method is optional."""

    def started(self, plan: Plan) -> None:
        """See the run start, where `run` was called."""

    def progress(self, counts: dict[str, Count]) -> None:
        """See, a few times per second, items (in, out) per PE id so far."""

    def failed(self, failure: Failure) -> None:
        """See one item or instance fail."""

    def finished(self, result: RunResult) -> None:
        """See the run end, well or not."""

    def worker_started(self, plan: Plan, process: int) -> None:
        """See one process begin.

        Parameters
        ----------
        plan : Plan
            The plan of the run.
        process : int
            The process.
        """

    def called(self, call: Call) -> None:
        """See one call of a PE end, well or not, with what it received and sent."""

    def emitted(self, instance: InstanceSpec, port: str, item: Any) -> None:
        """See one item leave an output port.

        Parameters
        ----------
        instance : InstanceSpec
            The sender.
        port : str
            Its output.
        item : object
            The item. Do not change it.
        """

    def worker_finished(self, process: int) -> None:
        """See one process end."""


class Observers:
    """Several observers behind one call per event; an event nobody wants is None."""

    def __init__(self, observers: Iterable[Any] = ()) -> None:
        self.members = list(observers)
        self._has_failed = [False] * len(self.members)

    def at_worker(self) -> Observers:
        """Return those that must be present in the workers."""
        return Observers(
            o for o in self.members if any(_defines(o, hook) for hook in WORKER_HOOKS)
        )

    def listener(self, event: str) -> Callable[..., None] | None:
        """Return one callable for ``event``, or None if nobody listens."""
        hooks = [
            self._guarded(number, event)
            for number, observer in enumerate(self.members)
            if _defines(observer, event)
        ]
        if len(hooks) <= 1:
            return hooks[0] if hooks else None

        def tell_all(*args: Any) -> None:
            for hook in hooks:
                hook(*args)

        return tell_all

    def listener_in_cell(self, event: str) -> Listener | None:
        """Return what `listener` does, as a cell that may change its content.

        The content may raise: its caller then calls `switch_off`. For a call per item
        this is quicker than a function that catches the error.
        """
        hooks = [o for o in self.members if _defines(o, event)]
        if len(hooks) == 1:
            return [getattr(hooks[0], event)]
        together = self.listener(event)
        return None if together is None else [together]

    def switch_off(self, listener: Listener) -> None:
        """Report the error in hand; let a cell of `listener_in_cell` do nothing.

        Parameters
        ----------
        listener : list of callable
            The cell, of which the only observer has failed.
        """
        owner = getattr(listener[0], "__self__", None)
        for number, observer in enumerate(self.members):
            if observer is owner:
                self._has_failed[number] = True
        _log.exception("observer %r failed and is switched off", listener[0])
        listener[0] = _do_nothing

    def tell(self, event: str, *args: Any) -> None:
        """Call everyone who listens to an event.

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

    def _guarded(self, number: int, event: str) -> Callable[..., None]:
        """Return the function that calls a method until its observer fails."""
        hook, has_failed = getattr(self.members[number], event), self._has_failed

        def tell(*args: Any) -> None:
            if not has_failed[number]:
                try:
                    hook(*args)
                except Exception:  # noqa: BLE001 - an observer may fail alone
                    has_failed[number] = True
                    _log.exception("observer %r failed and is switched off", hook)

        return tell


def _do_nothing(event: Any) -> None:
    """See an event after the observer was switched off."""


def _defines(observer: Any, event: str) -> bool:
    own = getattr(type(observer), event, None)
    return own is not None and own is not getattr(Observer, event)
