"""Station lists, coordinates, geodesics."""

import math
import pickle

import numpy as np
import pytest
from geographiclib.geodesic import Geodesic
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import UTCDateTime
from obspy.core.inventory import Channel as XmlChannel
from obspy.core.inventory import Inventory, Network, Station

from dispel4py.errors import ParameterError
from seismo_pes.metadata.geodesy import geodesic
from seismo_pes.metadata.inventory import StationInventories, read_inventory
from seismo_pes.metadata.stations import (
    Channel,
    PatternIndex,
    StationPattern,
    locate,
    parse_station_list,
    read_station_list,
)

NAN = math.nan


def codes(text):
    return [p.codes for p in parse_station_list(text)]


# -- the list -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CI CCA", ("CI", "CCA", "*", "*")),
        ("CI.CCA", ("CI", "CCA", "*", "*")),
        ("CI.CCA.--.BHN", ("CI", "CCA", "", "BHN")),
        ("CI.CCA..BHN", ("CI", "CCA", "", "BHN")),
        ("CI.C*.00.BH?", ("CI", "C*", "00", "BH?")),
        ("CI CCA -- BHN", ("CI", "CCA", "", "BHN")),
        ("CI CCA 00 BHN", ("CI", "CCA", "00", "BHN")),
        ("7A 123A", ("7A", "123A", "*", "*")),
        ("CI,CCA", ("CI", "CCA", "*", "*")),
        ("* *", ("*", "*", "*", "*")),
    ],
)
def test_lines(line, expected):
    assert codes(line) == [expected]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CI CCA 35.1 -118.0", (35.1, -118.0, NAN)),
        ("CI.CCA,35.1,-118.0,700", (35.1, -118.0, 700.0)),
        ("CI CCA 00 BHN 35.1 -118.0 7  # hill", (35.1, -118.0, 7.0)),
        ("CI CCA 10 20", (10.0, 20.0, NAN)),
    ],
)
def test_coordinates_on_a_line(line, expected):
    (p,) = parse_station_list(line)
    np.testing.assert_equal((p.latitude, p.longitude, p.elevation_m), expected)


def test_comments_blank_lines_windows_line_ends_and_byte_order_mark(tmp_path):
    path = tmp_path / "list.txt"
    path.write_bytes(b"\xef\xbb\xbf# stations\r\n\r\nCI CCA\r\n  CI.HEC # and\r\n")
    patterns = read_station_list(path)
    assert [p.name for p in patterns] == ["CI.CCA", "CI.HEC"]
    assert patterns[1].source.endswith("list.txt:4")


@pytest.mark.parametrize(
    "header",
    [
        "network,station,location,channel,latitude,longitude,elevation",
        "net,sta,loc,cha,lat,lon,elev",
        "Network,Station,Location,Channel,Latitude,Longitude,Elevation",
    ],
)
@pytest.mark.parametrize("separator", [",", "\t", ";", "|"])
def test_tables(header, separator):
    row = "CI,CCA,00,BHN,35.1,-118,700".replace(",", separator)
    (p,) = parse_station_list(header.replace(",", separator) + "\n" + row)
    assert p.codes == ("CI", "CCA", "00", "BHN")
    assert (p.latitude, p.longitude, p.elevation_m) == (35.1, -118.0, 700.0)


def test_table_in_any_order_with_other_columns_and_empty_cells():
    text = 'name,"site",lat,net\nCCA,"Hill, high",35,CI\nHEC,,,\n'
    assert codes(text) == [("CI", "CCA", "*", "*"), ("*", "HEC", "*", "*")]


def test_text_format_of_fdsn_services():
    text = "#Network|Station|Latitude|Longitude|Elevation|SiteName\nCI|CCA|35|-118|7|X"
    assert codes(text) == [("CI", "CCA", "*", "*")]


def test_duplicates_are_merged():
    (p,) = parse_station_list("CI CCA\nCI CCA 35 -118\nCI.CCA 35 -118")
    assert p.latitude == 35.0


def test_contradicting_duplicates_are_logged(caplog):
    (p,) = parse_station_list("CI CCA 35 -118\nCI CCA 36 -118")
    assert p.latitude == 35.0
    assert "list.txt:2" in caplog.text


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("CI CCA\nCCA", "x.txt:2"),
        ("CI CCA 35.1", "x.txt:1"),
        ("CI CCA 35.1 x", "x.txt:1"),
        ("CI CCA 35 -118 7 8", "x.txt:1"),
        ("CI CCA -118 35", "latitude comes first"),
        ("CI CCA 35 999", "not on Earth"),
        ("CI C[A", "x.txt:1"),
        ("CI.CCA.00.BHZ.D", "x.txt:1"),
        ("", "no station"),
        ("# nothing\n", "no station"),
        ("network,station\nCI", "x.txt:2"),
        ("network,station\nCI,", "x.txt:2"),
        ("station,lat,lon\nCCA,north,5", "'north'"),
        ("\x00\x01 \x02", "x.txt:1"),
    ],
)
def test_mistakes_name_file_and_line(text, named):
    with pytest.raises(ParameterError, match=r"x\.txt") as caught:
        parse_station_list(text, "x.txt")
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


def test_missing_and_binary_list(tmp_path):
    with pytest.raises(ParameterError, match=r"none\.txt"):
        read_station_list(tmp_path / "none.txt")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ParameterError, match="UTF-8"):
        read_station_list(tmp_path / "binary")


@given(st.text(max_size=60))
@settings(max_examples=100, deadline=None)
def test_any_text_is_parsed_or_refused(text):
    try:
        patterns = parse_station_list(text)
    except ParameterError:
        return
    assert patterns


def test_real_lists(shared_data):
    patterns = read_station_list(shared_data / "ci_cca_hec" / "station.csv")
    assert patterns[0].codes == ("CI", "ARV", "*", "BHE")
    assert patterns[0].elevation_m == 258.0
    patterns = read_station_list(shared_data / "kansas4" / "station_geo.tsv")
    assert patterns[1].codes == ("KS", "B4Q8", "00", "*")
    assert patterns[1].longitude == -98.527737


def test_pattern_index_agrees_with_matching_one_by_one():
    patterns = parse_station_list("CI CCA\nCI.C*..BH?\n* HEC\nXX.CCA.00.BHZ")
    index = PatternIndex(patterns)
    for id_ in ("CI.CCA..BHN", "CI.CXX.00.BHZ", "XX.HEC..LHZ", "XX.CCA.00.BHZ", "A.B"):
        assert index.matching(id_) == [p for p in patterns if p.matches(id_)]
    assert index.stations_among([("CI", "CCA"), ("ZZ", "ZZZ")]) == [("CI", "CCA")]


def test_channel_parts_and_pickle():
    channel = Channel("CI.CCA..BHN", 1.0, 2.0)
    assert (channel.network, channel.station) == ("CI", "CCA")
    assert (channel.location, channel.code) == ("", "BHN")
    assert pickle.loads(pickle.dumps(channel)).latitude == 1.0


# -- coordinates --------------------------------------------------------------------


def inventory(*epochs, station=(1.0, 2.0, 3.0), span=(None, None)):
    """Make one station with channel epochs of (start, end, latitude)."""
    channels = [
        XmlChannel("BHZ", "", lat, 20.0, 5.0, 0.0, start_date=a, end_date=b)
        for a, b, lat in epochs
    ]
    place = Station(
        "AAA", *station, channels=channels, start_date=span[0], end_date=span[1]
    )
    return Inventory([Network("XX", stations=[place])], source="test")


YEAR = [UTCDateTime(y, 1, 1) for y in range(2018, 2026)]
ID = "XX.AAA..BHZ"


def test_list_before_stationxml_before_headers():
    xml = inventory((YEAR[0], None, 10.0))
    header = {ID: Channel(ID, 7.0, 8.0, 9.0)}
    listed = [StationPattern("XX", "AAA", latitude=50.0, longitude=60.0)]
    channels, skipped = locate([ID], listed, xml, header)
    # the list has no elevation; the next source that has one gives it
    assert channels[ID] == Channel(ID, 50.0, 60.0, 5.0)
    assert locate([ID], [], xml, header)[0][ID] == Channel(ID, 10.0, 20.0, 5.0)
    assert locate([ID], [], None, header)[0][ID] == header[ID]
    assert not skipped


def test_the_epoch_that_covers_the_run():
    xml = inventory((YEAR[0], YEAR[1], 10.0), (YEAR[1], None, 11.0))
    channels, _ = locate([ID], [], xml, None, YEAR[0].ns, YEAR[0].ns + 1)
    assert channels[ID].latitude == 10.0
    channels, _ = locate([ID], [], xml, None, YEAR[1].ns - 10, YEAR[1].ns + 100)
    assert channels[ID].latitude == 11.0


def test_coordinates_of_the_station_if_the_channel_has_none():
    channels, _ = locate(["XX.AAA.00.LHZ"], [], inventory((YEAR[0], None, 10.0)))
    assert channels["XX.AAA.00.LHZ"].latitude == 1.0


def test_missing_zero_and_other_epochs_are_listed():
    channels, (item,) = locate([ID])
    assert math.isnan(channels[ID].latitude)
    assert (item.stage, item.what) == ("coordinates", ID)
    zero = [StationPattern("XX", "AAA", latitude=0.0, longitude=0.0)]
    channels, (item,) = locate([ID], zero)
    assert math.isnan(channels[ID].longitude)
    assert "0, 0" in item.reason
    assert locate([ID], zero, inventory((None, None, 10.0)))[0][ID].latitude == 10.0
    xml = inventory((YEAR[0], YEAR[1], 10.0), span=(YEAR[0], YEAR[1]))
    _, (item,) = locate([ID], [], xml, None, YEAR[3].ns, YEAR[4].ns)
    assert "no epoch of its StationXML" in item.reason


def test_read_inventory_of_a_folder_with_a_broken_file(tmp_path):
    inventory((YEAR[0], None, 10.0)).write(str(tmp_path / "a.xml"), "STATIONXML")
    (tmp_path / "b.xml").write_text("<FDSNStationXML><broken")
    (tmp_path / "c.xml").write_text("<q:quakeml/>")
    (tmp_path / "[odd].xml").write_bytes((tmp_path / "a.xml").read_bytes())
    read, (item,) = read_inventory(tmp_path)
    assert len(read.networks) == 2
    assert item.what.endswith("b.xml")
    assert read_inventory(tmp_path / "a.xml")[1] == []
    assert read_inventory(str(tmp_path / "a*.xml"))[1] == []
    for bad in ("none.xml", "b.xml", "*.seed"):
        with pytest.raises(ParameterError, match="inventory"):
            read_inventory(tmp_path / bad)


def test_real_inventory(shared_data):
    read, skipped = read_inventory(shared_data / "ci_cca_hec")
    assert not skipped
    channels, _ = locate(["CI.CCA..BHN", "CI.HEC..BHN"], [], read)
    a, b = channels.values()
    distance_km, _, _ = geodesic(a.latitude, a.longitude, b.latitude, b.longitude)
    assert float(distance_km) == pytest.approx(157.644, abs=5e-4)


# -- geodesics ----------------------------------------------------------------------


def reference(lat1, lon1, lat2, lon2):
    line = Geodesic.WGS84.Inverse(lat1, lon1, lat2, lon2)
    return line["s12"], line["azi1"], line["azi2"] + 180


def angle(a, b):
    return abs((a - b + 180) % 360 - 180)


@pytest.mark.parametrize("spread_deg", [180.0, 5.0, 0.01])
def test_geodesic_agrees_with_geographiclib(spread_deg):
    rng = np.random.default_rng(3)
    n = 1500
    lat1 = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    lon1 = rng.uniform(-180, 360, n)
    if spread_deg == 180.0:
        lat2 = np.degrees(np.arcsin(rng.uniform(-1, 1, n)))
    else:
        lat2 = np.clip(lat1 + rng.uniform(-1, 1, n) * spread_deg, -90, 90)
    lon2 = lon1 + rng.uniform(-1, 1, n) * spread_deg
    distance_km, azimuth, back = geodesic(lat1, lon1, lat2, lon2)
    for i in range(n):
        s12, azi1, azi2 = reference(*(float(x[i]) for x in (lat1, lon1, lat2, lon2)))
        assert abs(distance_km[i] * 1000 - s12) < 1e-3
        assert angle(azimuth[i], azi1) < 1e-6
        assert angle(back[i], azi2) < 1e-6


@pytest.mark.parametrize(
    "points",
    [
        (0.0, 0.0, 0.0, 179.9),
        (0.0, 0.0, 0.5, 179.7),
        (30.0, 0.0, -30.0, 180.0),
        (90.0, 0.0, -90.0, 50.0),
        (90.0, 0.0, 10.0, 50.0),
        (0.0, 179.5, 0.0, -179.5),
        (-45.0, 10.0, 44.9, -170.5),
    ],
)
def test_geodesic_where_vincenty_fails(points):
    distance_km, azimuth, back = geodesic(*points)
    s12, azi1, azi2 = reference(*points)
    assert abs(distance_km * 1000 - s12) < 1e-3
    assert angle(azimuth, azi1) < 1e-6
    assert angle(back, azi2) < 1e-6


def test_geodesic_of_coinciding_and_unknown_points():
    # the radial direction is north at both: azimuth, and back-azimuth plus 180
    assert [float(x) for x in geodesic(10.0, 20.0, 10.0, 380.0)] == [0.0, 0.0, 180.0]
    assert all(math.isnan(x) for x in geodesic(NAN, 0.0, 1.0, 1.0))
    distance_km, _, _ = geodesic([0.0, NAN], 0.0, [[1.0], [2.0]], 0.0)
    assert distance_km.shape == (2, 2)
    assert np.isnan(distance_km).tolist() == [[False, True], [False, True]]
    assert geodesic([], [], [], [])[0].shape == (0,)
    with pytest.raises(ParameterError, match="latitude"):
        geodesic(91.0, 0.0, 0.0, 0.0)


def test_the_inventory_of_one_station_has_all_of_its_epochs():
    a, again, b, other = (Station(code, 1, 2, 3) for code in ("A", "A", "B", "A"))
    networks = [Network("XX", stations=[a, b]), Network("XX", stations=[again])]
    whole = Inventory([*networks, Network("YY", stations=[other])])
    parts = StationInventories(whole)
    station_part = parts.of("XX.A.00.BHZ")
    assert [network.code for network in station_part] == ["XX", "XX"]
    assert [station for network in station_part for station in network] == [a, again]
    assert not parts.of("XX.C..BHZ").networks
    assert len(whole.networks) == 3
