"""The parts of a run, and the table of their rows.

::

    OUT/run.json            configuration, versions, channel table, lag axis, division
    OUT/inputs.json         fingerprints of the data of each day
    OUT/parts/part-*.h5     rows of correlations, written by one writer each
    OUT/correlations.h5     the rows of all parts as one file, when the run has ended

See ``docs/decisions/0002-output-layout.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.part_files import (
    DAMAGED,
    LAST,
    MARKER,
    RECORD,
    PartLayout,
    read_index,
    read_layout,
    whole_rows,
)
from xcorr_app.results.runfile import RUN_FILE, Redo, read_run

__all__ = [
    "DERIVED",
    "WINDOWS",
    "Part",
    "Table",
    "Tile",
    "counted",
    "finished_tiles",
    "is_hidden",
    "iterate_parts",
    "redo_rules",
    "table_from_parts",
    "with_rules",
]

# Third element of the keys of tiles whose stacks are made of substacks. Other tiles
# have the number of a period there, which is the day counted from 1970.
DERIVED = -1

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
    stacks: Mapping[str, np.ndarray]


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


def with_rules(old: Iterable[Redo], new: Iterable[Redo]) -> tuple[Redo, ...]:
    """Return old and new rules. Of several about the same tiles the last one counts."""
    table = {(rule.block, rule.key): rule for rule in (*old, *new)}
    return tuple(table.values())


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
    parts, found, names = [], [np.zeros(0, np.int64)], set()
    for part, records in iterate_parts(out):
        shown = np.flatnonzero(_shown(records, part, redo))
        parts.append(part)
        found.append(_distinct(_keys(records, shown)))
        names.update(_stack_runs(records, shown)[0])
    keys, order = _distinct(np.concatenate(found)), sorted(names)
    stacks = np.zeros((len(order), len(keys)), WINDOWS)
    stacks["part"] = -1
    numbers = {name: k for k, name in enumerate(order)}
    for number, part in enumerate(parts):
        records = read_index(out / part.name, part.layout)[: part.n_rows]
        kept = _shown(records, part, redo)
        if verify:
            kept &= whole_rows(out / part.name, part.layout, records)
        _enter(stacks, numbers, keys, records, np.flatnonzero(kept), number)
    if verify:  # a pair of which every row is damaged is none, and so is a stack
        there = stacks["part"] >= 0
        of_stack, of_pair = (np.asarray(there.any(axis=k)) for k in (1, 0))
        if not (of_stack.all() and of_pair.all()):
            stacks, keys = stacks[np.ix_(of_stack, of_pair)], keys[of_pair]
            order = [name for name, some in zip(order, of_stack, strict=True) if some]
    pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
    tables = {name.decode(): rows for name, rows in zip(order, stacks, strict=True)}
    return Table(tuple(parts), pairs, tables)


def _shown(records: np.ndarray, part: Part, redo: Sequence[Redo]) -> np.ndarray:
    """Say which records are of correlations that a user may see."""
    kept = counted(records, part.layout.session, redo)
    kept &= (records["flags"] & MARKER) == 0
    letters = records.view(np.uint8).reshape(len(records), RECORD.itemsize)
    assert RECORD.fields is not None
    kept &= letters[:, RECORD.fields["stack"][1]] != ord(".")  # see is_hidden
    return np.asarray(kept)


def _keys(records: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return one number for each pair, in the order of the pairs."""
    first = records["first"][rows].astype(np.int64)
    return np.asarray((first << 32) | records["second"][rows])


def _distinct(keys: np.ndarray) -> np.ndarray:
    """Return keys sorted, each once; for many this is faster than `numpy.unique`."""
    keys = np.sort(keys)
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new]


def _stack_runs(
    records: np.ndarray, rows: np.ndarray
) -> tuple[list[bytes], np.ndarray]:
    """Return the stacks of rows, one for all that follow each other, and how many."""
    names = records["stack"][rows]
    if not len(names):
        return [], np.zeros(0, np.int64)
    words = names.view(np.uint64).reshape(len(names), -1)
    new = np.flatnonzero((words[1:] != words[:-1]).any(axis=1)) + 1
    begins = np.append(0, new)
    return names[begins].tolist(), np.diff(np.append(begins, len(names)))


def _enter(
    stacks: np.ndarray,
    numbers: dict[bytes, int],
    keys: np.ndarray,
    records: np.ndarray,
    rows: np.ndarray,
    part: int,
) -> None:
    """Enter rows of a part into the table; of several of a pair the last one stays.

    Parameters
    ----------
    stacks
        Shape (n_stacks, n_pairs), written to.
    numbers, keys
        What its rows and columns mean.
    records, rows
        Records of the part, and which of them to enter.
    part
        Number of the part.
    """
    names, lengths = _stack_runs(records, rows)
    of_row = np.repeat([numbers[name] for name in names], lengths).astype(np.intp)
    entries = np.empty(len(rows), WINDOWS)
    for field in ("n_windows", "start_ns", "end_ns", "data_sum"):
        entries[field] = records[field][rows]
    entries["part"], entries["row"] = part, rows
    stacks[of_row, np.searchsorted(keys, _keys(records, rows))] = entries


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
