"""What users add to the records: marks of products, and data that were deleted.

Both are records of their own segment in the folder of the run, so they are kept when
the store is made again.
"""

from __future__ import annotations

import getpass
import json
import os
import time
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.files import is_file, is_folder
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.products import get_products
from dispel4py.provenance.store import Store

__all__ = ["VERDICTS", "mark", "purge"]

VERDICTS = ("good", "bad")
_SEGMENT = "prov-remarks.jsonl"


def mark(store: Store, number: int, verdict: str, note: str = "") -> dict[str, Any]:
    """Mark a product as good or bad; the last mark counts.

    Parameters
    ----------
    store : Store
    number : int
        The product, by its number in the store.
    verdict : str
        ``good`` or ``bad``.
    note : str
        The reason.

    Returns
    -------
    dict
        The product.

    Raises
    ------
    ParameterError
        If the verdict is another word, or the folder of the run is not there.
    """
    if verdict not in VERDICTS:
        raise ParameterError(f"mark {verdict!r}: use {' or '.join(VERDICTS)}")
    (product,) = get_products(store, [number])
    _append(store, [product], "mark", {"verdict": verdict, "note": note})
    return get_products(store, [number])[0]


def purge(store: Store, numbers: list[int], dry_run: bool = False) -> dict[str, Any]:
    """Delete the files of products; their lineage, terms and checksums are kept.

    Parameters
    ----------
    store : Store
    numbers : list of int
        The products, by their numbers in the store.
    dry_run : bool
        Only tell what would be deleted.

    Returns
    -------
    dict
        Keys: products (their ids), files (the paths), bytes, kept (files that products
        outside the list were written to, too).
    """
    products = [
        product
        for product in get_products(store, numbers)
        if product.get("location") and is_file(product["location"])
    ]
    chosen = {product["id"] for product in products}
    paths: set[str] = set()
    kept: set[str] = set()
    for product in products:
        location = product["location"]
        owners = store.rows("SELECT n FROM product WHERE location = ?", [location])
        others = {p["id"] for p in get_products(store, [n for (n,) in owners])}
        (paths if others <= chosen else kept).add(location)
    size = sum(os.path.getsize(path) for path in paths)
    gone = [p for p in products if p["location"] not in kept]
    if not dry_run:
        # the record first: a file that is not deleted can be purged again
        _append(store, gone, "purge", {})
        for path in paths:
            Path(path).unlink(missing_ok=True)
    return {
        "products": [product["id"] for product in gone],
        "files": sorted(paths),
        "bytes": size,
        "kept": sorted(kept),
    }


def _append(
    store: Store, products: list[dict[str, Any]], kind: str, more: dict[str, Any]
) -> None:
    folders = dict(store.rows("SELECT id, folder FROM run"))
    author, now = getpass.getuser(), time.time()
    for product in products:
        run, _, rest = product["id"].partition("/")
        folder = Path(folders[run])
        if not is_folder(folder):
            raise ParameterError(
                f"the records of {run} are no longer in {folder}: marks are kept there"
            )
        record = {"kind": kind, "product": rest, "time": now, "author": author, **more}
        line = json.dumps(record).encode() + b"\n"
        _append_line(folder / _SEGMENT, line)
    for folder in {Path(folders[p["run"]]).parent for p in products}:
        ingest(store, folder)


def _append_line(path: Path, line: bytes) -> None:
    """Append a line in one write: several users may do so at the same time."""
    try:
        with open(path, "a+b", buffering=0) as file:
            size = file.seek(0, os.SEEK_END)
            if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
                line = b"\n" + line  # ends a line that a full disk has cut
            left = memoryview(line)
            while left:  # a disk that is nearly full takes a part, without an error
                left = left[file.write(left) :]
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
