"""The command ``xcorr-app clocks``: clock errors of the stations."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from xcorr_app.commands.measured_results import open_measured, report_measurement
from xcorr_app.commands.shared_options import (
    BandOptions,
    ComponentsOptions,
    EndedRunOptions,
    MeasuringOptions,
    components_option,
)
from xcorr_app.config import PROG
from xcorr_app.defaults import GROUP_VELOCITY_KM_S, MIN_COHERENCE, MIN_PAIRS, ZERO

__all__ = ["ClocksOptions", "clocks"]

ABOUT = f"""\
Measure the clock errors of all stations over time. A wrong clock shifts both
sides of its correlations in the same direction; all pairs together show which
clock is wrong.

examples:
  {PROG} clocks results
  {PROG} clocks results --right-clocks CI.CCA --max-shift-s 5
  {PROG} clocks results --zero first --period day --output days/
  {PROG} --stations list.txt --data SDS --out again \\
      --clock results/clock_table.csv

--zero, the clock error that is zero:
  symmetry  if both sides of the correlations are symmetric (default)
  mean      on average over time, for each station
  first     at the first time of each station

files, in OUT or the folder of --output:
  clocks.csv        each station and time: recorded minus true time, its error
  clocks_pairs.csv  each pair and time: shift, error, coherence, residual
  clock_table.csv   the clocks that are wrong, for --clock of a run
  clocks.png        the clock errors over time
  clocks.json       the settings
File names have the band and components, if the run has several.
"""


@dataclass(frozen=True, kw_only=True)
class ClocksOptions(EndedRunOptions, BandOptions, ComponentsOptions, MeasuringOptions):
    """Options of ``xcorr-app clocks``."""

    components: str | None = components_option("all")
    period: str | None = command_option(
        "text",
        "the substacks whose shifts are measured",
        metavar="moving|day|hour|window",
        otherwise="the longest in the results",
    )
    zero: str = command_option(
        "text",
        "definition of zero, see above",
        default=ZERO,
        metavar="symmetry|mean|first",
    )
    right_clocks: tuple[str, ...] = command_option(
        "texts",
        "stations whose clocks are right: the mean of their errors is zero",
        metavar="NET.STA",
        default=(),
        otherwise="more than half of the stations, those that agree best",
    )
    max_shift_s: float | None = command_option(
        "number",
        "largest clock error of the search",
        unit="s",
        otherwise="a quarter of the longest lag",
    )
    lag_s: tuple[float, float] | None = command_option(
        "range",
        "range of absolute lag",
        unit="s",
        otherwise="the arrivals of --velocity-km-s",
    )
    velocity_km_s: tuple[float, float] = command_option(
        "range",
        "slowest and fastest velocity of the waves that are compared",
        default=GROUP_VELOCITY_KM_S,
        unit="km/s",
    )
    filter_hz: tuple[float, float] | None = command_option(
        "range",
        "filter the correlations first",
        unit="Hz",
        otherwise="the band of the run",
    )
    min_coherence: float = command_option(
        "number",
        "shifts with a lower coherence, and zeros with a lower symmetry, are left out",
        default=MIN_COHERENCE,
        metavar="C",
    )
    min_pairs: int = command_option(
        "count",
        "clock errors of fewer pairs are left out, unless only fewer are measured",
        default=MIN_PAIRS,
    )


def clocks(words: list[str]) -> str:
    """``xcorr-app clocks OUT``: clock errors of the stations."""
    options = parse_command(f"{PROG} clocks", ABOUT, ClocksOptions, words)
    from xcorr_app.measuring.clock_settings import choose_settings
    from xcorr_app.measuring.clocks import measure_clocks
    from xcorr_app.reporting import clocks as reporting

    with open_measured(options, "clocks") as measured:
        settings = choose_settings(
            measured.store,
            stack=measured.stack,
            period=options.period,
            band=options.filter_hz,
            max_shift_s=options.max_shift_s,
            zero=options.zero,
            right=options.right_clocks,
            lag_s=options.lag_s,
            velocity_km_s=options.velocity_km_s,
        )
        measurement = measure_clocks(
            measured.store,
            settings,
            measured.folder,
            min_coherence=options.min_coherence,
            **measured.arguments,
        )
    if measurement is None:  # another process of the run has the measurement
        return ""
    table = measurement.table
    summary = reporting.summary(table, settings)
    figures = []
    with suppress(ParameterError):  # without a clock error to draw
        path = measured.path("clocks")
        figures.append(reporting.draw_clocks(table, settings, path, measured.note))
    return report_measurement(measured, measurement, summary, figures)
