"""The end of a run after a failed call, and the effect of its error policy.

A PE sends an item within its call. In the same process the next PE then processes the
item at once, so an error of the next PE passes through the first PE, which may catch
it. So such an error is also noted as *pending*, and raised again after the call. This
applies to the failure that ends the run, an item that cannot be sent, and the signals
that interrupt a run.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.failure import Failure, describe, root_cause, traceback_text
from dispel4py.lineage import FAILED, PROCESS, SKIPPED, Ending
from dispel4py.plan import InstanceSpec
from dispel4py.policy import STOP, Policy
from dispel4py.watch import Watch

_log = logging.getLogger(__name__)


class Stop(BaseException):
    """Ends a worker after a failure; ``except Exception`` in a PE lets it pass."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class StreamStopped(BaseException):
    """Ends the call of a source after a PE has stopped the stream."""


class Forked(BaseException):
    """Pending in a child process that the code of this PE has made by a fork."""

    def __init__(self, pe_id: str) -> None:
        super().__init__(pe_id)
        self.pe_id = pe_id


#: The pending errors, and the outputs, of the runs in this process.
_noted: list[tuple[list[Any], list[dict[str, Any]]]] = []


@contextlib.contextmanager
def note_forks(pending: list[Any], outputs: Iterable[dict[str, Any]]) -> Iterator[None]:
    """Note in a child process that PE code makes by a fork that it is a child.

    The child may return from the PE code; then both processes would do the same work.

    Parameters
    ----------
    pending : list
        Gets `Forked`, in the child only.
    outputs : iterable of dict
        The functions that send the items of each output; an item ends the child.
    """
    _note_in_children()
    _noted.append((pending, list(outputs)))
    try:
        yield
    finally:
        _noted[:] = [noted for noted in _noted if noted[0] is not pending]


@cache
def _note_in_children() -> None:
    def note() -> None:
        mark = Forked(_calling_pe())
        for pending, outputs in _noted:
            pending.append(mark)
            for by_port in outputs:
                by_port.update(
                    dict.fromkeys(by_port, lambda _, p=pending: end_forked(p))
                )

    os.register_at_fork(after_in_child=note)


def _calling_pe() -> str:
    """Return the PE whose code is being run."""
    frame = inspect.currentframe()
    while frame is not None:
        owner = frame.f_locals.get("self")
        pe = owner if isinstance(owner, GenericPE) else getattr(owner, "pe", None)
        if isinstance(pe, GenericPE):
            return pe.id
        frame = frame.f_back
    return "a PE"


def end_forked(pending: list[Any]) -> None:
    """End this process if PE code has made it by a fork.

    Parameters
    ----------
    pending : list
        The pending errors.
    """
    for entry in pending:
        if isinstance(entry, Forked):
            _log.error("%s returned in a process that it forked: this ends", entry)
            os._exit(1)


#: Exceptions that are not failures of the PE in whose call they are raised.
PASSING = (Stop, KeyboardInterrupt)


class ErrorHandler:
    """Handles the errors of the calls of one instance.

    Parameters
    ----------
    pe : GenericPE
    spec : InstanceSpec
    policy : Policy
    watch : Watch or None
    skip : callable
        As for `dispel4py.instance.Instance`.
    pending : list
        The errors that are raised again after the current call.
    """

    def __init__(
        self,
        pe: GenericPE,
        spec: InstanceSpec,
        policy: Policy,
        watch: Watch | None,
        skip: Callable[[Failure, Any], None],
        pending: list[Any],
    ) -> None:
        self._pe, self._spec, self._policy = pe, spec, policy
        self._watch, self._skip, self._pending = watch, skip, pending
        self.n_skipped = 0

    def handle(
        self,
        error: BaseException,
        phase: str,
        port: str | None,
        item: Any,
        attempts: int = 1,
    ) -> None:
        """Describe an error in PE code as a failure; stop or skip, by the policy.

        Parameters
        ----------
        error : BaseException
            The error.
        phase : str
            The method of the PE.
        port : str or None
            The input of the item.
        item : object
            The item.
        attempts : int
            Number of attempts, this one included.

        Raises
        ------
        Stop
            If the policy is to stop, or the error is not of ``process``.
        """
        end_forked(self._pending)
        self._pending.clear()
        if isinstance(error, StreamStopped):
            return
        failure = Failure(
            pe_id=self._pe.id,
            instance=self._spec.number,
            process=self._spec.process,
            phase=phase,
            port=port,
            item="" if item is None and port is None else describe(item),
            cause=root_cause(error),
            traceback=traceback_text(error),
        )
        stops = self._policy.kind == STOP or phase != PROCESS
        if self._watch is not None:
            outcome = FAILED if stops else SKIPPED
            self._watch.ending = Ending(outcome, attempts, failure)
        if stops:
            stop = Stop(failure)
            stop.__cause__ = error
            self._pending.append(stop)
            raise stop
        self.n_skipped += 1
        self._skip(failure, item)
