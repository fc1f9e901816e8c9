"""Graphs as users of dispel4py 1.x write them; run as a program, all use MPI."""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from typing import Any

from dispel4py.base import IterativePE, ProducerPE
from dispel4py.core import GenericPE
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph

N = 60


class Writes(GenericPE):
    """Write to two outputs that are not declared, and return a third."""

    def __init__(self) -> None:
        super().__init__()
        self._add_input("input")
        self._add_output("output")

    def process(self, inputs: Any) -> Any:
        item = inputs["input"]
        self.write("errors", -item)
        if item % 2:
            self.write(("a", "b"), [item])
        return {"output": item, "result": str(item)}


class Name(str):
    """A text; upper and lower case are equal."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return str.lower(self) == str(other).lower()

    def __hash__(self) -> int:
        return hash(str.lower(self))


class Station:
    """Equal if the code is equal."""

    def __init__(self, code: str, note: int) -> None:
        self.code, self.note = code, note

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Station) and self.code == other.code

    def __hash__(self) -> int:
        return hash(self.code)


@dataclasses.dataclass(frozen=True)
class Channel:
    """Equal if the code is equal, by its declaration."""

    code: str
    note: int = dataclasses.field(compare=False)


@dataclasses.dataclass
class Location:
    """Equal if the code is equal, by a method of its own."""

    code: str
    note: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Location) and self.code == other.code

    def __hash__(self) -> int:
        return hash(self.code)


def keys_of(k: int) -> dict[str, Any]:
    """Return keys of several kinds, which are equal for equal remainders of k."""
    code, hours = f"S{k % 5}", k % 24 - 12
    zone = datetime.timezone(datetime.timedelta(hours=hours))
    time = datetime.datetime(2026, 1, 1 + k % 5, 12, tzinfo=datetime.UTC)
    return {
        "time": time.astimezone(zone),
        "name": Name(code if k % 2 else code.lower()),
        "station": Station(code, k),
        "channel": Channel(code, k),
        "location": Location(code, k),
        "pair": (Station(code, k), Name(code if k % 3 else code.lower())),
    }


KINDS = tuple(keys_of(0))


class Keys(ProducerPE):
    """Send items with keys."""

    def _process(self, inputs: Any) -> None:
        for k in range(N):
            self.write("output", keys_of(k) | {"k": k})


class Group(IterativePE):
    """Collect the items of each key; send them at the end."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind
        self.groups: dict[Any, list[int]] = {}
        self.inputconnections["input"]["grouping"] = [kind]

    def _process(self, data: Any) -> None:
        self.groups.setdefault(data[self.kind], []).append(data["k"])

    def _postprocess(self) -> None:
        for members in self.groups.values():
            self.write("output", sorted(members))


class Last(IterativePE):
    """Send items on; group by a key that no item has."""

    def __init__(self) -> None:
        super().__init__()
        self.inputconnections["input"]["grouping"] = ["no such key"]
        self.single = True

    def _process(self, data: Any) -> Any:
        return data


class Count(ProducerPE):
    """Send 0 to N - 1."""

    def _process(self, inputs: Any) -> None:
        for k in range(N):
            self.write("output", k)


def written(**how: Any) -> Any:
    """Return the results of outputs that are not declared."""
    graph, writes, last = WorkflowGraph(), Writes(), Last()
    graph.connect(Count(), "output", writes, "input")
    graph.connect(writes, "output", last, "input")
    result = run(graph, **how)
    if not result.complete:
        return None
    ports = result.outputs[writes.id]
    found = {str(port): sorted(map(str, items)) for port, items in ports.items()}
    return found, len(result.output(last.id)), list(result.counts[writes.id])


EXPECTED_WRITTEN = (
    {
        "errors": sorted(str(-k) for k in range(N)),
        "('a', 'b')": sorted(str([k]) for k in range(1, N, 2)),
        "result": sorted(str(k) for k in range(N)),
    },
    N,
    [N, 3 * N + N // 2],
)
EXPECTED_GROUPS = [list(range(k, N, 5)) for k in range(5)]


def grouped(kind: str, **how: Any) -> Any:
    """Return the groups of one kind of keys."""
    graph, group = WorkflowGraph(), Group(kind)
    group.numprocesses = 3
    graph.connect(Keys(), "output", group, "input")
    result = run(graph, **how)
    return sorted(result.output(group.id)) if result.complete else None


if __name__ == "__main__":
    found = {kind: grouped(kind, mapping="mpi") for kind in KINDS}
    found["written"] = written(mapping="mpi")
    if found["written"] is not None:
        sys.stdout.write(json.dumps(found))
