"""Selection of pairs: each rule against a loop over all pairs."""

from __future__ import annotations

import pickle
from fnmatch import fnmatchcase
from itertools import combinations_with_replacement

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py.errors import ParameterError
from seismo_pes.correlating.pairs.geometry import Reach
from seismo_pes.correlating.pairs.rotation import Rotation, rotate_tensors
from seismo_pes.correlating.pairs.selection import PairSelection
from seismo_pes.metadata.geodesy import geodesic

IDS = [
    *("CI.AAA..HHE", "CI.AAA..HHN", "CI.AAA..HHZ", "CI.BBB..HHZ", "CI.BBB.10.HHZ"),
    *("AZ.CCC..HHN", "AZ.CCC..HHZ", "AZ.DDD..HHZ", "XX.EEE..HHZ"),
]
LATITUDES = [35.0, 35.0, 35.0, 35.1, 35.1, 34.5, 34.5, 36.0, np.nan]
LONGITUDES = [-118.0, -118.0, -118.0, -118.0, -118.0, -117.0, -117.0, -119.5, np.nan]
ALL = np.arange(len(IDS))


def expected(
    i: int,
    j: int,
    kinds=("cross", "single-station"),
    components=None,
    distance_km=None,
    azimuth_deg=None,
    listed=None,
    networks=None,
    members=None,
) -> bool:
    first, second = IDS[i].split("."), IDS[j].split(".")
    same = first[:2] == second[:2]
    kind = "auto" if i == j else "single-station" if same else "cross"
    if kind not in kinds:
        return False
    if components is not None:
        names = {first[3][-1] + second[3][-1]}
        if same:
            names |= {second[3][-1] + first[3][-1]}
        if not names & set(components):
            return False
    if listed is not None and not {(i, j), (j, i)} & set(listed):
        return False
    if networks is not None and not any(
        fnmatchcase(x[0], a) and fnmatchcase(y[0], b)
        for a, b in networks
        for x, y in ((first, second), (second, first))
    ):
        return False
    if members is not None and not {i, j} & set(members):
        return False
    places = LATITUDES[i], LONGITUDES[i], LATITUDES[j], LONGITUDES[j]
    distance, azimuth, back = (float(x) for x in geodesic(*places))
    distance = 0.0 if same else distance
    if distance_km is not None and not distance_km[0] <= distance <= distance_km[1]:
        return False
    if azimuth_deg is not None:
        low, high = azimuth_deg
        turned_over = low > high
        inside = [
            (low <= a or a <= high) if turned_over else low <= a <= high
            for a in (azimuth, back)
        ]
        return distance > 0 and any(inside)
    return True


RULES = st.fixed_dictionaries(
    {},
    optional={
        "kinds": st.sets(st.sampled_from(["cross", "single-station", "auto"])),
        "components": st.sets(st.sampled_from(["ZZ", "NE", "EZ", "ZN"])),
        "distance_km": st.sampled_from([(0, 50), (5, 200), (11.0954, 1e5), (0, 0)]),
        "azimuth_deg": st.sampled_from([(0, 90), (350, 10), (180, 181), (0, 360)]),
        "listed": st.frozensets(
            st.tuples(st.integers(0, 8), st.integers(0, 8)), max_size=8
        ),
        "networks": st.sampled_from([(("CI", "AZ"),), (("*", "C?"), ("XX", "XX"))]),
        "members": st.frozensets(st.integers(0, 8), max_size=3),
    },
)


@given(RULES)
@settings(max_examples=150, deadline=None)
def test_rules_are_those_of_a_loop(rules) -> None:
    selection = PairSelection(IDS, LATITUDES, LONGITUDES, **rules)
    result = pickle.loads(pickle.dumps(selection)).allowed(ALL, ALL)
    pairs = list(combinations_with_replacement(range(len(IDS)), 2))
    wanted = [pair for pair in pairs if expected(*pair, **rules)]
    assert [pair for pair in pairs if result[pair]] == wanted
    assert selection.count() == len(wanted)
    part = selection.allowed(ALL[2:5], ALL[3:])
    assert np.array_equal(part, result[2:5, 3:])


@given(RULES, st.sets(st.integers(0, len(IDS) - 1)))
@settings(max_examples=150, deadline=None)
def test_rules_hold_in_a_subset_of_the_table(rules, channels) -> None:
    rows = np.array(sorted(channels), np.int64)
    selection = PairSelection(IDS, LATITUDES, LONGITUDES, **rules)
    part, here = selection.subset(rows), np.arange(len(rows))
    assert np.array_equal(part.allowed(here, here), selection.allowed(rows, rows))
    assert part.n_channels == len(rows)
    assert selection.n_channels == len(IDS)


@pytest.mark.parametrize("spread_deg", [0.01, 3.0, 180.0])
@pytest.mark.parametrize(
    ("distance_km", "azimuth_deg"),
    [((0.5, 200), None), ((0, 19_950), (80, 100)), (None, (350, 10)), (None, (90, 90))],
)
def test_reach_is_that_of_geodesics(spread_deg, distance_km, azimuth_deg) -> None:
    """Also over the pole, over the date line, at antipodes and at one place."""
    rng = np.random.default_rng(round(spread_deg))
    places = [89.9, 179.9] + spread_deg * rng.uniform(-1, 1, (300, 2))
    places = np.where(np.abs(places) > [90, 1e3], [180, 0] - places, places)
    places[1::7] = places[::7][: len(places[1::7])]
    places[2::50] = [0.0, 10.0]
    places[3::50] = [0.0, -170.0]
    places[4] = np.nan
    reach = Reach(places, distance_km, azimuth_deg)
    i, j = np.arange(120), np.arange(80, 300)
    first, second = places[i][:, None], places[j][None]
    forward, *azimuths = geodesic(
        first[..., 0], first[..., 1], second[..., 0], second[..., 1]
    )
    wanted = np.isfinite(forward)
    if distance_km is not None:
        wanted &= (forward >= distance_km[0]) & (forward <= distance_km[1])
    if azimuth_deg is not None:
        low, high = azimuth_deg
        if low <= high:
            towards = [(x >= low) & (x <= high) for x in azimuths]
        else:
            towards = [(x >= low) | (x <= high) for x in azimuths]
        wanted &= (forward > 0) & (towards[0] | towards[1])
    np.testing.assert_array_equal(reach.within(i, j), wanted)
    some = rng.random(wanted.shape) < 0.3
    np.testing.assert_array_equal(reach.within(i, j, some), wanted & some)


def test_large_tables_stay_small() -> None:
    n = 10_000
    ids = [f"XX.S{k:05d}..HHZ" for k in range(n)]
    rng = np.random.default_rng(0)
    places = rng.uniform(30, 40, n), rng.uniform(-120, -110, n)
    selection = PairSelection(ids, *places, distance_km=(0, 200))
    assert len(pickle.dumps(selection)) < 1_000_000
    result = selection.allowed(np.arange(128), np.arange(128, 256))
    assert 0 < result.sum() < result.size


@pytest.mark.parametrize(
    "rules",
    [{"kinds": {"crosss"}}, {"components": {"Z"}}, {"distance_km": (5.0, 1.0)}],
)
def test_invalid_rules_are_refused(rules) -> None:
    with pytest.raises(ParameterError):
        PairSelection(IDS, LATITUDES, LONGITUDES, **rules)


def test_instruments_in_pairs() -> None:
    """Three components of A, C and of D at the place of C; only RR and ZT wanted."""
    ids = [f"X.{s}..HH{c}" for s in "ACD" for c in "ENZ"]
    ids += [f"X.{s}..HH{c}" for s in "ACD" for c in "RT"]
    latitudes = tuple(np.repeat([0.0, 0.0, 0.0, 0.0, 0.0, 0.0], [3, 3, 3, 2, 2, 2]))
    longitudes = tuple(np.repeat([0.0, 1.0, 1.0, 0.0, 1.0, 1.0], [3, 3, 3, 2, 2, 2]))
    triplets = {
        3 * k + c: (3 * k + 2, 3 * k + 1, 3 * k) for k in range(3) for c in range(3)
    }
    turned_to = {
        3 * k + c: (3 * k + 2, 9 + 2 * k, 10 + 2 * k)
        for k in range(3)
        for c in range(3)
    }
    rotation = Rotation(triplets, turned_to, latitudes, longitudes)
    selection = PairSelection(ids, latitudes, longitudes, components={"RR", "ZT"})
    channels = np.array([0, 1, 2, 3, 4, 5, 6, 7, 8])
    result = rotation.pairs(channels, channels, selection)
    assert result.rotated.tolist() == [
        [[2, 9, 10], [5, 11, 12]],
        [[2, 9, 10], [8, 13, 14]],
    ]
    assert result.a.tolist() == [[2, 1, 0], [2, 1, 0]]
    assert result.wanted[0].astype(int).tolist() == [[0, 0, 1], [0, 1, 0], [0, 0, 0]]
    assert result.needed[0].astype(int).tolist() == [[0, 1, 1], [0, 1, 1], [0, 1, 1]]
    east = np.zeros((1, 3, 3, 1))
    east[0, 2, 2] = 1
    assert rotate_tensors(east, result.matrices[:1])[0, 1, 1, 0] == pytest.approx(1)
    assert len(rotation.pairs(channels[:2], channels, selection)) == 0
