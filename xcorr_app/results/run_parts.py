"""The parts of a run, and the table of their rows.

::

    OUT/run.json            configuration, versions, channel table, lag axis, division
    OUT/inputs.json         fingerprints of the data of each day
    OUT/account/*.jsonl     windows used and lost, and skipped data (see `account`)
    OUT/parts/part-*.h5     rows of correlations; each part has one writer
    OUT/correlations.h5     the rows of all parts as one file, when the run has ended

See ``docs/decisions/0002-output-layout.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dispel4py.errors import DataError
from dispel4py.file_search import files_named
from dispel4py.files import is_file
from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.part_damage import whole_rows
from seismo_pes.writing.part_files import (
    PartLayout,
    count_rows,
    index_pieces,
    read_layout,
)
from seismo_pes.writing.part_records import DAMAGED, LAST, MARKER, RECORD
from xcorr_app.results.runfile import RUN_FILE, Redo, read_run
from xcorr_app.results.window_tables import WINDOWS, WindowTables

__all__ = [
    "DERIVED",
    "Part",
    "Table",
    "Tile",
    "check_run",
    "counted",
    "finished_tiles",
    "is_hidden",
    "parts_of",
    "records_of",
    "redo_rules",
    "sessions_of_tiles",
    "table_from_parts",
    "with_rules",
]

# Third element of the keys of tiles whose stacks are made from substacks. Other tiles
# have the number of a period there, which is the day counted from 1970 and negative
# before; the smallest int32 is no day.
DERIVED = int(np.iinfo(np.int32).min)

Tile = tuple[int, int, int]


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


def parts_of(out: Path) -> list[Part]:
    """Return the parts of a run, in the order of writing.

    A part whose writer was killed before it gave the file its name is left out.

    Parameters
    ----------
    out
        Folder of the run.

    Raises
    ------
    DataError
        If a part is damaged, or belongs to another run.
    """
    paths = files_named(parts_folder(out), "part-*.h5")
    layouts = [(read_layout(path), path) for path in paths]
    run_id = read_run(out).run_id if is_file(out / RUN_FILE) else ""
    for layout, path in layouts:
        check_run(path, layout, run_id)
    layouts.sort(key=lambda row: (row[0].session, row[0].created_ns, row[1].name))
    return [
        Part(path.relative_to(out).as_posix(), layout, count_rows(path, layout))
        for layout, path in layouts
    ]


def records_of(out: Path, part: Part) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the records of a part in pieces, each with the number of its first row.

    Parameters
    ----------
    out
        Folder of the run.
    part
        The part.

    Raises
    ------
    DataError
        If the part is damaged.
    """
    first_row = 0
    for records in index_pieces(out / part.name, part.layout, part.n_rows):
        yield first_row, records
        first_row += len(records)


def check_run(path: Path, layout: PartLayout, run_id: str) -> None:
    """Refuse a part of another run.

    Parameters
    ----------
    path, layout
        The part.
    run_id
        Identity of the run; a part or a run without identity is accepted.

    Raises
    ------
    DataError
        If the part belongs to another run.
    """
    if layout.run_id and run_id and layout.run_id != run_id:
        raise DataError(
            f"{path}: belongs to another run ({layout.run_id}) than the folder "
            f"({run_id}): move it back"
        )


def redo_rules(out: Path) -> tuple[Redo, ...]:
    """Return the rules by which rows of a run no longer count."""
    return read_run(out).redo if is_file(out / RUN_FILE) else ()


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


def table_from_parts(
    out: str | Path, verify: bool = False, on_disk: bool = False
) -> Table:
    """Read the indices of all parts, finished or growing, into one table.

    A pair has several rows in a stack if a process was killed while it wrote the tile,
    and the tile was computed again. Then the last row counts.

    Parameters
    ----------
    out
        Folder of the run.
    verify
        Read the data of parts that were not closed, and leave out damaged rows.
    on_disk
        Keep the entries of a large table in a temporary file in ``out``.
    """
    out = Path(out)
    redo, parts = redo_rules(out), tuple(parts_of(out))
    keys, names = _pairs_and_stacks(out, parts, redo)
    stacks = WindowTables(names, len(keys), out if on_disk else None)
    for number, part in enumerate(parts):
        for first_row, records in records_of(out, part):
            valid = _shown(records, part, redo)
            if verify:
                path = out / part.name
                valid &= whole_rows(path, part.layout, records, first_row)
            _enter(stacks, keys, records, np.flatnonzero(valid), number, first_row)
            stacks.release()
    if verify:  # leave out pairs and stacks of which every row is damaged
        keys = keys[stacks.drop_absent()]
    pairs = np.stack([keys >> 32, keys & 0xFFFFFFFF], axis=1).astype(np.int32)
    return Table(parts, pairs, stacks)


def _pairs_and_stacks(
    out: Path, parts: Iterable[Part], redo: Sequence[Redo]
) -> tuple[np.ndarray, list[bytes]]:
    """Return the keys of all pairs and the names of all stacks, both sorted."""
    keys, names = np.zeros(0, np.int64), set()
    new_keys: list[np.ndarray] = []
    n_new = 0
    for part in parts:
        for _, records in records_of(out, part):
            shown = np.flatnonzero(_shown(records, part, redo))
            names.update(_stack_runs(records, shown)[0])
            new_keys.append(_distinct(_keys(records, shown)))
            n_new += len(new_keys[-1])
            if n_new > len(keys) // 4:  # most stacks have the same pairs
                keys = _distinct(np.concatenate([keys, *new_keys]))
                new_keys, n_new = [], 0
    return _distinct(np.concatenate([keys, *new_keys])), sorted(names)


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
    stacks: WindowTables,
    keys: np.ndarray,
    records: np.ndarray,
    rows: np.ndarray,
    part: int,
    first_row: int,
) -> None:
    """Enter rows of a part into the table. The last of several rows of a pair counts.

    Parameters
    ----------
    stacks
        The table, written to.
    keys
        Pairs of its columns.
    records, rows
        Consecutive records of the part, and the indices of those to enter.
    part
        Number of the part.
    first_row
        Number of the first record in the part.
    """
    names, lengths = _stack_runs(records, rows)
    entries = np.empty(len(rows), WINDOWS)
    for field in ("n_windows", "start_ns", "end_ns", "data_sum"):
        entries[field] = records[field][rows]
    entries["part"], entries["row"] = part, rows + first_row
    columns = np.searchsorted(keys, _keys(records, rows))
    stacks.enter(names, lengths, columns, entries)


# ------------------------------------------------------------------ finished tiles


def finished_tiles(out: str | Path) -> set[Tile]:
    """Return the tiles whose rows are all on the disk, undamaged and not outdated.

    Parameters
    ----------
    out
        Folder of the run.
    """
    return set(sessions_of_tiles(out))


def sessions_of_tiles(out: str | Path) -> dict[Tile, int]:
    """Return the finished tiles, and the session that has written each of them last.

    The last row of a tile has the number of its rows, so no lost row or part is
    overlooked. The rows of parts that were not closed by their writer are read and
    checked: after a power failure a record may be on the disk without its data.

    Parameters
    ----------
    out
        Folder of the run.
    """
    out = Path(out)
    redo = redo_rules(out)
    finished: dict[Tile, int] = {}
    n_rows: dict[tuple[str, Tile], int] = {}  # by writer and tile
    for part in parts_of(out):
        writer = part.name.rpartition("-")[0]
        for first_row, records in records_of(out, part):
            valid = counted(records, part.layout.session, redo)
            valid &= whole_rows(out / part.name, part.layout, records, first_row)
            for tile, n_valid, expected in _tile_runs(records, valid):
                n_valid += n_rows.pop((writer, tile), 0)
                if expected is None:
                    n_rows[writer, tile] = n_valid
                elif n_valid == expected:
                    finished[tile] = part.layout.session
    return finished


def _tile_runs(
    records: np.ndarray, valid: np.ndarray
) -> Iterator[tuple[Tile, int, int | None]]:
    """Yield the tile of consecutive rows, how many of them are valid, and their total.

    The total is the number of all rows of the tile, which its last row has; None if the
    tile goes on.
    """
    if not len(records):
        return
    is_last = (records["flags"] & LAST) != 0
    new = (records["tile"][1:] != records["tile"][:-1]).any(axis=1) | is_last[:-1]
    begins = np.append(0, np.flatnonzero(new) + 1)
    ends = np.append(begins[1:], len(records)) - 1
    numbers = np.add.reduceat(valid.astype(np.int64), begins).tolist()
    tiles = records["tile"][ends].tolist()
    tile_rows = records["tile_rows"][ends].astype(np.int64)  # -1 is not unsigned
    totals = np.where(is_last[ends], tile_rows, -1).tolist()
    for tile, n_valid, total in zip(tiles, numbers, totals, strict=True):
        yield tuple(tile), n_valid, None if total < 0 else total
