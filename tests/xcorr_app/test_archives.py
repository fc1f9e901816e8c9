"""The same data from every kind of archive give the same correlations."""

from __future__ import annotations

import io
import shutil
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlparse

import numpy as np
import obspy
import pytest
from obspy import Inventory, Stream, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.waveforms import ChannelSpan
from seismo_pes.reading.archives.several import merge_spans, open_archives
from seismo_pes.reading.fetching import datacentre
from seismo_pes.writing.asdf import AsdfWriter
from xcorr_app import cli, store
from xcorr_app.planning.metadata import station_metadata
from xcorr_app.synthetic import Network, make_archive

WADL = Path(obspy.__file__).parent / "clients" / "fdsn" / "tests" / "data"
NETWORK = Network(n_stations=3, hours=26, rate_hz=4, diameter_km=30)
OPTIONS = [
    *("--start", "2022-06-01", "--end", "2022-06-02T02:00", "--window-s", "1800"),
    *("--response", "VEL", "--pre-filt", "0.03", "0.05", "1.5", "1.8"),
    *("--taper-s", "30", "--substack", "day", "--max-lag-s", "30", "--quiet"),
]


@pytest.fixture(scope="module")
def archive_folder(tmp_path_factory) -> Path:
    """An SDS archive of two days, its StationXML and station list."""
    folder = tmp_path_factory.mktemp("network")
    make_archive(NETWORK, folder)
    return folder


@pytest.fixture(scope="module")
def expected(archive_folder) -> dict[str, np.ndarray]:
    return correlated(archive_folder, "sds", [archive_folder / "archive"])


def correlated(
    archive_folder: Path, name: str, data: list[object], inventory: object = None
) -> dict[str, np.ndarray]:
    """Run the command; return every correlation of every stack."""
    out = archive_folder / f"out-{name}"
    words = ["--stations", str(archive_folder / "stations.txt"), "--out", str(out)]
    words += ["--data", *map(str, data)]
    words += ["--inventory", str(inventory or archive_folder / "stations.xml")]
    assert cli.main([*words, *OPTIONS]) == 0
    skipped = (
        (out / "skipped.tsv").read_text() if (out / "skipped.tsv").exists() else ""
    )
    assert len(skipped.splitlines()) <= 1, skipped
    correlations = {}
    with store.open(out) as results:
        for stack in results.stacks:
            for row in results.correlations(stack):
                correlations[f"{row.first} {row.second} {stack}"] = np.array(row.data)
    shutil.rmtree(out)
    return correlations


def same(
    correlations: dict[str, np.ndarray], expected: dict[tuple[str, str], np.ndarray]
) -> None:
    assert len(expected) == 9  # three pairs: two days, and all
    assert set(correlations) == set(expected)
    for key, data in expected.items():
        np.testing.assert_array_equal(correlations[key], data)


def days(archive_folder: Path) -> Iterator[tuple[Path, obspy.Trace]]:
    for path in sorted((archive_folder / "archive").rglob("*.D.*")):
        if path.is_file():
            yield path, obspy.read(path, headonly=True)[0]


# -- files --------------------------------------------------------------------------

LAYOUTS: dict[str, tuple[str, str]] = {
    # value of --data below the folder, and the paths of the files
    "bud": ("", "{n}/{s}/{s}.{n}.{l}.{c}.{y}.{j}"),
    "folder": ("", "all/{s}-{y}-{j}"),
    "glob": ("day*/*.ms", "day{j}/{s}.ms"),
    "pattern": (
        "{station}/{network}.{location}.{channel}.{year}-{julday}",
        "{s}/{n}.{l}.{c}.{y}-{j}",
    ),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_files(archive_folder, expected, layout, tmp_path) -> None:
    given, names = LAYOUTS[layout]
    for path, trace in days(archive_folder):
        stats = trace.stats
        name = names.format(
            n=stats.network,
            s=stats.station,
            l=stats.location,
            c=stats.channel,
            y=f"{stats.starttime.year}",
            j=f"{stats.starttime.julday:03d}",
        )
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, tmp_path / name)
    data = f"{tmp_path}/{given}" if given else tmp_path
    same(correlated(archive_folder, layout, [data]), expected)


def test_asdf_with_its_own_metadata(archive_folder, expected, tmp_path) -> None:
    path = tmp_path / "all.h5"
    with AsdfWriter(path) as file:
        for name, _ in days(archive_folder):
            file.add_waveform(obspy.read(name)[0])
        file.add_inventory(obspy.read_inventory(archive_folder / "stations.xml"))
    same(correlated(archive_folder, "asdf", [path], inventory=path), expected)


def test_several_archives_are_one(archive_folder, expected, tmp_path) -> None:
    for path, trace in days(archive_folder):
        # the second day elsewhere, as are both days of one station
        second = trace.stats.starttime.day > 1 or trace.stats.station == "S03"
        place = tmp_path / ("late" if second else "early") / path.name
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)
    both = [tmp_path / "early", tmp_path / "late"]
    same(correlated(archive_folder, "two", both), expected)
    same(
        correlated(archive_folder, "twice", [archive_folder / "archive", *both]),
        expected,
    )


def test_spans_of_two_archives_keep_their_order() -> None:
    one = ChannelSpan("X.A..Z", 0, 9, ("a", "b", "c"), 3, ("M", "M", "M"), 1, 1, True)
    other = ChannelSpan("X.A..Z", 0, 9, ("d", "b"), 3, ("S", "M"), 0, 0, False)
    joined = merge_spans(one, other)
    assert joined.files == ("a", "b", "d", "c")
    assert joined.formats == ("M", "M", "S", "M")
    assert (joined.n_before, joined.n_after, joined.one_channel) == (1, 1, False)


def test_an_archive_of_several_knows_its_channels(archive_folder, tmp_path) -> None:
    (tmp_path / "odd").write_bytes(b"not a waveform")
    both = open_archives([str(archive_folder / "archive"), str(tmp_path)])
    plain = open_archives([str(archive_folder / "archive")])
    assert both.channel_ids() == plain.channel_ids() == NETWORK.channel_ids()
    assert both.channels() == plain.channels()
    twice = open_archives([str(archive_folder / "archive")] * 2)
    assert twice.channels() == plain.channels()


# -- services -----------------------------------------------------------------------


class Handler(BaseHTTPRequestHandler):
    """fdsnws of the archive in ``folder``."""

    folder: Path
    inventory: Inventory

    def do_GET(self) -> None:
        url = urlparse(self.path)
        service = url.path.split("/")[2]
        if url.path.endswith("application.wadl"):
            known = service in ("dataselect", "station")
            content = (WADL / f"{service}.wadl").read_bytes() if known else b""
            self.answer(200 if known else 404, content)
        else:
            query = {key: v[0] for key, v in parse_qs(url.query).items()}
            start, end = UTCDateTime(query["starttime"]), UTCDateTime(query["endtime"])
            stream = Stream()
            for path in sorted(self.folder.rglob(f"*.{query['station']}.*")):
                if path.is_file():
                    stream += obspy.read(path, starttime=start, endtime=end)
            content = io.BytesIO()
            if stream:
                stream.write(content, "MSEED")
            self.answer(200 if stream else 204, content.getvalue())

    def do_POST(self) -> None:
        lines = self.rfile.read(int(self.headers["Content-Length"])).decode()
        inventory = Inventory([], source="test")
        level = "level=response" in lines
        for line in lines.splitlines():
            if "=" not in line:
                network, station, location, channel, *_ = line.split()
                inventory += self.inventory.select(
                    network, station, location.replace("--", ""), channel
                ).copy()
        for channel in (c for n in inventory for s in n for c in s):
            channel.response = channel.response if level else None
        content = io.BytesIO()
        inventory.write(content, "STATIONXML")
        self.answer(200, content.getvalue())

    def answer(self, status: int, content: bytes) -> None:
        self.send_response(status)
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status != 204:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def service(archive_folder, monkeypatch) -> Iterator[str]:
    """A data centre on this machine; its URL."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    Handler.folder = archive_folder / "archive"
    Handler.inventory = obspy.read_inventory(archive_folder / "stations.xml")
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield f"fdsn://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
    datacentre._client.cache_clear()


def test_a_data_centre(archive_folder, expected, service) -> None:
    same(correlated(archive_folder, "fdsn", [service], inventory=service), expected)


def test_metadata_of_a_data_centre_alone(archive_folder, expected, service) -> None:
    same(
        correlated(
            archive_folder, "meta", [archive_folder / "archive"], inventory=service
        ),
        expected,
    )


def test_a_data_centre_that_is_not_there(archive_folder, capsys) -> None:
    with pytest.raises(ParameterError, match="no data centre is known by this name"):
        station_metadata("fdsn://NOWHERE", NETWORK.channel_ids(), 0, 1)
    words = [
        "--stations",
        str(archive_folder / "stations.txt"),
        "--out",
        str(archive_folder / "none"),
    ]
    assert cli.main([*words, "--data", "fdsn://NOWHERE", *OPTIONS[:4]]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def scedc_name(trace: obspy.Trace) -> str:
    stats = trace.stats
    year, day = stats.starttime.year, f"{stats.starttime.julday:03d}"
    codes = f"{stats.network}{stats.station:_<5}{stats.channel}{stats.location}"
    return f"{year}/{year}_{day}/{codes}_{year}{day}.ms"


def test_an_object_store(archive_folder, expected, monkeypatch) -> None:
    pytest.importorskip("s3fs")
    moto = pytest.importorskip("moto.server")
    import s3fs

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    running = moto.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    try:
        host, port = running.get_host_and_port()
        for name, value in (
            ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
            ("AWS_ACCESS_KEY_ID", "somebody"),
            ("AWS_SECRET_ACCESS_KEY", "of the tests"),
        ):
            monkeypatch.setenv(name, value)
        files = s3fs.S3FileSystem()
        files.mkdir("days")
        for path, trace in days(archive_folder):
            files.pipe_file(f"days/waveforms/{scedc_name(trace)}", path.read_bytes())
        same(correlated(archive_folder, "s3", ["s3://days/waveforms"]), expected)
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
        running.stop()


def test_a_store_of_files(archive_folder, expected, tmp_path) -> None:
    pytest.importorskip("fsspec")
    for path, trace in days(archive_folder):
        place = tmp_path / scedc_name(trace)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    same(correlated(archive_folder, "file", [f"file://{tmp_path}"]), expected)
