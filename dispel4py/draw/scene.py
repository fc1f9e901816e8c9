"""What a picture of a graph shows, whoever draws it: boxes, ports, arrows, colours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from dispel4py.core import GROUPING, TYPE, GenericPE
from dispel4py.grouping import ALL, CUSTOM, GLOBAL, GROUP_BY, SHUFFLE, Grouping
from dispel4py.types import type_name
from dispel4py.workflow_graph import Node, WorkflowGraph

# Tints of the palette of Okabe and Ito, told apart with every kind of colour vision.
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

_LONGEST_TYPE = 28


@dataclass(frozen=True)
class Stroke:
    """How arrows of one grouping look: colour, dashes (matplotlib, DOT), meaning."""

    colour: str
    dashes: str
    dot: str
    meaning: str


STROKES = {
    SHUFFLE: Stroke("#4b5866", "-", "solid", "whoever has room"),
    GROUP_BY: Stroke("#0072b2", "-", "bold", "the instance of this value"),
    ALL: Stroke("#c04a00", "--", "dashed", "every instance"),
    GLOBAL: Stroke("#a3457c", ":", "dotted", "one instance"),
    CUSTOM: Stroke("#00775a", "-.", "dashed", "instance by function"),
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
class End:
    """One end of an arrow: a box or cluster, by key, and a port."""

    key: str
    port: str


@dataclass(frozen=True)
class Arrow:
    """One edge. ``label`` says what is special of it, "" if nothing."""

    source: End
    destination: End
    kind: str = SHUFFLE
    label: str = ""


@dataclass
class Cluster:
    """A composite, or the whole graph: boxes, inner clusters, arrows between them.

    ``inputs`` and ``outputs`` are the outer ports, each with the arrows that lead from
    it or to it; these have no key at the outer end.
    """

    key: str
    title: str
    members: list[Box | Cluster] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)
    inputs: dict[str, list[Arrow]] = field(default_factory=dict)
    outputs: dict[str, list[Arrow]] = field(default_factory=dict)

    def boxes(self) -> list[Box]:
        """Return all boxes, those of inner clusters included."""
        found: list[Box] = []
        for member in self.members:
            found += [member] if isinstance(member, Box) else member.boxes()
        return found

    def clusters(self) -> list[Cluster]:
        """Return all inner clusters, at any depth."""
        found: list[Cluster] = []
        for member in self.members:
            if isinstance(member, Cluster):
                found += [member, *member.clusters()]
        return found


@dataclass(frozen=True)
class Scene:
    """The graph, nested; its arrows from PE to PE; partitions and their processes."""

    root: Cluster
    arrows: tuple[Arrow, ...]
    partitions: tuple[str, ...]

    def flat(self) -> Cluster:
        """Return the graph without its composites."""
        return Cluster("", self.root.title, list(self.root.boxes()), list(self.arrows))

    @property
    def kinds(self) -> list[str]:
        """The groupings that occur, besides the usual one."""
        there = {arrow.kind for arrow in self.arrows}
        return [kind for kind in STROKES if kind in there and kind != SHUFFLE]


def tint(partition: int) -> str:
    """Return the colour of a partition."""
    return TINTS[partition % len(TINTS)]


def make_scene(graph: WorkflowGraph) -> Scene:
    """Collect what a picture of ``graph`` shows."""
    maker = _Maker(graph)
    root = maker.cluster(graph, "")
    arrows = Counter(
        maker.arrow(End(c.source.id, c.output), End(c.destination.id, c.input))
        for c in graph.connections
    )
    return Scene(root, tuple(_many(a, n) for a, n in arrows.items()), maker.partitions)


class _Maker:
    def __init__(self, graph: WorkflowGraph) -> None:
        self.pes = {pe.id: pe for pe in graph.pes}
        self._names = Counter(pe.name for pe in graph.pes)
        self._partition, self.partitions = _partitions(graph)
        # a PE that is used inside a composite and outside of it has no one place
        self._nested = _places(graph) == len(self.pes)
        self._clusters: dict[str, Cluster] = {}
        self._n_clusters = 0

    def cluster(self, graph: WorkflowGraph, key: str) -> Cluster:
        nodes: Sequence[Node] = graph.nodes if self._nested else graph.pes
        edges = graph.edges if self._nested else graph.connections
        keys = {id(node): self._key(node) for node in nodes}
        found = Cluster(key, graph.name)
        for node in nodes:
            found.members.append(
                self._box(node)
                if isinstance(node, GenericPE)
                else self.cluster(node, keys[id(node)])
            )
        if key:
            for name, end in _ends(graph.inputmappings, keys):
                arrow = self.arrow(End("", name), end)
                found.inputs.setdefault(name, []).append(arrow)
            for name, end in _ends(graph.outputmappings, keys):
                found.outputs.setdefault(name, []).append(Arrow(end, End("", name)))
            self._clusters[key] = found
        arrows = Counter(
            self.arrow(
                End(keys[id(edge.source)], edge.output),
                End(keys[id(edge.destination)], edge.input),
            )
            for edge in edges
        )
        found.arrows = [_many(arrow, n) for arrow, n in arrows.items()]
        return found

    def _key(self, node: Any) -> str:
        if isinstance(node, GenericPE):
            return node.id
        self._n_clusters += 1
        return f"cluster_{self._n_clusters - 1}"

    def _box(self, pe: GenericPE) -> Box:
        about = [pe.id] if self._names[pe.name] > 1 else []
        if getattr(pe, "single", False):
            about.append("one instance")
        elif pe.numprocesses != 1:
            about.append(f"{pe.numprocesses} instances")
        partition = self._partition.get(id(pe))
        if partition is not None and len(self.partitions) > 1:
            about.append(f"partition {partition}")
        return Box(
            pe.id,
            pe.name,
            " · ".join(about),
            tuple(_port(n, p) for n, p in pe.inputconnections.items()),
            tuple(_port(n, p) for n, p in pe.outputconnections.items()),
            partition,
        )

    def arrow(self, source: End, destination: End) -> Arrow:
        """Make an arrow; what is special shows where it enters a PE."""
        pe = self.pes.get(destination.key)
        if pe is None:
            into = self._clusters[destination.key].inputs.get(destination.port, [])
            kinds = {arrow.kind for arrow in into}
            return Arrow(
                source, destination, kinds.pop() if len(kinds) == 1 else SHUFFLE
            )
        port = pe.inputconnections[destination.port]
        grouping = Grouping.of(port.get(GROUPING), destination.port)
        return Arrow(source, destination, grouping.kind, grouping_text(grouping))


def grouping_text(grouping: Grouping) -> str:
    """Say in a word or two who gets an item.

    >>> grouping_text(Grouping.of(["network", "station"]))
    'by network, station'
    """
    if grouping.kind == GROUP_BY:
        return f"by {', '.join(map(str, grouping.keys))}"
    if grouping.kind == CUSTOM:
        name = getattr(grouping.function, "__name__", "<lambda>")
        return "by function" if name == "<lambda>" else f"by {name}()"
    return {ALL: "all", GLOBAL: "global"}.get(grouping.kind, "")


def _ends(mappings: Any, keys: dict[int, str]) -> Iterator[tuple[str, End]]:
    for name, mapped in mappings.items():
        for node, port in mapped if isinstance(mapped, list) else [mapped]:
            if id(node) in keys:
                yield name, End(keys[id(node)], port)


def _many(arrow: Arrow, n: int) -> Arrow:
    if n == 1:
        return arrow
    label = f"{arrow.label} × {n}".strip()
    return Arrow(arrow.source, arrow.destination, arrow.kind, label)


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
    rest = [pe for pe in graph.pes if id(pe) not in number]
    lines = []
    for k in range(len(declared)):
        n = sizes[k] if k < len(sizes) else None
        plural = "" if n == 1 else "es"
        lines.append(
            f"partition {k}" if n is None else f"partition {k}: {n} process{plural}"
        )
    if rest:
        number |= {id(pe): len(declared) for pe in rest}
        lines.append(f"partition {len(declared)}: the rest")
    return number, tuple(lines)


def _places(graph: WorkflowGraph) -> int:
    """Count the places where a PE is used, each composite on its own."""
    return sum(
        1 if isinstance(node, GenericPE) else _places(node) for node in graph.nodes
    )
