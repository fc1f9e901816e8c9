"""The command ``xcorr-app scan``: the data of an archive."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.progress import progress_display
from seismo_pes.application.times import time_ns
from xcorr_app.commands.shared_options import QuietOptions
from xcorr_app.config import PROG

__all__ = ["ScanOptions", "scan"]

ABOUT = f"""\
List the data of each channel of an archive, from the headers of its files, and
draw a figure of the available data of every day.

examples:
  {PROG} scan --data archive/
  {PROG} scan --data 'day*/*.mseed' --channels HHZ --start 2022-05-01
"""


def _is_after_start(end: str, label: str, options: Any) -> None:
    if options.start is not None and time_ns(options.start) >= time_ns(end):
        raise ParameterError(f"{label} must be later than --start")


@dataclass(frozen=True, kw_only=True)
class ScanOptions(QuietOptions):
    """Options of ``xcorr-app scan``."""

    data: str = command_option(
        "text", "the archive, as for a run", metavar="ARCHIVE", required=True
    )
    stations: str | None = command_option(
        "text", "only the stations of this list", metavar="FILE", otherwise="all"
    )
    channels: tuple[str, ...] | None = command_option(
        "texts",
        "only these channel codes, with wildcards",
        metavar="CODE",
        otherwise="all",
    )
    start: str | None = command_option(
        "time", "first instant, UTC", otherwise="start of the data"
    )
    end: str | None = command_option(
        "time", "first instant that is not used, UTC", otherwise="end of the data",
        check=_is_after_start,
    )  # fmt: skip
    output: str = command_option(
        "text",
        "the figure; its suffix sets the format: PNG, PDF or SVG",
        default="availability.png",
        metavar="FILE",
    )
    json: bool = command_option(
        "flag", "print JSON, with the fraction of each day that has data", default=False
    )


def scan(words: list[str]) -> tuple[str, int]:
    """``xcorr-app scan --data ARCHIVE``: the data of an archive.

    Returns a text, and the number of files and folders that could not be read.
    """
    options = parse_command(f"{PROG} scan", ABOUT, ScanOptions, words)
    from seismo_pes.items.skipped import FAILED_READ
    from seismo_pes.metadata.stations import read_station_list
    from seismo_pes.reading.archives.availability import find_availability
    from seismo_pes.reading.archives.opening import open_archive
    from xcorr_app.reporting import availability

    stations = None if options.stations is None else read_station_list(options.stations)
    with progress_display(options.quiet) as progress:
        table = find_availability(
            open_archive(options.data),
            stations,
            list(options.channels or ("*",)),
            start_ns=None if options.start is None else time_ns(options.start),
            end_ns=None if options.end is None else time_ns(options.end),
            progress=None if progress is None else partial(progress.update, "channels"),
        )
    path = availability.draw(table, options.output, options.data)
    failed = {entry.what for entry in table.skipped if entry.stage == FAILED_READ}
    if options.json:
        return json.dumps(availability.as_json(table, path), indent=1), len(failed)
    return f"{availability.as_text(table)}\n{path}", len(failed)
