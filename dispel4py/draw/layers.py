"""Items on layers from top to bottom: few crossings, no overlaps, short ways.

After Sugiyama, Tagawa and Toda (1981), doi:10.1109/TSMC.1981.4308636; columns by least
squares under the order of each layer (pool adjacent violators). Lengths are points, y
grows downwards.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

_SWEEPS = 24
_PASSES = 60
_SIDE = 16.0  # between neighbours of a layer
_LANE = 9.0  # of an arrow that passes a layer
_GAP, _GAP_ABOVE_LABEL, _GAP_BELOW_LABEL = 26.0, 17.0, 12.0
_WIDEST_GAP = 70.0
_LABEL_HEIGHT = 12.0


@dataclass(frozen=True)
class Item:
    """Something with a size."""

    width: float
    height: float


@dataclass(frozen=True)
class Link:
    """From the lower edge of one item to the upper edge of another, by index.

    ``source_x`` and ``destination_x`` count from the left edges of the items, and so do
    the points that are to stand one below the other, by default the same.
    """

    source: int
    source_x: float
    destination: int
    destination_x: float
    label_width: float = 0.0
    source_middle: float | None = None
    destination_middle: float | None = None


@dataclass
class Places:
    """Upper left corners of the items; ways and label centres of the links."""

    width: float = 0.0
    height: float = 0.0
    corners: list[tuple[float, float]] = field(default_factory=list)
    ways: list[list[tuple[float, float]]] = field(default_factory=list)
    labels: list[tuple[float, float] | None] = field(default_factory=list)


class _Tie(NamedTuple):
    """A link to the next layer, seen from one of its ends."""

    other: int
    x: float
    other_x: float
    #: Where the left edge wants to be, from the left edge of the other.
    shift: float


@dataclass
class _Node:
    """An item, or the place where a link passes a layer."""

    layer: int
    width: float
    height: float
    is_lane: bool = False
    above: list[_Tie] = field(default_factory=list)
    below: list[_Tie] = field(default_factory=list)
    x: float = 0.0

    @property
    def is_label(self) -> bool:
        return self.layer % 2 == 1


def has_cycle(n_items: int, links: Sequence[Link]) -> bool:
    """Tell whether links lead from an item back to itself."""
    return len(_topological(n_items, links)) < n_items


def place(
    items: Sequence[Item],
    links: Sequence[Link],
    first: Collection[int] = (),
    last: Collection[int] = (),
    leftmost: int | None = None,
) -> Places:
    """Find a place for each item and a way for each link.

    Parameters
    ----------
    items : sequence of Item
    links : sequence of Link
        Without cycles.
    first, last : collection of int
        Items that have the first or the last layer for themselves.
    leftmost : int, optional
        An item that stands at the left edge of its layer.
    """
    layers, of_item = _layers(len(items), links, first, last)
    nodes = [
        _Node(layer, item.width, item.height)
        for item, layer in zip(items, of_item, strict=True)
    ]
    chains = [_chain(nodes, link) for link in links]
    used = sorted({node.layer for node in nodes} | set(layers))
    rows = [[k for k, n in enumerate(nodes) if n.layer == layer] for layer in used]
    rows = _ordered(nodes, rows, leftmost)
    _columns(nodes, rows)
    _straighten(nodes, rows, chains)
    left = min((node.x for node in nodes), default=0.0)
    for node in nodes:
        node.x -= left
    if leftmost is not None:
        nodes[leftmost].x = 0.0
    tops, heights = _heights(nodes, rows)
    return _result(
        nodes,
        len(items),
        links,
        chains,
        dict(zip(used, tops, strict=True)),
        dict(zip(used, heights, strict=True)),
    )


# --------------------------------------------------------------------- layers


def _topological(n_items: int, links: Sequence[Link]) -> list[int]:
    waiting = [0] * n_items
    for link in links:
        waiting[link.destination] += 1
    ready = [k for k in range(n_items) if not waiting[k]]
    found = []
    while ready:
        found.append(ready.pop(0))
        for link in links:
            if link.source == found[-1]:
                waiting[link.destination] -= 1
                if not waiting[link.destination]:
                    ready.append(link.destination)
    return found


def _layers(
    n_items: int, links: Sequence[Link], first: Collection[int], last: Collection[int]
) -> tuple[list[int], list[int]]:
    """Return all layers, and that of each item; odd layers are for labels."""
    order = _topological(n_items, links)
    rank = [0 if k in first or not first else 1 for k in range(n_items)]
    for k in order:
        for link in links:
            if link.source == k and link.destination not in last:
                rank[link.destination] = max(rank[link.destination], rank[k] + 1)
    fed = {link.destination for link in links}
    for k in reversed(order):
        feeds = [
            rank[link.destination]
            for link in links
            if link.source == k and link.destination not in last
        ]
        # what nothing feeds comes down to what it feeds
        if feeds and k not in fed and k not in first:
            rank[k] = min(feeds) - 1
    bottom = max((rank[k] for k in range(n_items) if k not in last), default=0)
    for k in last:
        rank[k] = bottom + 1
    layers = [2 * r for r in sorted(set(rank))]
    labelled = {2 * rank[x.destination] - 1 for x in links if x.label_width}
    return sorted({*layers, *labelled}), [2 * r for r in rank]


def _chain(nodes: list[_Node], link: Link) -> list[int]:
    """Lead a link through the layers between its ends; return its nodes."""
    top, bottom = nodes[link.source].layer, nodes[link.destination].layer
    chain = [link.source]
    middle = link.source_middle
    end = link.source_x, link.source_x if middle is None else middle
    for layer in range(top + 1, bottom):
        is_label = bool(link.label_width) and layer == bottom - 1
        if layer % 2 and not is_label:
            continue
        width = max(link.label_width, _LANE) if is_label else _LANE
        nodes.append(_Node(layer, width, _LABEL_HEIGHT if is_label else 0.0, True))
        _tie(nodes, chain[-1], end, len(nodes) - 1, (width / 2, width / 2))
        chain.append(len(nodes) - 1)
        end = width / 2, width / 2
    middle = link.destination_middle
    last = link.destination_x, link.destination_x if middle is None else middle
    _tie(nodes, chain[-1], end, link.destination, last)
    return [*chain, link.destination]


def _tie(
    nodes: list[_Node],
    upper: int,
    upper_end: tuple[float, float],
    lower: int,
    lower_end: tuple[float, float],
) -> None:
    """Tie two nodes; the ends are (where the line is, what is to be aligned)."""
    (upper_x, upper_middle), (lower_x, lower_middle) = upper_end, lower_end
    shift = upper_middle - lower_middle
    nodes[upper].below.append(_Tie(lower, upper_x, lower_x, -shift))
    nodes[lower].above.append(_Tie(upper, lower_x, upper_x, shift))


# ---------------------------------------------------------------------- order


def _ordered(
    nodes: list[_Node], rows: list[list[int]], leftmost: int | None
) -> list[list[int]]:
    """Order each row so that few links cross: sweeps by the mean of neighbours."""
    best, fewest = [list(row) for row in rows], None
    for sweep in range(_SWEEPS):
        down = sweep % 2 == 0
        for row in rows if down else rows[::-1]:
            keys = {k: _mean(nodes, k, down) for k in row}
            row.sort(key=lambda k: (k != leftmost, keys[k]))
            _pack(nodes, row)
        crossings = sum(_crossings(nodes, row) for row in rows)
        if fewest is None or crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
        if not fewest and sweep:
            break
    for row in best:
        _pack(nodes, row)
    return best


def _pack(nodes: list[_Node], row: list[int]) -> None:
    x = -sum(nodes[k].width + _SIDE for k in row) / 2
    for k in row:
        nodes[k].x = x
        x += nodes[k].width + _SIDE


def _mean(nodes: list[_Node], k: int, down: bool) -> float:
    node = nodes[k]
    ties = node.above if down else node.below
    if not ties:
        return node.x + node.width / 2
    return sum(nodes[tie.other].x + tie.other_x for tie in ties) / len(ties)


def _crossings(nodes: list[_Node], row: list[int]) -> int:
    ends = sorted(
        (nodes[k].x + tie.x, nodes[tie.other].x + tie.other_x)
        for k in row
        for tie in nodes[k].below
    )
    return sum(
        1 for (a, b), (c, d) in itertools.combinations(ends, 2) if a < c and b > d
    )


# -------------------------------------------------------------------- columns


def _columns(nodes: list[_Node], rows: list[list[int]]) -> None:
    """Move items over and under those that they are linked with."""
    for turn in range(_PASSES):
        down = turn % 2 == 0
        for row in rows if down else rows[::-1]:
            wishes, weights = [], []
            for k in row:
                node = nodes[k]
                ties = node.above if down else node.below
                if turn > _PASSES - 30:
                    ties = [*node.above, *node.below]
                found = [
                    (nodes[tie.other].x + tie.shift, _pull(node, nodes[tie.other]))
                    for tie in ties
                ]
                total = sum(weight for _, weight in found)
                wish = sum(x * w for x, w in found) / total if found else node.x
                wishes.append(wish)
                weights.append(total or 0.01)
            widths = [nodes[k].width for k in row]
            for k, x in zip(row, spread(wishes, weights, widths, _SIDE), strict=True):
                nodes[k].x = x


def _pull(one: _Node, other: _Node) -> float:
    """Links that pass layers are to be straight, and those below their label."""
    upper, lower = (one, other) if one.layer < other.layer else (other, one)
    if upper.is_label:
        return 12.0
    if lower.is_label:
        return 4.0 if upper.is_lane else 1.0
    return (1.0, 2.0, 16.0)[one.is_lane + other.is_lane]


def _straighten(
    nodes: list[_Node], rows: list[list[int]], chains: list[list[int]]
) -> None:
    """Let each link pass all its layers in one column, if there is room."""
    place = {k: (row, at) for row in rows for at, k in enumerate(row)}
    for chain in chains:
        lanes = chain[1:-1]
        lowest, highest = -math.inf, math.inf
        for k in lanes:
            (row, at), half = place[k], nodes[k].width / 2
            if at:
                left = nodes[row[at - 1]]
                lowest = max(lowest, left.x + left.width + _SIDE / 2 + half)
            if at + 1 < len(row):
                highest = min(highest, nodes[row[at + 1]].x - _SIDE / 2 - half)
        if lanes and lowest <= highest:
            middles = [nodes[k].x + nodes[k].width / 2 for k in lanes]
            middle = min(max(sum(middles) / len(middles), lowest), highest)
            for k in lanes:
                nodes[k].x = middle - nodes[k].width / 2


def spread(
    wishes: Sequence[float],
    weights: Sequence[float],
    widths: Sequence[float],
    gap: float,
) -> list[float]:
    """Return left edges near the wishes, in this order, that do not overlap.

    >>> spread([0.0, 0.0, 100.0], [1.0, 1.0, 1.0], [10.0, 10.0, 10.0], 2.0)
    [-6.0, 6.0, 100.0]
    """
    starts = [0.0, *itertools.accumulate(width + gap for width in widths)]
    blocks: list[tuple[float, float, int]] = []
    for wish, weight, start in zip(wishes, weights, starts, strict=False):
        total, weighted, n = weight, weight * (wish - start), 1
        while blocks and blocks[-1][1] / blocks[-1][0] > weighted / total:
            before = blocks.pop()
            total, weighted, n = total + before[0], weighted + before[1], n + before[2]
        blocks.append((total, weighted, n))
    levels = [weighted / total for total, weighted, n in blocks for _ in range(n)]
    return [level + start for level, start in zip(levels, starts, strict=False)]


# ----------------------------------------------------------------------- rows


def _heights(
    nodes: list[_Node], rows: list[list[int]]
) -> tuple[list[float], list[float]]:
    tops, heights, y = [], [], 0.0
    for row in rows:
        tops.append(y)
        heights.append(max((nodes[k].height for k in row), default=0.0))
        widest = max(
            (
                abs(nodes[k].x + tie.x - nodes[tie.other].x - tie.other_x)
                for k in row
                for tie in nodes[k].below
            ),
            default=0.0,
        )
        gap = _GAP
        if any(nodes[k].is_label for k in row):
            gap = _GAP_BELOW_LABEL
        elif any(nodes[tie.other].is_label for k in row for tie in nodes[k].below):
            gap = _GAP_ABOVE_LABEL
        y += heights[-1] + min(_WIDEST_GAP, gap + 0.08 * widest)
    return tops, heights


def _result(
    nodes: list[_Node],
    n_items: int,
    links: Sequence[Link],
    chains: list[list[int]],
    tops: dict[int, float],
    heights: dict[int, float],
) -> Places:
    found = Places()
    for node in nodes[:n_items]:
        middle = tops[node.layer] + heights[node.layer] / 2
        found.corners.append((node.x, middle - node.height / 2))
        found.width = max(found.width, node.x + node.width)
    found.width = max([found.width, *(n.x + n.width for n in nodes)])
    found.height = max((tops[k] + heights[k] for k in tops), default=0.0)
    for link, chain in zip(links, chains, strict=True):
        x = nodes[link.source].x + link.source_x
        layer = nodes[link.source].layer
        bottom = found.corners[link.source][1] + nodes[link.source].height
        way = [(x, bottom), (x, tops[layer] + heights[layer])]
        label = None
        for k in chain[1:-1]:
            node = nodes[k]
            x, top = node.x + node.width / 2, tops[node.layer]
            way += [(x, top), (x, top + heights[node.layer])]
            if node.is_label:
                label = (x, top + heights[node.layer] / 2)
        x = nodes[link.destination].x + link.destination_x
        layer = nodes[link.destination].layer
        way += [(x, tops[layer]), (x, found.corners[link.destination][1])]
        found.ways.append(way)
        found.labels.append(label)
    return found
