"""The command that writes results in other forms: ``export``."""

from __future__ import annotations

from functools import partial

from dispel4py.errors import ParameterError
from seismo_pes.application.progress import progress_display
from xcorr_app.commands.arguments import (
    PROG,
    add_results,
    add_stack,
    chosen_stack,
    command_parser,
)

__all__ = ["FORMATS", "export"]

FORMATS = ("npz", "sac", "mseed", "asdf", "netcdf", "zarr", "noisepy", "msnoise")
OF_ALL_STACKS = ("noisepy", "msnoise")

ABOUT = f"""\
Write the correlations in a form that other programs read.

examples:
  {PROG} export results sac/ --format sac
  {PROG} export results day.nc --format netcdf --stack 2022-05-17

formats:
  npz       a numpy file: lags_s, and an array NET.STA.LOC.CHA_NET.STA.LOC.CHA
            for each pair
  sac       a folder of SAC files, one for each pair
  mseed     a folder of miniSEED files, one for each pair
  asdf      an ASDF file, the pairs as auxiliary data
  netcdf    a netCDF-4 file of dimensions pair and lag
  zarr      a Zarr folder of dimensions pair and lag
  noisepy   a folder of NoisePy's stacks and daily correlations
  msnoise   an output folder of MSNoise 2: references and daily correlations

All of them carry the configuration, the versions and the id of the run.
"""


def export(words: list[str]) -> str:
    """``xcorr-app export OUT --format FORMAT DEST``."""
    parser = command_parser("export", ABOUT)
    add_results(parser)
    parser.add_argument("dest", metavar="DEST", help="file or folder to write")
    parser.add_argument("--format", metavar="FORMAT", required=True, help="see above")
    parser.add_argument("--force", action="store_true", help="replace DEST")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    add_stack(
        parser,
        "all, or a period such as 2022-05-17 (default: all; noisepy and msnoise: "
        "every one)",
    )
    given = parser.parse(words)
    if given.format not in FORMATS:
        known = ", ".join(FORMATS)
        raise ParameterError(f"--format {given.format}: not one of {known}")
    from seismo_pes.full_disk import report_full_disk
    from xcorr_app import store
    from xcorr_app.export import export

    every = given.format in OF_ALL_STACKS and not (given.stack or given.band)
    with (
        store.open(given.out) as results,
        progress_display(given.quiet) as progress,
        report_full_disk(given.dest, "what is there is not whole"),
    ):
        follow = None if progress is None else partial(progress.update, "pairs")
        export(
            results,
            given.dest,
            given.format,
            stack=None if every else chosen_stack(results, given),
            force=given.force,
            progress=follow,
        )
    return str(given.dest)
