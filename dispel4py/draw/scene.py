"""The content of a picture of a graph: boxes with ports, arrows, frames, colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dispel4py.core import GROUPING, TYPE, GenericPE
from dispel4py.grouping import ALL, CUSTOM, GLOBAL, GROUP_BY, SHUFFLE, Grouping
from dispel4py.types import type_name
from dispel4py.workflow_graph import Node, WorkflowGraph

# Tints of the palette of Okabe and Ito; colour-blind people can tell them apart.
TINTS = (
    "#cfe3f3",
    "#fbdfae",
    "#bfe5d8",
    "#f1d4e4",
    "#faf2ab",
    "#f8cbb2",
    "#d9d9d9",
    "#d8effb",
)
PLAIN = "#f3f5f8"
INK = "#1c2733"
FAINT = "#5f6b78"

#: Largest number of characters of the type of a port; a longer type is cut.
_LONGEST_TYPE = 28


@dataclass(frozen=True)
class Stroke:
    """The look of arrows of one grouping: colour, style (of DOT), and its meaning."""

    colour: str
    style: str
    meaning: str


STROKES = {
    SHUFFLE: Stroke("#4b5866", "solid", "an instance that has room"),
    GROUP_BY: Stroke("#0072b2", "bold", "the instance of this value"),
    ALL: Stroke("#c04a00", "dashed", "every instance"),
    GLOBAL: Stroke("#a3457c", "dotted", "one instance"),
    CUSTOM: Stroke("#00775a", "dashed", "the instance that a function chooses"),
}


@dataclass(frozen=True)
class Port:
    """One port: its name, and the text in the picture, with its type if declared."""

    name: str
    text: str


@dataclass(frozen=True)
class Box:
    """One PE."""

    key: str
    title: str
    about: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    partition: int | None = None

    @property
    def fill(self) -> str:
        """The colour of its partition."""
        return PLAIN if self.partition is None else tint(self.partition)


@dataclass(frozen=True)
class Frame:
    """A composite, or the whole graph: boxes and inner frames."""

    title: str
    members: tuple[Box | Frame, ...]

    def boxes(self) -> list[Box]:
        """Return all boxes, those of inner frames included."""
        boxes: list[Box] = []
        for member in self.members:
            boxes += [member] if isinstance(member, Box) else member.boxes()
        return boxes


@dataclass(frozen=True)
class Arrow:
    """One edge, or several equal edges.

    Attributes
    ----------
    source, destination : str
        Keys of the boxes.
    output, input : str
        Names of the ports.
    kind : str
        The grouping.
    label : str
        The grouping in words, and the number of equal edges; "" for a single edge
        without a grouping.
    """

    source: str
    output: str
    destination: str
    input: str
    kind: str
    label: str


@dataclass(frozen=True)
class Scene:
    """Boxes in their frames, arrows between boxes, and a line for each partition."""

    root: Frame
    arrows: tuple[Arrow, ...]
    partitions: tuple[str, ...]

    @property
    def kinds(self) -> list[str]:
        """The groupings of the arrows, without the default."""
        kinds = {arrow.kind for arrow in self.arrows}
        return [kind for kind in STROKES if kind in kinds and kind != SHUFFLE]


def tint(partition: int) -> str:
    """Return the colour of a partition."""
    return TINTS[partition % len(TINTS)]


def make_scene(graph: WorkflowGraph) -> Scene:
    """Collect the content of a picture of ``graph``."""
    partition, lines = _partitions(graph)
    n_of_name = Counter(pe.name for pe in graph.pes)

    def box(pe: GenericPE) -> Box:
        about = [pe.id] if n_of_name[pe.name] > 1 else []
        if getattr(pe, "single", False):
            about.append("one instance")
        elif pe.numprocesses != 1:
            about.append(f"{pe.numprocesses} instances")
        number = partition.get(id(pe))
        if number is not None and len(lines) > 1:
            about.append(f"partition {number}")
        inputs = tuple(_port(n, p) for n, p in pe.inputconnections.items())
        outputs = tuple(_port(n, p) for n, p in pe.outputconnections.items())
        return Box(pe.id, pe.name, " · ".join(about), inputs, outputs, number)

    def frame(part: WorkflowGraph, nodes: Sequence[Node]) -> Frame:
        members = (
            box(node) if isinstance(node, GenericPE) else frame(node, node.nodes)
            for node in nodes
        )
        return Frame(part.name, tuple(members))

    root = frame(graph, graph.nodes if _is_nested(graph) else graph.pes)
    return Scene(root, _arrows(graph), lines)


def _arrows(graph: WorkflowGraph) -> tuple[Arrow, ...]:
    edges = Counter(
        (c.source.id, c.output, c.destination.id, c.input) for c in graph.connections
    )
    pes = {pe.id: pe for pe in graph.pes}
    arrows = []
    for (source, output, destination, port), n in edges.items():
        declared = pes[destination].inputconnections[port].get(GROUPING)
        grouping = Grouping.of(declared, port)
        label = grouping_text(grouping)
        if n > 1:
            label = f"{label} × {n}".strip()
        arrows.append(Arrow(source, output, destination, port, grouping.kind, label))
    return tuple(arrows)


def grouping_text(grouping: Grouping) -> str:
    """Return a grouping in words.

    >>> grouping_text(Grouping.of(["network", "station"]))
    'by network, station'
    """
    if grouping.kind == GROUP_BY:
        return f"by {', '.join(map(str, grouping.keys))}"
    if grouping.kind == CUSTOM:
        name = getattr(grouping.function, "__name__", "<lambda>")
        return "by function" if name == "<lambda>" else f"by {name}()"
    return {ALL: "all", GLOBAL: "global"}.get(grouping.kind, "")


def _port(name: str, port: dict[str, Any]) -> Port:
    declared = port.get(TYPE)
    if declared is None:
        return Port(name, name)
    text = type_name(declared)
    if len(text) > _LONGEST_TYPE:
        text = f"{text[: _LONGEST_TYPE - 1]}…"
    return Port(name, f"{name}: {text}")


def _partitions(graph: WorkflowGraph) -> tuple[dict[int, int], tuple[str, ...]]:
    """Return the partition of each PE, and a line for each partition."""
    declared = [list(members) for members in graph.partitions or ()]
    if not any(declared):
        return {}, ()
    sizes = list(graph.numprocesses or ())
    number = {id(pe): k for k, members in enumerate(declared) for pe in members}
    others = [pe for pe in graph.pes if id(pe) not in number]
    lines = []
    for k in range(len(declared)):
        n = sizes[k] if k < len(sizes) else None
        plural = "" if n == 1 else "es"
        lines.append(
            f"partition {k}" if n is None else f"partition {k}: {n} process{plural}"
        )
    if others:
        number |= {id(pe): len(declared) for pe in others}
        lines.append(f"partition {len(declared)}: all other PEs")
    return number, tuple(lines)


def _is_nested(graph: WorkflowGraph) -> bool:
    """Return whether each PE is used once, inside one composite or outside of all."""
    return _places(graph) == len(graph.pes)


def _places(graph: WorkflowGraph) -> int:
    """Count the uses of PEs; a PE in two composites counts twice."""
    return sum(
        1 if isinstance(node, GenericPE) else _places(node) for node in graph.nodes
    )
