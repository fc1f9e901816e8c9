"""A run on Spark: a job for all PEs of the same depth, one depth after the other.

Each PE is a stage of Spark, each of its instances a partition, which a task computes.
The items that a PE sends are kept by Spark until the PEs that receive them have ended.
If an executor or a Python worker is killed, Spark runs its tasks again. The driver
looks at the failures of one depth before it starts the next depth: so no PE finishes
with a part of its items.
"""

from __future__ import annotations

import functools
import os
import pickle
import re
import sys
import time
import uuid
from collections.abc import Sequence
from typing import Any

from dispel4py.errors import ItemError, RunError
from dispel4py.failure import Failure, root_cause
from dispel4py.lineage import COLLECTOR, INPUTS, Key
from dispel4py.mappings.base import SourceInputs
from dispel4py.mappings.collector import Collector
from dispel4py.mappings.feeding import Feed, feeds_of
from dispel4py.mappings.job import dump_job
from dispel4py.mappings.options import Options
from dispel4py.mappings.spark.context import call_in_thread
from dispel4py.mappings.spark.records import Record, items_by_route
from dispel4py.mappings.spark.task import StageJob, run_task
from dispel4py.observe import Observers
from dispel4py.plan import InstanceSpec, Plan
from dispel4py.result import RunResult
from dispel4py.stop import Stop

_METHOD = "spark"


def run_stages(
    context: Any,
    plan: Plan,
    inputs: SourceInputs,
    observers: Observers,
    options: Options,
) -> RunResult:
    """Run a plan on Spark.

    Parameters
    ----------
    context : SparkContext
        The connection to the cluster.
    plan : Plan
        Each instance is a process of its own.
    inputs : dict
        Instance (by index) to its inputs.
    observers : Observers
        Those that listen to calls are copied into each task.
    options : Options
        Options of the run.

    Raises
    ------
    RunError
        If a PE failed, or Spark could not run a task.
    """
    began = time.perf_counter()
    collector = Collector(plan, observers, options)
    try:
        texts = _pickled_inputs(plan, inputs)
    except Stop as stop:
        raise RunError([stop.failure]) from stop.__cause__
    job = StageJob(plan, options, observers.at_worker(), os.getcwd())
    stages = Stages(context, plan, dump_job(job, _METHOD, has_main=False), texts)
    try:
        for depth in sorted({spec.depth for spec in plan.instances}):
            for record in stages.run(depth):
                _take_record(collector, record)
            if collector.failure is not None:
                raise RunError([collector.failure])
    finally:
        stages.close()
    return collector.finish(time.perf_counter() - began)


def _pickled_inputs(plan: Plan, inputs: SourceInputs) -> dict[int, bytes]:
    """Return the inputs of each instance; iterators are read to their end."""
    lists: dict[int, Any] = {k: v for k, v in inputs.items() if not isinstance(v, Feed)}
    readers: dict[int, list[int]] = {}
    feeds = feeds_of(inputs)
    for index in feeds:
        readers.setdefault(plan.instances[index].pe_index, []).append(index)
        lists[index] = []
    for indices in readers.values():
        for number, item in enumerate(feeds[indices[0]]):
            lists[indices[number % len(indices)]].append(item)
    return {index: _pickled(values) for index, values in lists.items()}


def _pickled(inputs: Any) -> bytes:
    try:
        return pickle.dumps(inputs, 5)
    except Exception as error:
        raise ItemError(f"the inputs cannot be sent to Spark: {error}") from error


def _take_record(collector: Collector, record: Record) -> None:
    (_, _, source), content = record
    if isinstance(content, tuple):
        collector.take_report(source, *content)
        return
    for route, items in items_by_route(content):
        collector.take_items(Key(source, route, COLLECTOR), items)


class Stages:
    """The stages of a run.

    Parameters
    ----------
    context : SparkContext
    plan : Plan
    job : bytes
        The job of all tasks.
    inputs : dict
        Instance (by index) to its pickled inputs.
    """

    def __init__(
        self, context: Any, plan: Plan, job: bytes, inputs: dict[int, bytes]
    ) -> None:
        self._context, self._plan, self._inputs = context, plan, inputs
        self._job = context.broadcast(job)
        self._stages: dict[int, Any] = {}  # PE, as index, to its RDD
        self._group = f"dispel4py-{uuid.uuid4().hex[:12]}"

    def run(self, depth: int) -> list[Record]:
        """Run all PEs of one depth; return their records for the driver.

        Raises
        ------
        RunError
            If Spark could not run a task.
        """
        specs = [spec for spec in self._plan.instances if spec.depth == depth]
        pes = list(dict.fromkeys(spec.pe_index for spec in specs))
        for pe in pes:
            self._stages[pe] = self._stage(pe)
        names = ", ".join(self._plan.pes[pe].id for pe in pes)
        reports = [self._stages[pe].filter(_is_for_driver) for pe in pes]
        try:
            records = self._collect(names, self._context.union(reports))
        except Exception as error:
            raise RunError([_lost_task(error, specs)]) from error
        self._release(depth)
        return records

    def _collect(self, title: str, records: Any) -> list[Record]:
        """Return the content of an RDD; a signal ends the job."""

        def collect() -> list[Record]:
            self._context.setJobGroup(self._group, title)
            return list(records.collect())

        cancel = functools.partial(self._context.cancelJobGroup, self._group)
        return call_in_thread(collect, cancel)

    def close(self) -> None:
        """Free what Spark keeps for this run."""
        for pe in list(self._stages):
            self._stages.pop(pe).unpersist()
        self._job.unpersist()

    def _stage(self, pe: int) -> Any:
        """Return the RDD with the records that a PE sends."""
        from pyspark import StorageLevel

        plan, specs = self._plan, self._plan.instances_of(pe)
        first, n = specs[0].index, len(specs)
        records = self._input_records(specs)
        inputs = self._context.parallelize(records, n)
        feeders = {r.source_pe for r in plan.routes if r.destination_pe == pe}
        if feeders:
            is_ours = functools.partial(_is_for, first, first + n)
            sent = [self._stages[k].filter(is_ours) for k in sorted(feeders)]
            place = functools.partial(_number, first)
            everything = self._context.union([inputs, *sent] if records else sent)
            source = everything.repartitionAndSortWithinPartitions(n, place)
        else:  # one record for each instance, in this order
            source = inputs
        body = functools.partial(_run_partition, self._job, tuple(sys.path), first)
        stage = source.mapPartitionsWithIndex(body)
        if any(route.source_pe == pe for route in plan.routes):
            stage.persist(StorageLevel.DISK_ONLY)
        return stage

    def _input_records(self, specs: Sequence[InstanceSpec]) -> list[Record]:
        return [
            ((spec.index, -1, INPUTS), self._inputs[spec.index])
            for spec in specs
            if spec.index in self._inputs
        ]

    def _release(self, depth: int) -> None:
        """Free the records of PEs whose receivers have all ended."""
        depths = {spec.pe_index: spec.depth for spec in self._plan.instances}
        for pe in list(self._stages):
            later = [r.destination_pe for r in self._plan.routes if r.source_pe == pe]
            if all(depths[k] <= depth for k in later):
                self._stages.pop(pe).unpersist()


def _is_for_driver(record: Record) -> bool:
    return record[0][0] == COLLECTOR


def _is_for(first: int, end: int, record: Record) -> bool:
    return first <= record[0][0] < end


def _number(first: int, key: tuple[int, int, int]) -> int:
    """Return the number of the receiver of a record among the instances of its PE."""
    return key[0] - first


def _run_partition(
    job: Any, path: Sequence[str], first: int, number: int, records: Any
) -> Any:
    return run_task(job.value, path, first, number, records)


def _lost_task(error: Exception, specs: Sequence[InstanceSpec]) -> Failure:
    """Describe a task that Spark could not run; ``specs`` are the running instances."""
    cause = getattr(error, "java_exception", None)
    text = root_cause(error) if cause is None else str(cause.getMessage())
    match = re.search(r"Task (\d+) in stage", text)
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [x for x in lines[1:] if re.match(r"[\w.]+(Error|Exception)\b", x)]
    # "Job aborted ...: Lost task 1.0 in stage 2.0 (TID 3) (host executor 1): reason"
    reason = re.sub(r".*\(TID \d+\) \(.*?\): ", "", lines[0])
    reason = reason.partition(" Consider setting")[0]
    message = " ".join(["Spark could not run a task:", reason, *errors[:1]])
    spec = None
    if match and int(match[1]) < len(specs):
        spec = sorted(specs, key=lambda s: s.index)[int(match[1])]
    where = ("", 0, 0) if spec is None else (spec.pe_id, spec.number, spec.process)
    return Failure(*where, "worker", None, "", message)
