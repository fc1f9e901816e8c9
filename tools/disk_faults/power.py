"""A power failure: the folder as it is on the disk after the n-th change of files.

Only what was synced is certain: the content of a file after its last `fsync`, and the
names in a folder after the last `fsync` of the folder. What else is there after the
failure depends on the file system. Three cases are tried (Pillai et al., 2014, All file
systems are not created equal, OSDI):

``empty``
    All names are there, and the content that was not synced is lost.
``zeros``
    All names and lengths are there, and zeros in place of what was not synced.
``names``
    The names that were not synced are lost, too.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.disk_faults.kinds import KINDS

__all__ = ["CASES", "Change", "Disk", "read_changes"]

CASES = ("empty", "zeros", "names")
HEAD = struct.Struct("5q")


@dataclass(frozen=True)
class Change:
    """A change of a file or a folder: a line of the record.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    path, other : Path
        The file, and its new name.
    number : int
        Where a write begins, the new length, or whether opening removes the content.
    data : bytes
    """

    kind: str
    path: Path
    other: Path
    number: int
    data: bytes


def read_changes(record: Path) -> Iterator[Change]:
    """Yield the changes that ``library.c`` has recorded."""
    with open(record, "rb") as file:
        while head := file.read(HEAD.size):
            kind, n_path, n_other, number, n_data = HEAD.unpack(head)
            path, other = file.read(n_path).decode(), file.read(n_other).decode()
            has_data = KINDS[kind] == "WRITE"
            data = file.read(n_data) if has_data else b""
            yield Change(KINDS[kind], Path(path), Path(other), number, data)


class _File:
    """The content of a file now, and on the disk."""

    def __init__(self, content: bytes = b"", synced: bytes = b"") -> None:
        self.content, self.synced = bytearray(content), synced
        self.written: list[tuple[int, int]] = []  # since the last sync

    def write(self, begin: int, data: bytes) -> None:
        self.cut(max(begin + len(data), len(self.content)))
        self.content[begin : begin + len(data)] = data
        self.written.append((begin, begin + len(data)))

    def cut(self, length: int) -> None:
        del self.content[length:]
        self.content.extend(bytes(length - len(self.content)))

    def sync(self) -> None:
        self.synced, self.written = bytes(self.content), []

    def zeroed(self) -> bytes:
        left = bytearray(self.content)
        for begin, end in self.written:
            left[begin:end] = bytes(len(left[begin:end]))
        return bytes(left)


class Disk:
    """The files of a folder, and what of them is on the disk.

    Parameters
    ----------
    folder : Path
        The folder before the first change; all of it is on the disk.
    here : Path
        The folder in the record.
    """

    def __init__(self, folder: Path, here: Path) -> None:
        self.here = here
        self.names: dict[Path, _File] = {}
        self.folders: set[Path] = {here}
        self.times: dict[Path, tuple[bytes, tuple[int, int]]] = {}
        for path in folder.rglob("*"):
            place = here / path.relative_to(folder)
            if path.is_file():
                content, status = path.read_bytes(), path.stat()
                self.names[place] = _File(content, content)
                self.times[place] = content, (status.st_atime_ns, status.st_mtime_ns)
            else:
                self.folders.add(place)
        self.synced_names = dict(self.names)

    def apply(self, change: Change) -> None:
        """Make one change."""
        path, names = change.path, self.names
        match change.kind:
            case "OPEN_WRITE":
                file = names.setdefault(path, _File())
                if change.number:
                    file.cut(0)
                    file.written = []
            case "WRITE":
                names.setdefault(path, _File()).write(change.number, change.data)
            case "CUT":
                names.setdefault(path, _File()).cut(change.number)
            case "RENAME":
                names[change.other] = names.pop(path)
            case "REMOVE":
                names.pop(path, None)
                self.folders.discard(path)
            case "FOLDER":
                self.folders.add(path)
            case "SYNC":
                self._sync(path)

    def _sync(self, path: Path) -> None:
        if path in self.names:
            self.names[path].sync()
            return
        inside = {p: file for p, file in self.names.items() if p.parent == path}
        for known in [p for p in self.synced_names if p.parent == path]:
            del self.synced_names[known]
        self.synced_names |= inside

    def make(self, folder: Path, case: str) -> None:
        """Make the folder as it is after a power failure."""
        names = self.synced_names if case == "names" else self.names
        for place in sorted(self.folders):
            (folder / place.relative_to(self.here)).mkdir(parents=True, exist_ok=True)
        for path, file in names.items():
            target = folder / path.relative_to(self.here)
            target.parent.mkdir(parents=True, exist_ok=True)
            left = file.zeroed() if case == "zeros" else file.synced
            target.write_bytes(left)
            before, times = self.times.get(path, (b"", (0, 0)))
            if times != (0, 0) and left == before:  # a run compares the times of data
                os.utime(target, ns=times)
