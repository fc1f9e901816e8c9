"""The index file of a run, ``correlations.h5``: all parts in one HDF5 file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from dispel4py.errors import DataError
from seismo_pes.writing.correlation_writer import parts_folder
from seismo_pes.writing.part_files import PartLayout, read_layout, repair_length
from xcorr_app.results.parts import Part as PartOfRun
from xcorr_app.results.parts import Table, table_from_parts
from xcorr_app.results.runfile import INDEX_FILE, RunInfo, channel_dtype, read_run

__all__ = [
    "PAIR_GEOMETRY",
    "StackTables",
    "finalize",
    "is_current",
    "pair_table",
    "read_index_file",
]

INDEX_FORMAT = "xcorr-app correlations"
INDEX_VERSION = 2
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


def finalize(out: str | Path) -> Path:
    """Write the index file of a run whose writers have ended; return its path.

    The file has no correlations: its datasets are virtual and read the parts. It can be
    written again at any time, and gets its name when it is complete.

    Parameters
    ----------
    out
        Folder of the run.

    Returns
    -------
    pathlib.Path
        ``OUT/correlations.h5``.
    """
    out = Path(out)
    run, table = read_run(out), table_from_parts(out, verify=True)
    for part in table.parts:
        repair_length(out / part.name, part.layout)
    temporary = out / f".{INDEX_FILE}.tmp"
    with h5py.File(
        temporary, "w", libver=("v110", "v110"), locking=False, track_order=False
    ) as file:
        _write_description(file, run)
        pairs = pair_table(_as_bytes(run.channels), table.pairs)
        _write_table(file, "pairs", pairs)
        _write_table(file, "parts", _part_table(table.parts))
        group = file.create_group("correlations")
        for name, windows in table.stacks.items():
            stack = group.create_group(name)
            _write_table(stack, "windows", windows)
            _write_virtual(stack, windows, table.parts, run)
    temporary.rename(out / INDEX_FILE)
    logger.debug("%d pairs in %d parts", len(table.pairs), len(table.parts))
    return out / INDEX_FILE


def _write_description(file: h5py.File, run: RunInfo) -> None:
    file.attrs["format"] = INDEX_FORMAT
    file.attrs["version"] = INDEX_VERSION
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


def _write_virtual(
    group: h5py.Group, windows: np.ndarray, parts: tuple[PartOfRun, ...], run: RunInfo
) -> None:
    """Write ``data``, whose row k is the row of a part that ``windows[k]`` gives.

    Consecutive rows of a part are one mapping. The VirtualLayout of h5py is not used,
    because it takes a millisecond for each mapping.
    """
    dtype = np.dtype(run.dtype)
    target = h5py.h5s.create_simple((len(windows), run.n_lags))
    sources = [
        h5py.h5s.create_simple((part.layout.data_rows, run.n_lags)) for part in parts
    ]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.VIRTUAL)
    plist.set_fill_value(np.array(np.nan, dtype))
    for begin, end in _ranges(windows):
        part, row = int(windows["part"][begin]), int(windows["row"][begin])
        block = (int(end - begin), run.n_lags)
        target.select_hyperslab((int(begin), 0), (1, 1), None, block)
        sources[part].select_hyperslab((row, 0), (1, 1), None, block)
        name = parts[part].name.encode()
        plist.set_virtual(target, name, b"/data", sources[part])
    target.select_all()
    kind = h5py.h5t.py_create(dtype.newbyteorder("<"), logical=True)
    h5py.h5d.create(group.id, b"data", kind, target, plist)


def _ranges(windows: np.ndarray) -> np.ndarray:
    """Return (begin, end) of consecutive rows of a part.

    >>> windows = np.array([(0, 5), (0, 6), (1, 7), (-1, 0), (1, 8)],
    ...                    [("part", "i4"), ("row", "i8")])
    >>> _ranges(windows).tolist()
    [[0, 2], [2, 3], [4, 5]]
    """
    if not len(windows):
        return np.zeros((0, 2), np.int64)
    part, row = windows["part"], windows["row"]
    new = (part[1:] != part[:-1]) | (row[1:] != row[:-1] + 1)
    begins = np.concatenate([[0], np.flatnonzero(new) + 1])
    ends = np.append(begins[1:], len(windows))
    return np.stack([begins, ends], axis=1)[part[begins] >= 0]


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
        If the file is not an index file.
    """
    try:
        file = h5py.File(path, "r", locking=False)
    except OSError as error:
        raise DataError(f"{path}: not readable as HDF5 ({error})") from error
    try:
        return _read_all_but_stacks(file, path)
    except BaseException:
        file.close()
        raise


def _read_all_but_stacks(
    file: h5py.File, path: Path
) -> tuple[RunInfo, Table, np.ndarray]:
    if file.attrs.get("format") != INDEX_FORMAT:
        raise DataError(f"{path}: HDF5, but not the result of xcorr-app")
    if file.attrs["version"] != INDEX_VERSION:
        raise DataError(f"{path}: version {file.attrs['version']} is not known here")
    run = _read_description(file, len(file["lags_s"]))
    pairs = _read_table(file["pairs"])
    parts = tuple(_read_part(path.parent, row) for row in file["parts"][()])
    indices = np.stack([pairs["first"], pairs["second"]], axis=1)
    return run, Table(parts, indices, StackTables(path, file)), pairs


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


def _read_part(out: Path, row: Any) -> PartOfRun:
    name = row["name"].decode()
    path = out / name
    if path.exists():
        return PartOfRun(name, read_layout(path), int(row["n_rows"]))
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


def is_current(out: Path) -> bool:
    """Return whether the index file has all rows that the parts of the run have."""
    index = out / INDEX_FILE
    if not index.is_file():
        return False
    folder = parts_folder(out)
    if not folder.is_dir():
        return True  # without its parts, whose table can still be read
    present = {path.relative_to(out).as_posix() for path in folder.glob("part-*.h5")}
    with h5py.File(index, "r", locking=False) as file:
        indexed = {name.decode() for name in file["parts"]["name"]}
    if present != indexed:
        return False
    return all(read_layout(out / name).sealed for name in present)
