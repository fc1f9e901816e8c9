"""The record of a run: ``run.json`` in its folder, with options, versions and starts.

A run may be started several times: to continue it after an interruption, or to add data
to it. It keeps its identity and its options; each start is a *session*, counted from 1.
An application that continues a run reads its record and refuses other options, because
they would give other results.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any, Self, TypeVar

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import is_file
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.files import read_checked, write_checked
from seismo_pes.application.options import defaults_of, flag

__all__ = [
    "RUN_FILE",
    "WAY_OUT",
    "RunRecord",
    "Session",
    "check_started",
    "find_recorded",
    "read_record",
    "refuse_other_options",
    "software_versions",
    "write_record",
]

RUN_FILE = "run.json"
WAY_OUT = "put back a copy of it, or start the run again with another --out"


@dataclass(frozen=True)
class Session:
    """One start of a run.

    Parameters
    ----------
    number : int
        Counted from 1.
    how : str
        ``start``, ``resume`` or ``update``.
    started : str
        ISO 8601, UTC.
    software : dict of str to str
        Names and versions.
    """

    number: int
    how: str
    started: str
    software: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The record of a run; an application adds fields of its own in a subclass.

    Parameters
    ----------
    config : dict
        The options of the run, as JSON holds them.
    run_id : str
        Identity of the run, a UUID.
    created : str
        Time of the first start: ISO 8601, UTC.
    software : dict of str to str
        Names and versions, of the last session.
    sessions : tuple of Session
        Every start of the run.
    """

    config: dict[str, Any]
    run_id: str = ""
    created: str
    software: dict[str, str]
    sessions: tuple[Session, ...] = ()

    @classmethod
    def begin(
        cls, config: Mapping[str, Any], packages: Sequence[str], **content: Any
    ) -> Self:
        """Return the record of a run that starts now.

        Parameters
        ----------
        config : mapping of str to object
            Anything that JSON can hold.
        packages : sequence of str
            Distributions whose versions are recorded.
        **content : object
            Fields of the subclass.
        """
        session = _session(1, "start", packages)
        return cls(
            config=json.loads(json.dumps(dict(config))),
            run_id=str(uuid.uuid4()),
            created=session.started,
            software=session.software,
            sessions=(session,),
            **content,
        )

    def start_again(self, how: str, packages: Sequence[str], **changes: Any) -> Self:
        """Return the record with one more session.

        Parameters
        ----------
        how : str
            ``resume`` or ``update``.
        packages : sequence of str
            Distributions whose versions are recorded.
        **changes : object
            Fields that change with this start.
        """
        session = _session(self.session + 1, how, packages)
        sessions = (*self.sessions, session)
        return replace(self, software=session.software, sessions=sessions, **changes)

    @property
    def session(self) -> int:
        """Number of the last session."""
        return self.sessions[-1].number if self.sessions else 0


def _session(number: int, how: str, packages: Sequence[str]) -> Session:
    now = datetime.now(UTC).isoformat(timespec="seconds")
    return Session(number, how, now, software_versions(packages))


def software_versions(packages: Sequence[str]) -> dict[str, str]:
    """Return the versions of Python and of packages.

    Parameters
    ----------
    packages : sequence of str
        Names of distributions.
    """
    return {"python": platform.python_version()} | {
        name: _version(name) for name in packages
    }


@cache  # to read it takes longer than to plan a small run
def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


# ------------------------------------------------------------------ the file


def write_record(
    folder: str | Path,
    kind: str,
    version: int,
    record: RunRecord,
    content: Mapping[str, Any] | None = None,
) -> None:
    """Write ``run.json``; a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    folder : str or Path
    kind : str
        Application whose record it is, such as ``"xcorr-app run"``.
    version : int
        Version of the format of ``content``.
    record : RunRecord
        Only the fields of `RunRecord` are written.
    content : mapping of str to object, optional
        The fields of the application, in types that JSON has.
    """
    text = {
        "format": kind,
        "version": version,
        "run_id": record.run_id,
        "created": record.created,
        "software": record.software,
        "config": record.config,
        "sessions": [asdict(session) for session in record.sessions],
        **(content or {}),
    }
    write_checked(Path(folder) / RUN_FILE, text)


def read_record(
    folder: str | Path, kind: str, version: int
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read ``run.json``.

    Parameters
    ----------
    folder : str or Path
    kind, version : str and int
        As for `write_record`.

    Returns
    -------
    fields : dict
        The fields of `RunRecord`.
    content : dict
        The fields of the application.

    Raises
    ------
    DataError
        If `write_record` did not write the file with this kind and version.
    """
    path = Path(folder) / RUN_FILE
    content = read_checked(path, kind, version, WAY_OUT)
    try:
        del content["format"], content["version"]
        names = ("config", "run_id", "created", "software", "sessions")
        fields = {name: content.pop(name) for name in names}
        fields["sessions"] = tuple(Session(**entry) for entry in fields["sessions"])
    except (AttributeError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not a description of a run ({error!r})") from error
    return fields, content


# ------------------------------------------------------------------ provenance

Record = TypeVar("Record", bound=RunRecord)


def find_recorded(
    configuration: Mapping[str, Any], read: Callable[[Path], Record]
) -> tuple[Path, Record]:
    """Find the results of a run whose provenance was recorded.

    Parameters
    ----------
    configuration : mapping of str to object
        The configuration in provenance, with the folder ``out`` and the ``run_id``.
    read : callable
        Reads the record of a run from its folder.

    Returns
    -------
    folder : Path
        Absolute.
    record : RunRecord
        As ``read`` returns it.

    Raises
    ------
    ParameterError
        If the results are not in their folder any more.
    """
    out = Path(configuration["out"]).absolute()
    if not is_file(out / RUN_FILE):
        raise ParameterError(f"{out}: the results of the run are not there any more")
    record = read(out)
    if record.run_id != configuration["run_id"]:
        raise ParameterError(f"{out}: has the results of another run now")
    return out, record


# ------------------------------------------------------------------ continuing a run


def check_started(folder: str | Path, option: str) -> None:
    """Refuse to continue a run in a folder without one.

    Parameters
    ----------
    folder : str or Path
    option : str
        The option that asks to continue, such as ``--resume``.

    Raises
    ------
    ParameterError
        If there is no ``run.json``.
    """
    if not is_file(Path(folder) / RUN_FILE):
        raise ParameterError(
            f"{option}: no run was started in {folder} ({RUN_FILE} is missing): leave "
            f"{option} out to start one"
        )


def refuse_other_options(
    earlier: Mapping[str, Any],
    config: Configuration,
    free: Collection[str],
    action: str,
) -> None:
    """Refuse to continue a run with options that would give other results.

    Parameters
    ----------
    earlier : mapping of str to object
        The options in the record of the run; None is an option that was left out.
    config : Configuration
        The options given now.
    free : collection of str
        Names of the options that may differ.
    action : str
        Begins the message: the folder, and the option that asks to continue.

    Raises
    ------
    ParameterError
        If an option differs; the message names it.
    """
    defaults = json.loads(json.dumps(defaults_of(type(config))))
    now = json.loads(json.dumps(config.to_dict()))
    for name in [*now, *(set(earlier) - set(now))]:
        before = earlier.get(name)
        before = defaults.get(name) if before is None else before
        if name not in free and before != now.get(name):
            raise ParameterError(
                f"{action} with {flag(name)} {_shown(now.get(name))}, but the results "
                f"there were computed with {flag(name)} {_shown(before)}: give the "
                "same value, or another --out"
            )


def _shown(value: Any) -> str:
    if value is None:
        return "left out"
    if isinstance(value, list):
        return " ".join(map(str, value))
    return str(value)
