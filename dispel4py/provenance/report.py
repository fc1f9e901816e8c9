"""The analysis of a run as one page that opens offline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from dispel4py.provenance.listing import moment
from dispel4py.provenance.products import load_json
from dispel4py.provenance.questions import (
    busy_times,
    describe_run,
    errors,
    own_times,
)
from dispel4py.provenance.store import PROCESS_OF_CALL, Store

__all__ = ["analyse", "report_page"]

#: Columns of the time line: enough to see an hour of a day, few enough to draw.
_N_BINS = 96


def analyse(store: Store, n: int) -> dict[str, Any]:
    """Return where the time, the items, the bytes and the failures of a run went.

    Parameters
    ----------
    store : Store
    n : int
        The run, by its number in the store.

    Returns
    -------
    dict
        What `dispel4py.provenance.questions.describe_run` returns, with edges (source,
        output, destination, input, n_items, bytes), processes (process, host, n_calls,
        busy_s), timeline (began, ended, and for each PE the busy seconds in each of
        the bins) and errors.
    """
    run = describe_run(store, n)
    run["edges"] = _edges(store, n)
    run["processes_used"] = _processes(store, n)
    run["timeline"] = _timeline(store, n)
    busy = run["timeline"]["busy_s"]  # in the order of the graph
    run["timeline"]["busy_s"] = {
        pe["pe"]: busy[pe["pe"]] for pe in run["pes"] if pe["pe"] in busy
    }
    run["errors"] = errors(store, n)
    return run


def _edges(store: Store, n: int) -> list[dict[str, Any]]:
    document = load_json(store.value("SELECT document FROM run WHERE n = ?", [n])) or {}
    counts = {
        route: (int(items), int(size))
        for route, items, size in store.rows(
            "SELECT ch.route, count(*), coalesce(sum(p.size), 0) FROM item i "
            "JOIN channel ch ON ch.n = i.channel JOIN product p ON p.n = i.product "
            "WHERE ch.run = ? AND ch.route >= 0 GROUP BY ch.route",
            [n],
        )
    }
    edges = []
    for route, edge in enumerate(document.get("edges", ())):
        if isinstance(edge, dict):
            n_items, size = counts.get(route, (0, 0))
            edges.append({**edge, "n_items": n_items, "bytes": size})
    return edges


def _processes(store: Store, n: int) -> list[dict[str, Any]]:
    busy: dict[Any, float] = {}
    for (_, process), seconds in busy_times(store, n).items():
        busy[process] = busy.get(process, 0.0) + seconds
    rows = store.rows(
        f"SELECT {PROCESS_OF_CALL} AS process, max(instance.host), count(*) "
        "FROM call c JOIN instance ON instance.n = c.instance "
        "WHERE instance.run = ? GROUP BY 1 ORDER BY 1",
        [n],
    )
    return [
        {
            "process": process,
            "host": host,
            "n_calls": int(n_calls),
            "busy_s": busy.get(process, 0.0),
        }
        for process, host, n_calls in rows
    ]


def _timeline(store: Store, n: int) -> dict[str, Any]:
    """Return the own time of each PE in equal parts of the run.

    A call counts in the part in which it began.
    """
    began, ended = store.rows(
        "SELECT min(c.began), max(c.ended) FROM call c "
        "JOIN instance ON instance.n = c.instance WHERE instance.run = ?",
        [n],
    )[0]
    if began is None or ended is None or ended <= began:
        return {"began": began, "ended": ended, "busy_s": {}}
    width = (ended - began) / _N_BINS
    busy: dict[str, list[float]] = {}
    for pe, _, start, seconds in own_times(store, n):
        bins = busy.setdefault(pe, [0.0] * _N_BINS)
        bins[min(int((start - began) / width), _N_BINS - 1)] += seconds
    return {"began": began, "ended": ended, "busy_s": busy}


# ------------------------------------------------------------------------- page


_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; margin: 2em auto; max-width: 70em;
  padding: 0 1em; color: #1b2733; background: #fff; }
h1 { font-size: 1.5em; } h2 { font-size: 1.15em; margin-top: 2em; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: 600; border-bottom: 2px solid #1b2733; }
td { border-bottom: 1px solid #d7dde3; vertical-align: top; }
th, td { padding: .3em .8em .3em 0; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.bar { background: #2b6ca3; height: .7em; min-width: 1px; }
.bad { color: #a11; font-weight: 600; }
pre { overflow-x: auto; background: #f4f6f8; padding: .6em; }
dl { display: grid; grid-template-columns: 9em 1fr; } dd { margin: 0; }
"""


def report_page(run: dict[str, Any]) -> str:
    """Return the page for an analysis, as HTML without links to other files.

    Parameters
    ----------
    run : dict
        From `analyse`.
    """
    title = escape(f"Run {run['id']}")
    parts = [
        "<!doctype html>",
        f'<html lang="en"><head><meta charset="utf-8"><title>{title}</title>',
        '<meta name="viewport" content="width=device-width">',
        f"<style>{_STYLE}</style></head><body><h1>{title}</h1>",
        _summary(run),
        "<h2>Time, products and failures of each PE</h2>",
        _pe_table(run),
        "<h2>When each PE was busy</h2>",
        _timeline_picture(run["timeline"]),
        "<h2>Items between PEs</h2>",
        _edge_table(run),
        "<h2>Processes</h2>",
        _process_table(run),
        "<h2>Failures</h2>",
        _failures(run["errors"]),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _summary(run: dict[str, Any]) -> str:
    command = " ".join(map(str, run["command"] or ["-"]))
    rows = [
        ("workflow", run["name"]),
        ("began", f"{moment(run['began'])} UTC"),
        ("ended", f"{moment(run['ended'])} UTC, {run['outcome']}"),
        ("by", f"{run['user']} on {run['host']}"),
        ("mapping", f"{run['mapping']}, {run['processes']} processes"),
        ("command", command),
        ("products", run["n_products"]),
        ("failures", run["n_failures"]),
        ("files read", len(run["files"])),
    ]
    losses = (
        ("records_cut", "records could not be read"),
        ("records_not_written", "records could not be written"),
        ("items_lost_with_their_process", "items were lost with their process"),
        ("calls_lost_with_their_process", "calls were lost with their process"),
    )
    rows += [("incomplete", f"{run[k]} {text}") for k, text in losses if run[k]]
    cells = "".join(f"<dt>{k}</dt><dd>{escape(str(v))}</dd>" for k, v in rows)
    return f"<dl>{cells}</dl>"


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """Return a table; numbers stand at the right, and texts are HTML already."""
    lines = [list(row) for row in rows]
    numeric = [
        bool(lines) and all(isinstance(row[k], int | float) for row in lines)
        for k in range(len(head))
    ]
    kinds = [' class="number"' if is_number else "" for is_number in numeric]
    titles = "".join(f"<th{k}>{t}</th>" for k, t in zip(kinds, head, strict=True))
    body = "".join(
        "<tr>"
        + "".join(f"<td{k}>{_cell(v)}</td>" for k, v in zip(kinds, row, strict=True))
        + "</tr>"
        for row in lines
    )
    return f"<table><thead><tr>{titles}</tr></thead><tbody>{body}</tbody></table>"


class _Failures(int):
    """A number that is shown in red if it is not 0."""


def _cell(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, _Failures) and value:
        return f'<span class="bad">{value:,}</span>'
    return f"{value:,.3f}" if isinstance(value, float) else f"{value:,}"


def _bar(share: float) -> str:
    return f'<div class="bar" style="width:{100 * share:.1f}%"></div>'


def _pe_table(run: dict[str, Any]) -> str:
    total = sum(pe["busy_s"] for pe in run["pes"]) or 1.0
    rows = [
        (
            escape(pe["pe"]),
            pe["n_calls"],
            pe["busy_s"],
            1e3 * pe["busy_s"] / max(pe["n_calls"], 1),
            _bar(pe["busy_s"] / total),
            pe["n_products"],
            pe["bytes"],
            _Failures(pe["n_failed"]),
        )
        for pe in run["pes"]
    ]
    head = ("PE", "calls", "seconds", "ms a call", "share of the time", "products")
    return _table((*head, "bytes", "failed"), rows)


def _edge_table(run: dict[str, Any]) -> str:
    rows = [
        (
            escape(f"{edge['source']}.{edge['output']}"),
            escape(f"{edge['destination']}.{edge['input']}"),
            escape(str(edge.get("grouping") or "-")),
            edge["n_items"],
            edge["bytes"],
        )
        for edge in run["edges"]
    ]
    return _table(("from", "to", "grouping", "items", "bytes of their files"), rows)


def _process_table(run: dict[str, Any]) -> str:
    longest = max((p["busy_s"] for p in run["processes_used"]), default=0) or 1.0
    rows = [
        (
            str(p["process"]),
            escape(str(p["host"])),
            p["n_calls"],
            p["busy_s"],
            _bar(p["busy_s"] / longest),
        )
        for p in run["processes_used"]
    ]
    return _table(("process", "host", "calls", "seconds", "beside the busiest"), rows)


def _timeline_picture(timeline: dict[str, Any]) -> str:
    """Return a picture with a row for each PE, darker where it was busier."""
    busy = timeline["busy_s"]
    if not busy:
        return "<p>No calls were recorded.</p>"
    left, width, row = 190, 760, 22
    step = width / _N_BINS
    seconds = timeline["ended"] - timeline["began"]
    parts = []
    for k, (pe, bins) in enumerate(busy.items()):
        top = k * row
        most = max(bins) or 1.0
        parts.append(
            f'<text x="0" y="{top + 15}" font-size="13">{escape(pe[:26])}</text>'
        )
        for j, value in enumerate(bins):
            if value > 0:
                tip = f"{escape(pe)}: {value:.3g} s busy"
                parts.append(
                    f'<rect x="{left + j * step:.1f}" y="{top + 2}" '
                    f'width="{step:.1f}" height="{row - 4}" fill="#2b6ca3" '
                    f'fill-opacity="{0.15 + 0.85 * value / most:.2f}">'
                    f"<title>{tip}</title></rect>"
                )
    height = len(busy) * row
    parts.append(
        f'<text x="{left}" y="{height + 15}" font-size="12">0 s</text>'
        f'<text x="{left + width}" y="{height + 15}" font-size="12" '
        f'text-anchor="end">{seconds:.3g} s</text>'
    )
    return (
        f'<svg viewBox="0 0 {left + width} {height + 20}" width="100%" role="img" '
        f'aria-label="busy time of each PE">{"".join(parts)}</svg>'
    )


def _failures(groups: list[dict[str, Any]]) -> str:
    if not groups:
        return "<p>No call failed.</p>"
    rows = []
    for group in groups:
        details = escape(group["traceback"] or group["message"] or "")
        message = escape(str(group["message"] or ""))
        rows.append(
            (
                group["n"],
                escape(group["error"]),
                escape(group["pe"]),
                escape(str(group["station"] or "-")),
                f"{message}<details><summary>first: {escape(group['calls'][0])}"
                f"</summary><pre>{details}</pre></details>",
            )
        )
    return _table(("calls", "exception", "PE", "station", "message"), rows)
