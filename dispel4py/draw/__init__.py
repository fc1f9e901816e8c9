"""Pictures of a graph, and of how its plan lays it out."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from pathlib import Path

from dispel4py.draw.dot import dot_text
from dispel4py.draw.scene import Scene, make_scene
from dispel4py.draw.table import plan_record, plan_text
from dispel4py.errors import ParameterError, suggest
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["draw", "image_bytes", "plan_record", "plan_text", "write_image"]

_log = logging.getLogger(__name__)

DOT = ("dot", "gv")
KINDS = ("svg", "png", "pdf")
_GRAPHVIZ_SECONDS = 60


def draw(graph: WorkflowGraph) -> str:
    """Return ``graph`` in the language of graphviz (DOT).

    PEs are records with their ports, composites are clusters, edges say their grouping,
    and colours are partitions.

    >>> from dispel4py.base import IterativePE, ProducerPE
    >>> graph = WorkflowGraph()
    >>> graph.connect(ProducerPE(), "output", IterativePE(), "input")
    >>> print(draw(graph))  # doctest: +ELLIPSIS
    digraph workflow {
    ...
      "ProducerPE0":o0:s -> "IterativePE1":i0:n [color="#4b5866", style=solid];
    }
    <BLANKLINE>
    """
    return dot_text(make_scene(graph))


def image_bytes(
    graph: WorkflowGraph, kind: str = "png", graphviz: bool | None = None
) -> bytes:
    """Return a picture of ``graph``.

    Parameters
    ----------
    graph : WorkflowGraph
    kind : str
        ``svg``, ``png`` or ``pdf``.
    graphviz : bool, optional
        Draw with graphviz's program ``dot``; by default if it is installed. Without it
        matplotlib draws, with a layout of our own.

    Raises
    ------
    ParameterError
        If the kind is unknown, or graphviz is asked for and cannot be used.
    GraphError
        If the graph is empty or has a cycle.
    """
    if kind not in KINDS:
        raise ParameterError(f"pictures of kind {kind!r}: {suggest(kind, KINDS)}")
    graph.sorted_pes()
    scene = make_scene(graph)
    if graphviz is not False:
        found = _graphviz(scene, kind)
        if found is not None:
            return found
        if graphviz:
            raise ParameterError("graphviz's program 'dot' is not installed, or fails")
    from dispel4py.draw.paint import paint

    return paint(scene, kind)


def write_image(
    graph: WorkflowGraph,
    path: str | os.PathLike[str],
    graphviz: bool | None = None,
) -> None:
    """Write a picture of ``graph``; the ending says what: dot, svg, png or pdf.

    Raises
    ------
    ParameterError
        If the ending is another, or the file cannot be written.
    """
    path = Path(path)
    kind = path.suffix[1:].lower()
    if kind not in DOT + KINDS:
        raise ParameterError(
            f"{path}: the ending says what to draw; use .dot, .svg, .png or .pdf"
        )
    if not path.parent.is_dir():
        raise ParameterError(f"{path}: there is no folder {path.parent}")
    content = (
        draw(graph).encode() if kind in DOT else image_bytes(graph, kind, graphviz)
    )
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror}") from None


def _graphviz(scene: Scene, kind: str) -> bytes | None:
    program = shutil.which("dot")
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, f"-T{kind}"],
            input=dot_text(scene).encode(),
            capture_output=True,
            check=True,
            timeout=_GRAPHVIZ_SECONDS,
        )
    except (OSError, subprocess.SubprocessError) as error:
        _log.warning("graphviz fails, drawing without it: %s", error)
        return None
    return done.stdout
