"""Archives of day files at URLs, in file systems of fsspec."""

from __future__ import annotations

import bz2

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes import extras
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern
from seismo_pes.reading.archives import cloud
from seismo_pes.reading.archives.cloud import CloudArchive
from seismo_pes.reading.archives.opening import open_archive, select
from seismo_pes.reading.archives.pattern import LAYOUTS
from seismo_pes.reading.fetching import remote, retry
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import read_span

fsspec = pytest.importorskip("fsspec")

DAY = UTCDateTime(2022, 1, 2)
DAYS = [(DAY.ns + i * DAY_NS, DAY.ns + (i + 1) * DAY_NS) for i in range(2)]
ANY = [StationPattern("*", "*")]


@pytest.fixture
def memory():
    files = fsspec.filesystem("memory")
    yield files
    for path in files.find("/"):
        files.rm(path)
    files.store.clear()
    files.pseudo_dirs[:] = [""]


def put(files, path, tmp_path, day=DAY, station="THIS") -> None:
    header = {"network": "BK", "station": station, "channel": "HHZ", "location": "00"}
    trace = Trace(np.arange(8640, dtype=np.int32), header)
    trace.stats.starttime, trace.stats.sampling_rate = day, 0.1
    trace.write(str(tmp_path / "one"), "MSEED")
    files.pipe_file(path, (tmp_path / "one").read_bytes())


@pytest.mark.parametrize(
    ("layout", "names"),
    [
        ("SCEDC", "2022/2022_00{}/BKTHIS_HHZ00_202200{}.ms"),
        ("NCEDC", "BK/2022/2022.00{}/THIS.BK.HHZ.00.D.2022.00{}"),
    ],
)
def test_the_layouts_of_data_centres(memory, tmp_path, layout, names) -> None:
    for day in (2, 3):
        name = names.format(day, day)
        put(memory, f"/bucket/waveforms/{name}", tmp_path, DAY + (day - 2) * 86400)
    archive = open_archive("memory://bucket/waveforms")
    assert isinstance(archive, CloudArchive)
    selected, skipped = select(archive, [StationPattern("BK", "THIS")], "HH?")
    assert not skipped
    info = selected["BK.THIS.00.HHZ"]
    assert info.rates_hz == (0.1,)
    assert (info.start_ns, info.end_ns) == (DAYS[0][0], DAYS[1][1])
    spans = archive.spans(list(selected), DAYS)
    assert len(spans) == 2
    stream, skipped = read_span(spans[1])
    assert not skipped
    assert stream[0].stats.starttime.ns == DAYS[1][0]
    assert stream[0].stats.npts == 8640
    named = open_archive("memory://bucket/waveforms", layout=layout)
    assert named.channel_ids() == archive.channel_ids()


def test_only_the_days_needed_are_listed(memory, tmp_path, monkeypatch) -> None:
    for day in range(2, 30):
        name = f"2022/2022_{day:03d}/BKTHIS_HHZ00_2022{day:03d}.ms"
        put(memory, f"/bucket/{name}", tmp_path, DAY + (day - 2) * 86400)
    archive = open_archive("memory://bucket")
    listed = []
    original = cloud._list

    def counting(files, folder):
        listed.append(folder)
        return original(files, folder)

    monkeypatch.setattr(cloud, "_list", counting)
    archive = open_archive("memory://bucket")
    listed.clear()
    archive.channel_ids(ANY, *DAYS[0])
    assert 1 <= sum("/2022_" in folder for folder in listed) <= 5


def test_real_files_with_names_of_scedc(shared_data) -> None:
    archive = open_archive(f"file://{shared_data}/ci_cca_hec/s3scedc")
    assert archive.channel_ids() == [
        *("BK.THIS.00.LHZ", "BK.THIS.10.LHZ", "CI.FOX2..LHZ", "CI.NCH..LHZ")
    ]
    (span,) = archive.spans(["CI.FOX2..LHZ"], DAYS[:1])
    stream, skipped = read_span(span)
    assert not skipped
    assert stream[0].stats.npts > 3000
    (span,) = archive.spans(["BK.THIS.10.LHZ"], DAYS[:1])
    stream, skipped = read_span(span)
    assert not stream  # the header has another location, which is reported
    assert "its header has BK.THIS.00.LHZ" in skipped[0].reason


def test_a_pattern_with_placeholders(memory, tmp_path) -> None:
    put(memory, "/mine/THIS/BK-HHZ/2022.002", tmp_path)
    url = "memory://mine/{station}/{network}-{channel}/{year}.{julday}"
    archive = open_archive(url)
    assert archive.channel_ids() == ["BK.THIS..HHZ"]
    with pytest.raises(ParameterError, match="network, station, channel and year"):
        open_archive("memory://mine/{station}/*/{year}")


def test_a_compressed_file_at_a_url(memory, tmp_path) -> None:
    put(memory, "/mine/one", tmp_path)
    memory.pipe_file("/mine/one.bz2", bz2.compress(memory.cat_file("/mine/one")))
    assert read_file("memory://mine/one.bz2") == read_file("memory://mine/one")


def test_mistakes_are_named(memory, tmp_path) -> None:
    put(memory, "/odd/x/y", tmp_path)
    with pytest.raises(ParameterError, match="the folder is empty"):
        open_archive("memory://nowhere")
    with pytest.raises(ParameterError, match="layout 'SDDS'"):
        open_archive("memory://odd", layout="SDDS")
    memory.pipe_file("/strange/longfolder/file", b"x")
    with pytest.raises(ParameterError, match="neither the layout of SCEDC"):
        open_archive("memory://strange")
    with pytest.raises(ParameterError, match="nosuch"):
        open_archive("nosuch://bucket")
    with pytest.raises(DataError, match="no such file"):
        read_file("memory://nowhere/file")


def test_a_missing_package_is_named(monkeypatch) -> None:
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(ParameterError, match=r"s3://.*s3fs.*\[cloud\]"):
        open_archive("s3://scedc-pds/continuous_waveforms")


def test_public_buckets_are_read_without_credentials(monkeypatch) -> None:
    requests = {}

    class Fake:
        class core:
            @staticmethod
            def url_to_fs(url, **options):
                requests[url] = options
                return None, url

    monkeypatch.setattr(remote, "optional", lambda module: Fake)
    remote.filesystem("s3://ncedc-pds/x")
    remote.filesystem("s3://mine/x")
    assert requests == {"s3://ncedc-pds/x": {"anon": True}, "s3://mine/x": {}}


def test_a_temporary_failure_is_retried(monkeypatch) -> None:
    monkeypatch.setattr(retry, "WAITS_S", (0.0, 0.0))
    answers = [ConnectionError("reset"), TimeoutError(), "there"]

    def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retry.call_with_retries("it", ask) == "there"
    answers[:] = [ConnectionError("reset")] * 3
    with pytest.raises(DataError, match="it: reset"):
        retry.call_with_retries("it", ask)
    answers[:] = [PermissionError("no"), "never asked"]
    with pytest.raises(DataError, match="it: no"):
        retry.call_with_retries("it", ask)
    assert answers == ["never asked"]


def test_layouts_are_listed() -> None:
    assert {"SCEDC", "NCEDC", "BUD"} <= set(LAYOUTS)
