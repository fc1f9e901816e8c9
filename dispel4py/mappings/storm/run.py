"""A run on Storm: its topology starts, its results are gathered, and it is ended."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dispel4py.errors import Dispel4pyError, MappingUnavailable, RunError
from dispel4py.failure import Failure
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import close_feeds, feeds_of
from dispel4py.mappings.leftovers import flush_files
from dispel4py.mappings.options import name_of_run
from dispel4py.mappings.storm.component import StormJob
from dispel4py.mappings.storm.daemons import local_cluster
from dispel4py.mappings.storm.driver import Server
from dispel4py.mappings.storm.gathering import Gathering, StateLost
from dispel4py.mappings.storm.nimbus import Nimbus, interface
from dispel4py.mappings.storm.package import environment, make_package
from dispel4py.mappings.storm.settings import CREATE, LOCAL, StormOptions
from dispel4py.mappings.storm.topology import (
    DRIVER,
    KEY,
    NAME,
    configuration,
    describe_components,
    make_topology,
)
from dispel4py.observe import Observers
from dispel4py.plan import Plan
from dispel4py.result import RunResult
from dispel4py.stop import Stop
from dispel4py.terminal import end_after_clean_up, standard_streams

_log = logging.getLogger(__name__)

#: Starts of a run whose states are lost again and again.
_MOST_STARTS = 4
#: Seconds after which a warning says that components have not started, and after which
#: an error of Storm ends the run if some have not.
_SLOW_START_S, _LOOK_FOR_ERRORS_S = 15.0, 20.0
#: The same as the second value, if they have all been there: Storm reports errors of
#: the processes that ended, too, and its new workers may be slow.
_LOOK_AGAIN_S = 120.0
#: Longest time, in seconds, for the end of a topology at Nimbus.
_END_S = 30.0


def run_by_storm(
    plan: Plan, inputs: SourceInputs, observers: Observers, options: StormOptions
) -> RunResult:
    """Run a plan on Storm; or only write its topology package.

    Parameters
    ----------
    plan : Plan
        Each instance is a process of its own.
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
    options : StormOptions

    Raises
    ------
    MappingUnavailable
        If there is no Storm.
    RunError
        If the run failed.
    """
    name = name_of_run(options.run_name)
    flush_files(plan.pes)
    job = StormJob(plan, options, observers.at_worker(), inputs, os.getcwd(), name)
    package = make_package(job, options.resources)
    path = options.package
    if options.chosen_mode == CREATE and path is None:
        path = f"{name}.zip"
    if path is not None:
        Path(path).write_bytes(package)
    if options.chosen_mode == CREATE:
        sys.stdout.write(
            f"{path}\nto run it: dispel4py storm --submit {path} --nimbus HOST\n"
        )
        return RunResult(n_processes=plan.n_processes, complete=False)
    return submit(job, package, observers, options)


def submit(
    job: StormJob, package: bytes, observers: Observers, options: StormOptions
) -> RunResult:
    """Run a topology package.

    Parameters
    ----------
    job : StormJob
        The job in it.
    package : bytes
    observers : Observers
        The observers of this process.
    options : StormOptions
        Where it runs.

    Raises
    ------
    MappingUnavailable
        If there is no Storm.
    RunError
        If the run failed.
    """
    with standard_streams(), end_after_clean_up(), _cluster(options) as nimbus:
        began = time.perf_counter()
        try:
            for n_starts in range(1, _MOST_STARTS + 1):
                collector = Collector(job.plan, observers, job.options)
                topology = Topology(job, package, nimbus, options)
                try:
                    topology.run(collector)
                except StateLost as lost:
                    can_restart = options.restart_workers and not feeds_of(job.inputs)
                    if not can_restart or n_starts == _MOST_STARTS:
                        raise
                    _log.warning("the run starts again: %s", lost)
                else:
                    return collector.finish(time.perf_counter() - began)
        except Stop as stop:  # raised by an iterator of inputs
            raise RunError([stop.failure]) from stop.__cause__
        finally:
            close_feeds(job.inputs)
    raise AssertionError("unreachable")


@contextlib.contextmanager
def _cluster(options: StormOptions) -> Iterator[Nimbus]:
    if options.chosen_mode == LOCAL:
        with local_cluster() as nimbus:
            yield nimbus
        return
    address = options.nimbus_address
    if address is None:
        raise MappingUnavailable(
            "give the address of Nimbus: --nimbus HOST, or DISPEL4PY_NIMBUS=HOST"
        )
    yield Nimbus(*address)


class Topology:
    """The topology of a run at a cluster.

    Parameters
    ----------
    job : StormJob
    package : bytes
    nimbus : Nimbus
    options : StormOptions
    """

    def __init__(
        self, job: StormJob, package: bytes, nimbus: Nimbus, options: StormOptions
    ) -> None:
        self._job, self._package = job, package
        self._nimbus, self._options = nimbus, options
        self._name = job.name
        self._began = time.monotonic()
        self._has_warned = self._was_complete = False

    def run(self, collector: Collector) -> None:
        """Start the topology, gather its results, and end it in any case.

        Parameters
        ----------
        collector : Collector
            Gets the results.

        Raises
        ------
        RunError
            If the run failed.
        """
        job, key = self._job, secrets.token_bytes(32)
        host = self._options.address or self._nimbus.own_host()
        with contextlib.closing(Server(host, key)) as server:
            gathering = Gathering(
                job.plan, job.inputs, server, collector, self._look_at_cluster
            )
            try:
                self._submit(server.address, key)
                gathering.gather()
            finally:
                gathering.close()
                self._end()

    def _submit(self, address: str, key: bytes) -> None:
        options = self._options
        n_workers = options.storm_workers
        if n_workers is None:
            n_workers = max(1, len(self._nimbus.supervisors()))
        conf = configuration(n_workers, environment(options.python))
        conf |= {DRIVER: address, KEY: key.hex(), NAME: self._name}
        program = options.python or sys.executable
        components = describe_components(self._job.plan)
        topology = make_topology(components, program, interface())
        self._nimbus.submit(self._name, self._package, conf, topology)
        where = self._nimbus.address
        _log.info("to end: dispel4py storm --kill %s --nimbus %s", self._name, where)

    def _look_at_cluster(self, n_absent: int) -> None:
        """Check that the topology exists, and that its components start.

        Parameters
        ----------
        n_absent : int
            Number of components that are not connected.

        Raises
        ------
        RunError
            If it was ended, or components cannot start.
        """
        try:
            self._check(n_absent)
        except MappingUnavailable as error:  # a topology runs on without Nimbus
            _log.warning("%s", error)

    def _check(self, n_absent: int) -> None:
        summaries = [t for t in self._nimbus.topologies() if t.name == self._name]
        if not summaries or summaries[0].status == "KILLED":
            raise _failed(f"the topology {self._name} was ended at {self._where}")
        if not n_absent:
            self._began, self._was_complete = time.monotonic(), True
            return
        seconds = time.monotonic() - self._began
        if seconds > (_LOOK_AGAIN_S if self._was_complete else _LOOK_FOR_ERRORS_S):
            errors = self._nimbus.errors(summaries[0].id)
            if errors:
                raise _failed(f"components cannot start: {errors[0]}")
        if seconds > _SLOW_START_S and not self._has_warned:
            self._has_warned = True
            _log.warning(
                "%d components have not started: %s", n_absent, self._slots_text()
            )

    @property
    def _where(self) -> str:
        return f"Nimbus {self._nimbus.address}"

    def _slots_text(self) -> str:
        supervisors = self._nimbus.supervisors()
        n_free = sum(s.num_workers - s.num_used_workers for s in supervisors)
        return f"{len(supervisors)} supervisors have {n_free} free slots"

    def _end(self) -> None:
        """End the topology, and wait until Nimbus has forgotten it."""
        with contextlib.suppress(Dispel4pyError):
            deadline = time.monotonic() + _END_S
            self._nimbus.kill(self._name)
            while time.monotonic() < deadline:
                if all(t.name != self._name for t in self._nimbus.topologies()):
                    return
                time.sleep(0.1)


def _failed(cause: str) -> RunError:
    return RunError([Failure("", 0, 0, "run", None, "", cause)])
