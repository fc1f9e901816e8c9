"""SQL of all ancestors or descendants of products.

A product was derived from the items that a range of calls of its instance got, or only
from those calls of the range with the same key; and from products that links name.
"""

from __future__ import annotations

from itertools import compress

from dispel4py.provenance.conditions import ANCESTOR
from dispel4py.provenance.databases import Database, SQLite

__all__ = ["closure", "parent_calls"]

# The calls that a product was derived from: those of a range, or, if it has keys, those
# of them that have one of its keys; and other calls by their numbers. The parts of a
# product have its keys, calls and links: their column ``owner`` names the product.
_BY_RANGE = """JOIN call c ON p.key IS NULL AND c.instance = p.instance
  AND c.number > p.since AND c.number <= p.number"""
_BY_KEY = """JOIN product_key pk ON p.key IS NOT NULL
  AND pk.product = coalesce(p.owner, p.n)
  JOIN call_key ck ON ck.instance = p.instance AND ck.key = pk.key
  AND ck.number > p.since AND ck.number <= p.number
  JOIN call c ON c.instance = ck.instance AND c.number = ck.number"""

_BY_NUMBER = """JOIN product_call pc ON pc.product = coalesce(p.owner, p.n)
  JOIN call c ON c.instance = pc.instance AND c.number = pc.number"""
_JOINS = (_BY_RANGE, _BY_KEY, _BY_NUMBER)


def parent_calls(columns: str, joins: str, where: str) -> str:
    """Return SQL that joins products ``p`` to the calls ``c`` they were derived from.

    Parameters
    ----------
    columns, joins, where : str
        What is selected, further joins, and a condition on ``p``. The values of the
        condition are needed three times.
    """
    return " UNION ".join(
        f"SELECT {columns} FROM product p {join} {joins} WHERE {where}"
        for join in _JOINS
    )


# Each step leads from the product ``{n}`` to some of its parents or children. With it
# stands a table that it needs, if most stores have no row in it.
_ITEM = "JOIN item i ON i.channel = c.channel AND i.number = c.item"
_KEYS, _CALLS, _LINKS = "product_key", "product_call", "link"
_UP = (
    *(
        (
            table,
            f"SELECT i.product AS n FROM product p {join} {_ITEM} WHERE p.n = {{n}}",
        )
        for table, join in zip((None, _KEYS, _CALLS), _JOINS, strict=True)
    ),
    (
        _LINKS,
        """SELECT p.n AS n FROM product o
    JOIN link l ON l.child = coalesce(o.owner, o.n)
    JOIN product p ON p.instance = l.instance AND p.number = l.number
    AND p.port = l.port AND p.k = l.k WHERE o.n = {n}""",
    ),
)
# The span of an instance is the largest number of calls that one of its products was
# derived from: without this bound, all later products of the instance would be read.
_GOT = "FROM item i JOIN call c ON c.channel = i.channel AND c.item = i.number"
#: The columns by which a product, and the parts of a product, are found.
_WITH_PARTS = ("n", "owner")
_DOWN = (
    (
        None,
        f"""SELECT p.n AS n {_GOT}
    JOIN product p ON p.instance = c.instance AND p.number = c.number
    AND p.since < c.number AND p.key IS NULL WHERE i.product = {{n}}""",
    ),
    (
        None,
        f"""SELECT p.n AS n {_GOT}
    JOIN product p ON p.instance = c.instance AND p.number > c.number
    AND p.number < c.number + (SELECT s.span FROM instance s WHERE s.n = c.instance)
    AND p.since < p.number - 1
    AND p.since < c.number AND p.key IS NULL WHERE i.product = {{n}}""",
    ),
    *(
        (
            _KEYS,
            f"""SELECT p.n AS n {_GOT}
    JOIN call_key ck ON ck.instance = c.instance AND ck.number = c.number
    JOIN product_key pk ON pk.instance = c.instance AND pk.key = ck.key
    AND pk.number >= c.number JOIN product p ON p.{column} = pk.product
    AND p.since < c.number WHERE i.product = {{n}}""",
        )
        for column in _WITH_PARTS
    ),
    *(
        (
            _CALLS,
            f"""SELECT p.n AS n {_GOT}
    JOIN product_call pc ON pc.instance = c.instance AND pc.number = c.number
    JOIN product p ON p.{column} = pc.product WHERE i.product = {{n}}""",
        )
        for column in _WITH_PARTS
    ),
    *(
        (
            _LINKS,
            f"""SELECT p.n AS n FROM product o JOIN link l ON l.instance = o.instance
    AND l.number = o.number AND l.port = o.port AND l.k = o.k
    JOIN product p ON p.{column} = l.child WHERE o.n = {{n}}""",
        )
        for column in _WITH_PARTS
    ),
)


def _steps(database: Database, kind: str) -> list[str]:
    """Return the steps by tables that have rows."""
    tables = (_KEYS, _CALLS, _LINKS)
    sql = ", ".join(f"EXISTS (SELECT 1 FROM {table})" for table in tables)
    (has_rows,) = database.rows(f"SELECT {sql}")
    used = {None, *compress(tables, has_rows)}
    steps = _UP if kind == ANCESTOR else _DOWN
    return [sql for table, sql in steps if table in used]


def closure(database: Database, kind: str, seeds: str, deepest: int | None) -> str:
    """Return a ``WITH`` clause of the relatives of products.

    It defines ``relative (n, level)``: the products of ``seeds`` at level 0, and their
    relatives. With a largest depth, the level counts the steps, and a product has a row
    for each level on which it is found; without one all levels are 1, and each
    product is found once.

    Parameters
    ----------
    database : Database
    kind : str
        ``ancestor`` or ``descendant``.
    seeds : str
        SQL that selects the numbers of products.
    deepest : int or None
        Largest number of steps.
    """
    if kind == ANCESTOR:  # another statement takes longer than the steps that it saves
        steps = [sql for _, sql in _UP]
    else:
        steps = _steps(database, kind)
    level = "1" if deepest is None else "r.level + 1"
    limit = "" if deepest is None else f" AND r.level < {int(deepest)}"
    head = f"WITH RECURSIVE relative (n, level) AS (SELECT s.n, 0 FROM ({seeds}) s"
    if isinstance(database, SQLite):
        # CROSS JOIN: each of the recursive parts begins with the rows of the last step
        source = f", {level} FROM relative r CROSS JOIN "
        parts = [
            step.format(n="r.n").replace(" AS n FROM ", source, 1) + limit
            for step in steps
        ]
        return f"{head} UNION {' UNION '.join(parts)}) "
    where = limit.replace(" AND", " WHERE", 1)
    return (
        f"{head} UNION SELECT d.n, {level} FROM relative r "
        f"CROSS JOIN LATERAL ({_of_each(steps)}) d{where}) "
    )


def _of_each(steps: list[str]) -> str:
    """Return SQL of the relatives of ``r.n`` for PostgreSQL.

    As an array they are looked up for each product. Otherwise the planner may join
    whole tables, as it takes products to have thousands of parents; and it prepares
    memory for millions of relatives, which takes longer than to find a few.
    """
    relatives = " UNION ALL ".join(step.format(n="r.n") for step in steps)
    return f"SELECT unnest(ARRAY({relatives})) AS n"
