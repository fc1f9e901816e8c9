"""The command ``xcorr-app disp``: dispersion of surface waves."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from dispel4py.errors import ParameterError
from seismo_pes.application.progress import progress_display
from xcorr_app.commands.options import (
    PROG,
    ComponentsOptions,
    MeasuringOptions,
    ResultsOptions,
    StackOptions,
    command_option,
    parse_command,
    table_folder,
)
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
  disp_pair.png     the analysis of the clearest pair
  disp.json         the settings
The names carry band, stack and components, if the run has several.
"""


@dataclass(frozen=True, kw_only=True)
class DispOptions(ResultsOptions, StackOptions, ComponentsOptions, MeasuringOptions):
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
        "text",
        "lags that are used; symmetric is the mean of both sides",
        default=DISP_SIDE,
        metavar="symmetric|causal|acausal",
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
        "medians over fewer pairs are left out, unless only fewer are measured",
        default=MIN_PAIRS,
    )


def disp(words: list[str]) -> str:
    """``xcorr-app disp OUT``: dispersion of surface waves."""
    options = parse_command("disp", ABOUT, DispOptions, words)
    from xcorr_app import store
    from xcorr_app.measuring.batches import describe_skipped
    from xcorr_app.measuring.dispersion import choose_settings, measure_disp
    from xcorr_app.pair_subsets import shown_components
    from xcorr_app.reporting import dispersion
    from xcorr_app.results.stack_names import file_label, stack_notes

    with (
        store.open(options.out) as results,
        progress_display(options.quiet) as progress,
    ):
        stack = options.stack_in(results)
        components, choice = shown_components(results, options.components)
        label = file_label(results, stack, components)
        folder = table_folder(options, f"disp{label}.csv")
        choices = options.band_choice(results)
        choices += [choice] if choice and not options.pair else []
        settings = choose_settings(
            results,
            stack=stack,
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
            results,
            settings,
            folder,
            pairs=options.pair,
            components=options.components,
            min_pairs=options.min_pairs,
            label=label,
            mapping=options.mapping,
            processes=options.processes,
            progress=None if progress is None else partial(progress.update, "pairs"),
        )
        if measurement is None:  # another process of the run has the measurement
            return ""
        table, n_pairs, skipped = measurement
        lines = [
            *choices,
            *describe_skipped(skipped, n_pairs),
            *dispersion.summary(table, n_pairs),
        ]
        figures = []
        with suppress(ParameterError):  # without an accepted pick
            notes = [*stack_notes(results, stack), components]
            path = folder / f"disp{label}.png"
            figures.append(dispersion.draw_curves(table, path, notes))
        clearest = dispersion.clearest_pair(table)
        if clearest is not None:
            path = folder / f"disp_pair{label}.png"
            figures.append(dispersion.draw_ftan(results, settings, clearest, path))
    return "\n".join([*lines, *map(str, [*table.paths, *figures])])
