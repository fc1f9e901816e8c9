"""miniSEED 3 beside the same records as miniSEED 2."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from dispel4py.errors import DataError
from seismo_pes import extras
from seismo_pes.preprocessing.segments import merge_segments
from seismo_pes.reading.archives.opening import open_archive
from seismo_pes.reading.formats.waveform_files import read_file
from seismo_pes.reading.spans import read_span

pytest.importorskip("pymseed")

# Twins hold the same records; those of version 2 have their times to the microsecond.
TWINS = (
    *("defaults", "float32", "float64", "int16", "int32", "mstlpack", "nsec"),
    *("oddrate", "olden", "repack", "steim1", "steim2", "text", "headeronly"),
)
MICROSECOND_NS = 1000


def samples(stream, origin_ns: int) -> dict[str, list[np.ndarray]]:
    segments, _ = merge_segments(stream, origin_ns)
    results: dict[str, list[np.ndarray]] = {}
    for segment in segments:
        results.setdefault(segment.channel_id, []).append(segment.data)
    return results


@pytest.mark.parametrize(
    "name",
    [f"reference-testdata-{name}" for name in TWINS]
    + ["testdata-3channel-signal", "testdata-oneseries-mixedlengths-mixedorder"],
)
def test_a_file_reads_as_its_twin(shared_data, name) -> None:
    three = read_file(shared_data / "mseed3" / f"{name}.mseed3")
    two = read_file(shared_data / "mseed3" / f"{name}.mseed2")
    assert {t.stats._format for t in three} == {"MSEED3"}
    assert {t.id for t in three} == {t.id for t in two}
    for trace in three:
        assert trace.stats.sampling_rate in {t.stats.sampling_rate for t in two}
    first = min(t.stats.starttime.ns for t in three)
    assert abs(first - min(t.stats.starttime.ns for t in two)) < MICROSECOND_NS
    if name.endswith(("text", "headeronly")):
        return
    a, b = samples(three, first), samples(two, first)
    assert a.keys() == b.keys()
    for channel_id, parts in a.items():
        for x, y in zip(parts, b[channel_id], strict=True):
            np.testing.assert_array_equal(x, y)


def test_every_file_of_the_set_is_scanned_and_read(shared_data) -> None:
    archive = open_archive(shared_data / "mseed3")
    files = sorted((shared_data / "mseed3").glob("*.mseed3"))
    info = archive.channels()["XX.TEST..BHZ"]
    reported = {s.what for s in archive.skipped}
    for path in files:
        known = any(str(path) in c.files for c in archive.channels().values())
        # text and a header without samples are no waveforms, and reported
        assert known or str(path) in reported, path
    assert 1080.0 in info.rates_hz
    assert not any("MSEED3" in s.reason for s in archive.skipped)


def test_nanoseconds_survive(shared_data) -> None:
    (trace,) = read_file(shared_data / "mseed3/reference-testdata-nsec.mseed3")
    assert trace.stats.starttime.ns == 1336780800123456789
    source = trace.stats.mseed3
    assert source == {"source_id": "FDSN:XX_TEST__B_H_Z", "publication_version": 1}


def test_only_the_channel_and_time_asked_for(shared_data) -> None:
    path = shared_data / "mseed3/testdata-3channel-signal.mseed3"
    whole = read_file(path)
    (part,) = read_file(
        path,
        channel_id="IU.COLA.00.LHZ",
        start_ns=whole[0].stats.starttime.ns + 2000 * 10**9,
        end_ns=whole[0].stats.starttime.ns + 2010 * 10**9,
    )
    assert part.id == "IU.COLA.00.LHZ"
    assert part.stats.npts < 400
    assert not read_file(path, channel_id="IU.COLA.00.BHZ")
    heads = read_file(path, headonly=True)
    assert [t.stats.npts for t in heads] == [4200] * 3
    assert not any(len(t.data) for t in heads)


def test_miniseed_3_and_2_are_read_from_one_archive(shared_data, tmp_path) -> None:
    for suffix in ("2", "3"):
        name = f"testdata-3channel-signal.mseed{suffix}"
        shutil.copy(shared_data / "mseed3" / name, tmp_path / name)
    archive = open_archive(tmp_path)
    (info,) = (c for c in archive.channels().values() if c.channel_id[-1] == "Z")
    (span,) = archive.spans([info.channel_id], [(info.start_ns, info.end_ns)])
    assert sorted(span.formats) == ["MSEED", "MSEED3"]
    stream, skipped = read_span(span)
    assert not skipped
    segments, remarks = merge_segments(stream, info.start_ns)
    assert not remarks  # the same samples twice: merged silently
    assert [len(s.data) for s in segments] == [4200]


@pytest.mark.parametrize("keep", [10, 100, 300])
def test_a_file_without_a_whole_record_gives_one_line(
    shared_data, tmp_path, keep
) -> None:
    path = tmp_path / "broken"
    good = (shared_data / "mseed3/reference-testdata-steim2.mseed3").read_bytes()
    path.write_bytes(good[:keep])
    with pytest.raises(DataError) as caught:
        read_file(path)
    assert "\n" not in str(caught.value)


def test_a_wrong_checksum_is_an_error(shared_data, tmp_path) -> None:
    path = tmp_path / "changed"
    name = "mseed3/reference-testdata-steim2.mseed3"
    changed = bytearray((shared_data / name).read_bytes())
    changed[200] ^= 0xFF
    path.write_bytes(bytes(changed))
    with pytest.raises(DataError, match="CRC"):
        read_file(path)


def test_an_incomplete_record_is_reported(shared_data, tmp_path, caplog) -> None:
    path = tmp_path / "cut"
    good = (shared_data / "mseed3/reference-testdata-steim2.mseed3").read_bytes()
    path.write_bytes(good[:-20])
    (trace,) = read_file(path)
    assert 0 < trace.stats.npts < 499
    assert "the last record is incomplete" in caplog.text


def test_without_the_package_the_message_names_it(
    shared_data, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(extras.importlib, "import_module", missing)
    with pytest.raises(DataError, match=r"miniSEED 3 needs .*pymseed.*\[mseed3\]"):
        read_file(shared_data / "mseed3/reference-testdata-steim2.mseed3")
