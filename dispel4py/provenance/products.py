"""Products, runs and files of a store, as dicts that JSON can hold."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any

import orjson

from dispel4py.errors import ParameterError
from dispel4py.files import exists
from dispel4py.provenance.model import Address, parse_id
from dispel4py.provenance.store import Store

__all__ = [
    "file_numbers",
    "find_product",
    "find_run",
    "get_products",
    "in_parts",
    "load_json",
    "product_address",
]

_PRODUCTS = """
SELECT p.n, run.id, instance.pe, instance.k, p.number, p.port, p.k, p.type, p.location,
  p.format, p.size, p.sha256, p.made, p.key,
  CAST(p.terms AS TEXT), EXISTS (SELECT 1 FROM remark)
FROM product p JOIN instance ON instance.n = p.instance
JOIN run ON run.n = instance.run WHERE p.n IN ({marks})
"""
_NAMES = ("type", "location", "format", "size", "sha256", "made", "key")
#: Values of one statement; SQLite allows 32,766.
_AT_ONCE = 500


def in_parts(values: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
    """Yield parts of a list, each with as many question marks, for ``IN (...)``.

    >>> list(in_parts([1, 2]))
    [('?, ?', [1, 2])]
    """
    for k in range(0, len(values), _AT_ONCE):
        part = list(values[k : k + _AT_ONCE])
        yield ", ".join("?" * len(part)), part


def load_json(text: Any) -> Any:
    """Return the value of a JSON column: PostgreSQL gives it, SQLite its text."""
    return orjson.loads(text) if isinstance(text, str) else text


def get_products(store: Store, numbers: Sequence[int]) -> list[dict[str, Any]]:
    """Return products by their numbers in the store, in the same order.

    Parameters
    ----------
    store : Store
    numbers : sequence of int

    Returns
    -------
    list of dict
        Keys: id, run, pe, port, type, location, format, size, sha256, made, key, terms,
        mark, note, purged; those without a value are left out.
    """
    products: dict[int, dict[str, Any]] = {}
    has_remarks = False
    for marks, part in in_parts(numbers):
        for row in store.rows(_PRODUCTS.format(marks=marks), part):
            products[row[0]] = _product(row)
            has_remarks = has_remarks or bool(row[15])
        if has_remarks:
            _add_remarks(store, [products[n] for n in part if n in products])
    return [products[n] for n in numbers if n in products]


def _product(row: Sequence[Any]) -> dict[str, Any]:
    run, pe, instance, number, port, k = row[1:7]
    product = {
        "id": f"{run}/{pe}/{instance}/{number}/{port}/{k}",
        "run": run,
        "pe": pe,
        "port": port,
    }
    for name, value in zip(_NAMES, row[7:14], strict=True):
        if value is not None:
            product[name] = value
    product["terms"] = {} if row[14] is None else load_json(row[14])
    return product


def _add_remarks(store: Store, products: list[dict[str, Any]]) -> None:
    """Add the last mark of each product, and whether its data were deleted."""
    by_id = {product["id"]: product for product in products}
    keys = {p["id"].partition("/")[2]: p["id"] for p in products}
    for marks, part in in_parts(list(keys)):
        rows = store.rows(
            "SELECT run.id, product, kind, verdict, note FROM remark "
            "JOIN run ON run.n = remark.run "
            f"WHERE product IN ({marks}) ORDER BY made",
            part,
        )
        for run, key, kind, verdict, note in rows:
            product = by_id.get(f"{run}/{key}")
            if product is not None and kind == "mark":
                product.update(mark=verdict, note=note)
            elif product is not None:
                product["purged"] = True


def find_run(store: Store, text: str) -> int:
    """Return the number of a run by its id, the beginning of its id, or ``last``.

    Parameters
    ----------
    store : Store
    text : str

    Raises
    ------
    ParameterError
        If there is no such run, or several.
    """
    if text == "last":
        n = store.value("SELECT n FROM run ORDER BY id DESC LIMIT 1")
        if n is None:
            raise ParameterError("there is no run yet")
        return int(n)
    last = text + chr(0x10FFFF)
    rows = store.rows(
        "SELECT n, id FROM run WHERE id = ? OR (id >= ? AND id < ?) ORDER BY id",
        [text, text, last],
    )
    exact = [n for n, name in rows if name == text]
    if text and (exact or len(rows) == 1):
        return int(exact[0] if exact else rows[0][0])
    if rows and text:
        names = ", ".join(name for _, name in rows[:5])
        raise ParameterError(f"several runs begin with {text!r}: {names}")
    raise ParameterError(f"no run {text!r}; `dispel4py prov runs` lists the runs")


def product_address(text: str) -> Address:
    """Return the parts of the id of a product.

    Parameters
    ----------
    text : str

    Raises
    ------
    ParameterError
        If the text is no such id.
    """
    try:
        address = parse_id(text)
    except ValueError as error:
        raise ParameterError(str(error)) from None
    if address.k is None:
        raise ParameterError(
            f"{text!r} is no product; ids of products are run/pe/instance/n/port/k"
        )
    return address


def find_product(store: Store, text: str) -> int:
    """Return the number of a product, by its id or by the file that it was written to.

    Parameters
    ----------
    store : Store
    text : str
        A path may be relative to the current folder.

    Raises
    ------
    ParameterError
        If there is none.
    """
    n = store.value(
        "SELECT n FROM product WHERE location IN (?, ?) ORDER BY n DESC LIMIT 1",
        [text, os.path.abspath(text)],
    )
    if n is None:
        try:
            run, pe, instance, number, port, k = product_address(text)
        except ParameterError:
            if not exists(text):
                raise
            raise ParameterError(f"no product was written to the file {text}") from None
        n = store.value(
            "SELECT product.n FROM product JOIN instance "
            "ON instance.n = product.instance WHERE instance.run = ? "
            "AND instance.pe = ? AND instance.k = ? AND product.number = ? "
            "AND product.port = ? AND product.k = ?",
            [find_run(store, run), pe, instance, number, port, k],
        )
    if n is None:
        raise ParameterError(f"no product {text!r}; `dispel4py prov search` finds them")
    return int(n)


def file_numbers(store: Store, path: str) -> list[int]:
    """Return the numbers of a file that runs have read; empty if none has read it.

    Parameters
    ----------
    store : Store
    path : str
        It may be relative to the current folder.
    """
    paths = [path, os.path.abspath(path)]
    return [n for (n,) in store.rows("SELECT n FROM file WHERE path IN (?, ?)", paths)]
