"""Reading processes that are copies of this process: a trial need not import obspy."""

from __future__ import annotations

import contextlib
import ctypes
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator
from typing import Any
from unittest import mock

__all__ = ["forked_reading_processes"]


@contextlib.contextmanager
def forked_reading_processes(library: ctypes.CDLL) -> Iterator[None]:
    """Fork the processes that read and scan files, in place of new interpreters.

    A new interpreter needs a second or more to import its modules, several times in a
    trial.

    Parameters
    ----------
    library : ctypes.CDLL
        The library that counts calls. The calls of the copies are counted, too.
    """
    from seismo_pes.reading.archives import scan_pool
    from seismo_pes.reading.formats import reading_process

    def start(program: str, **options: Any) -> subprocess.Popen[Any]:
        return subprocess.Popen(
            [sys.executable],  # never started: the copy ends before
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=lambda: _end_after(program, library),
            **options,
        )

    with (
        mock.patch.object(scan_pool, "start_python", start),
        mock.patch.object(reading_process, "start_python", start),
    ):
        yield


def _end_after(program: str, library: ctypes.CDLL) -> None:
    """Run a program in a process that was just forked, and end the process."""
    status = 1
    try:
        # A new interpreter has no other files of its parent. The parent waits until one
        # of them is closed, and pipes end when all copies of them are closed.
        os.closerange(3, os.sysconf("SC_OPEN_MAX"))
        library.faults_join()
        exec(program, {"__name__": "__main__"})
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:  # noqa: BLE001 - as an interpreter does
        traceback.print_exc()
    finally:
        os._exit(status)
