"""Where boxes, frames and arrows of a picture go.

Each composite is laid out on its own and is then one item of what surrounds it. Lengths
are points, y grows downwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from dispel4py.draw.layers import Item, Link, Places, has_cycle, place
from dispel4py.draw.scene import Arrow, Box, Cluster, End, Port, Scene

#: Width in points of a text, given its size and whether it is bold.
Measure = Callable[[str, float, bool], float]

TITLE_SIZE, SMALL_SIZE, PORT_SIZE = 10.0, 7.5, 8.0
PORT_HEIGHT, TITLE_HEIGHT, ABOUT_HEIGHT = 15.0, 19.0, 11.0
PADDING = 7.0
CLUSTER_PADDING = 12.0
TAB_HEIGHT = 12.0
_FRAME_TITLE_HEIGHT = 20.0


@dataclass(frozen=True)
class Cell:
    """A port in the picture: its text, its left edge and width within its box."""

    text: str
    left: float
    width: float


@dataclass(frozen=True)
class PlacedBox:
    """A box with its upper left corner."""

    box: Box
    x: float
    y: float
    width: float
    height: float
    inputs: tuple[Cell, ...]
    outputs: tuple[Cell, ...]


@dataclass(frozen=True)
class PlacedFrame:
    """The frame of a composite; its title stands in its upper left corner."""

    title: str
    depth: int
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class PlacedTab:
    """The name of an outer port on the frame of its composite."""

    text: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class PlacedWay:
    """An arrow: points to pass, vertically; where its label stands, if it has one."""

    arrow: Arrow
    points: tuple[tuple[float, float], ...]
    label_at: tuple[float, float] | None
    has_head: bool


@dataclass
class Picture:
    """Everything with its place; the upper left corner is the origin."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[PlacedBox] = field(default_factory=list)
    frames: list[PlacedFrame] = field(default_factory=list)
    tabs: list[PlacedTab] = field(default_factory=list)
    ways: list[PlacedWay] = field(default_factory=list)
    inputs: dict[str, float] = field(default_factory=dict)
    outputs: dict[str, float] = field(default_factory=dict)

    def take_in(self, other: Picture, x: float, y: float) -> None:
        """Add another picture, moved."""
        for box in other.boxes:
            self.boxes.append(replace(box, x=box.x + x, y=box.y + y))
        for frame in other.frames:
            self.frames.append(replace(frame, x=frame.x + x, y=frame.y + y))
        for tab in other.tabs:
            self.tabs.append(replace(tab, x=tab.x + x, y=tab.y + y))
        for way in other.ways:
            points = tuple((px + x, py + y) for px, py in way.points)
            at = way.label_at and (way.label_at[0] + x, way.label_at[1] + y)
            self.ways.append(PlacedWay(way.arrow, points, at, way.has_head))


class _Composed(Exception):
    """Composites feed one another in a circle, though their PEs do not."""


def arrange(scene: Scene, measure: Measure) -> Picture:
    """Find a place for everything in a scene.

    Composites whose frames cannot stand one below the other, as each feeds the other,
    are drawn without frames.
    """
    try:
        return _arrange(scene.root, measure, 0)
    except _Composed:
        return _arrange(scene.flat(), measure, 0)


def _arrange(cluster: Cluster, measure: Measure, depth: int) -> Picture:
    parts = _Parts(cluster, measure, depth)
    items = [Item(part.width, part.height) for part in parts.all]
    found = [parts.link(arrow) for arrow in parts.arrows]
    if has_cycle(len(items), found):
        raise _Composed
    places = place(items, found, parts.first, parts.last, parts.title)
    return parts.put(places)


@dataclass(frozen=True)
class _Part:
    """An item of the layout: a box, an inner picture, or the name of an outer port."""

    width: float
    height: float
    inputs: dict[str, float]
    outputs: dict[str, float]
    box: PlacedBox | None = None
    picture: Picture | None = None
    tab: str | None = None


class _Parts:
    """What a cluster is made of, in the order of its items."""

    def __init__(self, cluster: Cluster, measure: Measure, depth: int) -> None:
        self.cluster, self.measure, self.depth = cluster, measure, depth
        self.all: list[_Part] = []
        self.title: int | None = None
        self.index: dict[str, int] = {}
        for member in cluster.members:
            self.index[member.key] = len(self.all)
            if isinstance(member, Box):
                self.all.append(_box_part(member, measure))
            else:
                self.all.append(_picture_part(_arrange(member, measure, depth + 1)))
        if depth:
            self.title = len(self.all)
            width = measure(cluster.title, TITLE_SIZE, True) + 2 * PADDING
            self.all.append(_Part(width, _FRAME_TITLE_HEIGHT, {}, {}))
        self.tabs_in = self._tabs(cluster.inputs)
        self.tabs_out = self._tabs(cluster.outputs)
        self.first = set(self.tabs_in.values())
        if self.title is not None:
            self.first.add(self.title)
        self.last = set(self.tabs_out.values())
        inner = [a for arrows in cluster.inputs.values() for a in arrows]
        outer = [a for arrows in cluster.outputs.values() for a in arrows]
        self.arrows = [*inner, *cluster.arrows, *outer]

    def _tabs(self, ports: dict[str, list[Arrow]]) -> dict[str, int]:
        found = {}
        for name in ports:
            found[name] = len(self.all)
            width = self.measure(name, PORT_SIZE, False) + 2 * PADDING
            at = {name: width / 2}
            height = TAB_HEIGHT if self.title is None else _FRAME_TITLE_HEIGHT
            self.all.append(_Part(width, height, at, at, tab=name))
        return found

    def link(self, arrow: Arrow) -> Link:
        source = self._end(arrow.source, self.tabs_in)
        destination = self._end(arrow.destination, self.tabs_out)
        width = 0.0
        if arrow.label:
            width = self.measure(arrow.label, PORT_SIZE, False) + PADDING
        return Link(
            source,
            self.all[source].outputs[arrow.source.port],
            destination,
            self.all[destination].inputs[arrow.destination.port],
            width,
            self._middle_if_alone(source, {a.source for a in self.arrows}),
            self._middle_if_alone(destination, {a.destination for a in self.arrows}),
        )

    def _middle_if_alone(self, index: int, ends: set[End]) -> float | None:
        """Return the middle of a box of which one port is in use, else None."""
        part = self.all[index]
        if part.box is None:
            return None
        used = sum(1 for end in ends if end.key == part.box.box.key)
        return part.width / 2 if used == 1 else None

    def _end(self, end: End, tabs: dict[str, int]) -> int:
        return self.index[end.key] if end.key else tabs[end.port]

    # -- result ----------------------------------------------------------------

    def put(self, places: Places) -> Picture:
        """Make the picture, with a frame around it unless it is the whole."""
        side = CLUSTER_PADDING if self.depth else 0.0
        picture = Picture(places.width + 2 * side, places.height)
        if self.depth:
            picture.height += 0.0 if self.last else CLUSTER_PADDING
            picture.frames.append(
                PlacedFrame(
                    self.cluster.title,
                    self.depth,
                    0.0,
                    0.0,
                    picture.width,
                    picture.height,
                )
            )
        for part, (x, y) in zip(self.all, places.corners, strict=True):
            self._put_part(picture, part, x + side, y)
        for arrow, way, label in zip(
            self.arrows, places.ways, places.labels, strict=True
        ):
            points = tuple((x + side, y) for x, y in way)
            at = label and (label[0] + side, label[1])
            target = self.all[self._end(arrow.destination, self.tabs_out)]
            picture.ways.append(PlacedWay(arrow, points, at, target.box is not None))
        for name, index in self.tabs_in.items():
            picture.inputs[name] = self._middle(places, index) + side
        for name, index in self.tabs_out.items():
            picture.outputs[name] = self._middle(places, index) + side
        return picture

    def _middle(self, places: Places, index: int) -> float:
        return places.corners[index][0] + self.all[index].width / 2

    def _put_part(self, picture: Picture, part: _Part, x: float, y: float) -> None:
        if part.box is not None:
            picture.boxes.append(replace(part.box, x=x, y=y))
        elif part.picture is not None:
            picture.take_in(part.picture, x, y)
        elif part.tab is not None:
            picture.tabs.append(PlacedTab(part.tab, x, y, part.width, part.height))


def _box_part(box: Box, measure: Measure) -> _Part:
    title = max(
        measure(box.title, TITLE_SIZE, True), measure(box.about, SMALL_SIZE, False)
    )
    rows = [box.inputs, box.outputs]
    widths = [[_port_width(port, measure) for port in ports] for ports in rows]
    width = max(title + 2 * PADDING + 6, *map(sum, widths), 56.0)
    cells = [_cells(ports, own, width) for ports, own in zip(rows, widths, strict=True)]
    height = TITLE_HEIGHT + (ABOUT_HEIGHT if box.about else 0.0)
    height += PORT_HEIGHT * sum(1 for ports in rows if ports)
    placed = PlacedBox(box, 0.0, 0.0, width, height, *cells)
    inputs, outputs = (
        {p.name: c.left + c.width / 2 for p, c in zip(ports, own, strict=True)}
        for ports, own in zip(rows, cells, strict=True)
    )
    return _Part(width, height, inputs, outputs, box=placed)


def _port_width(port: Port, measure: Measure) -> float:
    return measure(port.text, PORT_SIZE, False) + 2 * PADDING


def _cells(
    ports: tuple[Port, ...], widths: list[float], width: float
) -> tuple[Cell, ...]:
    """Let the ports of a row fill it."""
    if not ports:
        return ()
    more = (width - sum(widths)) / len(ports)
    found, left = [], 0.0
    for port, own in zip(ports, widths, strict=True):
        found.append(Cell(port.text, left, own + more))
        left += own + more
    return tuple(found)


def _picture_part(picture: Picture) -> _Part:
    return _Part(
        picture.width, picture.height, picture.inputs, picture.outputs, picture=picture
    )
