"""The commands that measure on results: ``dvv`` and ``disp``."""

from __future__ import annotations

import argparse
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import Parser
from seismo_pes.application.progress import progress_display
from xcorr_app.commands.arguments import (
    PROG,
    add_components,
    add_results,
    chosen_stack,
    command_parser,
    number,
    span,
    whole,
)

__all__ = ["disp", "dvv"]

DVV_ABOUT = f"""\
Measure relative changes of velocity, dv/v: the stack of each period against a
reference. Positive is faster: waves come earlier.

examples:
  {PROG} dvv results
  {PROG} dvv results --method mwcs --lag-s 10 50 --filter-hz 0.5 1
  {PROG} dvv results --pair CI.CCA CI.HEC --period hour --output hours/
  {PROG} dvv results --mapping multi -n 8

methods:
  stretching  the reference stretched (the default)
  mwcs        moving-window cross-spectra
  wcc         cross-correlation of windows of lag
  dtw         dynamic time warping
  wcs         wavelet cross-spectra, at several frequencies
  wts         stretching of wavelets, at several frequencies

files, in OUT or the folder of --output:
  dvv.csv          each pair and time: dvv, its standard error, coherence
  dvv_network.csv  the mean over the pairs, weighted by 1 / error^2
  dvv.png          the mean over time
  dvv.json         how it was made
"""


def dvv(words: list[str]) -> str:
    """``xcorr-app dvv OUT``: velocity changes over time."""
    parser = _dvv_parser()
    given = parser.parse(words)
    settings: dict[str, Any] = {
        "velocity_km_s": number("--velocity", given.velocity),
        "max_dvv": number("--max-dvv", given.max_dvv) / 100,
        "length_s": _maybe("--length-s", given.length_s),
        "window_s": _maybe("--window-s", given.window_s),
        "lag_s": span("--lag-s", given.lag_s),
        "frequencies_hz": tuple(
            sorted(number("--frequencies-hz", f) for f in given.frequencies_hz)
        ),
    }
    least = number("--min-coherence", given.min_coherence)
    folder = _new_folder(given, "dvv.csv")
    from xcorr_app import store
    from xcorr_app.measuring.batches import describe_skipped
    from xcorr_app.measuring.dvv import measure_dvv
    from xcorr_app.measuring.dvv_settings import choose_settings
    from xcorr_app.reporting import velocity_change

    with store.open(given.out) as results, progress_display(given.quiet) as progress:
        chosen = choose_settings(
            results,
            method=given.method,
            reference=chosen_stack(results, given),
            period=given.period,
            band=span("--filter-hz", given.filter_hz),
            side=given.side,
            **settings,
        )
        found = measure_dvv(
            results,
            chosen,
            folder,
            pairs=given.pair,
            components=given.components,
            min_coherence=least,
            mapping=given.mapping,
            processes=_processes(given),
            progress=None if progress is None else partial(progress.update, "pairs"),
        )
    if found is None:
        return ""
    table, n_pairs, skipped = found
    lines = [
        *describe_skipped(skipped, n_pairs),
        *velocity_change.summary(table, chosen),
    ]
    pictures = []
    with suppress(ParameterError):  # nothing for a picture: the summary has said so
        pictures.append(velocity_change.draw_changes(table, chosen, folder / "dvv.png"))
    return "\n".join([*lines, *map(str, [*table.paths, *pictures])])


def _dvv_parser() -> Parser:
    parser = command_parser("dvv", DVV_ABOUT)
    add_results(parser)
    add = parser.add_argument
    add("--method", metavar="METHOD", default="stretching",
        help="see above (default: stretching)")  # fmt: skip
    add_pairs(parser)
    add_components(parser, "all")
    add("--stack", metavar="NAME", help="the reference (default: all)")
    add("--band", nargs=2, metavar=("LO", "HI"),
        help="filter band of a run of several, Hz (default: the lowest)")  # fmt: skip
    add("--period", metavar="moving|day|hour|window",
        help="what is compared with it (default: the longest kept)")  # fmt: skip
    add("--lag-s", nargs=2, metavar=("LO", "HI"),
        help="range of absolute lag, s (default: from --velocity on)")  # fmt: skip
    add("--velocity", metavar="KM_S", default="1",
        help="lags begin a period after a wave so slow, km/s (default: 1)")  # fmt: skip
    add("--length-s", metavar="SECONDS",
        help="length of that range, s (default: to the longest lag)")  # fmt: skip
    add("--filter-hz", nargs=2, metavar=("LO", "HI"),
        help="filter them first, Hz (default: the band of the run)")  # fmt: skip
    add("--side", metavar="both|causal|acausal", default="both",
        help="lags that are stretched (default: both)")  # fmt: skip
    add("--max-dvv", metavar="PERCENT", default="2",
        help="largest change searched, %% (default: 2)")  # fmt: skip
    add("--window-s", metavar="SECONDS",
        help="windows of lag of mwcs and wcc, s (default: a few periods)")  # fmt: skip
    add("--frequencies-hz", metavar="HZ", nargs="+", default=[],
        help="of wcs and wts, Hz (default: eight in the band)")  # fmt: skip
    add("--min-coherence", metavar="C", default="0.5",
        help="changes below it are left out of the mean (default: 0.5)")  # fmt: skip
    add_running(parser)
    return parser


DISP_ABOUT = f"""\
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
  disp.json         how it was made
"""


def disp(words: list[str]) -> str:
    """``xcorr-app disp OUT``: dispersion of surface waves."""
    given = _disp_parser().parse(words)
    settings: dict[str, Any] = {
        "velocity_km_s": span("--velocity-km-s", given.velocity_km_s),
        "side": given.side,
        "reference_km_s": _maybe("--reference-km-s", given.reference_km_s),
        "alpha": _maybe("--alpha", given.alpha),
        "min_snr": number("--min-snr", given.min_snr),
        "min_wavelengths": number("--min-wavelengths", given.min_wavelengths),
        "period_s": span("--period-s", given.period_s),
        "n_periods": whole("--periods", given.periods),
    }
    folder = _new_folder(given, "disp.csv")
    from xcorr_app import store
    from xcorr_app.measuring.batches import describe_skipped
    from xcorr_app.measuring.dispersion import choose_settings, measure_disp
    from xcorr_app.reporting import dispersion

    with store.open(given.out) as results, progress_display(given.quiet) as progress:
        chosen = choose_settings(
            results, stack=chosen_stack(results, given), **settings
        )
        found = measure_disp(
            results,
            chosen,
            folder,
            pairs=given.pair,
            components=given.components,
            mapping=given.mapping,
            processes=_processes(given),
            progress=None if progress is None else partial(progress.update, "pairs"),
        )
        if found is None:
            return ""
        table, n_pairs, skipped = found
        lines = [
            *describe_skipped(skipped, n_pairs),
            *dispersion.summary(table, n_pairs),
        ]
        pictures = []
        with suppress(ParameterError):  # as the summary has said
            pictures.append(dispersion.draw_curves(table, folder / "disp.png"))
        clearest = dispersion.clearest_pair(table)
        if clearest is not None:
            path = folder / "disp_pair.png"
            pictures.append(dispersion.draw_ftan(results, chosen, clearest, path))
    return "\n".join([*lines, *map(str, [*table.paths, *pictures])])


def _disp_parser() -> Parser:
    parser = command_parser("disp", DISP_ABOUT)
    add_results(parser)
    add = parser.add_argument
    add_pairs(parser)
    add_components(parser)
    add("--stack", metavar="NAME", help="which stack (default: all)")
    add("--band", nargs=2, metavar=("LO", "HI"),
        help="filter band of a run of several, Hz (default: the lowest)")  # fmt: skip
    add("--period-s", nargs=2, metavar=("LO", "HI"),
        help="shortest and longest, s (default: the band of the run)")  # fmt: skip
    add("--periods", metavar="N", default="30", help="how many (default: 30)")
    add("--velocity-km-s", nargs=2, metavar=("LO", "HI"), default=["1", "5"],
        help="slowest and fastest group velocity, km/s (default: 1 5)")  # fmt: skip
    add("--side", metavar="symmetric|causal|acausal", default="symmetric",
        help="lags that are used (default: symmetric, their mean)")  # fmt: skip
    add("--reference-km-s", metavar="KM_S",
        help="phase velocity nearly known at the longest period, km/s (default: none, "
        "no phase velocities)")  # fmt: skip
    add("--alpha", metavar="A", help="width of the filters (default: by the distance)")
    add("--min-snr", metavar="R", default="5",
        help="least signal-to-noise ratio of a pick (default: 5)")  # fmt: skip
    add("--min-wavelengths", metavar="N", default="1.5",
        help="least distance of the stations, wavelengths (default: 1.5)")  # fmt: skip
    add_running(parser)
    return parser


# ------------------------------------------------------------------ of both


def add_pairs(parser: Parser) -> None:
    """Add ``--pair``, which may be given more than once."""
    parser.add_argument(
        "--pair",
        nargs=2,
        action="append",
        default=[],
        metavar=("A", "B"),
        help="only this pair; may be repeated (default: all)",
    )


def add_running(parser: Parser) -> None:
    """Add where files go and how it runs."""
    add = parser.add_argument
    add("--output", metavar="FOLDER", help="where files go (default: OUT)")
    add("--force", action="store_true", help="replace files that are there")
    add("--mapping", metavar="simple|multi|mpi", default="simple",
        help="where it runs (default: simple)")  # fmt: skip
    add("-n", "--processes", metavar="N", help="of --mapping multi (default: cores)")
    add("--quiet", action="store_true", help="no progress")


def _new_folder(given: argparse.Namespace, first: str) -> Path:
    """Return where files go, or refuse to replace them."""
    folder = Path(given.output or given.out)
    if (folder / first).exists() and not given.force:
        raise ParameterError(f"{folder / first}: is there already; --force replaces it")
    return folder


def _processes(given: argparse.Namespace) -> int | None:
    return None if given.processes is None else whole("--processes", given.processes)


def _maybe(name: str, text: str | None) -> float | None:
    return None if text is None else number(name, text)
