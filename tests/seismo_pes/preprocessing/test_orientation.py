"""Rotation of components, by geometry and against obspy."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from obspy import Inventory, Stream, Trace, UTCDateTime
from obspy.core.inventory import Channel, Network, Station
from obspy.signal.rotate import rotate2zne, rotate_ne_rt

from dispel4py.errors import DataError
from seismo_pes.items.correlation import Correlation
from seismo_pes.preprocessing.orientation import (
    NOMINAL,
    Orient,
    Rotate,
    orient,
    rotate,
    rotate_pair,
)
from seismo_pes.signal.errors import ParameterError
from seismo_pes.signal.rotation import directions, to_rt, to_zne
from seismo_pes.stacking.rotation import RotateTensor, rotate_correlations

angles = st.floats(-720, 720)


def stream(codes, data, station="AAA"):
    header = {"network": "XX", "station": station, "starttime": UTCDateTime(2024, 1, 1)}
    return Stream(
        [
            Trace(row, header | {"channel": c})
            for c, row in zip(codes, data, strict=True)
        ]
    )


def inventory(**directions):
    channels = [
        Channel(code, "", 0, 0, 0, 0, azimuth=azimuth, dip=dip)
        for code, (azimuth, dip) in directions.items()
    ]
    station = Station("AAA", 0, 0, 0, channels=channels)
    return Inventory([Network("XX", [station])])


def noise(*shape, dtype=np.float64):
    return np.random.default_rng(1).standard_normal(shape).astype(dtype)


@settings(max_examples=30, deadline=None)
@given(st.tuples(angles, angles, angles), st.floats(-30, 30))
def test_the_ground_motion_is_recovered(azimuths, dip):
    dips = [dip - 90, dip, 0.0]
    ground = noise(3, 7)
    axes = directions(azimuths, dips)
    if abs(np.linalg.det(axes)) < 0.05:
        with pytest.raises(ParameterError, match="plane"):
            to_zne(axes @ ground, azimuths, dips)
        return
    assert np.allclose(to_zne(axes @ ground, azimuths, dips), ground, atol=1e-9)


def test_against_obspy():
    data, azimuth, dip = noise(3, 50), [12.0, 140.0, 250.0], [-70.0, 10.0, -15.0]
    parts = (x for row in zip(data, azimuth, dip, strict=True) for x in row)
    expected = rotate2zne(*parts)
    assert np.allclose(to_zne(data, azimuth, dip), expected, atol=1e-12)
    # obspy's back-azimuth points to the source, our radial away from it
    radial, transverse = rotate_ne_rt(data[0], data[1], 37.0)
    ours = to_rt(data[0], data[1], 37.0 + 180)
    assert np.allclose(ours, [radial, transverse], atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(angles)
def test_rotation_keeps_the_energy_and_can_be_reversed(radial_deg):
    north, east = noise(2, 11)
    radial, transverse = to_rt(north, east, radial_deg)
    assert np.allclose(radial**2 + transverse**2, north**2 + east**2)
    assert np.allclose(to_rt(radial, transverse, -radial_deg), [north, east])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_types_are_kept(dtype):
    data = noise(3, 5, dtype=dtype)
    assert to_zne(data, [0, 90, 0], [0, 0, -90]).dtype == dtype
    assert to_rt(data[0], data[1], 3.0).dtype == dtype


def test_mistakes():
    with pytest.raises(ParameterError, match="not of shape"):
        to_zne(np.ones((2, 4)), [0, 90], [0, 0])
    with pytest.raises(ParameterError, match="finite"):
        to_zne(np.ones((3, 4)), [0, 90, np.nan], [0, 0, 0])
    with pytest.raises(ParameterError, match="fit"):
        directions([0.0], [0.0, 1.0])
    with pytest.raises(ParameterError, match="fit"):
        to_rt(np.ones(3), np.ones(4), 0.0)
    with pytest.raises(ParameterError, match="radial_deg"):
        to_rt(np.ones(3), np.ones(3), np.inf)


# -- streams ------------------------------------------------------------------------


def test_orient_uses_true_directions_not_codes():
    ground = noise(3, 40)  # Z, N, E
    turned = inventory(BH1=(30.0, 0.0), BH2=(120.0, 0.0), BHZ=(0.0, -90.0))
    axes = directions([30.0, 120.0, 0.0], [0.0, 0.0, -90.0])
    recorded = stream(["BH1", "BH2", "BHZ"], axes @ ground)
    result = orient(recorded, turned)
    assert [t.stats.channel for t in result] == ["BHZ", "BHN", "BHE"]
    assert np.allclose([t.data for t in result], ground)
    level = orient(recorded.select(channel="BH[12]"), turned)
    assert [t.stats.channel for t in level] == ["BHN", "BHE"]
    assert np.allclose([t.data for t in level], ground[1:])


def test_an_inverted_vertical_is_put_right():
    ground = noise(3, 8)
    upside = inventory(BHZ=(0.0, 90.0), BHN=(0.0, 0.0), BHE=(90.0, 0.0))
    data = ground * np.array([[-1.0], [1], [1]])
    result = orient(stream(["BHZ", "BHN", "BHE"], data), upside)
    assert np.allclose([t.data for t in result], ground)


def test_instruments_that_cannot_be_oriented_are_reported():
    known = inventory(BH1=(30.0, 0.0), BH2=(120.0, 0.0), BHZ=(None, None))
    pe = Orient(known)
    pe.preprocess()
    for codes, reason in ((["BH1"], "three components"), (["BHZ"], "azimuth and dip")):
        result = list(pe.process({"input": stream(codes, noise(len(codes), 5))}))
        assert reason in result[0]["skipped"].reason


def test_rotate_needs_north_and_east():
    pe = Rotate(radial_deg=90.0)
    both = stream(["BHZ", "BHN", "BHE"], noise(3, 6))
    ((output),) = list(pe.process({"input": both}))
    result = output["output"]
    assert [t.stats.channel for t in result] == ["BHZ", "BHR", "BHT"]
    assert np.allclose(result[1].data, both[2].data)
    assert np.allclose(result[2].data, -both[1].data)
    skipped, _ = list(pe.process({"input": stream(["BH1", "BH2"], noise(2, 6))}))
    assert "orient" in skipped["skipped"].reason


def test_radial_points_from_first_to_second_at_both():
    # a wave that goes north-east moves both stations along its way
    push = np.array([[1.0], [1.0]]) / np.sqrt(2)
    first, second = (stream(["BHN", "BHE"], push, name) for name in ("AAA", "BBB"))
    for output in rotate_pair(first, second, 45.0, 225.0):
        assert np.allclose([t.data[0] for t in output], [1.0, 0.0], atol=1e-12)


def test_directions_that_change_are_valid_for_their_part():
    ground = noise(3, 4000)
    change = UTCDateTime(2024, 1, 1) + 2000
    channels = [
        Channel(code, "--", 0, 0, 0, 0, azimuth=azimuth + turn, dip=0.0, **times)
        for turn, times in ((0, {"end_date": change}), (180, {"start_date": change}))
        for code, azimuth in (("BH1", 30.0), ("BH2", 120.0))
    ]
    # a vertical needs no azimuth
    channels.append(Channel("BHZ", "", 0, 0, 0, 0, dip=-90.0))
    turned = Inventory([Network("XX", [Station("AAA", 0, 0, 0, channels=channels)])])
    axes = directions([30.0, 120.0, 0.0], [0.0, 0.0, -90.0])
    data = axes @ ground
    data[:2, 2000:] *= -1
    result = orient(stream(["BH1", "BH2", "BHZ"], data), turned)
    assert len(result) == 6
    for letter, row in zip("ZNE", ground, strict=True):
        parts = result.select(channel=f"BH{letter}")
        assert np.allclose(np.concatenate([part.data for part in parts]), row)
        assert parts[1].stats.starttime == change


@pytest.mark.parametrize("dip", [90.0, -90.0, 88.0, 60.0])
def test_a_vertical_alone(dip):
    ground = noise(1, 8)
    recorded = stream(["BHZ"], -np.sign(dip) * ground)
    if dip == 60.0:
        with pytest.raises(DataError, match=r"XX.AAA..BHZ \(dip 60\)"):
            orient(recorded, inventory(BHZ=(0.0, dip)))
        return
    (result,) = orient(recorded, inventory(BHZ=(None, dip)))
    assert result.id == "XX.AAA..BHZ"
    assert np.array_equal(result.data, ground[0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    ("code", "azimuth", "dip"),
    [
        ("BHZ", 0.0, -75.0), ("BHZ", 40.0, 70.0), ("BHZ", None, 90.0),
        ("BHN", 180.0, 0.0), ("BHE", 275.0, 0.0), ("BHN", 20.0, 0.0),
        ("BHE", 90.0, 12.0),
    ],
)  # fmt: skip
def test_a_single_component_has_the_amplitude_of_its_code(code, azimuth, dip, dtype):
    """Without motion across, the true motion is restored, with its polarity."""
    along = NOMINAL[code[-1]]
    one, other = directions([along[0], azimuth or 0.0], [along[1], dip])
    motion = noise(1, 50, dtype=dtype)
    pe = Orient(inventory(**{code: (azimuth, dip)}))
    pe.preprocess()
    *remarks, output = pe.process(
        {"input": stream([code], motion * dtype(one @ other))}
    )
    (result,) = output["output"]
    assert result.data.dtype == dtype
    assert result.stats.channel == code
    # a few degrees are within the accuracy of orientations, and stay
    inclined = abs(one @ other) < np.cos(np.radians(5)) - 1e-6
    tolerance = 1e-5 if inclined else 4e-3
    np.testing.assert_allclose(result.data, motion[0], rtol=tolerance)
    assert len(remarks) == inclined
    assert all("the cosine" in remark["skipped"].reason for remark in remarks)


@pytest.mark.parametrize(
    ("code", "azimuth", "dip"),
    [("BHZ", 0.0, -55.0), ("BHN", 90.0, 0.0), ("BH1", 0.0, 0.0), ("BHE", 90.0, 90.0)],
)
def test_a_single_component_far_from_its_code_is_listed(code, azimuth, dip):
    pe = Orient(inventory(**{code: (azimuth, dip)}))
    pe.preprocess()
    skipped, output = pe.process({"input": stream([code], noise(1, 8))})
    assert "three components are needed" in skipped["skipped"].reason
    assert not output["output"]


def test_unknown_directions_of_a_part_are_listed():
    change = UTCDateTime(2024, 1, 1) + 50
    channels = [
        Channel("BHZ", "", 0, 0, 0, 0, azimuth=0.0, dip=90.0, start_date=change)
    ]
    pe = Orient(
        Inventory([Network("XX", [Station("AAA", 0, 0, 0, channels=channels)])])
    )
    pe.preprocess()
    skipped, output = pe.process({"input": stream(["BHZ"], noise(1, 100))})
    assert "from 2024-01-01T00:00:00" in skipped["skipped"].reason
    ((part),) = output["output"]
    assert part.stats.starttime == change - 2  # the tolerance
    assert np.array_equal(part.data, -noise(1, 100)[0, 48:])


# -- tensors ------------------------------------------------------------------------


def nine(ground_a, ground_b, azimuth=30.0):
    rows = {}
    for i, a in enumerate("ZNE"):
        for j, b in enumerate("ZNE"):
            c = np.correlate(ground_b[j], ground_a[i], "full")[None]
            rows[a + b] = Correlation.of(
                f"XX.AAA..HH{a}",
                f"XX.BBB..HH{b}",
                c,
                10.0,
                azimuth_deg=azimuth,
                back_azimuth_deg=azimuth + 180,
                distance_km=10.0,
            )
    return list(rows.values())


def test_rotated_correlations_are_correlations_of_rotated_records():
    a, b = noise(3, 12), noise(6, 12)[3:]
    result = {c.first[-1] + c.second[-1]: c for c in rotate_correlations(nine(a, b))}
    assert list(result) == ["ZZ", "ZR", "ZT", "RZ", "RR", "RT", "TZ", "TR", "TT"]
    turn = [np.vstack([x[:1], to_rt(x[1], x[2], 30.0)]) for x in (a, b)]
    for i, item in enumerate("ZRT"):
        for j, other in enumerate("ZRT"):
            expected = np.correlate(turn[1][j], turn[0][i], "full")
            assert np.allclose(result[item + other].data[0], expected)
            assert result[item + other].distance_km == 10.0


def test_tensor_element_waits_for_nine_and_reports_missing_correlations():
    pe, written = RotateTensor(), []
    pe._writer = lambda port, item: written.append((port, item))
    full = nine(noise(3, 5), noise(3, 5))
    result = [x for c in full for x in pe.process({"input": c})]
    assert len(result) == 9
    assert all("output" in x for x in result)
    for c in full[:8]:
        assert not list(pe.process({"input": c}))
    pe.postprocess()
    ((port, skipped),) = written
    assert port == "skipped"
    assert "lacks EE" in skipped.reason


@pytest.mark.parametrize("back_azimuth", [0.0, 180.0])
def test_sensors_at_one_place_have_the_same_radial(back_azimuth):
    ground = noise(3, 12)
    tensor = [
        replace(c, distance_km=0.0, azimuth_deg=0.0, back_azimuth_deg=back_azimuth)
        for c in nine(ground, ground)
    ]
    result = {c.first[-1] + c.second[-1]: c for c in rotate_correlations(tensor)}
    given = {c.first[-1] + c.second[-1]: c for c in tensor}
    for rotated, fixed in (("RR", "NN"), ("TT", "EE"), ("ZR", "ZN"), ("RZ", "NZ")):
        assert np.allclose(result[rotated].data, given[fixed].data)
    assert result["RR"].data.max() > 0


def test_streams_at_one_place_have_the_same_radial():
    from seismo_pes.metadata.geodesy import geodesic

    first, second = (stream(["BHN", "BHE"], noise(2, 20), name) for name in ("A", "B"))
    _, azimuth, back_azimuth = map(float, geodesic(3.0, 4.0, 3.0, 4.0))
    turned = rotate_pair(first, second, azimuth, back_azimuth)
    for a, b in zip(*turned, strict=True):
        assert np.allclose(a.data, b.data)


def test_no_azimuth_no_rotation():
    with pytest.raises(DataError, match="azimuth unknown"):
        rotate_correlations(nine(noise(3, 5), noise(3, 5), azimuth=np.nan))


def test_a_missing_horizontal_stops_no_other_station():
    both = stream(["BHN", "BHE"], noise(2, 6)) + stream(["BHZ"], noise(1, 6), "BBB")
    result = list(Rotate(radial_deg=0.0).process({"input": both}))
    assert [t.id for t in result[-1]["output"]] == ["XX.AAA..BHR", "XX.AAA..BHT"]
    assert rotate(both.select(station="AAA"), 0.0)[0].stats.channel == "BHR"
