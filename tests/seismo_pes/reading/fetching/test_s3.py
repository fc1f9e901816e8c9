"""Day files in S3: a server on this machine that speaks its protocol."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from obspy import Trace, UTCDateTime

from dispel4py.errors import DataError, ParameterError
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern
from seismo_pes.reading.archives.archive import Archive
from seismo_pes.reading.archives.cloud import CloudArchive
from seismo_pes.reading.archives.opening import open_archive, select
from seismo_pes.reading.fetching import remote, retry
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import read_span

pytest.importorskip("s3fs")
server = pytest.importorskip("moto.server")

BUCKET = "seismic-days"
DAY = UTCDateTime(2022, 1, 2)
DAYS = [(DAY.ns + i * DAY_NS, DAY.ns + (i + 1) * DAY_NS) for i in range(2)]
NO_FORMAT = "not a waveform format that obspy can read"
KEY = {"key": "somebody", "secret": "of the tests"}
# station, location, day of the year; the second day of THAT is no miniSEED
FILES = [("THIS", "00", 2), ("THIS", "00", 3), ("THIS", "10", 2), ("THAT", "", 2)]


def day_file(station: str, location: str, julday: int, folder: Path) -> bytes:
    header = {"network": "CI", "station": station, "channel": "LHZ"}
    header |= {"location": location, "sampling_rate": 0.1}
    start = DAY + (julday - 2) * 86400
    trace = Trace(np.arange(8640, dtype=np.int32) + julday, header)
    trace.stats.starttime = start
    trace.write(str(folder / "day"), "MSEED")
    return (folder / "day").read_bytes()


def names() -> dict[str, tuple[str, str, int]]:
    """Return the files of the archive, by their paths as SCEDC has them."""
    return {
        f"2022/2022_{day:03d}/CI{station:_<5}LHZ{location:_<2}_2022{day:03d}.ms": (
            station,
            location,
            day,
        )
        for station, location, day in FILES
    }


@pytest.fixture(scope="module")
def local(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("waveforms")
    for name, what in names().items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(day_file(*what, root))
    (root / "day").unlink()
    (root / "2022/2022_003/CITHAT_LHZ___2022003.ms").write_bytes(b"no data" * 99)
    return root


@pytest.fixture(scope="module")
def endpoint():
    running = server.ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(scope="module")
def bucket(endpoint, local) -> str:
    """Return the URL of a copy of the archive, and set the address of S3 for fsspec."""
    import fsspec
    import s3fs

    fsspec.config.conf["s3"] = {"endpoint_url": endpoint, **KEY}
    files = s3fs.S3FileSystem(endpoint_url=endpoint, **KEY)
    files.mkdir(BUCKET)
    for path in local.rglob("*.ms"):
        name = path.relative_to(local)
        files.pipe_file(f"{BUCKET}/waveforms/{name}", path.read_bytes())
    yield f"s3://{BUCKET}/waveforms"
    del fsspec.config.conf["s3"]
    s3fs.S3FileSystem.clear_instance_cache()


def contents(archive: Archive) -> list[tuple[str, str]]:
    """Return the channels and samples of an archive, as they are read."""
    selected, skipped = select(archive, [StationPattern("*", "*")], "LHZ", *DAYS[0])
    assert not skipped
    results = []
    for span in archive.spans(list(selected), DAYS):
        stream, remarks = read_span(span)
        results += [
            (trace.id, f"{trace.stats.starttime} {trace.data.sum()}")
            for trace in stream
        ]
        results += [(item.what.rsplit("/")[-1], item.reason) for item in remarks]
    return results


def test_a_bucket_is_read_like_the_original_folder(bucket, local) -> None:
    far = open_archive(bucket)
    assert isinstance(far, CloudArchive)
    near = open_archive(f"file://{local}")
    results = contents(far)
    assert results == contents(near)
    ids = [name for name, _ in results]
    assert ids.count("CI.THIS.00.LHZ") == 2
    assert any("THAT" in name for name in ids)
    assert ("CITHAT_LHZ___2022003.ms", NO_FORMAT) in results


def test_only_the_beginning_of_a_file_is_fetched_for_its_header(
    bucket, monkeypatch
) -> None:
    requests = []
    original = remote.fetch

    def counting(url, n_bytes=None):
        requests.append(n_bytes)
        return original(url, n_bytes)

    monkeypatch.setattr("seismo_pes.reading.archives.cloud.fetch", counting)
    archive = open_archive(bucket)
    select(archive, [StationPattern("CI", "THIS")], "LHZ", *DAYS[0])
    assert requests
    assert all(requests)


def test_a_file_by_its_url(bucket, local) -> None:
    name = next(iter(names()))
    assert read_file(f"{bucket}/{name}") == read_file(str(local / name))


def test_missing_files_are_reported(bucket, monkeypatch) -> None:
    monkeypatch.setattr(retry, "WAITS_S", (0.0, 0.0))
    with pytest.raises(DataError, match="no such file"):
        read_file(f"{bucket}/2022/nothing.ms")
    with pytest.raises(DataError, match="nowhere"):
        read_file("s3://nowhere-at-all/nothing.ms")


def test_missing_credentials_give_one_line(monkeypatch, tmp_path) -> None:
    import fsspec
    import s3fs

    monkeypatch.delitem(fsspec.config.conf, "s3", raising=False)
    s3fs.S3FileSystem.clear_instance_cache()
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    with pytest.raises(ParameterError, match=r"s3://unknown/x: .*FSSPEC_S3_ANON=true"):
        open_archive("s3://unknown/x")
    with pytest.raises(DataError, match=r"s3://unknown/x\.ms: .*credentials"):
        read_file("s3://unknown/x.ms")


def test_a_user_names_the_server_in_the_environment(bucket, endpoint) -> None:
    program = (
        "from seismo_pes.reading.archives.opening import open_archive;"
        f"print(*open_archive({bucket!r}).channel_ids())"
    )
    environment = os.environ | {
        "FSSPEC_S3_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY["key"],
        "AWS_SECRET_ACCESS_KEY": KEY["secret"],
    }
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.split() == ["CI.THAT..LHZ", "CI.THIS.00.LHZ", "CI.THIS.10.LHZ"]
