"""The options of ``misfit-app demo``."""

from __future__ import annotations

from dataclasses import dataclass

from seismo_pes.application import shared_options
from seismo_pes.application.options import command_option

__all__ = ["ABOUT", "DemoOptions"]

ABOUT = """\
Make a synthetic event with stations around it whose time shifts and amplitudes are
known, measure them, compare the measured with the true numbers, and draw all figures
and the report. Rates, first samples and orientations of the two sides differ."""


@dataclass(frozen=True, kw_only=True)
class DemoOptions(shared_options.DemoOptions):
    """Options of ``misfit-app demo``."""

    out: str = command_option(
        "text",
        "folder for the event, the results and the figures",
        default="misfit-demo",
        metavar="DIR",
    )
    stations: int = command_option(
        "count", "stations around the event", default=8, least=1
    )
    noise: float = command_option(
        "number",
        "root mean square of the noise, as a part of the largest amplitude",
        default=0.01,
        least=0,
    )
    seed: int = command_option(
        "count",
        "seed of the random numbers: equal seeds give equal files",
        default=1,
        least=0,
    )
