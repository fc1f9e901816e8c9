"""The command ``xcorr-app dvv``: velocity changes over time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.methods import SIDES, VELOCITY_CHANGES
from xcorr_app.commands.measured_results import open_measured, report_measurement
from xcorr_app.commands.shared_options import (
    ComponentsOptions,
    EndedRunOptions,
    MeasuringOptions,
    StackOptions,
    components_option,
)
from xcorr_app.config import PROG
from xcorr_app.defaults import (
    DVV_METHOD,
    DVV_SIDE,
    DVV_VELOCITY_KM_S,
    MAX_DVV,
    MIN_COHERENCE,
    MIN_PAIRS,
)

__all__ = ["DvvOptions", "dvv"]

ABOUT = f"""\
Measure relative changes of velocity, dv/v: each substack is compared with a
reference. A positive change is a higher velocity: waves arrive earlier.

examples:
  {PROG} dvv results
  {PROG} dvv results --method mwcs --lag-s 10 50 --filter-hz 0.5 1
  {PROG} dvv results --pair CI.CCA CI.HEC --period hour --output hours/
  {PROG} dvv results --mapping multi -n 8

methods:
  stretching  stretching of the reference (the default)
  mwcs        moving-window cross-spectra
  wcc         cross-correlation of windows of lag
  dtw         dynamic time warping
  wcs         wavelet cross-spectra, at several frequencies
  wts         stretching of wavelets, at several frequencies

files, in OUT or the folder of --output:
  dvv.csv          each pair and time: dvv, its standard error, coherence
  dvv_network.csv  the mean over the pairs, weighted by 1 / error^2
  dvv.png          the mean over time
  dvv.json         the settings
The names contain band, stack and components, if the run has several.
"""


@dataclass(frozen=True, kw_only=True)
class DvvOptions(EndedRunOptions, StackOptions, ComponentsOptions, MeasuringOptions):
    """Options of ``xcorr-app dvv``."""

    method: str = command_option(
        "choice",
        "see above",
        default=DVV_METHOD,
        choices=VELOCITY_CHANGES,
        metavar="METHOD",
    )
    components: str | None = components_option("all")
    stack: str | None = command_option(
        "text", "the reference", metavar="NAME", otherwise="all"
    )
    period: str | None = command_option(
        "text",
        "the substacks that are compared with the reference",
        metavar="moving|day|hour|window",
        otherwise="the longest in the results",
    )
    lag_s: tuple[float, float] | None = command_option(
        "range",
        "range of absolute lag",
        unit="s",
        otherwise="from the lag of --velocity",
    )
    velocity: float = command_option(
        "number",
        "lags begin one period after the arrival of a wave of this velocity",
        default=DVV_VELOCITY_KM_S,
        unit="km/s",
    )
    length_s: float | None = command_option(
        "number",
        "length of the range of lags",
        unit="s",
        otherwise="to the longest lag",
    )
    filter_hz: tuple[float, float] | None = command_option(
        "range",
        "filter the correlations first",
        unit="Hz",
        otherwise="the band of the run",
    )
    side: str = command_option(
        "choice", "lags that are used by stretching", default=DVV_SIDE, choices=SIDES
    )
    max_dvv: float = command_option(
        "number", "largest change of the search", default=100 * MAX_DVV, unit="%"
    )
    window_s: float | None = command_option(
        "number",
        "length of the windows of lag, for mwcs and wcc",
        unit="s",
        otherwise="a few periods",
    )
    frequencies_hz: tuple[float, ...] = command_option(
        "numbers",
        "frequencies of wcs and wts",
        default=(),
        metavar="HZ",
        unit="Hz",
        otherwise="eight in the band",
    )
    min_coherence: float = command_option(
        "number",
        "changes with a lower coherence are left out of the mean",
        default=MIN_COHERENCE,
        metavar="C",
    )
    min_pairs: int = command_option(
        "count",
        "means over fewer pairs are left out, unless fewer are measured in total",
        default=MIN_PAIRS,
    )


def dvv(words: list[str]) -> str:
    """``xcorr-app dvv OUT``: velocity changes over time."""
    options = parse_command(f"{PROG} dvv", ABOUT, DvvOptions, words)
    from xcorr_app.measuring.dvv import measure_dvv
    from xcorr_app.measuring.dvv_settings import choose_settings
    from xcorr_app.reporting import velocity_change

    with open_measured(options, "dvv") as measured:
        settings = choose_settings(
            measured.store,
            method=options.method,
            reference=measured.stack,
            period=options.period,
            band=options.filter_hz,
            side=options.side,
            velocity_km_s=options.velocity,
            max_dvv=options.max_dvv / 100,
            length_s=options.length_s,
            window_s=options.window_s,
            lag_s=options.lag_s,
            frequencies_hz=tuple(sorted(options.frequencies_hz)),
        )
        measurement = measure_dvv(
            measured.store,
            settings,
            measured.folder,
            min_coherence=options.min_coherence,
            **measured.arguments,
        )
    if measurement is None:  # another process of the run has the measurement
        return ""
    table = measurement.table
    summary = velocity_change.summary(table, settings)
    figures = []
    with suppress(ParameterError):  # without a change to draw
        path = measured.path("dvv")
        figures.append(
            velocity_change.draw_changes(table, settings, path, measured.note)
        )
    return report_measurement(measured, measurement, summary, figures)
