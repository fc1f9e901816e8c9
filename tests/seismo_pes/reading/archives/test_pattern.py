"""Archives that are searched by a pattern of their paths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from obspy import Trace, UTCDateTime

from dispel4py.errors import ParameterError
from seismo_pes.items.times import DAY_NS
from seismo_pes.metadata.stations import StationPattern
from seismo_pes.reading.archives import pattern as pattern_module
from seismo_pes.reading.archives.archive import ALL_TIME
from seismo_pes.reading.archives.opening import FolderArchive, open_archive
from seismo_pes.reading.archives.pattern import (
    LAYOUTS,
    PathPattern,
    PatternArchive,
    list_folder,
    time_interval,
)
from seismo_pes.reading.spans import read_span

DAY = UTCDateTime(2023, 12, 31)  # the last day of a year
DAYS = [(DAY.ns + i * DAY_NS, DAY.ns + (i + 1) * DAY_NS) for i in range(3)]
CUSTOM = "{year}/{network}/{station}/{channel}.{julday}.mseed"


def write(root, template, station="AAA", channel="LHZ", n_days=3, location="") -> None:
    for i in range(n_days):
        day = DAY + i * 86400
        header = {"network": "XX", "station": station, "channel": channel}
        header |= {"location": location, "starttime": day, "sampling_rate": 0.1}
        fields = {**header, "year": day.year, "julday": f"{day.julday:03d}"}
        fields["hour"] = "00"
        padded = template.replace(":2}", ":_<2}").replace(":5}", ":_<5}")
        path = root / padded.replace(":3}", ":_<3}").format(**fields)
        path.parent.mkdir(parents=True, exist_ok=True)
        Trace(np.full(8640, i, dtype=np.int32), header).write(str(path), "MSEED")


@pytest.mark.parametrize("layout", ["BUD", "IDDS", "PDF", "SCEDC", "NCEDC"])
def test_known_layouts(tmp_path, layout) -> None:
    for station in ("AAA", "BBB"):
        write(tmp_path, LAYOUTS[layout], station, location="00")
    archive = open_archive(tmp_path, layout=layout)
    channels = archive.channels([StationPattern("XX", "A*")])
    (info,) = channels.values()
    assert info.channel_id == "XX.AAA.00.LHZ"
    assert info.start_ns == DAYS[0][0]
    assert info.rates_hz == (0.1,)
    spans = archive.spans(["XX.AAA.00.LHZ"], DAYS)
    assert [len(s.files) - s.n_before - s.n_after for s in spans] == [1, 1, 1]
    stream, skipped = read_span(spans[1])
    assert not skipped
    assert set(stream[0].data) == {1}


def test_a_bud_is_recognised(tmp_path) -> None:
    write(tmp_path, LAYOUTS["BUD"])
    archive = open_archive(tmp_path)
    assert isinstance(archive, PatternArchive)
    assert list(archive.channels()) == ["XX.AAA..LHZ"]


def test_a_pattern_with_placeholders(tmp_path) -> None:
    write(tmp_path, CUSTOM)
    (tmp_path / "2024" / "notes.txt").write_text("not of the archive")
    (tmp_path / "2024/XX/AAA/LHZ.367.mseed").touch()  # no such day
    archive = open_archive(f"{tmp_path}/{CUSTOM}")
    assert isinstance(archive, PatternArchive)
    info = archive.channels()["XX.AAA..LHZ"]
    assert len(info.files) == 3
    assert (info.start_ns, info.end_ns) == (DAYS[0][0], DAYS[2][1])


def test_headers_are_read_if_names_are_incomplete(tmp_path) -> None:
    template = "{station}/{julday}-{year}.ms"
    write(tmp_path, template)
    archive = open_archive(f"{tmp_path}/{template}")
    assert isinstance(archive, FolderArchive)
    assert len(archive.channels()["XX.AAA..LHZ"].files) == 3


def test_only_the_folders_needed_are_listed(tmp_path) -> None:
    for station in ("AAA", "BBB"):
        write(tmp_path, CUSTOM, station)
    listed = []

    def counting(folder):
        listed.append(folder.removeprefix(str(tmp_path)))
        return list_folder(folder)

    pattern = PathPattern.parse(f"{tmp_path}/{CUSTOM}")
    archive = PatternArchive("x", pattern, counting)
    archive.channel_ids([StationPattern("XX", "AAA")], *DAYS[1])
    assert "/2024/XX/AAA" in listed
    assert not [name for name in listed if "BBB" in name]
    listed.clear()
    for _ in range(3):
        archive.spans(["XX.AAA..LHZ"], DAYS[1:2])
    assert listed == []
    archive = PatternArchive("x", pattern, counting)
    archive.channel_ids(None, *DAYS[0])
    archive.channel_ids(None, DAYS[0][0] + 500 * DAY_NS, DAYS[0][0] + 501 * DAY_NS)
    assert len(listed) == len(set(listed))


def test_files_added_for_other_times_are_found(tmp_path) -> None:
    write(tmp_path, CUSTOM, n_days=3)
    archive = open_archive(f"{tmp_path}/{CUSTOM}")
    far = [(DAYS[0][0] - 400 * DAY_NS, DAYS[0][0] - 399 * DAY_NS)]
    assert not archive.spans(["XX.AAA..LHZ"], far)
    assert len(archive.spans(["XX.AAA..LHZ"], DAYS)) == 3


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{year}/{staton}.ms", "unknown placeholder {staton}; did you mean 'station'"),
        ("{year}/{station.ms", "a brace is not closed or not opened"),
        ("{year}/{station}.ms", "no file matches this pattern"),
    ],
)
def test_mistakes_are_named(tmp_path, text, reason) -> None:
    with pytest.raises(ParameterError, match=reason):
        open_archive(f"{tmp_path}/{text}")


def test_an_unknown_layout_is_named(tmp_path) -> None:
    with pytest.raises(ParameterError, match="layout 'SDDS': not one of auto"):
        open_archive(tmp_path, layout="SDDS")


def test_a_header_with_another_channel_is_reported(tmp_path) -> None:
    write(tmp_path, CUSTOM.replace("{channel}", "BHZ.{channel}"), n_days=1)
    template = CUSTOM.replace("{channel}", "{channel}.LHZ")
    archive = open_archive(f"{tmp_path}/{template}")
    (span,) = archive.spans(["XX.AAA..BHZ"], DAYS[:1])
    stream, skipped = read_span(span)
    assert not stream
    assert "its header has XX.AAA..LHZ" in skipped[0].reason


@pytest.mark.parametrize(
    ("fields", "first", "n_hours"),
    [
        ({"year": "2024"}, "2024-01-01", 366 * 24),
        ({"year": "2024", "month": "02"}, "2024-02-01", 29 * 24),
        ({"year": "2024", "month": "02", "day": "29"}, "2024-02-29", 24),
        ({"year": "2024", "julday": "060", "hour": "23"}, "2024-02-29T23", 1),
    ],
)
def test_time_intervals(fields, first, n_hours) -> None:
    start_ns, end_ns = time_interval(fields)
    assert start_ns == UTCDateTime(first).ns
    assert end_ns - start_ns == n_hours * DAY_NS // 24


def test_days_that_do_not_exist_have_no_interval() -> None:
    assert time_interval({"year": "2023", "julday": "366"}) == (0, 0)
    assert time_interval({"year": "2023", "month": "13"}) == (0, 0)
    assert time_interval({"year": "2023", "month": "02", "day": "29"}) == (0, 0)
    assert time_interval({"julday": "001"}) == ALL_TIME


code = st.text("ABCXYZ019", min_size=1, max_size=5)


@given(network=code.map(lambda c: c[:2]), station=code, channel=st.just("HHZ"))
def test_a_path_gives_the_fields_of_its_pattern(network, station, channel) -> None:
    fields = {"network": network, "station": station, "channel": channel}
    fields |= {"location": "", "year": "2024", "julday": "060", "hour": "01"}
    for text in LAYOUTS.values():
        path_text = text.replace(":2}", ":_<2}").replace(":5}", ":_<5}")
        names = path_text.replace(":3}", ":_<3}").format(**fields).split("/")
        pattern = PathPattern.parse(text)
        assert pattern.is_complete()
        values: dict[str, str] | None = {}
        for level, name in enumerate(names):
            assert values is not None
            values = pattern.match(level, name, values)
        assert values is not None
        assert {**fields, **values} == fields
        assert pattern_module.time_interval(values)[1] > 0
