"""Live channels of a server that misbehaves: no sample is lost, none comes twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from obspy import UTCDateTime

from dispel4py.base import SimpleFunctionPE
from dispel4py.errors import ParameterError
from dispel4py.run import run
from dispel4py.workflow_graph import WorkflowGraph
from seismo_pes.items.times import NS
from seismo_pes.reading.live.checkpoint import write_checkpoint
from seismo_pes.reading.live.seedlink import WRITE_S, LiveSeedLink
from seismo_pes.reading.seedlink import receiver
from seismo_pes.reading.seedlink.resume import Positions
from tests.seismo_pes.reading.live.records import RATE_HZ, samples, trace_of
from tests.seismo_pes.reading.live.seedlink_server import (
    RINGSERVER,
    SEISCOMP,
    Proxy,
    SeedLinkServer,
    records_of,
)

IDS = ["XX.AAA..BHZ", "XX.BBB.00.BHZ"]
N = 6000
DATA = {channel_id: samples(N, k) for k, channel_id in enumerate(IDS)}
# data of the last minutes: no record may lie in the future
START = UTCDateTime(int(time.time()) - 2 * 300)
LIMIT_S = 15.0


def records(length: int = 512) -> list[bytes]:
    """Return the records of both channels, in turn."""
    parts = [
        records_of(trace_of(DATA[c], channel_id=c, start=START), length) for c in IDS
    ]
    n = max(map(len, parts))
    return [part[k] for k in range(n) for part in parts if k < len(part)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(receiver, "FIRST_WAIT_S", 0.05)


@pytest.fixture
def make_server() -> Iterator[Callable[..., SeedLinkServer]]:
    servers = []

    def make(*args: str) -> SeedLinkServer:
        servers.append(SeedLinkServer(*args))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


class Run:
    """A source that is called again and again, and what it has sent."""

    def __init__(self, address: str, ids: list[str] = IDS, **options) -> None:
        options = {"start_ns": START.ns, "hold_s": 100.0} | options
        self.source = LiveSeedLink(address, ids, **options)
        self.source.call_again = lambda after_s=0.0: None
        self.pieces: list = []
        self.skipped: list = []

    def step(self) -> None:
        for output in self.source.process({}):
            for port, item in output.items():
                (self.pieces if port == "output" else self.skipped).append(item)

    def until(self, condition: Callable[[], bool]) -> None:
        limit = time.monotonic() + LIMIT_S
        while not condition():
            assert time.monotonic() < limit, (self.n_samples(), self.skipped)
            self.step()
            time.sleep(0.01)

    def n_samples(self) -> int:
        return sum(p.trace.stats.npts for p in self.pieces if p.trace is not None)

    def until_samples(self, n: int) -> None:
        self.until(lambda: self.n_samples() >= n)

    def joined(self, channel_id: str) -> np.ndarray:
        """Return the samples of a channel; fails at a gap or an overlap."""
        traces = [
            p.trace for p in self.pieces if p.channel_id == channel_id and p.trace
        ]
        place = round((traces[0].stats.starttime.ns - START.ns) * RATE_HZ / NS)
        self.first = place
        for trace in traces:
            start = round((trace.stats.starttime.ns - START.ns) * RATE_HZ / NS)
            assert start == place
            place += trace.stats.npts
        return np.concatenate([trace.data for trace in traces])

    def has_all(self) -> None:
        for channel_id in IDS:
            np.testing.assert_array_equal(self.joined(channel_id), DATA[channel_id])

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *error) -> None:
        self.source.teardown()


@pytest.mark.parametrize("protocols", ["3", "34"])
@pytest.mark.parametrize("length", [256, 512, 4096])
def test_records_of_any_length(make_server, protocols, length) -> None:
    server = make_server(RINGSERVER, protocols)
    server.feed(*records(length))
    with Run(server.address) as run:
        run.until_samples(2 * N)
        run.has_all()
        assert run.skipped == []


SERVERS = [(RINGSERVER, "3"), (RINGSERVER, "34"), (SEISCOMP, "3"), ("Other 1", "34")]


@pytest.mark.parametrize(("software", "protocols"), SERVERS)
@pytest.mark.parametrize("fault", ["cut", "junk", "restart", "killed", "no info"])
def test_nothing_is_lost_when_the_server(make_server, software, protocols, fault):
    server = make_server(software, protocols)
    content = records()
    half = len(content) // 2
    server.tells_info = fault != "no info"
    if fault in ("cut", "no info"):
        # without numbers, more packets come again
        server.cut_after = 7 if software == SEISCOMP or protocols == "3" else 25
    if fault == "junk":
        server.junk_after = 7
    server.feed(*content[:half])
    with Run(server.address) as run:
        run.until(lambda: run.n_samples() > 0.4 * N)
        if fault == "restart":
            server.stop()
            server.start_again("2024-06-02T00:00:00Z")
        if fault == "killed":  # numbers are used again, for other data
            server.stop()
            server.start_again("2024-06-02T00:00:00Z", keeps_ring=False)
            server.feed(*content[half // 2 : half])
        server.feed(*content[half:])
        run.until_samples(2 * N)
        run.has_all()
        if fault != "restart":
            lost = [s for s in run.skipped if "connection lost" in s.reason]
            assert bool(lost)


def test_a_number_that_the_server_no_longer_has(make_server, tmp_path) -> None:
    server = make_server()
    content = records()
    server.feed(*content[:10])
    with Run(server.address, state=str(tmp_path)) as run:
        run.until_samples(1000)
    needed_ns = min(p.watermark_ns for p in run.pieces[-2:]) - 20 * NS
    write_checkpoint(tmp_path, needed_ns)
    server.capacity = len(content) // 2
    server.feed(*content[10:])
    with Run(server.address, state=str(tmp_path), start_ns=None, hold_s=0.3) as run:
        run.until(lambda: all(_ends(run, c) == N for c in IDS))
        for channel_id in IDS:
            data = run.joined(channel_id)
            np.testing.assert_array_equal(data, DATA[channel_id][run.first :])


def _ends(run: Run, channel_id: str) -> int:
    marks = [p.watermark_ns for p in run.pieces if p.channel_id == channel_id]
    return round((marks[-1] - START.ns) * RATE_HZ / NS) if marks and marks[-1] else 0


def test_a_network_that_is_reset_and_slow(make_server) -> None:
    server = make_server()
    content = records()
    server.feed(*content[:20])
    proxy = Proxy(server.address)
    try:
        with Run(proxy.address) as run:
            run.until(lambda: run.n_samples() > 1000)
            proxy.delay_s = 0.02
            for k in range(20, len(content), 20):
                server.feed(*content[k : k + 20])
                before = run.n_samples()
                run.until(lambda before=before: run.n_samples() > before)
                proxy.reset()
            run.until_samples(2 * N)
            run.has_all()
    finally:
        proxy.stop()


def test_a_network_that_is_cut_without_an_error(make_server) -> None:
    """No packet, no error: after a time of silence a new connection is made."""
    server = make_server()
    content = records()
    server.feed(*content[:20])
    proxy = Proxy(server.address)
    try:
        with Run(proxy.address, silence_s=1.0) as run:
            run.until(lambda: run.n_samples() > 1000)
            proxy.is_dead = True
            server.feed(*content[20:40])
            run.until(lambda: any("connection lost" in s.reason for s in run.skipped))
            proxy.is_dead = False
            proxy.reset()
            server.feed(*content[40:])
            run.until_samples(2 * N)
            run.has_all()
    finally:
        proxy.stop()


@pytest.mark.parametrize(("software", "protocols"), SERVERS)
@pytest.mark.parametrize("is_header", [True, False])
def test_one_damaged_record_is_left_out(
    make_server, software, protocols, is_header
) -> None:
    """The connection of version 3 ends at such a record, as often as it is sent."""
    server = make_server(software, protocols)
    content = records_of(trace_of(DATA[IDS[0]], channel_id=IDS[0], start=START))
    damaged = bytearray(content[5])
    if is_header:
        damaged[6:48] = bytes(42)
    else:
        damaged[200:300] = b"\xff" * 100
    server.feed(*content[:5])
    server.feed(content[5])
    server.ring[-1].record = bytes(damaged)
    server.feed(*content[6:])
    with Run(server.address, IDS[:1], hold_s=0.5) as run:
        run.until(lambda: _ends(run, IDS[0]) == N)
        traces = [p.trace for p in run.pieces if p.trace is not None]
        assert len(traces) == len(content) - 1
        reasons = " ".join(s.reason for s in run.skipped)
        assert "record" in reasons or "bytes" in reasons or "data" in reasons


def test_a_damaged_record_where_numbers_do_not_serve(make_server) -> None:
    """Version 3 by time: some data around the record are passed over."""
    server = make_server("Other 1", "3")
    content = records_of(trace_of(DATA[IDS[0]], channel_id=IDS[0], start=START))
    server.feed(*content)
    server.ring[5].record = bytes(len(content[5]))
    with Run(server.address, IDS[:1], hold_s=0.5) as run:
        run.until(lambda: _ends(run, IDS[0]) == N)
        assert run.n_samples() > 0.6 * N
        assert any("Payload" in s.reason for s in run.skipped)


@pytest.mark.parametrize("protocols", ["3", "34"])
def test_a_station_that_is_refused_is_reported(make_server, protocols) -> None:
    server = make_server(RINGSERVER, protocols)
    server.refused = {"XX_BBB"}
    server.feed(*records())
    with Run(server.address, [*IDS, "XX.NONE..BHZ"]) as run:
        run.until_samples(N)
        np.testing.assert_array_equal(run.joined(IDS[0]), DATA[IDS[0]])
        texts = [f"{s.what}: {s.reason}" for s in run.skipped]
        assert any("BBB" in text and "re" in text for text in texts)
        assert "XX_NONE: the server has no data of this station yet" in texts


def test_a_slow_run_loses_nothing(make_server, monkeypatch) -> None:
    """The queue is bounded: then the socket is not read, and later read again."""
    monkeypatch.setattr(receiver, "MOST_WAITING", 10)
    server = make_server()
    server.feed(*records(256))
    with Run(server.address) as run:
        run.step()
        time.sleep(0.5)
        run.until_samples(2 * N)
        run.has_all()


@pytest.mark.parametrize("step_s", [700, -700])
def test_the_time_of_day_is_set_anew(make_server, step_s) -> None:
    """The stream goes on, and no record counts as one from the future."""
    server, content = make_server(), records()
    server.feed(*content[:20])
    with Run(server.address) as run:
        run.until(lambda: run.n_samples() > 1000)
        run.source._clock._wall_ns = lambda: time.time_ns() + step_s * NS
        server.feed(*content[20:])
        run.until_samples(2 * N)
        run.has_all()
        assert run.skipped == []
        assert not any(piece.is_idle for piece in run.pieces)


def test_positions_are_not_written_for_each_record(
    make_server, tmp_path, monkeypatch
) -> None:
    writes: list[str] = []
    monkeypatch.setattr(Positions, "write", lambda *given: writes.append("one"))
    server = make_server()
    server.feed(*records())
    begin_s = time.monotonic()
    with Run(server.address, state=str(tmp_path)) as run:
        run.until_samples(2 * N)
        passed_s = time.monotonic() - begin_s
        assert len(writes) <= passed_s / WRITE_S
    assert len(records()) > 20


@pytest.mark.parametrize("software", [RINGSERVER, SEISCOMP, "Other 1"])
def test_a_new_run_continues_at_the_checkpoint(make_server, software, tmp_path) -> None:
    """The old run is not closed, as after a kill; its last windows are not on disk."""
    server = make_server(software)
    content = records()
    server.feed(*content[:30])
    old = Run(server.address, state=str(tmp_path))
    old.until(lambda: old.n_samples() > 2500)
    old.source._write_positions()
    needed_ns = START.ns + 50 * NS
    write_checkpoint(tmp_path, needed_ns)
    n_before = len(server.commands)
    server.feed(*content[30:])
    with Run(server.address, state=str(tmp_path), start_ns=None) as run:
        run.until(lambda: all(_ends(run, c) == N for c in IDS))
        for channel_id in IDS:
            data = run.joined(channel_id)
            assert run.first == 1000
            np.testing.assert_array_equal(data, DATA[channel_id][1000:])
        asked = [c for c in server.commands[n_before:] if c.startswith("DATA")]
        assert all(("ALL" in command) == (software == "Other 1") for command in asked)
    old.source.teardown()


@pytest.mark.parametrize(("mapping", "processes"), [("simple", None), ("multi", 2)])
def test_a_workflow_with_a_live_source(make_server, mapping, processes) -> None:
    """The source is called again while its items are worked on, and ends at its end."""
    server = make_server()
    content = records()
    server.feed(*content[:30])
    server.cut_after = 20
    feeding = threading.Timer(0.5, server.feed, content[30:])
    feeding.start()
    end_ns = START.ns + round(N * NS / RATE_HZ)
    source = LiveSeedLink(server.address, IDS, start_ns=START.ns, end_ns=end_ns)
    count = SimpleFunctionPE(_n_samples)
    graph = WorkflowGraph()
    graph.connect(source, "output", count, "input")
    result = run(graph, {source: 1}, mapping=mapping, processes=processes)
    feeding.join()
    assert sum(result.outputs[count.id]["output"]) == 2 * N
    assert not result.failures


def _n_samples(piece) -> int | None:
    return None if piece.trace is None else piece.trace.stats.npts


def test_a_server_that_cannot_be_reached(make_server) -> None:
    run = Run("127.0.0.1:1")
    with run, pytest.raises(ParameterError, match="cannot connect"):
        run.until(lambda: False)


def test_mistakes_are_named() -> None:
    for address in ("a b", "host:99999"):
        with pytest.raises(ParameterError, match="not seedlink://"):
            LiveSeedLink(address, IDS)
    with pytest.raises(ParameterError, match="protocol"):
        LiveSeedLink("host", IDS, protocol=2)
    with pytest.raises(ParameterError, match="silence_s"):
        LiveSeedLink("host", IDS, silence_s=0.0)
