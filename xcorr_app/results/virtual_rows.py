"""The virtual dataset of a stack: its rows are in the parts of the run."""

from __future__ import annotations

from collections.abc import Sequence

import h5py
import numpy as np

from xcorr_app.results.run_parts import Part

__all__ = ["write_virtual"]

# Most ranges of rows in one mapping: the time that HDF5 needs for a range grows with
# the number of ranges before it.
MOST_RANGES = 256


def write_virtual(
    group: h5py.Group,
    windows: np.ndarray,
    parts: Sequence[Part],
    n_lags: int,
    dtype: np.dtype,
) -> None:
    """Write ``data``, whose row k is the row of a part that ``windows[k]`` gives.

    The VirtualLayout of h5py is not used, because it takes a millisecond for each
    mapping.

    Parameters
    ----------
    group
        The group of the stack.
    windows
        The entries of its pairs, of `xcorr_app.results.window_tables.WINDOWS`.
    parts
        The parts of the run.
    n_lags, dtype
        Number and type of the samples of a row.
    """
    target = h5py.h5s.create_simple((len(windows), n_lags))
    sources = [
        h5py.h5s.create_simple((part.layout.data_rows, n_lags)) for part in parts
    ]
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.VIRTUAL)
    plist.set_fill_value(np.array(np.nan, dtype))
    for ranges in _mappings(windows):
        part = int(windows["part"][ranges[0, 0]])
        operation = h5py.h5s.SELECT_SET
        for begin, end in ranges.tolist():
            row, block = int(windows["row"][begin]), (end - begin, n_lags)
            target.select_hyperslab((begin, 0), (1, 1), None, block, operation)
            sources[part].select_hyperslab((row, 0), (1, 1), None, block, operation)
            operation = h5py.h5s.SELECT_OR
        plist.set_virtual(target, parts[part].name.encode(), b"/data", sources[part])
    target.select_all()
    kind = h5py.h5t.py_create(dtype.newbyteorder("<"), logical=True)
    h5py.h5d.create(group.id, b"data", kind, target, plist)


def _mappings(windows: np.ndarray) -> list[np.ndarray]:
    """Return the ranges of each mapping.

    HDF5 needs 20 kB of memory for each mapping. So a mapping has many ranges, whose
    order in the table is that of their rows in the part, as in a tile.

    >>> windows = np.array([(0, 5), (0, 6), (0, 8), (1, 9), (0, 1)],
    ...                    [("part", "i4"), ("row", "i8")])
    >>> [mapping.tolist() for mapping in _mappings(windows)]
    [[[4, 5]], [[0, 2], [2, 3]], [[3, 4]]]
    """
    ranges = _ranges(windows)
    part, row = (windows[name][ranges[:, 0]] for name in ("part", "row"))
    order = np.lexsort((row, part))
    ranges, part = ranges[order], part[order]
    new = (part[1:] != part[:-1]) | (ranges[1:, 0] < ranges[:-1, 0])
    mappings = np.split(ranges, np.flatnonzero(new) + 1) if len(ranges) else []
    return [
        mapping[k : k + MOST_RANGES]
        for mapping in mappings
        for k in range(0, len(mapping), MOST_RANGES)
    ]


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
