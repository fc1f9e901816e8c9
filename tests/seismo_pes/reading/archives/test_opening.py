"""Opening archives of each layout, and selecting their channels."""

import math
import os
import pickle
import tempfile
from pathlib import Path

import numpy as np
import pytest
from obspy import Stream, Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.skipped import FAILED_READ
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern, parse_station_list
from seismo_pes.reading.archives.opening import open_archive, select
from seismo_pes.reading.archives.scan import channel_id_in_name, scan_ends
from seismo_pes.reading.archives.sds import SdsArchive
from tests.unseen import hide

DAY = UTCDateTime(2022, 1, 2)
DAYS = [(DAY.ns + i * DAY_NS, DAY.ns + (i + 1) * DAY_NS) for i in range(3)]
ANY = [StationPattern("*", "*")]


def trace(station="AAA", start=DAY, n=100, rate_hz=1.0, channel="LHZ"):
    header = {"network": "XX", "station": station, "channel": channel}
    data = np.arange(n, dtype="i4")
    return Trace(data, {**header, "starttime": start, "sampling_rate": rate_hz})


def sds_path(root: Path, day: UTCDateTime, station="AAA", channel="LHZ") -> Path:
    folder = root / f"{day.year}" / "XX" / station / f"{channel}.D"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"XX.{station}..{channel}.D.{day.year}.{day.julday:03d}"


@pytest.fixture
def sds(tmp_path):
    for station in ("AAA", "BBB"):
        for i in range(3):
            start = DAY + i * 86400
            part = trace(station, start, 86400)
            part.write(str(sds_path(tmp_path, start, station)), "MSEED")
    return tmp_path


# -- SDS ----------------------------------------------------------------------------


def test_sds_is_recognised(sds):
    archive = open_archive(sds)
    assert isinstance(archive, SdsArchive)
    channels = archive.channels()
    assert list(channels) == ["XX.AAA..LHZ", "XX.BBB..LHZ"]
    info = channels["XX.AAA..LHZ"]
    assert info.rates_hz == (1.0,)
    assert (info.start_ns, info.end_ns) == (DAYS[0][0], DAYS[2][1])
    assert len(info.files) == 3


def test_sds_opens_one_file_of_each_channel(sds, monkeypatch):
    opened = []

    def counting(path):
        opened.append(path)
        return scan_ends(path)

    monkeypatch.setattr("seismo_pes.reading.archives.sds.scan_ends", counting)
    archive = open_archive(sds)
    archive.channels(ANY)
    archive.channels(ANY)
    archive.spans(["XX.AAA..LHZ"], DAYS)
    assert len(opened) == 2


def test_sds_times_and_patterns_restrict(sds):
    archive = open_archive(sds)
    channels = archive.channels([StationPattern("XX", "B*")], *DAYS[1])
    assert list(channels) == ["XX.BBB..LHZ"]
    assert len(channels["XX.BBB..LHZ"].files) == 1
    assert not archive.channels(ANY, 0, 1)
    assert not archive.channels(ANY, codes=["BHZ"])


def test_sds_spans_have_their_neighbours(sds):
    archive = open_archive(sds)
    first, middle, _ = archive.spans(["XX.AAA..LHZ"], DAYS)
    assert (first.period, middle.period) == (0, 1)
    assert (first.n_before, first.n_after) == (0, 1)
    assert (middle.n_before, middle.n_after) == (1, 1)
    assert [Path(f).name[-3:] for f in middle.files] == ["002", "003", "004"]
    assert archive.files("XX.AAA..LHZ", *DAYS[1]) == middle.files
    assert pickle.loads(pickle.dumps(middle)) == middle


def test_sds_across_midnight_and_without_data(sds):
    archive = open_archive(sds)
    half = DAY_NS // 2
    (span,) = archive.spans(["XX.AAA..LHZ"], [(DAYS[0][0] + half, DAYS[1][0] + half)])
    assert len(span.files) - span.n_before - span.n_after == 2
    late = (DAYS[2][1], DAYS[2][1] + DAY_NS)
    assert archive.spans(["XX.AAA..LHZ", "XX.NONE..LHZ"], [late]) == []


def test_sds_year_end(tmp_path):
    days = [UTCDateTime(2020, 12, 31), UTCDateTime(2021, 1, 1)]
    for day in days:
        trace(start=day, n=86400).write(str(sds_path(tmp_path, day)), "MSEED")
    archive = open_archive(tmp_path)
    periods = [(day.ns, day.ns + DAY_NS) for day in days]
    first, second = archive.spans(["XX.AAA..LHZ"], periods)
    assert first.n_after == 1
    assert second.n_before == 1


# -- other folders ------------------------------------------------------------------


def test_folder_with_mixed_formats_and_bad_files(tmp_path):
    trace("AAA").write(str(tmp_path / "a.mseed"), "MSEED")
    trace("BBB").write(str(tmp_path / "b.sac"), "SAC")
    trace("CCC").write(str(tmp_path / "c.gse"), "GSE2")
    (tmp_path / "deep").mkdir()
    trace("DDD").write(str(tmp_path / "deep" / "[d] *?.mseed"), "MSEED")
    (tmp_path / "empty.mseed").touch()
    (tmp_path / "text.mseed").write_text("these are not the samples you look for\n")
    (tmp_path / "half.mseed").write_bytes((tmp_path / "a.mseed").read_bytes()[:60])
    for name in ("notes.txt", "s.xml", "LICENSE", ".hidden", "x.json", "p.png"):
        (tmp_path / name).write_text("x")
    archive = open_archive(tmp_path)
    stations = [i.split(".")[1] for i in archive.channels()]
    assert stations == ["AAA", "BBB", "CCC", "DDD"]
    assert {Path(s.what).name for s in archive.skipped} == {
        "empty.mseed",
        "text.mseed",
        "half.mseed",
    }
    assert {s.stage for s in archive.skipped} == {"scan"}
    spans = archive.spans(list(archive.channels()), [DAYS[0]])
    assert [s.formats for s in spans] == [("MSEED",), ("SAC",), ("GSE2",), ("MSEED",)]


def test_pattern_and_single_file(tmp_path):
    trace("AAA").write(str(tmp_path / "a.mseed"), "MSEED")
    trace("BBB").write(str(tmp_path / "b.txt"), "TSPAIR")
    assert len(open_archive(tmp_path).channels()) == 1
    assert len(open_archive(tmp_path / "*.txt").channels()) == 1
    assert len(open_archive(tmp_path / "b.txt").channels()) == 1
    assert len(open_archive(str(tmp_path / "**" / "*")).channels()) == 1
    for wrong in ("none", "*.sac"):
        with pytest.raises(ParameterError, match="no such file"):
            open_archive(tmp_path / wrong)


def test_a_match_that_cannot_be_looked_at_is_skipped(tmp_path, monkeypatch):
    trace("AAA").write(str(tmp_path / "a.mseed"), "MSEED")
    (tmp_path / "b.mseed").mkdir()  # perhaps a folder, and its files would be missing
    hide(monkeypatch, [tmp_path / "b.mseed"])
    archive = open_archive(tmp_path / "*.mseed")
    assert list(archive.channels()) == ["XX.AAA..LHZ"]
    (entry,) = archive.skipped
    assert (entry.stage, entry.what) == (FAILED_READ, str(tmp_path / "b.mseed"))
    assert "Input/output error" in entry.reason


def test_compressed_files(tmp_path):
    import gzip

    trace().write(str(tmp_path / "a.mseed"), "MSEED")
    data = (tmp_path / "a.mseed").read_bytes()
    (tmp_path / "a.mseed").unlink()
    (tmp_path / "a.mseed.gz").write_bytes(gzip.compress(data))
    (tmp_path / "bad.gz").write_bytes(b"no gzip")
    archive = open_archive(tmp_path)
    assert list(archive.channels()) == ["XX.AAA..LHZ"]
    assert [Path(s.what).name for s in archive.skipped] == ["bad.gz"]


def test_pickles_are_never_loaded(tmp_path):
    stream = Stream([trace()])
    (tmp_path / "x.pickle").write_bytes(pickle.dumps(stream))
    archive = open_archive(tmp_path)
    assert not archive.channels()
    assert "not a waveform format" in archive.skipped[0].reason


def test_several_channels_rates_and_traces_in_one_file(tmp_path):
    traces = [
        trace(),
        trace(start=DAY + 500),
        trace("BBB"),
        trace("BBB", start=DAY + 900, rate_hz=5.0),
    ]
    Stream(traces).write(str(tmp_path / "many.mseed"), "MSEED")
    archive = open_archive(tmp_path)
    channels = archive.channels()
    a, b = channels.values()
    assert (a.start_ns, a.end_ns) == (DAY.ns, (DAY + 600).ns)
    assert b.rates_hz == (1.0, 5.0)
    assert len(b.files) == 1
    assert all(len(s.files) == 1 for s in archive.spans(list(channels), DAYS))


def test_coordinates_of_sac_headers(tmp_path):
    for name, place in {
        "SET": {"stla": 35.0, "stlo": -118.0, "stel": 7.0},
        "UNSET": {},
        "SILLY": {"stla": 999.0, "stlo": 5.0},
    }.items():
        part = trace(name)
        part.stats.sac = place
        part.write(str(tmp_path / f"{name}.sac"), "SAC")
    channels = open_archive(tmp_path).channels()
    info = channels["XX.SET..LHZ"]
    assert (info.latitude, info.longitude, info.elevation_m) == (35.0, -118.0, 7.0)
    assert math.isnan(channels["XX.UNSET..LHZ"].latitude)
    assert math.isnan(channels["XX.SILLY..LHZ"].longitude)


@pytest.mark.parametrize(
    ("name", "channel_id"),
    [
        ("BKTHIS_LHZ10_2022002.ms", "BK.THIS.10.LHZ"),
        ("CICCA__BHN___2022002.ms", "CI.CCA..BHN"),
        ("CI.CCA.--.BHN.mseed", "CI.CCA..BHN"),
        ("A7K2.2022.137.0000.Z.sac", None),
        ("day.mseed", None),
    ],
)
def test_channel_in_a_file_name(name, channel_id):
    assert channel_id_in_name(name) == channel_id


def test_the_header_is_used_if_the_name_has_another_channel(tmp_path):
    trace().write(str(tmp_path / "XX.BBB..LHZ.mseed"), "MSEED")
    archive = open_archive(tmp_path)
    assert list(archive.channels()) == ["XX.AAA..LHZ"]
    (item,) = archive.skipped
    assert "name has XX.BBB..LHZ" in item.reason


def test_folder_link_loops_end(tmp_path):
    trace().write(str(tmp_path / "a.mseed"), "MSEED")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to(tmp_path / "gone")
    assert len(open_archive(tmp_path).channels()["XX.AAA..LHZ"].files) == 1


def as_an_ordinary_user(action):
    """Call ``action`` where root has no privileges; return the text it returns."""
    if os.geteuid() != 0:
        return action()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setuid(65534)  # nobody
            os.write(writer, action().encode())
        except Exception as error:
            os.write(writer, f"{error!r}".encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.waitpid(child, 0)
    with os.fdopen(reader) as stream:
        return stream.read()


def test_folder_without_permission():
    with (
        tempfile.TemporaryDirectory() as name
    ):  # other users cannot open the folder of pytest
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "closed").mkdir()
        open_archive(
            folder
        )  # first, because that user may not be able to read the modules
        (folder / "closed").chmod(0)
        try:
            answer = as_an_ordinary_user(
                lambda: "; ".join(s.reason for s in open_archive(folder).skipped)
            )
        finally:
            (folder / "closed").chmod(0o700)
    assert "Permission denied" in answer


# -- selection ----------------------------------------------------------------------


def test_select_lists_missing_stations(sds):
    archive = open_archive(sds)
    patterns = parse_station_list("XX AAA\nXX CCC\nXX.BBB.*.BHZ\n")
    selected, skipped = select(archive, patterns, "LH?,BHZ")
    assert list(selected) == ["XX.AAA..LHZ"]
    assert [s.what for s in skipped] == ["XX.CCC", "XX.BBB.*.BHZ"]
    assert f"no data in {sds}" in skipped[0].reason
    assert {s.stage for s in skipped} == {"select"}


def test_select_names_the_channels_of_the_archive(sds):
    patterns = parse_station_list("XX AAA\nXX BBB")
    trace("CCC", channel="BHZ").write(str(sds_path(sds, DAY, "CCC", "BHZ")), "MSEED")
    _, skipped = select(
        open_archive(sds), [*patterns, StationPattern("XX", "CCC")], "LHZ"
    )
    assert "it has BHZ" in skipped[0].reason


def test_rows_of_other_channels_are_not_missing(sds):
    rows = "net,sta,cha\nXX,AAA,LHE\nXX,AAA,LHZ\nXX,BBB,LHZ"
    selected, skipped = select(open_archive(sds), parse_station_list(rows), "LHZ")
    assert len(selected) == 2
    assert not skipped


def test_an_empty_selection_gives_one_clear_line(sds, tmp_path):
    with pytest.raises(ParameterError) as caught:
        select(open_archive(sds), parse_station_list("ZZ NONE"), "LHZ")
    text = str(caught.value)
    assert str(sds) in text
    assert "ZZ.NONE" in text
    assert "XX.AAA..LHZ" in text
    assert "\n" not in text
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(ParameterError, match="no waveforms at all"):
        select(open_archive(empty), ANY)


# -- real data ----------------------------------------------------------------------


def test_kansas(shared_data):
    archive = open_archive(shared_data / "kansas4")
    selected, skipped = select(archive, [StationPattern("KS", "*")], "LHZ")
    assert [i.split(".")[1] for i in selected] == ["A7K2", "B4Q8", "C9M3", "D2X6"]
    assert not skipped
    assert not archive.skipped
    assert all(len(info.files) == 7 for info in selected.values())
    assert selected["KS.A7K2.00.LHZ"].latitude == pytest.approx(38.499907, abs=1e-5)


def test_header_with_another_channel_than_the_name(shared_data):
    archive = open_archive(shared_data / "ci_cca_hec")
    assert [Path(s.what).name for s in archive.skipped] == ["BKTHIS_LHZ10_2022002.ms"]
    assert len(archive.channels()["BK.THIS.00.LHZ"].files) == 2
