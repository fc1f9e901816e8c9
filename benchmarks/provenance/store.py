"""Times of the store: records into it, and questions to it.

The records are those of a network of stations: each station reads, filters and measures
its days, and each measure has ten terms. Times of questions are medians, and each has
new values, so that nothing is answered from a cache of results.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dispel4py.provenance.conditions import ANCESTOR, DESCENDANT
from dispel4py.provenance.ingest import ingest
from dispel4py.provenance.lineage import relatives
from dispel4py.provenance.model import Writer, segment_name
from dispel4py.provenance.search import search
from dispel4py.provenance.store import Store, open_store

__all__ = ["measure", "measure_store", "write_records"]

#: Largest times in seconds, and least records per second, that we promise.
GOALS = {
    "ingest": 40_000.0,
    "ancestors": 0.001,
    "range": 0.005,
    "two terms": 0.010,
    "first page, one value": 0.050,
    "first page, half of all": 0.050,
    "first page, three terms": 0.050,
    "first page, or": 0.050,
    "first page, pattern": 0.050,
    "first page, of a PE": 0.050,
    "first page, of a PE and a term": 0.050,
    "first page, ancestor": 0.050,
    "first page, descendant": 0.050,
    "first page, ancestor, many": 0.050,
    "first page, ancestor of ancestor": 0.050,
    "first page, ancestor and a term": 0.050,
    "first page, size of file": 0.050,
    "first page, not, no result": 0.050,
    "first page, not ancestor": 0.050,
    "first page, not ancestor, no result": 0.050,
    "first page, ancestor and descendant": 0.050,
    "first page, two ancestors, no result": 0.050,
    "first page, pattern, no result": 0.050,
}
RUN = "20260101T000000.000-000000"
_PES = ("Read", "Filter", "Measure", "Correlate")
_N_STATIONS = 200


N_PRODUCTS, N_QUICK = 1_000_000, 40_000


class Figure(NamedTuple):
    """A measured figure: its name, its value, its unit and its goal."""

    name: str
    value: float
    unit: str
    goal: float | None
    is_met: bool | None


def write_records(folder: Path, n_products: int) -> int:
    """Write the records of a run in four processes; return their number.

    Parameters
    ----------
    folder : Path
    n_products : int
    """
    n_each = n_products // len(_PES)
    pes = [{"pe": pe, "name": pe, "class": pe, "parameters": {}} for pe in _PES]
    first = Writer(folder / RUN / "prov-run.jsonl")
    first.write({"kind": "run", "run": RUN, "began": 0.0, "user": "ana", "pes": pes})
    draw = random.Random(1)
    for i, pe in enumerate(_PES):
        writer = Writer(folder / RUN / segment_name(i))
        record: dict[str, Any] = {"kind": "process", "process": i, "host": "a"}
        writer.write({**record, "instances": {str(i): [pe, 0]}})
        for n in range(n_each):
            got: list[Any] = [None, f"-2.0.0.{n}"]
            if i:
                got = ["input", f"{i - 1}.{i - 1}.{i}.{n}"]
            out: dict[str, Any] = {"port": "output", "type": "obspy.core.trace.Trace"}
            out |= {"terms": _terms(n, draw), "items": [f"{i}.{i}.{i + 1}.{n}"]}
            if i == 3 and n:
                out["since"] = n - 2  # two stations
            call = {"kind": "call", "i": i, "n": n, "t": [n * 1.0, n + 0.5]}
            writer.write({**call, "got": got, "out": [out]})
        writer.close()
    first.write({"kind": "end", "ended": 9.0, "outcome": "complete"})
    return len(_PES) * (n_each + 1) + 2


def _terms(n: int, draw: random.Random) -> dict[str, Any]:
    return {
        "station": f"S{n % _N_STATIONS:03d}",
        "network": "XX",
        "channel": ("HHZ", "HHN", "HHE")[n % 3],
        "start": 1.4e9 + 3600.0 * n,
        "end": 1.4e9 + 3600.0 * (n + 1),
        "rate_hz": 20.0,
        "n_samples": 72000,
        "snr": draw.random() * 100,
        "peak": draw.gauss(0, 1e-6),
        "rms": draw.random() * 1e-7,
    }


def _median_s(ask: Callable[[int], object], repeats: int) -> float:
    times = []
    for k in range(repeats):
        began = time.perf_counter()
        ask(k)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def measure_store(
    folder: Path, n_products: int, place: str | None = None, repeats: int = 15
) -> Iterator[Figure]:
    """Yield the figures of a store in a database.

    Parameters
    ----------
    folder : Path
        For records and database; empty.
    n_products : int
    place : str, optional
        The database; a file by default.
    repeats : int
        Number of times that each question is asked.
    """
    n_records = write_records(folder, n_products)
    store = open_store(folder, place)
    began = time.perf_counter()
    ingest(store, folder)
    rate = n_records / (time.perf_counter() - began)
    yield _figure("ingest", rate, "records/s")
    for name, ask in _questions(store, n_products).items():
        began = time.perf_counter()
        ask(-1)  # reads the values of terms
        yield Figure(
            f"{name}: first time", time.perf_counter() - began, "s", None, None
        )
        yield _figure(name, _median_s(ask, repeats), "s")
    store.close()


def measure(quick: bool, place: str | None = None) -> dict[str, Any]:
    """Measure a store, print and return its figures.

    Parameters
    ----------
    quick : bool
        Fewer products.
    place : str, optional
        The database; a file by default.
    """
    n = N_QUICK if quick else N_PRODUCTS
    print(f"\nstore of {n:,} products, {'SQLite' if place is None else 'PostgreSQL'}")
    figures = []
    with tempfile.TemporaryDirectory() as folder:
        for figure in measure_store(Path(folder), n, place):
            figures.append(figure._asdict())
            value = f"{figure.value:12,.0f} {figure.unit}"
            if figure.unit == "s":
                value = f"{figure.value * 1e3:12.3f} ms"
            verdict = {None: "", True: "goal met", False: "goal NOT met"}
            print(f"  {figure.name:38} {value:24} {verdict[figure.is_met]}", flush=True)
    return {"n_products": n, "figures": figures}


def _figure(name: str, value: float, unit: str) -> Figure:
    goal = GOALS.get(name)
    is_met = None
    if goal is not None:
        is_met = value >= goal if unit == "records/s" else value <= goal
    return Figure(name, value, unit, goal, is_met)


def _questions(store: Store, n_products: int) -> dict[str, Callable[[int], object]]:
    draw = random.Random(2)

    def page(text: str) -> Callable[[int], object]:
        def ask(k: int) -> object:
            return search(store, text.format(k=k % 90 + 1, s=(k * 7) % _N_STATIONS))

        return ask

    # the correlations are the last quarter of the products
    numbers = [draw.randint(n_products * 3 // 4 + 10, n_products) for _ in range(100)]
    return {
        "ancestors": lambda k: relatives(store, ANCESTOR, [numbers[k]]),
        "descendants": lambda k: relatives(
            store, DESCENDANT, [numbers[k] - n_products * 3 // 4]
        ),
        "range": page("snr in {k}..{k}.1"),
        "two terms": page("station = 'S{s:03d}' and snr in {k}..{k}.5"),
        "first page, one value": page("station = 'S{s:03d}'"),
        "first page, half of all": page("snr > {k}.5 or snr < {k}.4"),
        "first page, three terms": page(
            "snr > {k} and peak > 0 and channel in ('HHZ', 'HHE')"
        ),
        "first page, or": page("station = 'S{s:03d}' or snr > 99.9{k}"),
        "first page, pattern": page("station ~ '*{s:03d}'"),
        "first page, of a PE": page("pe.id = 'Correlate' and run.user = 'ana'"),
        "first page, of a PE and a term": page("pe.id = 'Correlate' and snr > {k}"),
        "first page, ancestor": page("ancestor(snr in {k}..{k}.001)"),
        "first page, descendant": page("descendant(snr > {k})"),
        "first page, ancestor, many": page("ancestor(station = 'S{s:03d}')"),
        "first page, ancestor of ancestor": page(
            "ancestor(ancestor(snr in {k}..{k}.01))"
        ),
        "first page, ancestor and a term": page(
            "ancestor(snr > {k}) and station = 'S{s:03d}'"
        ),
        "first page, size of file": page("product.size > {k}"),
        "first page, not, no result": page("not snr < 10{k}"),
        "first page, not ancestor": page("not ancestor(snr > {k})"),
        "first page, not ancestor, no result": page(
            "not ancestor(snr < 10{k}) and pe.id != 'Read'"
        ),
        "first page, ancestor and descendant": page(
            "ancestor(snr < {k}.01) and descendant(snr > {k}.99)"
        ),
        "first page, two ancestors, no result": page(
            "ancestor(snr in {k}..{k}.001) and ancestor(station = 'S999')"
        ),
        "first page, pattern, no result": page("station ~ '*X{k}'"),
    }
