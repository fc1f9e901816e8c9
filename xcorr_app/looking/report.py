"""One HTML page about a run: pictures, pairs, what was skipped, settings, versions.

Everything is inside the file: it opens offline, and it can be sent by mail.
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
from xcorr_app.looking import plot, views
from xcorr_app.looking.directions import azimuth_view, direction_view, rose_view
from xcorr_app.looking.info import describe, pair_rows
from xcorr_app.pair_subsets import usable_pairs
from xcorr_app.results.stacks import summary_of
from xcorr_app.running.summary import SKIPPED_FILE
from xcorr_app.store import Store

__all__ = ["write_report"]

MOST_PAIRS = 200
MOST_SKIPPED = 500
CSS_DPI = 96

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
        Of the pictures, as for `plot.record_section`.
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
    pictures: list[tuple[str, Draw]] = []
    if store.stacks:
        lines: dict[str, Any] = {"stack": stack, "velocities_km_s": velocities_km_s}
        lines["max_lag_s"] = max_lag_s
        pictures = _of_all(store, lines, components)
        pictures += _of_strongest(store, lines, components)
        pictures += _measured(store.path)
    page = PAGE.substitute(
        title=html.escape(f"Correlations in {about['path']}"),
        facts=_facts(about, store.run_id),
        pictures="\n".join(_figures(pictures)),
        pairs=_pairs(store, stack),
        skipped=_skipped(Path(about["path"])),
        settings=_settings(about["config"]),
        software=_table(("package", "version"), about["software"].items()),
    )
    with new_file(dest, force, "the report") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(dest)


def _of_all(
    store: Store, lines: dict[str, Any], components: str | None
) -> list[tuple[str, Draw]]:
    """Return the pictures of all pairs, each with its name."""
    some = {"stack": lines["stack"], "components": components}
    lines = lines | some
    return [
        ("Record section", lambda p: plot.record_section(store, p, **lines)),
        ("Network", lambda p: views.map_view(store, p, **some)),
        ("Signal to noise", lambda p: views.snr_view(store, p, **some)),
        ("All pairs", lambda p: views.matrix_view(store, p, **lines)),
        ("Azimuth", lambda p: azimuth_view(store, p, **lines)),
        ("Direction of travel", lambda p: direction_view(store, p, **lines)),
        ("Signal to noise by direction", lambda p: rose_view(store, p, **some)),
    ]


def _of_strongest(
    store: Store, lines: dict[str, Any], components: str | None
) -> list[tuple[str, Draw]]:
    """Return the pictures of the pair of the highest signal-to-noise ratio."""
    stack = lines["stack"]
    try:
        usable = usable_pairs(store, stack, components)
    except ParameterError:
        return []
    ratio = views.ratios(store, stack, usable)
    if not np.isfinite(ratio).any():
        return []
    pair = store.pairs[usable[np.nanargmax(ratio)]]
    names = str(pair["first_id"]), str(pair["second_id"])
    pictures: list[tuple[str, Draw]] = [
        (
            "Pair of the highest ratio",
            lambda p: plot.pair_plot(store, *names, p, **lines),
        )
    ]
    first, second = (name.rpartition(".")[0] for name in names)
    if len(views.component_pairs(store, first, second, stack)) > 1:
        draw = views.components_view
        pictures.append(
            ("Its components", lambda p: draw(store, first, second, p, **lines))
        )
    return pictures


def _measured(out: Path) -> list[tuple[str, Draw]]:
    """Return the pictures of what was measured on the run, where they are there."""
    known = (
        ("Velocity change", "dvv.png"),
        ("Dispersion", "disp.png"),
        ("Dispersion of the clearest pair", "disp_pair.png"),
    )
    return [
        (title, partial(shutil.copyfile, out / name))
        for title, name in known
        if (out / name).is_file()
    ]


def _figures(pictures: Iterable[tuple[str, Draw]]) -> Iterable[str]:
    """Yield pictures as HTML; of one that cannot be drawn, why."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, draw) in enumerate(pictures):
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
            # letters of one size in all pictures; the header of a PNG has its width
            width = round(int.from_bytes(png[16:20], "big") * CSS_DPI / DPI)
            yield (
                f'<h2>{title}</h2>\n<div class="wide"><img alt="{title}" '
                f'width="{width}" src="data:image/png;base64,{data}"></div>'
            )


def _facts(about: dict[str, Any], run_id: str | None) -> str:
    rows: list[tuple[str, Any]] = [
        ("folder", about["path"]),
        *([("run", run_id)] if run_id else []),
        ("started", about["created"].replace("T", " ").replace("+00:00", " UTC")),
        ("state", "complete" if about["complete"] else "not ended, or stopped"),
        ("channels", f"{about['n_channels']:,}"),
        ("pairs", f"{about['n_pairs']:,}"),
        ("lags", f"±{about['max_lag_s']:g} s at {about['sampling_rate_hz']:g} Hz"),
    ]
    if about.get("start"):
        least, most = about["n_windows"]
        rows += [
            ("data", f"{about['start']} to {about['end']}"),
            ("windows a pair", most if least == most else f"{least} to {most}"),
        ]
    if about.get("distance_km"):
        near, far = about["distance_km"]
        rows.append(("distances", f"{near:.3f} to {far:.3f} km"))
    rows.append(("stacks", "; ".join(summary_of(about["stacks"])) or "none yet"))
    return _table(None, rows)


PAIR_COLUMNS = (
    ("first", "first", "{}"),
    ("second", "second", "{}"),
    ("distance_km", "distance, km", "{:.3f}"),
    ("azimuth_deg", "azimuth, °", "{:.1f}"),
    ("n_windows", "windows", "{}"),
    ("peak_lag_s", "peak lag, s", "{:+.3f}"),
    ("peak_value", "peak value", "{:+.4g}"),
    ("signal_to_noise", "signal to noise", "{:.1f}"),
)


def _pairs(store: Store, stack: str | None) -> str:
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
    table = _table([title for _, title, _ in PAIR_COLUMNS], cells, numbers_from=2)
    more = len(store) - len(rows)
    rest = f"<p>And {more:,} more: <code>xcorr-app info --all</code>.</p>"
    return table + (rest if more > 0 else "")


def _skipped(out: Path) -> str:
    path = out / SKIPPED_FILE
    if not path.is_file():
        return "<p>The run left no list.</p>"
    head, *rows = (
        line.split("\t") for line in path.read_text(encoding="utf-8").splitlines()
    )
    if not rows:
        return "<p>Nothing.</p>"
    more = len(rows) - MOST_SKIPPED
    rest = f"<p>And {more:,} more in {SKIPPED_FILE}.</p>"
    return _table(head, rows[:MOST_SKIPPED]) + (rest if more > 0 else "")


def _settings(config: dict[str, Any]) -> str:
    rows = [
        (name, "–" if value is None else json.dumps(value, ensure_ascii=False))
        for name, value in config.items()
    ]
    return _table(("parameter", "value"), rows)


def _table(
    head: Sequence[str] | None,
    rows: Iterable[Iterable[Any]],
    numbers_from: int = 1_000,
) -> str:
    def line(cells: Iterable[Any], tag: str) -> str:
        found = []
        for place, cell in enumerate(cells):
            kind = ' class="number"' if place >= numbers_from else ""
            found.append(f"<{tag}{kind}>{html.escape(str(cell))}</{tag}>")
        return f"<tr>{''.join(found)}</tr>"

    top = f"<thead>{line(head, 'th')}</thead>" if head else ""
    body = "\n".join(line(row, "td") for row in rows)
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
  img { width: 42rem; max-width: none; } /* to be read, at the cost of scrolling */
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
$pictures
<h2>Pairs</h2>
$pairs
<h2>Skipped, or used with a remark</h2>
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
