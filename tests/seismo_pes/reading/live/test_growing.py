"""Files that grow, and a data centre that is asked again and again."""

from __future__ import annotations

import io
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from obspy import UTCDateTime, read

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.times import DAY_NS, NS
from seismo_pes.reading.live import polling
from seismo_pes.reading.live.checkpoint import write_checkpoint
from seismo_pes.reading.live.growing import FollowFiles
from seismo_pes.reading.live.polling import PollDataCentre
from tests.seismo_pes.reading.live.records import RATE_HZ, samples, trace_of
from tests.seismo_pes.reading.live.seedlink_server import records_of

CHANNEL = "XX.AAA..BHZ"
N = 6000
DATA = samples(N)
LIMIT_S = 20.0


class Steps:
    """A source that is called step by step, and what it has sent."""

    def __init__(self, source) -> None:
        self.source = source
        source.call_again = lambda after_s=0.0: None
        self.pieces: list = []
        self.skipped: list = []

    def step(self) -> None:
        for output in self.source.process({}):
            for port, item in output.items():
                (self.pieces if port == "output" else self.skipped).append(item)

    def until(self, condition) -> None:
        limit = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < limit, self.skipped
            self.step()
            time.sleep(0.005)

    @property
    def traces(self) -> list:
        return [p.trace for p in self.pieces if p.trace is not None]

    @property
    def n_samples(self) -> int:
        return sum(trace.stats.npts for trace in self.traces)


@pytest.fixture
def start() -> UTCDateTime:
    return UTCDateTime(int(time.time()) - 400)


def path_of(root: Path, start: UTCDateTime) -> Path:
    folder = root / str(start.year) / "XX" / "AAA" / "BHZ.D"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{CHANNEL}.D.{start.year}.{start.julday:03d}"


def content_of(start: UTCDateTime, length: int = 512) -> bytes:
    return b"".join(records_of(trace_of(DATA, channel_id=CHANNEL, start=start), length))


@pytest.mark.parametrize("length", [256, 512, 4096])
def test_a_file_that_grows_by_any_numbers_of_bytes(tmp_path, start, length) -> None:
    """Records of which a part is not written yet are read when they are whole."""
    steps = Steps(FollowFiles(str(tmp_path), [CHANNEL], start_ns=start.ns))
    content, path = content_of(start, length), path_of(tmp_path, start)
    edges = sorted(np.random.default_rng(3).integers(0, len(content), 30).tolist())
    for k, stop in zip([0, *edges], [*edges, len(content)], strict=True):
        with path.open("ab") as file:
            file.write(content[k:stop])
        steps.step()
    steps.until(lambda: steps.n_samples == N)
    data = np.concatenate([trace.data for trace in steps.traces])
    np.testing.assert_array_equal(data, DATA)
    assert steps.skipped == []


def test_a_file_that_is_replaced_is_read_again(tmp_path, start) -> None:
    steps = Steps(FollowFiles(str(tmp_path), [CHANNEL], start_ns=start.ns))
    content, path = content_of(start), path_of(tmp_path, start)
    path.write_bytes(content[: 512 * 10])
    steps.step()
    other = path.with_suffix(".new")
    other.write_bytes(content)
    other.replace(path)
    steps.until(lambda: steps.n_samples == N)
    np.testing.assert_array_equal(np.concatenate([t.data for t in steps.traces]), DATA)


def test_damaged_bytes_between_records(tmp_path, start) -> None:
    source = FollowFiles(str(tmp_path), [CHANNEL], start_ns=start.ns, hold_s=0.2)
    steps = Steps(source)
    content, path = content_of(start), path_of(tmp_path, start)
    path.write_bytes(content[:2048] + bytes(512) + content[2560:])
    end_ns = start.ns + round(N * NS / RATE_HZ)
    steps.until(lambda: steps.pieces and steps.pieces[-1].watermark_ns == end_ns)
    assert any("no record" in item.reason for item in steps.skipped)
    n_lost = N - steps.n_samples
    assert 0 < n_lost < 400


def test_a_run_begins_at_its_checkpoint_and_ends_at_its_end(tmp_path, start) -> None:
    path_of(tmp_path, start).write_bytes(content_of(start))
    write_checkpoint(tmp_path / "state", start.ns + 100 * NS)
    source = FollowFiles(
        str(tmp_path),
        [CHANNEL],
        str(tmp_path / "state"),
        start.ns,
        start.ns + 200 * NS,
    )
    steps = Steps(source)
    steps.until(lambda: source._is_over)
    data = np.concatenate([trace.data for trace in steps.traces])
    np.testing.assert_array_equal(data, DATA[2000:4000])


def test_the_record_over_midnight_is_in_the_file_of_the_day_before(tmp_path) -> None:
    midnight_ns = (time.time_ns() // DAY_NS - 1) * DAY_NS
    start = UTCDateTime(ns=midnight_ns - 7 * NS)
    for record in records_of(trace_of(DATA, channel_id=CHANNEL, start=start)):
        first = read(io.BytesIO(record), headonly=True)[0].stats.starttime
        with path_of(tmp_path, first).open("ab") as file:
            file.write(record)
    source = FollowFiles(str(tmp_path), [CHANNEL], start_ns=midnight_ns)
    steps = Steps(source)
    steps.until(lambda: steps.n_samples >= N - 7 * RATE_HZ)
    data = np.concatenate([trace.data for trace in steps.traces])
    np.testing.assert_array_equal(data, DATA[round(7 * RATE_HZ) :])


# -------------------------------------------------------------------- data centre


class Centre:
    """Answers as `fetch` does: whole records that overlap a time."""

    def __init__(self, start: UTCDateTime) -> None:
        self.records = records_of(trace_of(DATA, channel_id=CHANNEL, start=start))
        self.start, self.n_there = start, 0
        self.fails = 0
        self.lock = threading.Lock()
        self.urls: list[str] = []

    def fetch(self, url: str) -> bytes:
        self.urls.append(url)
        if self.fails:
            self.fails -= 1
            raise DataError("the data centre does not answer")
        begin_ns, end_ns = map(int, url.split("/")[-2:])
        n = len(self.records)
        chosen = b""
        for k, record in enumerate(self.records[: self.n_there]):
            first_ns = self.start.ns + round(k * N / n / RATE_HZ * NS) - NS
            if first_ns < end_ns and first_ns + 14 * NS > begin_ns:
                chosen += record
        return chosen


def test_a_data_centre_that_is_polled(start, monkeypatch) -> None:
    centre = Centre(start)
    monkeypatch.setattr(polling, "fetch", centre.fetch)
    source = PollDataCentre(
        "fdsn://X", [CHANNEL], start_ns=start.ns, every_s=0.02, hold_s=100.0
    )
    steps = Steps(source)
    try:
        for n_there in (0, 3, 4, 17, len(centre.records)):
            centre.n_there = n_there
            n_urls = len(centre.urls)
            steps.until(lambda n=n_urls: len(centre.urls) > n + 2)
            centre.fails = 1
        steps.until(lambda: steps.n_samples == N)
    finally:
        source.teardown()
    np.testing.assert_array_equal(np.concatenate([t.data for t in steps.traces]), DATA)
    assert {s.reason for s in steps.skipped} == {"the data centre does not answer"}
    assert centre.urls[0].startswith(f"fdsn://X/{CHANNEL}/{start.ns}/")


def test_a_restart_while_the_data_centre_is_down(start, monkeypatch) -> None:
    """obspy finds no services then, which looks like a wrong name."""
    centre = Centre(start)
    centre.n_there = len(centre.records)
    down = iter(range(3))

    def fetch(url: str) -> bytes:
        if next(down, None) is not None:
            raise ParameterError("fdsn://X: no FDSN services could be discovered")
        return centre.fetch(url)

    monkeypatch.setattr(polling, "fetch", fetch)
    source = PollDataCentre("fdsn://X", [CHANNEL], start_ns=start.ns, every_s=0.02)
    steps = Steps(source)
    try:
        steps.until(lambda: steps.n_samples == N)
    finally:
        source.teardown()
    assert len(steps.skipped) == 3


def test_a_gap_longer_than_a_request_is_passed(monkeypatch) -> None:
    """The channel was off for five hours before its data begin."""
    start = UTCDateTime(int(time.time()) - 400)
    centre = Centre(start)
    centre.n_there = len(centre.records)
    monkeypatch.setattr(polling, "fetch", centre.fetch)
    since_ns = start.ns - 5 * 3600 * NS
    source = PollDataCentre(
        "fdsn://X", [CHANNEL], start_ns=since_ns, every_s=0.02, hold_s=0.1
    )
    steps = Steps(source)
    try:
        steps.until(lambda: steps.n_samples == N)
    finally:
        source.teardown()
    lengths = [np.diff(list(map(int, url.split("/")[-2:])))[0] for url in centre.urls]
    assert lengths[0] == 3600 * NS


def test_mistakes_are_named(tmp_path) -> None:
    with pytest.raises(ParameterError, match="one channel"):
        FollowFiles(str(tmp_path), ["XX.AAA..BH?"])
    with pytest.raises(ParameterError, match="no such folder"):
        FollowFiles(str(tmp_path / "none"), [CHANNEL])
    with pytest.raises(ParameterError, match="fdsn://"):
        PollDataCentre("http://x", [CHANNEL])
    with pytest.raises(ParameterError, match="every_s"):
        PollDataCentre("fdsn://X", [CHANNEL], every_s=0.0)
