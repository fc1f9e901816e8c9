"""Files of arrays with their checksum, and values about them."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from seismo_pes.application.files import check_version, one_line_about
from seismo_pes.full_disk import name_errors
from seismo_pes.whole_file import whole_file

__all__ = ["read_checked_arrays", "write_checked_arrays"]

SUM_BYTES = 8  # the checksum at the end of a file of arrays, in hexadecimal digits


def write_checked_arrays(
    path: Path,
    values: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray],
    sync: bool = True,
) -> None:
    """Write arrays and values about them, with their checksum, in one step.

    `numpy.load` reads the file, too: the checksum stands after its end.

    Parameters
    ----------
    path : Path
    values : mapping of str to object
        In types that JSON has, among them ``format`` and ``version``.
    arrays : mapping of str to numpy.ndarray
        None of them is called ``about``.
    sync : bool
        See `whole_file`.
    """
    content: dict[str, Any] = {"about": np.array(json.dumps(dict(values))), **arrays}
    with whole_file(path, sync) as temporary, open(temporary, "wb") as file:
        summed = _Summed(file)
        np.savez(summed, allow_pickle=False, **content)
        file.write(b"%08x" % summed.checksum)


class _Summed(io.RawIOBase):
    """Passes on what is written to it, and computes the checksum."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file, self.checksum = file, 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.checksum = zlib.crc32(data, self.checksum)
        return self._file.write(data)


def read_checked_arrays(
    path: Path, kind: str, version: int, way_out: str = ""
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the values and the arrays that `write_checked_arrays` wrote.

    Parameters
    ----------
    path, kind, version, way_out
        See `seismo_pes.application.files.read_checked`.

    Raises
    ------
    DataError
        If the file has another format or version, or is damaged.
    FileNotFoundError
        If there is no file.
    """
    with name_errors(path):
        content = path.read_bytes()
    with one_line_about(path, kind, way_out):
        data, checksum = content[:-SUM_BYTES], content[-SUM_BYTES:]
        if checksum != b"%08x" % zlib.crc32(data):
            raise ValueError("its checksum does not fit")
        with np.load(io.BytesIO(data), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        values: dict[str, Any] = json.loads(str(arrays.pop("about")))
        check_version(path, values, kind, version)
    return values, arrays
