"""A data centre of the tests, with the content of an SDS archive that may grow."""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import obspy
from obspy import Inventory, UTCDateTime, read
from obspy.core.inventory import Channel, Network, Station

from tests.seismo_pes.reading.live.seedlink_server import RECORD_BYTES

WADL = Path(obspy.__file__).parent / "clients" / "fdsn" / "tests" / "data"
RATE_HZ = 20.0


class Centre(ThreadingHTTPServer):
    """The services ``dataselect`` and ``station`` over a folder."""

    daemon_threads = True

    def __init__(self, root: Path, channel_ids: tuple[str, ...]) -> None:
        super().__init__(("127.0.0.1", 0), _Request)
        self.root, self.channel_ids = root, channel_ids

    @property
    def name(self) -> str:
        return f"fdsn://127.0.0.1:{self.server_port}"


@contextlib.contextmanager
def data_centre(root: Path, channel_ids: tuple[str, ...]) -> Iterator[Centre]:
    """Run a data centre in a thread."""
    with Centre(root, channel_ids) as centre:
        thread = threading.Thread(target=centre.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield centre
        finally:
            centre.shutdown()
            thread.join()


class _Request(BaseHTTPRequestHandler):
    server: Centre

    def do_GET(self) -> None:
        url = urlparse(self.path)
        service = url.path.split("/")[2]
        if url.path.endswith("application.wadl") and service != "event":
            self._answer((WADL / f"{service}.wadl").read_bytes())
        elif url.path == "/fdsnws/dataselect/1/query":
            self._answer(
                self._waveforms({k: v[0] for k, v in parse_qs(url.query).items()})
            )
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        content = io.BytesIO()
        inventory_of(self.server.channel_ids).write(content, "STATIONXML")
        self._answer(content.getvalue())

    def _waveforms(self, query: dict[str, str]) -> bytes:
        location = query["location"].replace("--", "")
        codes = query["network"], query["station"], location, query["channel"]
        start, end = UTCDateTime(query["starttime"]), UTCDateTime(query["endtime"])
        content = b""
        for path in sorted(self.server.root.rglob(f"{'.'.join(codes)}.D.*")):
            raw = path.read_bytes()
            for k in range(0, len(raw), RECORD_BYTES):
                record = raw[k : k + RECORD_BYTES]
                first, last = times_of(record)
                if first <= end and last >= start:
                    content += record
        return content

    def _answer(self, content: bytes) -> None:
        self.send_response(200 if content else 204)
        if content:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@cache
def times_of(record: bytes) -> tuple[UTCDateTime, UTCDateTime]:
    """Return the times of the first and the last sample of a record."""
    (trace,) = read(io.BytesIO(record), headonly=True)
    return trace.stats.starttime, trace.stats.endtime


def inventory_of(channel_ids: tuple[str, ...]) -> Inventory:
    """Return an inventory of channels, each a tenth of a degree from the next."""
    networks = []
    for k, channel_id in enumerate(channel_ids):
        network, station, location, code = channel_id.split(".")
        place = {"latitude": 10.0 + k / 10, "longitude": 20.0, "elevation": 5.0}
        channel = Channel(
            *(code, location),
            **place,
            depth=0.0,
            sample_rate=RATE_HZ,
            start_date=UTCDateTime(2020, 1, 1),
        )
        stations = [Station(station, **place, channels=[channel])]
        networks.append(Network(network, stations=stations))
    return Inventory(networks=networks, source="tests")
