"""Pictures of a graph, and tables of its plan.

The text of a picture, in the languages of graphviz (DOT) and Mermaid, is always there.
Images are drawn by graphviz's program ``dot``.
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
from dispel4py.workflow_graph import WorkflowGraph

__all__ = ["draw", "image_bytes", "mermaid", "plan_record", "plan_text", "write_image"]

#: Suffixes of files, and the format that each stands for.
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
#: Seconds that graphviz may take; a graph of hundreds of PEs takes one or two.
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
        The content of a file; of a text in UTF-8.

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
    return _drawn(draw(graph), kind)


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
        As `image_bytes` has it. By default the suffix of the file says it: .dot, .mmd,
        .svg, .png or .pdf.

    Raises
    ------
    ParameterError
        If the suffix is another, the file cannot be written, or graphviz is needed and
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
            f"{path}: the suffix says what is drawn; use .dot, .mmd, .svg, .png or "
            ".pdf, or name a format"
        )
    if not path.parent.is_dir():
        raise ParameterError(f"{path}: there is no folder {path.parent}")
    content = image_bytes(graph, kind)
    try:
        path.write_bytes(content)
    except OSError as error:
        raise ParameterError(f"{path}: {error.strerror}") from None


def has_graphviz() -> bool:
    """Return whether graphviz's program ``dot`` is installed."""
    return shutil.which("dot") is not None


def _drawn(text: str, kind: str) -> bytes:
    """Return the image that graphviz draws of a DOT text."""
    program = shutil.which("dot")
    if program is None:
        raise ParameterError(
            f"{kind} pictures need graphviz, which is not installed: 'apt install "
            "graphviz', 'conda install -c conda-forge graphviz' or 'brew install "
            "graphviz'; .dot and .mmd need nothing"
        )
    try:
        done = subprocess.run(
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
    return done.stdout
