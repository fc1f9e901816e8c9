"""A SeedLink server on this machine that speaks what the client asks."""

from __future__ import annotations

import io
import pickle
import socketserver
import threading

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.reading.seedlink import ReadSeedLink, receive_packets

START = UTCDateTime(2024, 6, 1)
IDS = ["XX.AAA..LHZ", "XX.BBB.00.LHZ"]


def records() -> list[tuple[str, bytes]]:
    """Each packet's station and its record of 512 bytes."""
    traces = []
    for channel_id in IDS:
        network, station, location, channel = channel_id.split(".")
        header = {"network": network, "station": station, "location": location}
        header |= {"channel": channel, "starttime": START, "sampling_rate": 1.0}
        data = (1000 * np.random.default_rng(3).normal(size=1000)).astype(np.int32)
        content = io.BytesIO()
        Trace(data, header).write(content, "MSEED", reclen=512)
        raw = content.getvalue()
        traces += [(station, raw[i : i + 512]) for i in range(0, len(raw), 512)]
    return traces


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    ending = b"END"
    refuse = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.commands: list[str] = []

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class Handler(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        stations: dict[str, int] = {}
        while command := self.command():
            self.server.commands.append(command)
            word, *words = command.split()
            if word == "HELLO":
                self.wfile.write(b"SeedLink v3.1 (2020.075)\r\ntest\r\n")
            elif word == "STATION":
                stations[words[0]] = 0
                self.wfile.write(b"OK\r\n")
            elif word in ("SELECT", "DATA", "TIME"):
                if word == "DATA" and words:
                    stations[list(stations)[-1]] = int(words[0], 16)
                self.wfile.write(b"ERROR\r\n" if self.server.refuse else b"OK\r\n")
            elif word == "END":
                self.stream(stations)

    def stream(self, stations: dict[str, int]) -> None:
        for number, (station, record) in enumerate(records(), start=1):
            if number >= stations.get(station, 10**6):
                self.wfile.write(b"SL%06X" % number + record)
        self.wfile.write(self.server.ending)

    def command(self) -> str:
        text = bytearray()
        while (byte := self.rfile.read(1)) not in (b"", b"\r", b"\n"):
            text += byte
        return text.decode()


@pytest.fixture
def server():
    with Server() as test_server:
        thread = threading.Thread(target=test_server.serve_forever, args=(0.05,))
        thread.start()
        yield test_server
        test_server.shutdown()
        thread.join()


def test_packets_arrive_as_traces(server) -> None:
    traces = list(receive_packets(f"seedlink://{server.address}", IDS))
    assert {t.id for t in traces} == set(IDS)
    for channel_id in IDS:
        parts = [t for t in traces if t.id == channel_id]
        assert sum(t.stats.npts for t in parts) == 1000
        assert parts[0].stats.starttime == START
    assert "SELECT --LHZ.D" in server.commands
    assert "SELECT 00LHZ.D" in server.commands


def test_the_time_is_sent_to_the_server(server) -> None:
    list(receive_packets(server.address, IDS[:1], START.ns, (START + 60).ns))
    (command,) = (c for c in server.commands if c.startswith("TIME"))
    assert command == "TIME 2024,6,1,0,0,0 2024,6,1,0,1,0"


def test_the_element_is_a_source(server) -> None:
    pe = pickle.loads(pickle.dumps(ReadSeedLink(server.address, IDS[:1])))
    traces = [output["output"] for output in pe.process({})]
    assert {t.id for t in traces} == {IDS[0]}


def test_the_stream_ends_if_no_packet_arrives(server) -> None:
    server.ending = b""
    traces = list(receive_packets(server.address, IDS[:1], idle_s=1.0))
    assert sum(t.stats.npts for t in traces) == 1000


def test_a_stream_continues_after_the_last_packet(server, tmp_path) -> None:
    state = tmp_path / "state"
    receiving = receive_packets(server.address, IDS[:1], state_file=state)
    first = [next(receiving), next(receiving)]
    receiving.close()
    remaining = list(receive_packets(server.address, IDS[:1], state_file=state))
    assert remaining[0].stats.starttime == first[1].stats.endtime + 1
    assert sum(t.stats.npts for t in first + remaining) == 1000


# obspy leaves a socket open when it cannot connect
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
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
        list(receive_packets(server.address, IDS[:1]))
