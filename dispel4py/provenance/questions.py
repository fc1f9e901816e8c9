"""Questions about runs: what ran, what failed, what differs, which terms there are."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dispel4py.provenance.lineage import lost_calls, lost_items
from dispel4py.provenance.model import segments
from dispel4py.provenance.products import find_run, load_json
from dispel4py.provenance.store import PROCESS_OF_CALL, Store

__all__ = ["describe_run", "differences", "errors", "list_runs", "terms"]

#: Seconds without a new record after which a run on another host is taken as ended.
_SILENCE_S = 600
#: Seconds by which the clock may have been set since a run began.
_CLOCK_S = 60


def list_runs(store: Store) -> list[dict[str, Any]]:
    """Return all runs, the newest first, with their numbers of products and failures.

    Parameters
    ----------
    store : Store
    """
    rows = store.rows(
        "SELECT n, id, name, began, ended, outcome, host, owner, mapping, processes, "
        "folder, document FROM run ORDER BY id DESC"
    )
    names = ("id", "name", "began", "ended", "outcome", "host", "user", "mapping")
    runs = []
    for n, *row in rows:
        run = dict(zip(names, row[:8], strict=True))
        document = load_json(row[10]) or {}
        run["processes"] = row[8]
        run["outcome"] = run["outcome"] or _state(row[9], run["host"], document)
        run["command"] = document.get("command")
        run["n_products"] = store.value(
            "SELECT count(*) FROM product JOIN instance "
            "ON instance.n = product.instance WHERE instance.run = ? "
            "AND product.owner IS NULL",
            [n],
        )
        run["n_failures"] = sum(group["n"] for group in errors(store, n))
        runs.append(run)
    return runs


def _state(folder: str | None, host: str | None, document: dict[str, Any]) -> str:
    """Return ``running``, or ``killed`` for a run that did not write its end."""
    pid = document.get("pid")
    if host == socket.gethostname() and isinstance(pid, int):
        return "running" if _is_alive(pid, document.get("began")) else "killed"
    paths = segments(Path(folder)) if folder else []
    times = [os.stat(path).st_mtime for path in paths]
    is_new = bool(times) and time.time() - max(times) < _SILENCE_S
    return "running" if is_new else "killed"


def _is_alive(pid: int, began: Any) -> bool:
    """Return whether the process that began a run is there, and no later process."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        system = Path("/proc/stat").read_text()
    except OSError:
        return False
    state, *fields = status.rpartition(")")[2].split()
    booted = int(system.partition("btime ")[2].split()[0])
    started = booted + int(fields[18]) / os.sysconf("SC_CLK_TCK")
    return state not in "ZX" and started < (began or 0) + _CLOCK_S


def describe_run(store: Store, n: int) -> dict[str, Any]:
    """Return all that is known of a run: configuration, PEs, files, losses.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.
    """
    run_id = store.value("SELECT id FROM run WHERE n = ?", [n])
    (run,) = (run for run in list_runs(store) if run["id"] == run_id)
    document = load_json(store.value("SELECT document FROM run WHERE n = ?", [n])) or {}
    for name in ("folder", "versions", "configuration", "edges"):
        run[name] = document.get(name)
    run["pes"] = pe_summaries(store, n, document)
    files = store.rows(
        "SELECT path, size, modified, sha256 FROM file WHERE run = ? ORDER BY path", [n]
    )
    names = ("path", "size", "modified", "sha256")
    run["files"] = [dict(zip(names, row, strict=True)) for row in files]
    notes = store.rows(
        "SELECT made, content FROM note WHERE run = ? ORDER BY made", [n]
    )
    run["notes"] = [
        {"made": made, "content": load_json(content)} for made, content in notes
    ]
    cut, lost, undescribed = store.rows(
        "SELECT coalesce(sum(n_cut), 0), coalesce(sum(n_lost), 0), "
        "coalesce(sum(n_undescribed), 0) FROM segment WHERE run = ?",
        [n],
    )[0]
    run["records_cut"], run["records_not_written"] = int(cut), int(lost)
    run["items_not_described"] = int(undescribed)
    run["items_lost_with_their_process"] = lost_items(store, n)
    run["calls_lost_with_their_process"] = lost_calls(store, n)
    return run


def pe_summaries(
    store: Store, n: int, document: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return for each PE of a run its calls, busy time, products and failures.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.
    document : dict
        The record of the run.
    """
    calls = store.rows(
        "SELECT instance.pe, count(*), count(c.outcome) "
        "FROM call c JOIN instance ON instance.n = c.instance "
        "WHERE instance.run = ? GROUP BY instance.pe",
        [n],
    )
    busy = busy_times(store, n)
    products = store.rows(
        "SELECT instance.pe, count(*), coalesce(sum(p.size), 0) FROM product p "
        "JOIN instance ON instance.n = p.instance WHERE instance.run = ? "
        "AND p.owner IS NULL GROUP BY instance.pe",
        [n],
    )
    by_pe = {pe: (int(count), int(size)) for pe, count, size in products}
    counts = {pe: (int(k), int(failed)) for pe, k, failed in calls}
    described = {pe["pe"]: pe for pe in document.get("pes", ()) if "pe" in pe}
    summaries = []
    for pe in dict.fromkeys([*described, *counts, *by_pe]):
        n_calls, n_failed = counts.get(pe, (0, 0))
        n_products, size = by_pe.get(pe, (0, 0))
        details = described.get(pe, {})
        summaries.append(
            {
                "pe": pe,
                "class": details.get("class"),
                "sha256": details.get("sha256"),
                "parameters": details.get("parameters"),
                "instances": details.get("instances"),
                "n_calls": n_calls,
                "busy_s": sum(s for (name, _), s in busy.items() if name == pe),
                "n_products": n_products,
                "bytes": size,
                "n_failed": n_failed,
            }
        )
    return summaries


def busy_times(store: Store, n: int) -> dict[tuple[str, int | None], float]:
    """Return the own time of each PE in each process, in seconds.

    In one process the next PE may work on an item within the call that sends it, so
    calls nest. Only the time outside of inner calls is the own time of a call.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.
    """
    busy: dict[tuple[str, int | None], float] = {}
    for pe, process, _, seconds in own_times(store, n):
        busy[pe, process] = busy.get((pe, process), 0.0) + seconds
    return busy


def own_times(store: Store, n: int) -> Iterator[tuple[str, int | None, float, float]]:
    """Yield PE, process, begin and own time in seconds of each call of a run.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.
    """
    rows = store.database.execute(
        f"SELECT instance.pe, {PROCESS_OF_CALL} AS process, c.began, c.ended "
        "FROM call c JOIN instance ON instance.n = c.instance "
        "WHERE instance.run = ? AND c.ended >= c.began "
        "ORDER BY process, c.began, c.ended DESC",
        [n],
    )
    # calls that are open at the time of the row: PE, process, begin, end, inner time
    outer: list[list[Any]] = []

    def close() -> tuple[str, int | None, float, float]:
        pe, process, began, ended, inner_s = outer.pop()
        if outer:
            outer[-1][4] += ended - began
        return pe, process, began, max(ended - began - inner_s, 0.0)

    for pe, process, began, ended in rows:
        while outer and (outer[-1][1] != process or outer[-1][3] < ended):
            yield close()
        outer.append([pe, process, began, ended, 0.0])
    while outer:
        yield close()


_ERRORS = """
SELECT instance.run, instance.pe, instance.k, c.number, c.outcome, c.error,
  (SELECT p.terms FROM item i JOIN product p ON p.n = i.product
   WHERE i.channel = c.channel AND i.number = c.item LIMIT 1)
FROM call c JOIN instance ON instance.n = c.instance
WHERE c.outcome IN ('failed', 'skipped')
"""


def errors(store: Store, run: int | None = None) -> list[dict[str, Any]]:
    """Return the failures, grouped by exception, PE and station.

    Parameters
    ----------
    store : Store
    run : int, optional
        Only failures of this run, by its number in the store.

    Returns
    -------
    list of dict
        Keys: error, pe, station, n, message, traceback, calls (at most 20 ids); the
        largest group first.
    """
    sql, values = _ERRORS, []
    if run is not None:
        sql, values = f"{sql} AND instance.run = ?", [run]
    ids = dict(store.rows("SELECT n, id FROM run"))
    groups: dict[tuple[str, str, Any], dict[str, Any]] = {}
    for run_n, pe, k, number, _, error, terms_ in store.rows(sql, values):
        station = (load_json(terms_) or {}).get("station")
        call = f"{ids[run_n]}/{pe}/{k}/{number}"
        _add_error(groups, load_json(error) or {}, pe, station, call)
    where = "" if run is None else " WHERE run = ?"
    sql = f"SELECT run, pe, process, error FROM failure{where}"
    for run_n, pe, process, error in store.rows(sql, values):
        place = f"{ids[run_n]}, process {process}"
        _add_error(groups, load_json(error) or {}, pe or "", None, place)
    return sorted(groups.values(), key=lambda group: -group["n"])


def _add_error(
    groups: dict[tuple[str, str, Any], dict[str, Any]],
    error: Any,
    pe: str,
    station: Any,
    call: str,
) -> None:
    error = error if isinstance(error, dict) else {"message": str(error)}
    kind = error.get("type") or "unknown"
    group = groups.setdefault(
        (kind, pe, str(station)),
        {
            "error": kind,
            "pe": pe,
            "station": station,
            "n": 0,
            "message": error.get("message"),
            "traceback": error.get("traceback"),
            "calls": [],
        },
    )
    group["n"] += 1
    if len(group["calls"]) < 20:
        group["calls"].append(call)


def terms(store: Store, run: int | None = None, most: int = 100_000) -> list[Any]:
    """Return the terms that products have: name, kind, number, smallest and largest.

    Parameters
    ----------
    store : Store
    run : int, optional
        Only products of this run, by its number in the store.
    most : int
        Products that are looked at, the newest first.
    """
    where, values = "", []
    if run is not None:
        where = "WHERE p.instance IN (SELECT n FROM instance WHERE run = ?)"
        values = [run]
    found: dict[str, dict[str, Any]] = {}
    for (text,) in store.rows(
        f"SELECT p.terms FROM product p {where} ORDER BY p.n DESC LIMIT {int(most)}",
        values,
    ):
        for name, value in (load_json(text) or {}).items():
            _add_term(found, name, value)
    for term in found.values():
        values_seen = term.pop("values")
        if values_seen is not None and len(values_seen) <= 20:
            term["values"] = sorted(values_seen)
    return sorted(found.values(), key=lambda term: term["name"])


def _add_term(found: dict[str, dict[str, Any]], name: str, value: Any) -> None:
    kind = {bool: "boolean", int: "number", float: "number", str: "text"}.get(
        type(value), "other"
    )
    term = found.setdefault(name, {"name": name, "kind": kind, "n": 0, "values": set()})
    term["n"] += 1
    if kind != term["kind"]:
        term["kind"] = "mixed"
    if kind == "number":
        term["smallest"] = min(value, term.get("smallest", value))
        term["largest"] = max(value, term.get("largest", value))
        term["values"] = None
    elif kind == "text" and term["values"] is not None and len(term["values"]) <= 20:
        term["values"].add(value)


# ------------------------------------------------------------------ differences


def differences(store: Store, first: str, second: str) -> dict[str, Any]:
    """Return what changed between two runs, and the first PE whose products differ.

    Products of both runs are compared by their PE and port, and by what is known of
    their content: the checksum of their file, or else their terms. The order of
    products does not count.

    Parameters
    ----------
    store : Store
    first, second : str
        Ids of runs.

    Returns
    -------
    dict
        Keys: configuration, versions, files (each ``{name: [first, second]}``), pes
        (PEs whose class, source or parameters differ), products (for each PE its
        numbers of products, and of those without an equal in the other run), and
        first_pe (None if no products differ).
    """
    runs = [describe_run(store, find_run(store, text)) for text in (first, second)]
    files = [
        {f["path"]: f["sha256"] or [f["size"], f["modified"]] for f in run["files"]}
        for run in runs
    ]
    pes = [
        {
            pe["pe"]: {key: pe[key] for key in ("class", "sha256", "parameters")}
            for pe in run["pes"]
        }
        for run in runs
    ]
    products = {}
    first_pe = None
    for pe in _in_order(runs[0]):
        row = _compare_products(store, [run["id"] for run in runs], pe)
        products[pe] = row
        if first_pe is None and (row["only_first"] or row["only_second"]):
            first_pe = pe
    return {
        "runs": [run["id"] for run in runs],
        "configuration": _changes(*(_flat(run["configuration"] or {}) for run in runs)),
        "versions": _changes(*(run["versions"] or {} for run in runs)),
        "files": _changes(*files),
        "pes": _changes(*(_flat(pe) for pe in pes)),
        "products": products,
        "first_pe": first_pe,
    }


def _in_order(run: dict[str, Any]) -> list[str]:
    """Return the PEs of a run, each after those that send items to it."""
    waiting: dict[str, set[str]] = {pe["pe"]: set() for pe in run["pes"]}
    for edge in run["edges"] or ():
        source, destination = edge.get("source"), edge.get("destination")
        if source in waiting and destination in waiting:
            waiting[destination].add(source)
    order: list[str] = []
    while waiting:
        ready = [pe for pe, sources in waiting.items() if sources <= set(order)]
        for pe in ready or list(waiting):
            order.append(pe)
            del waiting[pe]
    return order


def _compare_products(store: Store, runs: list[str], pe: str) -> dict[str, int]:
    counts: list[dict[str, int]] = []
    for run in runs:
        count: dict[str, int] = {}
        for port, sha256, text in store.rows(
            "SELECT p.port, p.sha256, p.terms FROM product p JOIN instance "
            "ON instance.n = p.instance JOIN run ON run.n = instance.run "
            "WHERE run.id = ? AND instance.pe = ?",
            [run, pe],
        ):
            content = sha256 or repr(sorted((load_json(text) or {}).items()))
            key = f"{port} {content}"
            count[key] = count.get(key, 0) + 1
        counts.append(count)
    a, b = counts
    return {
        "n_first": sum(a.values()),
        "n_second": sum(b.values()),
        "only_first": sum(max(n - b.get(key, 0), 0) for key, n in a.items()),
        "only_second": sum(max(n - a.get(key, 0), 0) for key, n in b.items()),
    }


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, member in value.items():
        if isinstance(member, dict):
            flat |= _flat(member, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = member
    return flat


def _changes(first: dict[str, Any], second: dict[str, Any]) -> dict[str, list[Any]]:
    return {
        name: [first.get(name), second.get(name)]
        for name in sorted({*first, *second})
        if first.get(name) != second.get(name)
    }
