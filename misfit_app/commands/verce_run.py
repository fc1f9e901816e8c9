"""The command ``misfit-app verce``: a run with the JSON files of the VERCE platform."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from dispel4py.errors import ParameterError
from misfit_app.config import PROG
from misfit_app.config.run import StartOptions
from seismo_pes.application.options import command_option

if TYPE_CHECKING:
    from misfit_app.planning import Plan

__all__ = ["ABOUT", "VerceOptions", "verce_plan_of"]

ABOUT = f"""\
Measure misfits as the VERCE platform did, from its JSON files, unchanged.

examples:
  {PROG} verce --chain pipelines.json --parameters misfit_time_frequency.json \\
      --observed data --synthetic synth --stations stations \\
      --event events.xml --event-id smi:.../query?eventId=1744261 --out OUT
  {PROG} verce --chain pipelines.json --parameters pyflex_misfit_inputs.json \\
      --input misfit_input.json --mapping multi -n 4
"""
FOLDERS = ("observed", "synthetic", "stations", "event", "event_id")


@dataclass(frozen=True, kw_only=True)
class VerceOptions(StartOptions):
    """Options of ``misfit-app verce``."""

    chain: str = command_option(
        "text",
        "JSON file of the processing of both sides (pipelines.json)",
        metavar="FILE",
        required=True,
    )
    parameters: str = command_option(
        "text",
        "JSON file with misfit_type, min_period, max_period and the options of windows",
        metavar="FILE",
        required=True,
    )
    input: str | None = command_option(
        "text",
        "JSON file of a run (readDataPE), in place of the next five options",
        metavar="FILE",
        excludes=FOLDERS,
    )
    observed: str | None = command_option(
        "text", "folder of observed NET.STA.*.?H?.mseed", metavar="DIR"
    )
    synthetic: str | None = command_option(
        "text", "folder of synthetics NET.STA.?X?.seed{v,d,a}", metavar="DIR"
    )
    stations: str | None = command_option("text", "folder of StationXML", metavar="DIR")
    event: str | None = command_option("text", "QuakeML file", metavar="FILE")
    event_id: str | None = command_option(
        "text", "public id of the event in the file", metavar="ID"
    )
    out: str | None = command_option(
        "text",
        "folder of the results",
        metavar="OUT",
        otherwise="output_dir of --input",
    )

    figures: bool = command_option(
        "flag",
        "draw the records of each station with its windows, and time-frequency misfits",
        default=False,
    )

    def check(self) -> None:
        """Check that the data are named completely."""
        if self.input is not None:
            return
        for name in (*FOLDERS, "out"):
            if getattr(self, name) is None:
                option = name.replace("_", "-")
                raise ParameterError(f"--{option} is missing (or give --input FILE)")


def verce_plan_of(options: VerceOptions) -> Plan:
    """Return the plan of a run.

    Raises
    ------
    ParameterError
        If a file cannot be read, or does not fit the others.
    """
    from dispel4py.provenance.files import listed_files
    from dispel4py.provenance.run_record import provenance_options
    from misfit_app.verce import (
        ELEMENTS,
        RunInput,
        read_chain,
        read_parameters,
        read_run_input,
        verce_plan,
    )

    chain, settings = read_chain(options.chain), read_parameters(options.parameters)
    settings = replace(settings, keeps_records=options.figures)
    if options.input is not None:
        inputs = read_run_input(options.input)
    else:
        places = [getattr(options, name) for name in FOLDERS]
        inputs = [RunInput(*places)]
    out = options.out or inputs[0].out
    if not out:
        raise ParameterError("--out is missing, and --input has no output_dir")
    files = [options.chain, options.parameters]
    files += [path for entry in inputs for path in (entry.event, entry.stations)]
    provenance = provenance_options(
        options.provenance,
        options.capture,
        name=f"{PROG} verce",
        configuration=options.to_dict() | {"out": out},
        files=listed_files(files),
        names=ELEMENTS,
        package="misfit_app",
    )
    return verce_plan(
        inputs,
        chain,
        settings,
        out,
        options.to_dict() | {"mode": "verce"},
        mapping=options.mapping,
        processes=options.processes,
        on_error=options.on_error,
        resume=options.resume,
        provenance=provenance,
    )
