"""Tables of the stored results, for the page on benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["Table", "elements", "engine", "headline", "peers"]

RESULTS = Path(__file__).parent / "results"
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]

PREDECESSORS = ("dispel4py 1.2.1", "stream-d4py")
OTHERS = ("loop", "pool", "joblib", "dask")


def headline() -> Table:
    """Return the example of 2015: sizes, mappings and precisions."""
    head = ("stations", "mapping", "type", "wall s", "times the kernel", "us per pair")
    rows: list[tuple[str, ...]] = []
    for form in _load("headline").values():
        for case in form["cases"]:
            us = 1e6 * case["wall_s"] / case["n_pairs"]
            row = (
                f"{case['n_stations']:,}",
                case["mapping"],
                "float32" if case["form"] == "lean" else "float64",
                f"{case['wall_s']:.1f}",
                f"{case['ratio_to_kernel']:.2f}",
                f"{us:.0f}",
                f"{case['peak_mb']:,}",
                f"{case['written_gb']:.2f}",
            )
            rows.append(row)
    return (*head, "MB per process", "GB written"), rows


def peers() -> Table:
    """Return the same correlations by xcorr-app and by other packages."""
    head = ("", "version", "wall s", "pair-days/s", "in the correlation stage")
    rows: list[tuple[str, ...]] = [
        (
            outcome["name"],
            outcome["version"],
            f"{outcome['wall_s']:.1f}",
            f"{outcome['pair_days_s']:.0f}",
            f"{outcome['correlate_pair_days_s']:.0f}",
            f"{outcome['peak_mb']:,}",
            f"{outcome['worst_lag_samples']:.2f}",
        )
        for outcome in _load("peers")["outcomes"]
    ]
    return (*head, "MB per process", "largest error of a lag, samples"), rows


def engine() -> Table:
    """Return microseconds per item of a chain, for our engine and for others."""
    head = ("chain", "ours", *PREDECESSORS, "times as fast as the better", *OTHERS)
    rows: list[tuple[str, ...]] = []
    for name, case in sorted(_load("engine").items()):
        if "contenders" not in case:
            continue
        took = {who: run["us_per_item"] for who, run in case["contenders"].items()}
        mapping, kind, n = name.split("-")
        items = "numbers" if kind == "small" else "arrays of 1 MB"
        better = min(took[who] for who in PREDECESSORS if who in took)
        row = (
            f"`{mapping}`, {int(n):,} {items}",
            *(_us(took.get(who)) for who in ("ours", *PREDECESSORS)),
            f"{better / took['ours']:.1f}",
            *(_us(took.get(who)) for who in OTHERS),
        )
        rows.append(row)
    return head, rows


def elements() -> Table:
    """Return the time for one day of a station, compared with ObsPy and NumPy."""
    stored = _load("elements")
    response = {name: median(times) for name, times in stored["response"].items()}
    second, first = response["second day"], response["first day"]
    rows: list[tuple[str, ...]] = [
        (
            "20 Hz, from file to whitened spectra: our time / plain ObsPy and NumPy",
            f"{median(stored['chain_ratios']):.2f}",
        ),
        (
            "removing the response of a second day / of the first day",
            f"{second / first:.2f}",
        ),
        (
            "removing the response of a second day / ObsPy",
            f"{second / response['obspy, each day']:.2f}",
        ),
    ]
    return ("one day of one station", "ratio of times"), rows


def _load(name: str) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return results


def _us(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
