"""The outputs of one instance: they send the items that its PE writes or returns."""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.errors import GraphError, PortError, is_misspelt, suggest
from dispel4py.plan import InstanceSpec
from dispel4py.stop import StreamStopped
from dispel4py.watch import Deliver, Watch

_log = logging.getLogger(__name__)


class Outputs:
    """The outputs of one instance.

    Parameters
    ----------
    pe : GenericPE
    spec : InstanceSpec
    watch : Watch or None
        As for `dispel4py.instance.Instance`.
    listener : callable or None
        Called with the instance, the output and each item.
    namer : callable or None
        Called after the item was sent with the instance, the output and its names.
    noter : callable or None
        Called before the item is sent with the instance, the output and the arguments
        of ``write``.
    delays : bool
        Whether items may have to wait until an attempt succeeds.
    pending : list
        See `dispel4py.stop`; gets this object if a thread of the PE has written items.

    Attributes
    ----------
    by_port : dict
        The function that sends an item, for each output.
    delayed : list or None
        Items of the current attempt, with output and notes; None to send items at once.
    """

    def __init__(
        self,
        pe: GenericPE,
        spec: InstanceSpec,
        watch: Watch | None,
        listener: Callable[..., None] | None,
        namer: Callable[..., None] | None,
        noter: Callable[..., None] | None,
        delays: bool,
        pending: list[Any],
    ) -> None:
        self._pe, self._spec, self._watch = pe, spec, watch
        self._listener, self._namer, self._delays = listener, namer, delays
        self._noter = noter
        self.by_port: dict[str, Deliver] = {}
        self.delayed: list[tuple[str, Any, Mapping[str, Any]]] | None = None
        self._notes: Mapping[str, Any] = {}
        self._to_results: Callable[[str], list[Deliver]] | None = None
        self._n_sent = 0
        self._counters: list[Any] = []
        self._pending = pending
        self._thread, self._has_threads = 0, False
        self._from_threads: deque[tuple[str, Any, Mapping[str, Any]]] = deque()
        self._replaced: dict[str, Deliver] = {}
        self._can_stop = self._is_stopped = False

    def open(self) -> None:
        """Let the PE write in this thread."""
        self._thread = threading.get_ident()
        if self._noter is not None:
            self._pe._noter = functools.partial(self._noter, self._spec)
        self._set_writer(
            self._write_in_any_thread if self._has_threads else self.writer()
        )

    def allow_threads(self) -> None:
        """Let the PE write in any thread; then each item costs more."""
        self._has_threads = True
        if self._pe._writer is not None and self._pe._writer != self._refuse:
            self._set_writer(self._write_in_any_thread)

    def _set_writer(self, write: Callable[..., None]) -> None:
        self._pe._writer = write
        if type(self._pe).write is GenericPE.write:
            vars(self._pe)["write"] = write  # saves a call per item

    def close(self) -> None:
        """Let the PE write no more."""
        vars(self._pe).pop("write", None)
        self._pe._noter = None
        self._pe._writer = self._refuse

    def _refuse(self, name: str, data: Any, **options: Any) -> None:
        error = GraphError(
            f"{self._pe.id} has finished: the item written to {name!r} is lost; "
            "end all threads of the PE in its postprocess"
        )
        self._pending.append(error)
        raise error

    def _write_in_any_thread(self, name: str, data: Any, **options: Any) -> None:
        """Send an item; another thread leaves it for the end of the current call."""
        if threading.get_ident() == self._thread:
            self.emit(name, data, **options)
        else:
            self._from_threads.append((name, data, options))
            self._pending.append(self)

    def send_from_threads(self) -> None:
        """Send the items that other threads wrote."""
        with self._sending():
            while self._from_threads:
                name, data, options = self._from_threads.popleft()
                self.emit(name, data, **options)

    def emit_all(self, items: Iterable[tuple[str, Any, Mapping[str, Any]]]) -> None:
        """Send items that waited, each with its output and its notes."""
        with self._sending():
            for name, data, options in items:
                self.emit(name, data, **options)

    def stop(self) -> None:
        """Let the next item of a call of the source raise `StreamStopped`."""
        self._is_stopped = True
        self._block_if_stopped()

    def begin_calls(self) -> None:
        """Let `stop` have an effect from now on, also an earlier one."""
        self._can_stop = True
        self._block_if_stopped()

    def end_calls(self) -> None:
        """Send all items from now on."""
        self._can_stop = False
        self._unblock()

    @contextlib.contextmanager
    def _sending(self) -> Iterator[None]:
        """Send all items in this context: they were written before a stop."""
        could_stop = self._can_stop
        self.end_calls()
        try:
            yield
        finally:
            if could_stop:
                self.begin_calls()

    def _block_if_stopped(self) -> None:
        if self._is_stopped and self._can_stop:
            self._replaced = self._replaced or dict(self.by_port)
            self.by_port.update(dict.fromkeys(self.by_port, _stop_stream))

    def _unblock(self) -> None:
        self.by_port.update(self._replaced)
        self._replaced = {}

    def connect(
        self,
        outputs: Mapping[str, list[Deliver]],
        to_results: Callable[[str], list[Deliver]] | None = None,
    ) -> None:
        """Set where the items of each output port go.

        Parameters
        ----------
        outputs : mapping
            The functions that send an item, for each output port.
        to_results : callable, optional
            Returns the functions for an output that the PE does not declare.
        """
        self._to_results = to_results
        for port, delivers in outputs.items():
            self.by_port[port] = self._emitter(port, delivers)

    @property
    def n_sent(self) -> int:
        """Items written so far."""
        return self._n_sent + sum(int(counter.n_put) for counter in self._counters)

    def emit(self, port: str, item: Any, /, **options: Any) -> None:
        """Send one item from an output port.

        Parameters
        ----------
        port : str
        item : object
        **options : object
            Notes about the item, for an observer of notes.

        Raises
        ------
        PortError
            If the name looks like a misspelt declared output.
        """
        deliver = self.by_port.get(port)
        if deliver is None:
            deliver = self._undeclared(port)
        self._notes = options
        deliver(item)

    def _undeclared(self, port: str) -> Deliver:
        """Return the function that sends items of an output that is not declared.

        The items are results, as in dispel4py 1.x.
        """
        declared = self._pe.outputconnections
        if self._to_results is None or is_misspelt(port, declared):
            raise PortError(
                f"{self._pe.id} has no output {port!r}: {suggest(port, declared)}"
            )
        if self._is_stopped and self._can_stop:
            raise StreamStopped
        _log.warning(
            "%s writes to %r, which is not a declared output: the items are results",
            *(self._pe.id, port),
        )
        deliver = self._emitter(port, self._to_results(port))
        self.by_port[port] = deliver
        return deliver

    def writer(self) -> Callable[..., None]:
        """Return a faster `emit`, for a source that writes many items."""
        outputs, emit = self.by_port, self.emit

        def write_with_notes(name: str, data: Any, **options: Any) -> None:
            emit(name, data, **options)

        def write(name: str, data: Any, **options: Any) -> None:
            try:
                deliver = outputs[name]
            except KeyError:
                deliver = functools.partial(emit, name)
            deliver(data)

        return write if self._noter is None else write_with_notes

    def _emitter(self, port: str, delivers: list[Deliver]) -> Deliver:
        listener = self._listener
        if self._namer is not None:
            delivers = [self._naming(port, delivers, self._namer)]
        elif len(delivers) == 1 and listener is None and not self._delays:
            (deliver,) = delivers
            counter = getattr(deliver, "__self__", None)
            if self._watch is not None:
                counter = self._watch.counter_of(deliver)
            if hasattr(counter, "n_put"):  # the other function counts the items
                self._counters.append(counter)
                return deliver

            def emit_one(item: Any) -> None:
                self._n_sent += 1
                deliver(item)

            return emit_one

        def emit(item: Any) -> None:
            if self.delayed is not None:
                self.delayed.append((port, item, self._notes))
                return
            self._n_sent += 1
            if self._notes:
                self._report_notes(port)
            if listener is not None:
                listener(self._spec, port, item)
            for deliver in delivers:
                deliver(item)

        return emit

    def _report_notes(self, port: str) -> None:
        notes, self._notes = self._notes, {}
        if self._noter is not None:
            self._noter(self._spec, port, notes)

    def _naming(
        self, port: str, delivers: list[Deliver], namer: Callable[..., None]
    ) -> Deliver:
        """Return the function that sends an item and reports its names."""
        watch, spec = self._watch, self._spec

        def deliver_and_name(item: Any) -> None:
            if watch is not None:
                watch.begin_item()
            try:
                for deliver in delivers:
                    deliver(item)
            finally:  # also an item whose receiver failed has names
                namer(spec, port, [] if watch is None else watch.names_of_item())

        return deliver_and_name


def _stop_stream(item: Any) -> None:
    raise StreamStopped
