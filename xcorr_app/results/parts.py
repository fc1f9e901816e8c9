"""The parts of a run, and the table of their rows.

::

    OUT/run.json            configuration, versions, channel table, lag axis, division
    OUT/inputs.json         fingerprints of the data of each day
    OUT/parts/part-*.h5     rows of correlations; each part has one writer
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

# Third element of the keys of tiles whose stacks are made from substacks. Other tiles
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
    """The pairs of a run, and the places of their rows in the parts.

    Parameters
    ----------
    parts
        The part files. ``part`` of `WINDOWS` is an index into them.
    pairs
        Shape (n_pairs, 2), int32, sorted: indices into the channel table.
    stacks
        For each stack an array of `WINDOWS`, with one entry for each pair.
    """

    parts: tuple[Part, ...]
    pairs: np.ndarray
    stacks: Mapping[str, np.ndarray]


def is_hidden(stack: str) -> bool:
    """Return whether a stack is intermediate: other stacks are made from it.

    >>> is_hidden(".2022-05-17"), is_hidden("2022-05-17")
    (True, False)
    """
    return stack.startswith(".")


# ------------------------------------------------------------------ parts


def iterate_parts(out: Path) -> Iterator[tuple[Part, np.ndarray]]:
    """Yield the parts of a run and their records, in the order of writing.

    A part whose writer was killed before it gave the file its name is left out.

    Parameters
    ----------
    out
        Folder of the run.
    """
    paths = parts_folder(out).glob("part-*.h5")
    layouts = [(read_layout(path), path) for path in paths]
    layouts.sort(key=lambda row: (row[0].session, row[0].created_ns, row[1].name))
    for layout, path in layouts:
        records = read_index(path, layout)
        yield Part(path.relative_to(out).as_posix(), layout, len(records)), records


def redo_rules(out: Path) -> tuple[Redo, ...]:
    """Return the rules by which rows of a run no longer count."""
    return read_run(out).redo if (out / RUN_FILE).is_file() else ()


def with_rules(old: Iterable[Redo], new: Iterable[Redo]) -> tuple[Redo, ...]:
    """Return old and new rules; the last of several rules for the same tiles counts."""
    table = {(rule.block, rule.key): rule for rule in (*old, *new)}
    return tuple(table.values())


def counted(records: np.ndarray, session: int, redo: Sequence[Redo]) -> np.ndarray:
    """Return which records of a part count: not outdated, not known as damaged.

    Parameters
    ----------
    records
        The records of the part.
    session
        The start of the run in which the part was written.
    redo
        The rules by which rows no longer count.

    Returns
    -------
    numpy.ndarray
        Shape of ``records``, bool.
    """
    valid = (records["flags"] & DAMAGED) == 0
    blocks: dict[int, set[int]] = {}
    for rule in redo:
        if rule.session > session:
            blocks.setdefault(rule.key, set()).add(rule.block)
    if not blocks or not len(records):
        return np.asarray(valid)
    tiles, of_tile = np.unique(records["tile"], axis=0, return_inverse=True)
    current = [
        key not in blocks or not blocks[key] & {-1, row, column}
        for row, column, key in tiles.tolist()
    ]
    return np.asarray(valid & np.array(current)[of_tile.reshape(-1)])


# ------------------------------------------------------------------ the table


def table_from_parts(out: str | Path, verify: bool = False) -> Table:
    """Read the indices of all parts, finished or growing, into one table.

    A pair has several rows in a stack if a process was killed while it wrote the tile,
    and the tile was computed again. Then the last row counts.

    Parameters
    ----------
    out
        Folder of the run.
    verify
        Read the data of parts that were not closed, and leave out damaged rows.
    """
    out = Path(out)
    redo = redo_rules(out)
    parts, part_keys, names = [], [np.zeros(0, np.int64)], set()
    for part, records in iterate_parts(out):
        shown = np.flatnonzero(_shown(records, part, redo))
        parts.append(part)
        part_keys.append(_distinct(_keys(records, shown)))
        names.update(_stack_runs(records, shown)[0])
    keys, order = _distinct(np.concatenate(part_keys)), sorted(names)
    stacks = np.zeros((len(order), len(keys)), WINDOWS)
    stacks["part"] = -1
    numbers = {name: k for k, name in enumerate(order)}
    for number, part in enumerate(parts):
        records = read_index(out / part.name, part.layout)[: part.n_rows]
        valid = _shown(records, part, redo)
        if verify:
            valid &= whole_rows(out / part.name, part.layout, records)
        _enter(stacks, numbers, keys, records, np.flatnonzero(valid), number)
    if verify:  # leave out pairs and stacks of which every row is damaged
        present = stacks["part"] >= 0
        of_stack, of_pair = (np.asarray(present.any(axis=k)) for k in (1, 0))
        if not (of_stack.all() and of_pair.all()):
            stacks, keys = stacks[np.ix_(of_stack, of_pair)], keys[of_pair]
            order = [
                name for name, is_used in zip(order, of_stack, strict=True) if is_used
            ]
    pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
    tables = {name.decode(): rows for name, rows in zip(order, stacks, strict=True)}
    return Table(tuple(parts), pairs, tables)


def _shown(records: np.ndarray, part: Part, redo: Sequence[Redo]) -> np.ndarray:
    """Return which records are of stacks that users see."""
    shown = counted(records, part.layout.session, redo)
    shown &= (records["flags"] & MARKER) == 0
    letters = records.view(np.uint8).reshape(len(records), RECORD.itemsize)
    assert RECORD.fields is not None
    shown &= letters[:, RECORD.fields["stack"][1]] != ord(".")  # see is_hidden
    return np.asarray(shown)


def _keys(records: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Return one number for each pair, in the order of the pairs."""
    first = records["first"][rows].astype(np.int64)
    return np.asarray((first << 32) | records["second"][rows])


def _distinct(keys: np.ndarray) -> np.ndarray:
    """Return the sorted distinct keys; for many keys faster than `numpy.unique`."""
    keys = np.sort(keys)
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    return keys[new]


def _stack_runs(
    records: np.ndarray, rows: np.ndarray
) -> tuple[list[bytes], np.ndarray]:
    """Return the stack of each group of consecutive rows, and the number of rows."""
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
    """Enter rows of a part into the table. The last of several rows of a pair counts.

    Parameters
    ----------
    stacks
        Shape (n_stacks, n_pairs), written to.
    numbers, keys
        Stacks of the rows of ``stacks``, and pairs of its columns.
    records, rows
        Records of the part, and the indices of those to enter.
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


# ------------------------------------------------------------------ finished tiles


def finished_tiles(out: str | Path) -> set[Tile]:
    """Return the tiles whose rows are all on the disk, undamaged and not outdated.

    The rows of parts that were not closed by their writer are read and checked: after
    a power failure a record may be on the disk without its data.

    Parameters
    ----------
    out
        Folder of the run.
    """
    out = Path(out)
    redo = redo_rules(out)
    finished: set[Tile] = set()
    for part, records in iterate_parts(out):
        valid = counted(records, part.layout.session, redo)
        last = records[((records["flags"] & LAST) != 0) & valid]
        tiles = set(map(tuple, last["tile"].tolist()))
        damaged = ~whole_rows(out / part.name, part.layout, records)
        tiles -= set(map(tuple, records["tile"][damaged].tolist()))
        finished |= tiles
    return finished
