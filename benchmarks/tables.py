"""Tables of the figures that are kept, for the page on benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

__all__ = ["Table", "elements", "engine", "headline", "peers"]

RESULTS = Path(__file__).parent / "results"
Table = tuple[tuple[str, ...], list[tuple[str, ...]]]

PREDECESSORS = ("dispel4py 1.2.1", "stream-d4py")
BESIDE = ("loop", "pool", "joblib", "dask")


def headline() -> Table:
    """Return the job of 2015: sizes, mappings and forms."""
    head = ("stations", "mapping", "type", "wall s", "times the kernel", "us a pair")
    rows: list[tuple[str, ...]] = []
    for form in _kept("headline").values():
        for case in form["cases"]:
            us = 1e6 * case["wall_s"] / case["n_pairs"]
            told = (
                f"{case['n_stations']:,}",
                case["mapping"],
                "float32" if case["form"] == "lean" else "float64",
                f"{case['wall_s']:.1f}",
                f"{case['ratio_to_kernel']:.2f}",
                f"{us:.0f}",
                f"{case['peak_mb']:,}",
                f"{case['written_gb']:.2f}",
            )
            rows.append(told)
    return (*head, "MB a process", "GB written"), rows


def peers() -> Table:
    """Return the same job by us and by others."""
    head = ("", "version", "wall s", "pair-days/s", "in the correlation stage")
    rows: list[tuple[str, ...]] = [
        (
            one["name"],
            one["version"],
            f"{one['wall_s']:.1f}",
            f"{one['pair_days_s']:.0f}",
            f"{one['correlate_pair_days_s']:.0f}",
            f"{one['peak_mb']:,}",
            f"{one['worst_lag_samples']:.2f}",
        )
        for one in _kept("peers")["outcomes"]
    ]
    return (*head, "MB a process", "largest error of a lag, samples"), rows


def engine() -> Table:
    """Return microseconds per item of a chain, ours and theirs."""
    head = ("chain", "ours", *PREDECESSORS, "times as fast as the better", *BESIDE)
    rows: list[tuple[str, ...]] = []
    for name, case in sorted(_kept("engine").items()):
        if "contenders" not in case:
            continue
        took = {who: one["us_per_item"] for who, one in case["contenders"].items()}
        mapping, kind, n = name.split("-")
        items = "numbers" if kind == "small" else "arrays of 1 MB"
        better = min(took[who] for who in PREDECESSORS if who in took)
        row = (
            f"`{mapping}`, {int(n):,} {items}",
            *(_us(took.get(who)) for who in ("ours", *PREDECESSORS)),
            f"{better / took['ours']:.1f}",
            *(_us(took.get(who)) for who in BESIDE),
        )
        rows.append(row)
    return head, rows


def elements() -> Table:
    """Return what a day of a station takes, beside obspy and numpy."""
    kept = _kept("elements")
    response = {name: median(took) for name, took in kept["response"].items()}
    second, first = response["second day"], response["first day"]
    rows: list[tuple[str, ...]] = [
        (
            "20 Hz, from file to whitened spectra: of the plain obspy and numpy chain",
            f"{median(kept['chain_ratios']):.2f}",
        ),
        ("response of a second day: of the first", f"{second / first:.2f}"),
        ("the same: of obspy's", f"{second / response['obspy, each day']:.2f}"),
    ]
    return ("one day of a station", "share of the time"), rows


def _kept(name: str) -> dict[str, Any]:
    kept: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return kept


def _us(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
