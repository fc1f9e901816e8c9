"""Base rows: the stacks of each pair over each period, of which others are made."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np

from seismo_pes.items.times import NS
from seismo_pes.writing.part_files import MARKER
from xcorr_app.results.layout import Part, counted, iterate_parts, redo_rules

__all__ = ["DERIVED", "Extent", "Moving", "RestackTile", "base_rows", "moving_stacks"]

DERIVED = -1  # third element of the keys of tiles that are made of base rows


class Extent(NamedTuple):
    """Rows that follow each other in a part and are of one stack of one tile.

    Attributes
    ----------
    key : int
        Third element of the tile's key, by which extents are in the order of time.
    stack : str
        Name of the stack.
    part : int
        Which part.
    begin, end : int
        Rows of it.
    """

    key: int
    stack: str
    part: int
    begin: int
    end: int


@dataclass(frozen=True)
class RestackTile:
    """The base rows of all pairs of two blocks.

    Parameters
    ----------
    row, column
        The blocks.
    extents
        Where the rows are, those written first before others.
    """

    row: int
    column: int
    extents: tuple[Extent, ...]


def base_rows(out: Path) -> tuple[tuple[Part, ...], dict[tuple[int, int], RestackTile]]:
    """Return the parts of a run, and for each pair of blocks where base rows are."""
    redo = redo_rules(out)
    parts: list[Part] = []
    found: dict[tuple[int, int], list[Extent]] = {}
    for part, records in iterate_parts(out):
        kept = counted(records, part.layout.session, redo)
        kept &= (records["flags"] & MARKER) == 0
        kept &= records["tile"][:, 2] != DERIVED
        for begin, end in _runs(records, kept):
            row, column, key = records["tile"][begin].tolist()
            name = records["stack"][begin].decode()
            extent = Extent(key, name, len(parts), begin, end)
            found.setdefault((row, column), []).append(extent)
        parts.append(part)
    tiles = {where: RestackTile(*where, tuple(found[where])) for where in sorted(found)}
    return tuple(parts), tiles


def _runs(records: np.ndarray, kept: np.ndarray) -> list[tuple[int, int]]:
    """Return begin and end of the rows in sequence of the same tile and stack."""
    if not len(records):
        return []
    same = (records["tile"][1:] == records["tile"][:-1]).all(axis=1)
    same &= records["stack"][1:] == records["stack"][:-1]
    same &= kept[1:] == kept[:-1]
    begins = np.concatenate([[0], np.flatnonzero(~same) + 1])
    ends = np.append(begins[1:], len(records))
    chosen = kept[begins]
    pairs = zip(begins[chosen].tolist(), ends[chosen].tolist(), strict=True)
    return list(pairs)


# ------------------------------------------------------------------ moving stacks


class Moving(NamedTuple):
    """One of a series of stacks over as much time each.

    Attributes
    ----------
    name : str
        ``START~SECONDSs``.
    start_ns, end_ns : int
        Base rows whose period begins in here enter.
    """

    name: str
    start_ns: int
    end_ns: int


def moving_stacks(
    start_ns: int, end_ns: int, length_s: float, step_s: float
) -> tuple[Moving, ...]:
    """Return the moving stacks that lie wholly within a time.

    They begin at multiples of the step since 1970, so that those of a longer time are
    the same and some more.

    Examples
    --------
    >>> day = 86400
    >>> [one.name for one in moving_stacks(0, 4 * day * 10**9, 3 * day, day)]
    ['1970-01-01T00:00:00~259200s', '1970-01-02T00:00:00~259200s']
    """
    length_ns, step_ns = round(length_s * NS), round(step_s * NS)
    first = -(-start_ns // step_ns)
    last = (end_ns - length_ns) // step_ns
    found = []
    for k in range(first, last + 1):
        begin = k * step_ns
        name = f"{_time_name(begin)}~{length_s:.12g}s"
        found.append(Moving(name, begin, begin + length_ns))
    return tuple(found)


def _time_name(time_ns: int) -> str:
    seconds, rest_ns = divmod(time_ns, NS)
    name = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    fraction = f"{rest_ns:09d}"[:6].rstrip("0")
    return f"{name}.{fraction}" if fraction else name
