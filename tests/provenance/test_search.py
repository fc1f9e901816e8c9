"""A search finds the products for which the condition holds, in both databases."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from records import RUN, call, product, write_run
from written_conditions import written

from dispel4py.provenance import columns, derivation_arrays
from dispel4py.provenance.conditions import And, Compare, Not, Or, Relative
from dispel4py.provenance.expression import parse
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import derivations, relatives
from dispel4py.provenance.model import Writer
from dispel4py.provenance.products import find_product, get_products
from dispel4py.provenance.search import matching, search
from dispel4py.provenance.store import open_store


@pytest.fixture(scope="module")
def store(make_place, tmp_path_factory):
    """Runs with products that derive by ranges, keys, numbers and links.

    The second run also has products of calls without an item, and parts of products; in
    the third, which is damaged, two instances receive from each other.
    """
    folder = tmp_path_factory.mktemp("prov")
    write_run(folder, n_days=3, run="20260102T000000.000-bbbbbb")
    path = write_run(folder, n_days=4, others=(8, 9))
    writer = Writer(path / "prov-8.jsonl")
    places = {"8": ["ByKey", 0], "9": ["Sum", 0], "10": ["Alone", 0]}
    writer.write({"kind": "process", "process": 8, "instances": places})
    for n in range(8):
        record = call(8, n, ["input", f"1.8.8.{n}"], [])
        writer.write({**record, "key": ["FMP", "CIA"][n % 2]})
    outs = [
        product("8.4.9.0", {"snr": 9}, since=-1, key="FMP"),
        product("8.4.9.1", {"snr": 10}, since=3, key=["FMP", "CIA"], k=1),
    ]
    outs[1]["parts"] = {"station": ["a", "b"], "snr": [1, 5]}
    writer.write(call(8, 8, None, outs))
    for n in range(4):  # each derives from the one before, and from one more call
        total = product(f"9.-1.-1.{n}", {"snr": n, "day": n})
        total |= {"previous": f"{n - 1}/output/0"} if n else {}
        total |= {"calls": [0], "parts": {"station": ["c"]}} if n == 3 else {}
        item = f"8.4.9.{n}" if n < 2 else f"1.9.9.{n}"
        writer.write(call(9, n, ["input", item], [total]))
    for n in range(3):
        writer.write(call(10, n, None, [product(f"10.-1.-1.{n}", {"snr": 2 * n})]))
    damaged = Writer(folder / "20260103T000000.000-cccccc" / "prov-0.jsonl")
    places = {"0": ["Ping", 0], "1": ["Pong", 0]}
    damaged.write({"kind": "process", "process": 0, "instances": places})
    for n in range(6):
        i, item = n % 2, f"{n % 2}.0.{1 - n % 2}.{n}"
        got = ["input", f"{1 - i}.0.{i}.{n - 1}"]
        damaged.write(call(i, n, got, [product(item, {"snr": n, "day": n})]))
    store = open_store(folder, make_place())
    ingest(store, folder)
    numbers = [n for (n,) in store.rows("SELECT n FROM product ORDER BY n")]
    found = get_products(store, numbers)
    store.products = {
        n: {**p["terms"], "pe.id": p["pe"], "run.id": p["run"]}
        for n, p in zip(numbers, found, strict=True)
    }
    store.parents = {n: set() for n in numbers}
    for child, parent in derivations(store, numbers):
        store.parents[child].add(parent)
    with pytest.MonkeyPatch.context() as patch:  # a product has pairs, or a range
        patch.setattr(derivation_arrays, "_FEW_PARENTS", 1)
        matching(store, "ancestor(snr > 0)")
    yield store
    store.close()


def above(store, n):
    """Return the ancestors of a product, by its parents and theirs."""
    found, queue = set(), [n]
    while queue:
        new = store.parents[queue.pop()] - found
        found |= new
        queue += new
    return found


def evaluated(store, tree):
    """Return the products that satisfy a condition, by the definition."""
    if isinstance(tree, And | Or):
        parts = [evaluated(store, part) for part in tree.conditions]
        return set.intersection(*parts) if isinstance(tree, And) else set.union(*parts)
    if isinstance(tree, Not):
        return set(store.products) - evaluated(store, tree.condition)
    if isinstance(tree, Relative):
        inner = evaluated(store, tree.condition)
        if tree.kind == "ancestor":
            return {n for n in store.products if above(store, n) & inner}
        return {k for n in inner for k in above(store, n)}
    return {n for n, terms in store.products.items() if tree.holds(terms)}


leaves = (
    st.builds(
        Compare,
        st.sampled_from(["snr", "day"]),
        st.sampled_from(["=", "<", ">="]),
        st.integers(0, 9),
    )
    | st.builds(
        Compare,
        st.just("pe.id"),
        st.just("="),
        st.sampled_from(["Read", "Filter", "Stack", "Sum", "ByKey", "Alone", "Ping"]),
    )
    | st.builds(Compare, st.just("run.id"), st.sampled_from(["=", "!="]), st.just(RUN))
    | st.builds(
        Compare, st.just("station"), st.just("="), st.sampled_from(["FMP", "a", "c"])
    )
)
kinds = st.sampled_from(["ancestor", "descendant"])
trees = st.recursive(
    st.builds(Relative, kinds, leaves),
    lambda inner: (
        st.builds(Not, inner)
        | st.builds(Relative, kinds, inner)
        | st.builds(And, st.tuples(inner, leaves | inner))
        | st.builds(Or, st.tuples(inner, leaves | inner))
    ),
    max_leaves=4,
)


@given(tree=trees, size=st.integers(5, 20), sign=st.sampled_from(["", "-"]))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_searches_agree_with_the_definition(store, tree, size, sign):
    text = written(tree)
    expected = evaluated(store, tree)
    found = matching(store, text)
    assert found == sorted(expected)
    pages, offset = [], 0
    while offset is not None:
        page = search(store, text, size, offset)
        pages += [find_product(store, p["id"]) for p in page.products]
        offset = page.next
    assert pages == found
    snr = {n: store.products[n].get("snr") for n in expected}
    key = -1 if sign else 1
    ordered = sorted((key * v, n) for n, v in snr.items() if v is not None)
    in_order = matching(store, text, size, 2, sort=f"{sign}snr")
    assert in_order == [n for _, n in ordered][2 : 2 + size]


@pytest.mark.parametrize("kind", ["ancestor", "descendant"])
def test_relatives_agree_with_the_parents(store, kind):
    for n in store.products:
        expected = above(store, n)
        if kind == "descendant":
            expected = {k for k in store.products if n in above(store, k)}
        assert {k for k, _ in relatives(store, kind, [n])} == expected
        steps = dict(relatives(store, kind, [n], deepest=1))
        assert set(steps) <= expected


@pytest.mark.parametrize("kind", ["ancestor", "descendant"])
def test_conditions_may_be_within_each_other_as_deeply_as_they_can_be_read(store, kind):
    for n in (1, 2, 3, 4, 49):
        text = f"{kind}(" * n + "snr > 0 or has(day)" + ")" * n
        assert set(matching(store, text)) == evaluated(store, parse(text))
    text = "has(day) and (snr > 3 or " * 24 + "snr = 1" + ")" * 24
    assert set(matching(store, text)) == evaluated(store, parse(text))
    text = "not (snr > 8 or " * 24 + f"{kind}(snr = 1)" + ")" * 24
    assert set(matching(store, text)) == evaluated(store, parse(text))


def test_searches_know_the_records_that_come_later(make_place, tmp_path, monkeypatch):
    monkeypatch.setattr(columns, "_WORTH_KEEPING", 0)
    writer = Writer(tmp_path / RUN / "prov-0.jsonl")
    writer.write({"kind": "process", "process": 0, "instances": {"0": ["Sum", 0]}})
    place, known = make_place(), {}
    values = [
        (5, "b"),
        (2.5, "a"),
        (7, True),
        (None, "b"),
        (3, "aa"),
        (2, False),
        (5, ""),
    ]
    for n, (x, y) in enumerate(values):
        # its record comes in two parts, and its time with the second
        out = product(f"0.-1.-1.{n}", {"x": x, "y": y})
        out |= {"previous": f"{n - 1}/output/0"} if n else {}
        writer.write({"kind": "products", "i": 0, "n": n, "out": [out]})
        known[n + 1] = {"x": x, "y": y}
        for is_ended in (False, True):
            if is_ended:
                writer.write(call(0, n, ["input", f"1.0.0.{n}"], []))
            store = open_store(tmp_path, place)
            ingest(store, tmp_path)
            for text in ("x > 2.5", "x <= 3", "y >= 'a'", "y = true", "not y != 'b'"):
                tree = parse(text)
                expected = [k for k, terms in known.items() if tree.holds(terms)]
                assert matching(store, text) == expected
            assert matching(store, "ancestor(x = 5)") == [*range(2, n + 2)]
            assert len(matching(store, "not has(product.made)")) == n + 1
            store.close()
    with monkeypatch.context() as patch:  # the next command reads no product again
        patch.setattr(columns, "_read", None)
        patch.setattr("dispel4py.provenance.derivation_levels.read_derivations", None)
        store = open_store(tmp_path, place)
        assert matching(store, "x = 5 and not ancestor(x = 7)") == [1]
        store.close()
