"""One HTML page about a run: pictures, pairs, what was skipped, settings, versions.

Everything is inside the file: it opens offline, and it can be sent by mail.
"""

from __future__ import annotations

import base64
import html
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from xcorr_app import plot, views
from xcorr_app.export.target import new_file
from xcorr_app.info import describe, pair_rows
from xcorr_app.store import Store
from xcorr_app.summary import SKIPPED_FILE

__all__ = ["write_report"]

MOST_PAIRS = 200
MOST_SKIPPED = 500
MOST_STACKS = 12

Draw = Callable[[Path], Any]


def write_report(
    store: Store,
    dest: str | os.PathLike[str],
    *,
    velocities_km_s: Sequence[float] = (),
    max_lag_s: float | None = None,
    stack: str | None = None,
    force: bool = False,
) -> Path:
    """Write the report of a run.

    Parameters
    ----------
    store
        Open results.
    dest
        The file, ``.html``.
    velocities_km_s, max_lag_s, stack
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
    lag: dict[str, Any] = {"stack": stack, "max_lag_s": max_lag_s}
    lines: dict[str, Any] = {"velocities_km_s": velocities_km_s}
    pictures: list[tuple[str, Draw]] = [
        ("Record section", lambda p: plot.record_section(store, p, **lines, **lag)),
        ("Network", lambda p: views.map_view(store, p, stack=stack)),
        ("Signal to noise", lambda p: views.snr_view(store, p, stack=stack)),
        ("All pairs", lambda p: views.matrix_view(store, p, **lines, **lag)),
        ("Azimuth", lambda p: views.azimuth_view(store, p, **lag)),
        (
            "Direction of travel",
            lambda p: views.direction_view(store, p, **lines, **lag),
        ),
        (
            "Signal to noise by direction",
            lambda p: views.rose_view(store, p, stack=stack),
        ),
    ]
    strongest = _strongest(store, stack) if store.stacks else None
    if strongest is not None:
        first, second = strongest
        draw = plot.pair_plot
        pictures.append(
            (
                "Pair of the highest ratio",
                lambda p: draw(store, first, second, p, **lines, **lag),
            )
        )
    page = PAGE.substitute(
        title=html.escape(f"Correlations in {about['path']}"),
        facts=_facts(about),
        pictures="\n".join(_figures(pictures)) if store.stacks else "",
        pairs=_pairs(store, stack),
        skipped=_skipped(Path(about["path"])),
        settings=_settings(about["config"]),
        software=_table(("package", "version"), about["software"].items()),
    )
    with new_file(dest, force, "the report") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(dest)


def _strongest(store: Store, stack: str | None) -> tuple[str, str] | None:
    try:
        usable = views.usable_pairs(store, stack)
    except ParameterError:
        return None
    ratio = views.ratios(store, stack, usable)
    if not np.isfinite(ratio).any():
        return None
    pair = store.pairs[usable[np.nanargmax(ratio)]]
    return str(pair["first_id"]), str(pair["second_id"])


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
            data = base64.b64encode(path.read_bytes()).decode("ascii")
            yield (
                f'<h2>{title}</h2>\n<img alt="{title}" '
                f'src="data:image/png;base64,{data}">'
            )


def _facts(about: dict[str, Any]) -> str:
    rows: list[tuple[str, Any]] = [
        ("folder", about["path"]),
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
    names = about["stacks"]
    shown = ", ".join(names[:MOST_STACKS])
    more = len(names) - MOST_STACKS
    rows.append(("stacks", shown + (f" and {more} more" if more > 0 else "")))
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
    return f'<div class="wide"><table>{top}<tbody>\n{body}\n</tbody></table></div>'


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
  border-bottom: 1px solid #e9ebef; overflow-wrap: anywhere; }
th { color: #5b667a; font-weight: 600; }
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
