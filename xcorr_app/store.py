"""The reader of results: of the folder of a run, or the file ``correlations.h5`` in it.

>>> import xcorr_app.store
>>> with xcorr_app.store.open("results") as results:        # doctest: +SKIP
...     correlation = results["CI.CCA..BHZ", "CI.HEC..BHZ"]
...     lag_s, value = correlation.peak()
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.files import is_file, is_folder
from seismo_pes.items.correlation import Correlation
from xcorr_app.results.account import Account, read_account
from xcorr_app.results.index import (
    StackTables,
    is_current,
    pair_table,
    read_index_file,
)
from xcorr_app.results.row_reader import RowReader
from xcorr_app.results.run_parts import Table, table_from_parts
from xcorr_app.results.runfile import INDEX_FILE, RUN_FILE, RunInfo, read_run
from xcorr_app.results.stack_names import bands_of, check_names, usual_stack

if TYPE_CHECKING:
    from obspy import Stream

__all__ = ["Correlation", "Store", "UnknownPair", "open"]

BLOCK_BYTES = 64 << 20
RADIAL = frozenset("RT")


class UnknownPair(ParameterError, KeyError):
    """The results have no such channel, pair or stack."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


def open(path: str | os.PathLike[str]) -> Store:
    """Open the results of a run.

    Parameters
    ----------
    path
        The folder that a run wrote, finished or still running, or its
        ``correlations.h5``.

    Returns
    -------
    Store
        The results that were complete at this time. Close it, or use it in a ``with``.

    Raises
    ------
    ParameterError
        If there are no results.
    DataError
        If the results cannot be read.
    """
    chosen = Path(path)
    if is_file(chosen) and chosen.name != RUN_FILE:
        return _from_index(chosen)
    folder = chosen.parent if is_file(chosen) else chosen
    if is_file(folder / INDEX_FILE):
        indexed = _from_index(folder / INDEX_FILE)
        if indexed.complete:
            return indexed
        indexed.close()
    if not is_file(folder / RUN_FILE):
        problem = (
            f"neither {RUN_FILE} nor {INDEX_FILE} in it"
            if is_folder(folder)
            else "no such file or folder"
        )
        raise ParameterError(f"{path}: no results of xcorr-app ({problem})")
    run, table = read_run(folder), table_from_parts(folder)
    return Store(folder, run, table, pair_table(run.channels, table.pairs))


def _from_index(path: Path) -> Store:
    run, table, pairs = read_index_file(path)
    complete = is_current(path, table.parts)
    return Store(path.parent, run, table, pairs, complete)


class Store:
    """The correlations of a run, which are read row by row when they are needed.

    `open` returns it. Pairs are in the order of the channel table, and ``pairs[k]``
    belongs to ``windows(stack)[k]`` for every stack.

    Attributes
    ----------
    path : pathlib.Path
        Folder of the run.
    config, software : dict
        Configuration and versions.
    created : str
        Start of the run, ISO 8601, UTC.
    run_id : str
        Identity of the run for provenance, a UUID; the same after it was resumed or
        updated.
    channels : numpy.ndarray
        Structured: id, latitude, longitude, elevation_m.
    pairs : numpy.ndarray
        Structured: first_id, second_id, first, second, first_latitude, ...,
        distance_km, azimuth_deg, back_azimuth_deg.
    stacks : tuple of str
        Names of the stacks: an interval, and ``@`` with a band if a run has several.
    bands : tuple of str
        Names of the bands, lowest first; none if a run has a single band.
    lags_s : numpy.ndarray
        Lags in seconds; positive: the wave reaches the second channel later.
    sampling_rate_hz : float
        Rate of the lag axis.
    complete : bool
        True if the run has ended and was indexed.
    """

    def __init__(
        self,
        path: Path,
        run: RunInfo,
        table: Table,
        pairs: np.ndarray,
        complete: bool = False,
    ) -> None:
        check_names(path, run.channels["id"].tolist(), table.stacks)
        self.path = path
        self.config, self.software, self.created = run.config, run.software, run.created
        self.run_id = run.run_id
        self.channels = run.channels
        self.pairs = pairs
        self.stacks = tuple(sorted(table.stacks))
        self.bands = tuple(bands_of(self.stacks))
        self.lags_s = run.lags_s
        self.sampling_rate_hz = run.sampling_rate_hz
        self.dtype = np.dtype(run.dtype)
        self.complete = complete
        self._table = table
        self._rows = RowReader(path, table.parts, run.n_lags, self.dtype)
        self._ids = run.channels["id"].tolist()
        self._keys = _pair_keys(table.pairs)

    # -- all pairs -------------------------------------------------------------

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.pairs)

    def __iter__(self) -> Iterator[Correlation]:
        """Yield every correlation of the usual stack, in order of the pairs."""
        return self.correlations()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "" if self.complete else ", not indexed yet"
        return f"<Store {self.path}: {len(self)} pairs{state}>"

    def close(self) -> None:
        """Close the files. After that, no further stacks can be read."""
        self._rows.close()
        if isinstance(self._table.stacks, StackTables):
            self._table.stacks.close()

    @property
    def default_stack(self) -> str:
        """Name of the stack of the whole run in the lowest band, or the first stack."""
        usual = usual_stack(self.stacks)
        if usual is None:
            raise UnknownPair(f"{self.path}: no correlations yet")
        return usual

    def windows(self, stack: str | None = None) -> np.ndarray:
        """Return n_windows, start_ns, end_ns of each pair in a stack.

        A structured array, one entry a pair; ``part`` is -1 if the stack does not have
        the pair.
        """
        return self._table.stacks[self._known(stack)]

    def window(self, index: int, stack: str | None = None) -> np.void:
        """Return the entry of `windows` of one pair, without reading other entries."""
        entry: np.void = self._entry(self._known(stack), index)[0]
        return entry

    def account(self) -> Account:
        """Return the windows of each channel and day: possible, used, lost, and why.

        It is empty for results of versions that did not write it.
        """
        return read_account(self.path)

    def _entry(self, name: str, index: int) -> np.ndarray:
        tables = self._table.stacks
        if isinstance(tables, StackTables):
            return tables.entry(name, index)
        return tables[name][index : index + 1]

    def _known(self, stack: str | None) -> str:
        name = self.default_stack if stack is None else stack
        if name not in self._table.stacks:
            raise UnknownPair(
                f"{self.path}: no stack {name!r}; {_near(name, self.stacks)}"
            )
        return name

    # -- one pair --------------------------------------------------------------

    def __getitem__(self, pair: tuple[str, str]) -> Correlation:
        """Return the correlation of two channels in the usual stack."""
        first, second = pair
        return self.get(first, second)

    def get(self, first: str, second: str, stack: str | None = None) -> Correlation:
        """Return the correlation of two channels.

        Parameters
        ----------
        first, second
            ``NET.STA.LOC.CHA``, or ``NET.STA`` or ``STA`` if that is unambiguous. If
            the order differs from the stored order, lags are reversed and azimuths
            exchanged, and a radial points from ``first`` to ``second``.
        stack
            Name of the stack; by default ``"all"``.

        Raises
        ------
        UnknownPair
            If there is no such channel, pair or stack; the message suggests similar
            names.
        DataError
            If the row on the disk is damaged.
        """
        name = self._known(stack)
        index, swapped = self._find(first, second)
        entry = self._entry(name, index)
        if entry["part"][0] < 0:
            raise UnknownPair(
                f"{self.path}: {first} - {second} is not in stack {name!r}"
            )
        data = self._rows.read(entry)[0]
        correlation = self._correlation(index, name, data, entry[0])
        return self._rotated(correlation.reversed()) if swapped else correlation

    def _rotated(self, reversed_: Correlation) -> Correlation:
        """Make the radial of a reversed pair point to its new second channel.

        The radial and the transverse change their signs. If both channels are rotated,
        the two signs cancel.
        """
        components = "".join(self.config.get("components") or ())
        if not RADIAL & set(components):
            return reversed_
        names = reversed_.first, reversed_.second
        n_rotated = sum(name[-1] in RADIAL for name in names)
        return replace(reversed_, data=-reversed_.data) if n_rotated == 1 else reversed_

    def pair_index(self, first: str, second: str) -> int:
        """Return the row of ``pairs`` of two channels, in either order."""
        return self._find(first, second)[0]

    def _find(self, first: str, second: str) -> tuple[int, bool]:
        matches = set()
        for i in self._channels_like(first):
            for j in self._channels_like(second):
                # rotated channels are not in the order of the table
                for pair, swapped in (((i, j), False), ((j, i), True)):
                    index = self._index_of(*pair)
                    if index >= 0:
                        matches.add((index, swapped and i != j))
        if len(matches) == 1:
            return matches.pop()
        if not matches:
            raise UnknownPair(f"{self.path}: no pair {first} - {second}")
        names = sorted(
            f"{self.pairs['first_id'][i]} - {self.pairs['second_id'][i]}"
            for i, _ in matches
        )
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        raise UnknownPair(
            f"{self.path}: {first} - {second} may be {', '.join(names[:4])}{more}: "
            "give NET.STA.LOC.CHA"
        )

    def _channels_like(self, text: str) -> list[int]:
        if text in self._ids:
            return [self._ids.index(text)]
        names = list(enumerate(self._ids))
        matches = [i for i, name in names if name.startswith(f"{text}.")]
        if not matches and "." not in text:
            matches = [i for i, name in names if name.split(".")[1] == text]
        if not matches:
            raise UnknownPair(
                f"{self.path}: no channel {text}; {_near(text, self._ids)}"
            )
        return matches

    def _index_of(self, first: int, second: int) -> int:
        key = (first << 32) | second
        place = int(np.searchsorted(self._keys, key))
        exists = place < len(self._keys) and self._keys[place] == key
        return place if exists else -1

    def _correlation(
        self, index: int, stack: str, data: np.ndarray, windows: np.void
    ) -> Correlation:
        pair = self.pairs[index]
        channels = self.channels[[pair["first"], pair["second"]]]
        places = [
            (float(row["latitude"]), float(row["longitude"]), float(row["elevation_m"]))
            for row in channels
        ]
        return Correlation(
            first=str(pair["first_id"]),
            second=str(pair["second_id"]),
            data=data,
            rate_hz=self.sampling_rate_hz,
            first_lag=-(len(data) // 2),
            start_ns=windows["start_ns"],
            end_ns=windows["end_ns"],
            n_windows=windows["n_windows"],
            kind=str(self.config.get("kind", "cc")),
            stack=stack,
            distance_km=float(pair["distance_km"]),
            azimuth_deg=float(pair["azimuth_deg"]),
            back_azimuth_deg=float(pair["back_azimuth_deg"]),
            first_place=places[0],
            second_place=places[1],
        )

    # -- many pairs ------------------------------------------------------------

    def correlations(
        self, stack: str | None = None, indices: Iterable[int] | None = None
    ) -> Iterator[Correlation]:
        """Yield correlations in the order of the pairs, in bounded memory."""
        name = self._known(stack)
        windows = self.windows(name)
        for chosen, data in self.blocks(name, indices):
            for index, row in zip(chosen, data, strict=True):
                entry = windows[index]
                yield self._correlation(int(index), name, row.copy(), entry)

    def blocks(
        self,
        stack: str | None = None,
        indices: Iterable[int] | None = None,
        max_bytes: int = BLOCK_BYTES,
    ) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield rows in blocks: indices into ``pairs``, and data (n, n_lags).

        Parameters
        ----------
        stack
            Name of the stack; by default ``"all"``.
        indices
            Rows of ``pairs``; by default all. Pairs that the stack does not have are
            left out.
        max_bytes
            Upper bound for the data of a block in bytes.
        """
        windows = self.windows(stack)
        chosen = (
            np.arange(len(windows))
            if indices is None
            else np.asarray(list(indices), np.int64)
        )
        chosen = chosen[windows["part"][chosen] >= 0]
        row_bytes = max(len(self.lags_s) * self.dtype.itemsize, 1)
        at_once = max(max_bytes // row_bytes, 1)
        for begin in range(0, len(chosen), at_once):
            block = chosen[begin : begin + at_once]
            yield block, self._rows.read(windows[block])

    def to_stream(
        self,
        pairs: Sequence[tuple[str, str]] | None = None,
        stack: str | None = None,
    ) -> Stream:
        """Return correlations as an obspy Stream, see `Correlation.to_trace`."""
        from obspy import Stream

        if pairs is None:
            return Stream([c.to_trace() for c in self.correlations(stack)])
        return Stream([self.get(*pair, stack=stack).to_trace() for pair in pairs])


def _pair_keys(pairs: np.ndarray) -> np.ndarray:
    return (pairs[:, 0].astype(np.int64) << 32) | pairs[:, 1]


def _near(text: str, known: Iterable[str]) -> str:
    """Return a hint with similar names, or the first names of a long list."""
    names = list(known)
    near = difflib.get_close_matches(text, names, n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"there are {shown}" if names else "the run has none"
