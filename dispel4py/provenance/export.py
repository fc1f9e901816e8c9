"""Runs and lineages in the formats of other programs."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

from dispel4py.errors import ParameterError
from dispel4py.provenance.conditions import ANCESTOR
from dispel4py.provenance.files import whole_file
from dispel4py.provenance.lineage import relatives
from dispel4py.provenance.open_lineage import write_open_lineage
from dispel4py.provenance.products import find_product, find_run
from dispel4py.provenance.ro_crate import write_crate
from dispel4py.provenance.statements import Selection, statements
from dispel4py.provenance.store import Store
from dispel4py.provenance.w3c import write_prov_json, write_prov_n, write_turtle

__all__ = ["FORMATS", "export", "selection_of"]

_W3C: dict[str, Callable[[Iterable[Any], TextIO], None]] = {
    "prov-json": write_prov_json,
    "prov-n": write_prov_n,
    "turtle": write_turtle,
}
FORMATS = (*_W3C, "ro-crate", "openlineage")


def selection_of(store: Store, text: str) -> Selection:
    """Return what an id stands for: a run, or a product with its ancestors.

    Parameters
    ----------
    store : Store
    text : str
        The id of a run or a product, or the file of a product.
    """
    ids = dict(store.rows("SELECT n, id FROM run"))
    if "/" not in text:
        n = find_run(store, text)
        rows = store.rows(
            "SELECT p.n FROM product p JOIN instance ON instance.n = p.instance "
            "WHERE instance.run = ? ORDER BY p.n",
            [n],
        )
        return Selection({n: ids[n]}, [p for (p,) in rows], True)
    product = find_product(store, text)
    numbers = [product, *(n for n, _ in relatives(store, ANCESTOR, [product]))]
    runs = store.rows(
        "SELECT DISTINCT instance.run FROM product p "
        "JOIN instance ON instance.n = p.instance WHERE p.n = ?",
        [product],
    )
    return Selection({n: ids[n] for (n,) in runs}, numbers, False)


def export(
    store: Store, text: str, kind: str, target: Path | None = None
) -> dict[str, Any]:
    """Write a run, or a product with its ancestors, in a format.

    Parameters
    ----------
    store : Store
    text : str
        See `selection_of`.
    kind : str
        One of `FORMATS`.
    target : Path, optional
        The file, for ``ro-crate`` the folder. Without it the text is returned.

    Returns
    -------
    dict
        Keys: format, target (None without one), text (only without a target).

    Raises
    ------
    ParameterError
        If the format needs a run, or a target.
    """
    selection = selection_of(store, text)
    is_run = selection.whole
    if kind in ("ro-crate", "openlineage") and not is_run:
        raise ParameterError(f"--format {kind} is for runs; {text!r} is a product")
    if kind == "ro-crate":
        if target is None:
            raise ParameterError("--format ro-crate needs -o FOLDER")
        write_crate(store, selection, target)
        return {"format": kind, "target": str(target)}
    if target is None:
        buffer = io.StringIO()
        _write(store, selection, kind, buffer)
        return {"format": kind, "target": None, "text": buffer.getvalue()}
    with whole_file(target) as path, open(path, "w", encoding="utf-8") as file:
        _write(store, selection, kind, file)
    return {"format": kind, "target": str(target)}


def _write(store: Store, selection: Selection, kind: str, file: TextIO) -> None:
    if kind in _W3C:
        _W3C[kind](statements(store, selection), file)
    else:
        (n,) = selection.runs
        write_open_lineage(store, n, file)
