"""Options of the table ``[windows]``: windows on one grid, and their spectra."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from seismo_pes.application.configuration import Configuration
from seismo_pes.application.options import Needs, When, option
from seismo_pes.methods import WHITENINGS
from xcorr_app.config.frequencies import bands_below_nyquist, below_nyquist

_windows = partial(option, "windows")


@dataclass(frozen=True, kw_only=True)
class WindowOptions(Configuration):
    """Windows on one absolute grid, and their spectra."""

    window_s: float = _windows(
        "number", "length of a window", default=3600.0, unit="s", above=0
    )
    step_s: float = _windows(
        "number",
        "time from the start of a window to the start of the next",
        unit="s",
        fill=lambda config: config.window_s,
        otherwise="the length of the window: no overlap",
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
        "filter bands: each gives its own correlations, all@LO-HIHz, from one set of "
        "spectra",
        unit="Hz",
        otherwise="one, as preprocessed",
        example="[[0.1, 0.2], [0.2, 0.4]]",
        check=bands_below_nyquist,
    )
    whiten: str = _windows(
        "choice",
        "flatten the amplitude spectrum of each window: set it to one (band), or "
        "divide it by its smooth power (psd) or smooth amplitude (running-mean)",
        default="none",
        choices=WHITENINGS,
        needs=(
            Needs(
                (When("whiten_hz"), When("bands_hz")),
                "needs its band: add --whiten-hz LO HI (or --bands-hz)",
            ),
        ),
    )
    whiten_hz: tuple[float, float] | None = _windows(
        "band",
        "band that is whitened; frequencies outside are removed",
        unit="Hz",
        otherwise="each of --bands-hz",
        example="[0.1, 1.0]",
        only_with=When("whiten", *WHITENINGS[1:]),
        replaced_by="bands_hz",
        check=below_nyquist,
    )
    whiten_smooth_hz: float | None = _windows(
        "number",
        "half width of the smoothing of --whiten psd and running-mean",
        unit="Hz",
        fill=0.01,
        above=0,
        only_with=When("whiten", "psd", "running-mean"),
        rare=True,
    )
    edge_octaves: float = _windows(
        "number",
        "width of the cosine edges of --whiten-hz and --bands-hz",
        default=1 / 3,
        unit="octaves",
        otherwise="a third of an octave",
        least=0,
        rare=True,
    )
