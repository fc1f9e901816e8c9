"""What must hold between the options of a run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dispel4py.errors import ParameterError
from xcorr_app.config.options import flag
from xcorr_app.config.values import time_ns

if TYPE_CHECKING:
    from xcorr_app.config import Config

__all__ = ["DEPENDENT", "REPLACED", "SET", "check"]

SET: tuple[str, ...] = ()  # any value at all

# Options that mean something only with certain values of another one.
DEPENDENT: dict[str, tuple[str, tuple[str, ...]]] = {
    "despike_s": ("despike_mad", SET),
    "clipped_level": ("drop_clipped", SET),
    "reject_psd_hz": ("reject_psd_db", SET),
    "detrend_order": ("detrend", ("polynomial", "spline")),
    "detrend_knots_s": ("detrend", ("spline",)),
    "pre_filt": ("response", ("VEL", "DISP", "ACC")),
    "response_level_db": ("response", ("VEL", "DISP", "ACC")),
    "ram_window_s": ("time_norm", ("ram", "multiband-ram", "gain", "agc")),
    "clip_std": ("time_norm", ("clip", "winsorize", "water-level")),
    "envelope_n": ("time_norm", ("envelope",)),
    "norm_bands_hz": ("time_norm", ("multiband-ram",)),
    "whiten_hz": ("whiten", ("band", "psd", "running-mean")),
    "whiten_smooth_hz": ("whiten", ("psd", "running-mean")),
    "water_level": ("kind", ("deconvolution",)),
    "smooth_hz": ("kind", ("coherency", "deconvolution")),
    "moving_s": ("substack", ("window", "hour", "day")),
    "moving_step_s": ("moving_s", SET),
}

# Options that take the place of others.
REPLACED: dict[str, tuple[str, ...]] = {
    "steps": (
        "detrend",
        "detrend_order",
        "detrend_knots_s",
        "taper_s",
        "response",
        "pre_filt",
        "response_level_db",
        "orient",
        "bandpass_hz",
        "highpass_hz",
        "lowpass_hz",
        "bandstop_hz",
        "corners",
        "causal",
        "sampling_rate_hz",
        "resampling",
        "time_norm",
        "ram_window_s",
        "clip_std",
        "envelope_n",
        "norm_bands_hz",
    ),
    "bands_hz": ("whiten_hz",),
}


def check(config: Config) -> None:
    """Raise for values that do not go together.

    Raises
    ------
    ParameterError
        Naming the options and the way out.
    """
    _check_replaced(config)
    _check_dependent(config)
    _check_times(config)
    _check_services(config)
    _check_codes(config)
    _check_bands(config)
    _check_ranges(config)
    _check_needs(config)
    _check_kinds(config)
    _check_stacks(config)
    _check_output(config)


def _check_replaced(config: Config) -> None:
    defaults = {name: field.default for name, field in _fields(config).items()}
    for name, others in REPLACED.items():
        if getattr(config, name) is None:
            continue
        for other in others:
            value = getattr(config, other)
            if value == defaults[other]:
                continue
            how = ""
            if name == "steps":
                how = " (Resample(rate_hz=...))" if other == "sampling_rate_hz" else ""
                how = f"put it into the chain{how} or "
            raise ParameterError(
                f"{flag(other)} and {flag(name)}: the one takes the place of the "
                f"other: {how}leave {flag(other)} out"
            )


def _fields(config: Config) -> dict[str, Any]:
    return type(config).__dataclass_fields__


def _check_dependent(config: Config) -> None:
    for name, (other, values) in DEPENDENT.items():
        if getattr(config, name) is None:
            continue
        value = getattr(config, other)
        if values is SET:
            if not value:
                raise ParameterError(
                    f"{flag(name)} has no effect without {flag(other)}: add it or "
                    f"leave {flag(name)} out"
                )
        elif value not in values:
            raise ParameterError(
                f"{flag(name)} has no effect with {flag(other)} {value}: add "
                f"{flag(other)} {'|'.join(values)} or leave {flag(name)} out"
            )


def _check_times(config: Config) -> None:
    if config.max_lag_s >= config.window_s:
        raise ParameterError(
            f"--max-lag-s {config.max_lag_s:g} must be shorter than the window: "
            f"shorten it or lengthen --window-s {config.window_s:g}"
        )
    if config.start and config.end and time_ns(config.start) >= time_ns(config.end):
        raise ParameterError(
            f"--start {config.start} is not before --end {config.end} (the end is "
            "the first instant no longer used)"
        )


def _check_services(config: Config) -> None:
    far = [one for one in config.data if one.startswith(("fdsn://", "fdsn+https://"))]
    for name in ("start", "end"):
        if far and getattr(config, name) is None:
            raise ParameterError(
                f"--data {far[0]}: a data centre has years: add {flag(name)} TIME"
            )


def _check_codes(config: Config) -> None:
    for code in config.channels or ():
        if not re.fullmatch(r"[A-Za-z0-9?*\[\]!-]+", code):
            raise ParameterError(
                f"--channels {code}: not a channel code: write BHZ, ??Z or BH[ENZ]"
            )


def _check_bands(config: Config) -> None:
    for name in ("bandpass_hz", "bandstop_hz", "whiten_hz", "reject_psd_hz"):
        band = getattr(config, name)
        if band is not None:
            _check_band(config, name, band, f"{flag(name)} {band[0]:g} {band[1]:g}")
    for name in ("bands_hz", "norm_bands_hz"):
        for band in getattr(config, name) or ():
            _check_band(config, name, band, f"{flag(name)} {band[0]:g}-{band[1]:g}")
    rate_hz = config.sampling_rate_hz
    for name in ("highpass_hz", "lowpass_hz"):
        corner = getattr(config, name)
        if corner is not None and rate_hz is not None and corner >= rate_hz / 2:
            # the filters come before the resampling, but what is above is lost then
            raise ParameterError(
                f"{flag(name)} {corner:g}: must be below half of --sampling-rate-hz "
                f"{rate_hz:g}"
            )
    if config.pre_filt is not None:
        f1, f2, f3, f4 = config.pre_filt
        if not 0 <= f1 < f2 < f3 < f4:
            raise ParameterError(
                f"--pre-filt {f1:g} {f2:g} {f3:g} {f4:g}: must be "
                "0 <= F1 < F2 < F3 < F4, in Hz"
            )


def _check_band(config: Config, name: str, band: Sequence[float], said: str) -> None:
    low, high = band
    if not 0 < low < high:
        raise ParameterError(f"{said}: must be 0 < LO < HI, in Hz")
    rate_hz = config.sampling_rate_hz
    if rate_hz is not None and high >= rate_hz / 2:
        raise ParameterError(
            f"{said}: HI must be below half of --sampling-rate-hz {rate_hz:g}: "
            f"lower HI below {rate_hz / 2:g} or raise the rate"
        )


def _check_ranges(config: Config) -> None:
    for name in ("distance_km", "reject_rms", "reject_psd_db"):
        pair = getattr(config, name)
        if pair is None:
            continue
        said = f"{flag(name)} {pair[0]:g} {pair[1]:g}"
        if name != "reject_psd_db" and pair[0] < 0:
            raise ParameterError(f"{said}: LO must be 0 or more")
        if pair[0] >= pair[1]:
            raise ParameterError(f"{said}: must be LO < HI")
    if config.azimuth_deg is not None:
        low, high = config.azimuth_deg
        if not (-360 <= low <= 360 and -360 <= high <= 360):
            raise ParameterError(
                f"--azimuth-deg {low:g} {high:g}: must be 0 to 360, clockwise from "
                "north"
            )
    if config.detrend_order is not None:
        most = 20 if config.detrend == "polynomial" else 5
        if config.detrend_order > most:
            raise ParameterError(
                f"--detrend-order {config.detrend_order}: at most {most} with "
                f"--detrend {config.detrend}"
            )


def _check_needs(config: Config) -> None:
    if config.whiten != "none" and not (config.whiten_hz or config.bands_hz):
        raise ParameterError(
            f"--whiten {config.whiten} needs its band: add --whiten-hz LO HI (or "
            "--bands-hz)"
        )
    if config.response != "none" and config.inventory is None:
        raise ParameterError(
            f"--response {config.response} needs the responses: add --inventory PATH "
            "(StationXML)"
        )
    if config.orient and config.inventory is None:
        raise ParameterError("--orient needs azimuths and dips: add --inventory PATH")
    if config.orients and config.components is None and config.channels is None:
        raise ParameterError(
            "--orient turns three components, but only verticals are read: add "
            "--components ZNE (or ZZ, or --channels 'BH?')"
        )
    bands = config.norm_bands_hz or config.bands_hz
    if config.time_norm == "multiband-ram" and not bands:
        raise ParameterError(
            "--time-norm multiband-ram needs its bands: add --norm-bands-hz LO-HI ..."
        )
    if config.resampling != "rational" and config.sampling_rate_hz is None:
        raise ParameterError(
            f"--resampling {config.resampling} has no effect without --sampling-rate-hz"
        )


def _check_kinds(config: Config) -> None:
    kind = config.kind
    if config.normalize == "energy" and kind != "cc":
        raise ParameterError(
            f"--normalize energy goes with --kind cc, not {kind}, which is normalised "
            "by itself: leave --normalize out"
        )
    if config.whiten != "none" and kind in ("coherency", "deconvolution"):
        raise ParameterError(
            f"--kind {kind} divides by the amplitude itself: leave --whiten "
            f"{config.whiten} out, and give the band by --bands-hz"
        )
    if kind == "pcc2" and len(config.bands_hz or ()) > 1:
        raise ParameterError(
            "--kind pcc2 takes one band, because each has phases of its own: make one "
            "run of each of --bands-hz"
        )
    if kind not in ("cc", "coherency"):
        for name, asked in (
            ("--across-components", config.across_components),
            (f"--components {' '.join(config.components or ())}", config.rotates),
        ):
            if asked:
                raise ParameterError(
                    f"{name} with --kind {kind}: it is not linear in the components; "
                    "use --kind cc or coherency"
                )
    turned = {letter for pair in config.components or () for letter in pair}
    if turned & {"R", "T"} and turned & {"N", "E", "1", "2"}:
        raise ParameterError(
            f"--components {' '.join(config.components or ())}: R and T take the "
            "place of N and E: make one run of each"
        )


def _check_stacks(config: Config) -> None:
    if config.uncertainty and config.substack == "none":
        raise ParameterError(
            "--uncertainty is drawn from the stacks of --substack: add --substack "
            "day|hour|window"
        )
    if config.stack != "linear" and config.substack == "none":
        raise ParameterError(
            f"--stack {config.stack} is made of the stacks of --substack: add "
            "--substack day|hour|window (or use --window-stack)"
        )
    plain = config.stack == config.window_stack == "linear"
    if config.stack_options is not None and plain:
        raise ParameterError(
            "--stack-options has no effect with linear stacks: add --stack KIND"
        )


def _check_output(config: Config) -> None:
    asked = [name for name in ("resume", "update", "force") if getattr(config, name)]
    if len(asked) > 1:
        raise ParameterError(
            f"{' and '.join(map(flag, asked))}: give one of them (see --help)"
        )
