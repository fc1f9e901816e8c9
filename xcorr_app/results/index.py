"""The index file of a run, ``correlations.h5``: all parts in one HDF5 file.

The user block of the file, its first 512 bytes, has the identity of the run, the number
of its last session, and the size and the checksum of the file as JSON.
"""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dispel4py.errors import DataError
from dispel4py.file_search import files_named
from dispel4py.files import exists, is_file, is_folder
from seismo_pes.full_disk import name_errors
from seismo_pes.hdf5_input import open_intact_hdf5
from seismo_pes.whole_file import whole_file
from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.hdf5_file import hdf5_file
from seismo_pes.writing.part_damage import repair_length
from seismo_pes.writing.part_files import PartLayout, read_layout
from xcorr_app.results.run_parts import Part as PartOfRun
from xcorr_app.results.run_parts import Table, check_run, table_from_parts
from xcorr_app.results.runfile import (
    INDEX_FILE,
    RUN_FILE,
    RunInfo,
    channel_dtype,
    read_run,
)
from xcorr_app.results.stack_names import usual_stack
from xcorr_app.results.virtual_rows import write_virtual

__all__ = [
    "PAIR_GEOMETRY",
    "Indexed",
    "StackTables",
    "check_index_file",
    "finalize",
    "is_current",
    "pair_table",
    "read_index_file",
]

USER_BLOCK = 512  # bytes, the least that HDF5 allows
PAIRS_AT_ONCE = 1 << 16  # of the table of pairs
READ_BYTES = 4 << 20  # of a file, to compute its checksum
INDEX_FORMAT = "xcorr-app correlations"
INDEX_VERSION = 3
ABOUT = (
    "Row k of /correlations/STACK/data and /correlations/STACK/windows belongs to "
    "pairs[k], in every stack. A pair that a stack does not have has NaN, and part -1. "
    "lags_s are the lags of a row: at positive lags the wave reaches the second "
    "channel later. Times are nanoseconds since 1970 UTC."
)
PAIR_GEOMETRY = ("distance_km", "azimuth_deg", "back_azimuth_deg")
PLACES = ("latitude", "longitude")

logger = logging.getLogger(__name__)


def pair_table(channels: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return identifiers, coordinates, distance and azimuths of pairs.

    Parameters
    ----------
    channels
        The channel table, with identifiers as text or bytes.
    pairs
        Shape (n, 2): indices into it.

    Returns
    -------
    numpy.ndarray
        Structured, shape (n,): first_id, second_id, first, second, the coordinates of
        both, distance_km, azimuth_deg (at the first, towards the second),
        back_azimuth_deg (at the second, towards the first).
    """
    from seismo_pes.metadata.geodesy import geodesic

    text = channels.dtype["id"]
    table = np.zeros(
        len(pairs),
        [
            ("first_id", text),
            ("second_id", text),
            ("first", "<i4"),
            ("second", "<i4"),
            *((f"{side}_{name}", "<f8") for side in ("first", "second")
              for name in PLACES),
            *((name, "<f8") for name in PAIR_GEOMETRY),
        ],
    )  # fmt: skip
    for side, indices in zip(("first", "second"), pairs.T, strict=True):
        table[side] = indices
        table[f"{side}_id"] = np.ascontiguousarray(channels["id"])[indices]
        for name in PLACES:
            table[f"{side}_{name}"] = np.ascontiguousarray(channels[name])[indices]
    if len(pairs):
        places = [
            table[f"{side}_{name}"] for side in ("first", "second") for name in PLACES
        ]
        for name, values in zip(PAIR_GEOMETRY, geodesic(*places), strict=True):
            table[name] = values
    return table


# ------------------------------------------------------------------ writing


@dataclass(frozen=True)
class Indexed:
    """What an index file has.

    Parameters
    ----------
    path
        The file.
    n_pairs, n_rows
        Pairs, and rows with windows in all stacks.
    n_windows
        Windows in the usual stack of all pairs.
    """

    path: Path
    n_pairs: int
    n_rows: int
    n_windows: int


def finalize(out: str | Path) -> Indexed:
    """Write the index file of a run whose writers have ended.

    The file has no correlations: its datasets are virtual and read the parts. It can be
    written again at any time, and gets its name when it is complete. The memory does
    not grow with the number of stacks.

    Parameters
    ----------
    out
        Folder of the run; the file is ``OUT/correlations.h5``.
    """
    out = Path(out)
    run, table = read_run(out), table_from_parts(out, verify=True, on_disk=True)
    for part in table.parts:
        repair_length(out / part.name, part.layout)
    with whole_file(out / INDEX_FILE) as temporary:
        n_rows, n_windows = _write_index(temporary, run, table)
    logger.debug("%d pairs in %d parts", len(table.pairs), len(table.parts))
    return Indexed(out / INDEX_FILE, len(table.pairs), n_rows, n_windows)


def _write_index(path: Path, run: RunInfo, table: Table) -> tuple[int, int]:
    """Write an index file; return the numbers of its rows and windows."""
    usual = usual_stack(table.stacks)
    n_rows = n_windows = 0
    with hdf5_file(
        path, libver=("v110", "v110"), track_order=False, userblock_size=USER_BLOCK
    ) as file:
        _write_description(file, run)
        _write_pairs(file, run, table.pairs)
        _write_table(file, "parts", _part_table(table.parts))
        group = file.create_group("correlations")
        for name, windows in table.stacks.items():
            stack = group.create_group(name)
            _write_table(stack, "windows", windows)
            write_virtual(stack, windows, table.parts, run.n_lags, np.dtype(run.dtype))
            n_rows += int((windows["n_windows"] > 0).sum())
            if name == usual:
                n_windows = int(windows["n_windows"].sum())
    _write_user_block(path, run)
    return n_rows, n_windows


def _write_pairs(file: h5py.File, run: RunInfo, pairs: np.ndarray) -> None:
    """Write the table of pairs, some at a time."""
    channels = _as_bytes(run.channels)
    dtype = pair_table(channels, pairs[:0]).dtype
    dataset = file.create_dataset("pairs", (len(pairs),), dtype)
    for k in range(0, len(pairs), PAIRS_AT_ONCE):
        some = pairs[k : k + PAIRS_AT_ONCE]
        dataset[k : k + PAIRS_AT_ONCE] = pair_table(channels, some)


def _write_user_block(path: Path, run: RunInfo) -> None:
    """Write the user block of a complete index file."""
    head = {
        "format": INDEX_FORMAT,
        "version": INDEX_VERSION,
        "run_id": run.run_id,
        "session": run.session,
        "size": path.stat().st_size,
        "crc32": _file_sum(path),
    }
    with open(path, "r+b") as file:
        file.write(json.dumps(head).encode().ljust(USER_BLOCK, b"\0"))


def _file_sum(path: Path) -> int:
    """Return the CRC-32 of a file after its user block."""
    total = 0
    with name_errors(path), open(path, "rb") as file:
        file.seek(USER_BLOCK)
        while piece := file.read(READ_BYTES):
            total = zlib.crc32(piece, total)
    return total


def _write_description(file: h5py.File, run: RunInfo) -> None:
    file.attrs["about"] = ABOUT
    file.attrs["created"] = run.created
    file.attrs["run_id"] = run.run_id
    file.attrs["sampling_rate_hz"] = run.sampling_rate_hz
    file.attrs["dtype"] = run.dtype
    # As datasets: an attribute may not be longer than 64 kB.
    file["configuration"] = json.dumps(run.config)
    file["software"] = json.dumps(run.software)
    file["lags_s"] = run.lags_s
    _write_table(file, "channels", run.channels)


def _write_table(group: h5py.Group, name: str, table: np.ndarray) -> None:
    group.create_dataset(name, data=_as_bytes(table))


def _as_bytes(table: np.ndarray) -> np.ndarray:
    """Return a structured array with text as bytes, which every HDF5 library reads."""
    fields = [
        (field, f"S{max(kind.itemsize // 4, 1)}" if kind.kind == "U" else kind)
        for field, (kind, *_) in (table.dtype.fields or {}).items()
    ]
    return table.astype(np.dtype(fields), copy=False)


def _part_table(parts: tuple[PartOfRun, ...]) -> np.ndarray:
    width = max([len(part.name) for part in parts] + [1])
    table = np.zeros(len(parts), [("name", f"S{width}"), ("n_rows", "<i8")])
    table["name"] = [part.name.encode() for part in parts]
    table["n_rows"] = [part.n_rows for part in parts]
    return table


# ------------------------------------------------------------------ reading


def read_index_file(path: Path) -> tuple[RunInfo, Table, np.ndarray]:
    """Read an index file: the run, the table of its rows, and the table of its pairs.

    The tables of the stacks are read when they are needed, see `StackTables`.

    Parameters
    ----------
    path
        The index file.

    Raises
    ------
    DataError
        If the file is not an index file, is damaged, or has parts of another run.
    """
    check_index_file(path)
    file = open_intact_hdf5(path)
    try:
        run = _read_description(file, len(file["lags_s"]))
        pairs = _read_table(file["pairs"])
        parts = tuple(_read_part(path.parent, run, row) for row in file["parts"][()])
    except BaseException:
        file.close()
        raise
    indices = np.stack([pairs["first"], pairs["second"]], axis=1)
    return run, Table(parts, indices, StackTables(path, file)), pairs


def check_index_file(path: Path, run_id: str = "") -> None:
    """Compare an index file with its checksum.

    Parameters
    ----------
    path
        The index file.
    run_id
        Identity of its run, if it is known.

    Raises
    ------
    DataError
        If the file is not an index file, is damaged, or belongs to another run.
    """
    head = _user_block(path)
    if run_id and head.get("run_id") != run_id:
        raise DataError(f"{path}: belongs to another run than {path.parent / RUN_FILE}")
    if (path.stat().st_size, _file_sum(path)) != (head.get("size"), head.get("crc32")):
        raise DataError(
            f"{path}: damaged (its checksum does not fit): "
            "xcorr-app check OUT --repair writes it again"
        )


def _user_block(path: Path) -> dict[str, Any]:
    """Read the user block of an index file."""
    with name_errors(path), open(path, "rb") as file:
        block = file.read(USER_BLOCK)
    try:
        head = json.loads(block.rstrip(b"\0"))
        form, version = head["format"], head["version"]
    except (ValueError, KeyError, TypeError):
        form = version = None
    if form != INDEX_FORMAT or not isinstance(version, int):
        raise DataError(
            f"{path}: not the result of xcorr-app, or damaged: "
            "xcorr-app check OUT --repair writes it again"
        )
    if version != INDEX_VERSION:
        raise DataError(
            f"{path}: has version {version} of the format {form!r}; this program reads "
            f"version {INDEX_VERSION}"
        )
    return dict(head)


class StackTables(Mapping[str, np.ndarray]):
    """The tables of stacks in an index file. Each is read when it is needed.

    The file stays open until `close`, so that all tables belong to the same version of
    the file.

    Parameters
    ----------
    path
        Path of the file, for messages.
    file
        The open file.
    """

    def __init__(self, path: Path, file: h5py.File) -> None:
        self._path, self._file = path, file
        self._tables: dict[str, np.ndarray | None] = dict.fromkeys(file["correlations"])

    def __getitem__(self, name: str) -> np.ndarray:
        table = self._tables[name]
        if table is None:
            table = self._stored(name)[()]
            self._tables[name] = table
        return table

    def entry(self, name: str, index: int) -> np.ndarray:
        """Return the entry of one pair, shape (1,), without reading other entries."""
        table = self._tables[name]
        entries = self._stored(name) if table is None else table
        return np.asarray(entries[index : index + 1])

    def _stored(self, name: str) -> h5py.Dataset:
        if not self._file:
            raise DataError(f"{self._path}: closed before stack {name!r} was read")
        return self._file[f"correlations/{name}/windows"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tables)

    def __len__(self) -> int:
        return len(self._tables)

    def __contains__(self, name: object) -> bool:
        return name in self._tables

    def close(self) -> None:
        """Close the file. Tables that were read stay usable."""
        self._file.close()


def _read_description(file: h5py.File, n_lags: int) -> RunInfo:
    channels = _read_table(file["channels"])
    return RunInfo(
        config=json.loads(file["configuration"][()]),
        software=json.loads(file["software"][()]),
        created=file.attrs["created"],
        channels=channels.astype(channel_dtype(channels.dtype["id"].itemsize // 4)),
        sampling_rate_hz=float(file.attrs["sampling_rate_hz"]),
        n_lags=n_lags,
        dtype=file.attrs["dtype"],
        run_id=file.attrs["run_id"],
    )


def _read_part(out: Path, run: RunInfo, row: Any) -> PartOfRun:
    name = row["name"].decode()
    path = out / name
    if exists(path):
        layout = read_layout(path)
        check_run(path, layout, run.run_id)
        return PartOfRun(name, layout, int(row["n_rows"]))
    absent = PartLayout(0, "<f4", 0, 0, 0, 0, 0, "", 0)  # rows cannot be read
    return PartOfRun(name, absent, int(row["n_rows"]))


def _read_table(dataset: h5py.Dataset) -> np.ndarray:
    """Read a structured array, its bytes as text."""
    table = dataset[()]
    fields = [
        (field, f"U{kind.itemsize}" if kind.kind == "S" else kind)
        for field, (kind, *_) in table.dtype.fields.items()
    ]
    return table.astype(np.dtype(fields))


def is_current(index: Path, parts: Iterable[PartOfRun]) -> bool:
    """Return whether an index file has all rows of a run that has ended.

    A copy of the file without the run has no other rows, so it is current.

    Parameters
    ----------
    index
        The file.
    parts
        The parts that it lists.
    """
    out, head = index.parent, _user_block(index)
    if is_file(out / RUN_FILE):
        run = read_run(out)
        if (run.run_id, run.session) != (head.get("run_id"), head.get("session")):
            return False
    if not is_folder(parts_folder(out)):
        return True  # without its parts, whose table can still be read
    listed = {part.name: part for part in parts}
    paths = files_named(parts_folder(out), "part-*.h5")
    present = {path.relative_to(out).as_posix() for path in paths}
    return present == set(listed) and all(
        part.layout.sealed and part.layout.n_rows == part.n_rows
        for part in listed.values()
    )
