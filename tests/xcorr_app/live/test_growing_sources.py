"""The command on a growing SDS archive and on a data centre: killed, late, mended."""

from __future__ import annotations

import contextlib
import multiprocessing
import time
from collections.abc import Callable, Iterator
from itertools import zip_longest
from pathlib import Path

import pytest
from obspy import UTCDateTime

from seismo_pes.reading.fetching import datacentre
from seismo_pes.reading.live import polling
from tests.seismo_pes.reading.live.records import samples, trace_of
from tests.seismo_pes.reading.live.seedlink_server import records_of
from tests.xcorr_app.live.data_centre import data_centre, times_of
from xcorr_app.cli import main
from xcorr_app.live.late import read_late
from xcorr_app.live.status import read_status

PATIENCE_S = 100
CHANNEL_IDS = "XX.AAA..BHZ", "XX.BBB.00.BHZ"
LENGTH_S, RATE_HZ, SHIFT = 1200, 20, 50
OPTIONS = ["--window-s", "100", "--max-lag-s", "10", "--detrend", "none", "--quiet"]


class Writer:
    """Writes two stations that record the same noise, half of it at once.

    A record of the first station is left out, and written late.
    """

    def __init__(self, root: Path, start: UTCDateTime) -> None:
        self.root = root
        noise = samples(LENGTH_S * RATE_HZ + SHIFT, 5)
        self._rest: list[tuple[str, bytes]] = []
        parts = []
        for name, values in zip(
            CHANNEL_IDS, (noise[SHIFT:], noise[:-SHIFT]), strict=True
        ):
            records = records_of(trace_of(values, channel_id=name, start=start))
            parts.append([(name, record) for record in records])
        half = len(parts[0]) // 2
        self._late = [parts[0].pop(half // 3)]
        for part in parts:
            self._append(part[:half])
        rest = zip_longest(*(part[half:] for part in parts))
        self._rest = [entry for pair in rest for entry in pair if entry is not None]

    def _append(self, records: list[tuple[str, bytes]]) -> None:
        """Append records to the files of their days, and forget them."""
        for channel_id, record in records:
            network, station, _, channel = channel_id.split(".")
            day = times_of(record)[0].strftime("%Y.%j")
            folder = self.root / day[:4] / network / station / f"{channel}.D"
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / f"{channel_id}.D.{day}").open("ab") as file:
                file.write(record)
        del records[:]

    def append_next(self) -> None:
        """Write the next record of each station, so that none is idle."""
        self._append(self._rest[:2])
        del self._rest[:2]

    def append_late(self) -> None:
        """Write the record that was left out, once."""
        self._append(self._late)

    def append_rest(self) -> None:
        """Write all that is left."""
        self._append(self._rest)


@contextlib.contextmanager
def source_of(kind: str, root: Path) -> Iterator[list[str]]:
    """Give the words of a source."""
    if kind == "sds":
        yield ["--sds", str(root)]
        return
    with data_centre(root, CHANNEL_IDS) as centre:
        yield ["--fdsn", centre.name, "--poll-s", "0.3"]
    datacentre._client.cache_clear()


def killed_when(line: list[str], condition: Callable[[], bool]) -> None:
    """Run a command until a condition holds, and kill it."""
    process = multiprocessing.get_context("fork").Process(target=main, args=(line,))
    process.start()
    deadline_s = time.monotonic() + PATIENCE_S
    try:
        while not condition():
            assert time.monotonic() < deadline_s
            assert process.is_alive()
            time.sleep(0.4)
    finally:
        process.kill()
        process.join()


@pytest.mark.parametrize("kind", ["sds", "fdsn"])
def test_killed_late_and_mended(kind, tmp_path, monkeypatch, assert_equal_to):
    """A record comes after its gap was given up; afterwards the stacks are complete."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(polling, "GAPS_EVERY_S", 0.3)
    start = UTCDateTime(int(time.time()) - LENGTH_S - 100)
    root, listed, out = (tmp_path / name for name in ("sds", "list.txt", "out"))
    listed.write_text("XX AAA 10.0 20.0\nXX BBB 10.1 20.0\n")
    run = [*OPTIONS, "--stations", str(listed)]
    run += ["--start", str(start), "--end", str(start + LENGTH_S - 1)]
    writer = Writer(root, start)
    with source_of(kind, root) as words:
        line = ["live", *words, *run, "--out", str(out), "--max-wait-s", "6"]

        def is_late() -> bool:
            status = read_status(out / "live")
            if status is not None:
                writer.append_next()
            if (status or {"windows": 0})["windows"] >= 2:
                writer.append_late()
            return bool(read_late(out / "live"))

        killed_when(line, is_late)
        writer.append_rest()
        assert main(line) == 0
        assert main(["--data", str(root), *run, "--out", str(tmp_path / "batch")]) == 0
        with pytest.raises(AssertionError):
            assert_equal_to(tmp_path / "batch", out)
        assert main([*line, "--mend"]) == 0  # from the archive of the source
    assert read_late(out / "live") == []
    assert_equal_to(tmp_path / "batch", out)
