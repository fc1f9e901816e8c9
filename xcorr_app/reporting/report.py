"""One HTML page about a run: figures, pairs, skipped data, settings, versions.

The page needs no other file: it opens without a network and can be sent by mail.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dispel4py.errors import ParameterError
from dispel4py.file_search import files_named
from dispel4py.files import is_file
from seismo_pes.application import report
from seismo_pes.application.files import new_file
from seismo_pes.application.skipped import COLUMNS as SKIPPED_COLUMNS
from seismo_pes.application.skipped import SKIPPED_FILE, read_skipped, skipped_rows
from seismo_pes.plotting.figure import DPI
from xcorr_app.pair_subsets import shown_components, usable_pairs
from xcorr_app.reporting.account import account_as_html, times_text
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
from xcorr_app.results.stack_names import file_label, summary_of
from xcorr_app.store import Store

__all__ = ["write_report"]

MOST_PAIRS = 200  # rows of the table of pairs
MOST_TIMES = 4  # intervals of a row of skipped data
MOST_SKIPPED = 500  # rows of the table of skipped data


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
        Replace ``dest`` if it exists.

    Returns
    -------
    pathlib.Path
        ``dest``.

    Raises
    ------
    ParameterError
        If ``dest`` exists.
    """
    about = describe(store, stack)
    out = Path(about["path"])
    figures: list[report.Figure] = []
    if store.stacks:
        options = {
            "stack": stack,
            "velocities_km_s": velocities_km_s,
            "max_lag_s": max_lag_s,
        }
        figures = _list_network_figures(store, options, components)
        figures += _list_pair_figures(store, options, components)
        figures += _list_measurements(store.path)
    shown = ""
    if store.stacks:
        label = file_label(store, stack, shown_components(store, components)[0])
        shown = label.strip("_").replace("_", " ")
    parts = [
        _tabulate_facts(about, store.run_id, shown),
        *report.figures(figures, DPI),
        report.section("Pairs", _tabulate_pairs(store, stack)),
        *_account(store),
        report.folded("Settings", report.settings_table(about["config"])),
        report.folded(
            "Software",
            report.table(("package", "version"), about["software"].items()),
        ),
    ]
    page = report.page(f"Correlations in {out}", parts)
    with new_file(dest, force, "the report") as temporary:
        temporary.write_text(page, encoding="utf-8")
    return Path(dest)


def _list_network_figures(
    store: Store, options: dict[str, Any], components: str | None
) -> list[report.Figure]:
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
) -> list[report.Figure]:
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
    figures: list[report.Figure] = [
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


def _list_measurements(out: Path) -> list[report.Figure]:
    """Return the figures that ``xcorr-app dvv`` and ``disp`` have drawn, if any."""
    titles = {
        "dvv": "Velocity change",
        "disp": "Dispersion",
        "disp_pair": "Dispersion of the clearest pair",
    }
    files = [
        (titles[name], label, path)
        for path in [*files_named(out, "disp*.png"), *files_named(out, "dvv*.png")]
        for name, label in [_split_label(path.stem)]
        if name in titles
    ]
    return [
        (f"{title}, {label}" if label else title, partial(shutil.copyfile, path))
        for title, label, path in files
    ]


def _split_label(stem: str) -> tuple[str, str]:
    """Return the kind of a measurement's figure, and its band and components.

    >>> _split_label("disp_pair_1-2Hz_ZZ"), _split_label("dvv")
    (('disp_pair', '1-2Hz ZZ'), ('dvv', ''))
    """
    name = "disp_pair" if stem.startswith("disp_pair") else stem.partition("_")[0]
    return name, stem.removeprefix(name).strip("_").replace("_", " ")


def _tabulate_facts(about: dict[str, Any], run_id: str | None, shown: str) -> str:
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
    if shown:
        rows.append(("shown here", shown))
    return report.table(None, rows)


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
    table = report.table([title for _, title, _ in PAIR_COLUMNS], cells, numbers_from=2)
    n_more = len(store) - len(rows)
    if n_more <= 0:
        return table
    return (
        f"{table}<p>{n_more:,} more pairs: <code>xcorr-app info --all</code> lists "
        "them.</p>"
    )


def _account(store: Store) -> Iterator[str]:
    """Yield the sections on lost windows and skipped data."""
    title, account = "Skipped data, and remarks", store.account()
    if account.windows:
        yield report.section(
            "Windows of the channels: possible, used, lost", account_as_html(account)
        )
        rows = skipped_rows(account.skipped, partial(times_text, most=MOST_TIMES))
        yield report.section(title, _tabulate_skipped(rows))
    elif is_file(store.path / SKIPPED_FILE):
        yield report.section(title, _tabulate_skipped(read_skipped(store.path)))
    else:
        yield report.section(title, "<p>The run has not written a list yet.</p>")


def _tabulate_skipped(rows: list[list[str]]) -> str:
    if not rows:
        return "<p>Nothing was skipped.</p>"
    table = report.table(SKIPPED_COLUMNS, rows[:MOST_SKIPPED], 3, 4)
    n_more = len(rows) - MOST_SKIPPED
    return table + (f"<p>{n_more:,} more in {SKIPPED_FILE}.</p>" if n_more > 0 else "")
