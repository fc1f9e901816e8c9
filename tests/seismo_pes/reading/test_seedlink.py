"""Packets in the order of arrival, from a SeedLink server on this machine."""

from __future__ import annotations

import contextlib
import io
import pickle
import threading
import time

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.reading.seedlink import (
    ReadSeedLink,
    decoding,
    receive_packets,
    receiver,
    resume,
)
from seismo_pes.reading.seedlink.resume import Last, Positions, ServerState
from tests.seismo_pes.reading.live.seedlink_server import (
    RINGSERVER,
    SeedLinkServer,
    records_of,
)

START = UTCDateTime(2024, 6, 1)
IDS = ["XX.AAA..LHZ", "XX.BBB.00.LHZ"]
N = 1000


def records() -> list[bytes]:
    parts = []
    for channel_id in IDS:
        network, station, location, channel = channel_id.split(".")
        header = {"network": network, "station": station, "location": location}
        header |= {"channel": channel, "starttime": START, "sampling_rate": 1.0}
        data = (1000 * np.random.default_rng(3).normal(size=N)).astype(np.int32)
        parts += records_of(Trace(data, header))
    return parts


@pytest.fixture(params=["3", "34"])
def server(request):
    test_server = SeedLinkServer(RINGSERVER, request.param)
    test_server.ending = b"END"
    test_server.feed(*records())
    yield test_server
    test_server.stop()


def received(server, ids=IDS, **options) -> list[Trace]:
    options = {"start_ns": START.ns} | options
    return list(receive_packets(server.address, ids, **options))


def test_packets_arrive_as_traces(server) -> None:
    traces = received(server)
    assert {t.id for t in traces} == set(IDS)
    for channel_id in IDS:
        parts = [t for t in traces if t.id == channel_id]
        assert sum(t.stats.npts for t in parts) == N
        assert parts[0].stats.starttime == START
    is_v3 = server.protocols == "3"
    for selector in ("--LHZ.D", "00LHZ.D") if is_v3 else ("_L_H_Z.D", "00_L_H_Z.D"):
        assert f"SELECT {selector}" in server.commands


def test_the_time_is_sent_to_the_server(server) -> None:
    received(server, IDS[:1], end_ns=(START + 60).ns)
    (command,) = (c for c in server.commands if c.startswith(("TIME", "DATA")))
    if server.protocols == "3":
        words = command.split()
        assert words[0] == "TIME"
        limits = [tuple(map(int, word.split(","))) for word in words[1:]]
        assert limits == [(2024, 6, 1, 0, 0, 0), (2024, 6, 1, 0, 1, 0)]
    else:
        assert command.startswith("DATA ALL 2024-06-01T00:00:00")
        assert "2024-06-01T00:01:00" in command


def test_the_element_is_a_source(server) -> None:
    element = ReadSeedLink(server.address, IDS[:1], start_ns=START.ns)
    pe = pickle.loads(pickle.dumps(element))
    traces = [output["output"] for output in pe.process({})]
    assert {t.id for t in traces} == {IDS[0]}


def test_the_stream_ends_if_no_packet_arrives(server) -> None:
    server.ending = b""
    began = time.monotonic()
    traces = received(server, IDS[:1], idle_s=1.0)
    assert sum(t.stats.npts for t in traces) == N
    assert time.monotonic() - began >= 1.0


def test_a_stream_continues_after_the_last_packet(server, tmp_path) -> None:
    state = tmp_path / "state"
    receiving = receive_packets(
        server.address, IDS[:1], start_ns=START.ns, state_file=state
    )
    first = [next(receiving), next(receiving)]
    receiving.close()
    remaining = received(server, IDS[:1], state_file=state)
    assert remaining[0].stats.starttime == first[1].stats.endtime + 1
    assert sum(t.stats.npts for t in first + remaining) == N


@pytest.mark.parametrize("content", [b"", b'{"format": "seed', b"\xff\x00"])
def test_a_damaged_state_is_no_error(server, tmp_path, content) -> None:
    state = tmp_path / "state"
    state.write_bytes(content)
    assert sum(t.stats.npts for t in received(server, IDS[:1], state_file=state)) == N


def test_a_state_beyond_the_ring_continues_by_time(server, tmp_path) -> None:
    state = tmp_path / "state"
    Positions(server.started, {"*": [(9000, 1)]}, {"*": Last(9000, 0)}, 1).write(state)
    assert sum(t.stats.npts for t in received(server, IDS[:1], state_file=state)) == N


def test_mistakes_are_named(server) -> None:
    with pytest.raises(ParameterError, match="not seedlink://"):
        list(receive_packets("seedlink://a b", IDS))
    with pytest.raises(ParameterError, match=r"'XX\.AAA' is not NET"):
        list(receive_packets(server.address, ["XX.AAA"]))
    with pytest.raises(ParameterError, match="idle_s"):
        list(receive_packets(server.address, IDS, idle_s=0.0))
    with pytest.raises(ParameterError, match="cannot connect"):
        list(receive_packets("127.0.0.1:1", IDS))


def test_a_server_that_reports_an_error(server) -> None:
    server.ending = b"ERROR\r\n"
    with pytest.raises(DataError, match="refuses"):
        received(server, IDS[:1])


def test_a_server_that_is_down_for_a_while(server, monkeypatch) -> None:
    """It also refuses connections meanwhile, and the time of day makes a step."""
    monkeypatch.setattr(receiver, "FIRST_WAIT_S", 0.05)
    content = list(server.ring)
    server.ending, server.ring = b"", content[:4]
    receiving = receive_packets(server.address, IDS, start_ns=START.ns, idle_s=5.0)
    traces = [next(receiving) for _ in range(3)]
    server.stop()
    step_ns = time.time_ns() + 700 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: step_ns)
    monkeypatch.setattr(time, "time", lambda: step_ns / 1e9)
    threading.Timer(0.4, server.start_again, [server.started]).start()
    server.ring, server.ending = content, b"END"
    traces += receiving
    assert sum(trace.stats.npts for trace in traces) == 2 * N


# ------------------------------------------------------------------ without a server


def test_a_number_serves_only_where_the_server_has_it() -> None:
    """Each row: software, protocol, start, ranges, whether the number is used."""
    ranges = {"XX_AAA": (10, 60), "XX_BBB": (40, 90)}
    last = {"*": Last(50, 5), "XX_AAA": Last(50, 5), "XX_BBB": Last(80, 5)}
    rows = [
        ("ringserver/4", 4, "a", ranges, True),
        ("ringserver/4", 4, "b", ranges, False),  # started again
        ("ringserver/4", 4, "a", {"XX_AAA": (60, 90)}, False),  # overwritten
        ("ringserver/4", 4, "a", {"XX_AAA": (10, 20)}, False),  # numbers used again
        ("SeisComP", 3, "a", ranges, True),
        ("SeisComP", 3, "a", {"XX_AAA": (10, 60)}, False),  # nothing of one station
        ("unknown", 4, "a", ranges, False),
        ("unknown", 3, "", {}, True),  # with the time of the packet
        ("unknown", 4, "", {}, False),
        # 24 bits: the numbers begin again between the first and the last
        ("ringserver/4", 3, "a", {"XX_AAA": (2**24 - 9, 2**24 + 80)}, False),
        ("ringserver/4", 3, "a", {"XX_AAA": (2**24 + 9, 2**24 + 80)}, True),
    ]
    for software, protocol, started, known, expected in rows:
        state = ServerState(software, started, protocol, known)
        request = resume.choose_request(state, ["XX_AAA", "XX_BBB"], "a", last, 7)
        assert (request.last is not None) == expected, software
        assert expected or request.since_ns == 7


def test_marks_are_few_and_safe() -> None:
    """The number of a mark is never one of a packet that is needed."""
    rng = np.random.default_rng(1)
    positions = Positions("a")
    second = 10**9
    ends = {}
    for sequence in range(1, 20_000):
        end_ns = (sequence * 2 + int(rng.integers(-40, 1))) * second
        ends[sequence] = end_ns
        positions.note("XX_AAA", sequence, end_ns - second, end_ns)
    assert len(positions.marks["XX_AAA"]) <= resume.MOST_MARKS
    for needed_s in range(100, 39_000, 777):
        sequence = positions.before(needed_s * second)["XX_AAA"].sequence
        assert all(ends[k] <= needed_s * second for k in range(1, sequence + 1))
    late = positions.before(39_000 * second)["XX_AAA"].sequence
    assert ends[late] > 38_800 * second
    positions.forget_before(39_000 * second)
    assert positions.before(39_000 * second)["XX_AAA"].sequence == late


@pytest.mark.parametrize("encoding", ["STEIM2", "INT32", "FLOAT32", "FLOAT64"])
def test_a_record_is_decoded(encoding) -> None:
    data = np.arange(50) if encoding in ("STEIM2", "INT32") else np.arange(50) / 8
    kind = {"FLOAT32": np.float32, "FLOAT64": np.float64}.get(encoding, np.int32)
    header = {"network": "XX", "station": "AAA", "channel": "BHZ", "starttime": START}
    content = io.BytesIO()
    Trace(data.astype(kind), header).write(content, "MSEED", encoding=encoding)
    trace = decoding.decode(content.getvalue())
    assert trace.id == "XX.AAA..BHZ"
    assert trace.stats.starttime == START
    np.testing.assert_array_equal(trace.data, data.astype(kind))


def test_damaged_records_are_errors() -> None:
    (record, *_) = records()
    for k in range(0, 512, 3):
        damaged = bytearray(record)
        damaged[k] ^= 0xFF
        with contextlib.suppress(DataError):
            trace = decoding.decode(bytes(damaged))
            assert trace is None or trace.stats.npts
    with pytest.raises(DataError, match="damaged record"):
        decoding.decode(record[:300] + bytes([record[300] ^ 1]) + record[301:])
