"""Let each opening, read and stat of a file fail once; print problems as JSON.

In another trial the read does not fail, but returns half of the bytes.

``python failing_reads.py FOLDER``: the library of `tools.disk_faults` must be loaded.
With ``large`` after it, waveforms are read as if they were too large for memory: not
those of ALSEP, whose readers in obspy take a failure for the end of such a file.
"""

from __future__ import annotations

import ctypes
import errno
import json
import os
import struct
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seismo_pes import regular_file
from seismo_pes.metadata.inventory import read_inventory
from seismo_pes.reading.formats import plugins, reading_process, waveform_files
from seismo_pes.reading.formats.solver_text import read_solver_text
from seismo_pes.regular_file import ReadFailed
from tools.disk_faults.kinds import KINDS
from tools.disk_faults.trials import LIBRARY, SHORT

EIO = errno.EIO
# The calls of a file that fail one by one: of more of them, the first and the last.
FAULTS = {
    ("OPEN_READ", EIO): 40,
    ("READ", EIO): 40,
    ("READ", SHORT): 8,
    ("STAT", EIO): 40,
}


def read_here(*request: Any) -> Any:
    """Read as the reading process does, in this process: its calls are counted."""
    answer = reading_process._answer(*request)
    if "error" in answer:
        kind = ReadFailed if answer["failed"] else waveform_files.DataError
        raise kind(answer["error"])
    return answer["stream"]


def traces(path: Path, headonly: bool) -> Any:
    stream = waveform_files.read_file(path, headonly=headonly)
    return sorted(
        (t.id, t.stats.starttime.ns, t.stats.npts, t.data.tobytes()) for t in stream
    )


def metadata(path: Path) -> Any:
    """Read the metadata of a station, beside those of another one."""
    inventory, skipped = read_inventory([path, path.parents[2] / "other.xml"])
    if any(entry.stage == "input" for entry in skipped):
        raise ReadFailed(str(skipped))
    return sorted(inventory.get_contents()["channels"])


READERS: dict[str, Callable[[Path], Any]] = {
    "waveforms": lambda path: traces(path, headonly=False),
    "headers": lambda path: traces(path, headonly=True),
    "metadata": metadata,
    "solver": lambda path: read_solver_text(path).data.tolist(),
}


class Faults:
    """Counts the calls on the files of a folder, and lets one of them fail."""

    def __init__(self, folder: Path) -> None:
        self._library = ctypes.CDLL(os.environ[LIBRARY])
        self._folder, self._state = folder, folder.with_name("state")

    def start(self, kind: int = -1, call: int = 0, error: int = EIO) -> None:
        # to empty a file that exists takes milliseconds: the system writes it to disk
        self._state.unlink(missing_ok=True)
        self._library.faults_start(
            str(self._state).encode(), str(self._folder).encode(), kind,
            ctypes.c_long(call), error, None,
        )  # fmt: skip

    def counts(self) -> tuple[int, ...]:
        return struct.unpack_from(f"{len(KINDS)}q", self._state.read_bytes())


def problems(faults: Faults, read: Callable[[Path], Any], path: Path) -> list[str]:
    """Return the faults after which another result came, or another error."""
    faults.start()
    right = read(path)
    n_calls = dict(zip(KINDS, faults.counts(), strict=True))
    found = [] if right and n_calls["OPEN_READ"] else ["nothing is read"]
    for (kind, error), most in FAULTS.items():
        n = n_calls[kind]
        calls = sorted({*range(n)[: most // 2], *range(n)[-most // 2 :]})
        for call in calls:
            faults.start(KINDS.index(kind), call, error)
            try:
                if read(path) != right:
                    found.append(f"{kind} {call} {error}: another result")
            except (ReadFailed, OSError) as failure:
                if not isinstance(failure, ReadFailed) and failure.errno != errno.EIO:
                    found.append(f"{kind} {call} {error}: {failure!r}")
            except Exception as failure:
                found.append(f"{kind} {call} {error}: {failure!r}")
    faults.start()
    return found


def main(folder: Path, *choice: str) -> None:
    kinds = set(READERS)
    if choice == ("large",):
        regular_file.MAX_COPY_BYTES = plugins.MAX_COPY_BYTES = 0
        kinds = {"waveforms", "headers"}
    waveform_files.read_in_process = read_here
    warnings.simplefilter("ignore")
    faults = Faults(folder)
    for kind in sorted(kinds):
        read = READERS[kind]
        for path in sorted((folder / kind.replace("headers", "waveforms")).glob("*/*")):
            if path.suffix in (".QBN", ".w"):
                continue  # the samples of another file
            if choice == ("large",) and path.parent.name.startswith("ALSEP"):
                continue
            name = f"{kind} {path.parent.name}"
            sys.stdout.write(json.dumps([name, problems(faults, read, path)]) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), *sys.argv[2:])
