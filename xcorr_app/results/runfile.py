"""The description of a run: ``OUT/run.json``, written again at each start of the run.

A run can be started several times: to resume it after an interruption, or to add days
and stations. Its identity does not change, and channels are only added to its table.
Each start is a *session*, counted from 1. Each part has the number of the session that
wrote it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dispel4py.errors import DataError, ParameterError
from dispel4py.files import exists, is_folder, list_folder
from seismo_pes.application.files import remove_folder
from seismo_pes.application.run_record import (
    RUN_FILE,
    RunRecord,
    read_record,
    write_record,
)
from seismo_pes.writing.correlation_writer import parts_folder
from xcorr_app.results.account import remove_account

__all__ = [
    "INDEX_FILE",
    "INPUTS_FILE",
    "RUN_FILE",
    "Redo",
    "RunInfo",
    "channel_table",
    "create_run",
    "new_session",
    "read_run",
    "write_run",
]

INDEX_FILE = "correlations.h5"
INPUTS_FILE = "inputs.json"
RUN_FORMAT = "xcorr-app run"
RUN_VERSION = 4
SOFTWARE = ("dispel4py-seismo", "numpy", "scipy", "obspy", "h5py")


class Located(Protocol):
    """A channel with coordinates, as `seismo_pes.metadata.stations.Channel`."""

    @property
    def id(self) -> str: ...
    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def elevation_m(self) -> float: ...


@dataclass(frozen=True)
class Redo:
    """A rule by which rows no longer count: their data changed after they were written.

    Parameters
    ----------
    block
        Tiles with this row or column; -1: all tiles.
    key
        Third element of the tiles' keys.
    session
        Rows of sessions before this one do not count.
    """

    block: int
    key: int
    session: int


@dataclass(frozen=True, kw_only=True)
class RunInfo(RunRecord):
    """The description of a run, which all its rows share: ``run.json``.

    Parameters
    ----------
    channels
        Structured array (id, latitude, longitude, elevation_m), the channel table.
    sampling_rate_hz, n_lags, dtype
        The lag axis, -max to +max, and the type of the rows.
    division
        How the run is divided, see `xcorr_app.planning.division.Division.to_dict`.
    redo
        The rules by which rows no longer count.
    """

    channels: np.ndarray
    sampling_rate_hz: float
    n_lags: int
    dtype: str
    division: dict[str, Any] = field(default_factory=dict)
    redo: tuple[Redo, ...] = ()

    @property
    def lags_s(self) -> np.ndarray:
        """Lags in seconds; positive: the wave reaches the second channel later."""
        return (np.arange(self.n_lags) - self.n_lags // 2) / self.sampling_rate_hz

    def about(self) -> str:
        """Return the description that every file of the run contains, as JSON."""
        description = {
            "run_id": self.run_id,
            "created": self.created,
            "software": self.software,
            "config": self.config,
            "lag_axis": _lag_axis(self),
        }
        return json.dumps(description)


# ------------------------------------------------------------------ a new run


def create_run(
    out: str | Path,
    *,
    config: Mapping[str, Any],
    channels: Iterable[Located],
    sampling_rate_hz: float,
    n_lags: int,
    dtype: str = "float32",
    division: Mapping[str, Any] | None = None,
    overwrite: bool = False,
) -> RunInfo:
    """Make the folder of a run, and describe the run in it.

    Parameters
    ----------
    out
        The folder, which is made if it does not exist.
    config
        The options; anything that JSON can hold.
    channels
        The channel table, into which pairs are indices.
    sampling_rate_hz, n_lags
        The lag axis; ``n_lags`` is odd.
    dtype
        ``"float32"`` or ``"float64"``.
    division
        The division of the run; anything that JSON can hold.
    overwrite
        Remove earlier results in the folder.

    Raises
    ------
    ParameterError
        If ``out`` has results already, cannot be a folder, or the lag axis is
        impossible.
    """
    if n_lags < 1 or n_lags % 2 == 0 or not sampling_rate_hz > 0:
        raise ParameterError(
            f"{n_lags} lags at {sampling_rate_hz} Hz: an odd number of lags and a "
            "positive rate are needed"
        )
    out = Path(out)
    _make_room(out, overwrite)
    run = RunInfo.begin(
        config,
        SOFTWARE,
        channels=channel_table(channels),
        sampling_rate_hz=float(sampling_rate_hz),
        n_lags=n_lags,
        dtype=str(np.dtype(dtype)),
        division=dict(division or {}),
    )
    write_run(out, run)
    return read_run(out)


def new_session(run: RunInfo, how: str, **changes: Any) -> RunInfo:
    """Return the description of a run that is started again.

    Parameters
    ----------
    run
        The description of earlier starts.
    how
        ``resume`` or ``update``.
    changes
        Other fields that change.
    """
    return run.start_again(how, SOFTWARE, **changes)


def _make_room(out: Path, overwrite: bool) -> None:
    if exists(out) and not is_folder(out):
        raise ParameterError(f"{out}: is a file; results need a folder")
    files = [out / RUN_FILE, out / INDEX_FILE, out / INPUTS_FILE]
    if not overwrite and (any(map(exists, files)) or _has_parts(parts_folder(out))):
        raise ParameterError(
            f"{out}: has results already: --resume continues an interrupted "
            "run, --update adds new days and stations, --force replaces it; or "
            "choose another folder"
        )
    for path in files:
        path.unlink(missing_ok=True)
    remove_folder(parts_folder(out))
    remove_account(out)
    parts_folder(out).mkdir(parents=True, exist_ok=True)


def _has_parts(folder: Path) -> bool:
    """Return whether a folder may have results; a start that failed leaves it empty."""
    if not is_folder(folder):
        return exists(folder)
    return any(list_folder(folder))


# ------------------------------------------------------------------ the file


def write_run(out: str | Path, run: RunInfo) -> None:
    """Write ``run.json``. The earlier file is replaced when the new one is complete."""
    content = {
        "lag_axis": _lag_axis(run),
        "dtype": run.dtype,
        "geometry": run.division,
        "redo": [[rule.block, rule.key, rule.session] for rule in run.redo],
        "channels": [_channel_entry(row) for row in run.channels],
    }
    write_record(out, RUN_FORMAT, RUN_VERSION, run, content)


def read_run(out: str | Path) -> RunInfo:
    """Read ``run.json``.

    Raises
    ------
    DataError
        If `write_run` did not write the file.
    """
    fields, content = read_record(out, RUN_FORMAT, RUN_VERSION)
    try:
        return RunInfo(
            **fields,
            channels=_channels_of(content["channels"]),
            sampling_rate_hz=content["lag_axis"]["sampling_rate_hz"],
            n_lags=content["lag_axis"]["n_lags"],
            dtype=content["dtype"],
            division=content["geometry"],
            redo=tuple(Redo(*rule) for rule in content["redo"]),
        )
    except (KeyError, TypeError) as error:
        path = Path(out) / RUN_FILE
        raise DataError(f"{path}: not a description of a run ({error!r})") from error


def _lag_axis(run: RunInfo) -> dict[str, Any]:
    return {"sampling_rate_hz": run.sampling_rate_hz, "n_lags": run.n_lags}


def channel_table(channels: Iterable[Located]) -> np.ndarray:
    """Return channels as a structured array (id, latitude, longitude, elevation_m)."""
    listed = list(channels)
    width = max([len(channel.id) for channel in listed] + [1])
    table = np.zeros(len(listed), channel_dtype(width))
    for row, channel in zip(table, listed, strict=True):
        row["id"] = channel.id
        for name in ("latitude", "longitude", "elevation_m"):
            row[name] = getattr(channel, name)
    return table


def _channel_entry(row: Any) -> dict[str, Any]:
    places = {
        name: float(row[name]) for name in ("latitude", "longitude", "elevation_m")
    }
    return {"id": str(row["id"])} | {
        name: value if math.isfinite(value) else None for name, value in places.items()
    }


def _channels_of(entries: list[dict[str, Any]]) -> np.ndarray:
    width = max([len(entry["id"]) for entry in entries] + [1])
    table = np.zeros(len(entries), channel_dtype(width))
    for row, entry in zip(table, entries, strict=True):
        row["id"] = entry["id"]
        for name in ("latitude", "longitude", "elevation_m"):
            row[name] = math.nan if entry[name] is None else entry[name]
    return table


def channel_dtype(width: int) -> np.dtype:
    """Return the type of a channel table whose identifiers take ``width`` letters."""
    return np.dtype(
        [
            ("id", f"U{width}"),
            ("latitude", "<f8"),
            ("longitude", "<f8"),
            ("elevation_m", "<f8"),
        ]
    )
