"""The command ``xcorr-app live``: the correlation of live stations."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dispel4py.errors import ParameterError
from dispel4py.mappings import place
from seismo_pes.application.command_line import (
    Parser,
    add_configuration,
    command_parser,
)
from xcorr_app.config import PROG
from xcorr_app.config.live import LIVE_TABLES, SOURCES, LiveOptions

if TYPE_CHECKING:
    from xcorr_app.live.source import LiveInput

__all__ = [
    "demo_words",
    "live_parser",
    "mend_live",
    "run_live",
    "show_run",
    "shown",
    "source_of",
    "write_service",
]

USAGE = f"""{PROG} live SOURCE --pair A B | --stations FILE --out OUT [options]
       {PROG} live --out OUT --serve HOST:PORT
       {PROG} live demo [options]"""

ABOUT = """\
Correlate live stations, window by window, until the data end or the process is
stopped. The same command continues a run, also after the process was killed."""

EXAMPLES = f"""\
examples:
  {PROG} live demo --serve 127.0.0.1:8050
  {PROG} live --seedlink localhost:18000 --pair CI.FMP..BHZ CI.CIA..BHZ \\
      --out now --bandpass-hz 0.1 1 --window-s 1800 --serve 127.0.0.1:8050
  {PROG} live --replay archive --speed 3600 --stations list.txt --out now
  {PROG} live --config live.toml --alert 'snr < 3 or latency_s > 60'
  {PROG} live --config live.toml --mend --data archive

The options of a batch run hold here, too, except those that need the data of
a whole day.
"""

DEMO_ABOUT = """\
Make a network of synthetic stations in noise, and replay it as live data, an
hour in a few seconds. Further options are those of the live run."""

# The demonstration: six hours in less than half a minute.
DEMO_HOURS, DEMO_STATIONS, DEMO_SPEED = 6.0, 4, 900.0
DEMO_WINDOW_S, DEMO_MAX_LAG_S = 600, 60


def live_parser(every: bool = False) -> Parser:
    """Return the parser of ``xcorr-app live``.

    Parameters
    ----------
    every : bool
        Whether the help names the rare options, too.
    """
    parser = command_parser(f"{PROG} live", ABOUT, USAGE, EXAMPLES)
    add_configuration(parser, PROG, LiveOptions, LIVE_TABLES, every)
    return parser


def source_of(options: LiveOptions) -> LiveInput:
    """Return the source of a live run.

    Parameters
    ----------
    options : LiveOptions

    Raises
    ------
    ParameterError
        If no source is given.
    """
    from xcorr_app.live.source import (
        ArchiveInput,
        CentreInput,
        ReplayInput,
        SeedLinkInput,
    )

    times = options.start_ns, options.end_ns
    if options.seedlink is not None:
        address = options.seedlink.removeprefix("seedlink://")
        return SeedLinkInput(f"seedlink://{address}", *times)
    if options.fdsn is not None:
        assert options.poll_s is not None
        return CentreInput(options.fdsn, *times, options.poll_s)
    if options.sds is not None:
        return ArchiveInput(options.sds, *times)
    if options.replay is not None:
        return ReplayInput(options.replay, options.speed or math.inf, *times)
    raise ParameterError(
        f"no source: give one of {', '.join(f'--{name}' for name in SOURCES)}; or "
        "--serve or --png, to show the run in --out"
    )


def run_live(options: LiveOptions) -> tuple[str, list[str], int]:
    """Correlate live data; return a line, the failures, and the number of failed reads.

    Parameters
    ----------
    options : LiveOptions
    """
    from seismo_pes.items.skipped import FAILED_READ
    from xcorr_app.live import session
    from xcorr_app.live.alerts import Alerts
    from xcorr_app.live.result_folder import live_folder
    from xcorr_app.live.status import read_status

    alerts = Alerts(options.alert or (), options.alert_command, options.alert_webhook)
    try:
        result = session.run_live(
            options.of_run(),
            source_of(options),
            options.max_wait_s,
            alerts,
            options.dvv_lags_s,
            options.pair,
        )
    except KeyboardInterrupt as stop:
        text = f"{options.out}: the same command continues the run"
        raise KeyboardInterrupt(text) from stop
    failures = [failure.summary for failure in result.failures]
    if not result.complete:  # another process has the results
        return "", failures, 0
    status = read_status(live_folder(options.out)) or {}
    n = int(status.get("windows", 0))
    text = f"{n} windows added, the last one {status.get('last_window')}"
    left_out: dict[str, int] = status.get("left_out", {})
    n_failed = sum(
        count
        for reason, count in left_out.items()
        if reason.startswith(f"{FAILED_READ}: ")
    )
    return text, failures, n_failed


def mend_live(options: LiveOptions) -> str:
    """Put late data right; return what was done.

    Parameters
    ----------
    options : LiveOptions

    Raises
    ------
    ParameterError
        If there is no archive, or there are several.
    """
    from xcorr_app.live.mending import mend

    data = options.data or ()
    if len(data) != 1 or data[0].startswith("live "):
        raise ParameterError("--mend needs --data, the archive of the late data")
    return str(mend(options.of_run(), source_of(options), data[0], options.max_wait_s))


@contextlib.contextmanager
def shown(options: LiveOptions) -> Iterator[str]:
    """Show the run in a process of its own, until the end of the ``with`` block.

    The page does not slow the run down, and its failure does not end it.

    Parameters
    ----------
    options : LiveOptions

    Yields
    ------
    str
        The address of the page; "" if there is none.
    """
    if (options.serve is None and options.png is None) or place().rank:
        yield ""
        return
    from xcorr_app.live.viewing.viewer import start_viewer, stop_viewer

    viewer, address = start_viewer(options.out, options.serve, options.png)
    try:
        yield address
    finally:
        stop_viewer(viewer)


def show_run(options: LiveOptions, tell: Callable[[str], None]) -> str:
    """Show the run in a folder until the process is interrupted.

    Parameters
    ----------
    options : LiveOptions
    tell : callable
        Gets the address of the page.
    """
    from xcorr_app.live.viewing.viewer import show

    with contextlib.suppress(KeyboardInterrupt):
        show(options.out, options.serve, options.png, tell)
    return ""


def write_service(options: LiveOptions, words: Sequence[str]) -> str:
    """Write the files of a service; return what to do with them.

    Parameters
    ----------
    options : LiveOptions
    words : sequence of str
        The command line after ``xcorr-app live``.
    """
    from xcorr_app.live.service import write_files

    return write_files(options.out, options.serve, words)


def demo_words(words: Sequence[str]) -> list[str]:
    """Make the network of ``live demo``; return the words of its live run.

    Parameters
    ----------
    words : sequence of str
        The command line after ``live demo``.
    """
    from xcorr_app.demo import prepare
    from xcorr_app.synthetic import Network

    parser = command_parser(f"{PROG} live demo", DEMO_ABOUT)
    parser.add_argument(
        "--out", metavar="DIR", default="live-demo", help="folder for all files"
    )
    given, rest = parser.parse_known_args(list(words))
    folder = Path(given.out)
    network = Network(n_stations=DEMO_STATIONS, hours=DEMO_HOURS)
    prepare(network, folder, None)
    low, high = network.band_hz
    return [
        *("--replay", str(folder / "archive"), "--speed", f"{DEMO_SPEED:g}"),
        *("--stations", str(folder / "stations.txt")),
        *("--inventory", str(folder / "stations.xml")),
        *("--out", str(folder / "correlations"), "--force"),
        *("--detrend", "none", "--bandpass-hz", f"{low:g}", f"{high:g}"),
        *("--window-s", str(DEMO_WINDOW_S), "--max-lag-s", str(DEMO_MAX_LAG_S)),
        *("--substack", "hour"),
        *rest,
    ]
