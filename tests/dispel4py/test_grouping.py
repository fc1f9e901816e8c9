"""Groupings, and the hash that is the same everywhere."""

import dataclasses
import enum
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dispel4py.errors import GraphError, ItemError
from dispel4py.grouping import Grouping, canonical_bytes, stable_hash

atoms = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.binary(max_size=8),
)
keys = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.tuples(inner, inner),
        st.lists(inner, max_size=3),
        st.frozensets(atoms, max_size=3),
        st.dictionaries(atoms, inner, max_size=3),
    ),
    max_leaves=6,
)


class Code(enum.IntEnum):
    BROAD_BAND = 7


@dataclasses.dataclass(frozen=True)
class Station:
    network: str
    code: str


# ------------------------------------------------------------------- the hash


@settings(max_examples=40)  # pairs of such keys take long to make
@given(keys, keys)
def test_equal_bytes_for_equal_keys_and_only_those(a, b):
    assert (canonical_bytes(a) == canonical_bytes(b)) == (a == b)


@given(keys)
def test_hash_is_a_number_for_any_key(key):
    assert stable_hash(key) >= 0


@given(st.integers(-(2**31), 2**31 - 1))
def test_equal_numbers_of_any_type_have_equal_hashes(n):
    equal = [n, float(n), np.int64(n), np.float64(n), np.array(n), np.int32(n)]
    assert {stable_hash(x) for x in equal} == {abs(n)}
    assert len({stable_hash((x, "a")) for x in equal}) == 1


@pytest.mark.parametrize(
    "equal",
    [
        (True, 1, 1.0, np.True_, np.bool_(1)),
        (0.0, -0.0, 0, False),
        (0.5, np.float32(0.5), np.float64(0.5)),
        ("a", np.str_("a")),
        (b"a", bytearray(b"a"), np.bytes_(b"a")),
        (Code.BROAD_BAND, 7),
        ((Code.BROAD_BAND, 1), (7, 1)),
        ({1, 2}, frozenset({2, 1})),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        (range(0, 3, 2), range(0, 4, 2)),
        (range(0), range(5, 5)),
        (Station("CI", "CCA"), Station("CI", "CCA")),
    ],
    ids=repr,
)
def test_equal_values_have_equal_hashes(equal):
    assert len({stable_hash(x) for x in equal}) == 1
    assert len({stable_hash((x, None)) for x in equal}) == 1


#: These hashes must never change: the division of stored results may depend on them.
FROZEN = {
    "'CI.CCA'": 2236835085,
    "('CI', 'CCA')": 4129174387853268394,
    "-7": 7,
    "2.5": 2736244516866186311,
    "None": 8469165195741662953,
    "b'x'": 4534203622106004983,
    "('CI', 3, None)": 1817730863764395741,
    "{'b': 1, 'a': (2, 3)}": 1354187181954630124,
    "frozenset({'x', 'y', 'z'})": 6953699652671566170,
    "range(5)": 1028832080719207369,
}


def hashes_in_another_process(seed: str) -> list[int]:
    program = (
        "from dispel4py.grouping import stable_hash\n"
        f"print(*[stable_hash(eval(t)) for t in {list(FROZEN)!r}])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    return [int(word) for word in done.stdout.split()]


@pytest.mark.parametrize("seed", ["1", "2"])
def test_hash_is_the_same_in_every_process_for_ever(seed):
    result = dict(zip(FROZEN, hashes_in_another_process(seed), strict=True))
    assert result == FROZEN


def test_keys_are_spread_evenly():
    stations = [f"XX.S{k:03d}" for k in range(1000)]
    for n in (2, 3, 5, 8):
        counts = np.bincount([stable_hash(s) % n for s in stations], minlength=n)
        # a deviation of ten standard deviations would be a fault of the hash
        assert np.abs(counts - 1000 / n).max() < 10 * np.sqrt(1000 / n)
    assert [stable_hash(k) % 4 for k in range(8)] == [0, 1, 2, 3, 0, 1, 2, 3]


def test_keys_without_stable_content_are_refused():
    with pytest.raises(ItemError, match="cannot group by a object"):
        stable_hash(object())


# --------------------------------------------------------------- the groupings


@pytest.mark.parametrize("declared", [None, "none", "shuffle"])
def test_no_grouping_is_round_robin(declared):
    assert Grouping.of(declared).kind == "shuffle"


@pytest.mark.parametrize("declared", ["al", 3, {"a": 1}, 2.5])
def test_invalid_groupings_are_refused(declared):
    with pytest.raises(GraphError, match="is not a grouping"):
        Grouping.of(declared)


def test_all_and_global():
    assert list(Grouping.of("all").select("item", 3)) == [0, 1, 2]
    assert list(Grouping.of("global").select("item", 3)) == [0]


@given(keys, st.integers(1, 9))
def test_group_by_sends_equal_keys_to_one_instance(key, n):
    grouping = Grouping.of([0])
    chosen = grouping.select((key, "one"), n)
    assert chosen == grouping.select([key, "other"], n)
    assert len(chosen) == 1
    assert 0 <= chosen[0] < n


def test_group_by_index_key_attribute_and_field():
    record = np.array([("CI", 3)], dtype=[("station", "U2"), ("day", "i4")])[0]
    items = [
        (("CI", 3), [0]),
        ({"station": "CI"}, ["station"]),
        (Station("CI", "CCA"), ["network"]),
        (record, ["station"]),
    ]
    chosen = {Grouping.of(keys).select(item, 97) for item, keys in items}
    assert len(chosen) == 1


@pytest.mark.parametrize(
    ("item", "declared"),
    [(7, [0]), ((1,), [4]), ({"a": 1}, ["b"]), ((1,), ["station"])],
)
def test_an_item_without_the_key_is_named(item, declared):
    with pytest.raises(ItemError, match=r"cannot group by .*the item is"):
        Grouping.of(declared).select(item, 2)


def test_a_function_chooses():
    assert Grouping.of(lambda item, n: item % n).select(7, 3) == [1]
    assert Grouping.of(lambda item, n: range(n)).select(7, 3) == [0, 1, 2]
    assert Grouping.of(lambda item, n: np.int64(2)).select(7, 3) == [2]
    assert Grouping.of(lambda item, n: []).select(7, 3) == []


@pytest.mark.parametrize("chosen", [3, -1, 1.5, "0"])
def test_a_function_cannot_choose_a_missing_instance(chosen):
    with pytest.raises(ItemError, match="chose instance"):
        Grouping.of(lambda item, n: [chosen]).select("item", 3)
