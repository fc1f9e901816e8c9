"""A data centre as an archive: a small fdsnws server on this machine."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import obspy
import pytest
from obspy import Inventory, Stream, Trace, UTCDateTime
from obspy.clients.fdsn import RoutingClient as obspy_router
from obspy.core.inventory import Channel, Network, Station

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern, locate
from seismo_pes.reading.archives import fdsn
from seismo_pes.reading.archives.fdsn import LEDGER, download, fetch_inventory
from seismo_pes.reading.archives.opening import open_archive, select
from seismo_pes.reading.archives.sds import SdsArchive
from seismo_pes.reading.fetching import datacentre, retry
from seismo_pes.reading.spans import read_span
from tests.unseen import fail_to_sync

WADL = Path(obspy.__file__).parent / "clients" / "fdsn" / "tests" / "data"
DAY = UTCDateTime(2024, 5, 1)
DAYS = [(DAY.ns + i * DAY_NS, DAY.ns + (i + 1) * DAY_NS) for i in range(3)]
RATE_HZ = 0.1
IDS = ["XX.AAA..LHZ", "XX.BBB..LHZ"]


class Service(ThreadingHTTPServer):
    """A server of two stations; AAA has three days, BBB one. It notes its requests."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked: list[tuple[str, str]] = []
        self.failures: list[int] = []
        self.answer_after_s = 0.0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_port}"


class Router(ThreadingHTTPServer):
    """EIDA's routing service: which station is in which data centre."""

    daemon_threads = True

    def __init__(self, routes: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), RouterHandler)
        self.routes = routes
        self.asked: list[str] = []


class RouterHandler(BaseHTTPRequestHandler):
    server: Router

    def do_POST(self) -> None:
        assert self.path == "/eidaws/routing/1/query"
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        lines = text.splitlines()
        options = dict(line.split("=") for line in lines if "=" in line)
        self.server.asked.append(options["service"])
        assert options["format"] == "post"
        routes: dict[str, list[str]] = {}
        for line in lines:
            if "=" not in line and line.split()[1] in self.server.routes:
                routes.setdefault(self.server.routes[line.split()[1]], []).append(line)
        parts = [
            "\n".join([f"http://{at}/fdsnws/{options['service']}/1/query", *lines])
            for at, lines in routes.items()
        ]
        content = "\n\n".join(parts).encode()
        self.send_response(200 if content else 204)
        if content:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


class Handler(BaseHTTPRequestHandler):
    server: Service

    def do_GET(self) -> None:
        url = urlparse(self.path)
        if url.path.endswith("application.wadl"):
            service = url.path.split("/")[2]
            known = service in ("dataselect", "station")
            name = WADL / f"{service}.wadl"
            self.answer(200 if known else 404, name.read_bytes() if known else b"")
        elif url.path == "/fdsnws/dataselect/1/query":
            self.waveforms({key: v[0] for key, v in parse_qs(url.query).items()})
        else:
            self.answer(404, b"")

    def do_POST(self) -> None:
        text = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "dataselect" in self.path:
            names = ("network", "station", "location", "channel", "starttime")
            (line,) = (x for x in text.splitlines() if "=" not in x)
            self.waveforms(dict(zip((*names, "endtime"), line.split(), strict=True)))
            return
        self.server.asked.append(("station", text))
        content = io.BytesIO()
        inventory(text).write(content, "STATIONXML")
        self.answer(
            200 if b"<Network" in content.getvalue() else 204, content.getvalue()
        )

    def waveforms(self, query: dict[str, str]) -> None:
        self.server.asked.append((query["station"], query["starttime"][:10]))
        time.sleep(self.server.answer_after_s)
        if self.server.failures:
            self.answer(self.server.failures.pop(0), b"try later")
            return
        assert query["location"] == "--"
        start, end = UTCDateTime(query["starttime"]), UTCDateTime(query["endtime"])
        stream = recorded(query["station"]).slice(start, end)
        content = io.BytesIO()
        if stream:
            stream.write(content, "MSEED")
        self.answer(200 if stream else 204, content.getvalue())

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


def recorded(station: str) -> Stream:
    n_days = {"AAA": 3, "BBB": 1}.get(station, 0)
    header = {"network": "XX", "station": station, "channel": "LHZ"}
    header |= {"starttime": DAY + 0.003, "sampling_rate": RATE_HZ}
    n = round(n_days * 86400 * RATE_HZ)
    return Stream([Trace(np.arange(n, dtype=np.int32), header)] if n else [])


def inventory(text: str) -> Inventory:
    stations = []
    for i, code in enumerate(("AAA", "BBB")):
        if f" {code} " in text or " * " in text.split("level")[-1].split("--")[0]:
            place = {"latitude": 10.0 + i, "longitude": 20.0, "elevation": 5.0}
            channel = Channel(
                *("LHZ", ""),
                **place,
                depth=0.0,
                sample_rate=RATE_HZ,
                start_date=UTCDateTime(2020, 1, 1),
            )
            stations.append(Station(code, **place, channels=[channel]))
    networks = [Network("XX", stations=stations)] if stations else []
    return Inventory(networks=networks, source="test")


@pytest.fixture
def service(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr(retry, "WAITS_S", (0.0, 0.0))
    with Service() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    datacentre._client.cache_clear()


@pytest.fixture
def routed(service, monkeypatch):
    """Two data centres, one station each, and obspy's router between them."""
    with Service() as second, Router({}) as router:
        servers = (second, router)
        threads = [
            threading.Thread(target=server.serve_forever, args=(0.05,))
            for server in servers
        ]
        for thread in threads:
            thread.start()
        router.routes = {"AAA": service.address, "BBB": second.address}
        url = f"http://127.0.0.1:{router.server_port}/eidaws/routing/1"
        monkeypatch.setattr(
            datacentre, "RoutingClient", partial(obspy_router, url=url, timeout=100)
        )
        datacentre._client.cache_clear()
        yield service, second, router
        for server in servers:
            server.shutdown()
        for thread in threads:
            thread.join()


# -- the archive --------------------------------------------------------------------


def test_a_data_centre_is_an_archive(service) -> None:
    archive = open_archive(f"fdsn://{service.address}")
    listed = [StationPattern("XX", "AAA"), StationPattern("XX", "BBB")]
    selected, skipped = select(archive, listed, "LHZ", *DAYS[0])
    assert not skipped
    assert list(selected) == IDS
    assert selected[IDS[0]].rates_hz == (RATE_HZ,)
    channels, missing = locate(selected, headers=selected)
    assert not missing
    assert channels[IDS[1]].latitude == 11.0
    assert len(archive.inventory[0]) == 2
    archive.channels(listed)
    assert [what for what, _ in service.asked] == ["station"]  # once


def test_spans_are_fetched_when_they_are_read(service) -> None:
    archive = open_archive(f"fdsn://{service.address}/")
    archive.channels([StationPattern("XX", "*")])
    spans = archive.spans(IDS, DAYS[:2])
    assert len(spans) == 4
    assert [what for what, _ in service.asked] == ["station"]
    stream, skipped = read_span(spans[2])
    assert not skipped
    (trace,) = stream
    assert trace.id == IDS[0]
    assert trace.stats.starttime == DAY + 86400.003
    np.testing.assert_array_equal(trace.data, np.arange(8640, 17280))
    stream, skipped = read_span(spans[3])
    assert not stream
    assert [s.reason[:7] for s in skipped] == ["no data"]


def test_without_a_station_list_nothing_is_requested(service) -> None:
    archive = open_archive(f"fdsn://{service.address}")
    assert archive.channels() == {}
    assert service.asked == []
    with pytest.raises(ParameterError, match="none of the 1 listed stations"):
        select(archive, [StationPattern("YY", "ZZZ")])


def test_requests_to_a_busy_service_are_retried(service) -> None:
    archive = open_archive(f"fdsn://{service.address}")
    archive.channels([StationPattern("XX", "AAA")])
    (span,) = archive.spans(IDS[:1], DAYS[:1])
    service.failures[:] = [503, 429]
    stream, skipped = read_span(span)
    assert len(stream) == 1
    assert not skipped
    service.failures[:] = [503] * 3
    stream, skipped = read_span(span)
    assert not stream
    assert "503" in skipped[0].reason or "unavailable" in skipped[0].reason.lower()
    service.asked.clear()
    service.failures[:] = [403, 403]
    read_span(span)
    assert len(service.asked) == 1  # a retry would not help


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("fdsn://NOSUCH", "NOSUCH: no data centre is known by this name"),
        ("fdsn://127.0.0.1:1", "fdsn://127.0.0.1:1: "),
        ("fdsn://", "not fdsn://PROVIDER"),
        ("fdsn://a/b", "not fdsn://PROVIDER"),
    ],
)
def test_mistakes_are_named(monkeypatch, url, reason) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(ParameterError, match=reason) as raised:
        open_archive(url)
    # the list of all names only if an unknown name was given
    assert ("known are" in str(raised.value)) == ("NOSUCH" in url)


def test_routers_and_names_go_to_obspy(monkeypatch) -> None:
    clients = []
    monkeypatch.setattr(datacentre, "RoutingClient", lambda name: clients.append(name))
    monkeypatch.setattr(datacentre, "Client", lambda name: clients.append(name))
    datacentre._client.cache_clear()
    for provider in (*datacentre.ROUTERS, "IRIS", "https://host", "host:8080"):
        datacentre.client(provider)
    datacentre._client.cache_clear()
    federator = "earthscope-federator"
    routers = ["eida-routing", federator, federator]
    assert clients == [*routers, "IRIS", "https://host", "http://host:8080"]


def test_requests_go_to_the_data_centre_with_the_data(routed) -> None:
    first, second, router = routed
    archive = open_archive("fdsn://eida-routing")
    listed = [StationPattern("XX", "AAA"), StationPattern("XX", "BBB")]
    selected, skipped = select(archive, listed, "LHZ", *DAYS[0])
    assert not skipped
    assert list(selected) == IDS
    for span in archive.spans(IDS, DAYS[:1]):
        stream, skipped = read_span(span)
        assert not skipped
        (trace,) = stream
        np.testing.assert_array_equal(trace.data, np.arange(8640))
    for server, own, other in ((first, "AAA", "BBB"), (second, "BBB", "AAA")):
        days = [what for what, _ in server.asked if what != "station"]
        assert days == [own]
        assert not any(f" {other} " in text for _, text in server.asked)
    assert router.asked[-2:] == ["station", "dataselect"]


def test_a_download_through_a_router(routed, tmp_path) -> None:
    limits = DAYS[0][0], DAYS[2][1]
    done = download("eida-routing", IDS, *limits, tmp_path)
    assert not done.skipped
    assert (done.n_fetched, done.n_present, done.n_empty) == (4, 0, 2)
    # an empty answer of a router may hide a data centre that failed
    routed[1].asked.clear()
    again = download("eida-routing", IDS, *limits, tmp_path)
    assert (again.n_fetched, again.n_present, again.n_empty) == (0, 4, 2)
    assert [what for what, _ in routed[1].asked].count("BBB") == 2


def test_a_failed_data_centre_is_not_a_day_without_data(routed, tmp_path) -> None:
    _, _, router = routed
    router.routes["BBB"] = "127.0.0.1:1"
    done = download("eida-routing", IDS[1:], *DAYS[0], tmp_path)
    assert (done.n_fetched, done.n_empty) == (0, 0)
    assert "127.0.0.1:1" in done.skipped[0].reason
    assert "\n" not in done.skipped[0].reason


def test_metadata_are_fetched(service) -> None:
    metadata = fetch_inventory(service.address, IDS, *DAYS[0])
    assert [s.code for s in metadata[0]] == ["AAA", "BBB"]
    (_, query) = service.asked[0]
    assert "level=response" in query
    assert "XX AAA -- LHZ 2024-05-01" in query
    with pytest.raises(DataError, match="the data centre has none"):
        fetch_inventory(service.address, ["YY.ZZZ..LHZ"], *DAYS[0])


# -- the download -------------------------------------------------------------------


def test_a_download_is_an_archive_on_disk(service, tmp_path) -> None:
    done = download(service.address, IDS, DAYS[0][0], DAYS[2][1], tmp_path)
    assert (done.n_fetched, done.n_present, done.n_empty) == (4, 0, 2)
    assert not done.skipped
    archive = open_archive(tmp_path)
    assert isinstance(archive, SdsArchive)
    spans = archive.spans(IDS[:1], DAYS)
    data = [read_span(span)[0][0].data for span in spans]
    np.testing.assert_array_equal(np.concatenate(data), recorded("AAA")[0].data)


def test_a_download_continues_where_it_stopped(service, tmp_path) -> None:
    limits = DAYS[0][0], DAYS[2][1]
    service.failures[:] = [503] * 3  # all attempts of the first request fail
    first = download(service.address, IDS, *limits, tmp_path, requests=1)
    assert len(first.skipped) == 1
    assert first.skipped[0].what == IDS[0]
    assert not list(tmp_path.rglob(".*.part"))
    with (tmp_path / LEDGER).open("a") as ledger:
        ledger.write('["XX.AAA..LHZ", 19')  # the line of a killed process
    service.asked.clear()
    second = download(service.address, IDS, *limits, tmp_path)
    assert service.asked == [("AAA", "2024-05-01")]
    assert (second.n_fetched, second.n_present, second.n_empty) == (1, 3, 2)
    service.asked.clear()
    third = download(service.address, IDS, *limits, tmp_path)
    assert not service.asked
    assert (third.n_fetched, third.n_present, third.n_empty) == (0, 4, 2)


def test_a_killed_download_continues(service, tmp_path) -> None:
    limits = DAYS[0][0], DAYS[2][1]
    arguments = f"{service.address!r}, {IDS!r}, {limits[0]}, {limits[1]}"
    program = (
        "from seismo_pes.reading.archives.fdsn import download;"
        f"download({arguments}, {str(tmp_path)!r}, requests=1)"
    )
    service.answer_after_s = 0.3
    process = subprocess.Popen([sys.executable, "-c", program])
    end = time.monotonic() + 60
    while not (fetched := list(tmp_path.rglob("XX.*.D.2024.*"))):
        assert time.monotonic() < end
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert len(fetched) < 4
    service.answer_after_s = 0.0
    done = download(service.address, IDS, *limits, tmp_path)
    assert done.n_present >= 1
    assert (done.n_fetched + done.n_present, done.n_empty) == (4, 2)
    spans = open_archive(tmp_path).spans(IDS[:1], DAYS)
    data = [read_span(span)[0][0].data for span in spans]
    np.testing.assert_array_equal(np.concatenate(data), recorded("AAA")[0].data)


def test_a_failing_disk_is_named(service, tmp_path, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        fail_to_sync(patch)
        with pytest.raises(OSError, match="Input/output error") as failure:
            download(service.address, IDS[:1], *DAYS[0], tmp_path)
    assert str(failure.value.filename).endswith("XX.AAA..LHZ.D.2024.122")
    monkeypatch.setattr(fdsn, "_read_ledger", lambda path: set())
    monkeypatch.setattr(fdsn, "LEDGER", "/dev/full")
    with pytest.raises(OSError, match="No space") as failure:
        download(service.address, IDS[:1], *DAYS[0], tmp_path)
    assert failure.value.filename == "/dev/full"


def test_an_incomplete_day_is_fetched_again(service, tmp_path) -> None:
    download(service.address, IDS, *DAYS[1], tmp_path)
    (path,) = tmp_path.rglob("XX.AAA*")
    then = DAYS[1][1] / 1e9 - 1000
    os.utime(path, (then, then))
    done = download(service.address, IDS[:1], *DAYS[1], tmp_path)
    assert done.n_fetched == 1
    today = time.time_ns() // DAY_NS * DAY_NS
    for _ in range(2):  # no data yet, which may change
        service.asked.clear()
        download(service.address, IDS[:1], today, today + DAY_NS, tmp_path)
        assert len(service.asked) == 1


def test_an_answer_that_is_not_miniseed_is_not_written(
    service, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(
        datacentre, "request_waveforms", lambda *_: b"<html>sorry</html>" * 20
    )
    done = download(service.address, IDS[:1], *DAYS[0], tmp_path)
    assert len(done.skipped) == 1
    assert not list(tmp_path.rglob("*.D.*"))


def test_a_start_after_the_end_is_refused(tmp_path) -> None:
    with pytest.raises(ParameterError, match="not before the end"):
        download("IRIS", IDS, DAYS[1][0], DAYS[0][0], tmp_path)
