"""The folder of a run: its description, its parts, and the table of what they hold.

::

    OUT/run.json            configuration, versions, channel table, lag axis
    OUT/parts/part-*.h5     rows of correlations, written by one writer each
    OUT/correlations.h5     all of it as one file, once the run has ended

See ``docs/decisions/0002-output-layout.md``.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
import platform
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from dispel4py.errors import DataError, ParameterError
from seismo_pes.parts import (
    LAST,
    MARKER,
    RECORD,
    PartLayout,
    data_sums,
    read_index,
    read_layout,
)
from seismo_pes.write import parts_folder

__all__ = [
    "INDEX_FILE",
    "RUN_FILE",
    "Part",
    "RunInfo",
    "Table",
    "create_run",
    "finished_tiles",
    "read_run",
    "table_from_parts",
]

RUN_FILE = "run.json"
INDEX_FILE = "correlations.h5"
RUN_FORMAT = "xcorr-app run"
RUN_VERSION = 1
SOFTWARE = ("dispel4py-seismo", "numpy", "scipy", "obspy", "h5py")

WINDOWS = np.dtype(
    [
        ("n_windows", "<i4"),
        ("start_ns", "<i8"),
        ("end_ns", "<i8"),
        ("part", "<i4"),  # -1: this stack has no such pair
        ("row", "<i8"),
        ("data_sum", "<u4"),
    ]
)


class _Located(Protocol):
    """What a channel must tell: `seismo_pes.stations.Channel` does."""

    @property
    def id(self) -> str: ...
    @property
    def latitude(self) -> float: ...
    @property
    def longitude(self) -> float: ...
    @property
    def elevation_m(self) -> float: ...


@dataclass(frozen=True)
class RunInfo:
    """What is the same for all rows of a run: the contents of ``run.json``.

    Parameters
    ----------
    config
        The configuration, as the application gave it.
    software
        Names and versions.
    created
        ISO 8601, UTC.
    channels
        Structured array (id, latitude, longitude, elevation_m), the channel table.
    sampling_rate_hz, n_lags, dtype
        The lag axis, -max to +max, and the type of the rows.
    """

    config: dict[str, Any]
    software: dict[str, str]
    created: str
    channels: np.ndarray
    sampling_rate_hz: float
    n_lags: int
    dtype: str

    @property
    def lags_s(self) -> np.ndarray:
        """Lags in seconds; positive: the wave reaches the second channel later."""
        return (np.arange(self.n_lags) - self.n_lags // 2) / self.sampling_rate_hz


# ------------------------------------------------------------------ run.json


def create_run(
    out: str | Path,
    *,
    config: Mapping[str, Any],
    channels: Iterable[_Located],
    sampling_rate_hz: float,
    n_lags: int,
    dtype: str = "float32",
    overwrite: bool = False,
) -> RunInfo:
    """Make the folder of a run and describe the run in it, before any row is written.

    Parameters
    ----------
    out
        The folder; made if it is not there.
    config
        Anything that JSON can hold.
    channels
        The channel table, in the order that pair indices mean.
    sampling_rate_hz, n_lags
        The lag axis; ``n_lags`` is odd.
    dtype
        ``"float32"`` or ``"float64"``.
    overwrite
        Remove the results that the folder holds already.

    Raises
    ------
    ParameterError
        If ``out`` holds results already, cannot be a folder, or the lag axis is
        impossible.
    """
    if n_lags < 1 or n_lags % 2 == 0 or not sampling_rate_hz > 0:
        raise ParameterError(
            f"{n_lags} lags at {sampling_rate_hz} Hz: an odd number of lags and a "
            "positive rate are needed"
        )
    out = Path(out)
    _make_room(out, overwrite)
    text = {
        "format": RUN_FORMAT,
        "version": RUN_VERSION,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "software": software_versions(),
        "config": dict(config),
        "lag_axis": {"sampling_rate_hz": float(sampling_rate_hz), "n_lags": n_lags},
        "dtype": str(np.dtype(dtype)),
        "channels": [_channel_entry(channel) for channel in channels],
    }
    temporary = out / f".{RUN_FILE}.tmp"
    temporary.write_text(json.dumps(text, indent=1, allow_nan=False), encoding="utf-8")
    temporary.rename(out / RUN_FILE)
    return read_run(out)


def _make_room(out: Path, overwrite: bool) -> None:
    if out.exists() and not out.is_dir():
        raise ParameterError(f"{out}: is a file; results need a folder")
    held = [out / RUN_FILE, out / INDEX_FILE, parts_folder(out)]
    if any(path.exists() for path in held) and not overwrite:
        raise ParameterError(
            f"{out}: holds results already; choose another folder or overwrite them"
        )
    for path in held[:2]:
        path.unlink(missing_ok=True)
    shutil.rmtree(held[2], ignore_errors=True)
    parts_folder(out).mkdir(parents=True, exist_ok=True)


def _channel_entry(channel: _Located) -> dict[str, Any]:
    places = {
        name: float(getattr(channel, name))
        for name in ("latitude", "longitude", "elevation_m")
    }
    return {"id": channel.id} | {
        name: value if math.isfinite(value) else None for name, value in places.items()
    }


def software_versions() -> dict[str, str]:
    """Return the versions of Python and of what the numbers depend on."""
    versions = {"python": platform.python_version()}
    for name in SOFTWARE:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def read_run(out: str | Path) -> RunInfo:
    """Read ``run.json``.

    Raises
    ------
    DataError
        If it is not what `create_run` wrote.
    """
    path = Path(out) / RUN_FILE
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        if (text["format"], text["version"]) != (RUN_FORMAT, RUN_VERSION):
            raise DataError(f"{path}: of a kind or version that is not known here")
        return RunInfo(
            config=text["config"],
            software=text["software"],
            created=text["created"],
            channels=_channel_table(text["channels"]),
            sampling_rate_hz=text["lag_axis"]["sampling_rate_hz"],
            n_lags=text["lag_axis"]["n_lags"],
            dtype=text["dtype"],
        )
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise DataError(f"{path}: not a description of a run ({error!r})") from error


def _channel_table(entries: list[dict[str, Any]]) -> np.ndarray:
    width = max([len(entry["id"]) for entry in entries] + [1])
    table = np.zeros(len(entries), channel_dtype(width))
    for row, entry in zip(table, entries, strict=True):
        row["id"] = entry["id"]
        for name in ("latitude", "longitude", "elevation_m"):
            row[name] = math.nan if entry[name] is None else entry[name]
    return table


def channel_dtype(width: int) -> np.dtype:
    """Return the type of a channel table whose identifiers take ``width`` letters."""
    places = [(name, "<f8") for name in ("latitude", "longitude", "elevation_m")]
    return np.dtype([("id", f"U{width}"), *places])


# ------------------------------------------------------------------ the table


@dataclass(frozen=True)
class Part:
    """A part file: its path from the run's folder and its layout."""

    name: str
    layout: PartLayout
    n_rows: int


@dataclass(frozen=True)
class Table:
    """Which pairs a run has, and where the row of each stack of each pair is.

    Parameters
    ----------
    parts
        The part files, in the order that ``part`` of the windows means.
    pairs
        Shape (n_pairs, 2), int32, sorted: indices into the channel table.
    stacks
        For each stack an array of `WINDOWS`, one entry a pair.
    """

    parts: tuple[Part, ...]
    pairs: np.ndarray
    stacks: dict[str, np.ndarray]


def read_parts(out: Path) -> list[tuple[Part, np.ndarray]]:
    """Return the part files of a run and the records of each, oldest first.

    A file that its writer did not live to name is not among them.
    """
    found = []
    for path in sorted(parts_folder(out).glob("part-*.h5")):
        layout = read_layout(path)
        records = read_index(path, layout)
        name = path.relative_to(out).as_posix()
        found.append((Part(name, layout, len(records)), records))
    return sorted(found, key=lambda one: (one[0].layout.created_ns, one[0].name))


def table_from_parts(out: str | Path, verify: bool = False) -> Table:
    """Read the indices of all parts, finished or growing, into one table.

    Where a pair stands in a stack more than once (a tile that was begun, killed and
    done again), the row that was written last counts.

    Parameters
    ----------
    out
        Folder of the run.
    verify
        Read the data of parts that were not closed, and leave out damaged rows.
    """
    out = Path(out)
    found = read_parts(out)
    parts = tuple(part for part, _ in found)
    counts = [len(records) for _, records in found]
    records = np.concatenate([np.zeros(0, RECORD), *(one for _, one in found)])
    part = np.repeat(np.arange(len(parts), dtype=np.int32), counts)
    row = np.concatenate([np.zeros(0, np.int64), *(np.arange(n) for n in counts)])
    kept = (records["flags"] & MARKER) == 0
    if verify:
        kept &= np.concatenate([np.zeros(0, bool), *(_whole(out, *f) for f in found)])
    records, part, row = records[kept], part[kept], row[kept]
    pairs, of_pair = _unique_pairs(records)
    names, of_stack = np.unique(records["stack"], return_inverse=True)
    stacks = {}
    for i, name in enumerate(names):
        chosen = np.flatnonzero(of_stack == i)
        windows = np.zeros(len(pairs), WINDOWS)
        windows["part"] = -1
        entry = np.zeros(len(chosen), WINDOWS)
        for field in ("n_windows", "start_ns", "end_ns", "data_sum"):
            entry[field] = records[field][chosen]
        entry["part"], entry["row"] = part[chosen], row[chosen]
        windows[of_pair[chosen]] = entry  # of equal indices the last one stays
        stacks[name.decode()] = windows
    return Table(parts, pairs, stacks)


def _unique_pairs(records: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the distinct pairs, sorted, and for each record which of them it is."""
    keys = (records["first"].astype(np.int64) << 32) | records["second"]
    unique, inverse = np.unique(keys, return_inverse=True)
    pairs = np.stack([unique >> 32, unique & 0xFFFFFFFF], axis=1)
    return pairs.astype(np.int32), inverse


def finished_tiles(out: str | Path) -> set[tuple[int, int, int]]:
    """Return the tiles of which every row is on the disk and whole.

    Parts that their writer could not close are read through and checked, row by row:
    after a power failure a record may be on the disk and its data not.
    """
    out = Path(out)
    finished: set[tuple[int, int, int]] = set()
    for part, records in read_parts(out):
        ended = records[(records["flags"] & LAST) != 0]
        tiles = set(map(tuple, ended["tile"].tolist()))
        damaged = ~_whole(out, part, records)
        tiles -= set(map(tuple, records["tile"][damaged].tolist()))
        finished |= tiles
    return finished


def _whole(out: Path, part: Part, records: np.ndarray) -> np.ndarray:
    """Say of each record whether the row of data that it names is whole.

    A part that its writer closed was on the disk before it was sealed.
    """
    whole = np.ones(len(records), bool)
    if part.layout.sealed:
        return whole
    layout = part.layout
    piece = max((16 << 20) // max(layout.row_bytes, 1), 1)
    with open(out / part.name, "rb") as file:
        file.seek(layout.data_offset)
        for begin in range(0, len(records), piece):
            chosen = records["data_sum"][begin : begin + piece]
            data = np.fromfile(file, layout.dtype, len(chosen) * layout.n_lags)
            sums = data_sums(data.reshape(len(chosen), layout.n_lags))
            whole[begin : begin + piece] = sums == chosen
    return whole
