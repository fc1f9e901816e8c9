"""The command ``xcorr-app disp``: dispersion of surface waves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.methods import DISPERSION_SIDES
from xcorr_app.commands.measured_results import open_measured, report_measurement
from xcorr_app.commands.shared_options import (
    ComponentsOptions,
    EndedRunOptions,
    MeasuringOptions,
    StackOptions,
)
from xcorr_app.config import PROG
from xcorr_app.defaults import (
    DISP_SIDE,
    GROUP_VELOCITY_KM_S,
    MIN_PAIRS,
    MIN_SNR,
    MIN_WAVELENGTHS,
    N_PERIODS,
)

__all__ = ["DispOptions", "disp"]

ABOUT = f"""\
Measure the dispersion of surface waves, group and phase velocity over period,
by frequency-time analysis.

examples:
  {PROG} disp results
  {PROG} disp results --period-s 2 20 --velocity-km-s 1.5 4.5
  {PROG} disp results --reference-km-s 3.8 --output phase/
  {PROG} disp results --pair CI.CCA CI.HEC --side causal --output pair/
  {PROG} disp results --components TT --mapping multi -n 8

files, in OUT or the folder of --output:
  disp.csv          each pair and period: velocities, signal-to-noise ratio, and
                    whether the pick is accepted
  disp_network.csv  median, 16th and 84th percentile over the pairs
  disp.png          the curves of all pairs, and their median
  disp_pair.png     the analysis of the pair with the most accepted picks
  disp.json         the settings
The names contain band, stack and components, if the run has several.
"""


@dataclass(frozen=True, kw_only=True)
class DispOptions(EndedRunOptions, StackOptions, ComponentsOptions, MeasuringOptions):
    """Options of ``xcorr-app disp``."""

    period_s: tuple[float, float] | None = command_option(
        "range",
        "shortest and longest period",
        unit="s",
        otherwise="the band of the run",
    )
    periods: int = command_option(
        "count", "number of periods, equally spaced in logarithm", default=N_PERIODS
    )
    velocity_km_s: tuple[float, float] = command_option(
        "range",
        "slowest and fastest group velocity",
        default=GROUP_VELOCITY_KM_S,
        unit="km/s",
    )
    side: str = command_option(
        "choice",
        "lags that are used; symmetric is the mean of both sides",
        default=DISP_SIDE,
        choices=DISPERSION_SIDES,
    )
    reference_km_s: float | None = command_option(
        "number",
        "approximate phase velocity at the longest period",
        unit="km/s",
        otherwise="none, no phase velocities",
    )
    alpha: float | None = command_option(
        "number",
        "width of the Gaussian filters",
        metavar="A",
        otherwise="by the distance",
    )
    min_snr: float = command_option(
        "number",
        "least signal-to-noise ratio of an accepted pick",
        default=MIN_SNR,
        metavar="R",
    )
    min_wavelengths: float = command_option(
        "number",
        "least distance of the stations of an accepted pick, in wavelengths",
        default=MIN_WAVELENGTHS,
    )
    min_pairs: int = command_option(
        "count",
        "medians over fewer pairs are left out, unless fewer are measured in total",
        default=MIN_PAIRS,
    )


def disp(words: list[str]) -> str:
    """``xcorr-app disp OUT``: dispersion of surface waves."""
    options = parse_command(f"{PROG} disp", ABOUT, DispOptions, words)
    from xcorr_app.measuring.dispersion import choose_settings, measure_disp
    from xcorr_app.pair_subsets import USUAL
    from xcorr_app.reporting import dispersion
    from xcorr_app.results.stack_names import stack_notes

    with open_measured(options, "disp", USUAL) as measured:
        settings = choose_settings(
            measured.store,
            stack=measured.stack,
            period_s=options.period_s,
            n_periods=options.periods,
            velocity_km_s=options.velocity_km_s,
            side=options.side,
            reference_km_s=options.reference_km_s,
            alpha=options.alpha,
            min_snr=options.min_snr,
            min_wavelengths=options.min_wavelengths,
        )
        measurement = measure_disp(
            measured.store,
            settings,
            measured.folder,
            **measured.arguments,
        )
        if measurement is None:  # another process of the run has the measurement
            return ""
        table = measurement.table
        summary = dispersion.summary(table, measurement.n_pairs)
        figures = []
        with suppress(ParameterError):  # without an accepted pick
            notes = [*stack_notes(measured.store, measured.stack), measured.components]
            path = measured.path("disp")
            figures.append(dispersion.draw_curves(table, path, notes))
        clearest = dispersion.clearest_pair(table)
        if clearest is not None:
            path = measured.path("disp_pair")
            figures.append(
                dispersion.draw_ftan(measured.store, settings, clearest, path)
            )
    return report_measurement(measured, measurement, summary, figures)
