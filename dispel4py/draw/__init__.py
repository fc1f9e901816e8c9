"""Pictures of a graph, and tables of its plan.

The text of a picture, in the languages of graphviz (DOT) and Mermaid, needs no other
program. Images are drawn by the program ``dot`` of graphviz.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from dispel4py.draw.dot import dot_text
from dispel4py.draw.mermaid import mermaid_text
from dispel4py.draw.scene import make_scene
from dispel4py.draw.table import plan_record, plan_text
from dispel4py.errors import Dispel4pyError, ParameterError, suggest
from dispel4py.files import is_folder
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["draw", "image_bytes", "mermaid", "plan_record", "plan_text", "write_image"]

#: Suffixes of files, and their formats.
SUFFIXES = {
    "dot": "dot",
    "gv": "dot",
    "mmd": "mermaid",
    "mermaid": "mermaid",
    "svg": "svg",
    "png": "png",
    "pdf": "pdf",
}
FORMATS = tuple(dict.fromkeys(SUFFIXES.values()))
#: Formats that a terminal can show.
TEXTS = ("dot", "mermaid", "svg")
#: Time limit for graphviz in seconds; a graph of hundreds of PEs takes 1 or 2 s.
_GRAPHVIZ_SECONDS = 60


def draw(graph: WorkflowGraph) -> str:
    """Return ``graph`` in the language of graphviz (DOT).

    PEs are records with their ports, composites are clusters, groupings are labels of
    edges, and each partition has a colour.

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


def mermaid(graph: WorkflowGraph) -> str:
    """Return ``graph`` in the language of Mermaid, with the same content.

    >>> from dispel4py.base import IterativePE, ProducerPE
    >>> graph = WorkflowGraph()
    >>> graph.connect(ProducerPE(), "output", IterativePE(), "input")
    >>> print(mermaid(graph))  # doctest: +ELLIPSIS
    flowchart TB
      pe0["ProducerPE<br/>out: output"]
      pe1["IterativePE<br/>in: input<br/>out: output"]
      pe0 -->|"output → input"| pe1
    ...
    """
    return mermaid_text(make_scene(graph))


def image_bytes(graph: WorkflowGraph, kind: str = "png") -> bytes:
    """Return a picture of ``graph``.

    Parameters
    ----------
    graph : WorkflowGraph
    kind : str
        ``dot``, ``mermaid``, ``svg``, ``png`` or ``pdf``.

    Returns
    -------
    bytes
        The content of a file; a text is encoded in UTF-8.

    Raises
    ------
    ParameterError
        If the kind is unknown, or it is an image and graphviz is not installed.
    GraphError
        If the graph is empty or has a cycle.
    Dispel4pyError
        If graphviz fails.
    """
    if kind not in FORMATS:
        raise ParameterError(f"pictures of kind {kind!r}: {suggest(kind, FORMATS)}")
    if kind == "mermaid":
        return mermaid(graph).encode()
    if kind == "dot":
        return draw(graph).encode()
    graph.sorted_pes()
    return _run_graphviz(draw(graph), kind)


def write_image(
    graph: WorkflowGraph, path: str | os.PathLike[str], kind: str | None = None
) -> None:
    """Write a picture of ``graph``.

    Parameters
    ----------
    graph : WorkflowGraph
    path : path
        The file.
    kind : str, optional
        As for `image_bytes`. The default is chosen by the suffix of the file: .dot,
        .mmd, .svg, .png or .pdf.

    Raises
    ------
    ParameterError
        If the suffix is unknown, the file cannot be written, or graphviz is needed and
        not installed.
    GraphError
        If the graph is empty or has a cycle.
    Dispel4pyError
        If graphviz fails.
    """
    path = Path(path)
    kind = kind or SUFFIXES.get(path.suffix[1:].lower())
    if kind is None:
        raise ParameterError(
            f"{path}: the suffix must be .dot, .mmd, .svg, .png or .pdf, or give a "
            "format"
        )
    if not is_folder(path.parent):
        raise ParameterError(f"{path}: there is no folder {path.parent}")
    content = image_bytes(graph, kind)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror}") from None


def has_graphviz() -> bool:
    """Return whether the program ``dot`` of graphviz is installed."""
    return shutil.which("dot") is not None


def _run_graphviz(text: str, kind: str) -> bytes:
    """Return the image that graphviz draws from a DOT text."""
    program = shutil.which("dot")
    if program is None:
        raise ParameterError(
            f"{kind} pictures need graphviz, which is not installed: 'apt install "
            "graphviz', 'conda install -c conda-forge graphviz' or 'brew install "
            "graphviz'; .dot and .mmd need nothing"
        )
    try:
        completed = subprocess.run(
            [program, f"-T{kind}"],
            input=text.encode(),
            capture_output=True,
            check=True,
            timeout=_GRAPHVIZ_SECONDS,
        )
    except subprocess.CalledProcessError as error:
        reason = " ".join(error.stderr.decode(errors="replace").split())
        raise Dispel4pyError(f"graphviz failed: {reason or error}") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Dispel4pyError(f"graphviz failed: {error}") from error
    return completed.stdout
