"""miniSEED with unusual characters in codes can be scanned, read and correlated."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.archives.scan import scan_ends, scan_file
from seismo_pes.reading.formats.mseed2 import read_first_and_last
from seismo_pes.reading.formats.record_times import read_record_times
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import read_span
from xcorr_app import cli, store

START = UTCDateTime(2024, 3, 1)
RATE_HZ = 4.0
N = 2 * 3600 * 4
LENGTH = 512  # of a record, bytes

# codes in the header (network, station, location, channel), and the channel id
CODES = {
    "plain": ((b"XX", b"AB", b"", b"HHZ"), "XX.AB..HHZ"),
    "leading blank": ((b"XX", b" AB", b"", b"HHZ"), "XX.AB..HHZ"),
    "inner blank": ((b"XX", b"A B", b"", b"HHZ"), "XX.A B..HHZ"),
    "blank location": ((b"XX", b"AB", b" 1", b"HHZ"), "XX.AB.1.HHZ"),
    "NUL": ((b"XX", b"AB\0\0\0", b"\0\0", b"HHZ"), "XX.AB..HHZ"),
    "after NUL": ((b"XX", b"AB\0x", b"", b"HHZ"), "XX.AB..HHZ"),
    "lower case": ((b"xx", b"ab", b"", b"hhz"), "xx.ab..hhz"),
    "not ASCII": ((b"XX", b"A\xe4B", b"", b"HHZ"), "XX.AB..HHZ"),
    "underscore": ((b"XX", b"A_B", b"", b"HHZ"), "XX.A_B..HHZ"),
    "no network": ((b"", b"AB", b"", b"HHZ"), ".AB..HHZ"),
}


def content_of(codes: tuple[bytes, ...], data: np.ndarray, folder: Path) -> bytes:
    """Return miniSEED with these codes in each header."""
    path = folder / "plain.tmp"
    header = {"sampling_rate": RATE_HZ, "starttime": START}
    Trace(data, header).write(str(path), "MSEED", reclen=LENGTH)
    content = bytearray(path.read_bytes())
    path.unlink()
    network, station, location, channel = codes
    padded = station.ljust(5) + location.ljust(2) + channel.ljust(3) + network.ljust(2)
    for place in range(0, len(content), LENGTH):
        content[place + 8 : place + 20] = padded
    return bytes(content)


def noise(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1000, 1000, N).astype(np.int32)


@pytest.mark.parametrize("name", CODES)
@pytest.mark.parametrize("together", [False, True])
def test_codes_that_are_found_are_read(name: str, together: bool, tmp_path) -> None:
    codes, channel_id = CODES[name]
    path = tmp_path / "data" / "a.mseed"
    path.parent.mkdir()
    content = content_of(codes, noise(0), tmp_path)
    if together:  # with another station in the same file
        other = content_of((b"YY", b"OTHER", b"", b"HHZ"), noise(1), tmp_path)
        content = content[:LENGTH] + other + content[LENGTH:]
    path.write_bytes(content)
    archive = open_archive(path.parent)
    assert channel_id in archive.channels()
    (span,) = archive.spans([channel_id], [(START.ns, START.ns + N * 10**9 // 4)])
    stream, skipped = read_span(span)
    np.testing.assert_array_equal(
        np.concatenate([trace.data for trace in stream]), noise(0)
    )
    assert skipped == []
    assert channel_id in {times.channel_id for times in read_record_times(content)}
    few = read_file(
        path, start_ns=START.ns, end_ns=span.end_ns, channel_id=channel_id, few=True
    )
    assert sum(trace.stats.npts for trace in few) == N


@pytest.mark.parametrize("name", CODES)
def test_both_ways_of_scanning_agree(name: str, tmp_path) -> None:
    codes, channel_id = CODES[name]
    path = tmp_path / "a.mseed"
    path.write_bytes(content_of(codes, noise(0), tmp_path))
    ((entry,), _) = scan_file(path)
    assert entry.channel_id == channel_id
    ends = scan_ends(path)
    assert ends is None or ends.channel_id == channel_id
    assert read_first_and_last(str(path))[0] == START.ns


@pytest.mark.parametrize("station", ["A.B", "A[B", "A*B"])
def test_codes_with_other_characters_are_listed(station: str, tmp_path) -> None:
    path = tmp_path / "data" / "a.mseed"
    path.parent.mkdir()
    codes = (b"XX", station.encode(), b"", b"HHZ")
    path.write_bytes(content_of(codes, noise(0), tmp_path))
    archive = open_archive(path.parent)
    assert archive.channels() == {}
    (row,) = archive.skipped
    assert row.reason.startswith("left out: ")
    assert station in row.reason


@pytest.mark.parametrize(
    "name", ["leading blank", "inner blank", "lower case", "not ASCII", "no network"]
)
@pytest.mark.parametrize("mapping", ["simple", "multi"])
def test_a_run_correlates_them(name: str, mapping: str, tmp_path) -> None:
    """The second station has the samples of the first, 3 later."""
    codes, channel_id = CODES[name]
    data = tmp_path / "data"
    data.mkdir()
    common = np.random.default_rng(0).integers(-1000, 1000, N + 3).astype(np.int32)
    content = content_of(codes, common[3:].copy(), tmp_path)
    (data / "a.mseed").write_bytes(content)
    second = (b"YY", b"Q", b"", codes[3])  # components of pairs are equal letters
    (data / "b.mseed").write_bytes(content_of(second, common[:N].copy(), tmp_path))
    (tmp_path / "list.txt").write_text("* * 1 2\n")
    words = ["--stations", str(tmp_path / "list.txt"), "--data", str(data)]
    words += ["--out", str(tmp_path / "out"), "--window-s", "600", "--max-lag-s", "5"]
    words += ["--mapping", mapping, "--quiet", "--channels", codes[3].decode()]
    assert cli.main(words) == 0
    with store.open(tmp_path / "out") as results:
        (pair,) = results.correlations()
        second_id = f"YY.Q..{codes[3].decode()}"
        assert {pair.first, pair.second} == {channel_id, second_id}
        lag_s = pair.lags_s[np.argmax(pair.data)]
    assert abs(lag_s) == pytest.approx(3 / RATE_HZ)
