"""The places of the rows of substacks in the parts of a run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dispel4py.description import describe
from seismo_pes.writing.part_records import MARKER
from xcorr_app.results.run_parts import (
    DERIVED,
    Part,
    counted,
    parts_of,
    records_of,
    redo_rules,
)

__all__ = ["Extent", "RestackTile", "substack_rows"]


class Extent(NamedTuple):
    """Consecutive rows of a part that belong to one stack of one tile.

    Attributes
    ----------
    key : int
        Third element of the tile's key; it increases with time.
    stack : str
        Name of the stack.
    part : int
        Number of the part.
    begin, end : int
        First row, and the row after the last.
    """

    key: int
    stack: str
    part: int
    begin: int
    end: int


@dataclass(frozen=True)
class RestackTile:
    """The places of the substacks of all pairs of two blocks.

    Parameters
    ----------
    row, column
        The blocks.
    extents
        Places of the rows, in the order of writing.
    """

    row: int
    column: int
    extents: tuple[Extent, ...]


@describe.register
def _of_tile(item: RestackTile) -> dict[str, Any]:
    return {"row": item.row, "column": item.column, "n_extents": len(item.extents)}


def substack_rows(
    out: Path,
) -> tuple[tuple[Part, ...], dict[tuple[int, int], RestackTile]]:
    """Return the parts of a run, and the places of the substacks of each tile.

    Parameters
    ----------
    out
        Folder of the run.
    """
    redo = redo_rules(out)
    parts = parts_of(out)
    extents: dict[tuple[int, int], list[Extent]] = {}
    for number, part in enumerate(parts):
        for first_row, records in records_of(out, part):
            valid = counted(records, part.layout.session, redo)
            valid &= (records["flags"] & MARKER) == 0
            valid &= records["tile"][:, 2] != DERIVED
            for begin, end in _ranges(records, valid):
                row, column, key = records["tile"][begin].tolist()
                name = records["stack"][begin].decode()
                rows = begin + first_row, end + first_row
                _append(
                    extents.setdefault((row, column), []),
                    Extent(key, name, number, *rows),
                )
    tiles = {
        place: RestackTile(*place, tuple(extents[place])) for place in sorted(extents)
    }
    return tuple(parts), tiles


def _append(extents: list[Extent], new: Extent) -> None:
    """Append an extent; one that continues the last extent is joined to it."""
    last = extents[-1] if extents else None
    if last is not None and (*last[:3], last.end) == (*new[:3], new.begin):
        extents[-1] = last._replace(end=new.end)
    else:
        extents.append(new)


def _ranges(records: np.ndarray, valid: np.ndarray) -> list[tuple[int, int]]:
    """Return begin and end of consecutive valid rows of the same tile and stack."""
    if not len(records):
        return []
    same = (records["tile"][1:] == records["tile"][:-1]).all(axis=1)
    same &= records["stack"][1:] == records["stack"][:-1]
    same &= valid[1:] == valid[:-1]
    begins = np.concatenate([[0], np.flatnonzero(~same) + 1])
    ends = np.append(begins[1:], len(records))
    chosen = valid[begins]
    return list(zip(begins[chosen].tolist(), ends[chosen].tolist(), strict=True))
