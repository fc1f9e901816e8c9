"""The commands ``info``, ``windows`` and ``export``: the results of a run."""

from __future__ import annotations

from dataclasses import dataclass

from misfit_app.config import PROG
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.shared_options import EndedRunOptions

__all__ = [
    "EXPORT_FORMATS",
    "ExportOptions",
    "InfoOptions",
    "WindowsOptions",
    "export",
    "info",
    "windows",
]

EXPORT_FORMATS = ("csv", "json", "hdf5", "geojson", "specfem", "sac", "asdf")

INFO_ABOUT = f"""\
Show the results of a run: sums of misfits and mean shifts by component, period band
and measure, and the numbers of measured and rejected traces.

examples:
  {PROG} info results
  {PROG} info model2 --compare model1
  {PROG} info model3 --compare model1 model2
  {PROG} info results --outliers 4
"""
WINDOWS_ABOUT = f"""\
Write the windows of a run to a JSON file, which can be edited and given to another
run by --windows.

examples:
  {PROG} windows results windows.json
  {PROG} windows results - --station XX.ABC --component Z
"""
EXPORT_ABOUT = f"""\
Write the ledger of a run to one file: csv, json, hdf5 (a dataset for each column), or
geojson (ground motions of pgd, pgv, pga and psa, with their differences). Or write the
adjoint sources that a run with --adjoint keeps to a folder, in any format: specfem,
sac, or asdf (one file for each event), with the list STATIONS_ADJOINT.

examples:
  {PROG} export results ledger.h5 --format hdf5
  {PROG} export results shaking.geojson --format geojson
  {PROG} export results adjoint --format specfem
"""


@dataclass(frozen=True, kw_only=True)
class InfoOptions(EndedRunOptions):
    """Options of ``misfit-app info``."""

    compare: tuple[str, ...] | None = command_option(
        "paths",
        "compare with the runs in these folders, from the first to OUT, in the windows "
        "that all of them measured",
        metavar="FOLDER",
    )
    outliers: float | None = command_option(
        "number",
        "list the measurements farther from the median of their component, band and "
        "measure than so many standard deviations",
        metavar="N",
        above=0,
    )


@dataclass(frozen=True, kw_only=True)
class WindowsOptions(EndedRunOptions):
    """Options of ``misfit-app windows``."""

    file: str = command_option(
        "text",
        "file to write; - is standard output",
        default="-",
        metavar="FILE",
        positional=True,
    )
    station: str | None = command_option(
        "text", "only this station", metavar="NET.STA", otherwise="all"
    )
    component: str | None = command_option(
        "text", "only this component", metavar="Z|R|T|N|E", otherwise="all"
    )
    force: bool = command_option("flag", "replace the file", default=False)


@dataclass(frozen=True, kw_only=True)
class ExportOptions(EndedRunOptions):
    """Options of ``misfit-app export``."""

    dest: str = command_option(
        "text",
        "file to write; of adjoint sources a folder",
        metavar="DEST",
        positional=True,
        required=True,
    )
    format: str = command_option(
        "choice",
        "format: csv, json, hdf5, geojson of the ledger; specfem, sac, asdf of adjoint "
        "sources",
        default="csv",
        choices=EXPORT_FORMATS,
    )
    force: bool = command_option(
        "flag", "replace the file, or write into a folder that has files", default=False
    )


def info(words: list[str]) -> str:
    """``misfit-app info OUT``: sums of misfits."""
    options = parse_command(f"{PROG} info", INFO_ABOUT, InfoOptions, words)
    from misfit_app.store import read_ledger
    from misfit_app.summaries import compare_text, outlier_text, summary_text

    rows = read_ledger(options.out, options.unfinished)
    if options.compare is not None:
        others = [read_ledger(out, options.unfinished) for out in options.compare]
        return compare_text([*others, rows])
    if options.outliers is not None:
        return outlier_text(rows, options.outliers)
    return summary_text(rows)


def windows(words: list[str]) -> str:
    """``misfit-app windows OUT [FILE]``: the windows of a run."""
    options = parse_command(f"{PROG} windows", WINDOWS_ABOUT, WindowsOptions, words)
    import json

    from misfit_app.store import read_stations
    from seismo_pes.application.files import new_file

    limits = {"station": options.station, "component": options.component}
    chosen = [
        window
        for station in read_stations(options.out, unfinished=options.unfinished)
        for window in station["windows"]
        if all(value in (None, window[name]) for name, value in limits.items())
    ]
    text = json.dumps(chosen, indent=1)
    if options.file == "-":
        return text
    with new_file(options.file, options.force, "the list of windows") as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    return f"{len(chosen):,} windows: {options.file}"


def export(words: list[str]) -> str:
    """``misfit-app export OUT DEST``: the ledger or adjoint sources in a format."""
    options = parse_command(f"{PROG} export", EXPORT_ABOUT, ExportOptions, words)
    from misfit_app.export import write_export

    path = write_export(
        options.out, options.dest, options.format, options.force, options.unfinished
    )
    return str(path)
