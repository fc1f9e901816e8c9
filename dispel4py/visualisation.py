"""Pictures of a graph, by their names in dispel4py 1.x (see `dispel4py.draw`)."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from dispel4py.draw import DOT, draw, image_bytes
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["display", "draw", "drawDot", "write_image"]


def drawDot(graph: WorkflowGraph, img_type: str = "png") -> bytes:
    """Return a picture of a graph as ``img_type``: png, svg, pdf or dot."""
    return draw(graph).encode() if img_type in DOT else image_bytes(graph, img_type)


def write_image(graph: WorkflowGraph, filename: Any, img_type: str = "png") -> None:
    """Write a picture of a graph, of the type ``img_type`` whatever the file's name."""
    Path(filename).write_bytes(drawDot(graph, img_type))


def display(graph: WorkflowGraph) -> None:
    """Show a graph in a notebook."""
    notebook = importlib.import_module("IPython.display")
    notebook.display_png(drawDot(graph), raw=True)
