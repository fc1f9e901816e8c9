"""What the databases do alike, and what only one of them must take care of."""

from dispel4py.provenance.databases import open_database


def test_postgresql_has_one_plan_for_integers_of_all_sizes(postgresql):
    database = open_database(postgresql())
    for n in (1, 40_000, 2**40, -(2**63)):
        assert database.rows("SELECT n FROM (SELECT 1 AS n) q WHERE n = ?", [n]) == (
            [(1,)] if n == 1 else []
        )
    plans = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE ?"
    assert database.value(plans, ["SELECT n FROM (SELECT 1 AS n)%"]) == 1
    database.close()


def test_rows_of_all_kinds_come_back_as_they_were(make_place):
    database = open_database(make_place())
    kinds = f"a BIGINT, b DOUBLE PRECISION, c TEXT, d {database.json_type}"
    database.execute(f"CREATE TABLE kinds ({kinds})")
    texts = ["", "\\N", "a\tb\nc\\", "ü 雪 \U0001f30b", "x" * 100_000, None]
    rows = [(2**63 - 1, 1 / 3, text, '{"a": [1, "\\\\"]}') for text in texts]
    rows += [(None, 5e-324, "NULL", None), (-(2**63), 3, "'", "[]")]
    database.load("kinds", ("a", "b", "c", "d"), rows)
    query = "SELECT a, b, c, CAST(d AS TEXT) FROM kinds"
    assert [tuple(row) for row in database.rows(query)] == rows
    database.close()
