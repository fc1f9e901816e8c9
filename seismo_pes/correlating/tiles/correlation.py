"""Correlation of tiles, and stacking over periods of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np

from dispel4py.core import GenericPE
from dispel4py.errors import ParameterError
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.correlating.substacks import Substacks
from seismo_pes.correlating.tiles.correlator import Correlator, Stacks
from seismo_pes.correlating.tiles.pairs import PairWindows, TilePairs, pair_keys
from seismo_pes.correlating.tiles.stacks import check_stack
from seismo_pes.correlating.tiles.substack_sums import GroupSums
from seismo_pes.items.descriptions import rows_by_pair
from seismo_pes.items.skipped import Skipped
from seismo_pes.items.tiles import CorrelationRows, Tile

__all__ = ["CorrelateTiles"]

TileKey = tuple[int, int, int]
Output = CorrelationRows | Skipped


class CorrelateTiles(GenericPE):
    """Correlate the channels of each tile and stack over windows and periods.

    Ports
    -----
    input : Tile
        Grouped by its number: the sums of a tile stay in one instance.
    output : CorrelationRows
        Stacks over the windows of each period, tile by tile; with several bands each
        band has a stack, ``2022-05-17@0.1-0.5Hz``. The last batch of a tile is marked,
        and empty if the tile has no rows. Stacks of a group of periods are emitted when
        the group is complete.
    skipped : Skipped
        Pairs that share no window, if all periods are one group, ``all``; instruments
        that cannot be rotated.

    Parameters
    ----------
    settings : SpectraSettings
        The settings with which the spectra were made.
    substacks : Substacks
        Intervals over which windows are stacked.
    pairs : PairSelection, optional
        The wanted pairs; by default each channel with every later channel.
    channel_ids : sequence of str
        The channel table, for reports.
    rotate : Rotation, optional
        Also make radial and transverse correlations of Z, N and E; the settings must
        be ``coherent``.
    window_stack : str
        How windows are stacked: a kind of `seismo_pes.stacking.stack`. In a group of
        several periods each period is stacked in this way, and the result is the mean
        of these stacks.
    stack_options : mapping, optional
        Options of ``window_stack``.

    Raises
    ------
    ParameterError
        If the stack is unknown, or the spectra cannot be rotated.
    """

    derives = "matching"

    def __init__(
        self,
        settings: SpectraSettings,
        substacks: Substacks,
        pairs: PairSelection | None = None,
        channel_ids: Sequence[str] = (),
        rotate: Rotation | None = None,
        window_stack: str = "linear",
        stack_options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        check_stack(window_stack)
        if rotate is not None and not settings.coherent:
            raise ParameterError(
                "rotation needs components with equal processing: make the spectra "
                "with coherent=True"
            )
        self.settings, self.substacks = settings, substacks
        self.pairs, self.rotate = pairs, rotate
        self.channel_ids = list(channel_ids)
        self.window_stack, self.stack_options = window_stack, dict(stack_options or {})
        self._add_input("input", grouping=_owner, tuple_type=Tile)
        self._add_output("output", tuple_type=CorrelationRows)
        self._add_output("skipped", tuple_type=Skipped)

    def _preprocess(self) -> None:
        self._correlator = Correlator(
            self.settings, self.substacks, self.window_stack, self.stack_options
        )
        self._members = lru_cache(maxsize=None)(self.substacks.members)
        self._wanted: dict[tuple[int, int], TilePairs] = {}
        self._sums: dict[tuple[int, int], tuple[int, GroupSums]] = {}

    def derivation_key(self, port: str, item: Any) -> str | None:
        """Return the tile and its group of periods.

        Parameters
        ----------
        port : str
            Input or output.
        item : object
            The item.
        """
        if isinstance(item, Tile):
            return str((item.row, item.column, self.substacks.key(item.period)))
        return str(item.tile) if isinstance(item, CorrelationRows) else None

    def describe_item(self, port: str, item: Any) -> dict[str, Any]:
        """Return the terms of an item; the parts of rows are their pairs.

        Parameters
        ----------
        port : str
            The output.
        item : object
            The item.
        """
        terms = super().describe_item(port, item)
        if isinstance(item, CorrelationRows) and self.channel_ids:
            terms["parts"] = lambda: rows_by_pair(item, self.channel_ids)
        return terms

    def process(self, inputs: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Correlate one tile of one period."""
        tile: Tile = inputs["input"]
        place, first = (tile.row, tile.column), self.substacks.key(tile.period)
        if place in self._sums and self._sums[place][0] != first:
            yield from _by_port(self._end_group(place))
        members = self._members(tile.period)
        if len(members) == 1:
            stacks = self._correlator.stacks(tile, self._pairs_of(tile))
            yield from _by_port(self._rows(stacks, (*place, first)))
            return
        yield from _by_port(self._add(tile, first))
        if tile.period == members[-1]:
            yield from _by_port(self._end_group(place))

    def postprocess(self) -> None:
        """Emit the stacks of incomplete groups."""
        for place in sorted(self._sums):
            for outputs in _by_port(self._end_group(place)):
                for port, item in outputs.items():
                    self.write(port, item)

    def _pairs_of(self, tile: Tile) -> TilePairs:
        place = tile.row, tile.column
        if place not in self._wanted:
            self._wanted[place] = TilePairs.of(
                tile.a.span, tile.b.span, self.pairs, self.rotate
            )
        return self._wanted[place]

    # -- groups --------------------------------------------------------------------

    def _add(self, tile: Tile, first: int) -> Iterator[Skipped]:
        place, wanted = (tile.row, tile.column), self._pairs_of(tile)
        if place not in self._sums:
            sums = GroupSums(wanted, self._correlator.n_lags, self.settings.dtype)
            self._sums[place] = first, sums
        for stacks in self._correlator.stacks(tile, wanted, summed=True):
            self._sums[place][1].add(stacks)
            yield from self._unrotated(stacks)

    def _end_group(self, place: tuple[int, int]) -> Iterator[Output]:
        first, sums = self._sums.pop(place)
        yield from self._rows(sums.stacks(), (*place, first))

    # -- rows ----------------------------------------------------------------------

    def _rows(self, batches: Iterable[Stacks], tile: TileKey) -> Iterator[Output]:
        """Yield batches of rows as they are made; the last batch is marked.

        The last batch finishes the tile, so what was skipped is reported before it.
        """
        silence, last = _SilentPairs(), self._no_stacks(tile)
        for stacks in batches:
            yield from self._unrotated(stacks)
            silence.add(stacks)
            if len(stacks.shared) and stacks.final:
                last = stacks
            elif len(stacks.shared):
                yield self._batch(stacks, tile)
        if self._reports_silent_pairs(tile[2]):
            for pair in silence.pairs():
                yield self._skipped("correlate", pair, "the channels share no window")
        yield replace(self._batch(last, tile), last=True)

    def _reports_silent_pairs(self, first: int) -> bool:
        group = self.substacks.groups.get(first)
        return group is not None and group[1] == "all"

    def _unrotated(self, stacks: Stacks) -> Iterator[Skipped]:
        reason = "not rotated: components of one station differ in their windows"
        for pair in stacks.apart.tolist():
            yield self._skipped("rotate", pair, reason)

    def _no_stacks(self, tile: TileKey) -> Stacks:
        data = np.empty((0, self._correlator.n_lags), self.settings.dtype)
        no_pairs = np.empty((0, 2), np.int64)
        return Stacks("all", PairWindows.none(), data, no_pairs, no_pairs)

    def _batch(self, stacks: Stacks, tile: TileKey) -> CorrelationRows:
        grid, shared = self.settings.grid, stacks.shared
        return CorrelationRows(
            stacks.stack,
            shared.pairs,
            shared.n_windows,
            grid.start_ns(shared.first),
            grid.start_ns(shared.last) + grid.length_ns,
            stacks.data,
            tile,
            last=False,
        )

    def _skipped(self, stage: str, pair: Sequence[int], reason: str) -> Skipped:
        names = [self.channel_ids[k] if self.channel_ids else str(k) for k in pair]
        return Skipped(stage, "_".join(names), reason)


def _owner(tile: Tile, n: int) -> int:
    """Send a tile always to the same instance; neighbouring tiles to different ones."""
    return tile.number % n


class _SilentPairs:
    """The pairs that share no window in any band."""

    def __init__(self) -> None:
        self._silent: list[np.ndarray] = []
        self._heard: list[np.ndarray] = []

    def add(self, stacks: Stacks) -> None:
        if len(stacks.silent):
            self._silent.append(pair_keys(stacks.silent))
        self._heard.append(pair_keys(stacks.shared.pairs))

    def pairs(self) -> list[tuple[int, int]]:
        if not self._silent:
            return []
        silent = np.setdiff1d(np.concatenate(self._silent), np.concatenate(self._heard))
        return [(key >> 32, key & 0xFFFFFFFF) for key in silent.tolist()]


def _by_port(items: Iterable[Output]) -> Iterator[dict[str, Any]]:
    for item in items:
        yield {"skipped" if isinstance(item, Skipped) else "output": item}
