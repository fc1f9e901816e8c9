import errno
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dispel4py.errors import DataError
from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing import correlation_writer as write
from seismo_pes.writing import disk_output as sinks
from seismo_pes.writing.correlation_writer import (
    CorrelationWriter,
    TileWritten,
    WriteCorrelations,
)
from seismo_pes.writing.part_damage import close_abandoned, whole_rows
from seismo_pes.writing.part_files import read_index, read_layout
from seismo_pes.writing.part_records import DAMAGED, LAST, MARKER, RECORD, data_sums

N_LAGS = 11


def rows(tile=0, n=3, n_lags=N_LAGS, last=True, stack="all", dtype="f4"):
    """Return rows with distinct data."""
    pairs = np.stack([np.full(n, tile), tile + 1 + np.arange(n)], axis=1)
    data = (pairs @ [1000, 1])[:, None] + np.arange(n_lags) / 100
    return CorrelationRows(
        stack,
        pairs.astype("i4"),
        np.arange(1, n + 1, dtype="i4"),
        np.arange(n) + 10**18,
        np.arange(n) + 2 * 10**18,
        data.astype(dtype),
        (tile, 0, -1),
        last,
    )


def expected(records, n_lags=N_LAGS, dtype="f4"):
    key = 1000 * records["first"].astype(float) + records["second"]
    return (key[:, None] + np.arange(n_lags) / 100).astype(dtype)


def read_part(path):
    """Return the records, and the data as HDF5 reads them."""
    layout = read_layout(path)
    records = read_index(path, layout)
    with h5py.File(path, "r", locking=False) as file:
        index = file["index"][: len(records)]
        data = file["data"][: len(records)]
    assert index.tobytes() == records.tobytes()
    return records, data


def parts_of(out):
    return sorted((out / "parts").glob("part-*.h5"))


def read_all(out):
    pieces = [read_part(path) for path in parts_of(out)]
    if not pieces:
        return np.zeros(0, RECORD), np.zeros((0, N_LAGS), "f4")
    return tuple(np.concatenate(item) for item in zip(*pieces, strict=True))


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("dtype", ["f4", "f8"])
def test_written_rows_are_read_back(tmp_path, direct, dtype):
    batches = [rows(tile, 1 + tile % 5, dtype=dtype) for tile in range(40)]
    with CorrelationWriter(tmp_path, direct) as writer:
        for batch in batches:
            writer.write(batch)
    records, data = read_all(tmp_path)
    assert len(records) == writer.n_rows == sum(len(batch) for batch in batches)
    assert data.dtype == dtype
    np.testing.assert_array_equal(data, np.concatenate([b.data for b in batches]))
    for name in ("n_windows", "start_ns", "end_ns"):
        wanted = np.concatenate([getattr(batch, name) for batch in batches])
        np.testing.assert_array_equal(records[name], wanted)
    assert set(records["stack"]) == {b"all"}
    np.testing.assert_array_equal(records["data_sum"], data_sums(data))
    assert np.count_nonzero(records["flags"] & LAST) == len(batches)


@pytest.mark.parametrize("direct", [False, True])
def test_rows_longer_than_a_block_and_parts_that_fill(tmp_path, direct, monkeypatch):
    monkeypatch.setattr(sinks, "BLOCK_BYTES", 64 << 10)
    monkeypatch.setattr(write, "FIRST_PART_BYTES", 1 << 18)
    monkeypatch.setattr(write, "LARGEST_PART_BYTES", 1 << 20)
    n_lags = 30_001  # 120 kB a row, two blocks
    with CorrelationWriter(tmp_path, direct) as writer:
        for tile in range(50):
            writer.write(rows(tile, 3, n_lags))
    assert len(writer.paths) >= 3
    records, data = read_all(tmp_path)
    assert len(records) == 150
    np.testing.assert_array_equal(data, expected(records, n_lags))


def test_parts_are_cut_to_their_rows_and_sealed(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(0, 500))
        (path,) = writer.paths
        before = read_layout(path)
        assert not before.sealed
        assert len(read_index(path, before)) == 500  # readable while it grows
    after = read_layout(path)
    assert after.sealed
    assert path.stat().st_size == after.size == after.data_offset + 500 * N_LAGS * 4
    with h5py.File(path, "r", locking=False) as file:
        assert file["data"].shape == (500, N_LAGS)


def test_a_file_can_be_read_while_it_grows(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(0))
        with h5py.File(writer.paths[0], "r", locking=False) as file:
            writer.write(rows(1))
            np.testing.assert_array_equal(file["data"][3:6], rows(1).data)


def test_no_rows_no_file(tmp_path):
    with CorrelationWriter(tmp_path):
        pass
    assert (tmp_path / "parts").is_dir()
    assert not list((tmp_path / "parts").iterdir())


def test_a_tile_without_rows_is_marked_as_finished(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(7, 0))
        writer.write(rows(8, 0, last=False))
    records, _ = read_all(tmp_path)
    assert records["flags"].tolist() == [LAST | MARKER]
    assert records["tile"].tolist() == [[7, 0, -1]]


def test_the_input_is_not_changed(tmp_path):
    batch = rows()
    batch.data.setflags(write=False)
    with CorrelationWriter(tmp_path) as writer:
        writer.write(batch)
    np.testing.assert_array_equal(batch.data, rows().data)


def test_rows_in_the_other_byte_order(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(dtype=">f4"))
    records, data = read_all(tmp_path)
    np.testing.assert_array_equal(data, rows().data)
    np.testing.assert_array_equal(records["data_sum"], data_sums(data))


def test_a_view_that_is_not_contiguous(tmp_path):
    batch = rows(0, 4, 2 * N_LAGS)
    half = CorrelationRows(
        "all",
        batch.pairs,
        batch.n_windows,
        batch.start_ns,
        batch.end_ns,
        batch.data[:, ::2],
        batch.tile,
        True,
    )
    with CorrelationWriter(tmp_path) as writer:
        writer.write(half)
    np.testing.assert_array_equal(read_all(tmp_path)[1], batch.data[:, ::2])


def test_rows_of_another_length_or_type_are_refused(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows())
        with pytest.raises(DataError, match="5 lags"):
            writer.write(rows(1, n_lags=5))
        with pytest.raises(DataError, match="int32"):
            writer.write(rows(1, dtype="i4"))
        with pytest.raises(DataError, match="stack name"):
            writer.write(rows(1, stack="a/b"))
    assert len(read_all(tmp_path)[0]) == 3


def test_arrays_that_do_not_fit_are_refused():
    good = rows()
    with pytest.raises(ValueError, match="n_windows"):
        CorrelationRows(
            "all",
            good.pairs,
            good.n_windows[:1],
            good.start_ns,
            good.end_ns,
            good.data,
            good.tile,
            True,
        )


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    sizes=st.lists(st.integers(0, 40), max_size=12),
    n_lags=st.integers(1, 700),
    direct=st.booleans(),
)
def test_any_batches_round_trip(tmp_path_factory, monkeypatch, sizes, n_lags, direct):
    monkeypatch.setattr(sinks, "BLOCK_BYTES", 16 << 10)
    monkeypatch.setattr(write, "FIRST_PART_BYTES", 20_000)
    out = tmp_path_factory.mktemp("run")
    with CorrelationWriter(out, direct) as writer:
        for tile, n in enumerate(sizes):
            writer.write(rows(tile, n, n_lags, last=False))
    seen = [read_part(path) for path in parts_of(out)]
    assert sum(len(records) for records, _ in seen) == sum(sizes)
    for records, data in seen:
        np.testing.assert_array_equal(data, expected(records, n_lags))


# ------------------------------------------------------------------ crashes

KILLED = """
import sys
import numpy as np
from seismo_pes.writing import correlation_writer as write
from seismo_pes.items.tiles import CorrelationRows
write.FIRST_PART_BYTES = 1 << 19
write.LARGEST_PART_BYTES = 1 << 20
writer = write.CorrelationWriter(sys.argv[1], direct=sys.argv[2] == "direct")
print("ready", flush=True)
n, n_lags = 7, 1111
for tile in range(10**6):
    pairs = np.stack([np.full(n, tile), tile + 1 + np.arange(n)], 1)
    data = (pairs @ [1000, 1])[:, None] + np.arange(n_lags) / 100
    writer.write(CorrelationRows(
        "all", pairs.astype("i4"), np.ones(n, "i4"), np.zeros(n, "i8"),
        np.zeros(n, "i8"), data.astype("f4"), (tile, 0, -1), True))
"""


@pytest.mark.parametrize("turn", [1, 2])
@pytest.mark.parametrize("how", ["buffered", "direct"])
def test_a_killed_writer_leaves_whole_rows(tmp_path, how, turn):
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), how], stdout=subprocess.PIPE
    )
    with process:
        assert process.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0.02, 0.3))
        process.send_signal(signal.SIGKILL)
    records, data = np.zeros(0, RECORD), np.zeros((0, 1111), "f4")
    for path in parts_of(tmp_path):
        more = read_part(path)
        records = np.concatenate([records, more[0]])
        data = np.concatenate([data, more[1]])
    np.testing.assert_array_equal(data, expected(records, 1111))
    assert len(np.unique(records[["first", "second"]])) == len(records)


def test_an_incomplete_record_ends_the_index_of_a_growing_part(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(0, 5))
        path, layout = writer.paths[0], read_layout(writer.paths[0])
        lose_a_record(path, layout)
        assert len(read_index(path, read_layout(path))) == 3
    with pytest.raises(DataError, match="row 3 of 5"):
        read_index(path, read_layout(path))


def lose_a_record(path, layout):
    with open(path, "r+b") as file:
        file.seek(layout.index_offset + 3 * RECORD.itemsize + 40)
        file.write(bytes(RECORD.itemsize - 40))


def test_rows_after_the_end_of_a_cut_file_are_ignored(tmp_path):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(0, 5))
        path = writer.paths[0]
        os.truncate(path, read_layout(path).data_offset + 5 * N_LAGS * 4 - 1)
        assert len(read_index(path, read_layout(path))) == 4
    os.truncate(path, read_layout(path).data_offset + 4 * N_LAGS * 4 - 1)
    with pytest.raises(DataError, match="row 3 of 5"):
        read_index(path, read_layout(path))


@pytest.mark.parametrize("direct", [False, True])
def test_a_full_disk_gives_one_line_and_written_rows_are_kept(
    tmp_path, monkeypatch, direct
):
    monkeypatch.setattr(sinks, "BLOCK_BYTES", 1 << 14)
    whole = os.pwrite
    room = [60]

    def full(fd, data, offset):
        if room[0] == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= 1
        return whole(fd, data, offset)

    monkeypatch.setattr(sinks.os, "pwrite", full)
    writer = CorrelationWriter(tmp_path, direct)
    with pytest.raises(OSError, match="the disk is full") as caught:  # noqa: PT012
        for tile in range(100):
            writer.write(rows(tile))
            time.sleep(0.001)  # lets the thread of the direct output run
    assert caught.value.errno == errno.ENOSPC
    assert str(writer.paths[-1]) in str(caught.value)
    writer.close()
    records, data = read_all(tmp_path)
    assert len(records) >= 30
    np.testing.assert_array_equal(data, expected(records))


def test_short_writes_are_continued(tmp_path, monkeypatch):
    whole = os.pwrite
    monkeypatch.setattr(
        sinks.os, "pwrite", lambda fd, data, at: whole(fd, data[:1000], at)
    )
    with CorrelationWriter(tmp_path, direct=False) as writer:
        writer.write(rows(0, 200))
    records, data = read_all(tmp_path)
    np.testing.assert_array_equal(data, expected(records))


def test_a_file_system_without_direct_writes(tmp_path, monkeypatch):
    def refuse(path, offset):
        raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr(sinks, "DirectOutput", refuse)
    with CorrelationWriter(tmp_path, direct=True) as writer:
        writer.write(rows())
    assert len(read_all(tmp_path)[0]) == 3


def test_other_files_are_refused_as_parts(tmp_path):
    path = tmp_path / "part-x.h5"
    path.write_bytes(b"something else")
    with pytest.raises(DataError, match="not a part"):
        read_layout(path)


# ------------------------------------------------------------------ the element


def test_the_element_reports_finished_tiles_and_can_be_pickled(tmp_path):
    item, other = (
        pickle.loads(pickle.dumps(WriteCorrelations(tmp_path))) for _ in range(2)
    )
    for pe in (item, other):
        pe.preprocess()
    assert item.process({"input": rows(0, 2, last=False)}) is None
    assert other.process({"input": rows(1, 4)}) == {
        "written": TileWritten((1, 0, -1), 4, 4 * N_LAGS * 4)
    }
    assert item.process({"input": rows(0, 3)}) == {
        "written": TileWritten((0, 0, -1), 5, 5 * N_LAGS * 4)
    }
    for pe in (item, other):
        pe.postprocess()
    assert len(parts_of(tmp_path)) == 2
    assert len(read_all(tmp_path)[0]) == 9


def test_parallel_writers_have_files_of_their_own(tmp_path):
    def work(tile):
        with CorrelationWriter(tmp_path) as writer:
            for k in range(10):
                writer.write(rows(100 * tile + k))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records, data = read_all(tmp_path)
    assert len(records) == 120
    np.testing.assert_array_equal(data, expected(records))


# ------------------------------------------------------------------ text about the run


@pytest.mark.parametrize("about", ["", "short", "ö" * 5000])
def test_every_part_has_the_text_about_the_run(tmp_path, about):
    with CorrelationWriter(tmp_path, about=about, session=3) as writer:
        writer.write(rows())
        assert text_of(writer.paths[0]) == about  # from the beginning
    assert text_of(writer.paths[0]) == about
    assert read_layout(writer.paths[0]).session == 3
    np.testing.assert_array_equal(read_part(writer.paths[0])[1], rows().data)


def text_of(path):
    with h5py.File(path, "r", locking=False) as file:
        return file["run"][()].decode()


def test_the_part_of_a_dead_writer_is_sealed_by_another(tmp_path):
    writer = CorrelationWriter(tmp_path, about="x" * 9000)
    writer.write(rows(0, 5))
    writer.write(rows(1, 5))
    (path,) = writer.paths
    before = read_layout(path)
    with open(path, "r+b") as file:  # the data of two rows were lost
        for row in (2, 7):
            file.seek(before.data_offset + row * before.row_bytes + 8)
            file.write(bytes(before.row_bytes - 8))
    layout = close_abandoned(path, before)
    assert layout.sealed
    assert path.stat().st_size == layout.size
    records, data = read_part(path)
    lost = (records["flags"] & DAMAGED) != 0
    assert np.flatnonzero(lost).tolist() == [2, 7]
    np.testing.assert_array_equal(whole_rows(path, layout, records), ~lost)
    np.testing.assert_array_equal(data[~lost], expected(records[~lost]))


def test_the_part_of_a_dead_writer_lost_its_end(tmp_path):
    writer = CorrelationWriter(tmp_path)
    writer.write(rows(0, 5))
    (path,) = writer.paths
    os.truncate(path, read_layout(path).data_offset + 5 * N_LAGS * 4 - 1)
    assert close_abandoned(path, read_layout(path)).sealed
    records, data = read_part(path)
    assert (records["flags"] & DAMAGED).tolist() == [0, 0, 0, 0, DAMAGED]
    np.testing.assert_array_equal(data[:4], rows(0, 4).data)


@pytest.mark.parametrize("begin", [2048, 2048 + 512, 4096 - 512])
@pytest.mark.parametrize("is_cut", [False, True])
def test_a_power_failure_while_a_part_is_sealed(tmp_path, begin, is_cut):
    with CorrelationWriter(tmp_path) as writer:
        writer.write(rows(0, 5))
        (path,) = writer.paths
        n_bytes = path.stat().st_size
    if not is_cut:  # its end was not cut off yet
        os.truncate(path, n_bytes)
    with open(path, "r+b") as file:  # sectors of the layout of the sealed file
        file.seek(begin)
        file.write(bytes(4096 - begin))
    if begin > 2048:
        with pytest.raises(DataError, match="damaged"):
            read_layout(path)
    layout = read_layout(path, torn=True)
    assert not layout.sealed
    assert close_abandoned(path, layout).sealed
    assert read_layout(path).n_rows == 5
    records, data = read_part(path)
    assert not (records["flags"] & DAMAGED).any()
    np.testing.assert_array_equal(data, rows(0, 5).data)
    with h5py.File(path, "r", locking=False) as file:
        assert file["data"].shape[1] == N_LAGS
