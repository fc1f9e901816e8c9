"""The ledger: a row for each trace, band, window and measure, and its totals."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from seismo_pes.application.skipped import table_cell
from seismo_pes.items.comparison import MisfitRow

__all__ = ["COLUMNS", "Totals", "as_csv", "as_json", "row_of", "totals"]

COLUMNS = (
    "event",
    "station",
    "location",
    "component",
    "min_period_s",
    "max_period_s",
    "status",
    "stage",
    "reason",
    "window_start_s",
    "window_end_s",
    "measure",
    "value",
    "unit",
    "uncertainty",
    "observed",
    "synthetic",
    "cc",
    "dt_s",
    "dlna",
    "period_s",
    "damping",
    "pair",
    "weight",
    "definition",
)
NUMBERS = frozenset(name for name in COLUMNS if name.endswith("_s")) | {
    "value", "uncertainty", "observed", "synthetic", "cc", "dlna", "damping", "weight",
}  # fmt: skip
TIME_DIGITS = 9  # decimals of seconds: windows are not known better

Row = dict[str, Any]


def row_of(row: MisfitRow) -> Row:
    """Return a row with the columns of the ledger and, besides, its ``misfit``."""
    window_s = row.window_s or (None, None)
    values = {
        **{name: getattr(row, name, None) for name in COLUMNS},
        **row.quantities,
        "window_start_s": _rounded(window_s[0]),
        "window_end_s": _rounded(window_s[1]),
    }
    cells = {name: values.get(name) for name in COLUMNS}
    return {name: _finite(value) for name, value in cells.items()} | {
        "misfit": _finite(row.misfit)
    }


def _rounded(time_s: float | None) -> float | None:
    return None if time_s is None else round(time_s, TIME_DIGITS) + 0.0


def _finite(value: Any) -> Any:
    is_number = isinstance(value, float)
    return None if is_number and not math.isfinite(value) else value


def as_csv(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the ledger as comma-separated values; a missing value is empty."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    cell = lru_cache(10_000)(table_cell)  # most texts are in many rows
    for row in rows:
        writer.writerow(
            [
                _number(row[name]) if name in NUMBERS else cell(str(row[name]))
                for name in COLUMNS
            ]
        )
    return file.getvalue()


def _number(value: Any) -> str:
    return "" if value is None else repr(value)


def as_json(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return the ledger as a JSON list of objects; a missing value is null."""
    lines = [json.dumps({name: row[name] for name in COLUMNS}) for row in rows]
    return "[\n" + ",\n".join(lines) + "\n]\n"


class Totals(NamedTuple):
    """How many traces and bands were measured and rejected.

    Attributes
    ----------
    n_bands : int
        Traces times bands: the sum of the next two.
    n_measured : int
        Those with a measured row.
    n_rejected : int
        Those without.
    n_rows_measured, n_rows_rejected : int
        Rows of the ledger.
    reasons : dict of str to int
        Rejected traces and bands by stage and reason, without numbers.
    misfit : dict of str to float
        Sum of the misfits of each measure.
    """

    n_bands: int
    n_measured: int
    n_rejected: int
    n_rows_measured: int
    n_rows_rejected: int
    reasons: dict[str, int]
    misfit: dict[str, float]

    def text(self) -> str:
        """Return the totals in lines."""
        lines = [
            f"{self.n_bands:,} traces and bands: {self.n_measured:,} measured, "
            f"{self.n_rejected:,} rejected"
        ]
        lines += [f"  {n:>7,}  {reason}" for reason, n in self.reasons.items()]
        lines += [
            f"sum of {name}: {misfit:.6g}" for name, misfit in self.misfit.items()
        ]
        return "\n".join(lines)


def totals(rows: Iterable[Mapping[str, Any]]) -> Totals:
    """Count the rows of a ledger, and add their misfits, each with its weight."""
    rows = list(rows)
    measured: set[tuple[Any, ...]] = set()
    rejected: dict[tuple[Any, ...], str] = {}
    misfit: dict[str, float] = {}
    for row in rows:
        keys = _keys(row)
        if row["status"] == "measured":
            measured.update(keys)
            name, weight = row["measure"], row.get("weight", 1.0)
            misfit[name] = misfit.get(name, 0.0) + weight * (row.get("misfit") or 0.0)
        else:
            reason = row["reason"].partition(" (")[0]
            for key in keys:
                rejected.setdefault(key, f"{row['stage']}: {reason}")
    lost = {key: reason for key, reason in rejected.items() if key not in measured}
    n_rows = sum(row["status"] == "measured" for row in rows)
    return Totals(
        len(measured) + len(lost),
        len(measured),
        len(lost),
        n_rows,
        len(rows) - n_rows,
        dict(Counter(lost.values()).most_common()),
        misfit,
    )


def _keys(row: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return trace and band of a row, and those of the other trace of a pair."""
    key = tuple(row[name] for name in COLUMNS[:6])
    if not row["pair"]:
        return [key]
    return [key, (key[0], *row["pair"].rsplit(".", 2), *key[4:])]
