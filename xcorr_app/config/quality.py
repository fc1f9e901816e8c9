"""Options of the table ``[quality]``: which of the recorded samples are used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import When, option
from seismo_pes.methods import OVERLAPS
from xcorr_app.config.frequencies import below_nyquist

_quality = partial(option, "quality")


@dataclass(frozen=True, kw_only=True)
class QualityOptions(Configuration):
    """Faults of the records: which are corrected, and which data are left out."""

    overlaps: str = _quality(
        "choice",
        "where overlapping records of a channel differ: keep the samples of the record "
        "that starts first or last, their mean, or drop them",
        default="first",
        choices=OVERLAPS,
        rare=True,
    )
    max_gap_s: float = _quality(
        "number",
        "interpolate gaps up to this length by a straight line; a longer gap splits "
        "the trace",
        default=0.0,
        unit="s",
        least=0,
    )
    despike_mad: float | None = _quality(
        "number",
        "replace samples that are more than N median absolute deviations away from the "
        "median around them",
        otherwise="not done",
        example="20.0",
        above=0,
        rare=True,
    )
    despike_s: float | None = _quality(
        "number",
        "width of the neighbourhood of --despike-mad",
        unit="s",
        fill=1.0,
        above=0,
        only_with=When("despike_mad"),
        rare=True,
    )
    drop_clipped: bool = _quality(
        "flag",
        "remove runs of three samples or more at the limit of the recorder",
        default=False,
        rare=True,
    )
    clipped_level: float | None = _quality(
        "number",
        "limit of the recorder, in the unit of the files",
        unit="counts",
        otherwise="the extremes of each record",
        example="8388607.0",
        above=0,
        only_with=When("drop_clipped"),
        rare=True,
    )
    drop_flat_s: float | None = _quality(
        "number",
        "remove runs of equal samples of this length or longer",
        unit="s",
        otherwise="only windows that are wholly flat are left out",
        example="10.0",
        above=0,
        rare=True,
    )
    clock: str | None = _quality(
        "text",
        "clock errors: CSV of channel,start,end,offset_s (recorded minus true time, "
        "seconds) and, if the clock drifts, end_offset_s; or of channel,time,offset_s; "
        "or of synchronisations, channel,recorded,true; the last two may have "
        "interpolation, linear or cubic",
        metavar="FILE",
        otherwise="all clocks are right",
        example='"clock.csv"',
        rare=True,
    )
    align_samples: bool = _quality(
        "flag",
        "shift samples between those of the common grid onto the grid before all "
        "other steps; without it the spectra are corrected for the fraction of a "
        "sample, which is as exact and costs less",
        default=False,
        rare=True,
    )
    recorded_hz: float | None = _quality(
        "number",
        "true sampling rate of all data, for headers with a wrong rate: it replaces "
        "the rate in each header, and samples stay as they are (to change the rate of "
        "the data, use --sampling-rate-hz)",
        unit="Hz",
        otherwise="the rate in the headers",
        example="100.0",
        above=0,
        rare=True,
    )
    reject_mad: float | None = _quality(
        "number",
        "leave out windows with a peak beyond N median absolute deviations of their "
        "day (scaled to the standard deviation of normal noise): earthquakes, steps",
        otherwise="all windows are used",
        example="10.0",
        above=0,
    )
    reject_rms: tuple[float, float] | None = _quality(
        "range",
        "leave out windows with an RMS outside of this range, in the unit of the "
        "preprocessed data (m/s with --response VEL)",
        otherwise="all windows are used",
        example="[1e-9, 1e-5]",
        least=0,
        rare=True,
    )
    reject_rms_ratio: float | None = _quality(
        "number",
        "leave out windows whose RMS is more than N times the median RMS of the "
        "channel's windows of the day, or less than 1/N of it",
        otherwise="all windows are used",
        example="5.0",
        above=1,
        rare=True,
    )
    reject_psd_db: tuple[float, float] | None = _quality(
        "range",
        "leave out windows whose power spectral density, averaged in dB over "
        "--reject-psd-hz, is outside of this range; relative to 1 (unit)^2/Hz",
        unit="dB",
        otherwise="all windows are used",
        example="[-170.0, -90.0]",
        rare=True,
    )
    reject_psd_hz: tuple[float, float] | None = _quality(
        "band",
        "band of --reject-psd-db",
        unit="Hz",
        otherwise="up to the Nyquist frequency",
        example="[0.1, 1.0]",
        only_with=When("reject_psd_db"),
        check=below_nyquist,
        rare=True,
    )
