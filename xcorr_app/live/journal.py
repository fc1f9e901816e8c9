"""The journal of a live run: ``OUT/live/journal.log``, and its older files."""

from __future__ import annotations

import contextlib
import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

from dispel4py.terminal import printable_line
from seismo_pes.full_disk import name_errors

__all__ = ["close_journal", "open_journal"]

NAME = "journal.log"
# Bytes of a file, and number of the older files.
FILE_BYTES, OLDER_FILES = 2_000_000, 4


class _Handler(RotatingFileHandler):
    """Writes printable lines; an error of the disk ends the run, in one line."""

    def format(self, record: logging.LogRecord) -> str:
        return printable_line(super().format(record))

    def emit(self, record: logging.LogRecord) -> None:
        with name_errors(self.baseFilename):
            super().emit(record)

    def close(self) -> None:
        with name_errors(self.baseFilename):
            super().close()

    def handleError(self, record: logging.LogRecord) -> None:
        raise


def open_journal(folder: Path) -> logging.Logger:
    """Return a logger that writes to the journal, in the one process that does so.

    Parameters
    ----------
    folder : Path
        The folder of the state of the run.
    """
    journal = logging.getLogger(f"{__name__}.{folder}")
    journal.propagate = False
    journal.setLevel(logging.INFO)
    with contextlib.suppress(OSError):  # of a run that a full disk has ended
        close_journal(journal)
    handler = _Handler(
        folder / NAME, maxBytes=FILE_BYTES, backupCount=OLDER_FILES, delay=True
    )
    form = logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
    form.converter = time.gmtime
    handler.setFormatter(form)
    journal.addHandler(handler)
    return journal


def close_journal(journal: logging.Logger) -> None:
    """Close the file of a journal.

    Parameters
    ----------
    journal : logging.Logger
        What `open_journal` returned.
    """
    for handler in list(journal.handlers):
        journal.removeHandler(handler)
        handler.close()
