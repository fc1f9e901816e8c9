"""The contents of a run's results, as text to read and as JSON for programs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import numpy as np

from seismo_pes.items.times import NS
from seismo_pes.signal.folding import outer_signal_to_noise, peaks
from xcorr_app.reporting.account import account_as_json, account_as_lines
from xcorr_app.store import Store

__all__ = ["describe", "info_json", "info_text", "pair_rows"]

FIRST_ROWS = 40  # pairs that are listed without --all


def pair_rows(
    store: Store, stack: str | None = None, indices: Iterable[int] | None = None
) -> list[dict[str, Any]]:
    """Return one dict for each pair: geometry, stacked windows, largest value.

    Parameters
    ----------
    store
        Open results.
    stack
        Name of the stack; by default ``"all"``.
    indices
        Rows of ``store.pairs``; by default all.

    Returns
    -------
    list of dict
        first, second, distance_km, azimuth_deg, back_azimuth_deg, n_windows, start,
        end (ISO 8601), peak_lag_s, peak_value (largest absolute value, with its sign),
        zero_lag_value, signal_to_noise (see `folding.outer_signal_to_noise`). Unknown
        values are None.
    """
    rows: list[dict[str, Any]] = []
    if not store.stacks:
        return rows
    windows = store.windows(stack)
    half = len(store.lags_s) // 2
    for chosen, data in store.blocks(stack, indices):
        columns = (
            *peaks(data, store.lags_s),
            data[:, half],
            outer_signal_to_noise(data),
        )
        for index, lag_s, value, at_zero, ratio in zip(chosen, *columns, strict=True):
            stacked = windows[index]["n_windows"] > 0
            rows.append(
                _describe_pair(store.pairs[index], windows[index])
                | {
                    "peak_lag_s": _finite(lag_s if stacked else math.nan),
                    "peak_value": _finite(value if stacked else math.nan),
                    "zero_lag_value": _finite(at_zero if stacked else math.nan),
                    "signal_to_noise": _finite(ratio),
                }
            )
    return rows


def _describe_pair(pair: Any, windows: Any) -> dict[str, Any]:
    stacked = windows["n_windows"] > 0
    return {
        "first": str(pair["first_id"]),
        "second": str(pair["second_id"]),
        "distance_km": _finite(pair["distance_km"]),
        "azimuth_deg": _finite(pair["azimuth_deg"]),
        "back_azimuth_deg": _finite(pair["back_azimuth_deg"]),
        "n_windows": int(windows["n_windows"]),
        "start": _format_time(int(windows["start_ns"])) if stacked else None,
        "end": _format_time(int(windows["end_ns"])) if stacked else None,
    }


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _format_time(time_ns: int) -> str:
    """Return a time in ISO 8601; whole seconds have no fraction.

    >>> _format_time(1_500_000_000), _format_time(2_000_000_000)
    ('1970-01-01T00:00:01.500000Z', '1970-01-01T00:00:02Z')
    """
    seconds, fraction_ns = divmod(time_ns, NS)
    microsecond = fraction_ns // 1000
    time = datetime.fromtimestamp(seconds, UTC).replace(microsecond=microsecond)
    return time.isoformat().replace("+00:00", "Z")


# ------------------------------------------------------------------ for programs


def describe(store: Store, stack: str | None = None) -> dict[str, Any]:
    """Describe a run without reading its correlations, ready for JSON."""
    lags_s = store.lags_s
    description: dict[str, Any] = {
        "path": str(store.path),
        "complete": store.complete,
        "created": store.created,
        "software": store.software,
        "config": store.config,
        "n_channels": len(store.channels),
        "n_pairs": len(store),
        "stacks": list(store.stacks),
        "sampling_rate_hz": store.sampling_rate_hz,
        "n_lags": len(lags_s),
        "max_lag_s": float(lags_s[-1]),
        "dtype": str(store.dtype),
    }
    if store.stacks:
        windows = store.windows(stack)
        stacked = windows[windows["n_windows"] > 0]
        description |= {
            "stack": store.default_stack if stack is None else stack,
            "n_pairs_stacked": len(stacked),
            "n_windows": _limits(stacked["n_windows"]),
            "distance_km": _limits(store.pairs["distance_km"]),
            "start": _format_time(int(stacked["start_ns"].min()))
            if len(stacked)
            else None,
            "end": _format_time(int(stacked["end_ns"].max())) if len(stacked) else None,
        }
    return description


def _limits(values: np.ndarray) -> list[float] | None:
    """Return the least and the largest finite value; integers stay integers."""
    finite = values[np.isfinite(values)]
    return [finite.min().item(), finite.max().item()] if len(finite) else None


def info_json(
    store: Store,
    *,
    pair: Sequence[str] | None = None,
    stack: str | None = None,
) -> dict[str, Any]:
    """Return the description of a run and the rows of its pairs, ready for JSON.

    Parameters
    ----------
    store
        Open results.
    pair
        Two channels: only this pair. By default all pairs, and all correlations are
        read.
    stack
        Name of the stack; by default ``"all"``.

    Returns
    -------
    dict
        The entries of `describe`, ``account`` (see `account_as_json`) if the run has
        one, and ``pairs``: the list of `pair_rows`.
    """
    indices = None if pair is None else [store.pair_index(*pair)]
    description = describe(store, stack)
    account = store.account()
    if account.windows:
        description["account"] = account_as_json(account)
    return description | {"pairs": pair_rows(store, stack, indices)}


# ------------------------------------------------------------------ for people


def info_text(
    store: Store,
    *,
    pair: Sequence[str] | None = None,
    all_pairs: bool = False,
    stack: str | None = None,
) -> str:
    """Return a summary of a run, the account of its windows, and a table of its pairs.

    Parameters
    ----------
    store
        Open results.
    pair
        Two channels: only this pair, with each of its stacks.
    all_pairs
        List every pair and all lost windows; by default the first 40.
    stack
        Name of the stack; by default ``"all"``.
    """
    if pair is not None:
        return _format_pair(store, *pair)
    lines = _summarise(describe(store, stack))
    account = store.account()
    if account.windows:
        lines += ["", *account_as_lines(account, all_pairs)]
    if not len(store):
        return "\n".join(lines)
    shown = len(store) if all_pairs else min(len(store), FIRST_ROWS)
    lines += [
        "",
        *_format_columns(pair_rows(store, stack, range(shown)), (*GEOMETRY, *RESULT)),
    ]
    if shown < len(store):
        lines.append(f"... and {len(store) - shown:,} more pairs; --all lists them")
    return "\n".join(lines)


def _summarise(about: dict[str, Any]) -> list[str]:
    state = "" if about["complete"] else " (not complete: running, or stopped early)"
    lines = [
        f"{about['path']}{state}",
        f"{about['n_pairs']:,} pairs of {about['n_channels']:,} channels, lags "
        f"±{about['max_lag_s']:g} s at {about['sampling_rate_hz']:g} Hz",
    ]
    if not about["stacks"]:
        return [*lines, "no correlations yet"]
    stacks = about["stacks"]
    if len(stacks) > 1:
        names = stacks if len(stacks) <= 4 else [*stacks[:2], "...", *stacks[-2:]]
        lines.append(f"{len(stacks)} stacks: {', '.join(names)}")
    if about["start"]:
        least, most = about["n_windows"]
        lines.append(
            f"stack {about['stack']!r}: {about['start']} to {about['end']}, "
            f"{least if least == most else f'{least} to {most}'} windows per pair"
        )
    missing = about["n_pairs"] - about["n_pairs_stacked"]
    if missing:
        lines.append(f"pairs without a window in this stack: {missing:,}")
    return lines


GEOMETRY = (
    ("first", "first", "<", "{}"),
    ("second", "second", "<", "{}"),
    ("distance_km", "distance km", ">", "{:.3f}"),
    ("azimuth_deg", "azimuth", ">", "{:.1f}"),
)
RESULT = (
    ("n_windows", "windows", ">", "{}"),
    ("peak_lag_s", "peak lag s", ">", "{:+.3f}"),
    ("peak_value", "peak value", ">", "{:+.6g}"),
    ("signal_to_noise", "SNR", ">", "{:.1f}"),
)
STACK = ("stack", "stack", "<", "{}")


def _format_columns(
    rows: list[dict[str, Any]], formats: Sequence[tuple[str, str, str, str]]
) -> list[str]:
    """Lay out rows in columns; an unknown value is a dash."""
    columns = []
    for key, title, side, form in formats:
        cells = ["-" if row[key] is None else form.format(row[key]) for row in rows]
        width = max(map(len, [title, *cells]))
        columns.append([f"{cell:{side}{width}}" for cell in [title, *cells]])
    return ["  ".join(cells).rstrip() for cells in zip(*columns, strict=True)]


def _format_pair(store: Store, first: str, second: str) -> str:
    index = store.pair_index(first, second)
    rows = [
        row | {"stack": stack}
        for stack in store.stacks
        for row in pair_rows(store, stack, [index])
    ]
    pair = rows[0]
    km = pair["distance_km"]
    return "\n".join(
        [
            f"{pair['first']} - {pair['second']}",
            f"distance  {'unknown' if km is None else f'{km:.3f} km'}",
            f"azimuth   {_format_degrees(pair['azimuth_deg'])} at the first, "
            f"{_format_degrees(pair['back_azimuth_deg'])} at the second",
            "",
            *_format_columns(rows, (STACK, *RESULT)),
        ]
    )


def _format_degrees(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}°"
