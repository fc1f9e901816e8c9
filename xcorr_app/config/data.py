"""Options: which stations and data, and which of the recorded samples are used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from xcorr_app.config.options import option

_input = partial(option, "input")
_quality = partial(option, "quality")


@dataclass(frozen=True, kw_only=True)
class InputOptions:
    """Stations, archives, times and metadata."""

    stations: str = _input(
        "text",
        "station list: lines of NET STA, NET.STA or NET.STA.LOC.CHA with wildcards, "
        "optional latitude longitude elevation_m; or CSV with a header; # comments",
        metavar="FILE",
        example='"stations.txt"',
    )
    data: tuple[str, ...] = _input(
        "paths",
        "one or more archives: SDS, BUD, folder, file, pattern ('day*/*.sac', "
        "'{year}/{station}.{channel}.{julday}'), ASDF file, fdsn://PROVIDER, "
        "s3://bucket/folder; any format that ObsPy reads",
        metavar="ARCHIVE",
        example='["archive"]',
    )
    channels: tuple[str, ...] | None = _input(
        "texts",
        "channel codes to use, with wildcards",
        metavar="CODE",
        # One vertical component is the usual first look; the other eight cost
        # nine times as much and mean little before rotation.
        otherwise="those that the list names; ??Z of stations without one, or what "
        "--components needs",
        example='["BHZ"]',
    )
    start: str | None = _input(
        "time",
        "first instant used, UTC: 2022-01-02, 2022-01-02T12:00 or 2022-137",
        metavar="TIME",
        otherwise="start of the data",
        example='"2022-01-02"',
    )
    end: str | None = _input(
        "time",
        "first instant no longer used, UTC, written as for --start",
        metavar="TIME",
        otherwise="end of the data",
        example='"2022-01-09T12:00"',
    )
    inventory: str | None = _input(
        "text",
        "coordinates, directions and responses: StationXML, dataless SEED, RESP or "
        "poles and zeros (file, folder or pattern), or fdsn://PROVIDER",
        metavar="PATH",
        otherwise="coordinates from the station list or SAC headers",
        example='"inventory/*.xml"',
    )


@dataclass(frozen=True, kw_only=True)
class QualityOptions:
    """What is believed of the recorded samples."""

    overlaps: str = _quality(
        "choice",
        "where overlapping records of a channel differ: keep those of the record that "
        "starts first or last, their mean, or drop them",
        default="first",
        choices=("first", "last", "mean", "drop"),
        rare=True,
    )
    max_gap_s: float = _quality(
        "number",
        "interpolate gaps of at most so many seconds by a straight line; at longer "
        "ones the trace is split",
        default=0.0,
        metavar="SECONDS",
        least=0,
    )
    despike_mad: float | None = _quality(
        "number",
        "replace samples that are further than N MAD from the median around them",
        metavar="N",
        otherwise="not done",
        example="20.0",
        above=0,
        rare=True,
    )
    despike_s: float | None = _quality(
        "number",
        "width of the neighbourhood of --despike-mad, seconds",
        metavar="SECONDS",
        otherwise="1",
        example="1.0",
        above=0,
        rare=True,
    )
    drop_clipped: bool = _quality(
        "flag",
        "take out runs of three samples or more at the recorder's limit",
        default=False,
        rare=True,
    )
    clipped_level: float | None = _quality(
        "number",
        "limit of the recorder, in counts (the unit of the files)",
        metavar="COUNTS",
        otherwise="the extremes of each record",
        example="8388607.0",
        above=0,
        rare=True,
    )
    drop_flat_s: float | None = _quality(
        "number",
        "take out runs of equal samples of at least so many seconds",
        metavar="SECONDS",
        otherwise="only windows that are flat throughout are left out",
        example="10.0",
        above=0,
        rare=True,
    )
    clock: str | None = _quality(
        "text",
        "clock errors: CSV of channel,start,end,offset_s (recorded minus true time, "
        "seconds) and end_offset_s where it drifts",
        metavar="FILE",
        otherwise="all clocks are right",
        example='"clock.csv"',
        rare=True,
    )
    align_samples: bool = _quality(
        "flag",
        "shift samples that lie between those of the common grid onto it, by phase; "
        "else the nearest sample of the grid is taken",
        default=False,
        rare=True,
    )
    recorded_hz: float | None = _quality(
        "number",
        "true sampling rate of all data, Hz: records that say another are resampled",
        metavar="HZ",
        otherwise="what the headers say",
        example="100.0",
        above=0,
        rare=True,
    )
    reject_mad: float | None = _quality(
        "number",
        "leave out windows with a peak beyond N MAD of their day (of normal noise a "
        "MAD is the standard deviation): earthquakes, steps",
        metavar="N",
        otherwise="all windows are used",
        example="10.0",
        above=0,
    )
    reject_rms: tuple[float, float] | None = _quality(
        "numbers",
        "leave out windows with an RMS outside of this range, in the unit of the "
        "preprocessed data (m/s with --response VEL)",
        metavar=("LO", "HI"),
        otherwise="all windows are used",
        example="[1e-9, 1e-5]",
        rare=True,
    )
    reject_psd_db: tuple[float, float] | None = _quality(
        "numbers",
        "leave out windows whose power spectral density, mean in dB over "
        "--reject-psd-hz, is outside of this range, dB of (unit)^2/Hz",
        metavar=("LO", "HI"),
        otherwise="all windows are used",
        example="[-170.0, -90.0]",
        rare=True,
    )
    reject_psd_hz: tuple[float, float] | None = _quality(
        "numbers",
        "band of --reject-psd-db, Hz",
        metavar=("LO", "HI"),
        otherwise="up to the Nyquist frequency",
        example="[0.1, 1.0]",
        rare=True,
    )
