"""One PE at one process: the place where PE code is called."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from dispel4py.call_timer import CallTimer, ItemTimeout
from dispel4py.core import GenericPE
from dispel4py.errors import PortError, suggest
from dispel4py.failure import Failure, describe, root_cause
from dispel4py.lineage import (
    DONE,
    FAILED,
    INPUTS,
    POSTPROCESS,
    PREPROCESS,
    PROCESS,
    SKIPPED,
    Ending,
    Key,
)
from dispel4py.message import NUMBERS, private_copy
from dispel4py.observe import Observers
from dispel4py.plan import InstanceSpec
from dispel4py.policy import RETRY, STOP, Policy
from dispel4py.watch import BatchInvoker, Counter, Deliver, Watch, one_by_one


class Stop(BaseException):
    """Ends a worker after a failure; ``except Exception`` in a PE lets it pass."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


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
    ) -> None:
        self.pe = pe
        self.spec = spec
        on_error = getattr(pe, "on_error", None)
        if on_error is not None:
            policy = Policy.of(on_error, f"on_error of {pe.id}")
        self.policy = policy
        self._skip = skip
        self._timer = timer
        self.n_in = 0
        self._n_out = 0
        self._counters: list[Any] = []
        self.n_failed = 0
        self.busy_s = 0.0
        self._delayed: list[tuple[str, Any]] | None = None
        #: Channels into this instance that have not ended.
        self.open_channels: set[Any] = set()
        self.finished = False
        self.watch = watch
        self._emitted = observers.listener("emitted")
        self._outputs: dict[str, Deliver] = {}
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
        return self._n_out + sum(int(counter.n_put) for counter in self._counters)

    def connect(self, outputs: Mapping[str, list[Deliver]]) -> None:
        """Set where the items of each output port go."""
        for port, delivers in outputs.items():
            self._outputs[port] = self._emitter(port, delivers)

    def start(self) -> None:
        """Prepare the PE."""
        self.pe.rank = self.spec.process
        self.pe._is_fed = self.spec.depth > 0
        self.pe._writer = self.emit
        if type(self.pe).write is GenericPE.write:
            vars(self.pe)["write"] = self._writer()  # saves a call per item
        self._call(PREPROCESS, self.pe.preprocess)

    def finish(self) -> None:
        """Finish the PE; it may still send items."""
        self._call(POSTPROCESS, self.pe.postprocess)
        vars(self.pe).pop("write", None)
        self.finished = True

    def _call(self, phase: str, method: Callable[[], None]) -> None:
        def invoke(item: Any) -> None:
            try:
                method()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes a failure
                self._handle_error(error, phase, None, None)

        watch = self.watch
        (invoke if watch is None else watch.wrap(invoke, phase))(None)

    def give(self, port: str | None, item: Any) -> None:
        """Call the PE with inputs that were given to the run.

        Parameters
        ----------
        port : str or None
            The input; None for a source.
        item : object
            The item; for a source the dict of all its inputs.
        """
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

    def seconds_to_next_call(self) -> float | None:
        """Return the time until the source is to be called again, or None."""
        after_s, self.pe._call_again_s = self.pe._call_again_s, None
        if after_s is not None:
            self._n_outer[0] -= 1  # the same inputs come again
        return after_s

    def emit(self, port: str, item: Any, **options: Any) -> None:
        """Send one item from an output port.

        Parameters
        ----------
        port : str
        item : object
        **options : object
            Without effect.

        Raises
        ------
        PortError
            If there is no such output.
        """
        try:
            deliver = self._outputs[port]
        except KeyError:
            raise PortError(
                f"{self.pe.id} has no output {port!r}: "
                f"{suggest(port, self.pe.outputconnections)}"
            ) from None
        deliver(item)

    def _writer(self) -> Callable[..., None]:
        """Return a faster `emit`, for a source that writes many items."""
        outputs, emit = self._outputs, self.emit

        def write(name: str, data: Any, **options: Any) -> None:
            try:
                deliver = outputs[name]
            except KeyError:
                deliver = functools.partial(emit, name)
            deliver(data)

        return write

    def _invoker(self, port: str | None) -> Deliver:
        """Make the function that gives the PE one item (or a source its inputs)."""
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
        pe = self.pe
        pass_on = self._pass_on

        def invoke(item: Any) -> None:
            self.n_in += 1
            try:
                result = pe.process(item if port is None else {port: item})
                if result is not None:
                    pass_on(result)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes a failure
                self._handle_error(error, "process", port, item)

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
        outputs = self._outputs

        def invoke(item: Any) -> None:
            self.n_in += 1
            try:
                result = function(item)
                if result is not None and output:
                    outputs[output](result)
            except (Exception, SystemExit) as error:  # noqa: BLE001 - becomes a failure
                self._handle_error(error, "process", port, item)

        return invoke

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
        outputs = self._outputs

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
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a failure
                    self._handle_error(error, "process", port, item)
            if numbers and send is not None:
                send(numbers)
            self.n_in += len(items)

        return all_at_once

    def _batch_of_calls(
        self, port: str, function: Callable[[Any], Any] | None
    ) -> BatchInvoker:
        """Make the function for any other PE; a ``function`` here has no results."""
        pe, pass_on = self.pe, self._pass_on

        def all_at_once(items: list[Any], cells: Any, cell: int) -> None:
            for k, item in enumerate(items):
                cells[cell] = k
                try:
                    if function is not None:
                        function(item)
                        continue
                    result = pe.process({port: item})
                    if result is not None:
                        pass_on(result)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - a failure
                    self._handle_error(error, "process", port, item)
            self.n_in += len(items)

        return all_at_once

    def _careful_invoker(self, port: str | None) -> Deliver:
        """Make the function with a time limit and retries.

        With retries, the items that an attempt writes are sent after its success.
        """
        n_retries, pe = self.policy.n_retries, self.pe

        def attempt(item: Any) -> None:
            result = pe.process(item if port is None else {port: item})
            if result is not None:
                self._pass_on(result)

        bounded = self._timer.limit(attempt)

        def invoke(item: Any) -> None:
            self.n_in += 1
            for n_left in range(n_retries, -1, -1):
                delayed: list[tuple[str, Any]] = []
                self._delayed = delayed if n_retries else None
                try:
                    bounded(private_copy(item) if n_left else item)
                except (Exception, SystemExit, ItemTimeout) as error:  # noqa: BLE001
                    self._delayed = None
                    if not n_left:
                        self._handle_error(error, "process", port, item, 1 + n_retries)
                else:
                    self._delayed = None
                    if self.watch is not None and n_left < n_retries:
                        self.watch.ending = Ending(DONE, 1 + n_retries - n_left)
                    for output, delayed_item in delayed:
                        self.emit(output, delayed_item)
                    return

        return invoke

    def _emitter(self, port: str, delivers: list[Deliver]) -> Deliver:
        listener = self._emitted
        if len(delivers) == 1 and listener is None and self.policy.kind != RETRY:
            (deliver,) = delivers
            counter = getattr(deliver, "__self__", None)
            if self.watch is not None:
                counter = self.watch.counter_of(deliver)
            if hasattr(counter, "n_put"):  # the items are counted there
                self._counters.append(counter)
                return deliver

            def emit_one(item: Any) -> None:
                self._n_out += 1
                deliver(item)

            return emit_one

        def emit(item: Any) -> None:
            if self._delayed is not None:
                self._delayed.append((port, item))
                return
            self._n_out += 1
            if listener is not None:
                listener(self.spec, port, item)
            for deliver in delivers:
                deliver(item)

        return emit

    def _pass_on(self, result: Any) -> None:
        if type(result) is dict or isinstance(result, Mapping):
            for port, item in result.items():
                self.emit(port, item)
            return
        if not isinstance(result, Iterator) and not hasattr(result, "__iter__"):
            raise TypeError(
                f"process returned {describe(result)}; it must return a dict "
                "{output: item}, None, or yield such dicts"
            )
        for outputs in result:
            if outputs is not None:
                for port, item in outputs.items():
                    self.emit(port, item)

    def _handle_error(
        self,
        error: BaseException,
        phase: str,
        port: str | None,
        item: Any,
        attempts: int = 1,
    ) -> None:
        """Make a failure of an error in PE code; stop or skip, by the policy."""
        failure = Failure(
            pe_id=self.pe.id,
            instance=self.spec.number,
            process=self.spec.process,
            phase=phase,
            port=port,
            item="" if item is None and port is None else describe(item),
            cause=root_cause(error),
            traceback="".join(traceback.format_exception(error)),
        )
        stops = self.policy.kind == STOP or phase != PROCESS
        if self.watch is not None:
            outcome = FAILED if stops else SKIPPED
            self.watch.ending = Ending(outcome, attempts, failure)
        if stops:
            raise Stop(failure) from error
        self.n_failed += 1
        self._skip(failure, item)
