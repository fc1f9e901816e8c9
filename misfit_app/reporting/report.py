"""One HTML page for each event: totals, rejections, figures, parameters, versions.

The page needs no other file: it opens without a network and can be sent by mail.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.file_search import files_named
from misfit_app.ledger import totals
from misfit_app.outliers import LIMIT, outliers
from misfit_app.reporting.event_figures import event_figures, measure_name
from misfit_app.reporting.station_figures import FIGURES_FOLDER
from misfit_app.run_file import MisfitRun, read_run
from misfit_app.store import read_stations, remarks_of
from seismo_pes.application import report
from seismo_pes.application.files import new_file
from seismo_pes.application.skipped import COLUMNS as SKIPPED_COLUMNS
from seismo_pes.application.skipped import SKIPPED_FILE, skipped_rows
from seismo_pes.items.codes import file_name_of
from seismo_pes.plotting.figure import DPI

__all__ = ["write_reports"]

MOST_STATIONS = 60  # stations with figures in a page, of about 1 MB each
MOST_OUTLIERS = 100  # rows of their table
MOST_SKIPPED = 500  # rows of the table of skipped files

Station = Mapping[str, Any]


def write_reports(
    out: str | Path, *, force: bool = False, unfinished: bool = False
) -> list[Path]:
    """Write a page for each event of a run.

    Parameters
    ----------
    out
        Folder of the run.
    force
        Replace pages that exist.
    unfinished
        Accept a run that has not ended.

    Returns
    -------
    list of pathlib.Path
        ``report.html`` in the folder; of several events, ``report_EVENT.html``.

    Raises
    ------
    DataError
        If the folder has no results, they are damaged, or the run has not ended.
    ParameterError
        If a page exists.
    """
    out = Path(out)
    events: dict[str, list[Station]] = {}
    for station in read_stations(out, unfinished=unfinished):
        events.setdefault(station["label"], []).append(station)
    run, paths = read_run(out), []
    for label, stations in events.items():
        name = "report.html" if len(events) == 1 else f"report_{label}.html"
        with new_file(out / name, force, "the report") as temporary:
            temporary.write_text(_page(out, run, label, stations), encoding="utf-8")
        paths.append(out / name)
    return paths


def _page(out: Path, run: MisfitRun, label: str, stations: Sequence[Station]) -> str:
    origin = stations[0]["origin"]
    place = origin["latitude"], origin["longitude"]
    note = f"event {label}, {len(stations):,} stations"
    parts = [
        report.table(None, _facts(label, stations)),
        report.section("Misfits", _tabulate_measures(stations)),
        report.section("Rejected traces and bands", _tabulate_rejected(stations)),
        *report.figures(event_figures(stations, place, note), DPI),
        report.section("Outliers", _tabulate_outliers(stations)),
        report.section("Stations", _tabulate_stations(stations)),
        *_station_pictures(out, label, stations),
        *_skipped([*run.skipped, *skipped_rows(remarks_of(stations))]),
        report.folded("Parameters", report.settings_table(run.config)),
        report.folded(
            "Software", report.table(("package", "version"), run.software.items())
        ),
    ]
    return report.page(f"Misfits of event {label}", parts)


def _rows(stations: Sequence[Station]) -> list[dict[str, Any]]:
    return [row for station in stations for row in station["rows"]]


def _facts(label: str, stations: Sequence[Station]) -> Iterator[tuple[str, Any]]:
    origin, rows = stations[0]["origin"], _rows(stations)
    yield "event", stations[0]["event"]
    yield "origin time", origin["time"]
    yield (
        "place",
        f"latitude {origin['latitude']:g}°, longitude {origin['longitude']:g}°",
    )
    depth_m, magnitude = origin["depth_m"], origin["magnitude"]
    yield "depth", "unknown" if depth_m is None else f"{depth_m / 1000:g} km"
    yield "magnitude", "unknown" if magnitude is None else f"{magnitude:g}"
    yield "stations", f"{len(stations):,}"
    bands = sorted({(r["min_period_s"], r["max_period_s"]) for r in rows})
    yield "period bands", ", ".join(f"{low:g} to {high:g} s" for low, high in bands)
    counts = totals(rows)
    yield (
        "traces and bands",
        f"{counts.n_bands:,} = {counts.n_measured:,} measured + "
        f"{counts.n_rejected:,} rejected",
    )
    yield (
        "rows of the ledger",
        f"{len(rows):,} = {counts.n_rows_measured:,} measured + "
        f"{counts.n_rows_rejected:,} rejected",
    )


def _tabulate_measures(stations: Sequence[Station]) -> str:
    measured: dict[str, list[dict[str, Any]]] = {}
    for row in _rows(stations):
        if row["status"] == "measured":
            measured.setdefault(measure_name(row), []).append(row)
    if not measured:
        return "<p>Nothing was measured.</p>"
    head = (
        "measure",
        "unit",
        "windows",
        "sum of misfits",
        "mean value",
        "value largest by size",
    )
    cells = []
    for name, rows in measured.items():
        values = np.array([r["value"] for r in rows if r["value"] is not None])
        misfit = sum(row["weight"] * (row["misfit"] or 0.0) for row in rows)
        largest = values[np.argmax(np.abs(values))] if len(values) else np.nan
        mean = values.mean() if len(values) else np.nan
        shown = f"{misfit:.4g}", f"{mean:.4g}", f"{largest:.4g}"
        cells.append((name, rows[0]["unit"], f"{len(rows):,}", *shown))
    return report.table(head, cells, numbers_from=2)


def _tabulate_rejected(stations: Sequence[Station]) -> str:
    rows = _rows(stations)
    reasons = totals(rows).reasons
    if reasons:
        cells = [(*_split(reason), f"{n:,}") for reason, n in reasons.items()]
        text = report.table(("stage", "reason", "traces and bands"), cells, 2)
    else:
        text = "<p>None: each trace has a value in each band.</p>"
    windows = Counter(
        (row["stage"], row["measure"] or "–", row["reason"].partition(" (")[0])
        for row in rows
        if row["status"] == "rejected" and row["window_start_s"] is not None
    )
    if not windows:
        return text
    head = ("stage", "measure", "reason", "windows")
    lines = [(*key, f"{n:,}") for key, n in windows.most_common()]
    return f"{text}<p>Rejected windows:</p>{report.table(head, lines, numbers_from=3)}"


def _tabulate_outliers(stations: Sequence[Station]) -> str:
    chosen = outliers(_rows(stations))
    limit = f"{LIMIT:g} standard deviations from the median"
    if not chosen:
        return f"<p>No measurement is farther than {limit} of its category.</p>"
    head = (
        "station", "component", "periods, s", "measure", "quantity", "number", "median",
        "standard deviations",
    )  # fmt: skip
    cells = [
        (
            outlier.row["station"],
            outlier.row["component"],
            f"{outlier.row['min_period_s']:g}-{outlier.row['max_period_s']:g}",
            measure_name(outlier.row),
            outlier.quantity,
            f"{outlier.number:.4g}",
            f"{outlier.median:.4g}",
            f"{outlier.deviations:.1f}",
        )
        for outlier in chosen[:MOST_OUTLIERS]
    ]
    text = (
        f"<p>{len(chosen):,} measurements are farther than {limit} of their component, "
        "band and measure.</p>"
    )
    return text + report.table(head, cells, numbers_from=5)


def _split(reason: str) -> tuple[str, str]:
    stage, _, rest = reason.partition(": ")
    return stage, rest


def _tabulate_stations(stations: Sequence[Station]) -> str:
    cells = []
    for station in stations:
        counts, geometry = totals(station["rows"]), station["geometry"]
        shifts = [
            row["dt_s"]
            for row in station["rows"]
            if row["status"] == "measured" and row["dt_s"] is not None
            if not row["pair"]
        ]
        place = ("distance_km", "azimuth_deg")
        cells.append(
            (
                station["station"],
                *(f"{geometry[name]:.1f}" if geometry else "–" for name in place),
                counts.n_measured,
                counts.n_rejected,
                f"{np.mean(shifts):+.3f}" if shifts else "–",
                f"{sum(counts.misfit.values()):.4g}" if counts.n_measured else "–",
            )
        )
    head = (
        "station", "distance, km", "azimuth, °", "measured", "rejected",
        "mean time shift, s", "sum of misfits",
    )  # fmt: skip
    return report.table(head, cells, numbers_from=1)


def _station_pictures(
    out: Path, label: str, stations: Sequence[Station]
) -> Iterator[str]:
    folder = out / FIGURES_FOLDER / label
    pictures = {
        station["station"]: sorted(
            files_named(folder, f"{file_name_of(station['station'])}_*.png"),
            key=lambda path: (path.stem.endswith("_tf"), path.name),
        )
        for station in stations
    }
    drawn = [(name, paths) for name, paths in pictures.items() if paths]
    if not drawn:
        text = "<p>No figures of stations: a run with --figures draws them.</p>"
        yield report.section("Figures of the stations", text)
        return
    yield report.section("Figures of the stations", "")
    for name, paths in drawn[:MOST_STATIONS]:
        body = "\n".join(report.picture(path, path.stem, DPI) for path in paths)
        yield report.folded(name, body, is_open=False)
    if len(drawn) > MOST_STATIONS:
        where = html.escape(str(folder))
        yield f"<p>{len(drawn) - MOST_STATIONS:,} more stations: see {where}.</p>"


def _skipped(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        table = report.table(SKIPPED_COLUMNS, rows[:MOST_SKIPPED])
        more = len(rows) - MOST_SKIPPED
        note = f"<p>{more:,} more in {SKIPPED_FILE}.</p>" if more > 0 else ""
        yield report.section("Skipped, or used with a remark", table + note)
