"""The commands of ``xcorr-app`` beside ``run``.

The words of a command line enter. The text that the command prints leaves.
"""

from xcorr_app.commands.archives import scan
from xcorr_app.commands.arguments import (
    PROG,
    command_parser,
    number,
    whole,
)
from xcorr_app.commands.exporting import FORMATS, export
from xcorr_app.commands.measuring import disp, dvv
from xcorr_app.commands.reporting import KINDS, info, plot, report

__all__ = [
    "FORMATS",
    "KINDS",
    "PROG",
    "command_parser",
    "disp",
    "dvv",
    "export",
    "info",
    "number",
    "plot",
    "report",
    "scan",
    "whole",
]
