"""The spectra of a run: how windows are transformed, whitened and correlated."""

from __future__ import annotations

from collections.abc import Sequence

from dispel4py.errors import ParameterError
from seismo_pes.correlating.settings import SpectraSettings
from seismo_pes.signal.errors import ParameterError as SignalError
from xcorr_app.config import Config
from xcorr_app.planning.grid import RunGrid

__all__ = ["spectra_settings"]

# Options of some whitenings and kinds of correlation.
OF_SOME_METHODS = ("whiten_smooth_hz", "water_level", "smooth_hz")


def spectra_settings(grid: RunGrid, config: Config) -> SpectraSettings:
    """Return the settings of all spectra of a run.

    Parameters
    ----------
    grid : RunGrid
        Windows and sampling rate.
    config : Config
        The options of windows, whitening and correlation.

    Raises
    ------
    ParameterError
        If a frequency is above the Nyquist frequency, or options contradict each
        other.
    """
    _check_bands(config, grid.rate_hz)
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
            coherent=config.coherent,
            **options,
        )
        _ = settings.n_fft, settings.bins  # refuse impossible values now
    except SignalError as error:
        raise ParameterError(str(error)) from error
    return settings


def _check_bands(config: Config, rate_hz: float) -> None:
    nyquist_hz = rate_hz / 2
    bands: list[tuple[str, Sequence[float] | None]] = [
        ("--bandpass-hz", config.bandpass_hz),
        ("--whiten-hz", config.whiten_hz),
        *(("--bands-hz", band) for band in config.bands_hz or ()),
    ]
    for option, band in bands:
        if band is not None and band[1] >= nyquist_hz:
            raise ParameterError(
                f"{option} {band[0]:g} {band[1]:g}: {band[1]:g} Hz is not below "
                f"{nyquist_hz:g} Hz, the Nyquist frequency at {rate_hz:g} Hz"
            )
