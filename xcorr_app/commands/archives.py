"""The command that looks at archives: ``scan``."""

from __future__ import annotations

import json
from functools import partial

from dispel4py.errors import ParameterError
from seismo_pes.application.progress import progress_display
from seismo_pes.application.times import parse_time, time_ns
from xcorr_app.commands.arguments import PROG, command_parser

__all__ = ["scan"]

ABOUT = f"""\
Say what an archive has of each channel, from the headers of its files, and
draw a picture of every day.

examples:
  {PROG} scan --data archive/
  {PROG} scan --data 'day*/*.mseed' --channels HHZ --start 2022-05-01
"""


def scan(words: list[str]) -> str:
    """``xcorr-app scan --data ARCHIVE``: what an archive has."""
    parser = command_parser("scan", ABOUT)
    add = parser.add_argument
    add("--data", metavar="ARCHIVE", required=True, help="as for a run")
    add("--stations", metavar="FILE", help="only these stations (default: all)")
    add("--channels", metavar="CODE", nargs="+", help="only these codes (default: all)")
    add("--start", metavar="TIME", help="from here (default: start of the data)")
    add("--end", metavar="TIME", help="to here (default: end of the data)")
    add("--output", metavar="FILE", default="availability.png",
        help="picture, PNG, PDF or SVG (default: availability.png)")  # fmt: skip
    add("--json", action="store_true", help="print JSON, for programs")
    add("--quiet", action="store_true", help="no progress")
    given = parser.parse(words)
    edges = [_edge(name, getattr(given, name)) for name in ("start", "end")]
    if None not in edges and edges[0] >= edges[1]:  # type: ignore[operator]
        raise ParameterError("--end must be later than --start")
    from seismo_pes.metadata.stations import read_station_list
    from seismo_pes.reading.archives.availability import find_availability
    from seismo_pes.reading.archives.opening import open_archive
    from xcorr_app.reporting import availability

    patterns = None if given.stations is None else read_station_list(given.stations)
    codes = ",".join(given.channels or ["*"]).split(",")
    with progress_display(given.quiet) as progress:
        found = find_availability(
            open_archive(given.data),
            patterns,
            codes,
            start_ns=edges[0],
            end_ns=edges[1],
            progress=None if progress is None else partial(progress.update, "channels"),
        )
    path = availability.draw(found, given.output, given.data)
    if given.json:
        return json.dumps(availability.as_json(found, path), indent=1)
    return f"{availability.as_text(found)}\n{path}"


def _edge(name: str, text: str | None) -> int | None:
    if text is None:
        return None
    try:
        return time_ns(parse_time(text).isoformat())
    except ValueError as problem:
        raise ParameterError(f"--{name}: {problem}") from None
