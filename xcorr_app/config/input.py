"""Options of the table ``[input]``: stations, archives, times and metadata."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import flag, option
from seismo_pes.application.times import time_ns

_input = partial(option, "input")


def _are_codes(codes: tuple[str, ...], label: str) -> tuple[str, ...]:
    for code in codes:
        if not re.fullmatch(r"[A-Za-z0-9?*\[\]!-]+", code):
            raise ParameterError(
                f"{label} {code}: not a channel code: write BHZ, ??Z or BH[ENZ]"
            )
    return codes


def _bounds_services(data: tuple[str, ...], label: str, config: Any) -> None:
    """Refuse a data centre without start and end: it has the data of many years."""
    services = [d for d in data if d.startswith(("fdsn://", "fdsn+https://"))]
    for name in ("start", "end"):
        if services and getattr(config, name) is None:
            raise ParameterError(
                f"{label} {services[0]}: a data centre has data of many years: add "
                f"{flag(name)} TIME"
            )


def _is_after_start(end: str, label: str, config: Any) -> None:
    if config.start is not None and time_ns(config.start) >= time_ns(end):
        raise ParameterError(
            f"--start {config.start} is not before {label} {end} (the end is the "
            "first instant that is not used)"
        )


@dataclass(frozen=True, kw_only=True)
class InputOptions(Configuration):
    """Stations, archives, times and metadata."""

    stations: str = _input(
        "text",
        "station list: lines of NET STA, NET.STA or NET.STA.LOC.CHA with wildcards, "
        "optionally latitude longitude elevation_m; or CSV with a header; # begins a "
        "comment",
        metavar="FILE",
        required=True,
        example='"stations.txt"',
    )
    data: tuple[str, ...] = _input(
        "paths",
        "one or more archives: SDS, BUD, folder, file, pattern ('day*/*.sac', "
        "'{year}/{station}.{channel}.{julday}'), ASDF file, fdsn://PROVIDER, "
        "s3://bucket/folder; any format that ObsPy reads",
        metavar="ARCHIVE",
        required=True,
        example='["archive"]',
        check=_bounds_services,
    )
    channels: tuple[str, ...] | None = _input(
        "texts",
        "channel codes to use, with wildcards",
        metavar="CODE",
        # Verticals are the usual first choice: all nine pairs of components take nine
        # times as long, and are of little use before rotation.
        otherwise="the codes in the station list; ??Z of stations without a code, or "
        "the components that --components needs",
        example='["BHZ"]',
        parse=_are_codes,
    )
    start: str | None = _input(
        "time",
        "first instant used, UTC: 2022-01-02, 2022-01-02T12:00 or 2022-137",
        otherwise="start of the data",
        example='"2022-01-02"',
    )
    end: str | None = _input(
        "time",
        "first instant that is not used, UTC, written as for --start",
        otherwise="end of the data",
        example='"2022-01-09T12:00"',
        check=_is_after_start,
    )
    inventory: str | None = _input(
        "text",
        "coordinates, directions and responses: StationXML, dataless SEED, RESP or "
        "poles and zeros (file, folder or pattern), or fdsn://PROVIDER",
        metavar="PATH",
        otherwise="coordinates from the station list or SAC headers",
        example='"inventory/*.xml"',
    )
