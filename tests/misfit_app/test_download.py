"""The download, from a data centre that answers in memory, and from a server."""

import io
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import obspy
import pytest
from obspy import UTCDateTime, read, read_inventory
from obspy.clients.fdsn.header import FDSNNoDataException

import misfit_app
from misfit_app.cli import main
from misfit_app.synthetic import Scene, write_scene
from seismo_pes.reading.fetching import datacentre


class DataCentre:
    """The two requests of a data centre, answered from the files of a scene."""

    def __init__(self, folder):
        self.inventory = read_inventory(str(folder / "stations" / "*.xml"))
        self.stream = read(str(folder / "observed" / "*.mseed"))
        self.n_requests = 0

    def get_stations(self, level, network="*", station="*", **limits):
        chosen = self.inventory.select(network=network, station=station)
        box = ("minlatitude", "maxlatitude", "minlongitude", "maxlongitude")
        inside = {name: limits[name] for name in box if name in limits}
        return chosen.select(**inside) if inside else chosen

    def get_waveforms(self, start, end, network, station, location, channel):
        self.n_requests += 1
        chosen = self.stream.select(network, station, channel=channel).copy()
        if station == "S002":
            raise FDSNNoDataException("no data")
        return chosen.trim(start, end)


class Server(ThreadingHTTPServer):
    """The services of a data centre, by HTTP."""

    daemon_threads = True

    def __init__(self, centre):
        super().__init__(("127.0.0.1", 0), Handler)
        self.centre = centre


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        url, content = urlparse(self.path), io.BytesIO()
        service = url.path.split("/")[2]
        asked = {name: words[0] for name, words in parse_qs(url.query).items()}
        if url.path.endswith("application.wadl"):
            tests = Path(obspy.__file__).parent / "clients" / "fdsn" / "tests" / "data"
            description = tests / f"{service}.wadl"
            known = service in ("station", "dataselect")
            content.write(description.read_bytes() if known else b"")
        elif service == "station":
            numbers = {k: float(v) for k, v in asked.items() if "itude" in k}
            codes = {k: asked.get(k, "*") for k in ("network", "station")}
            chosen = self.server.centre.get_stations(asked["level"], **codes, **numbers)
            chosen.write(content, format="STATIONXML")
        else:
            codes = [asked[k] for k in ("network", "station", "location", "channel")]
            times = UTCDateTime(asked["starttime"]), UTCDateTime(asked["endtime"])
            self.waveforms(content, times, codes)
        body = content.getvalue()
        self.send_response(200 if body else 204)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def waveforms(self, content, times, codes):
        try:
            stream = self.server.centre.get_waveforms(*times, *codes)
        except FDSNNoDataException:
            return
        stream.write(content, format="MSEED")

    def log_message(self, *_):
        pass


def test_downloaded_records_have_the_true_shifts(tmp_path, capsys):
    """From the requests over the network to the ledger; the centre lacks a station."""
    folder, out = tmp_path / "scene", tmp_path / "out"
    scene = Scene(n_stations=4, noise=0.0, duration_s=200.0)
    truths = {truth.station: truth for truth in write_scene(scene, folder)}
    east = max(truths.values(), key=lambda truth: truth.longitude)
    server = Server(DataCentre(folder))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        # the station in the east is outside
        more = {"east": east.longitude - 0.01, "before_s": 100, "after_s": 300}
        provider = f"http://127.0.0.1:{server.server_port}"
        assert main(words(folder, out, provider=provider, **more)) == 0
    finally:
        server.shutdown()
        server.server_close()
    assert "has no data of this time" in capsys.readouterr().out
    summary = misfit_app.measure(
        event=str(folder / "quake.xml"),
        stations=str(out / "stations"),
        observed=str(out / "data"),
        synthetic=str(folder / "synthetic"),
        periods_s="4-20",
        out=str(tmp_path / "results"),
    )
    assert east.station not in {path.stem for path in (out / "stations").iterdir()}
    measured = [row for row in summary.rows if row["status"] == "measured"]
    expected = set(truths) - {"XX.S002", east.station}
    assert {row["station"] for row in measured} == expected
    for row in measured:
        # the samples are rounded to counts, 1e-4 of the amplitude
        assert row["dt_s"] == pytest.approx(truths[row["station"]].dt_s, abs=1e-4)
    assert summary.totals.reasons == {"pair: no observed record": 6}


@pytest.fixture
def scene(tmp_path, monkeypatch):
    folder = tmp_path / "scene"
    write_scene(Scene(n_stations=3, duration_s=100.0), folder)
    service = DataCentre(folder)
    monkeypatch.setattr(datacentre, "client", lambda provider: service)
    return folder, service


def words(folder, out, provider="LOCAL", east=30, before_s=30, after_s=60):
    return [
        "download", "--quiet", "--provider", provider, "--event",
        str(folder / "quake.xml"), "--latitude", "30", "60", "--longitude", "0",
        str(east), "--before-s", str(before_s), "--after-s", str(after_s),
        "--channels", "HH?", "BH?", "--out", str(out),
    ]  # fmt: skip


def test_records_and_metadata_are_saved_and_a_second_call_continues(
    scene, tmp_path, capsys
):
    folder, service = scene
    out = tmp_path / "out"
    assert main(words(folder, out)) == 0
    text = capsys.readouterr().out
    assert "6 channels" in text
    assert "the data centre has no data of this time" in text
    files = sorted(path.name for path in (out / "data").iterdir())
    assert len(files) == 6
    assert "XX.S000..BHZ.mseed" in files
    (trace,) = read(str(out / "data" / "XX.S000..BHZ.mseed"))
    assert trace.stats.endtime - trace.stats.starttime == pytest.approx(90, abs=0.1)
    assert len(list((out / "stations").glob("*.xml"))) == 3
    before = service.n_requests
    assert main(words(folder, out)) == 0
    assert service.n_requests == before + 3  # only what is missing


def test_the_file_of_verce_is_accepted(scene, tmp_path, capsys, shared_data):
    path = shared_data / "verce_misfit" / "config" / "misfit_download_conf.json"
    given = ["download", "--provider", "LOCAL", "--verce", str(path)]
    # one station of the scene is in the box of the file; it has no data in 2016, and
    # its channels BH1 and BH2 are none of BH[E,N,Z]
    assert main([*given, "--out", str(tmp_path / "out")]) == 0
    text = capsys.readouterr().out
    assert "0 channels" in text
    assert "XX.S001..BHZ" in text
    assert [path.name for path in (tmp_path / "out" / "stations").iterdir()]
    assert main(["download", "--provider", "LOCAL", "--out", "x"]) == 2
    assert "--event is missing" in capsys.readouterr().err
