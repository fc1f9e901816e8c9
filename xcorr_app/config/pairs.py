"""Options: windows and their spectra, which pairs, which stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from xcorr_app.config.options import option

_windows = partial(option, "windows")
_pairs = partial(option, "pairs")
_correlate = partial(option, "correlate")
_stack = partial(option, "stack")

# as in `seismo_pes.stacking.stacks`, whose import takes time
STACKS = (
    "linear",
    "nth-root",
    "phase-weighted",
    "time-frequency-phase-weighted",
    "robust",
    "selective",
    "adaptive-covariance",
    "wiener",
)


@dataclass(frozen=True, kw_only=True)
class WindowOptions:
    """Windows on one absolute grid, and their spectra."""

    window_s: float = _windows(
        "number",
        "length of a window, seconds",
        default=3600.0,
        metavar="SECONDS",
        above=0,
    )
    step_s: float = _windows(
        "number",
        "from the start of a window to that of the next, seconds",
        metavar="SECONDS",
        otherwise="the window: no overlap",
        example="1800.0",
        above=0,
    )
    window_detrend: str = _windows(
        "choice",
        "remove the mean or a straight line from each window",
        default="demean",
        choices=("none", "demean", "linear"),
    )
    bands_hz: tuple[tuple[float, float], ...] | None = _windows(
        "bands",
        "filter bands, Hz: each gives correlations of its own, all@LO-HIHz, from one "
        "set of spectra",
        metavar="LO-HI",
        otherwise="one, as preprocessed",
        example="[[0.1, 0.2], [0.2, 0.4]]",
    )
    whiten: str = _windows(
        "choice",
        "flatten the amplitude spectrum of each window: to one (band), or divided by "
        "its smooth power (psd) or smooth amplitude (running-mean)",
        default="none",
        choices=("none", "band", "psd", "running-mean"),
    )
    whiten_hz: tuple[float, float] | None = _windows(
        "numbers",
        "band that is whitened, Hz; nothing is kept outside",
        metavar=("LO", "HI"),
        otherwise="each of --bands-hz",
        example="[0.1, 1.0]",
    )
    whiten_smooth_hz: float | None = _windows(
        "number",
        "half width of the smoothing of --whiten psd and running-mean, Hz",
        metavar="HZ",
        otherwise="0.01",
        example="0.01",
        above=0,
        rare=True,
    )
    edge_octaves: float | None = _windows(
        "number",
        "width of the cosine edges of --whiten-hz and --bands-hz, octaves",
        metavar="OCTAVES",
        otherwise="a third of an octave",
        example="0.25",
        least=0,
        rare=True,
    )


@dataclass(frozen=True, kw_only=True)
class PairOptions:
    """Which pairs of channels are correlated."""

    pairs: tuple[str, ...] = _pairs(
        "choices",
        "of two stations (cross), of two components of one (single-station), of a "
        "channel with itself (auto)",
        default=("cross", "single-station"),
        choices=("cross", "single-station", "auto"),
        metavar="KIND",
    )
    autocorrelations: bool = _pairs(
        "flag", "the same as auto in --pairs", default=False, rare=True
    )
    components: tuple[str, ...] | None = _pairs(
        "texts",
        "only these pairs of components: ZZ RT; ZNE or ZRT for all nine; R and T are "
        "turned to the great circle of each pair, of Z, N, E (see --orient)",
        metavar="AB",
        example='["ZZ", "RR", "TT"]',
    )
    distance_km: tuple[float, float] | None = _pairs(
        "numbers",
        "only pairs of stations so far apart, km",
        metavar=("LO", "HI"),
        example="[5.0, 500.0]",
    )
    azimuth_deg: tuple[float, float] | None = _pairs(
        "numbers",
        "only pairs of which one station is in this direction of the other, degrees "
        "from north, clockwise from LO to HI; 350 10 is northward",
        metavar=("LO", "HI"),
        example="[350.0, 10.0]",
    )
    pair_list: str | None = _pairs(
        "text",
        "only the pairs of this file: lines of two stations or channels, A B, "
        "wildcards allowed; # comments",
        metavar="FILE",
        example='"pairs.txt"',
    )
    networks: tuple[str, ...] | None = _pairs(
        "crosses",
        "only pairs of these networks: 'CI x AZ', wildcards allowed",
        metavar="'A x B'",
        example='["CI x AZ", "CI x CI"]',
    )
    new_stations: str | None = _pairs(
        "text",
        "only pairs with one of the stations of this list (as for --stations): the "
        "new ones against all",
        metavar="FILE",
        example='"new.txt"',
        rare=True,
    )


@dataclass(frozen=True, kw_only=True)
class CorrelateOptions:
    """How two windows are correlated."""

    max_lag_s: float = _correlate(
        "number",
        "lags kept on either side of zero, seconds; shorter than the window",
        default=120.0,
        metavar="SECONDS",
        above=0,
    )
    kind: str = _correlate(
        "choice",
        "cross-correlation, coherency, deconvolution by the first of the two, phase "
        "cross-correlation of power 1 (slow) or 2",
        default="cc",
        choices=("cc", "coherency", "deconvolution", "pcc1", "pcc2"),
        metavar="KIND",
    )
    normalize: str = _correlate(
        "choice",
        "divide each window by sqrt(Ea Eb), the energies of its two traces",
        choices=("none", "energy"),
        # Without it a single earthquake outweighs weeks of noise in the stack.
        otherwise="energy; none where --kind is not cc",
        example='"energy"',
    )
    water_level: float | None = _correlate(
        "number",
        "water level of --kind deconvolution, as a part of the mean power of the "
        "window",
        metavar="PART",
        otherwise="0.01",
        example="0.01",
        above=0,
        rare=True,
    )
    smooth_hz: float | None = _correlate(
        "number",
        "half width of the smoothing of the spectra by which --kind coherency and "
        "deconvolution divide, Hz",
        metavar="HZ",
        otherwise="0: none",
        example="0.02",
        least=0,
        rare=True,
    )


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """What is kept of the windows of a pair."""

    substack: str = _stack(
        "choice",
        "keep the stack of each UTC day or hour, or each window, beside that of all",
        default="none",
        choices=("none", "window", "hour", "day"),
    )
    window_stack: str = _stack(
        "choice",
        "how windows become the stack of a day (of an hour with --substack hour); the "
        "stack of several days is their mean, unless --stack says otherwise",
        default="linear",
        choices=STACKS,
        metavar="KIND",
        rare=True,
    )
    stack: str = _stack(
        "choice",
        "how the stacks of --substack become that of all, and moving ones",
        default="linear",
        choices=STACKS,
        metavar="KIND",
    )
    stack_options: Mapping[str, Any] | None = _stack(
        "settings",
        "parameters of --stack and --window-stack, such as power=2 or threshold=0.5 "
        "(see docs/xcorr-app.md)",
        metavar="NAME=VALUE",
        otherwise="those of the method",
        example="{ power = 2 }",
        rare=True,
    )
    moving_s: float | None = _stack(
        "number",
        "keep moving stacks of so many seconds, too; needs --substack",
        metavar="SECONDS",
        otherwise="none",
        example="432000.0",
        above=0,
    )
    moving_step_s: float | None = _stack(
        "number",
        "from one moving stack to the next, seconds",
        metavar="SECONDS",
        otherwise="one day (--substack day), hour or window",
        example="86400.0",
        above=0,
        rare=True,
    )
    uncertainty: bool = _stack(
        "flag",
        "keep the standard deviation of the stack of all, by bootstrap over the "
        "stacks of --substack",
        default=False,
    )
