import errno
import itertools
import json
import math
import os
import shutil
import tracemalloc
from dataclasses import dataclass

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.signal.folding import outer_signal_to_noise, peaks
from seismo_pes.writing import correlation_writer, part_files
from seismo_pes.writing.correlation_writer import CorrelationWriter
from seismo_pes.writing.part_damage import mark_damaged
from seismo_pes.writing.part_files import read_layout
from tests.unseen import fail_to_sync, hide
from xcorr_app import store
from xcorr_app.results import window_tables
from xcorr_app.results.index import finalize
from xcorr_app.results.run_parts import finished_tiles, table_from_parts
from xcorr_app.results.runfile import Redo, create_run, new_session, read_run, write_run

N_LAGS = 21
IDS = ("XX.AAA..BHZ", "XX.BBB..BHZ", "XX.CCC.00.BHZ", "XX.CCC.10.BHZ", "YY.DDD..BHZ")
DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


CHANNELS = [Place(name, i * 0.5, i * 1.0, 10.0 * i) for i, name in enumerate(IDS)]


def batch(pairs, stack="all", tile=(0, 0, -1), last=True, offset=0.0, n_lags=N_LAGS):
    """Rows that are largest, 1 + offset, at the lag of index first + 2 second."""
    pairs = np.array(pairs, "i4").reshape(-1, 2)
    data = np.zeros((len(pairs), n_lags), "f4")
    data[np.arange(len(pairs)), (pairs @ [1, 2]) % n_lags] = 1 + offset
    return CorrelationRows(
        stack,
        pairs,
        np.full(len(pairs), 24, "i4"),
        np.full(len(pairs), 100 * DAY_NS),
        np.full(len(pairs), 101 * DAY_NS),
        data,
        tile,
        last,
    )


ALL_PAIRS = [(i, j) for i in range(len(IDS)) for j in range(i, len(IDS))]


def begin(out, channels=CHANNELS, n_lags=N_LAGS, **kw):
    return create_run(
        out,
        config={"window_s": 3600},
        channels=channels,
        sampling_rate_hz=2.0,
        n_lags=n_lags,
        **kw,
    )


@pytest.fixture
def out(tmp_path):
    """A finished run: two writers, pairs in no order, two stacks."""
    folder = tmp_path / "out"
    begin(folder)
    shuffled = [ALL_PAIRS[i] for i in np.random.default_rng(1).permutation(15)]
    with CorrelationWriter(folder) as first, CorrelationWriter(folder) as other:
        first.write(batch(shuffled[:4], tile=(0, 0, -1), last=False))
        other.write(batch(shuffled[4:9], tile=(0, 1, -1)))
        first.write(batch(shuffled[9:], tile=(0, 0, -1)))
        other.write(batch([(0, 1), (1, 4)], "2022-05-17", (0, 0, 3), offset=1))
    finalize(folder)
    return folder


def test_written_rows_are_read(out):
    with store.open(out) as results:
        assert results.complete
        assert len(results) == 15
        assert results.stacks == ("2022-05-17", "all")
        assert results.config == {"window_s": 3600}
        assert results.software["numpy"] == np.__version__
        assert results.channels["id"].tolist() == list(IDS)
        assert results.sampling_rate_hz == 2.0
        np.testing.assert_array_equal(results.lags_s, np.arange(-10, 11) / 2)
        result = results[IDS[1], IDS[4]]
    assert (result.first, result.second, result.stack) == (IDS[1], IDS[4], "all")
    assert result.id == "XX.BBB..BHZ_YY.DDD..BHZ"
    assert result.n_windows == 24
    assert result.end_ns - result.start_ns == DAY_NS
    assert result.peak() == ((1 + 8 - 10) / 2, 1.0)
    assert result.first_place == (0.5, 1.0, 10.0)
    assert result.rate_hz == 2.0


def test_pairs_are_sorted_and_belong_to_their_rows(out):
    with store.open(out) as results:
        pairs = np.stack([results.pairs["first"], results.pairs["second"]], axis=1)
        assert pairs.tolist() == [list(pair) for pair in ALL_PAIRS]
        names = [correlation.id for correlation in results]
        for pair, result in zip(ALL_PAIRS, results, strict=True):
            assert result.data.argmax() == pair[0] + 2 * pair[1]
    assert names == [f"{IDS[i]}_{IDS[j]}" for i, j in ALL_PAIRS]


def test_distance_and_azimuths(out):
    with store.open(out) as results:
        result = results[IDS[0], IDS[1]]
        alone = results[IDS[0], IDS[0]]
    # geographiclib: (0, 0) to (0.5, 1.0) on WGS84
    assert result.distance_km == pytest.approx(124.3, abs=0.1)
    assert result.azimuth_deg == pytest.approx(63.6, abs=0.1)
    assert result.back_azimuth_deg == pytest.approx(243.6, abs=0.1)
    assert alone.distance_km == 0


def test_reversed_pair(out):
    with store.open(out) as results:
        ahead, back = results.get(IDS[0], IDS[4]), results.get(IDS[4], IDS[0])
    assert (back.first, back.second) == (IDS[4], IDS[0])
    np.testing.assert_array_equal(back.data, ahead.data[::-1])
    assert back.azimuth_deg == ahead.back_azimuth_deg
    assert back.back_azimuth_deg == ahead.azimuth_deg
    assert back.first_place == ahead.second_place
    assert back.peak()[0] == -ahead.peak()[0]
    np.testing.assert_array_equal(back.reversed().data, ahead.data)


def test_short_names(out):
    with store.open(out) as results:
        wanted = results[IDS[0], IDS[1]].data
        np.testing.assert_array_equal(results["XX.AAA", "BBB"].data, wanted)
        np.testing.assert_array_equal(results["XX.BBB", "AAA"].data, wanted[::-1])
        assert results["AAA", "XX.CCC.00"].second == IDS[2]
        with pytest.raises(KeyError, match=r"may be .*XX.CCC.00.BHZ.*XX.CCC.10.BHZ"):
            results["AAA", "CCC"]


def test_unknown_names_suggest_similar_names(out):
    with store.open(out) as results:
        with pytest.raises(KeyError, match=r"did you mean XX.AAA..BHZ") as caught:
            results["XX.AAA..BHN", "XX.BBB..BHZ"]
        assert isinstance(caught.value, ParameterError)
        assert "'" not in str(caught.value)[:1]
        with pytest.raises(KeyError, match="2022-05-17"):
            results.get(IDS[0], IDS[1], stack="2022-05-18")
        with pytest.raises(KeyError, match="not in stack"):
            results.get(IDS[0], IDS[2], stack="2022-05-17")


def test_stacks(out):
    with store.open(out) as results:
        day = results.get(IDS[1], IDS[4], stack="2022-05-17")
        assert day.peak()[1] == 2.0
        assert [
            correlation.second for correlation in results.correlations("2022-05-17")
        ] == [
            IDS[1],
            IDS[4],
        ]
        windows = results.windows("2022-05-17")
        assert np.count_nonzero(windows["part"] >= 0) == 2
        assert len(windows) == len(results)


def test_tables_of_stacks_are_read_at_their_first_use(out):
    with store.open(out) as results:
        usual = results.windows()
        with CorrelationWriter(out) as writer:
            writer.write(batch([(0, 2)], "2022-05-17", (0, 0, 4)))
        finalize(out)  # open results do not change
        assert np.count_nonzero(results.windows("2022-05-17")["part"] >= 0) == 2
    np.testing.assert_array_equal(results.windows(), usual)
    with store.open(out) as results:
        assert results.stacks == ("2022-05-17", "all")
    with pytest.raises(DataError, match="closed before stack 'all' was read"):
        results.windows()


def test_blocks_are_bounded(out):
    with store.open(out) as results:
        sizes, rows = [], []
        for indices, data in results.blocks(max_bytes=4 * N_LAGS * 4):
            sizes.append(len(indices))
            rows.extend(data.argmax(axis=1))
        some = list(results.blocks(indices=[7, 2]))
    assert sizes == [4, 4, 4, 3]
    assert rows == [i + 2 * j for i, j in ALL_PAIRS]
    assert [index.tolist() for index, _ in some] == [[7, 2]]


def test_the_index_alone_shows_everything(out):
    """Other programs need only HDF5 to read it."""
    with h5py.File(out / "correlations.h5", "r", locking=False) as file:
        pairs, data = file["pairs"][()], file["correlations/all/data"][()]
        day = file["correlations/2022-05-17/data"][()]
        windows = file["correlations/2022-05-17/windows"][()]
        assert json.loads(file["configuration"][()]) == {"window_s": 3600}
        assert file["correlations/all/data"].is_virtual
        assert file["lags_s"][-1] == 5.0
    assert pairs["first_id"][0] == b"XX.AAA..BHZ"
    assert data.dtype == np.float32
    assert data.argmax(axis=1).tolist() == [i + 2 * j for i, j in ALL_PAIRS]
    assert np.isnan(day[windows["part"] < 0]).all()
    assert not np.isnan(day[windows["part"] >= 0]).any()


def test_a_moved_folder(out, tmp_path, monkeypatch):
    moved = tmp_path / "elsewhere" / "deep" / "results"
    moved.parent.mkdir(parents=True)
    shutil.move(out, moved)
    monkeypatch.chdir(tmp_path)
    for path in (moved, moved / "correlations.h5", "elsewhere/deep/results"):
        with store.open(path) as results:
            assert len(list(results)) == 15
    with h5py.File("elsewhere/deep/results/correlations.h5", locking=False) as file:
        assert not np.isnan(file["correlations/all/data"][()]).any()


def test_the_index_without_its_parts(out, tmp_path):
    alone = tmp_path / "alone" / "c.h5"
    alone.parent.mkdir()
    shutil.copy(out / "correlations.h5", alone)
    with store.open(alone) as results:
        assert len(results) == 15
        with pytest.raises(DataError, match="missing; the folder of a run moves"):
            results[IDS[0], IDS[1]]
    with h5py.File(
        alone, locking=False
    ) as file:  # NaN, never zeros that look like data
        assert np.isnan(file["correlations/all/data"][()]).all()


def test_a_run_that_is_not_finished(tmp_path):
    begin(tmp_path)
    with store.open(tmp_path) as results:
        assert (len(results), results.stacks, list(results.pairs)) == (0, (), [])
        with pytest.raises(KeyError, match="no correlations yet"):
            results.get(IDS[0], IDS[1])
    with CorrelationWriter(tmp_path) as writer:
        writer.write(batch([(0, 1)]))
        with store.open(tmp_path) as results:
            assert not results.complete
            assert results[IDS[0], IDS[1]].peak()[1] == 1
            writer.write(batch([(0, 2)], tile=(0, 1, -1)))
            assert len(results) == 1
        with store.open(tmp_path) as results:
            assert len(results) == 2


def test_new_parts_are_seen_after_the_index_was_written(out):
    with CorrelationWriter(out) as writer:
        writer.write(batch([(0, 1)], "2022-05-18", (0, 0, 4)))
    with store.open(out) as results:
        assert not results.complete
        assert results.stacks == ("2022-05-17", "2022-05-18", "all")
    finalize(out)
    with store.open(out) as results:
        assert results.complete
        assert results.stacks == ("2022-05-17", "2022-05-18", "all")


def test_a_row_written_again_counts(out):
    with CorrelationWriter(out) as writer:
        writer.write(batch([(0, 1)], offset=4))
    for _ in range(2):
        with store.open(out) as results:
            assert results[IDS[0], IDS[1]].peak()[1] == 5
            assert len(results) == 15
        finalize(out)


def test_an_empty_run(tmp_path):
    begin(tmp_path, channels=[])
    with CorrelationWriter(tmp_path):
        pass
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        assert (len(results), results.stacks) == (0, ())
        assert results.complete
        with pytest.raises(KeyError, match="no correlations"):
            list(results)


def test_pairs_without_coordinates(tmp_path):
    begin(tmp_path, channels=[Place("XX.A..Z"), CHANNELS[1]])
    with CorrelationWriter(tmp_path) as writer:
        writer.write(batch([(0, 1)]))
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        result = results["A", "BBB"]
    assert math.isnan(result.distance_km)
    assert math.isnan(result.first_place[0])


def test_double_precision(tmp_path):
    begin(tmp_path, dtype="float64")
    rows = batch([(0, 1)])
    data = np.random.default_rng(0).standard_normal(rows.data.shape)
    with CorrelationWriter(tmp_path) as writer:
        writer.write(CorrelationRows(**{**rows.__dict__, "data": data}))
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        np.testing.assert_array_equal(results[IDS[0], IDS[1]].data, data[0])


def test_stream(out):
    with store.open(out) as results:
        stream = results.to_stream()
        (first,) = results.to_stream([(IDS[4], IDS[0])])
    assert len(stream) == 15
    assert first.id == IDS[0]
    assert first.stats.xcorr.first == IDS[4]
    assert first.stats.starttime.timestamp == -5.0
    assert first.stats.sampling_rate == 2.0
    assert first.data.argmax() == 20 - 8


# ------------------------------------------------------------------ mistakes


def test_not_results(tmp_path):
    with pytest.raises(ParameterError, match="no such file or folder"):
        store.open(tmp_path / "nothing")
    with pytest.raises(ParameterError, match=r"neither run.json nor correlations.h5"):
        store.open(tmp_path)
    other = tmp_path / "other.h5"
    with h5py.File(other, "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="not the result of xcorr-app"):
        store.open(other)
    other.write_bytes(b"nothing")
    with pytest.raises(DataError, match="not the result of xcorr-app"):
        store.open(other)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(DataError, match=r"run\.json"):
        store.open(tmp_path)


def test_results_are_not_overwritten_by_mistake(out):
    with pytest.raises(ParameterError, match="has results already"):
        begin(out)
    begin(out, overwrite=True)
    with store.open(out) as results:
        assert len(results) == 0
    with pytest.raises(ParameterError, match="is a file"):
        begin(out / "run.json")
    with pytest.raises(ParameterError, match="odd number"):
        begin(out / "new", n_lags=4)


def test_a_start_that_failed_can_be_given_again(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        fail_to_sync(patch)
        with pytest.raises(OSError, match=r"run\.json"):
            begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["parts"]
    begin(tmp_path)
    with CorrelationWriter(tmp_path) as writer:
        writer.write(batch(ALL_PAIRS))
    (tmp_path / "run.json").unlink()
    with pytest.raises(ParameterError, match="has results already"):
        begin(tmp_path)


def test_a_mark_that_cannot_be_written_names_the_part(out, monkeypatch):
    part = next((out / "parts").iterdir())
    fail_to_sync(monkeypatch)
    with pytest.raises(OSError, match="Input/output error") as failure:
        mark_damaged(part, read_layout(part), [0])
    assert failure.value.filename == str(part)


def test_results_that_cannot_be_looked_at_are_not_replaced(out, monkeypatch):
    names = ("run.json", "correlations.h5", "inputs.tsv", "parts")
    before = {path: path.stat().st_size for path in out.rglob("*")}
    for action in (lambda: begin(out), lambda: store.open(out)):
        with monkeypatch.context() as patch:
            hide(patch, [out / name for name in names])
            with pytest.raises(OSError, match="Input/output error") as failure:
                action()
        assert str(failure.value.filename).startswith(str(out))
    assert {path: path.stat().st_size for path in out.rglob("*")} == before


def test_an_index_that_cannot_be_looked_at_is_not_left_out(out, monkeypatch):
    hide(monkeypatch, [out / "correlations.h5"])
    with pytest.raises(OSError, match="Input/output error"):
        store.open(out)


def test_run_description(out):
    run = read_run(out)
    assert run.n_lags == N_LAGS
    assert run.dtype == "float32"
    assert run.created.endswith("+00:00")
    np.testing.assert_array_equal(run.channels["longitude"], np.arange(5.0))


# ------------------------------------------------------------------ power failures


def test_finished_tiles(out):
    assert finished_tiles(out) == {(0, 0, -1), (0, 1, -1), (0, 0, 3)}


def unfinished(out):
    """A run whose writer never closed its part: committed rows, no seal."""
    begin(out)
    writer = CorrelationWriter(out)
    writer.write(batch([(0, 1)], tile=(0, 0, -1)))
    writer.write(batch([(0, 2), (0, 3)], tile=(0, 1, -1)))
    writer.write(batch([(0, 4)], tile=(0, 2, -1), last=False))
    writer._output.close()
    return writer.paths[0]


def test_a_tile_that_was_begun_is_not_finished(tmp_path):
    unfinished(tmp_path)
    assert finished_tiles(tmp_path) == {(0, 0, -1), (0, 1, -1)}
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        assert len(list(results)) == 4


def test_data_that_a_power_failure_lost(tmp_path):
    path = unfinished(tmp_path)
    layout = read_layout(path)
    with open(path, "r+b") as file:
        file.seek(layout.data_offset + 2 * layout.row_bytes)
        file.write(bytes(2 * layout.row_bytes))
    assert finished_tiles(tmp_path) == {(0, 0, -1)}
    with store.open(tmp_path) as results:
        assert results[IDS[0], IDS[1]].peak()[1] == 1
        with pytest.raises(DataError, match="row 2 is damaged"):
            results[IDS[0], IDS[3]]
    finalize(tmp_path)
    with h5py.File(tmp_path / "correlations.h5", locking=False) as file:
        shown = file["correlations/all/data"][()]
    assert shown[:1].max() == 1  # and the lost rows are no zeros that look like data
    assert len(shown) == 2
    with CorrelationWriter(tmp_path) as writer:
        writer.write(batch([(0, 2), (0, 3)], tile=(0, 1, -1)))
    assert finished_tiles(tmp_path) == {(0, 0, -1), (0, 1, -1)}
    with store.open(tmp_path) as results:
        assert results[IDS[0], IDS[3]].peak()[1] == 1


def test_a_file_that_lost_its_end(tmp_path):
    path = unfinished(tmp_path)
    layout = read_layout(path)
    os.truncate(path, layout.data_offset + 3 * layout.row_bytes - 7)
    assert finished_tiles(tmp_path) == {(0, 0, -1)}
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        assert results[IDS[0], IDS[1]].peak()[1] == 1
    with h5py.File(tmp_path / "correlations.h5", locking=False) as file:
        assert file["correlations/all/data"][0].max() == 1


# ------------------------------------------------------------------ many pairs


def test_a_hundred_thousand_pairs(tmp_path):
    n, block = 448, 64
    channels = [Place(f"XX.S{i:03d}..Z", i % 60, i % 170, 0) for i in range(n)]
    begin(tmp_path, channels=channels, n_lags=3)
    first, second = np.triu_indices(n, 1)
    with CorrelationWriter(tmp_path) as single, CorrelationWriter(tmp_path) as other:
        for k, (i, j) in enumerate(np.ndindex(n // block, n // block)):
            inside = (first // block == i) & (second // block == j)
            pairs = np.stack([first[inside], second[inside]], axis=1)
            rows = batch(pairs, tile=(i, j, -1), n_lags=3)
            rows.data[:, 0] = pairs @ [1000, 1]
            (single if k % 2 else other).write(rows)
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        assert len(results) == n * (n - 1) // 2 == 100_128
        assert results["S007", "S301"].data[0] == 7301
        last = results["XX.S049..Z", "XX.S351..Z"]
        assert last.data[0] == 49_351
    with h5py.File(tmp_path / "correlations.h5", locking=False) as file:
        data = file["correlations/all/data"]
        np.testing.assert_array_equal(data[:, 0], first * 1000 + second)
        # one for each tile, but not for each row of a tile: each needs 20 kB of memory
        n_blocks = n // block
        assert len(data.virtual_sources()) <= n_blocks * (n_blocks + 1) // 2


def test_the_index_of_many_stacks_does_not_stay_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(window_tables, "SMALL_BYTES", 1000)
    n_pairs, n_stacks = 20_000, 30
    first, second = np.divmod(np.arange(n_pairs), 200)
    pairs = np.stack([first, second + 100], axis=1)
    begin(tmp_path, channels=[Place(f"XX.S{i}..Z", 0, 0) for i in range(300)], n_lags=3)
    with CorrelationWriter(tmp_path) as writer:
        for k in range(n_stacks):
            stack = f"2022-05-{k + 1:02d}"
            writer.write(batch(pairs, stack, (0, 0, k), offset=k, n_lags=3))
    tracemalloc.start()
    table = table_from_parts(tmp_path, verify=True, on_disk=True)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sum(windows.nbytes for windows in table.stacks.values()) > 20e6
    assert peak < 16e6  # two pieces of the records of a part, of 7 MB each
    in_memory = table_from_parts(tmp_path, verify=True)
    assert list(table.stacks) == list(in_memory.stacks)
    for name, windows in in_memory.stacks.items():
        np.testing.assert_array_equal(table.stacks[name], windows)
    monkeypatch.setattr(os, "posix_fallocate", no_space)
    with pytest.raises(OSError, match="No space left"):
        table_from_parts(tmp_path, on_disk=True)


def no_space(descriptor, offset, length):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_tile_in_two_parts_is_finished(tmp_path, monkeypatch):
    """The parts have different sizes, so a large tile seldom ends with its part."""
    monkeypatch.setattr(correlation_writer, "FIRST_PART_BYTES", 1)
    begin(tmp_path)
    pairs = list(itertools.product(range(300), range(300, 303)))
    with CorrelationWriter(tmp_path) as writer:
        for k in range(len(pairs) // 6):
            writer.write(batch(pairs[6 * k : 6 * k + 6], tile=(k // 5, 0, -1),
                               last=k % 5 == 4))  # fmt: skip
    assert len(list((tmp_path / "parts").iterdir())) > 1
    for n_rows in (7, 1 << 16):
        monkeypatch.setattr(part_files, "PIECE_ROWS", n_rows)
        assert finished_tiles(tmp_path) == {(k, 0, -1) for k in range(30)}


@settings(max_examples=15, deadline=None)
@given(st.data())
def test_any_order_of_rows_and_writers(tmp_path_factory, data):
    chosen = data.draw(st.permutations(ALL_PAIRS))[: data.draw(st.integers(1, 15))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(chosen)), max_size=4)))
    folder = tmp_path_factory.mktemp("run")
    begin(folder)
    writers = [CorrelationWriter(folder) for _ in range(3)]
    edges = [0, *cuts, len(chosen)]
    for k, (a, b) in enumerate(itertools.pairwise(edges)):
        writers[data.draw(st.integers(0, 2))].write(batch(chosen[a:b], tile=(k, 0, -1)))
    for writer in writers:
        writer.close()
    finalize(folder)
    assert len(finished_tiles(folder)) == len(edges) - 1
    with h5py.File(folder / "correlations.h5", locking=False) as file:
        largest = file["correlations/all/data"][()].argmax(axis=1)
    assert largest.tolist() == [i + 2 * j for i, j in sorted(chosen)]
    with store.open(folder) as results:
        assert [(p["first"], p["second"]) for p in results.pairs] == sorted(chosen)
        for pair, result in zip(sorted(chosen), results, strict=True):
            assert result.data.argmax() == pair[0] + 2 * pair[1]


# ------------------------------------------------------------------ one correlation


def test_peaks():
    lags_s = np.array([-1.0, 0.0, 1.0])
    lag_s, value = peaks(np.array([[0, 1, -2], [3, 0, 0], [0, np.nan, 1]]), lags_s)
    np.testing.assert_array_equal(lag_s, [1, -1, np.nan])
    np.testing.assert_array_equal(value, [-2, 3, np.nan])
    assert peaks(np.zeros((0, 3)), lags_s)[0].shape == (0,)


def test_signal_to_noise():
    data = np.tile([1.0, -1.0], 50)[None, :99].copy()
    data[0, 50] = -8
    assert outer_signal_to_noise(data)[0] == pytest.approx(8)
    assert np.isnan(outer_signal_to_noise(np.zeros((1, 99)))[0])
    assert np.isnan(outer_signal_to_noise(np.ones((1, 5)))[0])


def test_symmetric_part(out):
    with store.open(out) as results:
        result = results[IDS[0], IDS[1]]  # one at index 2, lag -4 s
    lags_s, mean = result.symmetric()
    np.testing.assert_array_equal(lags_s, np.arange(11) / 2)
    np.testing.assert_array_equal(mean, 0.5 * (lags_s == 4))


# ------------------------------------------------------------------ names of stacks


def test_intermediate_stacks_are_hidden_and_bands_are_known(tmp_path):
    begin(tmp_path)
    with CorrelationWriter(tmp_path) as writer:
        for k, band in enumerate(("1-2Hz", "0.5-1Hz")):
            writer.write(batch([(0, 1)], f".2022-05-17@{band}", (0, 0, 19129)))
            writer.write(batch([(0, 1)], f"all@{band}", (0, 0, -1), offset=k))
    for _ in range(2):  # from the parts, then from the index
        with store.open(tmp_path) as results:
            assert results.stacks == ("all@0.5-1Hz", "all@1-2Hz")
            assert results.bands == ("0.5-1Hz", "1-2Hz")
            assert results.default_stack == "all@0.5-1Hz"
            assert results[IDS[0], IDS[1]].peak()[1] == 2
            assert results.run_id == read_run(tmp_path).run_id != ""
        finalize(tmp_path)
    with h5py.File(tmp_path / "correlations.h5", locking=False) as file:
        assert sorted(file["correlations"]) == ["all@0.5-1Hz", "all@1-2Hz"]


def test_pairs_of_rotated_components(tmp_path):
    """Their channels stand behind in the table, whichever station comes first."""
    begin(tmp_path)
    with CorrelationWriter(tmp_path) as writer:
        writer.write(batch([(3, 1), (0, 4)]))
    with store.open(tmp_path) as results:
        ahead = results[IDS[3], IDS[1]]
        assert (ahead.first, ahead.second) == (IDS[3], IDS[1])
        back = results[IDS[1], IDS[3]]
    assert ahead.data.argmax() == 3 + 2 * 1
    np.testing.assert_array_equal(back.data, ahead.data[::-1])


def test_rows_whose_data_changed_do_not_count(tmp_path):
    begin(tmp_path)
    with CorrelationWriter(tmp_path, session=1) as writer:
        writer.write(batch([(0, 1)], "2022-05-17", (0, 0, 7)))
        writer.write(batch([(0, 4)], "2022-05-17", (0, 1, 7)))
        writer.write(batch([(0, 1)], "2022-05-18", (0, 0, 8)))
    run = new_session(read_run(tmp_path), "update", redo=(Redo(1, 7, 2),))
    write_run(tmp_path, run)
    assert finished_tiles(tmp_path) == {(0, 0, 7), (0, 0, 8)}
    with store.open(tmp_path) as results:
        assert len(results) == 1
    with CorrelationWriter(tmp_path, session=2) as writer:
        writer.write(batch([(0, 3)], "2022-05-17", (0, 1, 7)))
    with store.open(tmp_path) as results:
        assert [correlation.second for correlation in results] == [IDS[1], IDS[3]]


@pytest.mark.parametrize("code", ["/tmp/pw/", "..", "a\x1b[2J"])
def test_names_that_no_run_has_written_are_refused(tmp_path, code):
    """The names of channels become names of files when results are exported."""
    out = tmp_path / "out"
    channels = [Place(f"{code}.A..HHZ"), Place("XX.B..HHZ")]
    create_run(out=out, config={}, channels=channels, sampling_rate_hz=1.0, n_lags=3)
    with pytest.raises(DataError, match=r"a code has letters|is not network"):
        store.open(out)
