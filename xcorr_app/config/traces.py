"""Options: what is done to each trace before windows are cut."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from xcorr_app.config.options import option

_preprocess = partial(option, "preprocess")

DETRENDS = ("none", "demean", "linear", "polynomial", "spline")
TIME_NORMS = (
    "none",
    "onebit",
    "clip",
    "winsorize",
    "ram",
    "multiband-ram",
    "mean",
    "gain",
    "envelope",
    "agc",
    "water-level",
)


@dataclass(frozen=True, kw_only=True)
class TraceOptions:
    """Trends, edges, responses and filters."""

    detrend: str = _preprocess(
        "choice",
        "what to remove from each continuous trace: its mean (demean), a straight "
        "line, a polynomial or a spline",
        default="linear",
        choices=DETRENDS,
        metavar="KIND",
    )
    detrend_order: int | None = _preprocess(
        "count",
        "degree of --detrend polynomial or spline",
        metavar="N",
        otherwise="3",
        example="3",
        rare=True,
    )
    detrend_knots_s: float | None = _preprocess(
        "number",
        "from knot to knot of --detrend spline, seconds",
        metavar="SECONDS",
        otherwise="3600",
        example="3600.0",
        above=0,
        rare=True,
    )
    taper_s: float = _preprocess(
        "number",
        "cosine taper at both ends of each continuous trace, seconds; use some with "
        "--response or a filter",
        default=0.0,
        metavar="SECONDS",
        least=0,
    )
    response: str = _preprocess(
        "choice",
        "remove the instrument response: displacement (m), velocity (m/s) or "
        "acceleration (m/s^2); needs --inventory",
        default="none",
        choices=("none", "VEL", "DISP", "ACC"),
    )
    pre_filt: tuple[float, float, float, float] | None = _preprocess(
        "numbers",
        "band within which the response is removed, Hz: cosine flanks from F1 to F2 "
        "and from F3 to F4",
        metavar=("F1", "F2", "F3", "F4"),
        otherwise="none",
        example="[0.005, 0.01, 8.0, 9.5]",
    )
    response_level_db: float | None = _preprocess(
        "number",
        "water level of --response: it counts as no more than so many dB below its "
        "maximum",
        metavar="DB",
        otherwise="60",
        example="60.0",
        above=0,
        rare=True,
    )
    orient: bool = _preprocess(
        "flag",
        "turn the components of each instrument to Z, N and E by the azimuths and "
        "dips of --inventory: BH1 and BH2, and sensors askew",
        default=False,
    )
    bandpass_hz: tuple[float, float] | None = _preprocess(
        "numbers",
        "Butterworth band-pass of each trace, Hz",
        metavar=("LO", "HI"),
        otherwise="no filter",
        example="[0.1, 1.0]",
    )
    highpass_hz: float | None = _preprocess(
        "number",
        "Butterworth high-pass, Hz",
        metavar="HZ",
        otherwise="none",
        example="0.01",
        above=0,
        rare=True,
    )
    lowpass_hz: float | None = _preprocess(
        "number",
        "Butterworth low-pass, Hz",
        metavar="HZ",
        otherwise="none",
        example="2.0",
        above=0,
        rare=True,
    )
    bandstop_hz: tuple[float, float] | None = _preprocess(
        "numbers",
        "Butterworth band-stop, Hz",
        metavar=("LO", "HI"),
        otherwise="none",
        example="[0.03, 0.07]",
        rare=True,
    )
    corners: int = _preprocess(
        "count",
        "order of the filters, in each direction",
        default=4,
        metavar="N",
    )
    causal: bool = _preprocess(
        "flag",
        "filter forward only, which delays; else zero-phase, forward and backward",
        default=False,
        rare=True,
    )
    sampling_rate_hz: float | None = _preprocess(
        "number",
        "common sampling rate, Hz; reached with an anti-alias filter",
        metavar="HZ",
        otherwise="the rate of the data",
        example="5.0",
        above=0,
    )
    resampling: str = _preprocess(
        "choice",
        "how --sampling-rate-hz is reached: by a rational factor, by every n-th "
        "sample (decimate), by a Lanczos kernel (any rate), or in the spectrum of "
        "the trace (fourier)",
        default="rational",
        choices=("rational", "decimate", "lanczos", "fourier"),
        rare=True,
    )


@dataclass(frozen=True, kw_only=True)
class NormOptions:
    """Normalisation in time."""

    time_norm: str = _preprocess(
        "choice",
        "normalise in time: none, onebit (signs), clip or winsorize (cut off peaks), "
        "ram (divide by the running mean of absolute values; multiband-ram: in several "
        "bands; envelope: over some samples), agc (by the running RMS), gain (with "
        "triangular weights), mean (of all), water-level (divide peaks down)",
        default="none",
        choices=TIME_NORMS,
        metavar="KIND",
    )
    ram_window_s: float | None = _preprocess(
        "number",
        "length of the running mean of ram, multiband-ram, gain and agc, seconds",
        metavar="SECONDS",
        otherwise="half the longest period of --bandpass-hz",
        example="5.0",
        above=0,
    )
    clip_std: float | None = _preprocess(
        "number",
        "level of clip and winsorize, in RMS of the trace; of water-level, in mean "
        "absolute values",
        metavar="N",
        otherwise="3",
        example="3.0",
        above=0,
    )
    envelope_n: int | None = _preprocess(
        "count",
        "samples on each side that --time-norm envelope averages",
        metavar="N",
        otherwise="15",
        example="15",
        rare=True,
    )
    norm_bands_hz: tuple[tuple[float, float], ...] | None = _preprocess(
        "bands",
        "bands of --time-norm multiband-ram, Hz",
        metavar="LO-HI",
        otherwise="those of --bands-hz",
        example="[[0.1, 0.3], [0.3, 1.0]]",
        rare=True,
    )
    across_components: bool = _preprocess(
        "flag",
        "one weight for all components of an instrument (--time-norm ram and agc; "
        "whitening), so that their ratios and the polarisation stay",
        default=False,
    )
    steps: str | None = _preprocess(
        "chain",
        "the whole chain instead, by elements of `dispel4py pes`: "
        "'DetrendPolynomial(order=3), Taper(seconds=10), Winsorize(n_rms=3)'",
        metavar="CHAIN",
        otherwise="the chain that the options of this group describe",
        example='["DetrendPolynomial(order=3)", "Taper(seconds=10)"]',
    )
