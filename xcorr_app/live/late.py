"""The lists of data that are not in the stacks, for `xcorr-app live --mend`.

`late.jsonl` lists data that arrived after their gap was given up, or could not be read;
`missing.jsonl` the data without which windows were closed. Both are journals: a line
with a checksum for each piece of data.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path

from dispel4py.files import exists, is_file
from seismo_pes.application.files import write_whole
from seismo_pes.full_disk import name_errors
from seismo_pes.items.intervals import Interval
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.times import DAY_NS
from seismo_pes.whole_file import sync_folder
from seismo_pes.writing.account_journal import as_line, read_journal

__all__ = [
    "LATE_FILE",
    "LISTS",
    "MISSING_FILE",
    "Late",
    "drop_incomplete",
    "forget_late",
    "keep_intact",
    "note_late",
    "note_missing",
    "read_late",
]

LATE_FILE, MISSING_FILE = "late.jsonl", "missing.jsonl"
LISTS = LATE_FILE, MISSING_FILE
# A longer list becomes one of days: one line for each channel and day, bytes.
MOST_BYTES = 4_000_000
# Longest time of one line, days: six years.
MOST_DAYS = 2048
STAGE = "live"
MISSING = "missing: a window was closed without these samples"

# Channel, start and end of late or missing data; a file in the place of the channel, if
# it could not be read.
Late = tuple[str, int, int]


def note_late(folder: Path, skipped: Skipped) -> None:
    """Add late data to the list.

    A channel may be late for months, so a long list becomes one of days, which are what
    is mended.

    Parameters
    ----------
    folder : Path
        The folder of the state of the run.
    skipped : Skipped
        Channel and time of the data.
    """
    _append(folder / LATE_FILE, [skipped])


def note_missing(folder: Path, missing: Collection[Late]) -> None:
    """Add missing data to their list; a long list becomes one of days, too.

    Parameters
    ----------
    folder : Path
        The folder of the state of the run.
    missing : collection of (str, int, int)
        Channel, start and end.
    """
    entries = [
        Skipped(STAGE, channel, MISSING, 1, start_ns, end_ns)
        for channel, start_ns, end_ns in missing
    ]
    _append(folder / MISSING_FILE, entries)


def _append(path: Path, entries: Sequence[Skipped]) -> None:
    is_new = not exists(path)
    with name_errors(path), path.open("a", encoding="utf-8") as file:
        file.write("".join(map(as_line, entries)))
        file.flush()
        os.fsync(file.fileno())
        is_long = file.tell() > MOST_BYTES
    if is_new:
        sync_folder(path.parent)
    if is_long:
        _write(path, _shortened(_entries(path)))


def _shortened(entries: Sequence[Skipped]) -> Sequence[Skipped]:
    """Return entries of as many days each as a list of three quarters needs."""
    n_days = 1
    while True:
        entries = _by_days(entries, n_days)
        n_bytes = sum(len(as_line(entry)) for entry in entries)
        if n_bytes < MOST_BYTES * 3 // 4 or n_days >= MOST_DAYS:
            return entries
        n_days *= 2


def _by_days(entries: Collection[Skipped], n_days: int) -> list[Skipped]:
    """Return one entry for each channel and some days, over all data of the days."""
    days: dict[tuple[str, int], Skipped] = {}
    for entry in entries:
        channel, start_ns, end_ns = _late_of(entry)
        key = channel, start_ns // (n_days * DAY_NS)
        earlier = days.get(key, entry)
        _, first_ns, last_ns = _late_of(earlier)
        days[key] = replace(
            entry,
            start_ns=min(first_ns, start_ns),
            end_ns=max(last_ns, end_ns),
            count=entry.count + (0 if earlier is entry else earlier.count),
        )
    return list(days.values())


def drop_incomplete(folder: Path) -> None:
    """Remove a last line that a killed process left incomplete.

    Parameters
    ----------
    folder : Path
        The folder of the state of the run.
    """
    for path in (folder / name for name in LISTS):
        if is_file(path) and not path.read_bytes().endswith(b"\n"):
            _write(path, _entries(path))


def keep_intact(path: Path) -> int:
    """Remove damaged lines; return their number.

    Parameters
    ----------
    path : Path
        One of the lists.
    """
    entries = _entries(path, intact_only=True)
    n_lost = len(path.read_bytes().splitlines()) - len(entries)
    _write(path, entries)
    return n_lost


def read_late(folder: Path, name: str = LATE_FILE) -> list[Late]:
    """Return channel, start and end of all data of a list.

    A line that a killed process left incomplete is left out.

    Parameters
    ----------
    folder : Path
        The folder of the state of the run.
    name : str
        The list, one of `LISTS`.

    Raises
    ------
    DataError
        If a line is damaged.
    """
    path = folder / name
    return [_late_of(entry) for entry in _entries(path)] if is_file(path) else []


def forget_late(folder: Path, left: Callable[[Late], Sequence[Interval]]) -> None:
    """Remove data from the lists, after they were put right.

    Parameters
    ----------
    folder : Path
        The folder of the state of the run.
    left : callable
        Returns what stays on a list of an entry.
    """
    for path in (folder / name for name in LISTS):
        if is_file(path):
            entries = [
                replace(entry, start_ns=start_ns, end_ns=end_ns)
                for entry in _entries(path)
                for start_ns, end_ns in left(_late_of(entry))
            ]
            _write(path, entries)


def _entries(path: Path, intact_only: bool = False) -> list[Skipped]:
    items = read_journal(path, intact_only)
    return [item for item in items if isinstance(item, Skipped)]


def _late_of(entry: Skipped) -> Late:
    assert entry.start_ns is not None
    assert entry.end_ns is not None
    return entry.what, entry.start_ns, entry.end_ns


def _write(path: Path, entries: Collection[Skipped]) -> None:
    write_whole(path, "".join(map(as_line, entries)))
