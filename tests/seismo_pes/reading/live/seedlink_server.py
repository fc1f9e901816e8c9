"""A SeedLink server of the tests, versions 3 and 4, which misbehaves on demand."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import socket
import struct
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase

import pymseed
from obspy import Trace

RINGSERVER = "SeedLink v4.0 (ringserver/4.5.3)"
SEISCOMP = "SeedLink v3.3 (SeisComP/6.0)"


RECORD_BYTES = 512


def records_of(trace: Trace, length: int = RECORD_BYTES, **options: str) -> list[bytes]:
    """Return a trace as records of miniSEED."""
    content = io.BytesIO()
    trace.write(content, "MSEED", reclen=length, **options)
    raw = content.getvalue()
    return [raw[k : k + length] for k in range(0, len(raw), length)]


@dataclass
class Stored:
    station: str  # NET_STA
    channel_id: str
    number: int
    order: int  # counts all packets that were ever fed
    record: bytes
    start_s: float
    end_s: float


@dataclass
class Client:
    """One connection: what it asks for."""

    protocol: int = 3
    stations: dict[str, dict] = field(default_factory=dict)
    current: str = ""


class SeedLinkServer:
    """Serves the packets that it is fed, in a thread of its own.

    Attributes say how it misbehaves; they may be changed while it runs.
    """

    def __init__(self, software: str = RINGSERVER, protocols: str = "34") -> None:
        self.software, self.protocols = software, protocols
        self.started = "2024-06-01T00:00:00Z"
        self.capacity = 10**6
        self.ring: list[Stored] = []
        self.commands: list[str] = []
        self.n_connections = 0
        self.tells_info = True
        self.refused: set[str] = set()  # stations
        self.cut_after: int | None = None  # packets of a connection
        self.junk_after: int | None = None  # once, a stray byte
        self.is_mute = False  # sends nothing more, keeps connections
        self.ending = b""  # sent when all packets of the ring are sent
        self._numbers: dict[str, int] = {}
        self._n_fed = 0
        self._port = 0
        self._open()

    # ------------------------------------------------------------------ control

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    def feed(self, *records: bytes) -> None:
        """Take records; clients that wait get them."""
        for record in records:
            parsed = pymseed.MS3Record.parse(record)
            codes = pymseed.sourceid2nslc(parsed.sourceid)
            station = f"{codes[0]}_{codes[1]}"
            key = "*" if "ringserver" in self.software else station
            self._numbers[key] = number = self._numbers.get(key, 0) + 1
            start_s, end_s = parsed.starttime / 1e9, parsed.endtime / 1e9
            name = ".".join(codes)
            self._n_fed += 1
            stored = Stored(station, name, number, self._n_fed, record, start_s, end_s)
            self.ring.append(stored)
        del self.ring[: -self.capacity]
        self._wake()

    def stop(self) -> None:
        """Close all connections and the port."""
        loop, task = self._loop, self._task
        if self._thread.is_alive():
            loop.call_soon_threadsafe(task.cancel)
            self._thread.join(100)

    def start_again(self, started: str, keeps_ring: bool = True) -> None:
        """Start again, at the same port; without its ring, numbers begin again."""
        self.started = started
        if not keeps_ring:
            self.ring, self._numbers = [], {}
        self._open()

    def cut(self) -> None:
        """Close the connections."""
        self._loop.call_soon_threadsafe(self._close_all)

    def _close_all(self) -> None:
        for writer in list(self._writers):
            writer.transport.abort()

    def _open(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()
        self._events: set[asyncio.Event] = set()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(100)

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            self._loop, self._task = asyncio.get_running_loop(), asyncio.current_task()
            server = await asyncio.start_server(self._handle, "127.0.0.1", self._port)
            self._port = server.sockets[0].getsockname()[1]
            ready.set()
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
                self._close_all()

        with contextlib.suppress(asyncio.CancelledError):
            asyncio.run(main())

    def _wake(self) -> None:
        def wake() -> None:
            for event in self._events:
                event.set()

        self._loop.call_soon_threadsafe(wake)

    # -------------------------------------------------------------- one connection

    async def _handle(self, reader, writer) -> None:
        self.n_connections += 1
        self._writers.add(writer)
        client = Client()
        with contextlib.suppress(
            ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError
        ):
            while command := await self._command(reader):
                self.commands.append(command)
                if command.split()[0] in ("END", "ENDFETCH"):
                    answers = asyncio.create_task(
                        self._answer_info(reader, writer, client)
                    )
                    try:
                        await self._stream(writer, client)
                    finally:
                        answers.cancel()
                    break
                reply = self._reply(command, client)
                writer.write(reply)
                await writer.drain()
        self._writers.discard(writer)
        writer.close()

    async def _command(self, reader) -> str:
        text = bytearray()
        while True:
            byte = await reader.readexactly(1)
            if byte in b"\r\n":
                if text:
                    return text.decode()
                continue
            text += byte

    async def _answer_info(self, reader, writer, client: Client) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while command := await self._command(reader):
                if not self.is_mute:
                    writer.write(self._reply(command, client))

    def _reply(self, command: str, client: Client) -> bytes:
        word, *words = command.split()
        if word == "HELLO":
            offered = " ".join(f"SLPROTO:{p}.0" for p in self.protocols)
            return f"{self.software} :: {offered} CAP EXTREPLY\r\ntests\r\n".encode()
        if word == "INFO":
            return self._info(words[0], client)
        if word == "SLPROTO":
            client.protocol = int(words[0][0])
        if word == "STATION":
            client.current = words[0] if client.protocol == 4 else "_".join(words[::-1])
            if client.current in self.refused:
                return b"ERROR UNAUTHORIZED no access\r\n"
            client.stations[client.current] = {"selectors": [], "asks": []}
        elif word == "SELECT":
            client.stations[client.current]["selectors"].append(words[0])
        elif word in ("DATA", "TIME", "FETCH"):
            client.stations[client.current]["asks"] = [word, *words]
        return b"OK\r\n"

    def _info(self, level: str, client: Client) -> bytes:
        if not self.tells_info:
            return b"ERROR\r\n"
        limits: dict[str, tuple[int, int]] = {}
        for stored in self.ring:
            first, _ = limits.get(stored.station, (stored.number, 0))
            limits[stored.station] = first, stored.number
        if client.protocol == 4:
            stations = [
                {"id": name, "start_seq": first, "end_seq": last + 1}
                for name, (first, last) in limits.items()
            ]
            told = {"software": self.software, "server_start": self.started}
            return self._frame_v4("JI", 0, "", json.dumps(told | {"station": stations}))
        is_decimal = "ringserver" in self.software
        text = f'<seedlink software="{self.software}" started="{self.started}">'
        for name, (first, last) in limits.items():
            network, station = name.split("_")
            first, last = (first, last) if is_decimal else (f"{first:X}", f"{last:X}")
            text += f'<station name="{station}" network="{network}"'
            text += f' begin_seq="{first}" end_seq="{last}"/>'
        text += "</seedlink>"
        return b"".join(_info_v3(text))

    @staticmethod
    def _frame_v4(form: str, number: int, station: str, payload: str | bytes) -> bytes:
        payload = payload.encode() if isinstance(payload, str) else payload
        name = station.encode()
        head = struct.pack(
            "<2s2sIQB", b"SE", form.encode(), len(payload), number, len(name)
        )
        return head + name + payload

    # ------------------------------------------------------------------ streaming

    async def _stream(self, writer, client: Client) -> None:
        event = asyncio.Event()
        self._events.add(event)
        self._loop.call_soon(event.set)
        backlog = self._backlog(client)
        latest = self._n_fed
        n_sent = 0
        try:
            while True:
                for stored in backlog:
                    if self.is_mute:
                        break
                    if n_sent == self.junk_after:
                        self.junk_after = None
                        writer.write(b"\x07")
                    writer.write(self._frame(stored, client))
                    await writer.drain()
                    n_sent += 1
                    if n_sent == self.cut_after:
                        return
                if self.ending:
                    writer.write(self.ending)
                    await writer.drain()
                    return
                await event.wait()
                event.clear()
                new = [s for s in self.ring if s.order > latest]
                latest = self._n_fed
                backlog = [s for s in new if wants(client, s)]
        finally:
            self._events.discard(event)

    def _frame(self, stored: Stored, client: Client) -> bytes:
        if client.protocol == 4:
            form = "3D" if stored.record.startswith(b"MS\x03") else "2D"
            return self._frame_v4(form, stored.number, stored.station, stored.record)
        return b"SL%06X" % (stored.number % 2**24) + stored.record

    def _backlog(self, client: Client) -> list[Stored]:
        """Return what a client gets first, by the rules of real servers."""
        asks = {k: _ask(v["asks"], client.protocol) for k, v in client.stations.items()}
        numbers = [number for kind, number in asks.values() if kind == "number"]
        together = "ringserver" in self.software

        def is_chosen(stored: Stored) -> bool:
            if not wants(client, stored):
                return False
            kind, limit = asks[stored.station]
            if kind == "time":
                return stored.end_s >= limit
            if kind == "now":
                return False
            # one id space: the newest number that was asked for counts for all
            number = int(max(numbers) if together else limit)
            own = [s for s in self.ring if together or s.station == stored.station]
            wrap = 2**24 if client.protocol == 3 else 2**64
            has = any(s.number % wrap == number - 1 for s in own)
            return has and stored.number % wrap >= number

        return [stored for stored in self.ring if is_chosen(stored)]


def wants(client: Client, stored: Stored) -> bool:
    """Return whether a client has selected a packet."""
    request = client.stations.get(stored.station)
    if request is None:
        return False
    _, _, location, channel = stored.channel_id.split(".")
    if client.protocol == 4:
        name = f"{location}_{'_'.join(channel)}"
    else:
        name = f"{location or '--'}{channel}"
    return any(fnmatchcase(name, s.split(".")[0]) for s in request["selectors"])


def _ask(asks: list[str], protocol: int) -> tuple[str, float]:
    if not asks or len(asks) == 1:
        return "now", 0
    if asks[0] == "TIME":
        return "time", _seconds_v3(asks[1])
    if asks[1] == "ALL":
        return "time", datetime.fromisoformat(asks[2]).timestamp()
    return "number", int(asks[1], 16 if protocol == 3 else 10)


def _seconds_v3(text: str) -> float:
    return datetime(*map(int, text.split(",")), tzinfo=UTC).timestamp()


def _info_v3(text: str) -> list[bytes]:
    """Return a text as packets of records of text."""
    frames = []
    parts = [text[k : k + 400] for k in range(0, len(text), 400)]
    for k, part in enumerate(parts):
        record = pymseed.MS3Record(reclen=512, encoding=pymseed.DataEncoding.TEXT)
        record.sourceid, record.formatversion = "FDSN:XX_INFO__I_N_F", 2
        record.starttime = 0
        (raw,) = record.generate(part, "t")
        raw = raw.ljust(512, b"\0")
        frames.append((b"SLINFO *" if k + 1 < len(parts) else b"SLINFO  ") + raw)
    return frames


class Proxy:
    """Stands between a client and a server, and spoils the connection on demand."""

    def __init__(self, target: str) -> None:
        host, port = target.split(":")
        self.target = host, int(port)
        self.delay_s = 0.0
        self.is_dead = False  # accepts and forwards nothing, as a network that is cut
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target, *args) -> None:
        self._threads.append(threading.Thread(target=target, args=args, daemon=True))
        self._threads[-1].start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                if self._stopping.is_set():
                    near.close()
                    return
                far = socket.create_connection(self.target)
                self._pairs.append((near, far))
                for pair in ((near, far), (far, near)):
                    self._start(self._copy, *pair)

    def _copy(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while content := source.recv(4096):
                self._stopping.wait(self.delay_s)
                if self.is_dead:
                    continue
                sink.sendall(content)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        """Reset the connections, in the middle of whatever they send."""
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    linger = struct.pack("ii", 1, 0)
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    end.shutdown(socket.SHUT_RDWR)
                end.close()

    def stop(self) -> None:
        self._stopping.set()
        socket.create_connection(self._listener.getsockname()).close()
        self._threads[0].join(100)
        self._listener.close()
        self.reset()
        for thread in self._threads:
            thread.join(100)
