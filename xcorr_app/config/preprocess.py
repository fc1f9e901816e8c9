"""Options of the table ``[preprocess]``: each trace, before windows are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, option
from seismo_pes.methods import RESPONSES, TIME_NORMS
from xcorr_app.config.frequencies import (
    bands_below_nyquist,
    below_nyquist,
    corner_below_nyquist,
)

_option = partial(option, "preprocess")
_step = partial(_option, replaced_by="steps", replaced_how="put it into the chain")

RUNNING = ("ram", "multiband-ram", "gain", "agc")  # normalisations with a window


def _are_flanks(
    corners: tuple[float, float, float, float], label: str
) -> tuple[float, float, float, float]:
    f1, f2, f3, f4 = corners
    if not 0 <= f1 < f2 < f3 < f4:
        raise ParameterError(
            f"{label} {f1:g} {f2:g} {f3:g} {f4:g}: must be "
            "0 <= F1 < F2 < F3 < F4, in Hz"
        )
    return corners


def _is_order(order: int, label: str, config: Any) -> None:
    most = 20 if config.detrend == "polynomial" else 5
    if order > most:
        raise ParameterError(
            f"{label} {order}: at most {most} with --detrend {config.detrend}"
        )


def _half_longest_period(config: Any) -> float | None:
    """Return half of the longest period of the band-pass, in seconds.

    Bensen et al. 2007, https://doi.org/10.1111/j.1365-246X.2007.03374.x
    """
    return None if config.bandpass_hz is None else 0.5 / config.bandpass_hz[0]


@dataclass(frozen=True, kw_only=True)
class TraceOptions(Configuration):
    """Trends, edges, responses, filters and sampling rate."""

    detrend: str = _step(
        "choice",
        "what to remove from each continuous trace: its mean (demean), a straight "
        "line, a polynomial or a spline",
        default="linear",
        choices=("none", "demean", "linear", "polynomial", "spline"),
        metavar="KIND",
    )
    detrend_order: int | None = _step(
        "count",
        "degree of --detrend polynomial or spline",
        fill=3,
        only_with=When("detrend", "polynomial", "spline"),
        check=_is_order,
        rare=True,
    )
    detrend_knots_s: float | None = _step(
        "number",
        "distance between the knots of --detrend spline",
        unit="s",
        fill=3600.0,
        above=0,
        only_with=When("detrend", "spline"),
        rare=True,
    )
    taper_s: float = _step(
        "number",
        "length of the cosine taper at both ends of each continuous trace; use one "
        "with --response or a filter",
        default=0.0,
        unit="s",
        least=0,
    )
    response: str = _step(
        "choice",
        "remove the instrument response: displacement (m), velocity (m/s) or "
        "acceleration (m/s^2); needs --inventory",
        default="none",
        choices=("none", *RESPONSES),
        needs=(
            Needs(
                (When("inventory"),),
                "needs the responses: add --inventory PATH (StationXML)",
            ),
        ),
    )
    pre_filt: tuple[float, float, float, float] | None = _step(
        "numbers",
        "band in which the response is removed, with cosine flanks from F1 to F2 and "
        "from F3 to F4",
        unit="Hz",
        metavar=("F1", "F2", "F3", "F4"),
        otherwise="none",
        example="[0.005, 0.01, 8.0, 9.5]",
        parse=_are_flanks,
        only_with=When("response", *RESPONSES),
    )
    response_level_db: float | None = _step(
        "number",
        "water level of --response: if the response is more than this below "
        "its maximum, this level replaces it",
        unit="dB",
        fill=60.0,
        above=0,
        only_with=When("response", *RESPONSES),
        rare=True,
    )
    orient: bool = _step(
        "flag",
        "rotate the components of each instrument to Z, N and E, using the azimuths "
        "and dips of --inventory: for BH1 and BH2, and for misaligned sensors; single "
        "components that are upside down or inclined are corrected, too",
        default=False,
        needs=(
            Needs(
                (When("inventory"),), "needs azimuths and dips: add --inventory PATH"
            ),
        ),
    )
    bandpass_hz: tuple[float, float] | None = _step(
        "band",
        "Butterworth band-pass of each trace",
        unit="Hz",
        otherwise="no filter",
        example="[0.1, 1.0]",
        check=below_nyquist,
    )
    highpass_hz: float | None = _step(
        "number",
        "corner of a Butterworth high-pass",
        unit="Hz",
        otherwise="no filter",
        example="0.01",
        above=0,
        check=corner_below_nyquist,
        rare=True,
    )
    lowpass_hz: float | None = _step(
        "number",
        "corner of a Butterworth low-pass",
        unit="Hz",
        otherwise="no filter",
        example="2.0",
        above=0,
        check=corner_below_nyquist,
        rare=True,
    )
    bandstop_hz: tuple[float, float] | None = _step(
        "band",
        "Butterworth band-stop",
        unit="Hz",
        otherwise="no filter",
        example="[0.03, 0.07]",
        check=below_nyquist,
        rare=True,
    )
    corners: int = _step("count", "order of the filters, in each direction", default=4)
    causal: bool = _step(
        "flag",
        "filter forward only, which delays the signal; by default filters run forward "
        "and backward, with zero phase",
        default=False,
        rare=True,
    )
    sampling_rate_hz: float | None = _step(
        "number",
        "common sampling rate, reached with an anti-alias filter",
        unit="Hz",
        otherwise="the rate of the data",
        example="5.0",
        above=0,
        replaced_how="put it into the chain (Resample(rate_hz=...))",
    )
    resampling: str = _step(
        "choice",
        "how --sampling-rate-hz is reached: by a rational factor, by every n-th "
        "sample (decimate), by a Lanczos kernel (any rate), or in the spectrum of "
        "the trace (fourier)",
        default="rational",
        choices=("rational", "decimate", "lanczos", "fourier"),
        only_with=When("sampling_rate_hz"),
        rare=True,
    )


@dataclass(frozen=True, kw_only=True)
class NormalizationOptions(Configuration):
    """Normalisation in time, and the chain that replaces all these options."""

    time_norm: str = _step(
        "choice",
        "normalise in time: none, onebit (signs), clip or winsorize (cut off peaks), "
        "ram (divide by the running mean of absolute values; multiband-ram: in several "
        "bands; envelope: over a number of samples), agc (by the running RMS), gain "
        "(with triangular weights), mean (of the whole trace), water-level (divide "
        "peaks down)",
        default="none",
        choices=TIME_NORMS,
        metavar="KIND",
        needs=(
            Needs(
                (When("ram_window_s"), When("bandpass_hz")),
                "needs --ram-window-s SECONDS (or --bandpass-hz, whose longest period "
                "gives it)",
                values=RUNNING,
            ),
            Needs(
                (When("norm_bands_hz"), When("bands_hz")),
                "needs its bands: add --norm-bands-hz LO-HI ...",
                values=("multiband-ram",),
            ),
        ),
    )
    ram_window_s: float | None = _step(
        "number",
        "length of the running mean of ram, multiband-ram, gain and agc",
        unit="s",
        fill=_half_longest_period,
        otherwise="half the longest period of --bandpass-hz",
        example="5.0",
        above=0,
        only_with=When("time_norm", *RUNNING),
    )
    clip_std: float | None = _step(
        "number",
        "level of clip and winsorize, as a multiple of the RMS of the trace; of "
        "water-level, of its mean absolute value",
        fill=3.0,
        above=0,
        only_with=When("time_norm", "clip", "winsorize", "water-level"),
    )
    envelope_n: int | None = _step(
        "count",
        "samples on each side that --time-norm envelope averages",
        fill=15,
        only_with=When("time_norm", "envelope"),
        rare=True,
    )
    norm_bands_hz: tuple[tuple[float, float], ...] | None = _step(
        "bands",
        "bands of --time-norm multiband-ram",
        unit="Hz",
        fill=lambda config: config.bands_hz,
        otherwise="those of --bands-hz",
        example="[[0.1, 0.3], [0.3, 1.0]]",
        only_with=When("time_norm", "multiband-ram"),
        check=bands_below_nyquist,
        rare=True,
    )
    across_components: bool = _option(
        "flag",
        "one weight for all components of an instrument (--time-norm ram and agc; "
        "whitening), which keeps their ratios and the polarisation",
        default=False,
    )
    steps: str | None = _option(
        "chain",
        "a chain of processing elements (see `dispel4py pes`) in place of the other "
        "options of this group: "
        "'DetrendPolynomial(order=3), Taper(seconds=10), Winsorize(n_rms=3)'",
        metavar="CHAIN",
        otherwise="the chain that the options of this group describe",
        example='["DetrendPolynomial(order=3)", "Taper(seconds=10)"]',
    )
