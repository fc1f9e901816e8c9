"""A search finds the products for which a condition on terms holds, and no others."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import call, product, write_run
from written_conditions import written

from dispel4py.provenance.conditions import (
    And,
    Compare,
    Has,
    Match,
    Not,
    OneOf,
    Or,
)
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.model import Writer
from dispel4py.provenance.products import get_products
from dispel4py.provenance.search import matching
from dispel4py.provenance.store import open_store

VALUES = [
    *(0, 1, -1, 2.5, 3, 1e300, -7e-5, 2**53, 2**53 + 1, True, False),
    *("", "a", "A", "ab", "b", "1", "true", "é", "[1]", "a'b", 'q"', "a\\", "[x"),
]
STORED = [*VALUES, None, [1], {"a": 1}]
NAMES = ["x", "y", "odd name", "in"]


@pytest.fixture(scope="module")
def store(make_place, tmp_path_factory):
    """Products with all pairs of values of two terms."""
    folder = tmp_path_factory.mktemp("prov")
    path = write_run(folder, n_days=1)
    with_all = Writer(path / "prov-9.jsonl")
    with_all.write({"kind": "process", "process": 9, "instances": {"9": ["All", 0]}})
    n = 0
    for x in STORED:
        for y in STORED[::2]:
            terms = {"x": x, "y": y, "odd name": y, "in": x}
            record = call(9, n, None, [product(f"9.-1.-1.{n}", terms)])
            with_all.write(record)
            n += 1
    store = open_store(folder, make_place())
    ingest(store, folder)
    numbers = [n for (n,) in store.rows("SELECT n FROM product ORDER BY n")]
    products = get_products(store, numbers)
    store.terms = {n: p["terms"] for n, p in zip(numbers, products, strict=True)}
    yield store
    store.close()


names = st.sampled_from(NAMES)
values = st.sampled_from(VALUES)
patterns = st.text("ab[!]*?'\\é-1", max_size=5)
leaves = (
    st.builds(
        Compare, names, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), values
    )
    | st.builds(OneOf, names, st.lists(values, min_size=1, max_size=4).map(tuple))
    | st.builds(Match, names, patterns.filter(lambda p: "-" not in p))
    | st.builds(Has, names)
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(And, st.lists(inner, min_size=2, max_size=3).map(tuple))
        | st.builds(Or, st.lists(inner, min_size=2, max_size=3).map(tuple))
    ),
    max_leaves=5,
)


@given(tree=trees)
@settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_search_and_definition_agree(store, tree):
    expected = [n for n, terms in store.terms.items() if tree.holds(terms)]
    assert matching(store, written(tree)) == expected
