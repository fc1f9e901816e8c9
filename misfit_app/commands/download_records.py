"""The command ``misfit-app download``: records and metadata from a data centre."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dispel4py.errors import ParameterError
from misfit_app.config import PROG
from seismo_pes.application.command_line import parse_command
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import command_option

if TYPE_CHECKING:
    from misfit_app.downloading import Request

__all__ = ["DownloadOptions", "download"]

ABOUT = f"""\
Download the records of an event and the metadata of their stations from a data
centre: OUT/data/NET.STA.LOC.CHA.mseed and OUT/stations/NET.STA.xml. Files that exist
are kept, so that an interrupted download continues.

examples:
  {PROG} download --provider INGV --event quake.xml --before-s 120 --after-s 300 \\
      --latitude 41 43 --longitude 12 14.5 --channels 'HH[ENZ]' 'BH[ENZ]' --out OUT
  {PROG} download --provider INGV --verce misfit_download_conf.json --out OUT
"""
OWN = ("event", "latitude", "longitude")


@dataclass(frozen=True, kw_only=True)
class DownloadOptions(Configuration):
    """Options of ``misfit-app download``."""

    provider: str = command_option(
        "text",
        "data centre: a name of obspy such as INGV, host:port, or a URL",
        metavar="NAME",
        required=True,
    )
    out: str = command_option(
        "text", "folder of the files", metavar="OUT", required=True
    )
    verce: str | None = command_option(
        "text",
        "JSON file of a VERCE download, in place of the other options",
        metavar="FILE",
        excludes=OWN,
    )
    event: str | None = command_option("text", "QuakeML file", metavar="FILE")
    event_id: str | None = command_option(
        "text", "public id of the event", metavar="ID", otherwise="the only event"
    )
    before_s: float = command_option(
        "number", "time before the origin", default=120.0, unit="s", least=0
    )
    after_s: float = command_option(
        "number", "time after the origin", default=600.0, unit="s", above=0
    )
    latitude: tuple[float, float] | None = command_option(
        "range", "latitudes of the stations (degrees)"
    )
    longitude: tuple[float, float] | None = command_option(
        "range", "longitudes of the stations (degrees)"
    )
    channels: tuple[str, ...] = command_option(
        "paths",
        "patterns of channel codes; the first one that a station has is used",
        default=("HH[ENZ12]", "BH[ENZ12]", "EH[ENZ12]"),
        metavar="CODE",
    )
    locations: tuple[str, ...] = command_option(
        "paths",
        "location codes, in the same sense; -- is the empty code",
        default=("--", "00", "10"),
        metavar="CODE",
    )
    least_distance_km: float = command_option(
        "number", "of two stations that are closer, use one", default=0.0, unit="km",
        least=0,
    )  # fmt: skip
    quiet: bool = command_option("flag", "no progress", default=False)

    def check(self) -> None:
        """Check that the records are named completely."""
        for name in OWN:
            if self.verce is None and getattr(self, name) is None:
                raise ParameterError(f"--{name} is missing (or give --verce FILE)")


def download(words: list[str]) -> str:
    """``misfit-app download``: records and metadata of an event."""
    options = parse_command(f"{PROG} download", ABOUT, DownloadOptions, words)
    from functools import partial
    from pathlib import Path

    from misfit_app import downloading
    from seismo_pes.application.progress import progress_display
    from seismo_pes.application.skipped import skipped_table, write_skipped

    if options.verce is not None:
        request = downloading.read_request(options.verce)
    else:
        request = _request(options)
    out = Path(options.out)
    with progress_display(options.quiet) as progress:
        advance = None if progress is None else partial(progress.update, "stations")
        n_channels, skipped = downloading.download(
            request, options.provider, out, advance
        )
    write_skipped(out, skipped)
    text = f"{n_channels:,} channels in {out / 'data'}"
    return "\n".join(part for part in (skipped_table(skipped), text) if part)


def _request(options: DownloadOptions) -> Request:
    from misfit_app import downloading
    from misfit_app.planning import chosen_events
    from seismo_pes.items.times import NS

    ids = [] if options.event_id is None else [options.event_id]
    assert options.event is not None
    assert options.latitude is not None
    assert options.longitude is not None
    events, _ = chosen_events([options.event], ids)
    if len(events) > 1:
        raise ParameterError(f"--event-id is missing: {len(events)} events are there")
    origin_ns = events[0].time_ns
    return downloading.Request(
        origin_ns - round(options.before_s * NS),
        origin_ns + round(options.after_s * NS),
        (*options.latitude, *options.longitude),
        options.channels,
        tuple("" if code == "--" else code for code in options.locations),
        options.least_distance_km * 1000,
    )
