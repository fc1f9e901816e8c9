"""The record of a run: ``OUT/run.json``, with its options, events and stations.

Every other file that a run reads again has the identity of the results. It depends on
the options and on the places of the input, so two equal runs write the same bytes, and
a file of another run is refused.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dispel4py.errors import DataError
from seismo_pes.application.run_record import (
    RUN_FILE,
    RunRecord,
    read_record,
    write_record,
)

__all__ = ["KIND", "RUN_FILE", "VERSION", "MisfitRun", "identity", "read_run"]

KIND = "misfit-app run"
VERSION = 4
# Options with names of files and folders.
PATHS = (
    "event", "stations", "observed", "synthetic", "windows", "input", "chain",
    "parameters",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class MisfitRun(RunRecord):
    """The record of a run of misfit-app.

    Attributes
    ----------
    results : str
        Identity of the results, which all their files have.
    events : mapping of str to mapping
        By the name of the files of an event: its id ``event``, its ``origin``, and the
        ``stations`` of the run.
    has_pairs : bool
        Whether pairs of stations are measured.
    skipped : list of list of str
        The rows of ``skipped.tsv``.
    """

    results: str
    events: Mapping[str, Mapping[str, Any]]
    has_pairs: bool = False
    skipped: list[list[str]] = field(default_factory=list)

    def write(self, out: Path) -> None:
        """Write ``run.json``.

        Parameters
        ----------
        out : Path
            Folder of the run.
        """
        content = {
            "results": self.results,
            "events": self.events,
            "has_pairs": self.has_pairs,
            "skipped": self.skipped,
        }
        write_record(out, KIND, VERSION, self, content)


def identity(config: Mapping[str, Any], free: Collection[str]) -> str:
    """Return the identity of the results of a run.

    Parameters
    ----------
    config : mapping of str to object
        The options, as JSON holds them.
    free : collection of str
        Options that have no effect on results.

    Examples
    --------
    >>> one = identity({"measures": ["cc_time"], "processes": 2}, {"processes"})
    >>> one == identity({"measures": ["cc_time"], "processes": 4}, {"processes"})
    True
    >>> one == identity({"measures": ["waveform"], "processes": 2}, {"processes"})
    False
    """
    chosen = {
        name: _absolute(value) if name in PATHS else value
        for name, value in config.items()
        if name not in free
    }
    text = json.dumps(chosen, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _absolute(value: Any) -> Any:
    if isinstance(value, list):
        return [_absolute(entry) for entry in value]
    return os.path.abspath(value) if isinstance(value, str) else value


def read_run(out: str | Path) -> MisfitRun:
    """Read ``run.json``.

    Parameters
    ----------
    out : str or Path
        Folder of the run.

    Raises
    ------
    DataError
        If the folder has no record of a run of misfit-app, or it is damaged.
    """
    try:
        fields, content = read_record(out, KIND, VERSION)
    except FileNotFoundError:
        raise DataError(
            f"{out}: has no results of misfit-app ({RUN_FILE} is not in it)"
        ) from None
    except OSError as error:
        path = Path(out) / RUN_FILE
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    return MisfitRun(**fields, **content)
