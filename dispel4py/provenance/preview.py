"""Previews of products, drawn by the package that knows what they are."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from dispel4py.errors import MappingUnavailable

__all__ = ["draw_preview"]

#: The module that draws files and items, imported when it is needed.
DRAWS = "seismo_pes.plotting.product_preview"


def draw_preview(content: Any, target: Path, title: str) -> None:
    """Draw a file or an item.

    Parameters
    ----------
    content : Path or object
        A file, or an item.
    target : Path
        PNG, PDF or SVG.
    title : str

    Raises
    ------
    MappingUnavailable
        If the package that draws is not installed.
    """
    try:
        drawing = importlib.import_module(DRAWS)
    except ModuleNotFoundError as error:
        raise MappingUnavailable(f"preview needs {error.name}") from None
    if isinstance(content, Path):
        drawing.draw_file(content, target, title)
    else:
        drawing.draw_item(content, target, title)
