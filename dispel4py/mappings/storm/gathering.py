"""The course of a run, in the process that started it: from the first message of its
components to the last.
"""

from __future__ import annotations

import logging
import pickle
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from dispel4py.errors import ItemError, RunError
from dispel4py.failure import Failure
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import Feed, feeds_of
from dispel4py.mappings.storm.component import Status
from dispel4py.mappings.storm.driver import Life, Server
from dispel4py.mappings.storm.history import Notes
from dispel4py.mappings.storm.link import (
    CANNOT_REPEAT,
    DRAINED,
    END,
    ENDED,
    FAILED,
    FINISH,
    FINISHED,
    GIVEN,
    HELLO,
    INPUTS,
    PRINTED,
    REPEAT,
    REPORT,
    RESULTS,
    SENT,
    START,
    STOP,
    STOP_RUN,
    STOP_STREAM,
    TAKEN,
)
from dispel4py.mappings.storm.results import Results
from dispel4py.mappings.storm.topology import CONTROL
from dispel4py.mappings.stream_stop import sources_of
from dispel4py.mappings.wire import DONE, PROGRESS
from dispel4py.plan import Plan
from dispel4py.result import ProcessReport

_log = logging.getLogger(__name__)

#: Seconds to wait for a message before the driver looks at the run as a whole.
_LOOK_S = 0.2
#: Frames count as lost if nothing has happened for so many seconds, although no
#: component works.
_STANDSTILL_S = 10.0
#: Processes of an instance that may end while they work: an item that always ends its
#: process must not keep a run alive for ever. A process that has lived longer than the
#: second value, in seconds, does not count.
_MOST_DEATHS, _LONG_LIFE_S = 4, 600.0
#: Seconds that components have to clean up after a failure.
_CLEAN_UP_S = 5.0
#: Seconds between two looks at the cluster.
_CLUSTER_S = 2.0


class StateLost(RunError):
    """The process of an instance with state has ended in the run."""


class Gathering:
    """The run, seen from the driver.

    Parameters
    ----------
    plan : Plan
    inputs : dict
        Instance (by index) to its inputs.
    server : Server
        The connections of components.
    collector : Collector
    look_at_cluster : callable
        Called from time to time with the number of components that are not connected;
        raises `RunError` if the run cannot go on.
    """

    def __init__(
        self,
        plan: Plan,
        inputs: dict[int, Any],
        server: Server,
        collector: Collector,
        look_at_cluster: Callable[[int], None],
    ) -> None:
        self._plan, self._server, self._collector = plan, server, collector
        self._inputs, self._look_at_cluster = inputs, look_at_cluster
        self._feeds = feeds_of(inputs)
        self._results = Results(collector)
        self._specs = {spec.index: spec for spec in plan.instances}
        self._sources = {s.index for s in plan.instances if not s.depth}
        self._lives: dict[Any, Life] = {}
        self._born: dict[Any, float] = {}
        self._deaths: Counter[int] = Counter()
        self._last_death = ("", 0.0)
        self._over: set[int] = set()
        self._stopped: set[int] = set()
        #: Another program has ordered the end of the run.
        self._must_end = False
        self._notes = {index: Notes() for index in self._sources}
        self._statuses: dict[Any, Status] = {}
        self._depth, self._deepest = 0, max(s.depth for s in plan.instances)
        self._must_repeat = False
        self._moved_at = self._looked_at = time.monotonic()
        self._ended: dict[Any, ProcessReport | None] | None = None
        self._handlers: dict[int, Callable[..., None]] = {
            FAILED: self._fail,
            REPORT: self._note_report,
            RESULTS: self._take_results,
            INPUTS: self._give,
            STOP_STREAM: self._stop_stream,
            DRAINED: self._note_drained,
            FINISHED: self._note_finished,
            PRINTED: _print,
            ENDED: self._note_end,
            SENT: self._note_frame,
            CANNOT_REPEAT: self._cannot_repeat,
        }

    @property
    def _n_expected(self) -> int:
        return len(self._specs) + 1

    def gather(self) -> None:
        """Gather messages until all components have ended.

        Raises
        ------
        RunError
            If the run failed.
        """
        while self._ended is None or len(self._ended) < self._n_expected:
            message = self._next(_LOOK_S)
            if message is not None:
                self._handle(*message)
            now = time.monotonic()
            if now - self._looked_at > _CLUSTER_S:
                self._looked_at = now
                self._look_at_cluster(self._n_expected - len(self._lives))
                self._repeat_if_standing(now)

    def _next(self, timeout_s: float) -> tuple[Life, Any] | None:
        from queue import Empty

        try:
            return self._server.messages.get(timeout=timeout_s)
        except Empty:
            return None

    def _handle(self, life: Life, message: Any) -> None:
        if message is None:
            self._note_death(life)
        elif message[0] == HELLO:
            self._start(life)
        elif message[0] == STOP_RUN:
            self._must_end = True
            self._stop(self._sources)
        elif self._lives.get(life.who) is life:
            if message[0] != PRINTED:
                self._moved_at = time.monotonic()
            self._handlers[message[0]](life, *message[1:])

    # -- processes of components ----------------------------------------------------

    def _start(self, life: Life) -> None:
        who = life.who
        if who in self._lives:  # a new process, although the old one has not ended
            old = self._lives[who]
            old.order(END, True)
            self._note_death(old)
        self._lives[who], self._born[who] = life, time.monotonic()
        self._statuses.pop(who, None)
        history = None
        if self._deaths[who] and who in self._sources:
            history = self._notes[who].history()
        life.order(START, who in self._over, history)
        if who in self._stopped:
            life.order(STOP)
        if self._ended is not None:
            life.order(END, False)
        if who == CONTROL and self._depth:
            life.order(FINISH, self._depth)
        if self._must_repeat and len(self._lives) == self._n_expected:
            self._must_repeat = False
            self._repeat()

    def _note_death(self, life: Life) -> None:
        """Note that a process has ended.

        Raises
        ------
        StateLost
            If a state has ended with it.
        RunError
            If too many processes of the instance have ended.
        """
        who = life.who
        if self._lives.get(who) is not life:
            return
        del self._lives[who]
        if self._ended is not None:
            self._ended.setdefault(who, None)
            return
        if who == CONTROL:
            return
        spec, now = self._specs[who], time.monotonic()
        name = f"{spec.pe_id} (instance {spec.number})"
        if now - self._last_death[1] > 1.0:
            self._last_death = (name, now)
        _log.warning("the process %d of %s on %s has ended", life.pid, name, life.host)
        self._must_repeat = True
        if now - self._born[who] < _LONG_LIFE_S:
            self._deaths[who] += 1
        else:
            self._deaths[who] = 1
        first = self._last_death[0]
        cause = "" if first == name else f" (after that of {first})"
        where = spec.pe_id, spec.number, spec.process, "worker", None, ""
        if who not in self._over and not self._can_be_replaced(who):
            cause = f"its process ended{cause}, and its state is lost"
            # a run that is to end does not start again
            error = RunError if self._must_end else StateLost
            raise error([Failure(*where, cause)])
        if self._deaths[who] >= _MOST_DEATHS:
            cause = f"{_MOST_DEATHS} processes of it ended one after the other{cause}"
            raise RunError([Failure(*where, cause)])

    def _can_be_replaced(self, index: int) -> bool:
        """Return whether a new process can do the work of an instance."""
        if index in self._sources:
            is_fed = isinstance(self._inputs.get(index), Feed)
            return self._notes[index].can_repeat and not is_fed
        return self._plan.is_stateless(self._specs[index].pe_index)

    def _order_all(self, *order: Any) -> None:
        for life in list(self._lives.values()):
            life.order(*order)

    def _repeat(self) -> None:
        """Let all sources send the frames again that are not complete."""
        _log.info("frames may be lost: sources send them again")
        for who in [*self._sources, CONTROL]:
            if who in self._lives:
                self._lives[who].order(REPEAT)

    def _repeat_if_standing(self, now: float) -> None:
        statuses = self._statuses.values()
        if now - self._moved_at < _STANDSTILL_S or self._must_repeat:
            return
        is_pending = any(status.n_pending for status in statuses)
        if is_pending and all(status.is_idle for status in statuses):
            self._moved_at = now
            self._repeat()

    # -- messages of components --------------------------------------------------

    def _fail(self, life: Life, failure: Failure) -> None:
        raise RunError([failure])

    def _note_report(
        self, life: Life, index: int, report: ProcessReport | None, status: Status
    ) -> None:
        self._statuses[life.who] = status
        if report is not None:
            self._collector.take_report(report.process, PROGRESS, report)

    def _take_results(
        self, life: Life, index: int, name: Any, low: int, text: bytes
    ) -> None:
        if not text:  # a question whether all is taken
            life.order(TAKEN)
            return
        self._results.take(index, name, low, text)
        if self._collector.failure is not None:
            raise RunError([self._collector.failure])

    def _give(self, life: Life, index: int) -> None:
        """Give a source its next inputs."""
        inputs = None
        if index not in self._over:
            inputs = next(self._feeds[index], None)
        try:
            text = None if inputs is None else pickle.dumps(inputs, 5)
        except Exception as error:
            raise ItemError(f"the inputs cannot be sent to Storm: {error}") from error
        life.order(GIVEN, text)

    def _note_frame(self, life: Life, index: int, *frame: Any) -> None:
        self._notes[index].note(*frame)

    def _cannot_repeat(self, life: Life, index: int) -> None:
        self._notes[index].forget()

    def _stop_stream(self, life: Life, pe_index: int) -> None:
        pes = sources_of(self._plan, pe_index)
        self._stop({s.index for s in self._plan.instances if s.pe_index in pes})

    def _stop(self, indices: set[int]) -> None:
        """End sources: they are called no more, and all other PEs finish.

        A source may not have started, or its process may be replaced later.
        """
        self._stopped |= indices
        for index in indices - self._over:
            if index in self._lives:
                self._lives[index].order(STOP)

    def _note_drained(self, life: Life, index: int) -> None:
        self._over.add(index)
        if self._sources <= self._over:
            self._finish_next()

    def _note_finished(self, life: Life, depth: int) -> None:
        self._statuses.pop(life.who, None)
        if depth == self._depth:
            self._over |= {s.index for s in self._plan.instances if s.depth == depth}
            self._finish_next()

    def _finish_next(self) -> None:
        """Finish the PEs of the next depth, or end the run."""
        if self._depth < self._deepest:
            self._depth += 1
            if CONTROL in self._lives:
                self._lives[CONTROL].order(FINISH, self._depth)
        elif self._ended is None:
            self._ended = {}
            self._order_all(END, False)

    def _note_end(self, life: Life, report: ProcessReport | None) -> None:
        if self._ended is not None:
            self._ended[life.who] = report
        if report is not None:
            self._collector.take_report(report.process, DONE, report)

    # -- the end ----------------------------------------------------------------------

    def close(self) -> None:
        """Let the components clean up, if the run has failed."""
        if self._ended is not None and len(self._ended) >= self._n_expected:
            return
        waiting = set(self._lives)
        self._order_all(END, True)
        deadline = time.monotonic() + _CLEAN_UP_S
        while waiting and time.monotonic() < deadline:
            entry = self._next(_LOOK_S)
            if entry is None:
                continue
            life, message = entry
            if message is None or message[0] == ENDED:
                waiting.discard(life.who)
            elif message[0] == PRINTED:
                _print(life, *message[1:])
            elif message[0] == RESULTS and not message[-1]:
                life.order(TAKEN)


def _print(life: Life, number: int, text: bytes) -> None:
    """Show what a component has printed."""
    stream = sys.stdout if number == 1 else sys.stderr
    stream.write(text.decode(errors="replace"))
    stream.flush()
