"""Damage of the state of a live run, the files in ``OUT/live``, and its repair."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from dispel4py.errors import DataError
from dispel4py.files import exists
from seismo_pes.application.checked_arrays import read_checked_arrays
from seismo_pes.reading.live import CHECKPOINT, read_checkpoint
from xcorr_app.live import history
from xcorr_app.live.late import LISTS, keep_intact, read_late
from xcorr_app.live.result_folder import STACKS_FILE, live_folder
from xcorr_app.live.running_stack import WAY_OUT, RunningStack
from xcorr_app.live.session import check_position, read_stacks
from xcorr_app.live.source import CHANNELS, read_channels
from xcorr_app.live.status import STATUS, VIEW, read_status
from xcorr_app.results.runfile import RunInfo
from xcorr_app.running.damage import CheckedFile, checked

__all__ = ["check_live", "repair_live"]


def check_live(out: Path, run: RunInfo) -> Iterator[CheckedFile]:
    """Yield the files of the state of a live run, read and checked.

    Parameters
    ----------
    out : Path
        The result folder.
    run : RunInfo
        The description of the run.
    """
    folder = live_folder(out)
    stacks: list[RunningStack | None] = []
    yield checked(folder / STACKS_FILE, lambda: stacks.append(read_stacks(out, run)))
    readers: dict[str, Callable[[], object]] = {
        CHECKPOINT: lambda: (
            check_position(out, stacks[0]) if stacks else read_checkpoint(folder)
        ),
        CHANNELS: partial(read_channels, folder / CHANNELS),
        **{name: partial(read_late, folder, name) for name in LISTS},
        STATUS: partial(read_status, folder),
        VIEW: partial(
            read_checked_arrays, folder / VIEW, history.FORMAT, history.VERSION
        ),
    }
    for name, read in readers.items():
        if exists(folder / name):
            yield checked(folder / name, read)


def repair_live(out: Path, damaged: Sequence[CheckedFile]) -> list[str]:
    """Remove what the next start of a live run makes again; return what was done.

    The caller holds the lock of the folder.

    Parameters
    ----------
    out : Path
        The result folder.
    damaged : sequence of CheckedFile
        The damaged files.

    Raises
    ------
    DataError
        If correlations are damaged: the run does not have their data any more.
    """
    folder = live_folder(out)
    for file in damaged:
        if file.path.parent != folder or file.path.name == STACKS_FILE:
            raise DataError(f"{file.path}: {file.problem}: {WAY_OUT}")
    lines = []
    for file in damaged:
        if file.path.name in LISTS:
            lines.append(f"{file.path}: {keep_intact(file.path)} lines are lost")
        else:
            file.path.unlink()
            lines.append(f"{file.path}: removed; the run makes it again")
    return lines
