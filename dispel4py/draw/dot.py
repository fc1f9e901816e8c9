"""A graph in the language of graphviz."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from dispel4py.draw.scene import (
    FAINT,
    INK,
    STROKES,
    Arrow,
    Box,
    Frame,
    Port,
    Scene,
    tint,
)

_FONT = 'fontname="Helvetica"'


def dot_text(scene: Scene) -> str:
    """Write a scene as DOT: records with ports, composites as clusters, a legend."""
    boxes = {box.key: box for box in scene.root.boxes()}
    lines = [
        "digraph workflow {",
        f'  graph [rankdir=TB, {_FONT}, fontcolor="{INK}", ranksep=0.45, nodesep=0.3];',
        f'  node [shape=record, style="filled", {_FONT}, fontsize=11, '
        f'margin="0.08,0.04", color="{FAINT}", fontcolor="{INK}"];',
        f"  edge [{_FONT}, fontsize=9, arrowsize=0.7];",
        *(f"  {line}" for line in _members(scene.root, itertools.count())),
        *(f"  {_edge(arrow, boxes)}" for arrow in scene.arrows),
        *(f"  {line}" for line in _legend(scene)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def _members(frame: Frame, numbers: Iterator[int]) -> Iterator[str]:
    for member in frame.members:
        if isinstance(member, Box):
            yield _node(member)
            continue
        yield f"subgraph cluster_{next(numbers)} {{"
        yield f"  label={quote(member.title)}; labeljust=l; fontsize=11;"
        yield f'  style="rounded,filled"; color="{FAINT}"; fillcolor="#0000000a";'
        yield from (f"  {line}" for line in _members(member, numbers))
        yield "}"


def _node(box: Box) -> str:
    title = _record(box.title)
    if box.about:
        title += rf"\n{_record(box.about)}"
    rows = [_row("i", box.inputs), title, _row("o", box.outputs)]
    label = "|".join(row for row in rows if row)
    return f'{quote(box.key)} [label="{{{label}}}", fillcolor="{box.fill}"];'


def _row(side: str, ports: tuple[Port, ...]) -> str:
    if not ports:
        return ""
    cells = (f"<{side}{k}> {_record(port.text)}" for k, port in enumerate(ports))
    return f"{{{'|'.join(cells)}}}"


def _edge(arrow: Arrow, boxes: dict[str, Box]) -> str:
    source, destination = boxes[arrow.source], boxes[arrow.destination]
    out = [port.name for port in source.outputs].index(arrow.output)
    into = [port.name for port in destination.inputs].index(arrow.input)
    stroke = STROKES[arrow.kind]
    style = [f'color="{stroke.colour}"', f"style={stroke.style}"]
    if arrow.label:
        style.append(f'label={quote(arrow.label)}, fontcolor="{stroke.colour}"')
    return (
        f"{quote(source.key)}:o{out}:s -> {quote(destination.key)}:i{into}:n "
        f"[{', '.join(style)}];"
    )


def _legend(scene: Scene) -> Iterator[str]:
    rows = [
        f'<tr><td bgcolor="{tint(k)}">  </td><td align="left">{_html(line)}</td></tr>'
        for k, line in enumerate(scene.partitions)
    ]
    rows += [
        f'<tr><td><font color="{STROKES[kind].colour}">{_html(kind)}</font></td>'
        f'<td align="left">{_html(STROKES[kind].meaning)}</td></tr>'
        for kind in scene.kinds
    ]
    if rows:
        table = '<table border="0" cellborder="0" cellspacing="4">'
        yield (
            'legend [shape=plain, style="", fontsize=9, '
            f"label=<{table}{''.join(rows)}</table>>];"
        )


def quote(text: str) -> str:
    """Write a text as a DOT string.

    >>> quote('say "yes"')
    '"say \\\\"yes\\\\""'
    """
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _record(text: str) -> str:
    """Escape the characters that have a meaning in the label of a record."""
    return re.sub(r'([\\{}|<>" ])', r"\\\1", text).replace("\n", r"\n")


def _html(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
