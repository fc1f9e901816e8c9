"""Pictures of a graph, under the names of dispel4py 1.x (see `dispel4py.draw`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dispel4py.draw import SUFFIXES, draw, has_graphviz, image_bytes, mermaid
from dispel4py.draw import write_image as _write_image
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["Picture", "display", "draw", "drawDot", "write_image"]


@dataclass(frozen=True)
class Picture:
    """A graph that a notebook shows as a picture."""

    graph: WorkflowGraph

    def __str__(self) -> str:
        return mermaid(self.graph)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, str]:
        """Return the picture for a notebook: SVG by graphviz, or else Mermaid text.

        A notebook draws the Mermaid text itself.
        """
        text = mermaid(self.graph)
        if has_graphviz():
            svg = image_bytes(self.graph, "svg").decode()
            return {"image/svg+xml": svg, "text/plain": text}
        return {"text/markdown": f"```mermaid\n{text}```\n", "text/plain": text}


def drawDot(graph: WorkflowGraph, img_type: str = "png") -> bytes:
    """Return a picture of a graph.

    Parameters
    ----------
    graph : WorkflowGraph
    img_type : str
        ``png``, ``svg``, ``pdf``, ``dot`` or ``mermaid``.
    """
    return image_bytes(graph, SUFFIXES.get(img_type, img_type))


def write_image(graph: WorkflowGraph, filename: Any, img_type: str = "png") -> None:
    """Write a picture of a graph.

    Parameters
    ----------
    graph : WorkflowGraph
    filename : path
        The file; its suffix does not matter.
    img_type : str
        ``png``, ``svg``, ``pdf``, ``dot`` or ``mermaid``.
    """
    _write_image(graph, filename, SUFFIXES.get(img_type, img_type))


def display(graph: WorkflowGraph) -> Picture:
    """Return a picture of a graph that a notebook shows."""
    return Picture(graph)
