"""The command ``xcorr-app export``: results in the formats of other programs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from dispel4py.errors import ParameterError
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.options import command_option
from seismo_pes.application.progress import progress_display
from xcorr_app.commands.shared_options import (
    EndedRunOptions,
    QuietOptions,
    StackOptions,
)
from xcorr_app.config import PROG

__all__ = ["FORMATS", "ExportOptions", "export"]

FORMATS = (
    "npz",
    "sac",
    "mseed",
    "asdf",
    "netcdf",
    "zarr",
    "noisepy",
    "msnoise",
    "misfit",
)
WITH_ALL_STACKS = ("noisepy", "msnoise")

ABOUT = f"""\
Write the correlations in a format that other programs read.

examples:
  {PROG} export results sac/ --format sac
  {PROG} export results day.nc --format netcdf --stack 2022-05-17

formats:
  npz       a NumPy file: lags_s, and an array NET.STA.LOC.CHA_NET.STA.LOC.CHA
            for each pair
  sac       a folder of SAC files, one for each pair
  mseed     a folder of miniSEED files, one for each pair
  asdf      an ASDF file with the pairs as auxiliary data
  netcdf    a netCDF-4 file with the dimensions pair and lag
  zarr      a Zarr folder with the dimensions pair and lag
  noisepy   a folder of NoisePy's stacks and daily correlations
  msnoise   an output folder of MSNoise 2: references and daily correlations
  misfit    a folder for misfit-app: empirical Green's functions, each station
            as a source

All of them contain the configuration, the versions and the id of the run.
"""


def _is_known(name: str, label: str) -> str:
    if name not in FORMATS:
        raise ParameterError(f"{label} {name}: not one of {', '.join(FORMATS)}")
    return name


@dataclass(frozen=True, kw_only=True)
class ExportOptions(EndedRunOptions, StackOptions, QuietOptions):
    """Options of ``xcorr-app export``."""

    dest: str = command_option(
        "text",
        "file or folder to write",
        metavar="DEST",
        positional=True,
        required=True,
    )
    format: str = command_option(
        "text", "see above", metavar="FORMAT", required=True, parse=_is_known
    )
    stack: str | None = command_option(
        "text",
        "a substack such as 2022-05-17, instead of the stack of the whole run",
        metavar="NAME",
        otherwise="all; every stack for noisepy and msnoise",
    )
    force: bool = command_option("flag", "replace existing files", default=False)


def export(words: list[str]) -> str:
    """``xcorr-app export OUT --format FORMAT DEST``."""
    options = parse_command(f"{PROG} export", ABOUT, ExportOptions, words)
    from seismo_pes.full_disk import report_full_disk
    from xcorr_app.export import export

    is_chosen = options.stack is not None or options.band is not None
    every = options.format in WITH_ALL_STACKS and not is_chosen
    with (
        options.open_results() as results,
        progress_display(options.quiet) as progress,
        report_full_disk(options.dest, "the files there are not complete"),
    ):
        choice = [] if every else options.band_choice(results)
        export(
            results,
            options.dest,
            options.format,
            stack=None if every else options.stack_in(results),
            force=options.force,
            progress=None if progress is None else partial(progress.update, "pairs"),
        )
    return "\n".join([*choice, options.dest])
