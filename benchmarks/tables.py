"""Tables of the stored results, for the page on benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import median
from typing import Any

__all__ = [
    "Table",
    "dvv",
    "elements",
    "engine",
    "headline",
    "live",
    "machine_of_live",
    "machine_of_mappings",
    "mappings",
    "measures",
    "misfit",
    "peers",
    "provenance",
]

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


def dvv() -> Table:
    """Return the accuracy of the methods that measure velocity changes."""
    head = ("noise", "method", "rms error, ppm", "bias, ppm", "measured / true change")
    rows: list[tuple[str, ...]] = [
        (
            f"{case['noise']:g}",
            case["method"],
            f"{1e6 * case['rms']:.1f}",
            f"{1e6 * case['bias']:+.1f}",
            f"{case['slope']:.3f}",
            f"{100 * case['within_error']:.0f}",
            f"{100 * case['without_value']:.0f}",
            f"{case['ms_per_pair_day']:.1f}",
        )
        for case in _load("dvv")["cases"]
    ]
    shares = ("within one standard error, %", "no value, %", "ms per pair and day")
    return (*head, *shares), rows


def measures() -> Table:
    """Return the time of each measure of misfit, and of other programs."""
    head = ("measure", "ours, ms", "other program", "its time, ms", "times as fast")
    rows: list[tuple[str, ...]] = []
    for case in _load("measures")["cases"]:
        others = ("", "", "")
        if "peer" in case:
            ratio = case["peer_s"] / case["ours_s"]
            others = case["peer"], f"{1e3 * case['peer_s']:.2f}", f"{ratio:.1f}"
        rows.append((case["measure"], f"{1e3 * case['ours_s']:.2f}", *others))
    return head, rows


def misfit() -> Table:
    """Return the time of an event of many stations, three components, four bands."""
    head = ("stations", "processes", "wall s", "CPU s", "ms CPU per trace and band")
    rows: list[tuple[str, ...]] = []
    for case in _load("misfit").get("many_stations", {"cases": []})["cases"]:
        each_ms = 1e3 * case["cpu_s"] / (12 * case["n_stations"])
        row = (
            f"{case['n_stations']:,}",
            str(case["processes"]),
            f"{case['wall_s']:.1f}",
            f"{case['cpu_s']:.1f}",
            f"{each_ms:.1f}",
        )
        rows.append(row)
    return head, rows


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


def mappings() -> Table:
    """Return start-up, time per item and a correlation job, for each mapping."""
    stored = _load("mappings")
    n = stored["n_stations"]
    head = ("mapping", "start-up, s", "us per number", "ms per array of 1 MB")
    rows: list[tuple[str, ...]] = []
    for name, row in stored["mappings"].items():
        cells = ("not measured", "", "", "")
        if "reason" not in row:
            cells = (
                f"{row['start_s']:.1f}",
                f"{row['us_per_number']:.1f}",
                f"{row['ms_per_array']:.1f}",
                f"{row['job']['wall_s']:.1f}",
            )
        rows.append((f"`{name}`", *cells))
    return (*head, f"{n * (n - 1) // 2:,} pairs, s"), rows


def live() -> Table:
    """Return the latency of live runs, and their load between windows."""
    head = ("stations", "pairs", "mapping", "median, s", "99th percentile, s", "idle")
    rows: list[tuple[str, ...]] = []
    for case in _load("live")["cases"]:
        n, sorted_s = case["n_stations"], sorted(case["latencies_s"])
        late = sorted_s[min(len(sorted_s) - 1, round(0.99 * len(sorted_s)))]
        idle = f"{100 * case['idle_share']:.1f} %" if "idle_share" in case else ""
        row = (
            f"{n}",
            f"{n * (n - 1) // 2:,}",
            f"`{case['mapping']}`",
            f"{median(sorted_s):.2f}",
            f"{late:.2f}",
            idle,
        )
        rows.append(row)
    return head, rows


def machine_of_live() -> str:
    """Return a line on the machine and the date of the table of live runs."""
    machine = _load("live")["machine"]
    return (
        f"Measured on {machine['date'][:10]} on {machine['cores']} cores "
        f"({machine['processor']}, load {machine['load']:.1f} at the start).\n"
    )


def machine_of_mappings() -> str:
    """Return a line on the machine and the date of the table of mappings."""
    machine = _load("mappings")["machine"]
    versions = machine["versions"]
    engines = [("pyspark", "Spark"), ("distributed", "Dask"), ("mpich", "MPICH")]
    known = [f"{text} {versions[name]}" for name, text in engines if name in versions]
    software = ", ".join([f"Python {machine['python']}", *known])
    return (
        f"Measured on {machine['date'][:10]} on {machine['cores']} cores "
        f"({machine['processor']}, load {machine['load']:.1f}) with "
        f"{software}.\n"
    )


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


def provenance() -> Table:
    """Return the cost of provenance, and the time of questions, beside their goals."""
    stored = _load("provenance")
    recording = stored["recording"]
    record, job = recording["a record with ten terms"], recording["correlations"]
    rows: list[tuple[str, ...]] = [
        ("record with ten terms, processor time", f"{record['us']:.1f} us", "10 us"),
        ("record with ten terms, size", f"{record['bytes']:.0f} B", "450 B"),
    ]
    pairs = f"{job['n_pairs']:,} correlations"
    for what, goal in (("tiles", 1), ("pairs", 5)):
        added = f"{100 * job[what]:+.1f} %"
        rows.append((f"{pairs}, with records of {what}", added, f"{goal} %"))
    for name, run in recording["pipeline"].items():
        ratio = f"{run['ratio']:.0f} times the time"
        rows.append((f"{name}: six elements without work", ratio, ""))
    for place, name in (("sqlite", "SQLite"), ("postgresql", "PostgreSQL")):
        if place in stored:
            rows += _store_rows(name, **stored[place])
    return ("", "measured", "goal"), rows


def _store_rows(
    name: str, n_products: int, figures: list[dict[str, Any]]
) -> list[tuple[str, ...]]:
    return [
        (
            f"{name}, {n_products:,} products: {figure['name']}",
            *(_amount(figure[key], figure["unit"]) for key in ("value", "goal")),
        )
        for figure in figures
        if figure["goal"] is not None
    ]


def _amount(value: float, unit: str) -> str:
    return f"{1e3 * value:.1f} ms" if unit == "s" else f"{value:,.0f} {unit}"


def _load(name: str) -> dict[str, Any]:
    results: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return results


def _us(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
