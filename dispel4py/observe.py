"""Watch a run without taking part in it.

An observer defines any of the methods of `Observer`. Those in `WORKER_HOOKS` are called
in the process where the work happens, so an observer that has one of them is copied
into each worker; the others are called where `run` was called. An observer that fails
is logged and dropped: it never changes a result.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from dispel4py.failure import Failure
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import RunResult

_log = logging.getLogger(__name__)

WORKER_HOOKS = ("worker_started", "invoked", "emitted", "worker_finished")


class Count(NamedTuple):
    """How far a PE has come: items in and out, waiting for it, given up."""

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
        """See one process begin."""

    def invoked(
        self, instance: InstanceSpec, port: str | None, item: Any, seconds: float
    ) -> None:
        """See one call of `process` return (``port`` is None for a source)."""

    def emitted(self, instance: InstanceSpec, port: str, item: Any) -> None:
        """See one item leave an output port."""

    def worker_finished(self, process: int) -> None:
        """See one process end."""


class Observers:
    """Several observers behind one call per event; an event nobody wants is None."""

    def __init__(self, observers: Iterable[Any] = ()) -> None:
        self.members = list(observers)

    def at_worker(self) -> Observers:
        """Return those that must be present in the workers."""
        return Observers(
            o for o in self.members if any(_defines(o, hook) for hook in WORKER_HOOKS)
        )

    def listener(self, event: str) -> Callable[..., None] | None:
        """Return one callable for ``event``, or None if nobody listens."""
        hooks = [getattr(o, event) for o in self.members if _defines(o, event)]
        if not hooks:
            return None

        if len(hooks) == 1:
            return _guarded(hooks[0])

        def tell(*args: Any) -> None:
            for hook in list(hooks):
                try:
                    hook(*args)
                except Exception:  # noqa: BLE001 - an observer may fail alone
                    _log.exception("observer %r failed and is dropped", hook)
                    hooks.remove(hook)

        return tell

    def tell(self, event: str, *args: Any) -> None:
        """Tell everyone who listens to ``event``."""
        listener = self.listener(event)
        if listener is not None:
            listener(*args)


def _guarded(hook: Callable[..., None]) -> Callable[..., None]:
    """Return the function that calls ``hook`` until it fails."""
    has_failed = False

    def tell(*args: Any) -> None:
        nonlocal has_failed
        if not has_failed:
            try:
                hook(*args)
            except Exception:  # noqa: BLE001 - an observer may fail alone
                _log.exception("observer %r failed and is dropped", hook)
                has_failed = True

    return tell


def _defines(observer: Any, event: str) -> bool:
    own = getattr(type(observer), event, None)
    return own is not None and own is not getattr(Observer, event)
