"""One PE at one process: the place where PE code is called."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from dispel4py.call_timer import CallTimer
from dispel4py.core import GenericPE
from dispel4py.failure import Failure, describe
from dispel4py.lineage import (
    DONE,
    INPUTS,
    POSTPROCESS,
    PREPROCESS,
    PROCESS,
    TEARDOWN,
    Ending,
    Key,
)
from dispel4py.message import NUMBERS, Unreadable, private_copy
from dispel4py.observe import Observers
from dispel4py.outlet import Outputs
from dispel4py.plan import InstanceSpec
from dispel4py.policy import RETRY, Policy
from dispel4py.stop import PASSING, ErrorHandler, StreamStopped, end_forked
from dispel4py.watch import BatchInvoker, Counter, Deliver, Watch, one_by_one

_log = logging.getLogger(__name__)


class Instance:
    """Runs one instance of a PE: calls it, sends its outputs, handles its errors.

    Parameters
    ----------
    pe : GenericPE
        Belongs to this instance alone.
    spec : InstanceSpec
        Its place in the plan.
    policy : Policy
        What to do when a call fails: end the worker by `Stop`, or skip the item, at
        once or after more attempts.
    observers : Observers
        The observers of this process.
    watch : Watch or None
        Reports the calls to observers; None if no observer listens to calls.
    skip : callable
        Called with the failure and the skipped item (for a source: its inputs).
    timer : CallTimer
        Limits and measures the calls; shared by the instances of a process.
    pending : list
        See `dispel4py.stop`; shared by the instances and channels of a process.
    """

    def __init__(
        self,
        pe: GenericPE,
        spec: InstanceSpec,
        policy: Policy,
        observers: Observers,
        watch: Watch | None,
        skip: Callable[[Failure, Any], None],
        timer: CallTimer,
        pending: list[Any],
    ) -> None:
        self.pe = pe
        self.spec = spec
        on_error = getattr(pe, "on_error", None)
        if on_error is not None:
            policy = Policy.of(on_error, f"on_error of {pe.id}")
        self.policy = policy
        self._timer, self._pending = timer, pending
        self._errors = ErrorHandler(pe, spec, policy, watch, skip, pending)
        self.n_in = 0
        self.busy_s = 0.0
        #: Channels into this instance that have not ended.
        self.open_channels: set[Any] = set()
        self.finished = self.has_started = False
        self.watch = watch
        self.outputs = Outputs(
            pe,
            spec,
            watch,
            observers.listener("emitted"),
            observers.listener("delivered"),
            observers.listener("noted"),
            policy.kind == RETRY,
            pending,
        )
        self.inputs = {port: self._invoker(port) for port in pe.inputconnections}
        #: The same for a batch of items.
        self.batches = {port: self._batch_invoker(port) for port in self.inputs}
        self._source = self._invoker(None)
        #: Number of the next call with inputs of the run, as a list of one element.
        self._n_outer = [0]
        self._outer_calls: dict[str | None, Deliver] = {}

    @property
    def n_out(self) -> int:
        """Items written so far."""
        return self.outputs.n_sent

    @property
    def n_failed(self) -> int:
        """Items skipped so far."""
        return self._errors.n_skipped

    def start(self) -> None:
        """Prepare the PE."""
        self.pe.rank = self.spec.process
        self.pe._is_fed = self.spec.depth > 0
        self.outputs.open()
        self.has_started = True
        self._call(PREPROCESS, self.pe.preprocess)
        self.outputs.begin_calls()

    def finish(self) -> None:
        """Finish the PE; it may still send items."""
        self.outputs.end_calls()
        self._call(POSTPROCESS, self.pe.postprocess)
        self.outputs.close()
        self.finished = True

    def tear_down(self) -> None:
        """Let the PE release its resources, at the end of every run."""
        if self.has_started:
            self.has_started = False
            self._call(TEARDOWN, self.pe.teardown)

    def _call(self, phase: str, method: Callable[[], None]) -> None:
        def invoke(item: Any) -> None:
            try:
                method()
                if self._pending:
                    self._settle()
            except PASSING:
                raise
            except BaseException as error:  # noqa: BLE001 - becomes a failure
                self._errors.handle(error, phase, None, None)

        watch = None if phase == TEARDOWN else self.watch
        (invoke if watch is None else watch.wrap(invoke, phase))(None)

    def give(self, port: str | None, item: Any, number: int | None = None) -> None:
        """Call the PE with inputs that were given to the run.

        Parameters
        ----------
        port : str or None
            The input; None for a source.
        item : object
            The item; for a source the dict of all its inputs.
        number : int, optional
            Number of the inputs, if they do not follow the last ones.
        """
        if number is not None:
            self._n_outer[0] = number
        if port not in self._outer_calls:
            invoke = self._source if port is None else self.inputs[port]
            if self.watch is not None:
                key = Key(INPUTS, self.spec.pe_index, self.spec.index)
                counter = Counter(self._n_outer, 0)
                invoke = self.watch.wrap(invoke, PROCESS, port, key, counter)
            self._outer_calls[port] = invoke
        self._outer_calls[port](item)

    def batch(self, port: str, channel: Key, first: int | None = None) -> BatchInvoker:
        """Return the function that calls the PE with a batch of items of one channel.

        Parameters
        ----------
        port : str
            The input.
        channel : Key
            The channel.
        first : int, optional
            Number of the first item, if it does not follow the last item received.
        """
        if self.watch is None:
            return self.batches[port]
        return self.watch.batch(self.inputs[port], port, channel, first)

    def refuse(
        self, port: str | None, channel: Key, number: int | None = None
    ) -> Deliver:
        """Return the function for an item that cannot be read.

        Parameters
        ----------
        port : str or None
            The input; None for the inputs of a source.
        channel : Key
            The channel.
        number : int, optional
            Number of the item, if it does not follow the last item received.
        """

        def fail(item: Unreadable) -> None:
            self.n_in += 1
            self._errors.handle(item.error, PROCESS, port, item)

        if self.watch is None:
            return fail
        return self.watch.next_of(fail, port, channel, number)

    def _settle(self) -> None:
        """Raise a pending error, or send the items that threads of the PE wrote."""
        end_forked(self._pending)
        for entry in self._pending:
            if _is_error(entry):
                raise entry
        while self.outputs in self._pending:
            self._pending.remove(self.outputs)
        self.outputs.send_from_threads()

    def seconds_to_next_call(self) -> float | None:
        """Return the time until the source is to be called again, or None."""
        after_s, self.pe._call_again_s = self.pe._call_again_s, None
        if after_s is not None:
            self._n_outer[0] -= 1  # the same inputs come again
        return after_s

    def _invoker(self, port: str | None) -> Deliver:
        """Make the function that calls the PE with one item, or a source."""
        if self.policy.kind == RETRY or self._timer.bounds:
            invoke = self._careful_invoker(port)
        else:
            invoke = self._plain_invoker(port)
        if self._timer.measures:
            invoke = self._timer.measure(invoke, self)
        return invoke

    def _plain_invoker(self, port: str | None) -> Deliver:
        """Make the usual function: the hot path of the engine."""
        function, output = self._shortcut(port)
        if function is not None and port is not None:
            return self._shortcut_invoker(port, function, output)
        pe, pending, settle = self.pe, self._pending, self._settle
        pass_on = self._pass_on

        def invoke(item: Any) -> None:
            self.n_in += 1
            try:
                result = pe.process(item if port is None else {port: item})
                if result is not None:
                    pass_on(result)
                if pending:
                    settle()
            except PASSING:
                raise
            except BaseException as error:  # noqa: BLE001 - becomes a failure
                self._errors.handle(error, "process", port, item)

        return invoke

    def _shortcut(self, port: str | None) -> tuple[Callable[[Any], Any] | None, str]:
        shortcut = getattr(self.pe, "shortcut", None)
        return (None, "") if shortcut is None or port is None else shortcut()

    @property
    def _is_plain(self) -> bool:
        """Whether calls have no retries, no time limit and no measurement."""
        timer = self._timer
        return self.policy.kind != RETRY and not (timer.bounds or timer.measures)

    def _shortcut_invoker(
        self, port: str, function: Callable[[Any], Any], output: str
    ) -> Deliver:
        """Make the function for a PE that is one function, without dicts around it."""
        outputs, pending = self.outputs.by_port, self._pending
        settle = self._settle

        def invoke(item: Any) -> None:
            self.n_in += 1
            try:
                result = function(item)
                if result is not None:
                    outputs[output](result)
                if pending:
                    settle()
            except PASSING:
                raise
            except BaseException as error:  # noqa: BLE001 - becomes a failure
                self._errors.handle(error, "process", port, item)

        def invoke_sink(item: Any) -> None:
            self.n_in += 1
            try:
                function(item)
                if pending:
                    settle()
            except PASSING:
                raise
            except BaseException as error:  # noqa: BLE001 - becomes a failure
                self._errors.handle(error, "process", port, item)

        return invoke if output else invoke_sink

    def _batch_invoker(self, port: str) -> BatchInvoker:
        """Make the function that gives the PE a batch of items."""
        invoke = self.inputs[port]
        if not self._is_plain:
            return one_by_one(invoke)
        function, output = self._shortcut(port)
        if function is not None and output:
            return self._batch_of_results(port, function, output)
        return self._batch_of_calls(port, function)

    def _batch_of_results(
        self, port: str, function: Callable[[Any], Any], output: str
    ) -> BatchInvoker:
        """Make the function for a PE that is one function with results."""
        outputs, pending = self.outputs.by_port, self._pending
        settle = self._settle

        def all_at_once(items: list[Any], cells: Any, cell: int) -> None:
            emit = outputs[output]
            send = getattr(getattr(emit, "__self__", None), "put_numbers", None)
            number_types: Collection[type] = NUMBERS if send is not None else ()
            numbers: list[Any] = []
            for k, item in enumerate(items):
                cells[cell] = k
                try:
                    result = function(item)
                    if type(result) in number_types:
                        numbers.append(result)
                    elif result is not None:
                        if numbers and send is not None:
                            send(numbers)
                            numbers = []
                        emit(result)
                    if pending:
                        settle()
                except PASSING:
                    raise
                except BaseException as error:  # noqa: BLE001 - a failure
                    self._errors.handle(error, "process", port, item)
            if numbers and send is not None:
                send(numbers)
            self.n_in += len(items)

        return all_at_once

    def _batch_of_calls(
        self, port: str, function: Callable[[Any], Any] | None
    ) -> BatchInvoker:
        """Make the function for any other PE; ``function``, if any, has no results."""
        pe, pass_on = self.pe, self._pass_on
        pending, settle = self._pending, self._settle

        def all_at_once(items: list[Any], cells: Any, cell: int) -> None:
            for k, item in enumerate(items):
                cells[cell] = k
                try:
                    if function is not None:
                        function(item)
                    else:
                        result = pe.process({port: item})
                        if result is not None:
                            pass_on(result)
                    if pending:
                        settle()
                except PASSING:
                    raise
                except BaseException as error:  # noqa: BLE001 - a failure
                    self._errors.handle(error, "process", port, item)
            self.n_in += len(items)

        return all_at_once

    def _careful_invoker(self, port: str | None) -> Deliver:
        """Make the function with a time limit and retries.

        With retries, the items that an attempt writes are sent after its success.
        """
        n_retries, pe = self.policy.n_retries, self.pe

        def attempt(item: Any) -> None:
            result = pe.process(item if port is None else {port: item})
            self._timer.check()
            if result is not None and not any(map(_is_error, self._pending)):
                self._pass_on(result)
            if self._pending:
                self._settle()

        bounded = self._timer.limit(attempt)

        def invoke(item: Any) -> None:
            self.n_in += 1
            for n_left in range(n_retries, -1, -1):
                delayed: list[tuple[str, Any, Mapping[str, Any]]] = []
                self.outputs.delayed = delayed if n_retries else None
                try:
                    bounded(private_copy(item) if n_left else item)
                except PASSING:
                    raise
                except StreamStopped:
                    self.outputs.delayed = None
                    self._send_delayed(delayed, port, item, 1 + n_retries - n_left)
                    return
                except BaseException as error:  # noqa: BLE001 - retried, or a failure
                    self.outputs.delayed = None
                    self._pending.clear()
                    if not n_left:
                        self._errors.handle(error, "process", port, item, 1 + n_retries)
                else:
                    self.outputs.delayed = None
                    if self.watch is not None and n_left < n_retries:
                        self.watch.ending = Ending(DONE, 1 + n_retries - n_left)
                    self._send_delayed(delayed, port, item, 1 + n_retries - n_left)
                    return

        return invoke

    def _send_delayed(
        self,
        delayed: list[tuple[str, Any, Mapping[str, Any]]],
        port: str | None,
        item: Any,
        attempts: int,
    ) -> None:
        """Send the items of a successful attempt."""
        try:
            self.outputs.emit_all(delayed)
        except PASSING:
            raise
        except BaseException as error:  # noqa: BLE001 - becomes a failure
            self._errors.handle(error, "process", port, item, attempts)

    def _pass_on(self, result: Any) -> None:
        if type(result) is dict or isinstance(result, Mapping):
            for port, item in result.items():
                self.outputs.emit(port, item)
            return
        if not isinstance(result, Iterator) and not hasattr(result, "__iter__"):
            raise TypeError(
                f"process returned {describe(result)}; it must return a dict "
                "{output: item}, None, or yield such dicts"
            )
        for outputs in result:
            if outputs is not None:
                for port, item in outputs.items():
                    self.outputs.emit(port, item)


def _is_error(entry: Any) -> bool:
    return isinstance(entry, BaseException)
