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
    """Unwinds a worker after a failure; PE code that catches Exception lets it pass."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure)
        self.failure = failure


class Instance:
    """Runs one instance of a PE: feeds it, passes on what it emits, counts, and judges.

    Parameters
    ----------
    pe : GenericPE
        Belongs to this instance alone.
    spec : InstanceSpec
        Its place in the plan.
    policy : Policy
        What to do when a call fails: unwind the worker with `Stop`, or give the item
        up, at once or after more attempts.
    observers : Observers
        Those of this process.
    watch : Watch or None
        Tells observers of the calls; None if none wants to know of them.
    give_up : callable
        Called with the failure and the item (for a source its inputs).
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
        give_up: Callable[[Failure, Any], None],
        timer: CallTimer,
    ) -> None:
        self.pe = pe
        self.spec = spec
        own = getattr(pe, "on_error", None)
        self.policy = policy if own is None else Policy.of(own, f"on_error of {pe.id}")
        self._give_up = give_up
        self._timer = timer
        self.n_in = 0
        self._n_out = 0
        self._counting: list[Any] = []
        self.n_failed = 0
        self.busy_s = 0.0
        self._held: list[tuple[str, Any]] | None = None
        #: Ways into this instance that have not ended.
        self.awaited: set[Any] = set()
        self.finished = False
        self.watch = watch
        self._emitted = observers.listener("emitted")
        self._outputs: dict[str, Deliver] = {}
        self.inputs = {port: self._invoker(port) for port in pe.inputconnections}
        #: The same for many items at once: the item's place is noted in cell 1.
        self.batches = {port: self._batch_invoker(port) for port in self.inputs}
        self._source = self._invoker(None)
        #: The number of the next inputs that are given from outside.
        self._n_given = [0]
        self._given: dict[str | None, Deliver] = {}

    @property
    def n_out(self) -> int:
        """Items written so far."""
        return self._n_out + sum(int(way.n_put) for way in self._counting)

    def connect(self, outputs: Mapping[str, list[Deliver]]) -> None:
        """Say where the items of each output port go."""
        for port, delivers in outputs.items():
            self._outputs[port] = self._emitter(port, delivers)

    def start(self) -> None:
        """Let the PE prepare."""
        self.pe.rank = self.spec.process
        self.pe._is_fed = self.spec.depth > 0
        self.pe._writer = self.emit
        if type(self.pe).write is GenericPE.write:
            vars(self.pe)["write"] = self._writer()  # without a call between
        self._call(PREPROCESS, self.pe.preprocess)

    def finish(self) -> None:
        """Let the PE finish; it may still emit."""
        self._call(POSTPROCESS, self.pe.postprocess)
        vars(self.pe).pop("write", None)
        self.finished = True

    def _call(self, phase: str, method: Callable[[], None]) -> None:
        def invoke(item: Any) -> None:
            try:
                method()
            except (Exception, SystemExit) as error:  # noqa: BLE001 - judged, reported
                self._judge(error, phase, None, None)

        watch = self.watch
        (invoke if watch is None else watch.watched(invoke, phase))(None)

    def give(self, port: str | None, item: Any) -> None:
        """Call the PE with an item that comes from outside the graph.

        Parameters
        ----------
        port : str or None
            The input; None for a source.
        item : object
            The item, or all inputs of a source.
        """
        if port not in self._given:
            invoke = self._source if port is None else self.inputs[port]
            if self.watch is not None:
                key = Key(INPUTS, self.spec.pe_index, self.spec.index)
                counter = Counter(self._n_given, 0)
                invoke = self.watch.watched(invoke, PROCESS, port, key, counter)
            self._given[port] = invoke
        self._given[port](item)

    def batch(self, port: str, channel: Key, first: int | None = None) -> BatchInvoker:
        """Return the function for a batch of items of one channel.

        Parameters
        ----------
        port : str
            The input.
        channel : Key
            The channel.
        first : int, optional
            The number of the first item, if it does not follow the last one.
        """
        if self.watch is None:
            return self.batches[port]
        return self.watch.batch(self.inputs[port], port, channel, first)

    def seconds_to_next_call(self) -> float | None:
        """Return when the source wants to be called again; None if it does not."""
        after_s, self.pe._call_again_s = self.pe._call_again_s, None
        if after_s is not None:
            self._n_given[0] -= 1  # the same inputs come again
        return after_s

    def emit(self, port: str, item: Any, **options: Any) -> None:
        """Pass one item on from an output port.

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
        """Make what `emit` is, for the many items of a source that writes them."""
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
            invoke = self._timer.measured(invoke, self)
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
            except (Exception, SystemExit) as error:  # noqa: BLE001 - judged, reported
                self._judge(error, "process", port, item)

        return invoke

    def _shortcut(self, port: str | None) -> tuple[Callable[[Any], Any] | None, str]:
        shortcut = getattr(self.pe, "shortcut", None)
        return (None, "") if shortcut is None or port is None else shortcut()

    @property
    def _is_plain(self) -> bool:
        """Whether a call is a call: not tried again, limited in time or measured."""
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
            except (Exception, SystemExit) as error:  # noqa: BLE001 - judged, reported
                self._judge(error, "process", port, item)

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
        """Make the function for a PE that is one function."""
        outputs = self._outputs

        def all_at_once(items: list[Any], cells: Any, cell: int) -> None:
            emit = outputs[output]
            send = getattr(getattr(emit, "__self__", None), "put_numbers", None)
            easy: Collection[type] = NUMBERS if send is not None else ()
            numbers: list[Any] = []
            for k, item in enumerate(items):
                cells[cell] = k
                try:
                    result = function(item)
                    if type(result) in easy:
                        numbers.append(result)
                    elif result is not None:
                        if numbers and send is not None:
                            send(numbers)
                            numbers = []
                        emit(result)
                except (Exception, SystemExit) as error:  # noqa: BLE001 - judged
                    self._judge(error, "process", port, item)
            if numbers and send is not None:
                send(numbers)
            self.n_in += len(items)

        return all_at_once

    def _batch_of_calls(
        self, port: str, function: Callable[[Any], Any] | None
    ) -> BatchInvoker:
        """Make the function for any PE, or one whose ``function`` gives nothing."""
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
                except (Exception, SystemExit) as error:  # noqa: BLE001 - judged
                    self._judge(error, "process", port, item)
            self.n_in += len(items)

        return all_at_once

    def _careful_invoker(self, port: str | None) -> Deliver:
        """Make the function that bounds each attempt, and tries again.

        If it may try again, what an attempt writes is held back until it succeeds.
        """
        n_retries, pe = self.policy.n_retries, self.pe

        def attempt(item: Any) -> None:
            result = pe.process(item if port is None else {port: item})
            if result is not None:
                self._pass_on(result)

        bounded = self._timer.bounded(attempt)

        def invoke(item: Any) -> None:
            self.n_in += 1
            for left in range(n_retries, -1, -1):
                held: list[tuple[str, Any]] = []
                self._held = held if n_retries else None
                try:
                    bounded(private_copy(item) if left else item)
                except (Exception, SystemExit, ItemTimeout) as error:  # noqa: BLE001
                    self._held = None
                    if not left:
                        self._judge(error, "process", port, item, 1 + n_retries)
                else:
                    self._held = None
                    if self.watch is not None and left < n_retries:
                        self.watch.ending = Ending(DONE, 1 + n_retries - left)
                    for output, item_held in held:
                        self.emit(output, item_held)
                    return

        return invoke

    def _emitter(self, port: str, delivers: list[Deliver]) -> Deliver:
        listener = self._emitted
        if len(delivers) == 1 and listener is None and self.policy.kind != RETRY:
            (only,) = delivers
            counting = getattr(only, "__self__", None)
            if self.watch is not None:
                counting = self.watch.counter_of(only)
            if hasattr(counting, "n_put"):  # it counts itself
                self._counting.append(counting)
                return only

            def emit_one(item: Any) -> None:
                self._n_out += 1
                only(item)

            return emit_one

        def emit(item: Any) -> None:
            if self._held is not None:
                self._held.append((port, item))
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

    def _judge(
        self,
        error: BaseException,
        phase: str,
        port: str | None,
        item: Any,
        attempts: int = 1,
    ) -> None:
        """Turn an error of PE code into a failure; stop or skip as the policy says."""
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
        self._give_up(failure, item)
