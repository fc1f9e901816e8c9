"""Options of the table ``[preprocess]``: both records on one axis of time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

from dispel4py.errors import ParameterError
from misfit_app.config.input import MOTIONS
from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import When, option

__all__ = ["PreprocessOptions"]

_preprocess = partial(option, "preprocess")


def _check_corners(value: Any, label: str, config: Any) -> None:
    if not all(a < b for a, b in pairwise(value)) or value[0] < 0:
        raise ParameterError(f"{label}: needs four rising corners, 0 or more")


def _longest_period(config: Any) -> float:
    return float(max(band[1] for band in config.periods_s))


@dataclass(frozen=True, kw_only=True)
class PreprocessOptions(Configuration):
    """Both records on one axis of time."""

    motion: str = _preprocess(
        "choice",
        "motion that is compared; both sides are converted to it",
        default="velocity",
        choices=MOTIONS,
    )
    components: str = _preprocess(
        "choice",
        "components that are compared: R points away from the event, T is 90 degrees "
        "clockwise from R",
        default="ZRT",
        choices=("ZRT", "ZNE", "Z", "RT", "R", "T"),
    )
    pre_filt_hz: tuple[float, ...] | None = _preprocess(
        "numbers",
        "corners of the cosine taper of the spectrum, of both sides",
        metavar=("F1", "F2", "F3", "F4"),
        unit="Hz",
        otherwise="0.4 and 0.7 of the lowest, 1.4 and 2 times the highest frequency",
        example="[0.005, 0.01, 8.0, 10.0]",
        check=_check_corners,
    )
    water_level_db: float = _preprocess(
        "number",
        "lower limit of the response below its maximum",
        default=60.0,
        unit="dB",
        only_with=When("response", "remove"),
        rare=True,
    )
    taper_s: float | None = _preprocess(
        "number",
        "length of the cosine taper at both ends of each record; that of observed "
        "records lies in the pad, if they are long enough",
        unit="s",
        least=0,
        fill=lambda config: _longest_period(config) / 2,
        otherwise="half of the longest period",
        example="30.0",
    )
    pad_s: float | None = _preprocess(
        "number",
        "observed data before and after the synthetic that are used to remove trend "
        "and response",
        unit="s",
        least=0,
        fill=lambda config: 4 * _longest_period(config),
        otherwise="4 times the longest period",
        example="240.0",
    )
    half_duration_s: float = _preprocess(
        "number",
        "convolve synthetics with a Gaussian source time function of this half "
        "duration, as SPECFEM does",
        default=0.0,
        unit="s",
        least=0,
    )
