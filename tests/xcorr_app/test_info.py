import errno
import io
import json
import math
import os
from dataclasses import dataclass

import h5py
import numpy as np
import pytest

from seismo_pes.items.tiles import CorrelationRows
from seismo_pes.writing.correlation_writer import CorrelationWriter
from xcorr_app import cli, store
from xcorr_app.reporting.info import describe, info_json, info_text, pair_rows
from xcorr_app.results.index import finalize
from xcorr_app.results.runfile import INDEX_FILE, create_run

DAY_NS = 86_400_000_000_000


@dataclass(frozen=True)
class Place:
    id: str
    latitude: float = math.nan
    longitude: float = math.nan
    elevation_m: float = math.nan


def make(out, n_channels=3, finish=True, lost=()):
    """All pairs; the peak of pair (i, j) is -(i + j + 1), at lag j - i samples."""
    channels = [Place(f"XX.S{i:02d}..Z", 0.01 * i, 0.0) for i in range(n_channels)]
    for i in lost:
        channels[i] = Place(channels[i].id)
    create_run(
        out,
        config={"max_lag_s": 10.0},
        channels=channels,
        sampling_rate_hz=4.0,
        n_lags=81,
    )
    pairs = np.stack(np.triu_indices(n_channels, 1), axis=1).astype("i4")
    data = np.full((len(pairs), 81), 0.5, "f4")
    data[np.arange(len(pairs)), 40 + pairs[:, 1] - pairs[:, 0]] = -pairs.sum(axis=1) - 1
    n_windows = np.full(len(pairs), 24, "i4")
    start_ns = np.full(len(pairs), 10 * DAY_NS)
    with CorrelationWriter(out) as writer:
        for stack in ("all", "1970-01-11"):
            writer.write(
                CorrelationRows(
                    stack,
                    pairs,
                    n_windows,
                    start_ns,
                    start_ns + DAY_NS,
                    data,
                    (0, 0, -1),
                    True,
                )
            )
    if finish:
        finalize(out)
    return store.open(out)


def test_rows(tmp_path):
    with make(tmp_path) as results:
        rows = pair_rows(results)
    assert [(row["first"], row["second"]) for row in rows] == [
        ("XX.S00..Z", "XX.S01..Z"),
        ("XX.S00..Z", "XX.S02..Z"),
        ("XX.S01..Z", "XX.S02..Z"),
    ]
    row = rows[1]
    assert row["peak_lag_s"] == 0.5
    assert row["peak_value"] == -3.0
    assert row["zero_lag_value"] == 0.5
    assert row["n_windows"] == 24
    assert (row["start"], row["end"]) == (
        "1970-01-11T00:00:00Z",
        "1970-01-12T00:00:00Z",
    )
    # 0.02 degrees of latitude at the equator; WGS84: 110.574 km per degree
    assert row["distance_km"] == pytest.approx(2.2115, abs=1e-3)
    assert row["signal_to_noise"] == pytest.approx(6)


def test_json_is_json(tmp_path):
    with make(tmp_path, lost=[0]) as results:
        description = json.loads(json.dumps(info_json(results), allow_nan=False))
        one_pair = info_json(results, pair=("S02", "S01"))
    assert description["n_pairs"] == 3
    assert description["stacks"] == ["1970-01-11", "all"]
    assert description["stack"] == "all"
    assert description["n_windows"] == [24, 24]
    assert description["config"] == {"max_lag_s": 10.0}
    assert description["max_lag_s"] == 10.0
    assert len(description["pairs"]) == 3
    assert description["pairs"][0]["distance_km"] is None
    assert [row["second"] for row in one_pair["pairs"]] == ["XX.S02..Z"]


def test_text(tmp_path):
    with make(tmp_path, lost=[0]) as results:
        text = info_text(results)
    lines = text.splitlines()
    assert "3 pairs of 3 channels, lags ±10 s at 4 Hz" in text
    assert "2 stacks: 1970-01-11, all" in text
    assert "24 windows per pair" in text
    assert len({len(line) for line in lines[-4:]}) == 1  # the columns are aligned
    assert "+0.500" in lines[-2]
    assert "  -  " in lines[-2]
    assert "nan" not in text


def test_only_the_first_of_many_pairs_are_listed(tmp_path):
    with make(tmp_path, 12) as results:
        short, full = info_text(results), info_text(results, all_pairs=True)
    assert "... and 26 more pairs; --all lists them" in short
    assert len(full.splitlines()) == len(short.splitlines()) + 25


def test_one_pair(tmp_path):
    with make(tmp_path) as results:
        text = info_text(results, pair=("S00", "S02"))
    assert text.startswith("XX.S00..Z - XX.S02..Z\ndistance  2.21")
    assert [line.split()[0] for line in text.splitlines()[-3:]] == [
        "stack",
        "1970-01-11",
        "all",
    ]


def test_a_run_without_rows(tmp_path):
    with make(tmp_path, 1, finish=False) as results:
        text = info_text(results)
        assert describe(results)["n_pairs"] == 0
        assert info_json(results)["pairs"] == []
    assert "no correlations yet" in text
    assert "not complete: running, or stopped early" in text


def test_pairs_without_windows(tmp_path):
    create_run(
        tmp_path,
        config={},
        channels=[Place("XX.A..Z"), Place("XX.B..Z")],
        sampling_rate_hz=1,
        n_lags=3,
    )
    zero = np.zeros(1, "i8")
    with CorrelationWriter(tmp_path) as writer:
        writer.write(
            CorrelationRows(
                "all",
                np.array([[0, 1]]),
                zero,
                zero,
                zero,
                np.zeros((1, 3), "f4"),
                (0, 0, -1),
                True,
            )
        )
    finalize(tmp_path)
    with store.open(tmp_path) as results:
        (row,) = pair_rows(results)
        text = info_text(results)
    assert row["n_windows"] == 0
    assert row["peak_lag_s"] is row["start"] is None
    assert "pairs without a window in this stack: 1" in text


def test_an_index_that_hdf5_cannot_open_is_named_in_one_line(
    tmp_path, monkeypatch, capsys
):
    """Errors of HDF5 about the state of a file have no number."""
    make(tmp_path)

    def fail(*args, **kwargs):
        raise OSError("Unable to open file (can't retrieve stat info for file)")

    monkeypatch.setattr(h5py, "File", fail)
    assert cli.main(["info", str(tmp_path)]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{tmp_path / INDEX_FILE}: Input/output error" in line


def test_a_full_disk_while_the_index_is_written_is_an_exception(tmp_path, monkeypatch):
    """HDF5 may end the program by a crash if its own writes fail."""
    make(tmp_path, finish=False)

    class Full(io.FileIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(io, "FileIO", Full)
        with pytest.raises(OSError, match="No space left"):
            finalize(tmp_path)
    assert not (tmp_path / INDEX_FILE).exists()
    finalize(tmp_path)
    assert (tmp_path / INDEX_FILE).exists()
