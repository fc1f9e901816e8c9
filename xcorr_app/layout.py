"""The folder of a run: its parts, and the table of what they hold.

::

    OUT/run.json            configuration, versions, channel table, lag axis, geometry
    OUT/inputs.json         fingerprints of the data of each day
    OUT/parts/part-*.h5     rows of correlations, written by one writer each
    OUT/correlations.h5     all of it as one file, once the run has ended

See ``docs/decisions/0002-output-layout.md``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seismo_pes.parts import (
    DAMAGED,
    LAST,
    MARKER,
    RECORD,
    PartLayout,
    read_index,
    read_layout,
    whole_rows,
)
from seismo_pes.write import parts_folder
from xcorr_app.runfile import (
    INDEX_FILE,
    RUN_FILE,
    Redo,
    RunInfo,
    channel_dtype,
    create_run,
    read_run,
)

__all__ = [
    "INDEX_FILE",
    "RUN_FILE",
    "WINDOWS",
    "Part",
    "RunInfo",
    "Table",
    "Tile",
    "channel_dtype",
    "counted",
    "create_run",
    "finished_tiles",
    "is_hidden",
    "iterate_parts",
    "read_run",
    "redo_rules",
    "table_from_parts",
]

Tile = tuple[int, int, int]

WINDOWS = np.dtype(
    [
        ("n_windows", "<i4"),
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("part", "<i4"),  # -1: this stack has no such pair
        ("row", "<i8"),
        ("data_sum", "<u4"),
    ]
)


@dataclass(frozen=True)
class Part:
    """A part file: its path from the run's folder and its layout."""

    name: str
    layout: PartLayout
    n_rows: int


@dataclass(frozen=True)
class Table:
    """Which pairs a run has, and where the row of each stack of each pair is.

    Parameters
    ----------
    parts
        The part files, in the order that ``part`` of the windows means.
    pairs
        Shape (n_pairs, 2), int32, sorted: indices into the channel table.
    stacks
        For each stack an array of `WINDOWS`, one entry a pair.
    """

    parts: tuple[Part, ...]
    pairs: np.ndarray
    stacks: dict[str, np.ndarray]


def is_hidden(stack: str) -> bool:
    """Say whether a stack is an intermediate result, of which others are made.

    >>> is_hidden(".2022-05-17"), is_hidden("2022-05-17")
    (True, False)
    """
    return stack.startswith(".")


# ------------------------------------------------------------------ parts


def iterate_parts(out: Path) -> Iterator[tuple[Part, np.ndarray]]:
    """Yield the parts of a run, those written first before others, and their records.

    A file that its writer did not live to name is not among them.
    """
    paths = parts_folder(out).glob("part-*.h5")
    layouts = [(read_layout(path), path) for path in paths]
    layouts.sort(key=lambda one: (one[0].session, one[0].created_ns, one[1].name))
    for layout, path in layouts:
        records = read_index(path, layout)
        yield Part(path.relative_to(out).as_posix(), layout, len(records)), records


def redo_rules(out: Path) -> tuple[Redo, ...]:
    """Return which rows of a run no longer count; none where nothing says so."""
    return read_run(out).redo if (out / RUN_FILE).is_file() else ()


def counted(records: np.ndarray, session: int, redo: Sequence[Redo]) -> np.ndarray:
    """Say which records of a part count: not outdated, not known as damaged."""
    kept = (records["flags"] & DAMAGED) == 0
    blocks: dict[int, set[int]] = {}
    for rule in redo:
        if rule.session > session:
            blocks.setdefault(rule.key, set()).add(rule.block)
    if not blocks or not len(records):
        return np.asarray(kept)
    tiles, of_tile = np.unique(records["tile"], axis=0, return_inverse=True)
    current = [
        key not in blocks or not blocks[key] & {-1, row, column}
        for row, column, key in tiles.tolist()
    ]
    return np.asarray(kept & np.array(current)[of_tile.reshape(-1)])


# ------------------------------------------------------------------ the table


def table_from_parts(out: str | Path, verify: bool = False) -> Table:
    """Read the indices of all parts, finished or growing, into one table.

    Where a pair stands in a stack more than once (a tile that was begun, killed and
    done again), the row that was written last counts.

    Parameters
    ----------
    out
        Folder of the run.
    verify
        Read the data of parts that were not closed, and leave out damaged rows.
    """
    out = Path(out)
    redo = redo_rules(out)
    parts, keys, names = [], [np.zeros(0, np.int64)], set()
    for part, records in iterate_parts(out):
        shown = records[_shown(records, part, redo)]
        parts.append(part)
        keys.append(np.unique(_keys(shown)))
        names.update(np.unique(shown["stack"]).tolist())
    unique = np.unique(np.concatenate(keys))
    stacks = {name: np.zeros(len(unique), WINDOWS) for name in sorted(names)}
    for windows in stacks.values():
        windows["part"] = -1
    for number, part in enumerate(parts):
        records = read_index(out / part.name, part.layout)[: part.n_rows]
        kept = _shown(records, part, redo)
        if verify:
            kept &= whole_rows(out / part.name, part.layout, records)
        _enter(stacks, unique, records, np.flatnonzero(kept), number)
    if verify:  # a pair of which every row is damaged is none
        unique, stacks = _without_empty(unique, stacks)
    pairs = np.stack([unique >> 32, unique & 0xFFFFFFFF], axis=1).astype(np.int32)
    return Table(
        tuple(parts), pairs, {name.decode(): rows for name, rows in stacks.items()}
    )


def _shown(records: np.ndarray, part: Part, redo: Sequence[Redo]) -> np.ndarray:
    """Say which records are of correlations that a user may see."""
    kept = counted(records, part.layout.session, redo)
    kept &= (records["flags"] & MARKER) == 0
    hidden = records["stack"].astype("S1") == b"."
    return np.asarray(kept & ~hidden)


def _keys(records: np.ndarray) -> np.ndarray:
    return (records["first"].astype(np.int64) << 32) | records["second"]


def _enter(
    stacks: dict[bytes, np.ndarray],
    unique: np.ndarray,
    records: np.ndarray,
    rows: np.ndarray,
    part: int,
) -> None:
    """Enter rows of a part into the table; of several of a pair the last one stays."""
    names, of_stack = np.unique(records["stack"][rows], return_inverse=True)
    for i, name in enumerate(names.tolist()):
        chosen = rows[of_stack == i]
        entry = np.zeros(len(chosen), WINDOWS)
        for field in ("n_windows", "start_ns", "end_ns", "data_sum"):
            entry[field] = records[field][chosen]
        entry["part"], entry["row"] = part, chosen
        at = np.searchsorted(unique, _keys(records[chosen]))
        stacks[name][at] = entry


def _without_empty(
    unique: np.ndarray, stacks: dict[bytes, np.ndarray]
) -> tuple[np.ndarray, dict[bytes, np.ndarray]]:
    there = np.zeros(len(unique), bool)
    for windows in stacks.values():
        there |= windows["part"] >= 0
    if there.all():
        return unique, stacks
    kept = {name: rows[there] for name, rows in stacks.items()}
    return unique[there], {
        name: rows for name, rows in kept.items() if (rows["part"] >= 0).any()
    }


# ------------------------------------------------------------------ what is done


def finished_tiles(out: str | Path) -> set[Tile]:
    """Return the tiles of which every row is on the disk, whole, and still counts.

    Parts that their writer could not close are read through and checked, row by row:
    after a power failure a record may be on the disk and its data not.
    """
    out = Path(out)
    redo = redo_rules(out)
    finished: set[Tile] = set()
    for part, records in iterate_parts(out):
        records_now = counted(records, part.layout.session, redo)
        ended = records[((records["flags"] & LAST) != 0) & records_now]
        tiles = set(map(tuple, ended["tile"].tolist()))
        damaged = ~whole_rows(out / part.name, part.layout, records)
        tiles -= set(map(tuple, records["tile"][damaged].tolist()))
        finished |= tiles
    return finished
