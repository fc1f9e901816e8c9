"""All processes of a run at the same time, as the tasks of a barrier stage of Spark.

Spark starts the tasks of a barrier stage together, or not at all. Each task is an agent
of `dispel4py.mappings.tcp`, so items go from process to process, and a stream may be
without an end.
"""

from __future__ import annotations

import functools
import threading
import uuid
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from dispel4py.errors import MappingUnavailable
from dispel4py.failure import root_cause
from dispel4py.mappings.spark.context import wait_for_slots
from dispel4py.mappings.tcp.agent import tend
from dispel4py.mappings.tcp.run import Part
from dispel4py.mappings.tcp.ticket import Ticket

#: Seconds that the tasks have to end after the run, before Spark cancels them.
_END_SECONDS = 8.0
_LOOPBACK = "127.0.0.1"


class BarrierStarter:
    """Starts the agents of a run as the tasks of a barrier stage.

    Parameters
    ----------
    context : SparkContext
    n : int
        Number of processes, a task each.

    Raises
    ------
    MappingUnavailable
        If the cluster has too few cores.
    """

    name = "spark"
    needs = "the executors must reach"

    def __init__(self, context: Any, n: int) -> None:
        n_slots = wait_for_slots(context, n)
        if n > n_slots:
            raise MappingUnavailable(
                f"{n} processes need a core of Spark each, and there are {n_slots}: "
                "use -n, or a larger cluster"
            )
        self._context = context
        self.parts = [Part("", (process,)) for process in range(n)]
        is_local = str(context.master).startswith("local")
        conf = context.getConf()
        self.address = _LOOPBACK if is_local else str(conf.get("spark.driver.host"))
        self._group = f"dispel4py-{uuid.uuid4().hex[:12]}"
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._lines: list[bytes] = []

    def start(self, tickets: Sequence[Ticket]) -> None:
        """Start the stage, in a thread."""
        self._lines = [ticket.to_line() for ticket in tickets]
        self._thread.start()

    def _run(self) -> None:
        try:
            self._context.setJobGroup(self._group, "dispel4py")
            n = len(self._lines)
            numbers = self._context.parallelize(range(n), n).barrier()
            body = functools.partial(_tend, self._lines)
            numbers.mapPartitionsWithIndex(body).collect()
        except Exception as error:  # noqa: BLE001 - `check` reports it
            self._error = error

    def check(self, awaited: Collection[int]) -> None:
        """Look whether the stage has failed before all agents were there.

        Parameters
        ----------
        awaited : collection of int
            The agents, by index.

        Raises
        ------
        MappingUnavailable
            If it has.
        """
        if awaited and self._error is not None:
            cause = getattr(self._error, "java_exception", None)
            text = root_cause(self._error) if cause is None else cause.getMessage()
            raise MappingUnavailable(
                f"Spark cannot run the tasks: {' '.join(str(text).split())[:500]}"
            )

    def close(self) -> None:
        """Wait for the end of the tasks; cancel them if they do not end."""
        if self._thread.ident is None:
            return
        self._thread.join(_END_SECONDS)
        if self._thread.is_alive():
            self._context.cancelJobGroup(self._group)
            self._thread.join()


def _tend(lines: Sequence[bytes], number: int, records: Any) -> Iterator[Any]:
    """Be the agent of a task."""
    tend(Ticket.from_line(lines[number]))
    return iter(())
