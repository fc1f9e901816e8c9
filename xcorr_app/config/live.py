"""Options of ``xcorr-app live``: those of a run, and those of the table ``[live]``."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from dispel4py.errors import ParameterError
from dispel4py.mappings import mapping_class
from seismo_pes.application.options import Needs, When, flag, option, options_of
from xcorr_app.config import TABLES, Config

__all__ = ["LIVE_TABLES", "LiveOptions"]

SOURCES = ("seedlink", "fdsn", "sds", "replay")
LIVE_TABLES = {"live": "Live: sources, late data, page, alerts", **TABLES}

_live = partial(option, "live")
_FROM = tuple(When(name) for name in SOURCES)
_SOURCE = Needs(_FROM, "needs a source: --seedlink, --fdsn, --sds or --replay")


def _are_conditions(texts: tuple[str, ...], label: str) -> tuple[str, ...]:
    from dispel4py.provenance.expression import parse  # `--help` does not need it

    for text in texts:
        try:
            parse(text, relatives=False)
        except ParameterError as error:
            raise ParameterError(f"{label} {text!r}: {error}") from None
    return texts


def _is_address(text: str, label: str) -> str:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise ParameterError(f"{label} {text}: not HOST:PORT, such as 127.0.0.1:8050")
    return text


def _is_live(mapping: str, label: str, config: Any) -> None:
    if mapping_class(mapping).in_stages:
        raise ParameterError(
            f"{label} {mapping}: each step waits for the end of the step before it, "
            "and live data have no end: use another mapping, such as multi"
        )


def _files_named(config: Any) -> tuple[str, ...]:
    """Return the name of the source, in the place of the archives of a batch run."""
    for name in ("replay", "sds", "fdsn"):
        if getattr(config, name) is not None:
            return (getattr(config, name),)
    return (f"live {config.seedlink}",)


def _listed(config: Any) -> str | None:
    if config.pair is None:
        return None
    return str(Path(config.out) / "live" / "stations.txt")


@dataclass(frozen=True, kw_only=True)
class LiveOptions(Config):
    """All options of a live run, checked on creation.

    Raises
    ------
    ParameterError
        If a value, or a combination of values, makes no sense.
    """

    seedlink: str | None = _live(
        "text",
        "a SeedLink server, version 3 or 4",
        metavar="HOST[:PORT]",
        excludes=("fdsn", "sds", "replay"),
    )
    fdsn: str | None = _live(
        "text",
        "a data centre that is asked again and again, such as fdsn://IRIS",
        metavar="fdsn://NAME",
        excludes=("sds", "replay"),
    )
    sds: str | None = _live(
        "text",
        "an SDS archive whose files grow",
        metavar="FOLDER",
        excludes=("replay",),
    )
    replay: str | None = _live(
        "text",
        "an archive that is replayed as if its data arrived now",
        metavar="ARCHIVE",
    )
    speed: float | None = _live(
        "number",
        "seconds of data in a second of a replay",
        above=0,
        only_with=When("replay"),
        otherwise="as fast as possible",
    )
    pair: tuple[str, str] | None = _live(
        "pair",
        "two channels, NET.STA.LOC.CHA, instead of a station list",
        excludes=("stations",),
    )
    stations: str | None = _live(  # type: ignore[assignment]
        "text",
        "the station list, as for a run: all pairs, or those of the options of pairs",
        metavar="FILE",
        fill=_listed,
        otherwise="the channels of --pair",
    )
    data: tuple[str, ...] | None = _live(  # type: ignore[assignment]
        "paths",
        "the archive in which --mend finds late and missing data",
        metavar="ARCHIVE",
        fill=_files_named,
        otherwise="that of --replay, --sds or --fdsn",
    )
    max_wait_s: float = _live(
        "number",
        "longest wait for missing data of a window; records beyond a gap wait for half "
        "of it, and a channel without data for this time is not waited for",
        default=300.0,
        unit="s",
        above=0,
    )
    poll_s: float | None = _live(
        "number",
        "time between two rounds of requests",
        unit="s",
        fill=60.0,
        above=0,
        only_with=When("fdsn"),
    )
    mend: bool = _live(
        "flag",
        "correlate the days with late or missing data again, from --data; then end",
        default=False,
    )
    serve: str | None = _live(
        "text",
        "show the run as a page in a browser, at this address of this computer; no "
        "login is needed. Without a source: show the run in OUT",
        metavar="HOST:PORT",
        parse=_is_address,
    )
    png: str | None = _live(
        "text",
        "draw the pictures of the page into this folder, again after each window",
        metavar="DIR",
    )
    alert: tuple[str, ...] | None = _live(
        "paths",
        "conditions on channels and pairs, such as 'snr < 3 or latency_s > 60'",
        metavar="CONDITION",
        parse=_are_conditions,
        otherwise="none",
        needs=(_SOURCE,),
    )
    alert_command: str | None = _live(
        "text",
        "a command for each alert that begins or ends; it reads the alert as JSON",
        metavar="COMMAND",
        needs=(Needs((When("alert"),), "needs --alert CONDITION"),),
    )
    alert_webhook: str | None = _live(
        "text",
        "a URL to which each alert is sent as JSON, by POST",
        metavar="URL",
        needs=(Needs((When("alert"),), "needs --alert CONDITION"),),
    )
    dvv_lags_s: tuple[float, float] | None = _live(
        "range",
        "lags of the velocity changes of days",
        unit="s",
        otherwise="a quarter to nine tenths of --max-lag-s",
    )
    service: bool = _live(
        "flag",
        "write a unit of systemd and a container file for this command into OUT/live; "
        "start nothing",
        default=False,
        needs=(_SOURCE,),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _is_live(self.mapping, flag("mapping"), self)

    @property
    def has_source(self) -> bool:
        """Whether a source of data is given."""
        return any(getattr(self, name) is not None for name in SOURCES)

    def of_run(self) -> Config:
        """Return the options that live and batch runs share.

        Raises
        ------
        ParameterError
            If there are no stations.
        """
        if self.stations is None:
            raise ParameterError("give --pair A B, or --stations FILE")
        return Config(**{name: getattr(self, name) for name in options_of(Config)})
