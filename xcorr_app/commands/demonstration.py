"""The options of ``xcorr-app demo``."""

from __future__ import annotations

from dataclasses import dataclass

from seismo_pes.application import shared_options
from seismo_pes.application.options import command_option
from xcorr_app.defaults import HOURS, N_STATIONS, SEED

__all__ = ["ABOUT", "DemoOptions"]

ABOUT = """\
Make a network of synthetic stations in noise from all directions, correlate all
pairs, draw the record section over the true moveout, and measure the fit."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions(shared_options.DemoOptions):
    """Options of ``xcorr-app demo``."""

    out: str = command_option(
        "text",
        "folder for the archive, the results and the figure",
        default="demo-out",
        metavar="DIR",
    )
    stations: int = command_option(
        "count", "stations of the network, 2 to 99", default=N_STATIONS
    )
    hours: float = command_option(
        "number", "length of the record", default=HOURS, unit="h", above=0
    )
    seed: int = command_option(
        "count",
        "seed of the random numbers: equal seeds give equal files",
        default=SEED,
        least=0,
    )
