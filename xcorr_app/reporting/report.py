"""One HTML page about a run: figures, pairs, skipped data, settings, versions.

The page needs no other file: it opens without a network and can be sent by mail.
"""

from __future__ import annotations

import base64
import html
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from seismo_pes.plotting.figure import DPI
from xcorr_app.export.target import new_file
from xcorr_app.pair_subsets import usable_pairs
from xcorr_app.reporting.direction_figures import (
    draw_azimuths,
    draw_directions,
    draw_rose,
)
from xcorr_app.reporting.info import describe, pair_rows
from xcorr_app.reporting.network_figures import (
    draw_map,
    draw_matrix,
    draw_record_section,
    draw_snr,
    signal_to_noise_ratios,
)
from xcorr_app.reporting.pair_figures import (
    correlations_by_components,
    draw_components,
    draw_pair,
)
from xcorr_app.results.stacks import summary_of
from xcorr_app.running.summary import SKIPPED_FILE
from xcorr_app.store import Store

__all__ = ["write_report"]

MOST_PAIRS = 200  # rows of the table of pairs
MOST_SKIPPED = 500  # rows of the table of skipped data
CSS_DPI = 96  # pixels per inch of a web page

Draw = Callable[[Path], Any]


def write_report(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    components: str | None = None,
    force: bool = False,
) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    store
        Open results.
    dest
        The file, ``.html``.
    velocities_km_s, max_lag_s, stack, components
        Of the figures, as for `network_figures.draw_record_section`.
    force
        Replace ``dest`` if it is there.

    Returns
    -------
    pathlib.Path
        ``dest``.

    Raises
    ------
    ParameterError
        If ``dest`` is there already.
    """
    about = describe(store, stack)
    figures: list[tuple[str, Draw]] = []
    if store.stacks:
        options = {
            "stack": stack,
            "velocities_km_s": velocities_km_s,
            "max_lag_s": max_lag_s,
        }
        figures = _list_network_figures(store, options, components)
        figures += _list_pair_figures(store, options, components)
        figures += _list_measurements(store.path)
    page = PAGE.substitute(
        title=html.escape(f"Correlations in {about['path']}"),
        facts=_tabulate_facts(about, store.run_id),
        figures="\n".join(_draw_figures(figures)),
        pairs=_tabulate_pairs(store, stack),
        skipped=_tabulate_skipped(Path(about["path"])),
        settings=_tabulate_settings(about["config"]),
        software=_format_table(("package", "version"), about["software"].items()),
    )
    with new_file(dest, force, "the report") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(dest)


def _list_network_figures(
    store: Store, options: dict[str, Any], components: str | None
) -> list[tuple[str, Draw]]:
    """Return the titles of the figures of all pairs, and how to draw each."""
    pairs = {"stack": options["stack"], "components": components}
    lags = options | pairs
    return [
        ("Record section", partial(draw_record_section, store, **lags)),
        ("Map of the network", partial(draw_map, store, **pairs)),
        ("Signal-to-noise ratio", partial(draw_snr, store, **pairs)),
        ("Correlations of all pairs", partial(draw_matrix, store, **lags)),
        ("Correlations by azimuth", partial(draw_azimuths, store, **lags)),
        ("Direction of travel", partial(draw_directions, store, **lags)),
        ("Signal-to-noise ratio by direction", partial(draw_rose, store, **pairs)),
    ]


def _list_pair_figures(
    store: Store, options: dict[str, Any], components: str | None
) -> list[tuple[str, Draw]]:
    """Return the figures of the pair with the highest signal-to-noise ratio."""
    stack = options["stack"]
    try:
        usable = usable_pairs(store, stack, components)
    except ParameterError:
        return []
    ratio = signal_to_noise_ratios(store, stack, usable)
    if not np.isfinite(ratio).any():
        return []
    pair = store.pairs[usable[np.nanargmax(ratio)]]
    names = str(pair["first_id"]), str(pair["second_id"])
    figures: list[tuple[str, Draw]] = [
        (
            "The pair with the highest signal-to-noise ratio",
            partial(draw_pair, store, *names, **options),
        )
    ]
    first, second = (name.rpartition(".")[0] for name in names)
    if len(correlations_by_components(store, first, second, stack)) > 1:
        draw = partial(draw_components, store, first, second, **options)
        figures.append(("The components of this pair", draw))
    return figures


def _list_measurements(out: Path) -> list[tuple[str, Draw]]:
    """Return the figures that ``xcorr-app dvv`` and ``disp`` have drawn, if any."""
    files = (
        ("Velocity change", "dvv.png"),
        ("Dispersion", "disp.png"),
        ("Dispersion of the clearest pair", "disp_pair.png"),
    )
    return [
        (title, partial(shutil.copyfile, out / name))
        for title, name in files
        if (out / name).is_file()
    ]


def _draw_figures(figures: Iterable[tuple[str, Draw]]) -> Iterable[str]:
    """Yield each figure as HTML, or the reason why it cannot be drawn."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, draw) in enumerate(figures):
            path = Path(folder) / f"{number}.png"
            title = html.escape(name)
            try:
                draw(path)
            except ParameterError as error:
                reason = str(error).rpartition(": ")[2]
                yield f"<h2>{title}</h2>\n<p>Not drawn: {html.escape(reason)}.</p>"
                continue
            png = path.read_bytes()
            data = base64.b64encode(png).decode("ascii")
            # Bytes 16 to 19 of a PNG are its width. At one scale, the text of all
            # figures has the same size.
            width = round(int.from_bytes(png[16:20], "big") * CSS_DPI / DPI)
            yield (
                f'<h2>{title}</h2>\n<div class="wide"><img alt="{title}" '
                f'width="{width}" src="data:image/png;base64,{data}"></div>'
            )


def _tabulate_facts(about: dict[str, Any], run_id: str | None) -> str:
    rows: list[tuple[str, Any]] = [
        ("folder", about["path"]),
        *([("run", run_id)] if run_id else []),
        ("started", about["created"].replace("T", " ").replace("+00:00", " UTC")),
        ("state", "complete" if about["complete"] else "running, or stopped early"),
        ("channels", f"{about['n_channels']:,}"),
        ("pairs", f"{about['n_pairs']:,}"),
        ("lags", f"±{about['max_lag_s']:g} s at {about['sampling_rate_hz']:g} Hz"),
    ]
    if about.get("start"):
        least, most = about["n_windows"]
        rows += [
            ("data", f"{about['start']} to {about['end']}"),
            ("windows per pair", most if least == most else f"{least} to {most}"),
        ]
    if about.get("distance_km"):
        near, far = about["distance_km"]
        rows.append(("distances", f"{near:.3f} to {far:.3f} km"))
    rows.append(("stacks", "; ".join(summary_of(about["stacks"])) or "none yet"))
    return _format_table(None, rows)


PAIR_COLUMNS = (
    ("first", "first", "{}"),
    ("second", "second", "{}"),
    ("distance_km", "distance, km", "{:.3f}"),
    ("azimuth_deg", "azimuth, °", "{:.1f}"),
    ("n_windows", "windows", "{}"),
    ("peak_lag_s", "peak lag, s", "{:+.3f}"),
    ("peak_value", "peak value", "{:+.4g}"),
    ("signal_to_noise", "signal-to-noise ratio", "{:.1f}"),
)


def _tabulate_pairs(store: Store, stack: str | None) -> str:
    if not store.stacks:
        return "<p>No correlations yet.</p>"
    rows = pair_rows(store, stack, range(min(len(store), MOST_PAIRS)))
    cells = (
        [
            "–" if row[key] is None else form.format(row[key])
            for key, _, form in PAIR_COLUMNS
        ]
        for row in rows
    )
    table = _format_table(
        [title for _, title, _ in PAIR_COLUMNS], cells, numbers_from=2
    )
    n_more = len(store) - len(rows)
    if n_more <= 0:
        return table
    return (
        f"{table}<p>{n_more:,} more pairs: <code>xcorr-app info --all</code> lists "
        "them.</p>"
    )


def _tabulate_skipped(out: Path) -> str:
    path = out / SKIPPED_FILE
    if not path.is_file():
        return "<p>The run has not written a list yet.</p>"
    head, *rows = (
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
    )
    if not rows:
        return "<p>Nothing was skipped.</p>"
    table = _format_table(head, rows[:MOST_SKIPPED])
    n_more = len(rows) - MOST_SKIPPED
    return table + (f"<p>{n_more:,} more in {SKIPPED_FILE}.</p>" if n_more > 0 else "")


def _tabulate_settings(config: dict[str, Any]) -> str:
    rows = [
        (name, "–" if value is None else json.dumps(value, ensure_ascii=False))
        for name, value in config.items()
    ]
    return _format_table(("parameter", "value"), rows)


def _format_table(
    head: Sequence[str] | None,
    rows: Iterable[Iterable[Any]],
    numbers_from: int = 1_000,
) -> str:
    """Return an HTML table; columns from ``numbers_from`` on are aligned right."""

    def format_row(cells: Iterable[Any], tag: str) -> str:
        row = []
        for column, cell in enumerate(cells):
            kind = ' class="number"' if column >= numbers_from else ""
            row.append(f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>")
        return f"<tr>{''.join(row)}</tr>"

    top = f"<thead>{format_row(head, 'th')}</thead>" if head else ""
    body = "\n".join(format_row(row, "td") for row in rows)
    kind = "data" if numbers_from < len(head or ()) else "text"
    table = f'<table class="{kind}">{top}<tbody>\n{body}\n</tbody></table>'
    return f'<div class="wide">{table}</div>'


PAGE = Template("""\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>$title</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; color: #22304a; background: #fff;
  max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.7rem; margin-bottom: 1rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .6rem; }
img { max-width: 100%; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; }
th, td { text-align: left; padding: .25rem .9rem .25rem 0; vertical-align: top;
  border-bottom: 1px solid #e9ebef; }
th { color: #5b667a; font-weight: 600; }
th, .data td, td:first-child { white-space: nowrap; }
.text td + td { min-width: 8rem; overflow-wrap: anywhere; }
@media (max-width: 40rem) {
  body { margin-top: 1rem; }
  h1 { font-size: 1.3rem; overflow-wrap: anywhere; }
  img { width: 42rem; max-width: none; } /* wider than a phone: text stays legible */
}
.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
details { margin-top: 2rem; }
summary { font-size: 1.2rem; font-weight: bold; cursor: pointer; }
@media print { details > * { display: block; } }
</style>
</head>
<body>
<h1>$title</h1>
$facts
$figures
<h2>Pairs</h2>
$pairs
<h2>Skipped data, and remarks</h2>
$skipped
<details open><summary>Settings</summary>
$settings
</details>
<details open><summary>Software</summary>
$software
</details>
</body>
</html>
""")
