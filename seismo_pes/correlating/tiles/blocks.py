"""Spectra of channels gathered in blocks, and pairs of blocks as tiles.

Each spectrum travels once for each tile of its block, not once for each pair.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import DataError
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.gathering.closing import PeriodsInOrder
from seismo_pes.gathering.components import LATE
from seismo_pes.gathering.spool import Slot, Spool
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.tiles import Block, Spectra, Tile
from seismo_pes.items.times import nanoseconds

__all__ = ["Tiles", "block_size", "gather", "wanted_tiles"]

Place = tuple[int, int]
# Spectra that wait for their period. With a slot, their data are in the spool.
Waiting = tuple[Spectra, Slot | None]


def block_size(n_channels: int, n_processes: int = 1) -> int:
    """Choose how many channels to put into a block.

    The channels give about 36 tiles, or four tiles for each process if that is more,
    so that processes get equal shares. A block has at most 128 channels, so that two
    blocks stay small.

    >>> block_size(1000), block_size(4), block_size(1000, 256)
    (125, 1, 23)
    """
    n_tiles = max(36, 4 * n_processes)
    n_blocks = math.ceil((math.sqrt(8 * n_tiles + 1) - 1) / 2)
    return max(1, min(128, math.ceil(n_channels / n_blocks)))


def wanted_tiles(
    blocks: Sequence[tuple[int, int]],
    pairs: PairSelection | None = None,
    rotate: Rotation | None = None,
) -> list[Place]:
    """Return (row, column) of the tiles of each period.

    Parameters
    ----------
    blocks : sequence of (int, int)
        First channel of each block, and the channel after its last.
    pairs : PairSelection, optional
        Tiles without any wanted pair are left out.
    rotate : Rotation, optional
        Pairs of rotated channels count as well.

    Examples
    --------
    >>> wanted_tiles([(0, 2), (2, 3)])
    [(0, 0), (0, 1), (1, 1)]
    >>> ids = ["X.A..HHZ", "X.B..HHZ", "X.C..HHZ"]
    >>> wanted_tiles([(0, 2), (2, 3)], PairSelection(ids))
    [(0, 0), (0, 1)]
    """
    channels = [np.arange(first, stop) for first, stop in blocks]
    wanted = []
    for column in range(len(blocks)):
        for row in range(column + 1):
            i, j = channels[row], channels[column]
            if pairs is None or _any_wanted(i, j, pairs, rotate):
                wanted.append((row, column))
    return wanted


def _any_wanted(
    i: np.ndarray, j: np.ndarray, pairs: PairSelection, rotate: Rotation | None
) -> bool:
    if (pairs.allowed(i, j) & (i[:, None] <= j)).any():
        return True
    return rotate is not None and len(rotate.pairs(i, j, pairs)) > 0


class Tiles(GenericPE):
    """Gather the spectra of each period into blocks; emit pairs of blocks.

    Ports
    -----
    input : Spectra
        Grouped ``global``: one instance sees all channels.
    output : Tile
        In ascending order of the periods. A period is emitted when it and all earlier
        periods are complete, or the longest wait for them is over; incomplete periods
        are emitted at the end of the data. Tiles without spectra are emitted, too.
    skipped : Skipped
        Spectra that arrive after their period was emitted.

    Parameters
    ----------
    blocks : sequence of (int, int)
        First channel of each block, and the channel after its last.
    channels : mapping of int to collection of int, or collection of int
        The channels that have data in each period. A collection has the channels of
        every period, for live data, whose periods are not known in advance.
    needed : mapping of int to set of (int, int), optional
        Rows and columns of the tiles that are still to be made, for each period; a
        period without an entry needs no tiles. By default all tiles are made.
    pairs : PairSelection, optional
        Tiles without a wanted pair are not made.
    memory_bytes : int, optional
        Spectra beyond half of this wait on disk; blocks take the other half, and at
        least two of them are made at a time. By default all spectra stay in memory.
    spool_folder : str or pathlib.Path, optional
        Folder of the spectra that wait on disk; by default the system's folder for
        temporary files.
    rotate : Rotation, optional
        As for `CorrelateTiles`: tiles that it needs are made as well.
    max_wait_s : float, optional
        A period is emitted without a missing channel when another channel is complete
        up to this time after the end of the period; seconds of data time. By default it
        waits to the end of the data.
    """

    derives = "matching"

    def __init__(
        self,
        blocks: Sequence[tuple[int, int]],
        channels: Mapping[int, Collection[int]] | Collection[int],
        needed: Mapping[int, frozenset[Place]] | None = None,
        pairs: PairSelection | None = None,
        memory_bytes: int | None = None,
        spool_folder: str | Path | None = None,
        rotate: Rotation | None = None,
        max_wait_s: float | None = None,
    ) -> None:
        super().__init__()
        self.blocks = [(int(first), int(stop)) for first, stop in blocks]
        self.channels = channels
        self.needed = None if needed is None else dict(needed)
        self.pairs, self.rotate = pairs, rotate
        self.memory_bytes, self.spool_folder = memory_bytes, spool_folder
        self.max_wait_s = max_wait_s
        self._add_input("input", grouping="global", tuple_type=Spectra)
        self._add_output("output", tuple_type=Tile)
        self._add_output("skipped", tuple_type=Skipped)

    def _preprocess(self) -> None:
        self._spool = Spool(self.spool_folder)
        max_wait_ns = nanoseconds(self.max_wait_s)
        self._periods = PeriodsInOrder(self.channels, max_wait_ns)
        self._waiting: dict[int, list[Waiting]] = {}
        self._n_bytes = 0
        self._tiles = wanted_tiles(self.blocks, self.pairs, self.rotate)

    def derivation_key(self, port: str, item: Any) -> list[str] | None:
        """Return block and period of spectra, or of both blocks of a tile.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        if isinstance(item, Tile):
            return [f"{k} in {item.period}" for k in sorted({item.row, item.column})]
        if isinstance(item, Spectra):
            return [f"{self._block_of(item.channel)} in {item.period}"]
        return None

    def _block_of(self, channel: int) -> int:
        """Return the block of a channel; -1 if it is in none."""
        firsts = [first for first, _ in self.blocks]
        k = int(np.searchsorted(firsts, channel, "right")) - 1
        return k if k >= 0 and channel < self.blocks[k][1] else -1

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Take one channel of one period; emit the periods that are ready."""
        spectra: Spectra = inputs["input"]
        period, interval_ns = spectra.period, (spectra.start_ns, spectra.end_ns)
        if self._periods.add(period, spectra.channel, *interval_ns):
            if len(spectra.windows) and self._needed_tiles(period):
                self._waiting.setdefault(period, []).append(self._stored(spectra))
        else:
            yield {"skipped": Skipped("gather", f"channel {spectra.channel}", LATE)}
        del spectra, inputs  # spectra that are on disk must not stay in memory
        yield from self._complete()

    def postprocess(self) -> None:
        """Emit the incomplete periods, in which a channel failed."""
        for outputs in self._complete(at_end=True):
            self.write("output", outputs["output"])
        self._spool.close()

    def _complete(self, at_end: bool = False) -> Iterator[dict[str, Any]]:
        for period in self._periods.ready(at_end):
            for tile in self._make_tiles(period):
                yield {"output": tile}

    # -- waiting spectra -----------------------------------------------------------

    def _needed_tiles(self, period: int) -> list[Place]:
        if self.needed is None:
            return self._tiles
        needed = self.needed.get(period, frozenset())
        return [place for place in self._tiles if place in needed]

    def _stored(self, spectra: Spectra) -> Waiting:
        """Put the data into the spool if they do not fit into memory."""
        room = math.inf if self.memory_bytes is None else self.memory_bytes // 2
        if self._n_bytes + spectra.data.nbytes <= room:
            self._n_bytes += spectra.data.nbytes
            return spectra, None
        return replace(spectra, data=spectra.data[:0].copy()), self._spool.put(
            spectra.data
        )

    def _load(self, members: list[Waiting], last: bool) -> Iterator[Spectra]:
        """Yield the spectra of a block one by one; release their memory if ``last``."""
        if last:
            members.reverse()
        for k in range(len(members)):
            spectra, slot = members.pop() if last else members[k]
            n_bytes = spectra.data.nbytes
            if slot is not None:
                spectra = replace(spectra, data=self._spool.get(slot))
            if last and slot is not None:
                self._spool.release(slot)
            elif last:
                self._n_bytes -= n_bytes
            yield spectra
            del spectra

    # -- tiles ---------------------------------------------------------------------

    def _make_tiles(self, period: int) -> Iterator[Tile]:
        """Make the tiles of a period, panel of rows by panel of rows."""
        members = self._members(self._waiting.pop(period, []))
        todo = set(self._needed_tiles(period))
        panels = list(self._panels(todo, members))
        for panel in panels:
            last = panel is panels[-1]
            blocks: dict[int, Block] = {}
            for column in sorted({c for r, c in todo if r in panel} | set(panel)):
                b = self._block(self.blocks[column], members[column], last)
                if column in panel:
                    blocks[column] = b
                for row in panel:
                    if row <= column and (row, column) in todo:
                        number = column * (column + 1) // 2 + row
                        yield Tile(number, row, column, period, blocks[row], b)
                del b
        for block in members:
            for _ in self._load(block, last=True):
                pass

    def _members(self, waiting: list[Waiting]) -> list[list[Waiting]]:
        members: list[list[Waiting]] = [[] for _ in self.blocks]
        for spectra, slot in sorted(waiting, key=lambda member: member[0].channel):
            k = self._block_of(spectra.channel)
            if k < 0:
                raise DataError(
                    f"channel {spectra.channel} of the table is in no block"
                )
            members[k].append((spectra, slot))
        return members

    def _panels(
        self, todo: Iterable[Place], members: list[list[Waiting]]
    ) -> Iterator[list[int]]:
        """Divide the rows so that memory holds the blocks of a panel and one more."""
        sizes = [sum(map(_n_bytes, block)) for block in members]
        room = math.inf
        if self.memory_bytes is not None:
            room = self.memory_bytes // 2 - max(sizes, default=0)
        panel: list[int] = []
        for row in sorted({row for row, _ in todo}):
            if panel and sum(sizes[k] for k in panel) + sizes[row] > room:
                yield panel
                panel = []
            panel.append(row)
        if panel:
            yield panel

    def _block(self, span: Place, members: list[Waiting], last: bool) -> Block:
        if not members:
            return gather([], np.empty(0, np.int64), span)
        axis = np.unique(np.concatenate([spectra.windows for spectra, _ in members]))
        return gather(self._load(members, last), axis, span, len(members))


def _n_bytes(member: Waiting) -> int:
    spectra, slot = member
    return spectra.data.nbytes if slot is None else slot.n_bytes


def gather(
    members: Iterable[Spectra],
    windows: np.ndarray,
    span: tuple[int, int],
    n: int | None = None,
) -> Block:
    """Put the spectra of several channels into one block over ``windows``.

    Parameters
    ----------
    members : iterable of Spectra
        Spectra in the order of their channels, each with at least one window.
    windows : numpy.ndarray
        The windows that any of the spectra has, ascending.
    span : (int, int)
        First channel of the block and the channel after its last.
    n : int, optional
        Number of members; needed if ``members`` is not a list.
    """
    if n is None:
        members = list(members)
        n = len(members)
    w, rows, factors = len(windows), 1, None
    usable = np.zeros((n, w), bool)
    channels = np.zeros(n, np.int64)
    data = np.zeros((0, n, w), np.complex64)
    for k, spectra in enumerate(members):
        if k == 0:
            rows = len(spectra.data) // len(spectra.windows)
            data, factors = _empty(spectra, n, w, rows)
        at = np.searchsorted(windows, spectra.windows)
        channels[k], usable[k, at] = spectra.channel, True
        if w * rows == 1:
            data[k] = spectra.data
        elif len(at) == w:
            data[:, k, :] = spectra.data.T
        else:
            every = (at[:, None] * rows + np.arange(rows)).reshape(-1)
            data[:, k, every] = spectra.data.T
        if factors is not None:
            factors[:, k, at] = spectra.factors
    return Block(channels, windows, usable, data, factors, rows, span)


def _empty(
    spectra: Spectra, n: int, w: int, rows: int
) -> tuple[np.ndarray, np.ndarray | None]:
    n_bins = spectra.data.shape[1]
    shape = (n, 1, n_bins) if w * rows == 1 else (n_bins, n, w * rows)
    factors = None
    if spectra.factors is not None:
        kind = spectra.factors.dtype
        factors = np.zeros((len(spectra.factors), n, w), kind)
    return np.zeros(shape, spectra.data.dtype), factors
