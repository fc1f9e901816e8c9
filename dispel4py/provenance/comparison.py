"""Products that are made again, compared with their records and with the results."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dispel4py.core import GenericPE
from dispel4py.files import is_file
from dispel4py.provenance.bounds import bounded_terms
from dispel4py.provenance.files import digest_of_file
from dispel4py.provenance.instance_records import FILE, terms_of_notes
from dispel4py.provenance.products import get_products
from dispel4py.provenance.recorded_workflow import RecordedRun
from dispel4py.provenance.replay import Item, Replay, make_product, plan_instances
from dispel4py.provenance.store import Store
from dispel4py.provenance.values import relative_difference

__all__ = ["compare"]

#: Largest relative difference of two terms that count as equal: far below what any
#: measurement resolves, and above the rounding of another order of sums.
TOLERANCE = 1e-9
#: The same for the norm of the difference of samples. Sums of float32 in another order
#: differ by about 1e-7.
VALUES_TOLERANCE = 1e-6


def compare(store: Store, n: int, run: RecordedRun) -> dict[str, Any]:
    """Make a product again and compare it with its record, file and results.

    Parameters
    ----------
    store : Store
    n : int
        The product, by its number in the store.
    run : RecordedRun

    Returns
    -------
    dict
        id, equal, differences (``{name: [recorded, new]}``), values (if samples were
        compared: ``bit-equal``, or the relative L2 norm of the difference), n_calls,
        pes, and failure (text) if its call failed.
    """
    (product,) = get_products(store, [n])
    location = product.get("location")
    with _Kept(location, run) as kept:
        result = make_product(store, n, run)
        if result.item is None:
            differences: dict[str, Any] = {"item": ["sent", "not sent"]}
            difference = None
        else:
            differences = _differences(product, _terms(store, n, run, result))
            difference = _difference_of_values(run, result.item)
        if location is not None and result.item is not None:
            difference = _compare_files(product, kept, run, differences)
    answer: dict[str, Any] = {"id": product["id"]}
    if difference is not None:
        answer["values"] = difference or "bit-equal"
        if not difference <= VALUES_TOLERANCE:  # also NaN
            differences["values"] = ["as stored", f"relative L2 {difference:.2g}"]
    answer |= {"equal": not differences, "differences": differences}
    answer |= {"n_calls": result.n_calls, "pes": result.pes}
    failures = _failures(store, n, result)
    return answer | ({"failure": failures[0]} if failures else {})


def _failures(store: Store, n: int, result: Replay) -> list[str]:
    """Return the failures, that of the call of the product first."""
    sql = "SELECT instance, number FROM product WHERE n = ?"
    own = tuple(store.rows(sql, [n])[0])
    ordered = sorted(result.failures.items(), key=lambda entry: entry[0] != own)
    return [failure.summary for _, failure in ordered]


def _terms(store: Store, n: int, run: RecordedRun, result: Replay) -> dict[str, Any]:
    """Return the terms that the record of a product would have now."""
    sql = "SELECT instance, port, owner FROM product WHERE n = ?"
    instance, port, owner = store.rows(sql, [n])[0]
    assert result.item is not None
    item = result.item
    (product,) = get_products(store, [n])
    names = frozenset(product["terms"])
    pe = run.plan.pes[plan_instances(store, run.plan, {instance})[instance].pe_index]
    if owner is not None:
        parts = _described(pe, port.partition("[")[0], item).get("parts")
        table = parts() if callable(parts) else {}
        described = {
            name: values[result.part]
            for name, values in table.items()
            if result.part < len(values)
        }
    else:
        described = _described(pe, port, item)
    return bounded_terms(described, names)


def _described(pe: GenericPE, port: str, item: Item) -> dict[str, Any]:
    if port == FILE and FILE not in pe.outputconnections:
        return dict(item.value)
    return dict(pe.describe_item(port, item.value)) | terms_of_notes(item.notes)


def _differences(
    product: Mapping[str, Any], new: Mapping[str, Any]
) -> dict[str, list[Any]]:
    pairs = {name: [value, new.get(name)] for name, value in product["terms"].items()}
    return {name: pair for name, pair in pairs.items() if not _are_equal(*pair)}


def _are_equal(first: Any, second: Any) -> bool:
    if isinstance(first, list | tuple) and isinstance(second, list | tuple):
        return len(first) == len(second) and all(map(_are_equal, first, second))
    numbers = (int, float)
    if isinstance(first, numbers) and isinstance(second, numbers):
        return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=0.0)
    return bool(first == second)


def _difference_of_values(run: RecordedRun, item: Item) -> float | None:
    arrays = run.workflow.stored(item.value)
    return None if arrays is None else relative_difference(*arrays)


# ------------------------------------------------------------------ files


class _Kept:
    """Keeps a file of a run while it is made again, maybe in its place.

    Attributes
    ----------
    old : str or None
        The file of the run; None if it is not there.
    """

    def __init__(self, path: str | None, run: RecordedRun) -> None:
        self._location, self._run = path, run
        self.old = path if path is not None and is_file(path) else None
        self._path = path if self.old is not None and self.new == path else None
        self._modified = 0

    def __enter__(self) -> _Kept:
        if self._path is not None:
            self.old = f"{self._path}.before-rerun"
            shutil.copy2(self._path, self.old)
            self._modified = os.stat(self._path).st_mtime_ns
        return self

    @property
    def new(self) -> str | None:
        """The place of the file that is made again."""
        if self._location is None:
            return None
        return self._run.workflow.place_of(self._location)

    @property
    def is_written(self) -> bool:
        """Whether the file was made again."""
        place = self.new
        if place is None or not is_file(place):
            return False
        return os.stat(place).st_mtime_ns != self._modified

    def __exit__(self, *error: object) -> None:
        if self._path is not None and self.old is not None:
            os.replace(self.old, self._path)


def _compare_files(
    product: Mapping[str, Any],
    kept: _Kept,
    run: RecordedRun,
    differences: dict[str, Any],
) -> float | None:
    """Return the relative difference of the values of two files, 0.0 for equal bytes.

    None if no values can be compared; other differences are added.
    """
    if not kept.is_written:
        differences["file"] = ["written", "not written"]
        return None
    new = digest_of_file(str(kept.new))
    old = None if kept.old is None else digest_of_file(kept.old)
    recorded = product.get("sha256") or old
    if recorded is None:
        differences["file"] = ["without checksum, and not there any more", "written"]
        return None
    if new == recorded:
        return 0.0
    if old == recorded:
        files = (Path(str(path)) for path in (kept.old, kept.new))
        values = [run.workflow.file_values(path) for path in files]
        if values[0] is not None and values[1] is not None:
            return relative_difference(values[0], values[1])
    differences["sha256"] = [recorded, new]
    return None
