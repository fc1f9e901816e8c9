"""Tables of the results of a run, for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from misfit_app.ledger import totals
from misfit_app.outliers import outliers

__all__ = ["compare_text", "outlier_text", "summary_rows", "summary_text"]

HEAD = (
    "event", "component", "periods (s)", "measure", "windows", "misfit", "mean dt_s",
    "std dt_s", "mean dlna",
)  # fmt: skip
Key = tuple[str, str, str, str]
ORDINALS = ("first", "second")
ALL_EVENTS = "(all events)"
NO_COMMON = (
    "Only equal windows are compared: with --windows, a run uses the windows.json of "
    "another one"
)
ALL = ("all",)  # the category of all components and bands


def _band(row: Mapping[str, Any]) -> str:
    if row["min_period_s"] is None:
        return "all"
    return _periods(row["min_period_s"], row["max_period_s"])


def _periods(min_s: float, max_s: float) -> str:
    return f"{min_s:g}-{max_s:g}"


def _groups(rows: Iterable[Mapping[str, Any]]) -> dict[Key, list[Mapping[str, Any]]]:
    groups: dict[Key, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row["status"] == "measured":
            key = row["event"], row["component"], _band(row), row["measure"]
            groups.setdefault(key, []).append(row)
    return groups


def summary_rows(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the sums of misfits by event, component, band and measure.

    Of several events, the sums over all of them are the first rows.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of a ledger.
    """
    table = []
    groups = _groups(rows)
    if len({key[0] for key in groups}) > 1:
        for key, members in list(groups.items()):
            groups.setdefault((ALL_EVENTS, *key[1:]), []).extend(members)
    for key, members in sorted(groups.items()):
        shifts = [row["dt_s"] for row in members if row["dt_s"] is not None]
        ratios = [row["dlna"] for row in members if row["dlna"] is not None]
        numbers = (
            len(members),
            float(sum(row["weight"] * row["misfit"] for row in members)),
            float(np.mean(shifts)) if shifts else None,
            float(np.std(shifts)) if shifts else None,
            float(np.mean(ratios)) if ratios else None,
        )
        table.append(dict(zip(HEAD, (*key, *numbers), strict=True)))
    return table


def summary_text(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the sums of misfits and the totals in lines.

    Parameters
    ----------
    rows : sequence of mapping
        Rows of a ledger.
    """
    table = [list(entry.values()) for entry in summary_rows(rows)]
    lines = _aligned([HEAD, *table]) if table else []
    return "\n".join([*lines, "", totals(rows).text()]).lstrip("\n")


def compare_text(runs: Sequence[Iterable[Mapping[str, Any]]]) -> str:
    """Return the misfits of runs in the windows that all of them measured.

    Parameters
    ----------
    runs : sequence of iterable of mapping
        Rows of the ledgers of two or more runs, such as of the models of an inversion.

    Returns
    -------
    str
        A line for each measure, and for each component and band of it, with the change
        from the first to the last run; windows that are not in all runs are counted.
    """
    misfits = [_by_window(rows) for rows in runs]
    common = sorted(set.intersection(*(set(one) for one in misfits)))
    both = "both" if len(runs) == 2 else f"all {len(runs)}"
    others = [f"{len(one) - len(common):,}" for one in misfits]
    names = ORDINALS[: len(runs)] if len(runs) <= len(ORDINALS) else ()
    names = names or tuple(f"run {k + 1}" for k in range(len(runs)))
    only = ", ".join(
        f"{n} {'more' if len(runs) > 2 else 'only'} in the {name}"
        for n, name in zip(others, names, strict=True)
    )
    lines = [f"{len(common):,} measurements in {both} runs, {only}"]
    head = ("measure", "component", "periods (s)", "windows", *names, "change")
    table: list[Sequence[Any]] = [head]
    for measure in dict.fromkeys(key[-2] for key in common):
        mine = [key for key in common if key[-2] == measure]
        categories: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {ALL: mine}
        for key in mine:
            categories.setdefault(key[3:6], []).append(key)
        for (component, *band), keys in categories.items():
            periods = "all" if not band else _periods(*band)
            sums = [sum(one[key] for key in keys) for one in misfits]
            change = f"{100 * (sums[-1] / sums[0] - 1):+.1f} %" if sums[0] else ""
            table.append((measure, component, periods, len(keys), *sums, change))
    return "\n".join([*lines, *(_aligned(table) if common else [NO_COMMON])])


def outlier_text(rows: Iterable[Mapping[str, Any]], limit: float) -> str:
    """Return the outliers of a run in lines, see `outliers`.

    Parameters
    ----------
    rows : iterable of mapping
        Rows of a ledger.
    limit : float
        Number of standard deviations.
    """
    chosen = outliers(rows, limit)
    head = (
        "event", "station", "component", "pair", "periods (s)", "measure", "window (s)",
        "quantity", "number", "median", "deviations", "of",
    )  # fmt: skip
    table: list[Sequence[Any]] = [head]
    for outlier in chosen:
        row = outlier.row
        window = f"{row['window_start_s']:g}-{row['window_end_s']:g}"
        where = [row[name] for name in ("event", "station", "component", "pair")]
        what = _band(row), row["measure"], window, outlier.quantity
        numbers = outlier.number, outlier.median, outlier.deviations
        table.append((*where, *what, *numbers, outlier.n_members))
    words = "outlier" if len(chosen) == 1 else "outliers"
    count = f"{len(chosen):,} {words} beyond {limit:g} standard deviations"
    return "\n".join([count, *(_aligned(table) if chosen else [])])


def _by_window(rows: Iterable[Mapping[str, Any]]) -> dict[tuple[Any, ...], float]:
    names = (
        "event", "station", "location", "component", "min_period_s", "max_period_s",
        "window_start_s", "window_end_s", "pair", "measure", "period_s",
    )  # fmt: skip
    return {
        tuple("" if row[name] is None else row[name] for name in names): row["misfit"]
        for row in rows
        if row["status"] == "measured"
    }


def _aligned(table: Sequence[Sequence[Any]]) -> list[str]:
    texts = [[_cell(cell) for cell in row] for row in table]
    widths = [max(len(row[k]) for row in texts) for k in range(len(texts[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        .rstrip()
        for row in texts
    ]  # fmt: skip


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
