"""The command ``xcorr-app dvv``: velocity changes over time."""

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
The names carry band, stack and components, if the run has several.
"""


@dataclass(frozen=True, kw_only=True)
class DvvOptions(ResultsOptions, StackOptions, ComponentsOptions, MeasuringOptions):
    """Options of ``xcorr-app dvv``."""

    method: str = command_option(
        "text", "see above", default=DVV_METHOD, metavar="METHOD"
    )
    components: str | None = command_option(
        "text",
        "only pairs of these components, the last letters of the two channels",
        metavar="ZZ|RR|TT|...",
        otherwise="all",
    )
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
        "text",
        "lags that are used by stretching",
        default=DVV_SIDE,
        metavar="both|causal|acausal",
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
        "means over fewer pairs are left out, unless only fewer are measured",
        default=MIN_PAIRS,
    )


def dvv(words: list[str]) -> str:
    """``xcorr-app dvv OUT``: velocity changes over time."""
    options = parse_command("dvv", ABOUT, DvvOptions, words)
    from xcorr_app import store
    from xcorr_app.measuring.batches import describe_skipped
    from xcorr_app.measuring.dvv import measure_dvv
    from xcorr_app.measuring.dvv_settings import choose_settings
    from xcorr_app.pair_subsets import shown_components
    from xcorr_app.reporting import velocity_change
    from xcorr_app.results.stack_names import file_label

    with (
        store.open(options.out) as results,
        progress_display(options.quiet) as progress,
    ):
        stack = options.stack_in(results)
        components, choice = shown_components(results, options.components, usual="")
        label = file_label(results, stack, components)
        folder = table_folder(options, f"dvv{label}.csv")
        choices = options.band_choice(results)
        choices += [choice] if choice and not options.pair else []
        settings = choose_settings(
            results,
            method=options.method,
            reference=stack,
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
            results,
            settings,
            folder,
            pairs=options.pair,
            components=options.components,
            min_coherence=options.min_coherence,
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
        *velocity_change.summary(table, settings),
    ]
    figures = []
    with suppress(ParameterError):  # without a change to draw
        path = folder / f"dvv{label}.png"
        note = components or choice.partition(";")[0]
        figures.append(velocity_change.draw_changes(table, settings, path, note))
    return "\n".join([*lines, *map(str, [*table.paths, *figures])])
