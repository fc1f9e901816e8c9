"""Options of the table ``[input]``: events, stations and waveforms."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import When, option

__all__ = ["MOTIONS", "InputOptions"]

_input = partial(option, "input")

MOTIONS = ("displacement", "velocity", "acceleration")


@dataclass(frozen=True, kw_only=True)
class InputOptions(Configuration):
    """Events, stations and waveforms."""

    event: tuple[str, ...] | None = _input(
        "paths", "QuakeML files with the events", metavar="FILE", required=True
    )
    event_id: tuple[str, ...] | None = _input(
        "paths",
        "public ids of the events that are used",
        metavar="ID",
        example='["smi:local/event/1"]',
        otherwise="all events of the files",
    )
    stations: tuple[str, ...] | None = _input(
        "paths",
        "folders or files of StationXML or another format of station metadata; "
        "{event} as for --observed",
        metavar="DIR",
        required=True,
    )
    observed: str | None = _input(
        "text",
        "folder or pattern of observed waveforms, in any format that obspy reads, or "
        "ASDF; {event} stands for the last part of the event's id",
        metavar="DIR",
        required=True,
    )
    synthetic: str | None = _input(
        "text",
        "folder or pattern of synthetics, also text files of SPECFEM and SES3D; "
        "{event} as for --observed, needed if there are several events",
        metavar="DIR",
        required=True,
    )
    synthetic_motion: str | None = _input(
        "choice",
        "motion of synthetics whose names do not state it (.semd, .semv, .sema, "
        ".seedd, .seedv, .seeda do)",
        choices=MOTIONS,
        otherwise="none: such synthetics are rejected",
    )
    response: str = _input(
        "choice",
        "remove the instrument response from the observed records, or none: they are "
        "in m, m/s or m/s^2 already",
        default="remove",
        choices=("remove", "none"),
    )
    observed_motion: str | None = _input(
        "choice",
        "motion of observed records without instrument response",
        choices=MOTIONS,
        fill="velocity",
        only_with=When("response", "none"),
    )
