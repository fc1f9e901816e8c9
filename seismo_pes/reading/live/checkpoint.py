"""How far the results of live data are on disk, for the next start."""

from __future__ import annotations

from pathlib import Path

from seismo_pes.application.files import read_checked, write_checked

__all__ = ["CHECKPOINT", "read_checkpoint", "write_checkpoint"]

FORMAT, VERSION = "live checkpoint", 1
CHECKPOINT = "checkpoint.json"
WAY_OUT = "remove it, and the source begins where the run needs data"


def write_checkpoint(folder: str | Path, needed_ns: int) -> None:
    """Note on disk that the data before a time are not needed any more.

    Call it after the results of these data are on disk. The next start of a source with
    this ``state`` folder asks for the data from this time on.

    Parameters
    ----------
    folder : str or Path
        The folder of the state; it is made if there is none.
    needed_ns : int
        The start of the oldest window that is not closed, with its margin, nanoseconds
        since 1970.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    values = {"format": FORMAT, "version": VERSION, "needed_ns": int(needed_ns)}
    write_checked(Path(folder) / CHECKPOINT, values)


def read_checkpoint(folder: str | Path) -> int | None:
    """Return the time of the last `write_checkpoint`, None if there is none.

    Parameters
    ----------
    folder : str or Path
        The folder of the state.

    Raises
    ------
    DataError
        If the file is damaged. It is never written in part, so a disk is at fault.
    """
    try:
        values = read_checked(Path(folder) / CHECKPOINT, FORMAT, VERSION, WAY_OUT)
    except FileNotFoundError:
        return None
    return int(values["needed_ns"])
