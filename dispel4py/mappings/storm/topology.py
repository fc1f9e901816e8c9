"""The topology of Storm for a plan: components, streams and configuration."""

from __future__ import annotations

import re
from typing import Any

from dispel4py.mappings.storm.component import finish_stream, stream_to
from dispel4py.plan import InstanceSpec, Plan

#: The component that finishes the PEs.
CONTROL = "control"
#: The files of a package: the program of each component, and the job.
PROGRAM, JOB = "component.py", "job.pickle"
#: The configuration of a topology: address of the driver, key and name of the run.
DRIVER, KEY, NAME = "dispel4py.driver", "dispel4py.key", "dispel4py.name"

#: Seconds in place of limits of Storm for a tuple and a call: PEs may take long. The
#: driver notices lost tuples and processes that have ended. Storm counts in
#: milliseconds with 32 bits.
_LONG_S = 1_000_000
#: Tuples that wait for a component in a worker; a power of 2.
_QUEUE = 256
#: Fields of the tuples with frames.
_FIELDS = ["receiver", "head", "content"]


def component_name(plan: Plan, pe_index: int) -> str:
    """Return the name of the component of a PE.

    Parameters
    ----------
    plan : Plan
    pe_index : int
        The PE.
    """
    return f"{pe_index}-{re.sub(r'[^A-Za-z0-9_.-]', '_', plan.pes[pe_index].id)}"


def instance_of(plan: Plan, component: str, number: int) -> InstanceSpec:
    """Return the instance that a task of a component runs.

    Parameters
    ----------
    plan : Plan
    component : str
        The name of the component.
    number : int
        The place of the task among the tasks of the component.
    """
    return plan.instances_of(int(component.partition("-")[0]))[number]


def describe_components(plan: Plan) -> dict[str, dict[str, Any]]:
    """Return a description of each component by name.

    Its keys are ``is_spout``, ``n_tasks``, ``streams`` (with their fields) and
    ``inputs`` (tuples of a component, its stream and the fields by which its tuples are
    grouped; None if all tasks get each tuple).

    Parameters
    ----------
    plan : Plan
    """
    depths = {spec.pe_index: spec.depth for spec in plan.instances}
    sinks = sorted({depth for depth in depths.values() if depth})
    components = {
        CONTROL: {
            "is_spout": True,
            "n_tasks": 1,
            "streams": {finish_stream(depth): ["head"] for depth in sinks},
            "inputs": [],
        }
    }
    for k in range(len(plan.pes)):
        receivers = {r.destination_pe for r in plan.routes if r.source_pe == k}
        feeders = {r.source_pe for r in plan.routes if r.destination_pe == k}
        inputs: list[Any] = [
            (component_name(plan, feeder), stream_to(k), _FIELDS[:1])
            for feeder in sorted(feeders)
        ]
        if feeders:
            inputs.append((CONTROL, finish_stream(depths[k]), None))
        components[component_name(plan, k)] = {
            "is_spout": not feeders,
            "n_tasks": len(plan.instances_of(k)),
            "streams": {stream_to(other): _FIELDS for other in sorted(receivers)},
            "inputs": inputs,
        }
    return components


def configuration(n_workers: int, environment: dict[str, str]) -> dict[str, Any]:
    """Return the configuration of a topology.

    Parameters
    ----------
    n_workers : int
        The number of its workers, which are Java programs with some components each.
    environment : dict
        Variables for the components.
    """
    return {
        "topology.workers": n_workers,
        "topology.acker.executors": n_workers,
        "topology.environment": environment,
        "topology.enable.message.timeouts": False,
        "topology.message.timeout.secs": _LONG_S,
        "topology.subprocess.timeout.secs": _LONG_S,
        "topology.executor.receive.buffer.size": _QUEUE,
        "topology.shellbolt.max.pending": 16,
        "topology.component.resources.onheap.memory.mb": 16.0,
    }


def make_topology(
    components: dict[str, dict[str, Any]], program: str, thrift: Any
) -> Any:
    """Return a topology as the interface of Nimbus describes it.

    Parameters
    ----------
    components : dict
        See `describe_components`.
    program : str
        Path of Python on the hosts of the cluster.
    thrift : module
        The interface.
    """
    topology = thrift.StormTopology(spouts={}, bolts={}, state_spouts={})
    for name, component in components.items():
        shell = thrift.ShellComponent(execution_command=program, script=PROGRAM)
        code = thrift.ComponentObject(shell=shell)
        common = thrift.ComponentCommon(
            inputs={
                thrift.GlobalStreamId(componentId=source, streamId=stream): (
                    thrift.Grouping(all=thrift.NullStruct())
                    if fields is None
                    else thrift.Grouping(fields=fields)
                )
                for source, stream, fields in component["inputs"]
            },
            streams={
                stream: thrift.StreamInfo(output_fields=fields, direct=False)
                for stream, fields in component["streams"].items()
            },
            parallelism_hint=component["n_tasks"],
        )
        if component["is_spout"]:
            topology.spouts[name] = thrift.SpoutSpec(spout_object=code, common=common)
        else:
            topology.bolts[name] = thrift.Bolt(bolt_object=code, common=common)
    return topology
