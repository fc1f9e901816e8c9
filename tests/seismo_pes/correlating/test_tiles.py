"""Tiles: blocks of channels in pairs, in memory or by way of the disk."""

from __future__ import annotations

import copy
import os
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py.errors import DataError
from seismo_pes.correlating.pairs.rotation import Rotation
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.correlating.tiles.blocks import (
    Tiles,
    block_size,
    gather,
    wanted_tiles,
)
from seismo_pes.correlating.tiles.correlator import on_shared_windows
from seismo_pes.full_disk import DiskFull
from seismo_pes.gathering import spool as spool_module
from seismo_pes.gathering.spool import Spool
from seismo_pes.items.tiles import Block, Spectra
from seismo_pes.items.times import DAY_NS

FIVE = [(0, 2), (2, 4), (4, 5)]


def limits(period: int) -> tuple[int, int]:
    return period * DAY_NS, (period + 1) * DAY_NS


def spectra_of(channel, windows, period=0, n_bins=3, rows=1, n_bands=0) -> Spectra:
    windows = np.asarray(windows, np.int64)
    rng = np.random.default_rng([channel, period])
    shape = (len(windows) * rows, n_bins)
    data = (rng.normal(size=shape) + 1j * rng.normal(size=shape)).astype(np.complex64)
    factors = rng.uniform(size=(n_bands, len(windows))) if n_bands else None
    return Spectra(channel, period, *limits(period), windows, data, factors)


def made(tiles: Tiles, items, at_end: bool = True) -> list:
    """Send items to an element as the engine does; return its output."""
    written = []
    tiles.preprocess()
    tiles._writer = lambda port, item: written.append(item)
    for item in items:
        written += [out["output"] for out in tiles.process({"input": item})]
    if at_end:
        tiles.postprocess()
    return written


def content(tile) -> tuple:
    blocks = [
        tuple(
            None if x is None else (x.tobytes(), x.shape, x.dtype)
            for x in (b.channels, b.windows, b.usable, b.data, b.factors)
        )
        for b in (tile.a, tile.b)
    ]
    return tile.number, tile.row, tile.column, tile.period, blocks


@given(st.integers(1, 3000), st.integers(1, 300))
def test_block_size_gives_every_process_tiles(n_channels: int, n: int) -> None:
    size = block_size(n_channels, n)
    n_blocks = -(-n_channels // size)
    assert 1 <= size <= 128
    assert size == 1 or n_blocks * (n_blocks + 1) // 2 >= n


# -- tiles -------------------------------------------------------------------------


def test_every_pair_of_channels_is_in_one_tile() -> None:
    items = [spectra_of(channel, [0, 1]) for channel in (3, 0, 4, 1, 2)]
    result = made(Tiles(FIVE, {0: range(5)}), items, at_end=False)
    pairs = [
        (int(i), int(j))
        for tile in result
        for i in tile.a.channels
        for j in tile.b.channels
        if i < j
    ]
    assert sorted(pairs) == [(i, j) for i in range(5) for j in range(i + 1, 5)]
    assert len({tile.number for tile in result}) == len(result) == 6


def test_periods_are_emitted_in_order_for_any_order_of_input() -> None:
    tiles = Tiles([(0, 2)], {5: [0, 1], 7: [0, 1], 6: [0]})
    tiles.preprocess()
    order = [(0, 7), (1, 7), (0, 6), (0, 5), (1, 5)]
    result = [
        [
            out["output"].period
            for out in tiles.process({"input": spectra_of(channel, [0], period)})
        ]
        for channel, period in order
    ]
    assert result == [[], [], [], [], [5, 6, 7]]


def test_an_incomplete_period_is_emitted_at_the_end() -> None:
    items = [spectra_of(0, [0]), spectra_of(1, [0])]
    tiles = Tiles([(0, 2)], {0: range(3), 1: range(2)})
    assert made(tiles, items, at_end=False) == []
    result = made(Tiles([(0, 2)], {0: range(3), 1: range(2)}), items)
    assert [tile.a.channels.tolist() for tile in result] == [[0, 1], []]


def test_tiles_without_spectra_are_made_too() -> None:
    items = [spectra_of(0, []), spectra_of(2, [1])]
    result = made(Tiles(FIVE, {0: [0, 2]}), items, at_end=False)
    assert [(t.row, t.column) for t in result] == wanted_tiles(FIVE)
    assert {len(t.a.channels) for t in result} == {0, 1}


def test_only_needed_tiles_are_made() -> None:
    items = [spectra_of(c, [0], s) for s in range(3) for c in range(5)]
    needed = {0: frozenset({(0, 2)}), 2: frozenset({(1, 1), (0, 0)})}
    result = made(Tiles(FIVE, dict.fromkeys(range(3), range(5)), needed), items)
    assert [(t.period, t.row, t.column) for t in result] == [
        (0, 0, 2),
        (2, 0, 0),
        (2, 1, 1),
    ]


def test_tiles_without_a_wanted_pair_are_not_made() -> None:
    ids = [f"X.{c}..HHZ" for c in "ABCDE"]
    selection = PairSelection(ids, listed={(1, 4), (3, 2)})
    items = [spectra_of(c, [0]) for c in range(5)]
    result = made(Tiles(FIVE, {0: range(5)}, pairs=selection), items)
    assert [(t.row, t.column) for t in result] == [(1, 1), (0, 2)]


def test_tiles_that_a_rotation_needs_are_made() -> None:
    ids = [f"X.{s}..HH{c}" for s in "AB" for c in "ENZ"]
    ids += [f"X.{s}..HH{c}" for s in "AB" for c in "RT"]
    base = {0: (2, 1, 0), 3: (5, 4, 3)}
    made_of = {0: (2, 6, 7), 3: (5, 8, 9)}
    triplets = {k + d: base[k] for k in base for d in range(3)}
    rotated = {k + d: made_of[k] for k in base for d in range(3)}
    places = (0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0)
    rotation = Rotation(triplets, rotated, places, places)
    selection = PairSelection(ids, components={"TT"})
    blocks = [(0, 3), (3, 6)]
    assert wanted_tiles(blocks, selection) == []
    assert wanted_tiles(blocks, selection, rotation) == [(0, 1)]


@pytest.mark.parametrize("period", [1, 0])
def test_unexpected_periods_are_an_error(period) -> None:
    """An unknown period, and a period that was emitted before."""
    tiles = Tiles([(0, 1)], {0: [0]})
    made(tiles, [spectra_of(0, [0])], at_end=False)
    with pytest.raises(DataError, match=f"period {period}"):
        list(tiles.process({"input": spectra_of(0, [0], period)}))


def test_channels_outside_of_all_blocks_are_an_error() -> None:
    with pytest.raises(DataError, match="channel 3"):
        made(Tiles([(0, 2)], {0: [3]}), [spectra_of(3, [0])])


# -- blocks ------------------------------------------------------------------------


def test_channels_with_different_windows_share_one_axis() -> None:
    first, second = spectra_of(0, [1, 3], n_bands=2), spectra_of(1, [3], n_bands=2)
    block = gather([first, second], np.array([1, 3]), (0, 2))
    assert block.usable.tolist() == [[True, True], [False, True]]
    assert np.array_equal(block.data[:, 0].T, first.data)
    assert np.array_equal(block.data[:, 1].T, [[0, 0, 0], *second.data])
    assert block.bins_first
    assert block.factors is not None
    assert np.array_equal(block.factors[:, 0], first.factors)
    assert np.array_equal(block.factors[:, 1, 1:], second.factors)
    assert not block.factors[:, 1, 0].any()


def test_blocks_meet_on_the_windows_that_both_have() -> None:
    windows = [np.array([1, 3, 4]), np.array([1, 4]), np.array([4, 7])]
    blocks = [
        gather([spectra_of(k, w, rows=2, n_bands=1)], w, (k, k + 1))
        for k, w in enumerate(windows)
    ]
    a, b = on_shared_windows(blocks[0], blocks[1])
    assert b is blocks[1]
    assert a.windows.tolist() == [1, 4]
    assert np.array_equal(a.data, blocks[0].data[:, :, [0, 1, 4, 5]])
    a, b = on_shared_windows(blocks[0], blocks[2])
    assert a.windows.tolist() == b.windows.tolist() == [4]
    assert np.array_equal(b.data, blocks[2].data[:, :, :2])


@pytest.mark.parametrize("rows", [1, 2])
def test_a_block_gives_windows_in_the_fast_layout(rows) -> None:
    members = [spectra_of(k, range(20), rows=rows) for k in range(3)]
    block = gather(members, np.arange(20), (0, 3))
    for k in (0, 7, 8, 19, 3):
        single = np.stack([m.data[k * rows : (k + 1) * rows] for m in members])
        if rows == 1:
            result = block.of(slice(k, k + 1), "bins-last")
            assert np.array_equal(result, single)
            alone = gather(
                [spectra_of(c, [0]) for c in range(3)], np.array([0]), (0, 3)
            )
            alone = replace(alone, data=single)
            assert alone.of(slice(0, 1), "bins-last") is single
            turned = alone.of(slice(0, 1), "bins-first")
            assert np.array_equal(turned, single.transpose(2, 0, 1))
        result = block.of(slice(k, k + 1), "bins-first")
        assert np.array_equal(result, single.transpose(2, 0, 1))
    some = block.of(slice(2, 5), "bins-first")
    assert some.flags.c_contiguous
    assert np.array_equal(some[:, 1].T, members[1].data[2 * rows : 5 * rows])
    assert block.of(slice(0, 20), "bins-first") is block.data


def test_blocks_and_tiles_are_shared_not_copied() -> None:
    block = gather([spectra_of(0, [0])], np.array([0]), (0, 1))
    assert copy.deepcopy(block) is block
    assert isinstance(pickle.loads(pickle.dumps(block)), Block)


# -- the spool ---------------------------------------------------------------------


@given(
    windows=st.lists(st.sets(st.integers(0, 6), max_size=5), min_size=6, max_size=6),
    memory=st.integers(0, 3000),
    rows=st.integers(1, 2),
    order=st.permutations(range(12)),
)
@settings(max_examples=40, deadline=None)
def test_tiles_are_the_same_by_way_of_the_disk(windows, memory, rows, order) -> None:
    items = [
        spectra_of(c, sorted(windows[(c + s) % 6]), s, rows=rows, n_bands=2)
        for s in range(2)
        for c in range(6)
    ]
    items = [items[k] for k in order]
    blocks = [(0, 2), (2, 3), (3, 5), (5, 6)]
    expected = {0: range(6), 1: range(6)}
    plain = sorted(map(content, made(Tiles(blocks, expected), items)))
    spooled = Tiles(blocks, expected, memory_bytes=memory)
    assert sorted(map(content, made(spooled, items))) == plain
    assert spooled._n_bytes == 0
    assert spooled._spool.n_bytes == 0


def test_no_more_than_its_share_is_held_in_memory() -> None:
    items = [spectra_of(c, range(10), n_bins=100) for c in range(20)]
    first = items[0].data.nbytes
    tiles = Tiles(
        [(k, k + 2) for k in range(0, 20, 2)], {0: range(21)}, memory_bytes=8 * first
    )
    made(tiles, items, at_end=False)
    assert tiles._n_bytes == 4 * first
    assert tiles._spool.n_bytes == 16 * first
    tiles._writer = lambda port, item: None
    tiles.postprocess()


def test_released_space_is_used_again(tmp_path) -> None:
    spool, rng = Spool(tmp_path), np.random.default_rng(0)
    held, longest = [], 0
    for k in range(200):
        array = rng.normal(size=(rng.integers(1, 9), 5))
        held.append((spool.put(array), array))
        if len(held) > 5:
            slot, array = held.pop(int(rng.integers(len(held))))
            assert np.array_equal(spool.get(slot), array)
            spool.release(slot)
        longest = max(longest, spool.n_bytes)
        assert os.listdir(tmp_path) == [], k
    assert longest < 20 * 8 * 5 * 8
    for slot, array in held:
        assert np.array_equal(spool.get(slot), array)
        spool.release(slot)
    assert spool.n_bytes == 0
    spool.close()


def test_a_full_disk_is_reported(tmp_path, monkeypatch) -> None:
    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(spool_module.os, "pwrite", full)
    tiles = Tiles([(0, 1)], {0: [0]}, memory_bytes=0, spool_folder=tmp_path)
    with pytest.raises(DiskFull, match="give more memory"):
        made(tiles, [spectra_of(0, [0])])
