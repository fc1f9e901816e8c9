"""The marks of products, as a search finds them: few, so they are looked up first."""

from __future__ import annotations

from dispel4py.provenance.databases import Database
from dispel4py.provenance.model import parse_id

__all__ = ["MARK_COLUMNS", "marks"]

#: Columns of a mark, by their names after ``product.``.
MARK_COLUMNS = {"mark": "verdict", "note": "note"}

_PRODUCT = """
SELECT p.n FROM instance i JOIN product p ON p.instance = i.n
WHERE i.run = ? AND i.pe = ? AND i.k = ? AND p.number = ? AND p.port = ? AND p.k = ?
"""


def marks(database: Database, name: str) -> dict[int, str]:
    """Return the last mark, or its note, of all products that have one.

    Parameters
    ----------
    database : Database
    name : str
        ``mark`` or ``note``.

    Returns
    -------
    dict
        Numbers of products, and texts.
    """
    rows = database.rows(
        f"SELECT run, product, {MARK_COLUMNS[name]} FROM remark "
        "WHERE kind = 'mark' ORDER BY made"
    )
    last = {(run, product): text for run, product, text in rows}
    found: dict[int, str] = {}
    for (run, product), text in last.items():
        try:
            _, *place = parse_id(f"run/{product}")
        except ValueError:  # a line that no mark has written
            continue
        n = database.value(_PRODUCT, [run, *place])
        if n is not None and text is not None:
            found[n] = text
    return found
