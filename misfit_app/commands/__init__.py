"""The commands besides ``run``, a module for each.

The words of a command line enter; the text to print, or an exit status, leaves. Each
module declares the options of its command and imports what the command needs only when
it is called.
"""

from misfit_app.commands.demonstration import DemoOptions
from misfit_app.commands.download_records import DownloadOptions, download
from misfit_app.commands.inputs import ScanOptions, scan
from misfit_app.commands.integrity import CheckOptions, check
from misfit_app.commands.parameters import InitOptions, init
from misfit_app.commands.report_page import ReportOptions, report
from misfit_app.commands.results import (
    ExportOptions,
    InfoOptions,
    WindowsOptions,
    export,
    info,
    windows,
)
from misfit_app.commands.tables import LedgerOptions, ledger
from misfit_app.commands.verce_run import VerceOptions

__all__ = [
    "OPTIONS",
    "CheckOptions",
    "DemoOptions",
    "DownloadOptions",
    "InitOptions",
    "LedgerOptions",
    "ReportOptions",
    "VerceOptions",
    "check",
    "download",
    "export",
    "info",
    "init",
    "ledger",
    "report",
    "scan",
    "windows",
]

#: The options of each command, in the order of the documentation.
OPTIONS = {
    "init": InitOptions,
    "demo": DemoOptions,
    "download": DownloadOptions,
    "verce": VerceOptions,
    "ledger": LedgerOptions,
    "info": InfoOptions,
    "windows": WindowsOptions,
    "export": ExportOptions,
    "scan": ScanOptions,
    "report": ReportOptions,
    "check": CheckOptions,
}
