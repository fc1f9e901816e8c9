"""The spectra of a run: how windows are transformed, whitened and correlated."""

from __future__ import annotations

import math
from collections.abc import Sequence

from dispel4py.errors import ParameterError
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.signal.errors import ParameterError as SignalError
from xcorr_app.config import Config
from xcorr_app.planning.components import Components
from xcorr_app.planning.grid import RunGrid
from xcorr_app.planning.steps import parse_steps

__all__ = ["spectra_settings"]

# Options of some whitenings and kinds of correlation.
OF_SOME_METHODS = ("whiten_smooth_hz", "water_level", "smooth_hz")


def spectra_settings(
    grid: RunGrid, config: Config, components: Components
) -> SpectraSettings:
    """Return the settings of all spectra of a run.

    Parameters
    ----------
    grid : RunGrid
        Windows and sampling rate.
    config : Config
        The options of windows, whitening and correlation.
    components : Components
        Whether the components of an instrument share weights and windows.

    Raises
    ------
    ParameterError
        If a frequency is above the Nyquist frequency, or options contradict each
        other.
    """
    pre_filt = _pre_filt(config)
    _check_bands(config, grid.rate_hz)
    _check_content(config, pre_filt, grid)
    # an option without effect on the chosen method has no value
    values = {name: getattr(config, name) for name in OF_SOME_METHODS}
    options = {name: value for name, value in values.items() if value is not None}
    try:
        settings = SpectraSettings(
            grid.windows,
            grid.rate_hz,
            config.max_lag_s,
            config.window_detrend,
            whiten_hz=config.whiten_hz,
            unit_energy=config.normalize == "energy",
            dtype=config.dtype,
            bands_hz=config.bands_hz or (),
            whiten=config.whiten,
            edge_octaves=config.edge_octaves,
            kind=config.kind,
            coherent=components.rotated or components.together,
            content_hz=None if pre_filt is None else (pre_filt[0], pre_filt[-1]),
            **options,
        )
        _ = settings.n_fft, settings.bins  # refuse impossible values now
    except SignalError as error:
        raise ParameterError(str(error)) from error
    return settings


def _check_bands(config: Config, rate_hz: float) -> None:
    for option, corners_hz in [*_filters(config), *_divided(config)]:
        if corners_hz[-1] >= rate_hz / 2:
            raise ParameterError(
                f"{_text(option, corners_hz)}: {corners_hz[-1]:g} Hz is not below "
                f"{rate_hz / 2:g} Hz, the Nyquist frequency at {rate_hz:g} Hz"
            )


def _check_content(
    config: Config, pre_filt: Sequence[float] | None, grid: RunGrid
) -> None:
    """Refuse frequencies that no record has, or that the pre-filter removes."""
    nyquist_hz = math.inf if grid.highest_hz is None else grid.highest_hz / 2
    data = (
        f"the Nyquist frequency of the data (no channel exceeds {2 * nyquist_hz:g} Hz)"
    )
    for option, corners_hz in [*_filters(config), *_divided(config)]:
        if corners_hz[-1] >= nyquist_hz:
            raise ParameterError(
                f"{_text(option, corners_hz)}: {corners_hz[-1]:g} Hz is not below "
                f"{nyquist_hz:g} Hz, {data}"
            )
    if pre_filt is None:
        return
    corners = _text("--pre-filt", pre_filt)
    if pre_filt[-1] > nyquist_hz:
        raise ParameterError(
            f"{corners}: {pre_filt[-1]:g} Hz is above {nyquist_hz:g} Hz, {data}"
        )
    for option, (low_hz, high_hz) in _divided(config):
        if low_hz < pre_filt[0] or high_hz >= pre_filt[-1]:
            raise ParameterError(
                f"{option} {low_hz:g} {high_hz:g}: {corners} removes all outside "
                f"{pre_filt[0]:g} to {pre_filt[-1]:g} Hz; choose a band within"
            )


def _text(option: str, values: Sequence[float]) -> str:
    return f"{option} {' '.join(f'{value:g}' for value in values)}"


def _filters(config: Config) -> list[tuple[str, Sequence[float]]]:
    """Return the corners of the filters, with the names of their options."""
    filters: list[tuple[str, Sequence[float]]] = []
    if config.bandpass_hz is not None:
        filters.append(("--bandpass-hz", config.bandpass_hz))
    if config.bandstop_hz is not None:
        filters.append(("--bandstop-hz", config.bandstop_hz))
    if config.highpass_hz is not None:
        filters.append(("--highpass-hz", (config.highpass_hz,)))
    if config.lowpass_hz is not None:
        filters.append(("--lowpass-hz", (config.lowpass_hz,)))
    return filters


def _divided(config: Config) -> list[tuple[str, Sequence[float]]]:
    """Return the bands in which records are divided by amplitudes or energies."""
    bands: list[tuple[str, Sequence[float]]]
    bands = [("--bands-hz", band) for band in config.bands_hz or ()]
    if config.whiten_hz is not None:
        bands.append(("--whiten-hz", config.whiten_hz))
    if config.time_norm == "multiband-ram":
        bands += [("--norm-bands-hz", band) for band in config.norm_bands_hz or ()]
    return bands


def _pre_filt(config: Config) -> Sequence[float] | None:
    """Return the corners of the pre-filter of the response."""
    if config.steps is None:
        return config.pre_filt
    parameters = [step.parameters for step in parse_steps(config.steps)]
    given = [entry["pre_filt"] for entry in parameters if entry.get("pre_filt")]
    return given[0] if given else None
