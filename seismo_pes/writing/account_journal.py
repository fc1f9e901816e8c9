"""The journal of a run: windows of channels, skipped data, and tiles, line by line.

Each writer appends to a file of its own, one JSON text for each item, followed by a tab
and the checksum of the text. Each line is written before the next element gets its
data, so no line is lost if the run is killed. A power failure may lose the last lines
of a journal. Then lines of channels or tiles are absent that must be there, because
every channel and day that is read has a line, and every tile that is written.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from dispel4py.file_search import files_named
from seismo_pes.application.files import checked_line, checked_text, write_whole
from seismo_pes.full_disk import name_errors, report_full_disk
from seismo_pes.items.account import LostWindows, WindowAccount
from seismo_pes.items.skipped import Skipped
from seismo_pes.writing.correlation_writer import FULL_DISK_NOTE, TileWritten
from seismo_pes.writing.disk_output import write_all

__all__ = [
    "FOLDER",
    "AccountItem",
    "WriteAccount",
    "as_line",
    "cut_damaged_end",
    "journal_files",
    "journals",
    "read_journal",
]

AccountItem = WindowAccount | Skipped | TileWritten
# folder of the journals in the folder of a run
FOLDER = "account"


def journals(out: str | Path) -> list[tuple[int, Path]]:
    """Return the journals of a run and their sessions, in the order of the sessions.

    Parameters
    ----------
    out : str or Path
        Folder of the run.

    Returns
    -------
    list of (int, Path)
    """
    paths = [path for path in journal_files(out) if path.name[:4].isdigit()]
    return [(int(path.name.partition("-")[0]), path) for path in paths]


def journal_files(out: str | Path) -> list[Path]:
    """Return all files with the lines of a journal in the folder of a run.

    Parameters
    ----------
    out : str or Path
        Folder of the run.
    """
    return files_named(Path(out) / FOLDER, "*.jsonl")


def read_journal(path: Path, intact_only: bool = False) -> Iterator[AccountItem]:
    """Yield the items of a journal; a last line that is not complete is left out.

    Parameters
    ----------
    path : Path
        The file.
    intact_only : bool
        Leave out damaged lines, too.

    Raises
    ------
    DataError
        If a line is damaged.
    """
    with open(path, "rb") as file:
        for number, line in enumerate(_lines(path, file), 1):
            if not line.endswith(b"\n"):  # its writer was killed
                return
            text = checked_text(line[:-1])
            if text is not None:
                yield _item(json.loads(text))
            elif not intact_only:
                raise DataError(
                    f"{path}: line {number} is damaged: "
                    "xcorr-app check OUT --repair removes it"
                )


def _lines(path: Path, file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; an error of the disk names the file."""
    while True:
        with name_errors(path):
            line = file.readline()
        if not line:
            return
        yield line


def cut_damaged_end(path: Path) -> int:
    """Cut a journal at its first damaged line; return how many lines are lost.

    What was skipped has no line of its own that must be there, but it stands before the
    line of its channel or tile. So these are lost together.

    Parameters
    ----------
    path : Path
        The file; its writer has ended.
    """
    with name_errors(path):
        content = path.read_bytes()
    lines = content.splitlines(keepends=True)
    intact = [
        line.endswith(b"\n") and checked_text(line[:-1]) is not None for line in lines
    ]
    if all(intact):
        return 0
    n_kept = intact.index(False)
    write_whole(path, b"".join(lines[:n_kept]).decode())
    return len(lines) - n_kept


def _item(values: dict[str, Any]) -> AccountItem:
    if "tile" in values:
        return TileWritten(**values | {"tile": tuple(values["tile"])})
    return Skipped(**values) if "reason" in values else _account(**values)


def as_line(item: AccountItem) -> str:
    """Return the line of an item.

    >>> as_line(WindowAccount("XX.A..HHZ", 1, 24, 24)).partition("\\t")[0]
    '{"channel_id": "XX.A..HHZ", "period": 1, "n_possible": 24, "n_used": 24}'
    """
    values = asdict(item)
    if isinstance(item, WindowAccount) and not item.lost:
        del values["lost"]
    return checked_line(json.dumps(values).encode()).decode() + "\n"


def _account(lost: Iterable[Any] = (), **values: Any) -> WindowAccount:
    rows = (
        LostWindows(cause, n, tuple((start, end) for start, end in times))
        for cause, n, times in lost
    )
    return WindowAccount(**values, lost=tuple(rows))


class WriteAccount(GenericPE):
    """Append accounts of windows, skipped data and tiles to the journal of a run.

    Ports
    -----
    input : WindowAccount, Skipped or TileWritten
        One item.

    Parameters
    ----------
    out : str or Path
        Folder of the run; the journals go to its subfolder ``account``.
    session : int
        Number of this start of the run.
    """

    def __init__(self, out: str | Path, session: int = 0) -> None:
        super().__init__()
        self.out, self.session = str(out), session
        self._descriptor: int | None = None
        self._n_bytes = 0
        self._add_input("input", tuple_type=AccountItem)

    def _preprocess(self) -> None:
        name = f"{self.session:04d}-{uuid.uuid4().hex[:12]}.jsonl"
        self._path = Path(self.out) / FOLDER / name

    def process(self, inputs: dict[str, Any]) -> None:
        """Append one item."""
        line = as_line(inputs["input"]).encode()
        with report_full_disk(self.out, FULL_DISK_NOTE):
            if self._descriptor is None:
                self._path.parent.mkdir(exist_ok=True)
                self._descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY)
            write_all(self._descriptor, line, self._n_bytes, self._path)
        self._n_bytes += len(line)

    def __getstate__(self) -> dict[str, Any]:
        # another process that continues this journal opens the file itself
        return super().__getstate__() | {"_descriptor": None}

    def _postprocess(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
