"""Options of the table ``[correlate]``: how two windows are correlated."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from dispel4py.errors import ParameterError
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import When, option
from seismo_pes.methods import CORRELATIONS

_correlate = partial(option, "correlate")


def _is_within_window(max_lag_s: float, label: str, config: Any) -> None:
    if max_lag_s >= config.window_s:
        raise ParameterError(
            f"{label} {max_lag_s:g} must be shorter than the window: shorten it or "
            f"lengthen --window-s {config.window_s:g}"
        )


def _is_of_cc(normalize: str, label: str, config: Any) -> None:
    if normalize == "energy" and config.kind != "cc":
        raise ParameterError(
            f"{label} energy needs --kind cc: {config.kind} has its own normalisation; "
            f"leave {label} out"
        )


@dataclass(frozen=True, kw_only=True)
class CorrelateOptions(Configuration):
    """How two windows are correlated."""

    max_lag_s: float = _correlate(
        "number",
        "largest lag kept on either side of zero; shorter than the window",
        default=120.0,
        unit="s",
        above=0,
        check=_is_within_window,
    )
    kind: str = _correlate(
        "choice",
        "cross-correlation, coherency, deconvolution by the first channel, phase "
        "cross-correlation of power 1 (slow) or 2",
        default="cc",
        choices=CORRELATIONS,
        metavar="KIND",
    )
    normalize: str = _correlate(
        "choice",
        "divide the correlation of each window by sqrt(Ea Eb), the energies of its two "
        "traces",
        choices=("none", "energy"),
        # Without it a single earthquake outweighs weeks of noise in the stack.
        fill=lambda config: "energy" if config.kind == "cc" else "none",
        otherwise="energy with --kind cc, else none",
        example='"energy"',
        check=_is_of_cc,
    )
    water_level: float | None = _correlate(
        "number",
        "water level of --kind deconvolution, as a fraction of the mean power of the "
        "window",
        metavar="FRACTION",
        fill=0.01,
        above=0,
        only_with=When("kind", "deconvolution"),
        rare=True,
    )
    smooth_hz: float | None = _correlate(
        "number",
        "half width of the smoothing of the spectra by which --kind coherency and "
        "deconvolution divide; 0 is no smoothing",
        unit="Hz",
        fill=0.0,
        least=0,
        only_with=When("kind", "coherency", "deconvolution"),
        rare=True,
    )
