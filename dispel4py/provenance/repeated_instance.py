"""An instance of an element that makes recorded calls again."""

from __future__ import annotations

import contextlib
import copy
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from dispel4py.call_timer import CallTimer
from dispel4py.core import GenericPE
from dispel4py.failure import Failure
from dispel4py.instance import Instance
from dispel4py.lineage import POSTPROCESS, PREPROCESS
from dispel4py.observe import Observer, Observers
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.policy import SKIP, Policy
from dispel4py.provenance.derivation import Derivation
from dispel4py.provenance.instance_records import FILE
from dispel4py.provenance.needed_calls import CallId, Recorded, Sent, Series
from dispel4py.provenance.storable import key_json
from dispel4py.stop import Stop

__all__ = ["AT_THE_END", "Item", "RepeatedInstance", "Replay"]

#: In place of the number of a call: the items that are sent at the end of a series.
AT_THE_END = -1
_Outlet = tuple[int, str, str | None]  # number of the call, port and key


class Item(NamedTuple):
    """An item that was sent again, and the arguments of ``write``."""

    value: Any
    notes: Mapping[str, Any]


@dataclass
class Replay:
    """Calls that were made again.

    Attributes
    ----------
    n_calls : int
    pes : list of str
        The PEs that were called.
    item : Item or None
        The product, if one was asked for and sent.
    part : int
        Which of the parts of the item is the product, if it is a part.
    n_sent : dict
        Number of items that each call sent.
    failures : dict
        The failures of calls.
    """

    n_calls: int = 0
    pes: list[str] = field(default_factory=list)
    item: Item | None = None
    part: int = 0
    n_sent: Counter[CallId] = field(default_factory=Counter)
    failures: dict[CallId, Failure] = field(default_factory=dict)


class RepeatedInstance(Observer):
    """An instance that makes a series of calls again, and keeps what is needed.

    Parameters
    ----------
    plan : Plan
    spec : InstanceSpec
        Its place in the plan.
    series : Series
    wanted : set of tuple
        Port and key of the items that are kept.
    result : Replay
        Gets the failures, and the numbers of items.
    """

    def __init__(
        self,
        plan: Plan,
        spec: InstanceSpec,
        series: Series,
        wanted: set[tuple[str, str | None]],
        result: Replay,
    ) -> None:
        self.spec = spec
        self._series, self._wanted, self._result = series, wanted, result
        self._pe: GenericPE = copy.deepcopy(plan.pes[spec.pe_index])
        self._derivation = Derivation(self._pe)
        self._sent: dict[_Outlet, list[Item]] = {}
        self._number, self._last = AT_THE_END, -2
        self._key: str | None = None
        self._notes: Mapping[str, Any] = {}
        self._has_started = self._has_ended = False
        self._instance = Instance(
            *(self._pe, spec, Policy(SKIP), Observers([self]), None),
            *(self._note_failure, CallTimer(), []),
        )
        self._instance.outputs.connect(
            {port: [] for port in self._pe.outputconnections},
            lambda port: [_do_nothing],
        )

    # -- what is sent ------------------------------------------------------------

    def noted(
        self, instance: InstanceSpec, port: str, notes: Mapping[str, Any]
    ) -> None:
        """Keep the notes about the next item, or about a file that was written."""
        if port:
            self._notes = notes
        elif "file" in notes:
            self._keep(FILE, notes["file"], self._key)

    def emitted(self, instance: InstanceSpec, port: str, item: Any) -> None:
        """Keep an item, if it is needed."""
        key = None
        if self._series.keys:
            key = key_json(self._derivation.key_of_product(port, item)) or self._key
        self._keep(port, item, key)

    def _keep(self, port: str, item: Any, key: str | None) -> None:
        notes, self._notes = self._notes, {}
        self._result.n_sent[CallId(self._series.instance, self._number)] += 1
        if (port, key) in self._wanted:
            outlet = (self._number, port, key)
            self._sent.setdefault(outlet, []).append(Item(item, notes))

    def item(self, sent: Sent) -> Item | None:
        """Return an item that was sent; None if it was not."""
        items = self._sent.get((sent.number, sent.port, sent.key), [])
        return items[sent.k] if sent.k < len(items) else None

    def forget(self, sent: Sent) -> None:
        """Forget an item that nobody needs any more."""
        for number in (sent.number, AT_THE_END):
            items = self._sent.get((number, sent.port, sent.key), [])
            if sent.k < len(items):
                items[sent.k] = Item(None, {})

    # -- calls -------------------------------------------------------------------

    def take_up_to(self, calls: Mapping[int, Recorded], last: int) -> list[int]:
        """Return the numbers of calls that are still to be made up to a number.

        Parameters
        ----------
        calls : mapping
            All calls of the series.
        last : int
            The number.
        """
        numbers = sorted(n for n in calls if self._last < n <= last)
        self._last = max(last, self._last)
        return numbers

    def make(self, number: int, call: Recorded, given: Any) -> None:
        """Make a call.

        Parameters
        ----------
        number : int
        call : Recorded
        given : object
            The item, or the inputs of a source.
        """
        self._number = number
        with self._failing():
            self._start()
            if call.phase == PREPROCESS:
                return
            if call.phase == POSTPROCESS:
                self._end_instance()
                return
            if self._series.keys:
                key = self._derivation.key_of_product(str(call.port), given)
                self._key = key_json(key)
            is_count = call.port is None and isinstance(given, int)
            item = {} if is_count else copy.deepcopy(given)
            self._instance.give(call.port, item)
        self._key = None

    def end(self) -> None:
        """Let the PE send what it has kept."""
        self._number = AT_THE_END
        with self._failing():
            self._start()
            self._end_instance()

    def _start(self) -> None:
        if not self._has_started:
            self._has_started = True
            self._instance.start()

    def _end_instance(self) -> None:
        if not self._has_ended:
            self._has_ended = True
            self._instance.finish()

    @contextlib.contextmanager
    def _failing(self) -> Any:
        """Keep a failure that would end the worker of a run."""
        try:
            yield
        except Stop as stop:
            self._note_failure(stop.failure, None)

    def _note_failure(self, failure: Failure, item: Any) -> None:
        call = CallId(self._series.instance, self._number)
        self._result.failures[call] = failure

    def close(self) -> None:
        """Let the PE release what it has opened."""
        with contextlib.suppress(Stop):
            self._instance.tear_down()


def _do_nothing(item: Any) -> None:
    pass
