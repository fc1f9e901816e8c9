"""A graph in the language of Mermaid, which notebooks and code hosts draw."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from dispel4py.draw.scene import (
    STROKES,
    Arrow,
    Box,
    Frame,
    Port,
    Scene,
    tint,
)

#: Arrow for each style of DOT; Mermaid has no dotted lines.
_LINES = {"solid": "-->", "bold": "==>", "dashed": "-.->", "dotted": "-.->"}
_ENTITIES = {"#": "#35;", '"': "#quot;", "<": "#lt;", ">": "#gt;", "&": "#amp;"}


def mermaid_text(scene: Scene) -> str:
    """Write a scene as a flowchart: composites are subgraphs, ports are labels."""
    boxes = scene.root.boxes()
    keys = {box.key: f"pe{k}" for k, box in enumerate(boxes)}
    lines = [
        "flowchart TB",
        *(f"  {line}" for line in _members(scene.root, keys, itertools.count())),
        *(f"  {_edge(arrow, keys)}" for arrow in scene.arrows),
        *(f"  {line}" for line in _legend(scene)),
        *(f"  {line}" for line in _colours(scene, boxes, keys)),
    ]
    return "\n".join(lines) + "\n"


def _members(
    frame: Frame, keys: dict[str, str], numbers: Iterator[int]
) -> Iterator[str]:
    for member in frame.members:
        if isinstance(member, Box):
            yield _node(member, keys)
            continue
        yield f"subgraph composite{next(numbers)}[{_quote(member.title)}]"
        yield from (f"  {line}" for line in _members(member, keys, numbers))
        yield "end"


def _node(box: Box, keys: dict[str, str]) -> str:
    rows = [box.title, box.about, _row("in", box.inputs), _row("out", box.outputs)]
    label = "\n".join(row for row in rows if row)
    return f"{keys[box.key]}[{_quote(label)}]"


def _row(side: str, ports: tuple[Port, ...]) -> str:
    return f"{side}: {', '.join(port.text for port in ports)}" if ports else ""


def _edge(arrow: Arrow, keys: dict[str, str]) -> str:
    label = f"{arrow.output} → {arrow.input}"
    if arrow.label:
        label += f"\n{arrow.label}"
    line = _LINES[STROKES[arrow.kind].style]
    source, destination = keys[arrow.source], keys[arrow.destination]
    return f"{source} {line}|{_quote(label)}| {destination}"


def _legend(scene: Scene) -> Iterator[str]:
    rows = [
        *scene.partitions,
        *(f"{kind}: {STROKES[kind].meaning}" for kind in scene.kinds),
    ]
    if rows:
        yield "subgraph legend"
        yield from (f"  legend{k}[{_quote(row)}]" for k, row in enumerate(rows))
        yield "end"


def _colours(scene: Scene, boxes: list[Box], keys: dict[str, str]) -> Iterator[str]:
    for k in range(len(scene.partitions)):
        members = [keys[box.key] for box in boxes if box.partition == k]
        yield f"classDef partition{k} fill:{tint(k)},stroke:#5f6b78,color:#1c2733"
        yield f"class {','.join([*members, f'legend{k}'])} partition{k}"
    for k, arrow in enumerate(scene.arrows):
        yield f"linkStyle {k} stroke:{STROKES[arrow.kind].colour}"


def _quote(text: str) -> str:
    """Write a text as a label of Mermaid.

    >>> _quote('say "yes"')
    '"say #quot;yes#quot;"'
    """
    escaped = "".join(_ENTITIES.get(letter, letter) for letter in text)
    return '"' + escaped.replace("\n", "<br/>") + '"'
