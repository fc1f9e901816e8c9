"""The commands besides ``run``, a module for each.

The words of a command line enter; the text to print leaves. Each module declares the
options of its command and imports what the command needs only when it is called.
"""

from xcorr_app.commands.availability import ScanOptions, scan
from xcorr_app.commands.clock_errors import ClocksOptions, clocks
from xcorr_app.commands.demonstration import DemoOptions
from xcorr_app.commands.dispersion import DispOptions, disp
from xcorr_app.commands.figures import KINDS, PlotOptions, plot
from xcorr_app.commands.formats import FORMATS, ExportOptions, export
from xcorr_app.commands.integrity import CheckOptions, check
from xcorr_app.commands.near_real_time import (
    demo_words,
    live_parser,
    mend_live,
    run_live,
    show_run,
    shown,
    write_service,
)
from xcorr_app.commands.pair_list import InfoOptions, info
from xcorr_app.commands.parameters import InitOptions, init
from xcorr_app.commands.report_page import ReportOptions, report
from xcorr_app.commands.velocity_change import DvvOptions, dvv

__all__ = [
    "FORMATS",
    "KINDS",
    "OPTIONS",
    "DemoOptions",
    "check",
    "clocks",
    "demo_words",
    "disp",
    "dvv",
    "export",
    "info",
    "init",
    "live_parser",
    "mend_live",
    "plot",
    "report",
    "run_live",
    "scan",
    "show_run",
    "shown",
    "write_service",
]

#: The options of each command, in the order of the documentation.
OPTIONS = {
    "init": InitOptions,
    "demo": DemoOptions,
    "info": InfoOptions,
    "check": CheckOptions,
    "plot": PlotOptions,
    "report": ReportOptions,
    "export": ExportOptions,
    "dvv": DvvOptions,
    "disp": DispOptions,
    "clocks": ClocksOptions,
    "scan": ScanOptions,
}
